use super::*;
use crate::testing::{SimDisk, digest, id};
use proptest::prelude::*;

fn anchor(sequence: u64, records: u64) -> Anchor {
    Anchor { sequence, records, root: digest(u8::try_from(records % 251).unwrap()) }
}

fn head(records: u64) -> Head {
    Head { records, root: anchor(0, records).root }
}

#[test]
fn a_root_is_sent_again_under_its_number_until_the_chain_has_it() {
    let sent = Anchoring::new(id()).advanced(&head(10));
    assert_eq!(sent.pending(), Some(anchor(1, 10)));
    let again = sent.advanced(&head(25));
    assert_eq!(again.pending(), Some(anchor(1, 10)), "the log grew, the number is taken");
    let settled = again.settled(anchor(1, 10)).unwrap();
    assert_eq!((settled.last(), settled.pending()), (Some(anchor(1, 10)), None));
    assert_eq!(settled.advanced(&head(10)).pending(), None, "nothing is new");
    assert_eq!(settled.advanced(&head(25)).pending(), Some(anchor(2, 25)));
}

#[test]
fn an_answer_from_before_changes_nothing() {
    let state = Anchoring::new(id()).advanced(&head(10)).settled(anchor(1, 10)).unwrap().advanced(&head(25));
    assert_eq!(state.settled(anchor(1, 10)), Ok(state));
}

#[test]
fn a_root_that_was_never_sent_is_a_fork() {
    let state = Anchoring::new(id()).advanced(&head(10));
    assert_eq!(state.settled(anchor(1, 11)), Err(Forked { chain: anchor(1, 11) }));
    assert_eq!(state.settled(anchor(2, 10)), Err(Forked { chain: anchor(2, 10) }));
    assert_eq!(state.resumed(Some(anchor(1, 11))), Err(Forked { chain: anchor(1, 11) }));
    let other = Anchor { root: digest(250), ..anchor(1, 10) };
    assert_eq!(state.settled(other), Err(Forked { chain: other }));
}

#[test]
fn after_a_start_the_chain_knows_better_than_an_older_file() {
    let old = Anchoring::new(id()).advanced(&head(10));
    let resumed = old.resumed(Some(anchor(4, 90))).unwrap();
    assert_eq!((resumed.last(), resumed.pending()), (Some(anchor(4, 90)), None));
    let settled = old.settled(anchor(1, 10)).unwrap().advanced(&head(20));
    let resumed = settled.resumed(Some(anchor(4, 90))).unwrap();
    assert_eq!((resumed.last(), resumed.pending()), (Some(anchor(4, 90)), None));
    assert_eq!(settled.resumed(Some(anchor(1, 10))), Ok(settled), "what was sent is still to be sent");
    let landed = old.resumed(Some(anchor(1, 10))).unwrap();
    assert_eq!((landed.last(), landed.pending()), (Some(anchor(1, 10)), None));
    assert_eq!(old.resumed(None), Ok(old));
}

#[test]
fn what_is_to_be_sent_is_on_disk_first() {
    let disk = Arc::new(SimDisk::new(1));
    let mut anchors = Anchors::open(disk.clone(), id(), None).unwrap();
    assert_eq!(anchors.expected(), []);
    assert_eq!(anchors.next(&head(10)).unwrap(), Some(anchor(1, 10)));
    disk.lose_power();
    let mut anchors = Anchors::open(disk.clone(), id(), None).unwrap();
    assert_eq!(anchors.expected(), [anchor(1, 10)]);
    assert_eq!(anchors.next(&head(30)).unwrap(), Some(anchor(1, 10)));
    anchors.settle(anchor(1, 10)).unwrap();
    disk.fail(Some(io::ErrorKind::Other));
    assert!(matches!(anchors.next(&head(30)), Err(AnchorError::Io(_))));
    assert_eq!(anchors.state().pending(), None, "nothing may be sent that is not on disk");
    disk.fail(None);
    disk.lose_power();
    let anchors = Anchors::open(disk, id(), None).unwrap();
    assert_eq!(anchors.expected(), [anchor(1, 10)]);
}

#[test]
fn a_file_of_another_log_or_of_nonsense_is_refused() {
    let disk = Arc::new(SimDisk::new(1));
    Anchors::open(disk.clone(), id(), None).unwrap().next(&head(1)).unwrap();
    let other = LogId { key: EnclaveKey([9; 32]), ..id() };
    let error = Anchors::open(disk.clone(), other, None).unwrap_err();
    assert!(matches!(error, AnchorError::Foreign { .. }));
    assert_eq!(error.problem().code, ErrorCode::AuditDamaged);
    disk.edit(FILE, |text| text.truncate(20));
    assert!(matches!(Anchors::open(disk, id(), None), Err(AnchorError::Form(_))));
}

#[test]
fn the_chains_own_form() {
    let on_chain = onchain::Anchor { sequence: 3, root: vec![7; 32], records: 12, anchored_ms: daas_types::UnixMs(1) };
    assert_eq!(Anchor::try_from(&on_chain), Ok(Anchor { sequence: 3, records: 12, root: digest(7) }));
    assert_eq!(Anchor::try_from(&onchain::Anchor { root: vec![7; 31], ..on_chain }), Err(31));
}

/// What happens to a master that anchors.
#[derive(Clone, Copy, Debug)]
enum Step {
    Grow(u8),
    Send,
    /// The transaction that was sent lands now, or never.
    Land(bool),
    /// The answer came, or somebody looked.
    See,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..9u8).prop_map(Step::Grow),
        Just(Step::Send),
        any::<bool>().prop_map(Step::Land),
        Just(Step::See),
        Just(Step::Restart)
    ]
}

proptest! {
    /// Under no order of loss, restart and delay does the log send two roots under one number, or lose an anchor.
    #[test]
    fn one_root_under_each_number(steps in prop::collection::vec(step(), 0..60)) {
        let disk = Arc::new(SimDisk::new(9));
        let mut anchors = Anchors::open(disk.clone(), id(), None).unwrap();
        let (mut records, mut chain, mut under_way) = (1, None::<Anchor>, None::<Anchor>);
        let mut sent = std::collections::BTreeMap::new();
        for step in steps {
            match step {
                Step::Grow(by) => records += u64::from(by),
                Step::Send => {
                    if let Some(anchor) = anchors.next(&head(records)).unwrap() {
                        prop_assert_eq!(*sent.entry(anchor.sequence).or_insert(anchor), anchor);
                        under_way = Some(anchor);
                    }
                }
                Step::Land(lands) => {
                    let landing = under_way.take().filter(|_| lands);
                    // As the contract has it: numbers rise.
                    chain = landing.filter(|new| chain.is_none_or(|old| new.sequence > old.sequence)).or(chain);
                }
                Step::See => {
                    if let Some(chain) = chain {
                        anchors.settle(chain).unwrap();
                        prop_assert!(anchors.state().last().is_some_and(|last| last == chain));
                    }
                }
                Step::Restart => {
                    disk.lose_power();
                    anchors = Anchors::open(disk.clone(), id(), chain).unwrap();
                }
            }
        }
        if let Some(chain) = chain {
            prop_assert!(anchors.expected().contains(&chain));
        }
    }
}
