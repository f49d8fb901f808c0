/// Money is neither made nor lost: what was paid in is in the position, the treasury, or paid out.
#[test_only]
module k3s_daas::money_tests;

use k3s_daas::world::{Self, World, admin, owner, sui};
use std::unit_test::assert_eq;

use fun assert_conserved as World.assert_conserved;

fun assert_conserved(w: &mut World, paid_in: u64) {
    let held = w.look!(|position| position.active() + position.frozen() + position.unbonding());
    assert_eq!(held + w.treasury() + w.purse(owner()), paid_in);
}

#[test]
fun a_life_with_two_slashes_and_a_cancelled_one() {
    let mut w = world::begin_with_slash(3_333);
    let mut paid_in = 7_000_000_007;
    w.stake(paid_in, b"worker-1");
    w.unstake(owner(), 3_000_000_001);
    w.assert_conserved(paid_in);
    w.propose(admin());
    w.assert_conserved(paid_in);
    w.pass_ms(world::appeal_ms() + 1);
    w.execute(owner());
    w.assert_conserved(paid_in);
    w.restake(owner(), 13);
    paid_in = paid_in + 13;
    w.assert_conserved(paid_in);
    w.refresh(owner(), option::none());
    w.pass_ms(world::unbonding_ms());
    w.withdraw(owner());
    w.assert_conserved(paid_in);
    w.propose(admin());
    w.cancel(admin());
    w.assert_conserved(paid_in);
    w.propose(admin());
    w.appeal(owner(), b"no".to_string());
    w.uphold(admin());
    w.pass_ms(world::appeal_ms() + 1);
    w.execute(owner());
    w.assert_conserved(paid_in);
    let rest = w.look!(|position| position.active());
    w.unstake(owner(), rest);
    w.pass_ms(world::unbonding_ms());
    w.withdraw(owner());
    w.assert_conserved(paid_in);
    w.assert_money(0, 0, 0);
    assert_eq!(w.purse(owner()) + w.treasury(), paid_in);
    w.end();
}

fun propose_and_cancel(slash_bps: u64) {
    let mut w = world::begin_with_slash(slash_bps);
    let paid_in = sui(9) + 7;
    w.stake(paid_in, b"");
    w.unstake(owner(), sui(6) + 1);
    w.propose(admin());
    w.assert_conserved(paid_in);
    w.cancel(admin());
    w.assert_money(sui(3) + 6, 0, sui(6) + 1);
    w.end();
}

#[test]
fun a_share_of_active_stake_goes_back_where_it_came_from() { propose_and_cancel(1) }

#[test]
fun a_share_of_active_and_unbonding_stake_goes_back_where_it_came_from() { propose_and_cancel(6_667) }

#[test]
fun all_stake_goes_back_where_it_came_from() { propose_and_cancel(10_000) }

#[test]
fun amounts_near_the_largest_do_not_overflow() {
    let mut w = world::begin_with_slash(10_000);
    let paid_in = std::u64::max_value!();
    w.stake(paid_in, b"");
    w.unstake(owner(), paid_in / 2);
    w.propose(admin());
    w.assert_money(0, paid_in, 0);
    w.cancel(admin());
    w.assert_conserved(paid_in);
    w.end();
}
