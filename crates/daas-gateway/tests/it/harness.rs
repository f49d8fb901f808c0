use async_trait::async_trait;
use bytes::Bytes;
use daas_audit::Log;
use daas_gateway::{
    BoundGateway, ConnectionInfo, FrontProxyIdentity, Gateway, GatewayConfig, Limits, LocalEndpoints, Namespaces,
    NodeCaller, Owner, Refusal, ServiceAccountConfig, UpstreamConfig, server_config,
};
use daas_testkit::audit::Trail;
use daas_testkit::chain::{Chain, Staker, cluster};
use daas_testkit::client::{Http1, Http2, tls_from};
use daas_testkit::pki::{Ca, Leaf};
use daas_testkit::upstream::Upstream;
use daas_types::api::{
    AttestationRequest, AttestationResponse, ClusterSettings, HeartbeatRequest, HeartbeatResponse,
    RegisterWorkerRequest, RegisterWorkerResponse,
};
use daas_types::pop::Usage;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use rcgen::KeyPair;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.test";

/// What a test may choose.
pub(crate) struct Options {
    pub(crate) chain: Chain,
    pub(crate) limits: Limits,
    pub(crate) node_stale_grace: Duration,
    pub(crate) streams: u32,
    /// The API server's certificate, of the cluster's CA.
    pub(crate) api_server: fn(&Ca) -> Leaf,
    /// The gateway's front-proxy certificate, of the request-header CA.
    pub(crate) proxy: fn(&Ca) -> Leaf,
    /// Another API server than the stand-in.
    pub(crate) upstream: Option<Start>,
    /// Instead of the world's own trail.
    pub(crate) audit: Option<Log>,
}

/// Starts an API server with that certificate: where it listens, and what it runs on.
pub(crate) type Start = Box<dyn FnOnce(Leaf) -> (SocketAddr, JoinSet<()>)>;

/// A running gateway, its API server and its chain.
pub(crate) struct World {
    pub(crate) addr: SocketAddr,
    pub(crate) ca: Ca,
    pub(crate) upstream: Upstream,
    pub(crate) chain: Chain,
    pub(crate) local: Arc<Local>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) accounts: KeyPair,
    pub(crate) namespaces: Namespaces,
    pub(crate) trail: Trail,
    pub(crate) running: JoinSet<()>,
}

/// Our endpoints, recording.
#[derive(Default)]
pub(crate) struct Local {
    pub(crate) attested: Mutex<Vec<(ConnectionInfo, AttestationRequest, bool)>>,
    pub(crate) callers: Mutex<Vec<NodeCaller>>,
    pub(crate) agents: Mutex<Vec<(NodeCaller, IpAddr)>>,
    /// Kubelets that were certified as servers, and what they were given.
    pub(crate) served: Mutex<Vec<(NodeCaller, IpAddr, String)>>,
    /// How many agents join at this moment.
    pub(crate) joining: watch::Sender<usize>,
    /// Held, none of them comes to its end.
    pub(crate) door: tokio::sync::Mutex<()>,
    /// What the next agent is told.
    pub(crate) refuses: Mutex<Option<Refusal>>,
    /// A heartbeat came.
    pub(crate) asked: tokio::sync::Notify,
    /// Held, heartbeats are not answered.
    pub(crate) slow: tokio::sync::Mutex<()>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            chain: Chain::new(),
            limits: Limits::default(),
            node_stale_grace: Duration::from_mins(15),
            streams: 100,
            api_server: |ca| ca.server(&["kubernetes"]),
            audit: None,
            proxy: |ca| ca.client("daas:gateway"),
            upstream: None,
        }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default(), Duration::from_secs(1)).await
    }

    pub(crate) async fn with(options: Options, drain: Duration) -> Self {
        let Options { chain, limits, node_stale_grace, streams, api_server, proxy, upstream: other, audit } = options;
        let trail = Trail::open();
        let (ca, front) = (Ca::new("cluster"), Ca::new("request-header"));
        let upstream = Upstream::start(api_server(&ca), &front, streams).await;
        let (addr, other) = match other {
            Some(start) => start(api_server(&ca)),
            None => (upstream.addr, JoinSet::new()),
        };
        let accounts = KeyPair::generate().unwrap();
        let namespaces = Namespaces::default();
        namespaces.set("kube-system".to_owned(), Some(Owner::Cluster));
        let proxy = proxy(&front);
        let config = GatewayConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            cluster: cluster(),
            node_stale_grace,
            upstream: UpstreamConfig {
                addr,
                server_name: "kubernetes".to_owned(),
                roots: vec![ca.cert()],
                front_proxy: FrontProxyIdentity { chain: proxy.chain, key: proxy.key },
            },
            service_account: Some(ServiceAccountConfig {
                issuer: ISSUER.to_owned(),
                public_key: accounts.public_key_pem(),
            }),
            namespaces: namespaces.clone(),
            audit: audit.unwrap_or_else(|| trail.log.clone()),
            k3s: None,
            limits,
        };
        let leaf = ca.server(&["localhost", "127.0.0.1"]);
        let tls = server_config(leaf.chain, leaf.key).unwrap();
        let local = Arc::new(Local::default());
        let bound: BoundGateway = Gateway::bind(config, tls, chain.index.clone(), local.clone()).await.unwrap();
        let (addr, shutdown) = (bound.local_addr(), CancellationToken::new());
        let mut running = other;
        running.spawn(bound.run(shutdown.clone(), drain));
        Self { addr, ca, upstream, chain, local, shutdown, accounts, namespaces, trail, running }
    }

    pub(crate) async fn http2(&self) -> Http2 {
        Http2::connect(self.addr, &self.ca.roots()).await
    }

    /// From another address of this machine.
    pub(crate) async fn http2_from(&self, from: &str) -> Http2 {
        let tls = tls_from(from.parse().unwrap(), self.addr, &self.ca.roots(), &["h2"]).await;
        Http2::over(tls.unwrap()).await
    }

    pub(crate) async fn http1(&self) -> Http1 {
        Http1::connect(self.addr, &self.ca.roots()).await
    }

    /// Sends over a new HTTP/2 connection.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        within(async { self.http2().await.send(request).await }).await.unwrap()
    }

    /// The refusal that a request meets; fails the test if it was forwarded.
    pub(crate) async fn refusal(&self, request: Request<Full<Bytes>>) -> (StatusCode, String) {
        let before = self.upstream.requests().len();
        let client = self.http2().await;
        let response = within(client.send(request)).await.unwrap();
        assert_eq!(self.upstream.requests().len(), before, "it was forwarded");
        let status = response.status();
        (status, reason(response).await)
    }
}

#[async_trait]
impl LocalEndpoints for Local {
    async fn attest(
        &self,
        connection: &ConnectionInfo,
        request: AttestationRequest,
        informative: bool,
    ) -> Result<AttestationResponse, Refusal> {
        self.attested.lock().unwrap().push((connection.clone(), request, informative));
        Ok(AttestationResponse {
            enclave_id: "i-test".to_owned(),
            measurement: String::new(),
            signature: String::new(),
            certificate: String::new(),
            tee_type: "SIMULATED_NITRO".to_owned(),
            security_level: 0,
            document: String::new(),
            pcrs: BTreeMap::new(),
            informative,
        })
    }

    async fn register_worker(
        &self,
        _: &ConnectionInfo,
        caller: &NodeCaller,
        _: RegisterWorkerRequest,
    ) -> Result<RegisterWorkerResponse, Refusal> {
        self.callers.lock().unwrap().push(caller.clone());
        let empty = String::new;
        Ok(RegisterWorkerResponse {
            success: true,
            kubeconfig: empty(),
            ca_cert: empty(),
            api_server: empty(),
            serving_cert: empty(),
            kubelet_client_ca: empty(),
            cluster: ClusterSettings {
                cluster_cidr: empty(),
                service_cidr: empty(),
                cluster_dns: empty(),
                cluster_domain: empty(),
                version: empty(),
                attestation_interval: 3600,
            },
        })
    }

    async fn agent_serves(
        &self,
        _: &ConnectionInfo,
        caller: &NodeCaller,
        address: IpAddr,
        request: &[u8],
    ) -> Result<String, Refusal> {
        if let Some(refusal) = self.refuses.lock().unwrap().take() {
            return Err(refusal);
        }
        let pem = Ca::new("kubelets").sign_server_request(request, &[caller.node_id.as_str()]);
        self.served.lock().unwrap().push((caller.clone(), address, pem.clone()));
        Ok(pem)
    }

    async fn agent_joins(&self, _: &ConnectionInfo, caller: &NodeCaller, address: IpAddr) -> Result<(), Refusal> {
        self.joining.send_modify(|joining| *joining += 1);
        drop(self.door.lock().await);
        self.joining.send_modify(|joining| *joining -= 1);
        if let Some(refusal) = self.refuses.lock().unwrap().take() {
            return Err(refusal);
        }
        self.agents.lock().unwrap().push((caller.clone(), address));
        Ok(())
    }

    async fn heartbeat(
        &self,
        _: &ConnectionInfo,
        caller: &NodeCaller,
        _: HeartbeatRequest,
    ) -> Result<HeartbeatResponse, Refusal> {
        self.callers.lock().unwrap().push(caller.clone());
        self.asked.notify_one();
        drop(self.slow.lock().await);
        Ok(HeartbeatResponse { success: true, stake_status: "active".to_owned(), server_time_ms: 0 })
    }

    fn kubectl_config(&self) -> String {
        r#"{"kind":"Config"}"#.to_owned()
    }
}

/// A clock that stands still until it is moved, however long the network takes; it goes on when this is dropped.
pub(crate) struct Still(mpsc::Sender<()>);

impl Still {
    pub(crate) fn new() -> Self {
        tokio::time::pause();
        let (still, moves) = mpsc::channel();
        // The runtime moves a paused clock by itself, but not while something blocks; that has an end, as every wait here.
        tokio::task::spawn_blocking(move || moves.recv_timeout(Duration::from_secs(20)));
        Self(still)
    }

    /// So much time passes at once.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::advance(time).await;
    }

    /// So much time passes, ten seconds at a time, and what is asked meanwhile is answered, pings among it.
    pub(crate) async fn pass_talking(&self, time: Duration, client: &Http2, bearer: &str) {
        let end = tokio::time::Instant::now() + time;
        while let left @ 1.. = end.saturating_duration_since(tokio::time::Instant::now()).as_millis() {
            self.pass(Duration::from_millis(left.min(10_000).try_into().unwrap())).await;
            for _ in 0..3 {
                assert_eq!(text(client.send(get("/api", bearer)).await.unwrap()).await, r#"{"kind":"Answer"}"#);
            }
        }
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        let _ = self.0.send(());
        tokio::time::resume();
    }
}

/// Every wait in these tests has an end.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("must not hang")
}

pub(crate) fn get(path: &str, bearer: &str) -> Request<Full<Bytes>> {
    build("GET", path, &[("authorization", &format!("Bearer {bearer}"))], "")
}

pub(crate) fn build(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(format!("https://localhost{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    let body = within(response.into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The reason of a `metav1.Status`, whose form is checked on the way.
pub(crate) async fn reason(response: Response<Incoming>) -> String {
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers().contains_key("www-authenticate"), status == StatusCode::UNAUTHORIZED);
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(body["apiVersion"], "v1");
    assert_eq!(body["kind"], "Status");
    assert_eq!(body["status"], "Failure");
    assert_eq!(body["code"], status.as_u16());
    assert!(body["message"].as_str().unwrap().contains("Fix: "));
    body["reason"].as_str().unwrap().to_owned()
}

pub(crate) fn user(staker: &Staker) -> String {
    staker.token(Usage::User)
}

/// What is answered to a holder who asks for `/api`: status and reason.
pub(crate) async fn refused(world: &World, bearer: &str) -> (u16, String) {
    let (status, reason) = world.refusal(get("/api", bearer)).await;
    (status.as_u16(), reason)
}

pub(crate) fn is(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}
