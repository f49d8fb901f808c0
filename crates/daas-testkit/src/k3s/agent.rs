//! K3s' agent, call by call: each over a connection of its own, by address and so without a server name, and without ALPN.

use super::calls;
use crate::pki::{Leaf, Request as KeyRequest};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, HOST, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// A double of `k3s agent`.
pub struct ScriptedAgent {
    /// Where its load balancer leads.
    pub server: SocketAddr,
    /// From which address of this machine.
    pub from: IpAddr,
    /// `--node-name`.
    pub node: String,
    /// `--node-ip`.
    pub address: String,
    /// `--token`.
    pub token: Option<String>,
    /// `/etc/rancher/node/password`.
    pub password: String,
    /// What the last refusal said.
    pub message: String,
    /// What `/cacerts` said.
    ca: Option<String>,
    /// The four keys by their files' names, and what was issued for them.
    keys: BTreeMap<&'static str, (KeyRequest, Option<String>)>,
    /// Its tunnels.
    pub tunnels: Vec<Tunnel>,
}

/// An open tunnel.
pub struct Tunnel {
    /// What goes through.
    pub io: TokioIo<hyper::upgrade::Upgraded>,
    _driver: JoinSet<()>,
}

const FILES: [&str; 4] = ["serving-kubelet", "client-kubelet", "client-kube-proxy", "client-k3s-controller"];

impl ScriptedAgent {
    /// One with new keys.
    pub fn new(server: SocketAddr, node: &str, token: &str) -> Self {
        Self {
            server,
            from: IpAddr::from([127, 0, 0, 1]),
            node: node.to_owned(),
            address: "10.0.0.9".to_owned(),
            token: Some(token.to_owned()),
            password: format!("password-of-{node}"),
            message: String::new(),
            ca: None,
            keys: FILES.map(|file| (file, (KeyRequest::new(), None))).into(),
            tunnels: Vec::new(),
        }
    }

    /// What `/cacerts` said, once it was read.
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Writes its keys, and what was issued for them, to where K3s' agent has them.
    pub fn keep(&self, folder: &Path) {
        for (file, (request, issued)) in &self.keys {
            fs::write(folder.join(format!("{file}.key")), request.key()).unwrap();
            if let Some(issued) = issued {
                fs::write(folder.join(format!("{file}.crt")), issued).unwrap();
            }
        }
    }

    /// Goes on with those in a folder; whether all are there.
    pub fn go_on(&mut self, folder: &Path) -> bool {
        let read = |file: &str, end: &str| fs::read_to_string(folder.join(format!("{file}.{end}"))).ok();
        for file in FILES {
            let (Some(key), Some(issued)) = (read(file, "key"), read(file, "crt")) else { return false };
            self.keys.insert(file, (KeyRequest::load(&key), Some(issued)));
        }
        true
    }

    /// Makes a transcript's calls, and says how each ended: the transcript again, if all ended as they should.
    pub async fn play(&mut self, transcript: &str) -> Vec<String> {
        let mut played = Vec::new();
        for call in calls(transcript) {
            let call = call.split(" -> ").next().unwrap().to_owned();
            let ended = self.call(&call).await;
            played.push(format!("{call} -> {ended}"));
        }
        played
    }

    /// One call, `METHOD TARGET CA SHOWN`: which CA is believed (`os`, `any`, or `pinned`), and what is shown (`-`, or of `seal`,
    /// `kubelet`, `kube-proxy`, `controller` one, or the first and another with a plus). How it ended: a status, or `untrusted`.
    pub async fn call(&mut self, call: &str) -> String {
        let [method, target, ca, shown] = call.split(' ').collect::<Vec<_>>()[..] else { panic!("{call}") };
        let file = target.strip_prefix("/v1-k3s/").and_then(|name| name.strip_suffix(".crt"));
        let file = FILES.into_iter().find(|known| Some(*known) == file);
        let mut request = Request::builder().method(method).uri(target).header(HOST, "127.0.0.1:6444");
        if let Some(token) = self.token.as_ref().filter(|_| shown.contains("seal")) {
            request = request.header(AUTHORIZATION, super::basic(token));
        }
        let mut body = Bytes::new();
        if method == Method::POST.as_str()
            && let Some(file) = file
        {
            body = Bytes::copy_from_slice(self.keys[file].0.der());
            if file.ends_with("kubelet") {
                request = request.header("k3s-Node-Name", &self.node).header("k3s-Node-Password", &self.password);
                request = request.header("k3s-Node-IP", &self.address);
            }
        }
        let upgrade = target == "/v1-k3s/connect";
        request = if upgrade {
            let request = request.header(CONNECTION, "Upgrade").header(UPGRADE, "websocket");
            request.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==").header("Sec-WebSocket-Version", "13")
        } else {
            request.header(CONNECTION, "close")
        };
        let leaf = ["kubelet", "kube-proxy", "controller"].into_iter().find(|name| shown.ends_with(name));
        let leaf = leaf.map(|name| self.leaf(name));
        let (response, driver) = match self.send(request.body(Full::new(body)).unwrap(), ca, leaf).await {
            Ok(sent) => sent,
            Err(error) => return error,
        };
        let status = response.status();
        if upgrade && status == StatusCode::SWITCHING_PROTOCOLS {
            let io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
            self.tunnels.push(Tunnel { io, _driver: driver });
            return status.as_u16().to_string();
        }
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        self.learn(status, target, file, text);
        status.as_u16().to_string()
    }

    /// The certificate of `kubelet`, `kube-proxy` or `controller`, or `serving`, the kubelet's as a server; with its key.
    pub fn leaf(&self, name: &str) -> Leaf {
        let file = match name {
            "controller" => "client-k3s-controller".to_owned(),
            "serving" => "serving-kubelet".to_owned(),
            client => format!("client-{client}"),
        };
        let (request, issued) = &self.keys[file.as_str()];
        request.leaf(issued.as_ref().unwrap_or_else(|| panic!("no {file} was issued")))
    }

    fn learn(&mut self, status: StatusCode, target: &str, file: Option<&str>, text: String) {
        if !status.is_success() {
            let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            assert_eq!((&body["kind"], &body["code"]), (&"Status".into(), &status.as_u16().into()), "{text}");
            body["message"].as_str().unwrap().clone_into(&mut self.message);
        } else if target == "/cacerts" {
            self.ca = Some(text);
        } else if let Some((_, issued)) = file.and_then(|file| self.keys.get_mut(file)) {
            *issued = Some(text);
        }
    }

    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        ca: &str,
        leaf: Option<Leaf>,
    ) -> Result<(Response<Incoming>, JoinSet<()>), String> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(self.from, 0)).unwrap();
        let tcp = socket.connect(self.server).await.map_err(|_| "closed".to_owned())?;
        tcp.set_nodelay(true).unwrap();
        let connector = TlsConnector::from(Arc::new(self.tls(ca, leaf)));
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = connector.connect(name, tcp).await.map_err(|error| {
            let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
            let untrusted = matches!(tls, Some(rustls::Error::InvalidCertificate(_)));
            if untrusted { "untrusted".to_owned() } else { "closed".to_owned() }
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.with_upgrades().await) });
        let response = sender.send_request(request).await.map_err(|_| "closed".to_owned())?;
        Ok((response, driver))
    }

    pub(super) fn tls(&self, ca: &str, leaf: Option<Leaf>) -> ClientConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let mut roots = RootCertStore::empty();
        let builder = match ca {
            "os" => builder.with_root_certificates(roots),
            "any" => builder.dangerous().with_custom_certificate_verifier(Arc::new(Any(provider))),
            "pinned" => {
                let ca = self.ca.as_ref().expect("no /cacerts was read");
                roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
                builder.with_root_certificates(roots)
            }
            other => panic!("no CA is called {other}"),
        };
        let mut config = match leaf {
            Some(leaf) => builder.with_client_auth_cert(leaf.chain, leaf.key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = false;
        config.resumption = Resumption::disabled();
        config
    }
}

/// As agents ask for the CA itself.
#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
