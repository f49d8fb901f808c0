use crate::harness::{Local, Options, within};
use bytes::Bytes;
use daas_gateway::{
    AgentToken, FrontProxyIdentity, Gateway, GatewayConfig, K3sConfig, K3sServer, KeyId, Limits, Namespaces,
    UpstreamConfig, k3s_server_config,
};
use daas_testkit::audit::Trail;
use daas_testkit::chain::{Chain, Staker, cluster};
use daas_testkit::k3s::{AGENT_TOKEN, Authorities, JOIN, ScriptedAgent, ScriptedSupervisor, calls};
use daas_testkit::pki::Leaf;
use daas_types::Permissions;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a test may choose.
pub(crate) struct Choices {
    pub(crate) agent_token: &'static str,
    pub(crate) limits: Limits,
}

/// A gateway before a scripted supervisor.
pub(crate) struct World {
    pub(crate) addr: SocketAddr,
    pub(crate) authorities: Authorities,
    pub(crate) supervisor: ScriptedSupervisor,
    pub(crate) chain: Chain,
    pub(crate) trail: Trail,
    /// The certificate of K3s' own kubelet, which it has none of.
    pub(crate) own: Leaf,
    pub(crate) local: Arc<Local>,
    folder: TempDir,
    running: JoinSet<()>,
}

impl Default for Choices {
    fn default() -> Self {
        Self { agent_token: AGENT_TOKEN, limits: Limits::default() }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Choices::default()).await
    }

    pub(crate) async fn with(choices: Choices) -> Self {
        let authorities = Authorities::new();
        let own = authorities.client.member("system:node:the-server", &["system:nodes"]);
        let mut world = Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            supervisor: ScriptedSupervisor::start(&authorities).await,
            authorities,
            chain: Options::default().chain,
            trail: Trail::open(),
            own,
            local: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
            running: JoinSet::new(),
        };
        world.serve(choices).await;
        world
    }

    /// The gateway ends, and begins again at another port.
    pub(crate) async fn restart(&mut self) {
        self.running.shutdown().await;
        self.serve(Choices::default()).await;
    }

    async fn serve(&mut self, Choices { agent_token, limits }: Choices) {
        let Authorities { server, client, request_header } = &self.authorities;
        let proxy = request_header.client("daas:gateway");
        let config = GatewayConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            cluster: cluster(),
            node_stale_grace: Duration::from_mins(15),
            upstream: UpstreamConfig {
                addr: self.supervisor.addr,
                server_name: "kubernetes".to_owned(),
                roots: vec![server.cert()],
                front_proxy: FrontProxyIdentity { chain: proxy.chain, key: proxy.key },
            },
            service_account: None,
            namespaces: Namespaces::default(),
            audit: self.trail.log.clone(),
            k3s: Some(K3sConfig {
                agent_token: AgentToken::parse(agent_token).unwrap(),
                server_ca: Bytes::from(server.pem()),
                client_ca: vec![client.cert()],
                keys: self.folder.path().join("keys.json"),
                server: Some(K3sServer {
                    node: "the-server".parse().unwrap(),
                    key: KeyId::of_certificate(&self.own.chain[0]).unwrap(),
                }),
                own_names: vec!["the-gateway".to_owned()],
                own_addresses: vec!["10.43.0.1".parse().unwrap()],
            }),
            limits,
        };
        let leaf = server.server(&["localhost", "127.0.0.1"]);
        let tls = k3s_server_config(leaf.chain, leaf.key, &[client.cert()]).unwrap();
        let bound = Gateway::bind(config, tls, self.chain.index.clone(), self.local.clone()).await.unwrap();
        self.addr = bound.local_addr();
        self.running.spawn(bound.run(CancellationToken::new(), Duration::from_millis(100)));
    }

    /// A staker with a node's Seal, and an agent with its secret.
    pub(crate) fn worker(&self, n: u8) -> (Staker, ScriptedAgent) {
        let staker = self.chain.staker(n, "5", Permissions::NODE);
        let agent = self.agent(&staker);
        (staker, agent)
    }

    pub(crate) fn agent(&self, staker: &Staker) -> ScriptedAgent {
        ScriptedAgent::new(self.addr, &staker.state.node_id, &staker.opaque())
    }

    /// The same, joined. What the supervisor was asked for it is what its agent asked.
    pub(crate) async fn joined(&self, n: u8) -> (Staker, ScriptedAgent) {
        let (staker, mut agent) = self.worker(n);
        assert_eq!(within(agent.play(JOIN)).await, calls(JOIN));
        (staker, agent)
    }

    /// How a call ends that is to go no further than the gateway: the status, and what the agent's log would say.
    pub(crate) async fn refused(&self, agent: &mut ScriptedAgent, call: &str) -> (String, String) {
        let before = self.supervisor.asked().len();
        agent.message.clear();
        let ended = within(agent.call(call)).await;
        let asked = self.supervisor.asked();
        assert!(asked.len() == before, "{call} went on: {:?}", asked.last());
        (ended, agent.message.clone())
    }
}
