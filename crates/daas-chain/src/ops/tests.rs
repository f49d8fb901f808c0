mod interface;

use super::build::{Arg, Draft, FRAMEWORK, Known, Office, Step};
use super::*;
use crate::client::{Coin, Reference};
use crate::index::IndexIds;
use core::time::Duration;
use daas_types::{Address, Digest, ErrorCode, Mist, PackageId, Problem, UnixMs, WalletAddress};
use sui_crypto::SuiSigner as _;
use sui_crypto::ed25519::Ed25519PrivateKey;
use sui_sdk_types::{Argument, Command, Input, Owner, Transaction, TransactionExpiration, TransactionKind};

fn id(n: u8) -> Address {
    Address::new([n; 32])
}

fn coin(n: u8, balance: Mist) -> Coin {
    Coin { id: id(n), version: 3, digest: Digest::new([n; 32]), balance }
}

fn known(coins: Vec<Coin>) -> Known {
    let object = |n, owner| Reference { id: id(n), version: 9, digest: Digest::new([n; 32]), owner };
    let objects = [object(1, Owner::Shared(5)), object(2, Owner::Shared(6)), object(3, Owner::Address(id(9)))];
    Known {
        sender: WalletAddress(id(9)),
        coins,
        objects: objects.into_iter().map(|object| (object.id, object)).collect(),
        offices: [(Office::Admin, id(3))].into(),
        gas_price: 1000,
        epoch: 4,
        code: None,
        chain: Digest::new([8; 32]),
        now: UnixMs(5000),
    }
}

fn draft(steps: Vec<Step>) -> Draft {
    Draft { package: Some(PackageId(id(7))), cluster: None, steps }
}

fn call(args: Vec<Arg>) -> Draft {
    draft(vec![Step::Call { package: id(7), module: "staking", function: "restake", args }])
}

fn ids() -> IndexIds {
    IndexIds { package: id(7).into(), cluster: id(1).into(), registry: id(4).into(), nautilus: id(5).into() }
}

fn parts(transaction: Transaction) -> (Vec<Input>, Vec<Command>) {
    let TransactionKind::ProgrammableTransaction(ptb) = transaction.kind else { panic!("not programmable") };
    (ptb.inputs, ptb.commands)
}

#[test]
fn arguments_keep_their_order_and_their_objects_their_kind() {
    let args = vec![
        Arg::shared(id(1)),
        Arg::shared_mut(id(2)),
        Arg::shared(id(3)),
        Arg::Payment(Mist(70)),
        Arg::pure(&1_u8),
        Arg::pure(&true),
    ];
    let draft = call(args);
    assert_eq!(draft.objects().into_iter().collect::<Vec<_>>(), [id(1), id(2), id(3)]);
    let transaction = draft.build(&known(vec![coin(20, Mist::from_sui(1))])).unwrap();
    assert_eq!(transaction.sender, id(9));
    assert_eq!((transaction.gas_payment.price, transaction.gas_payment.budget), (1000, 100_000_000));
    let (inputs, commands) = parts(transaction);
    let Input::Shared(cluster) = &inputs[0] else { panic!("{inputs:?}") };
    let Input::Shared(position) = &inputs[1] else { panic!("{inputs:?}") };
    assert_eq!((cluster.version(), cluster.mutability().is_mutable()), (5, false));
    assert_eq!((position.version(), position.mutability().is_mutable()), (6, true));
    assert!(matches!(&inputs[2], Input::ImmutableOrOwned(object) if object.version() == 9));
    // `1u8` and `true` have the same bytes and stay apart.
    assert_eq!(inputs.iter().filter(|input| matches!(input, Input::Pure(bytes) if bytes == &[1])).count(), 2);
    assert!(matches!(&commands[0], Command::SplitCoins(split) if split.coin == Argument::Gas));
    let Command::MoveCall(call) = &commands[1] else { panic!("{commands:?}") };
    assert_eq!(call.arguments.len(), 6);
    assert_eq!(call.arguments[3], Argument::NestedResult(0, 0));
}

#[test]
fn the_budget_never_exceeds_what_the_payment_leaves() {
    let stake = call(vec![Arg::Payment(Mist(950_000_000))]);
    let build = |balance| stake.build(&known(vec![coin(20, balance), coin(21, Mist(1_000_000))]));
    assert_eq!(build(Mist(1_000_000_000)).unwrap().gas_payment.budget, 51_000_000);
    let error = build(Mist(950_000_000)).unwrap_err();
    assert!(matches!(error, TxError::InsufficientFunds { have: Mist(951_000_000), need: Mist(952_000_000), .. }));
    assert_eq!(Problem::from(error).code, ErrorCode::InsufficientFunds);
    assert!(matches!(stake.build(&known(vec![])), Err(TxError::InsufficientFunds { have: Mist(0), .. })));
}

#[test]
fn equal_inputs_give_the_same_transaction_and_so_the_same_digest() {
    let stake = call(vec![Arg::shared_mut(id(1)), Arg::Payment(Mist(5))]);
    let digest = |balance| stake.build(&known(vec![coin(20, balance)])).unwrap().digest();
    assert_eq!(digest(Mist::from_sui(1)), digest(Mist::from_sui(1)));
    let mut moved = known(vec![coin(20, Mist::from_sui(1))]);
    moved.coins[0].version += 1;
    assert_ne!(digest(Mist::from_sui(1)), stake.build(&moved).unwrap().digest());
}

#[test]
fn a_transaction_is_for_one_network_and_two_epochs() {
    let expiration = |known: &Known| call(vec![Arg::Payment(Mist(5))]).build(known).unwrap().expiration;
    let mut known = known(vec![coin(20, Mist::from_sui(1))]);
    let TransactionExpiration::ValidDuring { min_epoch, max_epoch, chain, .. } = expiration(&known) else {
        panic!("{:?}", expiration(&known))
    };
    assert_eq!((min_epoch, max_epoch, chain), (Some(4), Some(5), known.chain));
    let before = expiration(&known);
    known.chain = Digest::ZERO;
    assert_ne!(before, expiration(&known));
}

#[test]
fn the_code_that_the_cluster_admits_is_called_and_no_other_package_is_touched() {
    let (old, new) = (PackageId(id(7)), PackageId(id(6)));
    let step = |package| Step::Call { package, module: "staking", function: "unstake", args: vec![] };
    let both = draft(vec![step(id(7)), step(FRAMEWORK)]);
    let mut known = known(vec![coin(20, Mist::from_sui(1))]);
    let called = |known: &Known| -> Vec<Address> {
        let (_, commands) = parts(both.build(known).unwrap());
        let package = |command: &Command| if let Command::MoveCall(call) = command { call.package } else { panic!() };
        commands.iter().map(package).collect()
    };
    assert_eq!(called(&known), [id(7), FRAMEWORK]);
    let foreign = |known: &Known| both.foreign_code(&both.build(known).unwrap());
    assert_eq!(foreign(&known), None);
    known.code = Some((old, old));
    assert_eq!(foreign(&known), None);
    known.code = Some((old, new));
    assert_eq!(called(&known), [id(6), FRAMEWORK]);
    assert_eq!(foreign(&known), Some(new));
}

#[test]
fn a_later_step_takes_what_an_earlier_one_answered() {
    let rich = known(vec![coin(20, Mist::from_sui(50))]);
    let publish = Step::Publish { modules: vec![vec![1], vec![2]], dependencies: vec![id(1), id(2)] };
    let keep = Step::Send { what: Arg::Result(0), to: None };
    let publish = draft(vec![publish, keep.clone()]);
    assert!(publish.objects().is_empty());
    let transaction = publish.build(&rich).unwrap();
    assert_eq!(transaction.gas_payment.budget, 1_000_000_000);
    let (_, commands) = parts(transaction);
    assert!(matches!(&commands[..], [Command::Publish(publish), Command::TransferObjects(transfer)]
        if publish.modules.len() == 2 && transfer.objects == [Argument::Result(0)]));
    assert!(matches!(draft(vec![keep]).build(&rich), Err(TxError::Broken(_))), "there is nothing earlier");

    let send = Step::Send { what: Arg::Payment(Mist(5)), to: Some(WalletAddress(id(8))) };
    let (_, commands) = parts(draft(vec![send]).build(&rich).unwrap());
    assert!(matches!(&commands[..], [Command::SplitCoins(_), Command::TransferObjects(_)]));
}

#[test]
fn capabilities_and_times_are_filled_in() {
    let rich = known(vec![coin(20, Mist::from_sui(1))]);
    let draft = call(vec![Arg::Office(Office::Admin, ids()), Arg::End(Duration::from_secs(1))]);
    assert_eq!((draft.offices(), draft.needs_now()), (vec![(Office::Admin, ids())], true));
    assert!(draft.objects().is_empty(), "which object the capability is depends on the sender");
    let (inputs, _) = parts(draft.build(&rich).unwrap());
    assert!(matches!(&inputs[0], Input::ImmutableOrOwned(object) if *object.object_id() == id(3)));
    assert!(matches!(&inputs[1], Input::Pure(bytes) if *bytes == 6000_u64.to_le_bytes()));
    let judge = call(vec![Arg::Office(Office::Judge, ids())]);
    assert!(matches!(judge.build(&rich), Err(TxError::Broken(_))), "it was not looked up");
}

#[test]
fn unsigned_bytes_come_back_and_wrong_signatures_are_named() {
    let key = Ed25519PrivateKey::new([1; 32]);
    let mut known = known(vec![coin(20, Mist::from_sui(1))]);
    known.sender = WalletAddress(key.public_key().derive_address());
    let transaction = call(vec![Arg::Payment(Mist(5))]).build(&known).unwrap();
    let unsigned = Unsigned::of(transaction.clone());
    assert_eq!(unsigned.to_string().parse::<Unsigned>().unwrap(), unsigned);
    assert_eq!((unsigned.digest(), unsigned.sender()), (transaction.digest(), known.sender));
    for bad in ["", "AAAA", "%", &unsigned.to_string()[4..]] {
        assert_eq!(bad.parse::<Unsigned>(), Err(UnsignedError::NotATransaction), "{bad}");
    }

    let good = key.sign_transaction(&transaction).unwrap();
    assert_eq!(parse_signature(&good.to_base64()).unwrap(), good);
    assert!(matches!(parse_signature("AAAA"), Err(UnsignedError::NotASignature(_))));
    assert_eq!(unsigned.check(core::slice::from_ref(&good)), Ok(()));
    assert_eq!(unsigned.check(&[]), Err(UnsignedError::NotTheSender(known.sender)));
    let stranger = Ed25519PrivateKey::new([2; 32]).sign_transaction(&transaction).unwrap();
    assert_eq!(unsigned.check(core::slice::from_ref(&stranger)), Err(UnsignedError::NotTheSender(known.sender)));
    assert_eq!(unsigned.check(&[stranger, good.clone()]), Ok(()), "a sponsor signs too");
    known.gas_price += 1;
    let other = Unsigned::of(call(vec![Arg::Payment(Mist(5))]).build(&known).unwrap());
    assert_eq!(other.check(&[good]), Err(UnsignedError::Mismatch(other.digest())));
}
