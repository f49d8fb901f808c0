use async_trait::async_trait;
use bytes::Bytes;
use daas_client::SealFile;
use daas_gateway::{
    AgentToken, ConnectionInfo, FrontProxyIdentity, Gateway, GatewayConfig, K3sConfig, K3sServer, KeyId, Limits,
    LocalEndpoints, Namespaces, NodeCaller, Refusal, UpstreamConfig, k3s_server_config,
};
use daas_testkit::audit::Trail;
use daas_testkit::chain::{Chain, Staker, cluster};
use daas_testkit::k3s::{AGENT_TOKEN, Authorities, ScriptedSupervisor, simulated};
use daas_testkit::pki::Ca;
use daas_types::api::{
    AttestationRequest, AttestationResponse, HeartbeatRequest, HeartbeatResponse, RegisterWorkerRequest,
    RegisterWorkerResponse,
};
use daas_types::join::{JoinFile, Joining};
use daas_types::onchain::{SealRecord, SealToken};
use daas_types::{ErrorCode, Permissions, SealSecret};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A gateway before a scripted supervisor, and the machine of a staker.
pub(crate) struct World {
    pub(crate) supervisor: ScriptedSupervisor,
    pub(crate) chain: Chain,
    pub(crate) staker: Staker,
    pub(crate) local: Arc<Local>,
    pub(crate) k3s: PathBuf,
    pub(crate) endpoint: String,
    folder: TempDir,
    _trail: Trail,
    _running: JoinSet<()>,
}

/// The master's own endpoints, of which agents use two.
#[derive(Default)]
pub(crate) struct Local(pub(crate) Mutex<Vec<(String, IpAddr)>>);

// === impl World ===

impl World {
    pub(crate) async fn new() -> Self {
        let authorities = Authorities::new();
        let (chain, trail, local) = (Chain::new(), Trail::open(), Arc::new(Local::default()));
        let supervisor = ScriptedSupervisor::start(&authorities).await;
        let folder = tempfile::tempdir().unwrap();
        let config = gateway(&authorities, &supervisor, &trail, &folder.path().join("keys.json"));
        let leaf = authorities.server.server(&["localhost", "127.0.0.1"]);
        let tls = k3s_server_config(leaf.chain, leaf.key, &[authorities.client.cert()]).unwrap();
        let bound = Gateway::bind(config, tls, chain.index.clone(), local.clone()).await.unwrap();
        let addr = bound.local_addr();
        let mut running = JoinSet::new();
        running.spawn(bound.run(CancellationToken::new(), Duration::from_millis(100)));
        let staker = chain.staker(1, "5", Permissions::NODE);
        let world = Self {
            k3s: simulated::write(folder.path(), "host::simulated_k3s"),
            endpoint: format!("https://{addr}"),
            supervisor,
            chain,
            staker,
            local,
            folder,
            _trail: trail,
            _running: running,
        };
        world.joins(&authorities.server.pem());
        world
    }

    /// What the machine's owner was given, with this CA.
    fn joins(&self, ca: &str) {
        let (endpoint, ca) = (self.endpoint.clone(), ca.to_owned());
        let join = JoinFile { endpoint, ca, engine: Joining::K3s, ..daas_testkit::join::file() };
        std::fs::write(self.path("join.json"), serde_json::to_string(&join).unwrap()).unwrap();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The staker's Seal as it is now, in a file.
    pub(crate) fn seal(&self) -> PathBuf {
        let SealRecord { id, permissions, locator, commitment, session, expires_ms } =
            self.staker.state.seals[0].clone();
        let (position, node_id) = (self.staker.state.position, self.staker.state.node_id.clone());
        let cluster = cluster();
        let token = SealToken { id, cluster, position, node_id, permissions, locator, commitment, session, expires_ms };
        let file = SealFile::of_secret(&token, self.staker.state.owner, self.staker.secret.clone()).unwrap();
        let path = self.path(&format!("seal-{id}.json"));
        file.save(&path).unwrap();
        path
    }

    /// The Seal is renewed: from now on another is on the position, and that alone.
    pub(crate) fn renew(&mut self) -> PathBuf {
        let secret = SealSecret::generate().unwrap();
        let position = self.staker.state.position;
        let (locator, commitment) = (secret.locator(), secret.commitment(cluster(), position));
        self.staker.secret = secret;
        self.chain.put(&mut self.staker, |state| {
            let id = daas_types::SealId(daas_types::Address::new([0x77; 32]));
            state.seals[0] = SealRecord { id, locator, commitment, ..state.seals[0].clone() };
        });
        self.seal()
    }

    /// The process id of the agent that is supervised.
    pub(crate) fn agent(&self) -> u32 {
        let record = std::fs::read(self.path("data/run/k3s-agent.pid.json")).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        record["pid"].as_u64().unwrap().try_into().unwrap()
    }

    pub(crate) fn pods(&self) -> Vec<u32> {
        simulated::pods(&self.path("data/k3s/agent"))
    }
}

/// What a test that fails leaves.
impl Drop for World {
    fn drop(&mut self) {
        let agent = self.path("data/run/k3s-agent.pid.json").exists().then(|| self.agent());
        for pid in agent.into_iter().chain(self.pods()) {
            let _ = kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL);
        }
    }
}

fn gateway(authorities: &Authorities, supervisor: &ScriptedSupervisor, trail: &Trail, keys: &Path) -> GatewayConfig {
    let Authorities { server, client, request_header } = authorities;
    let proxy = request_header.client("daas:gateway");
    let own = client.member("system:node:the-server", &["system:nodes"]);
    GatewayConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        cluster: cluster(),
        node_stale_grace: Duration::from_mins(15),
        upstream: UpstreamConfig {
            addr: supervisor.addr,
            server_name: "kubernetes".to_owned(),
            roots: vec![server.cert()],
            front_proxy: FrontProxyIdentity { chain: proxy.chain, key: proxy.key },
        },
        service_account: None,
        namespaces: Namespaces::default(),
        audit: trail.log.clone(),
        k3s: Some(K3sConfig {
            agent_token: AgentToken::parse(AGENT_TOKEN).unwrap(),
            server_ca: Bytes::from(server.pem()),
            client_ca: vec![client.cert()],
            keys: keys.to_owned(),
            server: Some(K3sServer {
                node: "the-server".parse().unwrap(),
                key: KeyId::of_certificate(&own.chain[0]).unwrap(),
            }),
            own_names: vec!["the-gateway".to_owned()],
            own_addresses: vec!["10.43.0.1".parse().unwrap()],
        }),
        limits: Limits::default(),
    }
}

fn nobody<T>() -> Result<T, Refusal> {
    Err(Refusal::forbidden(ErrorCode::RouteRefused, "no agent asks for it"))
}

#[async_trait]
impl LocalEndpoints for Local {
    async fn attest(&self, _: &ConnectionInfo, _: AttestationRequest, _: bool) -> Result<AttestationResponse, Refusal> {
        nobody()
    }

    async fn register_worker(
        &self,
        _: &ConnectionInfo,
        _: &NodeCaller,
        _: RegisterWorkerRequest,
    ) -> Result<RegisterWorkerResponse, Refusal> {
        nobody()
    }

    async fn agent_serves(
        &self,
        _: &ConnectionInfo,
        caller: &NodeCaller,
        _: IpAddr,
        request: &[u8],
    ) -> Result<String, Refusal> {
        Ok(Ca::new("kubelets").sign_server_request(request, &[caller.node_id.as_str()]))
    }

    async fn agent_joins(&self, _: &ConnectionInfo, caller: &NodeCaller, address: IpAddr) -> Result<(), Refusal> {
        self.0.lock().unwrap().push((caller.node_id.to_string(), address));
        Ok(())
    }

    async fn heartbeat(
        &self,
        _: &ConnectionInfo,
        _: &NodeCaller,
        _: HeartbeatRequest,
    ) -> Result<HeartbeatResponse, Refusal> {
        nobody()
    }

    fn kubectl_config(&self) -> String {
        String::new()
    }
}
