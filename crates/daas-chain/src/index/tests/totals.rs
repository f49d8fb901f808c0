use super::*;

#[test]
fn totals_are_of_what_is_active_now() {
    let index = index();
    let totals = |checkpoint_number, states: &[PositionState]| {
        index.apply(&checkpoint(checkpoint_number, &states.iter().cloned().map(event).collect::<Vec<_>>()));
        let snapshot = index.snapshot();
        let active = snapshot.positions().map(|live| &live.state).filter(|state| state.status == Status::Active);
        let counted: Vec<_> = active.map(|state| state.active.0).filter(|active| *active > 0).collect();
        assert_eq!(snapshot.totals().active.0, counted.iter().sum::<u64>());
        assert_eq!(snapshot.totals().positions, u64::try_from(counted.len()).unwrap());
        snapshot.totals().positions
    };
    let (first, second) = (state(1, 1, Status::Active, 5, &[1]), state(2, 1, Status::Active, 2, &[2]));
    assert_eq!(totals(2, &[first, second]), 2);
    assert_eq!(totals(3, &[state(1, 2, Status::Active, 7, &[1])]), 2);
    assert_eq!(totals(4, &[state(1, 3, Status::Suspended, 7, &[1]), state(3, 1, Status::Active, 0, &[3])]), 1);
    assert_eq!(totals(5, &[state(1, 4, Status::Active, 1, &[1]), state(2, 2, Status::Closed, 0, &[])]), 1);
}
