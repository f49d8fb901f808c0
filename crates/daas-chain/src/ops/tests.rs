use super::build::{Arg, Draft, Known};
use super::*;
use crate::client::{Coin, Reference};
use daas_types::{Address, Digest, ErrorCode, Mist, PackageId, Problem, WalletAddress};
use sui_sdk_types::{Argument, Command, Input, Owner, Transaction, TransactionKind};

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
        gas_price: 1000,
    }
}

fn call(args: Vec<Arg>) -> Draft {
    Draft::Call { package: PackageId(id(7)), module: "staking", function: "restake", args }
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
        Arg::owned(id(3)),
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
fn publishing_and_sending_need_no_objects() {
    let rich = known(vec![coin(20, Mist::from_sui(50))]);
    let publish = Draft::Publish { modules: vec![vec![1], vec![2]], dependencies: vec![id(1), id(2)] };
    assert!(publish.objects().is_empty());
    let (_, commands) = parts(publish.build(&rich).unwrap());
    assert!(matches!(&commands[..], [Command::Publish(publish), Command::TransferObjects(_)]
        if publish.modules.len() == 2));
    let (_, commands) = parts(Draft::Transfer { to: WalletAddress(id(8)), amount: Mist(5) }.build(&rich).unwrap());
    assert!(matches!(&commands[..], [Command::SplitCoins(_), Command::TransferObjects(_)]));
}

#[test]
fn the_compiled_package_of_the_repository_parses() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/k3s_daas/compiled.json");
    let package = CompiledPackage::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(package.modules.contains_key("staking") && package.dependencies.len() == 2);
    // Every module starts with Move's magic number.
    assert!(package.modules.values().all(|module| module.starts_with(&[0xa1, 0x1c, 0xeb, 0x0b])));
    assert!(CompiledPackage::parse("{}").is_err());
}
