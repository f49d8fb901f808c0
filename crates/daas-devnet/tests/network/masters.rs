//! Masters: images, endorsements, registration by a document of the simulated TEE, life, and proofs against them.

use crate::contract::*;
use crate::support::*;
use daas_attest::device::Nsm;
use daas_attest::{Binding, Evidence};
use daas_devnet::{Config, Devnet, nsm};
use daas_types::onchain::{
    AuditRoot, Cluster, Event, IntentMessage, MeasurementStatus, Nautilus, NautilusInfo, Pcrs, PositionEvent, Status,
    offence, registration_nonce,
};
use daas_types::{Mist, PositionId, UnixMs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use sui_crypto::Signer as _;
use sui_rpc::Client;
use sui_sdk_types::{Address, Ed25519Signature};
use sui_transaction_builder::{Function, TransactionBuilder};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const ENDPOINT: &str = "https://master:6443";
const CA: [u8; 32] = [0xca; 32];
const CONFIG: [u8; 32] = [0xcf; 32];

/// A network whose genesis names a running simulated TEE, a cluster, an operator's position, and an enclave.
pub(crate) struct Fleet {
    pub(crate) net: Net,
    pub(crate) made: Made,
    pub(crate) admin: Wallet,
    pub(crate) enclave: Wallet,
    pub(crate) position: PositionId,
    socket: PathBuf,
    _tee: JoinHandle<Result<(), nsm::NsmError>>,
}

impl Fleet {
    /// With an operator's position and an image in force.
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicU64::new(START_MS));
        let root = nsm::root::load_or_create(dir.path()).unwrap();
        std::fs::write(dir.path().join("engine.json"), b"{}").unwrap();
        let socket = dir.path().join("nsm.sock");
        let args = nsm::Args {
            socket: socket.clone(),
            state_dir: dir.path().to_owned(),
            manifest: dir.path().join("engine.json"),
        };
        let read = clock.clone();
        let time: daas_devnet::Clock = Arc::new(move || UnixMs(read.load(Ordering::SeqCst)));
        let tee = nsm::Simulation::bind(args, time).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the fleet holds it, and the test's runtime ends it")]
        let tee = tokio::spawn(tee.run(CancellationToken::new()));
        let config = Config { tee_root: root.key_hash(), ..config(dir.path(), &clock) };
        let devnet = Devnet::start(config).await.unwrap();
        let client = Client::new(devnet.rpc_url()).unwrap();
        let net = Net { devnet, client, clock, dir, seed: None };
        let (admin, enclave) = (net.wallet(1).await, net.wallet(9).await);
        let made = net.cluster(&admin).await;
        let position = net.stake(made, &admin, 5 * SUI, "node-1").await;
        let operators = [it(made.admin), it(made.cluster), pure(&vec![position])];
        net.act(&admin, made, act("cluster::set_operator_positions", operators.to_vec())).await;
        Self { net, made, admin, enclave, position, socket, _tee: tee }
    }

    /// As above, and the enclave is a registered master.
    pub(crate) async fn with_master() -> Self {
        let fleet = Self::start().await;
        fleet.allow().await;
        fleet.net.act(&fleet.admin, fleet.made, fleet.endorse()).await;
        fleet.register(&fleet.document().await).await;
        fleet
    }

    /// This process' image is announced and in force.
    async fn allow(&self) {
        self.net.act(&self.admin, self.made, self.announce(&self.pcrs())).await;
        let activate = [it(self.made.cluster), it(self.made.nautilus), pure(&self.pcrs().pcr0), CLOCK];
        self.net.act(&self.admin, self.made, act("nautilus::activate_measurement", activate.to_vec())).await;
    }

    fn pcrs(&self) -> Pcrs {
        nsm::measure(&std::env::current_exe().unwrap(), &self.net.dir.path().join("engine.json")).unwrap()
    }

    fn announce(&self, pcrs: &Pcrs) -> Act {
        let values = [&pcrs.pcr0, &pcrs.pcr1, &pcrs.pcr2].map(pure);
        self.administer("nautilus::announce_measurement", &values, true)
    }

    /// The admin's capability, cluster and `Nautilus`, and then `args`.
    fn administer(&self, target: &'static str, args: &[Arg], clock: bool) -> Act {
        let mut all = vec![it(self.made.admin), it(self.made.cluster), it(self.made.nautilus)];
        all.extend_from_slice(args);
        all.extend(clock.then_some(CLOCK));
        act(target, all)
    }

    fn endorse(&self) -> Act {
        let args = vec![it(self.made.cluster), it(self.made.nautilus), it(self.position), pure(&self.key())];
        act("nautilus::endorse_master", args)
    }

    pub(crate) fn heartbeat(&self) -> Act {
        act("nautilus::heartbeat", vec![it(self.made.cluster), it(self.made.nautilus), CLOCK])
    }

    /// The enclave's public key.
    pub(crate) fn key(&self) -> Vec<u8> {
        self.enclave.key.public_key().inner().to_vec()
    }

    fn binding(&self) -> Binding {
        Binding {
            genesis: self.net.devnet.genesis.digest(),
            cluster: self.made.cluster,
            package: self.made.package,
            config_digest: CONFIG,
            ca_spki: CA,
            signing_key: self.enclave.key.public_key().into_inner(),
        }
    }

    async fn document(&self) -> Vec<u8> {
        self.document_of(self.binding()).await
    }

    /// For the next registration.
    async fn document_of(&self, binding: Binding) -> Vec<u8> {
        let nonce = registration_nonce(self.made.nautilus, self.nautilus().await.registrations);
        let socket = self.socket.clone();
        let attested =
            tokio::task::spawn_blocking(move || Nsm::open(&socket).unwrap().attest(&binding, &nonce).unwrap());
        let Evidence::Nitro(document) = attested.await.unwrap() else { panic!() };
        document
    }

    /// Loads the document and registers with it, in one transaction of the enclave.
    fn registration(&self, b: &mut TransactionBuilder, document: &[u8]) {
        let name = sui_sdk_types::Identifier::from_static;
        let load = Function::new(Address::TWO, name("nitro_attestation"), name("load_nitro_attestation"));
        let args = vec![b.pure(&document.to_vec()), clock(b)];
        let document = b.move_call(load, args);
        let args = vec![
            object(b, self.made.cluster.0),
            object(b, self.made.nautilus.0),
            object(b, self.position.0),
            document,
            b.pure(&ENDPOINT),
            b.pure(&CA.to_vec()),
            b.pure(&CONFIG.to_vec()),
            clock(b),
        ];
        call(b, self.made.package, "nautilus", "register_master", args);
    }

    async fn register(&self, document: &[u8]) -> Vec<Event> {
        events(&self.net.run(&self.enclave, |b| self.registration(b, document)).await)
    }

    async fn not_registered(&self, who: &Wallet, document: &[u8], error: &str) {
        assert_abort(self.net.build(who, |b| self.registration(b, document)).await, error);
    }

    pub(crate) async fn nautilus(&self) -> Nautilus {
        self.net.read(self.made.nautilus.0).await
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Ed25519Signature = self.enclave.key.try_sign(message).unwrap();
        signature.inner().to_vec()
    }
}

#[tokio::test]
async fn an_image_is_announced_in_force_retired_and_revoked() {
    let fleet = Fleet::start().await;
    let (net, made, admin) = (&fleet.net, fleet.made, &fleet.admin);
    let pcrs = |n: u8, length: usize| Pcrs { pcr0: vec![n; length], pcr1: vec![2; 48], pcr2: vec![3; 48] };
    net.refused(admin, made, fleet.announce(&pcrs(1, 47)), "nautilus::EBadPcrLength").await;
    net.refused(admin, made, fleet.announce(&pcrs(0, 48)), "nautilus::EZeroPcr").await;
    net.act(admin, made, fleet.announce(&pcrs(1, 48))).await;
    net.refused(admin, made, fleet.announce(&pcrs(1, 48)), "nautilus::EMeasurementExists").await;
    let pcr0 = pure(&vec![1_u8; 48]);
    let retire = fleet.administer("nautilus::retire_measurement", std::slice::from_ref(&pcr0), false);
    net.refused(admin, made, retire.clone(), "nautilus::ENotInForce").await;
    let activate =
        act("nautilus::activate_measurement", vec![it(made.cluster), it(made.nautilus), pcr0.clone(), CLOCK]);
    net.act(&fleet.enclave, made, activate.clone()).await;
    net.refused(&fleet.enclave, made, activate, "nautilus::ENotAnnounced").await;
    net.act(admin, made, retire).await;
    assert_eq!(fleet.nautilus().await.measurements[0].status, MeasurementStatus::Retired);
    let revoke = fleet.administer("nautilus::revoke_measurement", &[pcr0], false);
    net.act(admin, made, revoke.clone()).await;
    assert!(fleet.nautilus().await.measurements.is_empty());
    net.refused(admin, made, revoke, "nautilus::EUnknownMeasurement").await;
}

#[tokio::test]
async fn an_enclave_registers_itself_with_its_document() {
    let fleet = Fleet::start().await;
    let (net, made) = (&fleet.net, fleet.made);
    let document = fleet.document().await;
    fleet.not_registered(&fleet.enclave, &document, "nautilus::ENotAllowed").await;
    fleet.allow().await;
    fleet.not_registered(&fleet.enclave, &document, "nautilus::ENotEndorsed").await;
    net.act(&fleet.admin, made, fleet.endorse()).await;
    fleet.not_registered(&fleet.admin, &document, "nautilus::ENotEnclave").await;
    let elsewhere = fleet.document_of(Binding { ca_spki: [0; 32], ..fleet.binding() }).await;
    fleet.not_registered(&fleet.enclave, &elsewhere, "attestation::ENotBound").await;

    let [Event::Nautilus { state, .. }] = &fleet.register(&document).await[..] else { panic!() };
    let nautilus = fleet.nautilus().await;
    assert_eq!(nautilus.state(), *state);
    let master = &nautilus.masters[0];
    assert_eq!(
        (master.endpoint.as_str(), &master.signing_key, master.position),
        (ENDPOINT, &fleet.key(), fleet.position)
    );
    assert_eq!((master.address, &master.pcr0), (wallet_of(&fleet.enclave), &fleet.pcrs().pcr0));
    assert_eq!(master.expires_ms.0, net.now_ms() + policy().attestation_ms);
    assert_eq!(fields(net, nautilus.keys.id).await, [(bcs(&fleet.key()), bcs(&fleet.position))]);

    // A document serves once, and not for long.
    fleet.not_registered(&fleet.enclave, &document, "attestation::EBadNonce").await;
    let next = fleet.document().await;
    net.pass(Duration::from_millis(300_001));
    fleet.not_registered(&fleet.enclave, &next, "attestation::EDocumentAge").await;
    fleet.register(&fleet.document().await).await;
    assert_eq!((fleet.nautilus().await.masters.len(), fleet.nautilus().await.registrations), (1, 2));
}

#[tokio::test]
async fn a_document_is_read_and_proven_before_the_contract_sees_it() {
    let fleet = Fleet::start().await;
    let document = fleet.document().await;
    let code = async |document: &[u8]| {
        let Err(sui_transaction_builder::Error::SimulationFailure(failure)) =
            fleet.net.build(&fleet.enclave, |b| fleet.registration(b, document)).await
        else {
            panic!()
        };
        let abort = failure.move_abort().unwrap().clone();
        assert_eq!(abort.location().function_name(), "load_nitro_attestation_internal");
        abort.abort_code()
    };
    assert_eq!(code(&document[1..]).await, 1);
    let mut forged = document.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(code(&forged).await, 2);
    // The leaf's certificate lives three hours.
    fleet.net.pass(Duration::from_hours(4));
    assert_eq!(code(&document).await, 2);
    // Nobody else makes such a document.
    let made_up = fleet.net.build(&fleet.enclave, |b| {
        let document = b.pure(&document);
        let ids = [fleet.made.cluster.0, fleet.made.nautilus.0, fleet.position.0].map(|id| object(b, id));
        let rest = [b.pure(&ENDPOINT), b.pure(&CA.to_vec()), b.pure(&CONFIG.to_vec()), clock(b)];
        let args = [ids.to_vec(), vec![document], rest.to_vec()].concat();
        call(b, fleet.made.package, "nautilus", "register_master", args);
    });
    let error = made_up.await.unwrap_err().to_string();
    assert!(error.contains("TypeMismatch"), "{error}");
}

#[tokio::test]
async fn verifying_a_document_costs_what_it_costs() {
    let fleet = Fleet::start().await;
    fleet.allow().await;
    fleet.net.act(&fleet.admin, fleet.made, fleet.endorse()).await;
    let document = fleet.document().await;
    let dear = fleet.net.run(&fleet.enclave, |b| fleet.registration(b, &document)).await;
    let cheap = fleet.net.run(&fleet.enclave, |b| fleet.heartbeat().add(b, fleet.made)).await;
    let computation =
        |done: &sui_rpc::proto::sui::rpc::v2::ExecutedTransaction| done.effects().gas_used().computation_cost();
    // 13 to 14 thousand units at a price of 1000.
    assert_eq!((computation(&cheap), computation(&dear)), (1_000_000, 15_000_000));
}

#[tokio::test]
async fn a_master_lives_by_its_heartbeat_and_signs_while_it_lives() {
    let fleet = Fleet::with_master().await;
    let (net, made, enclave) = (&fleet.net, fleet.made, &fleet.enclave);
    let message = IntentMessage { intent: 1, timestamp_ms: 2, payload: vec![3] };
    let signature = fleet.sign(&message.to_signed_bytes());
    let verify = |intent: u8| {
        let signed = [pure(&fleet.key()), pure(&intent), pure(&2_u64), pure(&vec![3_u8]), pure(&signature), CLOCK];
        act("nautilus::verify_signature", [vec![it(made.nautilus), it(made.cluster)], signed.to_vec()].concat())
    };
    let info = act("nautilus::info", vec![it(made.nautilus), it(made.cluster), CLOCK]);
    assert!(net.ask_view::<bool>(enclave, made, verify(1)).await);
    assert!(!net.ask_view::<bool>(enclave, made, verify(2)).await);
    let told: Vec<NautilusInfo> = net.ask_view(enclave, made, info.clone()).await;
    assert_eq!((told[0].endpoint.as_str(), told[0].ca_spki.as_slice()), (ENDPOINT, CA.as_slice()));

    net.pass(Duration::from_millis(policy().heartbeat_ms));
    net.refused(&fleet.admin, made, fleet.heartbeat(), "nautilus::ENotMaster").await;
    net.act(enclave, made, fleet.heartbeat()).await;
    assert_eq!(fleet.nautilus().await.masters[0].heartbeat_ms, UnixMs(net.now_ms()));
    net.pass(Duration::from_millis(policy().heartbeat_ms + 1));
    net.refused(enclave, made, fleet.heartbeat(), "nautilus::ENotMaster").await;
    assert!(!net.ask_view::<bool>(enclave, made, verify(1)).await);
    assert!(net.ask_view::<Vec<NautilusInfo>>(enclave, made, info).await.is_empty());

    // It comes back with a new document, and goes for good with its endorsement.
    fleet.register(&fleet.document().await).await;
    let remove = fleet.administer("nautilus::remove_master", &[pure(&fleet.key())], false);
    net.act(&fleet.admin, made, remove.clone()).await;
    net.refused(&fleet.admin, made, remove, "nautilus::EUnknownMaster").await;
    fleet.not_registered(enclave, &fleet.document().await, "nautilus::ENotEndorsed").await;
}

#[tokio::test]
async fn a_silent_node_is_jailed_by_a_master_and_freed_by_its_keeper() {
    let fleet = Fleet::with_master().await;
    let (net, made, enclave) = (&fleet.net, fleet.made, &fleet.enclave);
    let jail = |since: u64| {
        let args = vec![it(made.cluster), it(made.nautilus), it(fleet.position), pure(&since), CLOCK];
        act("node::jail", args)
    };
    let now = net.now_ms();
    net.refused(&fleet.admin, made, jail(now - 90_000), "nautilus::ENotMaster").await;
    net.refused(enclave, made, jail(now - 89_999), "node::ENotSilent").await;
    let [Event::Position { name, state }] = &net.act(enclave, made, jail(now - 90_000)).await[..] else { panic!() };
    assert_eq!((*name, state.jailed_until_ms.0), (PositionEvent::Jailed, now + policy().jail_ms));
    let rights = state.rights(&policy(), UnixMs(now));
    assert!(!rights.node && rights.tier.is_some());
    net.refused(enclave, made, jail(now - 90_000), "node::EAlreadyJailed").await;
    let unjail = act("node::unjail", vec![it(made.cluster), it(fleet.position), CLOCK]);
    net.refused(&fleet.admin, made, unjail.clone(), "node::EStillJailed").await;
    net.pass(Duration::from_millis(policy().jail_ms));
    let free = net.change(&fleet.admin, made, unjail.clone()).await;
    assert!(free.rights(&policy(), UnixMs(net.now_ms())).node);
    net.refused(&fleet.admin, made, unjail, "node::ENotJailed").await;
}

#[tokio::test]
async fn two_roots_under_one_number_are_a_proof() {
    let fleet = Fleet::with_master().await;
    let (net, made) = (&fleet.net, fleet.made);
    let bob = net.wallet(2).await;
    let signed = |root: u8| {
        let root = vec![root; 32];
        let message = AuditRoot { cluster: made.cluster, sequence: 7, root: &root };
        let signature = fleet.sign(&message.to_signed_bytes());
        (root, signature)
    };
    let prove = |position: PositionId, one: &(Vec<u8>, Vec<u8>), other: &(Vec<u8>, Vec<u8>)| {
        let objects = [it(made.cluster), it(made.nautilus), it(position)];
        let roots = [pure(&one.0), pure(&one.1), pure(&other.0), pure(&other.1)];
        let args = [objects.to_vec(), vec![pure(&fleet.key()), pure(&7_u64)], roots.to_vec(), vec![CLOCK]];
        act("staking::slash_double_signed", args.concat())
    };
    let (first, second) = (signed(1), signed(2));
    let innocent = net.stake(made, &bob, 5 * SUI, "").await;
    net.refused(&bob, made, prove(innocent, &first, &second), "staking::EForeignKey").await;
    net.refused(&bob, made, prove(fleet.position, &first, &first), "staking::ESameRoot").await;
    let forged = (second.0.clone(), first.1.clone());
    net.refused(&bob, made, prove(fleet.position, &first, &forged), "staking::EBadSignature").await;

    let events = net.act(&bob, made, prove(fleet.position, &first, &second)).await;
    let [Event::Position { name, state }, Event::Nautilus { state: nautilus, .. }] = &events[..] else { panic!() };
    assert_eq!(
        (*name, state.status, state.active),
        (PositionEvent::SlashExecuted, Status::Slashed, Mist(4_500_000_000))
    );
    assert_eq!(state.trials[0].evidence_hash, offence(made.cluster, &fleet.key(), 7));
    assert!(nautilus.masters.is_empty() && nautilus.endorsements.is_empty());
    assert_eq!(net.read::<Cluster>(made.cluster.0).await.treasury, Mist(SUI / 2));
    net.refused(&bob, made, prove(fleet.position, &first, &second), "position::EAlreadyTried").await;
}
