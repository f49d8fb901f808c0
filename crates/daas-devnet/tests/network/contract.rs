//! Calls of the contract, one at a time, and what comes of them.

use crate::support::*;
use daas_types::onchain::{Event, PositionState};
use daas_types::{PositionId, WalletAddress};
use futures::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::{ExecutedTransaction, ListDynamicFieldsRequest, SimulateTransactionRequest};
use sui_sdk_types::Address;
use sui_transaction_builder::{Argument, Error, TransactionBuilder};

/// An argument, before there is a transaction.
#[derive(Clone)]
pub(crate) enum Arg {
    Object(Address),
    Pure(Vec<u8>),
    /// A coin split off the gas.
    Pay(u64),
}

/// One command: `module::function` and its arguments, the clock among them.
#[derive(Clone)]
pub(crate) struct Act {
    target: &'static str,
    args: Vec<Arg>,
}

pub(crate) const CLOCK: Arg = Arg::Object(Address::from_static("0x6"));

pub(crate) fn it(id: impl Into<Id>) -> Arg {
    Arg::Object(id.into().0)
}

pub(crate) fn pure<T: Serialize + ?Sized>(value: &T) -> Arg {
    Arg::Pure(bcs::to_bytes(value).unwrap())
}

pub(crate) fn act(target: &'static str, args: Vec<Arg>) -> Act {
    Act { target, args }
}

/// Any id.
pub(crate) struct Id(Address);

macro_rules! ids {
    ($($kind:ident),*) => {
        $(impl From<daas_types::$kind> for Id {
            fn from(id: daas_types::$kind) -> Self {
                Self(id.0)
            }
        })*
    };
}
ids!(ClusterId, RegistryId, NautilusId, AnchorsId, PositionId, RequestId, CapId);

impl From<Address> for Id {
    fn from(id: Address) -> Self {
        Self(id)
    }
}

impl Act {
    /// Adds the command.
    pub(crate) fn add(&self, b: &mut TransactionBuilder, made: Made) {
        self.write(b, made);
    }

    /// Adds the command; answers what it answers.
    pub(crate) fn write(&self, b: &mut TransactionBuilder, made: Made) -> Argument {
        let args = self.args.iter().map(|arg| match arg {
            Arg::Object(id) => object(b, *id),
            Arg::Pure(bytes) => b.pure_bytes(bytes.clone()),
            Arg::Pay(amount) => {
                let (gas, amount) = (b.gas(), b.pure(amount));
                b.split_coins(gas, vec![amount])[0]
            }
        });
        let args = args.collect();
        let (module, function) = self.target.split_once("::").unwrap();
        call(b, made.package, module, function, args)
    }
}

impl Net {
    /// Does it, and answers its events in order.
    pub(crate) async fn act(&self, who: &Wallet, made: Made, act: Act) -> Vec<Event> {
        let done = self.run(who, |b| act.add(b, made)).await;
        events(&done)
    }

    /// Does it: one event, with the position after it, which is what the chain has.
    pub(crate) async fn change(&self, who: &Wallet, made: Made, act: Act) -> PositionState {
        let [Event::Position { state, .. }] = &self.act(who, made, act).await[..] else { panic!("one event") };
        assert_eq!(self.read::<PositionState>(state.position.0).await, *state);
        state.clone()
    }

    /// It would abort with `error`: `module::EName`.
    pub(crate) async fn refused(&self, who: &Wallet, made: Made, act: Act, error: &str) {
        assert_abort(self.build(who, |b| act.add(b, made)).await, error);
    }

    /// What a view answers, in a simulation.
    pub(crate) async fn ask_view<T: DeserializeOwned>(&self, who: &Wallet, made: Made, act: Act) -> T {
        let transaction = self.build(who, |b| act.add(b, made)).await.unwrap();
        let request = SimulateTransactionRequest::default()
            .with_transaction(transaction)
            .with_read_mask(FieldMask::from_str("command_outputs"));
        let answer = self.client.clone().execution_client().simulate_transaction(request).await.unwrap().into_inner();
        let [output] = &answer.command_outputs.last().unwrap().return_values[..] else { panic!("one value") };
        assert!(!output.value().name().is_empty() && output.json.is_some());
        bcs::from_bytes(output.value().value()).unwrap()
    }

    /// A wallet of an office, with money for gas.
    pub(crate) async fn office(&self, seed: u8) -> Wallet {
        self.wallet(seed).await
    }

    pub(crate) async fn position(&self, id: PositionId) -> PositionState {
        self.read(id.0).await
    }
}

pub(crate) fn propose(made: Made, position: PositionId, evidence: u8, evidence_ms: u64) -> Act {
    let (hash, uri) = (vec![evidence; 32], "https://evidence");
    let grounds = [pure(&5_u8), pure(&hash), pure(&evidence_ms), pure(uri)];
    let args = [vec![it(made.proposer), it(made.cluster), it(position)], grounds.to_vec(), vec![CLOCK]];
    act("staking::propose_slash", args.concat())
}

/// `uphold_slash` or `cancel_slash`.
pub(crate) fn judge(made: Made, target: &'static str, position: PositionId) -> Act {
    act(target, vec![it(made.judge), it(made.cluster), it(position), CLOCK])
}

pub(crate) fn appeal(made: Made, position: PositionId) -> Act {
    act("staking::appeal_slash", vec![it(made.cluster), it(position), pure("not me"), CLOCK])
}

pub(crate) fn execute(made: Made, position: PositionId) -> Act {
    act("staking::execute_slash", vec![it(made.cluster), it(position), CLOCK])
}

pub(crate) fn restake(made: Made, position: PositionId, amount: u64) -> Act {
    act("staking::restake", vec![it(made.cluster), it(position), Arg::Pay(amount), CLOCK])
}

pub(crate) fn unstake(made: Made, position: PositionId, amount: u64) -> Act {
    act("staking::unstake", vec![it(made.cluster), it(position), pure(&amount), CLOCK])
}

pub(crate) fn withdraw(made: Made, position: PositionId) -> Act {
    act("staking::withdraw", vec![it(made.cluster), it(made.registry), it(position), CLOCK])
}

/// A user's Seal for a second, with a session key that ends with it.
pub(crate) fn refresh(made: Made, position: PositionId, now_ms: u64) -> Act {
    let seal = [
        pure(&None::<Address>),
        pure(&1_u8),
        pure(&vec![3_u8; 16]),
        pure(&vec![4_u8; 32]),
        pure(&Some(Address::TWO)),
        pure(&(now_ms + 1000)),
        pure(&1000_u64),
    ];
    act("staking::refresh_seal_token", [vec![it(made.cluster), it(position)], seal.to_vec(), vec![CLOCK]].concat())
}

pub(crate) fn events(done: &ExecutedTransaction) -> Vec<Event> {
    let decode = |event: &sui_rpc::proto::sui::rpc::v2::Event| {
        let mut path = event.event_type().rsplit("::");
        let (name, module) = (path.next().unwrap(), path.next().unwrap());
        Event::decode(module, name, event.contents().value()).unwrap()
    };
    done.events().events.iter().map(decode).collect()
}

pub(crate) fn assert_abort(built: Result<sui_sdk_types::Transaction, Error>, error: &str) {
    let Err(Error::SimulationFailure(failure)) = built else { panic!("expected {error}, got {built:?}") };
    let abort = failure.move_abort().unwrap_or_else(|| panic!("expected {error}, got {failure}"));
    let got = format!("{}::{}", abort.location().module(), abort.clever_error().constant_name());
    assert_eq!(got, error);
}

/// Name and value of each dynamic field.
pub(crate) async fn fields(net: &Net, parent: Address) -> Vec<(Vec<u8>, Vec<u8>)> {
    let request =
        ListDynamicFieldsRequest::default().with_parent(parent).with_read_mask(FieldMask::from_str("name,value"));
    let fields: Vec<_> = net.client.list_dynamic_fields(request).collect().await;
    fields.into_iter().map(|f| f.unwrap()).map(|f| (f.name().value().to_vec(), f.value().value().to_vec())).collect()
}

pub(crate) fn bcs<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).unwrap()
}

pub(crate) fn wallet_of(wallet: &Wallet) -> WalletAddress {
    WalletAddress(wallet.address)
}

#[test]
fn every_entry_point_is_called_by_a_test() {
    let interface: serde_json::Value =
        serde_json::from_str(include_str!("../../../../contracts/k3s_daas/interface.json")).unwrap();
    let tests = [
        include_str!("cluster.rs"),
        include_str!("contract.rs"),
        include_str!("masters.rs"),
        include_str!("requests.rs"),
        include_str!("slash.rs"),
        include_str!("stake.rs"),
        include_str!("support.rs"),
    ];
    // `create_display` needs an object that only real networks have.
    let elsewhere = "seal_token::create_display";
    for (module, content) in interface.as_object().unwrap() {
        for (name, function) in content["functions"].as_object().unwrap() {
            let target = format!("{module}::{name}");
            let changes = function["returns"].as_array().unwrap().is_empty();
            if changes && target != elsewhere {
                let spellings = [format!("\"{target}\""), format!("\"{module}\", \"{name}\"")];
                let called = spellings.iter().any(|spelling| tests.iter().any(|text| text.contains(spelling)));
                assert!(called, "no test calls {target}");
            }
        }
    }
}
