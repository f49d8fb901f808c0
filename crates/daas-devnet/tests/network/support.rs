use daas_devnet::control::{Answer, Request};
use daas_devnet::{Config, Devnet, Fault, RunningDevnet};
use daas_types::UnixMs;
use daas_types::onchain::{Policy, PositionKey, position_id};
use daas_types::{AnchorsId, ClusterId, NautilusId, PackageId, PositionId, RegistryId, WalletAddress};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use sui_crypto::SuiSigner as _;
use sui_crypto::ed25519::Ed25519PrivateKey;
use sui_rpc::Client;
use sui_rpc::faucet::FaucetClient;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::{self as proto, ExecutedTransaction};
use sui_sdk_types::{Address, Identifier, StructTag, Transaction, UserSignature};
use sui_transaction_builder::{Argument, Function, ObjectInput, TransactionBuilder};
use tempfile::TempDir;

pub(crate) const SUI: u64 = 1_000_000_000;
pub(crate) const TEE_ROOT: [u8; 32] = [7; 32];
/// 2026-11-01.
pub(crate) const START_MS: u64 = 1_793_491_200_000;
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// Seeds of the wallets that hold a cluster's offices.
pub(crate) const PROPOSER: u8 = 0xb1;
pub(crate) const JUDGE: u8 = 0xb2;
pub(crate) const TREASURY: u8 = 0xb3;

/// A network of its own, whose clock moves when the test says so.
pub(crate) struct Net {
    pub(crate) devnet: RunningDevnet,
    pub(crate) client: Client,
    pub(crate) clock: Arc<AtomicU64>,
    pub(crate) dir: TempDir,
    pub(crate) seed: Option<u64>,
}

/// A key and its address.
pub(crate) struct Wallet {
    pub(crate) key: Ed25519PrivateKey,
    pub(crate) address: Address,
}

/// A published package with a cluster.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    pub(crate) package: PackageId,
    pub(crate) cluster: ClusterId,
    pub(crate) registry: RegistryId,
    pub(crate) nautilus: NautilusId,
    pub(crate) anchors: AnchorsId,
    pub(crate) admin: Address,
    pub(crate) proposer: Address,
    pub(crate) judge: Address,
}

impl Net {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicU64::new(START_MS));
        let devnet = start(dir.path(), &clock).await;
        let client = Client::new(devnet.rpc_url()).unwrap();
        Self { devnet, client, clock, dir, seed: None }
    }

    /// A network with a seed, whose clock stands still.
    pub(crate) async fn seeded(seed: u64) -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::default());
        let config = Config { seed: Some(seed), ..config(dir.path(), &clock) };
        let devnet = Devnet::start(config).await.unwrap();
        let client = Client::new(devnet.rpc_url()).unwrap();
        Self { devnet, client, clock, dir, seed: Some(seed) }
    }

    pub(crate) async fn restart(self) -> Self {
        self.devnet.stop().await.unwrap();
        let config = Config { seed: self.seed, ..config(self.dir.path(), &self.clock) };
        let devnet = Devnet::start(config).await.unwrap();
        let client = Client::new(devnet.rpc_url()).unwrap();
        Self { devnet, client, ..self }
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.clock.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.load(Ordering::SeqCst)
    }

    /// Over the control interface.
    pub(crate) async fn ask(&self, request: Request) -> Answer {
        self.devnet.control.ask(request).await.unwrap()
    }

    pub(crate) async fn fault(&self, fault: Fault) -> Answer {
        self.ask(Request::FaultAdd { fault, method: None, for_ms: None }).await
    }

    /// Ends the epoch and answers its last checkpoint.
    pub(crate) async fn end_epoch(&self) -> u64 {
        let Answer::Ended(ended) = self.ask(Request::Epoch).await else { panic!() };
        ended.last_checkpoint.checkpoint
    }

    pub(crate) async fn checkpoint(&self, sequence: u64, mask: &str) -> Result<proto::Checkpoint, tonic::Status> {
        let request =
            proto::GetCheckpointRequest::by_sequence_number(sequence).with_read_mask(FieldMask::from_str(mask));
        let found = self.client.clone().ledger_client().get_checkpoint(request).await?;
        Ok(found.into_inner().checkpoint.unwrap())
    }

    /// A new wallet with 1000 SUI in five coins.
    pub(crate) async fn wallet(&self, seed: u8) -> Wallet {
        let wallet = Wallet::new(seed);
        let sent = FaucetClient::new(self.devnet.faucet_url().as_str()).unwrap().request(wallet.address).await.unwrap();
        assert_eq!(sent.iter().map(|c| c.amount).sum::<u64>(), 1000 * SUI);
        wallet
    }

    pub(crate) async fn balance(&self, owner: Address) -> u64 {
        let mut request = proto::GetBalanceRequest::default().with_owner(owner);
        request.coin_type = Some(StructTag::sui().to_string());
        let balance = self.client.clone().state_client().get_balance(request).await.unwrap().into_inner();
        balance.balance.unwrap().balance()
    }

    pub(crate) async fn object(&self, id: Address) -> proto::Object {
        let mut request = proto::GetObjectRequest::new(&id);
        request.read_mask = Some(FieldMask::from_str("*"));
        self.client.clone().ledger_client().get_object(request).await.unwrap().into_inner().object.unwrap()
    }

    /// The value of a Move object.
    pub(crate) async fn read<T: serde::de::DeserializeOwned>(&self, id: Address) -> T {
        bcs::from_bytes(self.object(id).await.contents.unwrap().value()).unwrap()
    }

    /// Completes by simulation, without executing.
    pub(crate) async fn build(
        &self,
        wallet: &Wallet,
        commands: impl FnOnce(&mut TransactionBuilder),
    ) -> Result<Transaction, sui_transaction_builder::Error> {
        let mut builder = TransactionBuilder::new();
        builder.set_sender(wallet.address);
        commands(&mut builder);
        builder.build(&mut self.client.clone()).await
    }

    /// Builds, signs, executes and waits for the checkpoint; the transaction must succeed.
    pub(crate) async fn run(
        &self,
        wallet: &Wallet,
        commands: impl FnOnce(&mut TransactionBuilder),
    ) -> ExecutedTransaction {
        let transaction = self.build(wallet, commands).await.unwrap();
        let executed = self.execute(&transaction, &[wallet.sign(&transaction)]).await.unwrap();
        assert!(executed.effects().status().success(), "{:?}", executed.effects().status());
        executed
    }

    pub(crate) async fn execute(
        &self,
        transaction: &Transaction,
        signatures: &[UserSignature],
    ) -> Result<ExecutedTransaction, tonic::Status> {
        let request = proto::ExecuteTransactionRequest::default()
            .with_transaction(transaction.clone())
            .with_signatures(signatures.iter().cloned().map(Into::into).collect())
            .with_read_mask(FieldMask::from_str("*"));
        let done = self.client.clone().execute_transaction_and_wait_for_checkpoint(request, DEADLINE).await;
        match done {
            Ok(response) => Ok(response.into_inner().transaction.unwrap()),
            Err(sui_rpc::client::ExecuteAndWaitError::RpcError(status)) => Err(status),
            Err(other) => panic!("{other}"),
        }
    }

    /// Publishes the package and makes a cluster with a devnet's policy, whose admin the wallet is. The offices are
    /// apart from it: the wallets of [`PROPOSER`], [`JUDGE`] and [`TREASURY`].
    pub(crate) async fn cluster(&self, wallet: &Wallet) -> Made {
        self.cluster_named(wallet, "test").await
    }

    pub(crate) async fn cluster_named(&self, wallet: &Wallet, name: &str) -> Made {
        let package = self.publish(wallet).await;
        self.cluster_of(package, wallet, name).await
    }

    /// Another cluster of a package.
    pub(crate) async fn cluster_of(&self, package: PackageId, wallet: &Wallet, name: &str) -> Made {
        let made = self.run(wallet, |b| self.found(b, package, name, &policy())).await;
        let of = |name: &str| {
            let changed = &made.effects().changed_objects;
            let found = changed.iter().find(|c| c.object_type().ends_with(&format!("::{name}")));
            found.unwrap_or_else(|| panic!("no {name}")).object_id().parse::<Address>().unwrap()
        };
        Made {
            package,
            cluster: ClusterId(of("Cluster")),
            registry: RegistryId(of("Registry")),
            nautilus: NautilusId(of("Nautilus")),
            anchors: AnchorsId(of("AuditAnchors")),
            admin: of("AdminCap"),
            proposer: of("ProposerCap"),
            judge: of("JudgeCap"),
        }
    }

    /// `create_cluster`.
    pub(crate) fn found(&self, b: &mut TransactionBuilder, package: PackageId, name: &str, policy: &Policy) {
        let genesis = self.devnet.genesis.digest().as_bytes().to_vec();
        let args = vec![
            b.pure(&name),
            b.pure(&genesis),
            b.pure(&policy.numbers().to_vec()),
            b.pure(&policy.super_is_masters),
            b.pure(&policy.beneficiary),
            b.pure(&Wallet::new(PROPOSER).address),
            b.pure(&Wallet::new(JUDGE).address),
        ];
        call(b, package, "founding", "create_cluster", args);
    }

    pub(crate) async fn publish(&self, wallet: &Wallet) -> PackageId {
        let (modules, dependencies) = compiled();
        let done = self
            .run(wallet, |b| {
                let cap = b.publish(modules, dependencies);
                let to = b.pure(&wallet.address);
                b.transfer_objects(vec![cap], to);
            })
            .await;
        let package = done.effects().changed_objects.iter().find(|c| c.object_type() == "package").unwrap();
        PackageId(package.object_id().parse().unwrap())
    }

    /// Stakes `amount` with a node and answers the position.
    pub(crate) async fn stake(&self, made: Made, wallet: &Wallet, amount: u64, node: &str) -> PositionId {
        self.run(wallet, |b| stake(b, made, amount, node)).await;
        position_id(made.package, made.registry, PositionKey(WalletAddress(wallet.address), 0))
    }
}

impl Wallet {
    pub(crate) fn new(seed: u8) -> Self {
        let key = Ed25519PrivateKey::new([seed; 32]);
        let address = key.public_key().derive_address();
        Self { key, address }
    }

    pub(crate) fn sign(&self, transaction: &Transaction) -> UserSignature {
        self.key.sign_transaction(transaction).unwrap()
    }
}

/// Five seconds to appeal, a minute to unbond.
pub(crate) fn policy() -> Policy {
    Policy::devnet(WalletAddress(Wallet::new(TREASURY).address))
}

pub(crate) async fn start(dir: &Path, clock: &Arc<AtomicU64>) -> RunningDevnet {
    Devnet::start(config(dir, clock)).await.unwrap()
}

pub(crate) fn config(dir: &Path, clock: &Arc<AtomicU64>) -> Config {
    let clock = clock.clone();
    let now = Arc::new(move || UnixMs(clock.load(Ordering::SeqCst)));
    Config::on_free_ports(dir.to_owned(), TEE_ROOT, now)
}

/// Adds the call; answers what it answers.
pub(crate) fn call(
    b: &mut TransactionBuilder,
    package: PackageId,
    module: &str,
    function: &str,
    args: Vec<Argument>,
) -> Argument {
    let name = |text: &str| Identifier::new(text).unwrap();
    b.move_call(Function::new(package.0, name(module), name(function)), args)
}

pub(crate) fn stake(b: &mut TransactionBuilder, made: Made, amount: u64, node: &str) {
    let gas = b.gas();
    let amount = b.pure(&amount);
    let payment = b.split_coins(gas, vec![amount])[0];
    let permissions = if node.is_empty() { 1_u8 } else { 2 };
    let args = vec![
        object(b, made.cluster.0),
        object(b, made.registry.0),
        payment,
        b.pure(&0_u64),
        b.pure(&node),
        b.pure(&permissions),
        b.pure(&vec![1_u8; 16]),
        b.pure(&vec![2_u8; 32]),
        b.pure(&None::<Address>),
        b.pure(&0_u64),
        b.pure(&3_600_000_u64),
        clock(b),
    ];
    call(b, made.package, "staking", "stake_and_mint_seal", args);
}

pub(crate) fn object(b: &mut TransactionBuilder, id: Address) -> Argument {
    b.object(ObjectInput::new(id))
}

pub(crate) fn clock(b: &mut TransactionBuilder) -> Argument {
    object(b, Address::from_static("0x6"))
}

pub(crate) fn compiled() -> (Vec<Vec<u8>>, Vec<Address>) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = include_str!("../../../../contracts/k3s_daas/compiled.json");
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    let modules = json["modules"].as_object().unwrap().values();
    let dependencies = json["dependencies"].as_array().unwrap().iter();
    (
        modules.map(|m| STANDARD.decode(m.as_str().unwrap()).unwrap()).collect(),
        dependencies.map(|d| d.as_str().unwrap().parse().unwrap()).collect(),
    )
}
