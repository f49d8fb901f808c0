use super::corpus::Asked;
use crate::support::cluster::Cluster;
use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::config::Kubeconfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const LIMIT: Duration = Duration::from_mins(1);

/// One way to the API server.
pub(super) struct Side {
    server: Server,
    identity: HeaderMap,
    h2: http2::SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

struct Server {
    host: String,
    roots: RootCertStore,
    certificate: Option<(PathBuf, PathBuf)>,
}

/// What came back, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, Vec<HeaderValue>>,
    pub(super) body: Bytes,
}

/// With the gateway's certificate, in the name that the gateway would use.
pub(super) async fn direct(cluster: &Cluster, user: &Value) -> Result<Side> {
    let master = cluster.state().join("master");
    let pki = |name: &str| master.join("pki").join(name);
    let mut identity = HeaderMap::new();
    let mut add = |name: &'static str, value: &Value| {
        let value = value.as_str().with_context(|| format!("no {name}"))?;
        identity.append(HeaderName::from_static(name), HeaderValue::from_str(value)?);
        anyhow::Ok(())
    };
    add("x-remote-user", &user["username"])?;
    add("x-remote-uid", &user["uid"])?;
    add("x-remote-extra-daas-seal", &user["extra"]["daas-seal"][0])?;
    for group in user["groups"].as_array().context("no groups")?.iter().filter(|group| *group != "system:authenticated")
    {
        add("x-remote-group", group)?;
    }
    let certificate = Some((pki("gateway.crt"), pki("gateway.key")));
    Side::open(Server::of(&master.join("kubeconfig/controller.json"), certificate)?, identity).await
}

/// As any client.
pub(super) async fn gateway(cluster: &Cluster) -> Result<Side> {
    let secret = std::fs::read_to_string(cluster.state().join("operator-seal.token"))?;
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", secret.trim()))?;
    bearer.set_sensitive(true);
    let identity = HeaderMap::from_iter([(http::header::AUTHORIZATION, bearer)]);
    Side::open(Server::of(&cluster.state().join("kubeconfig"), None)?, identity).await
}

// === impl Side ===

impl Side {
    async fn open(server: Server, identity: HeaderMap) -> Result<Self> {
        let io = TokioIo::new(server.connect("h2").await?);
        let (h2, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        Ok(Self { server, identity, h2, _driver: driver })
    }

    pub(super) async fn ask(&self, asked: &Asked) -> Result<Answer> {
        timeout(LIMIT, self.send(asked)).await.context("no answer")?
    }

    async fn send(&self, asked: &Asked) -> Result<Answer> {
        let mut request = Request::builder().method(asked.method.clone()).body(Full::new(asked.body.clone()))?;
        *request.headers_mut() = asked.headers.clone();
        for (name, value) in &self.identity {
            request.headers_mut().append(name, value.clone());
        }
        if asked.version == Version::HTTP_2 {
            *request.uri_mut() = format!("https://{}{}", self.server.host, asked.path).parse()?;
            let mut sender = self.h2.clone();
            sender.ready().await?;
            return Answer::read(sender.send_request(request).await?).await;
        }
        *request.uri_mut() = asked.path.parse()?;
        request.headers_mut().insert("host", HeaderValue::from_str(&self.server.host)?);
        let io = TokioIo::new(self.server.connect("http/1.1").await?);
        let (mut sender, connection) = http1::handshake(io).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        Answer::read(sender.send_request(request).await?).await
    }
}

// === impl Server ===

impl Server {
    /// The one a kubeconfig names.
    fn of(kubeconfig: &Path, certificate: Option<(PathBuf, PathBuf)>) -> Result<Self> {
        let config = Kubeconfig::read_from(kubeconfig)?;
        let cluster = config.clusters.into_iter().next().and_then(|named| named.cluster).context("no cluster")?;
        let server = cluster.server.context("no server")?;
        let mut roots = RootCertStore::empty();
        let pem = match (cluster.certificate_authority_data, cluster.certificate_authority) {
            (Some(data), _) => super::corpus::decode(&data)?,
            (None, Some(file)) => std::fs::read(file)?,
            (None, None) => anyhow::bail!("no certificate authority"),
        };
        for root in CertificateDer::pem_slice_iter(&pem) {
            roots.add(root?)?;
        }
        Ok(Self { host: server.trim_start_matches("https://").trim_end_matches('/').to_owned(), roots, certificate })
    }

    async fn connect(&self, protocol: &str) -> Result<TlsStream<TcpStream>> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(self.roots.clone());
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?
            }
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let tcp = TcpStream::connect(&self.host).await?;
        tcp.set_nodelay(true)?;
        let name = self.host.rsplit_once(':').map_or(self.host.as_str(), |(name, _)| name).to_owned();
        Ok(TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name)?, tcp).await?)
    }
}

// === impl Answer ===

impl Answer {
    async fn read(response: Response<Incoming>) -> Result<Self> {
        let (head, body) = response.into_parts();
        let mut headers: BTreeMap<String, Vec<HeaderValue>> = BTreeMap::new();
        for (name, value) in &head.headers {
            headers.entry(name.to_string()).or_default().push(value.clone());
        }
        Ok(Self { status: head.status.as_u16(), headers, body: body.collect().await?.to_bytes() })
    }
}
