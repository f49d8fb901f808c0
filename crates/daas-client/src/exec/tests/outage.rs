//! A node's credential while the chain cannot be reached, from a master that attests on a real connection.

use super::*;
use crate::Masters;
use daas_attest::device::Nsm;
use daas_attest::{Binding, Evidence, bind_nonce};
use daas_devnet::{Config, Devnet, nsm};
use daas_testkit::pki::Ca;
use daas_types::api::{AttestationRequest, AttestationResponse, EXPORTER_LABEL};
use daas_types::onchain::{MasterRecord, Measurement, MeasurementStatus, NautilusState, Policy};
use daas_types::pop::PopToken;
use daas_types::{Address, Permissions, SealId, WalletAddress};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// When the chain was last heard.
const T0: UnixMs = UnixMs(1_800_000_000_000);

/// A master, and a node that knows it, on a network that is gone.
struct World {
    cluster: ClusterInfo,
    seal: SealFile,
    masters: Masters,
    folder: TempDir,
    clock: Arc<AtomicU64>,
    attested: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

/// What the master answers with.
#[derive(Clone)]
struct Enclave {
    socket: PathBuf,
    binding: Binding,
    attested: Arc<AtomicUsize>,
}

// === impl Enclave ===

impl Enclave {
    async fn serve(self, listener: TcpListener, tls: TlsAcceptor) {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            // Whoever dislikes the certificate goes.
            if let Ok(stream) = tls.accept(tcp).await {
                self.answer(stream).await;
            }
        }
    }

    async fn answer(&self, stream: TlsStream<TcpStream>) {
        let exporter = stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap();
        let service = service_fn(move |request: Request<Incoming>| {
            let enclave = self.clone();
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let asked: AttestationRequest = serde_json::from_slice(&body).unwrap();
                let nonce: [u8; 32] = hex::decode(asked.nonce.unwrap()).unwrap().try_into().unwrap();
                Ok::<_, std::convert::Infallible>(enclave.evidence(bind_nonce(&nonce, &exporter)).await)
            }
        });
        let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        drop(served);
    }

    async fn evidence(self, nonce: [u8; 32]) -> Response<Full<Bytes>> {
        self.attested.fetch_add(1, Ordering::SeqCst);
        let Self { socket, binding, .. } = self;
        let attested = tokio::task::spawn_blocking(move || Nsm::open(&socket).unwrap().attest(&binding, &nonce));
        let Evidence::Nitro(document) = attested.await.unwrap().unwrap() else { panic!("another kind of evidence") };
        let answer = AttestationResponse {
            enclave_id: String::new(),
            measurement: String::new(),
            signature: String::new(),
            certificate: String::new(),
            tee_type: "SIMULATED_NITRO".to_owned(),
            security_level: 0,
            document: STANDARD.encode(document),
            pcrs: BTreeMap::new(),
            informative: false,
        };
        Response::new(Full::from(serde_json::to_vec(&answer).unwrap()))
    }
}

// === impl World ===

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicU64::new(T0.0));
        let mut tasks = JoinSet::new();
        let (socket, manifest) = (folder.path().join("nsm.sock"), folder.path().join("engine.json"));
        std::fs::write(&manifest, b"{}").unwrap();
        let read = clock.clone();
        let time: daas_devnet::Clock = Arc::new(move || UnixMs(read.load(Ordering::SeqCst)));
        let args =
            nsm::Args { socket: socket.clone(), state_dir: folder.path().to_owned(), manifest: manifest.clone() };
        let tee = nsm::Simulation::bind(args, time.clone()).unwrap();
        let config = Config::on_free_ports(folder.path().join("net"), tee.root_key_hash(), time);
        tasks.spawn(async move { tee.run(CancellationToken::new()).await.unwrap() });
        // Its genesis is what a node keeps of the network.
        let devnet = Devnet::start(config).await.unwrap();
        let (genesis, rpc) = (devnet.genesis.clone(), devnet.rpc_url().parse().unwrap());
        devnet.stop().await.unwrap();

        let ca = Ca::new("cluster");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("https://{}", listener.local_addr().unwrap());
        let join = daas_types::join::JoinFile { rpc, ca: ca.pem(), endpoint, ..daas_testkit::join::file() };
        let cluster = ClusterInfo { join, genesis };
        let pcrs = nsm::measure(&std::env::current_exe().unwrap(), &manifest).unwrap();
        let masters = masters(&cluster, &pcrs);
        let leaf = ca.server(&["127.0.0.1"]);
        let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(leaf.chain, leaf.key)
            .unwrap();
        let attested = Arc::default();
        let enclave = Enclave { socket, binding: binding(&cluster), attested: Arc::clone(&attested) };
        tasks.spawn(enclave.serve(listener, TlsAcceptor::from(Arc::new(tls))));

        let owner = WalletAddress(Address::new([8; 32]));
        let node = Some("n1".parse().unwrap());
        let mut seal = SealFile::prepare(&cluster.join, owner, Permissions::NODE, node).unwrap();
        seal.seal = Some(SealId::from(Address::new([7; 32])));
        Self { cluster, seal, masters, folder, clock, attested, _tasks: tasks }
    }

    fn verdicts(&self) -> PathBuf {
        self.folder.path().join("verified")
    }

    /// What a component gets this long after the chain was last heard.
    async fn credential(&self, usage: Usage, since: Duration) -> Result<serde_json::Value, Problem> {
        let now = T0.plus(since);
        self.clock.store(now.0, Ordering::SeqCst);
        let target = json!({
            "server": self.cluster.join.endpoint, "certificate-authority-data": STANDARD.encode(&self.cluster.join.ca),
        });
        let info = json!({ "spec": { "cluster": target, "interactive": false } }).to_string();
        let made = credential_at(Some(&info), &self.cluster, &self.seal, usage, &self.verdicts(), now).await?;
        Ok(serde_json::from_str(&made).unwrap())
    }

    fn asked(&self) -> usize {
        self.attested.load(Ordering::SeqCst)
    }
}

fn binding(cluster: &ClusterInfo) -> Binding {
    Binding {
        genesis: cluster.genesis.digest(),
        cluster: cluster.join.cluster,
        package: cluster.join.package,
        config_digest: [4; 32],
        ca_spki: ca_spki(&cluster.join.ca).unwrap(),
        signing_key: [6; 32],
    }
}

/// One master that has just given a sign of life.
fn masters(cluster: &ClusterInfo, pcrs: &daas_types::onchain::Pcrs) -> Masters {
    let binding = binding(cluster);
    let record = MasterRecord {
        endpoint: cluster.join.endpoint.clone(),
        ca_spki: binding.ca_spki.to_vec(),
        signing_key: binding.signing_key.to_vec(),
        address: WalletAddress(Address::ZERO),
        config_digest: binding.config_digest.to_vec(),
        pcr0: pcrs.pcr0.clone(),
        position: Address::ZERO.into(),
        registered_ms: T0,
        expires_ms: T0.plus(Duration::from_secs(1)),
        heartbeat_ms: T0,
    };
    let measurement = Measurement {
        pcr0: pcrs.pcr0.clone(),
        pcr1: pcrs.pcr1.clone(),
        pcr2: pcrs.pcr2.clone(),
        status: MeasurementStatus::InForce,
        active_from_ms: UnixMs(0),
    };
    let nautilus = NautilusState {
        id: cluster.join.nautilus,
        cluster: cluster.join.cluster,
        generation: 1,
        registrations: 1,
        measurements: vec![measurement],
        masters: vec![record],
        endorsements: vec![],
    };
    Masters { nautilus, policy: Policy::devnet(WalletAddress(Address::ZERO)), at: T0 }
}

#[tokio::test]
async fn a_node_has_its_credential_for_a_quarter_of_an_hour_without_the_chain() {
    let world = World::start().await;
    let minutes = Duration::from_mins;
    let refused = world.credential(Usage::Kubelet, minutes(0)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::ChainUnreachable, "nothing is known yet");
    world.masters.remember(&world.verdicts()).unwrap();
    // A kubelet asks when its token is about to end.
    for (n, minute) in [0, 4, 8, 12, 15].into_iter().enumerate() {
        let made = world.credential(Usage::Kubelet, minutes(minute)).await.unwrap();
        let token = PopToken::verify(made["status"]["token"].as_str().unwrap()).unwrap();
        assert_eq!((token.claims().usage, token.claims().issued), (Usage::Kubelet, T0.plus(minutes(minute))));
        assert_eq!(world.asked(), n + 1, "each time the master proves itself anew");
    }
    world.credential(Usage::KubeProxy, minutes(15)).await.unwrap();
    let late = minutes(15) + Duration::from_secs(61);
    let refused = world.credential(Usage::Kubelet, late).await.unwrap_err();
    assert_eq!((refused.code, world.asked()), (ErrorCode::ChainUnreachable, 5));
    // A clock that was set back does not make it young again.
    let early = Masters { at: T0.plus(minutes(2)), ..world.masters.clone() };
    early.remember(&world.verdicts()).unwrap();
    assert!(world.credential(Usage::Kubelet, minutes(0)).await.is_err());
}

#[tokio::test]
async fn a_clock_that_is_set_back_ends_the_grace_until_the_chain_is_heard_again() {
    let world = World::start().await;
    let minutes = Duration::from_mins;
    world.masters.remember(&world.verdicts()).unwrap();
    for minute in [0, 12, 11] {
        world.credential(Usage::Kubelet, minutes(minute)).await.unwrap();
    }
    for minute in [1, 10] {
        let refused = world.credential(Usage::Kubelet, minutes(minute)).await.unwrap_err();
        assert_eq!((refused.code, world.asked()), (ErrorCode::ChainUnreachable, 3), "minute {minute}");
    }
    world.masters.remember(&world.verdicts()).unwrap();
    world.credential(Usage::Kubelet, minutes(1)).await.unwrap();
}

#[tokio::test]
async fn without_the_chain_people_get_nothing_and_another_master_gets_nothing() {
    let world = World::start().await;
    world.masters.remember(&world.verdicts()).unwrap();
    let refused = world.credential(Usage::User, Duration::ZERO).await.unwrap_err();
    assert_eq!((refused.code, world.asked()), (ErrorCode::ChainUnreachable, 0));

    let mut other = world.masters.clone();
    other.nautilus.masters[0].config_digest = vec![5; 32];
    other.remember(&world.verdicts()).unwrap();
    let refused = world.credential(Usage::Kubelet, Duration::ZERO).await.unwrap_err();
    assert_eq!((refused.code, world.asked()), (ErrorCode::MasterUnverified, 1));

    other = world.masters.clone();
    other.nautilus.cluster = Address::new([9; 32]).into();
    other.remember(&world.verdicts()).unwrap();
    let refused = world.credential(Usage::Kubelet, Duration::ZERO).await.unwrap_err();
    assert_eq!((refused.code, world.asked()), (ErrorCode::ChainUnreachable, 1), "what is known is of another cluster");
}
