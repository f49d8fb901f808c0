//! The cluster's keys and certificates.
//!
//! The four authorities and the service-account key are made once and kept; every other certificate is made
//! anew at each start, so that nothing that is in use grows old and there is no renewal to get wrong.

mod authority;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::files::{self, FileError};
use authority::{Authority, Leaf, Usage};

/// Common name of the gateway's front-proxy certificate.
pub const GATEWAY_NAME: &str = "daas:gateway";
/// Common name of the API server's own aggregator certificate.
pub const AGGREGATOR_NAME: &str = "daas:aggregator";
/// User name by which the API server calls kubelets; RBAC binds it to `system:kubelet-api-admin`.
pub const KUBELET_CLIENT_NAME: &str = "daas:kubelet-client";
/// User name of the master's own controllers on the loopback API server.
pub const CONTROLLER_NAME: &str = "daas:controller";

/// The file of that user's certificate where K3s runs the nodes.
pub(crate) const K3S_KUBELET_CLIENT: &str = "k3s-kubelet-client";
/// The file of the authority whose kubelets the API server believes.
pub(crate) const KUBELET_SERVING_CA: &str = "kubelet-serving-ca";

/// Why a key or certificate could not be made, read or issued.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A stored authority is not one: its certificate or key does not parse or they do not belong together.
    #[error("{path} is not the certificate and key of an authority: {reason}")]
    Damaged {
        /// The certificate file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate request does not parse or its signature is not by its own key.
    #[error("the certificate request is not acceptable")]
    Request(#[source] rcgen::Error),
    /// A name that cannot stand in a certificate.
    #[error("{name:?} cannot stand in a certificate")]
    Name {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// The cryptography library failed.
    #[error("cannot make a key or certificate")]
    Crypto(#[from] rcgen::Error),
}

/// Where a certificate and its key lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertFiles {
    /// The certificate (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM, PKCS#8).
    pub key: PathBuf,
}

/// What the certificates must be valid for.
#[derive(Clone, Debug)]
pub struct PkiNames {
    /// Names and addresses by which clients reach the gateway, besides the ones every cluster has.
    pub gateway_sans: Vec<String>,
    /// First address of the service range: the `kubernetes` Service.
    pub service_ip: Ipv4Addr,
    /// The cluster's DNS domain.
    pub domain: String,
}

/// The cluster's authorities with the certificates of this start.
#[derive(Debug)]
pub struct Pki {
    folder: PathBuf,
    server_ca: Authority,
    client_ca: Authority,
    kubelet_client_ca: Authority,
    kubelet_serving_ca: Authority,
    service_account_public_key: String,
    now: SystemTime,
}

// === impl Pki ===

impl Pki {
    /// Reads the authorities below `<state_dir>/pki`, making those that are not there, and issues the
    /// certificates of the control plane for this start.
    pub fn load_or_create(state_dir: &Path, names: &PkiNames, now: SystemTime) -> Result<Self, PkiError> {
        let folder = state_dir.join("pki");
        files::make_folder(&folder)?;
        let authority = |name| Authority::load_or_create(&folder, name, now);
        let request_header_ca = authority("request-header-ca")?;
        let pki = Self {
            server_ca: authority("server-ca")?,
            client_ca: authority("client-ca")?,
            kubelet_client_ca: authority("kubelet-client-ca")?,
            kubelet_serving_ca: authority(KUBELET_SERVING_CA)?,
            service_account_public_key: authority::service_account_key(&folder)?,
            folder: folder.clone(),
            now,
        };
        pki.issue_clients(&request_header_ca)?;
        pki.issue_servers(names)?;
        Ok(pki)
    }

    /// The CA that kubeconfigs pin and that the evidence binds (PEM).
    pub fn server_ca_pem(&self) -> &str {
        self.server_ca.pem()
    }

    /// SHA-256 of that CA's SubjectPublicKeyInfo.
    pub fn server_ca_spki_sha256(&self) -> [u8; 32] {
        self.server_ca.spki_sha256()
    }

    /// The CA that signs the API server's certificate towards kubelets (PEM); nodes accept no other.
    pub fn kubelet_client_ca_pem(&self) -> &str {
        self.kubelet_client_ca.pem()
    }

    /// The CA that signs kubelets' certificates as servers (PEM); the API server alone believes it.
    pub fn kubelet_serving_ca_pem(&self) -> &str {
        self.kubelet_serving_ca.pem()
    }

    /// The key that verifies service-account tokens (PEM).
    pub fn service_account_public_key_pem(&self) -> &str {
        &self.service_account_public_key
    }

    /// Issues a kubelet's serving certificate. Of the request (PKCS#10, DER) only the public key is used, after
    /// its signature was checked: names and addresses are the caller's word, never the node's. The authority is one that
    /// only the API server believes: a certificate of the CA that clients pin would let a node on the gateway's machine,
    /// or one named `localhost`, pass for the gateway; with K3s, whose agents call `127.0.0.1`, any node that has it in its own.
    pub fn issue_kubelet_serving(
        &self,
        request_der: &[u8],
        node_name: &str,
        ip: IpAddr,
        now: SystemTime,
    ) -> Result<String, PkiError> {
        let user = format!("system:node:{node_name}");
        let sans = [ip.to_string(), node_name.to_owned()];
        let leaf = Leaf { name: &user, group: Some("system:nodes"), sans: &sans, usage: Usage::Server };
        self.kubelet_serving_ca.sign_request(request_der, &leaf, now)
    }

    /// Issues a client certificate for a node from the client CA. Tests of the engine alone use it; in the
    /// product nodes show tokens to the gateway and hold no client certificate.
    #[doc(hidden)]
    pub fn issue_node_client(&self, node_name: &str, now: SystemTime) -> Result<CertFiles, PkiError> {
        let user = format!("system:node:{node_name}");
        let leaf = Leaf { name: &user, group: Some("system:nodes"), sans: &[], usage: Usage::Client };
        self.client_ca.issue(&self.folder, &format!("node-{node_name}"), &leaf, now)
    }

    /// The folder with all of it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files of the certificate called `name`, whether or not they exist.
    pub(crate) fn files(&self, name: &str) -> CertFiles {
        authority::cert_files(&self.folder, name)
    }

    fn issue_clients(&self, request_header_ca: &Authority) -> Result<(), PkiError> {
        let clients: [(&Authority, &str, &str, Option<&str>); 7] = [
            (request_header_ca, "gateway", GATEWAY_NAME, None),
            (request_header_ca, "aggregator", AGGREGATOR_NAME, None),
            (&self.kubelet_client_ca, "kubelet-client", KUBELET_CLIENT_NAME, None),
            // K3s' kubelets know one authority of clients.
            (&self.client_ca, K3S_KUBELET_CLIENT, KUBELET_CLIENT_NAME, None),
            (&self.client_ca, "controller", CONTROLLER_NAME, Some("system:masters")),
            (&self.client_ca, "kcm", "system:kube-controller-manager", None),
            (&self.client_ca, "scheduler", "system:kube-scheduler", None),
        ];
        for (authority, file, name, group) in clients {
            let leaf = Leaf { name, group, sans: &[], usage: Usage::Client };
            authority.issue(&self.folder, file, &leaf, self.now)?;
        }
        Ok(())
    }

    fn issue_servers(&self, names: &PkiNames) -> Result<(), PkiError> {
        let mut sans = vec!["localhost".to_owned(), "kubernetes".to_owned(), "kubernetes.default".to_owned()];
        sans.push("kubernetes.default.svc".to_owned());
        sans.push(format!("kubernetes.default.svc.{}", names.domain));
        sans.push(Ipv4Addr::LOCALHOST.to_string());
        sans.push(names.service_ip.to_string());
        let components = Leaf { name: "kube-apiserver", group: None, sans: &sans, usage: Usage::Server };
        self.server_ca.issue(&self.folder, "loopback-serving", &components, self.now)?;
        for san in &names.gateway_sans {
            if !sans.contains(san) {
                sans.push(san.clone());
            }
        }
        let gateway = Leaf { name: GATEWAY_NAME, group: None, sans: &sans, usage: Usage::Server };
        self.server_ca.issue(&self.folder, "gateway-serving", &gateway, self.now)?;
        Ok(())
    }
}
