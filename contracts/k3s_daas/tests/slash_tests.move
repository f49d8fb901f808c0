#[test_only]
module k3s_daas::slash_tests;

use k3s_daas::world::{Self, admin, owner, sui};

#[test]
fun ten_percent_of_five_leaves_four_and_a_half() {
    let mut w = world::begin();
    w.stake(sui(5), b"worker-1");
    w.propose(admin());
    assert!(w.look!(|position| position.is_suspended()));
    w.assert_money(4_500_000_000, 500_000_000, 0);
    w.pass_ms(world::appeal_ms() + 1);
    w.execute(world::stranger());
    assert!(w.look!(|position| position.is_slashed() && position.seals().is_empty()));
    w.assert_money(4_500_000_000, 0, 0);
    assert!(w.treasury() == 500_000_000);
    w.restake(owner(), sui(1));
    assert!(w.look!(|position| position.is_recovering()));
    w.refresh(owner(), option::none());
    assert!(w.look!(|position| position.is_active() && position.seals().length() == 1));
    w.assert_money(5_500_000_000, 0, 0);
    w.end();
}
