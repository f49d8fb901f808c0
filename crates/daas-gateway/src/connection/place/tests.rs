use super::*;
use crate::limits::Purse;
use daas_types::{Address, PositionId};

fn address(n: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, n])
}

fn holder(n: u8) -> Holder {
    (Purse::Person, PositionId(Address::new([n; 32])))
}

fn node(n: u8) -> Holder {
    (Purse::Node, holder(n).1)
}

#[test]
fn places_are_counted_of_one_address_and_given_back() {
    let places = Places::new(8, 2, 8);
    let (first, second) = (places.take(address(1)).unwrap(), places.take(address(1)).unwrap());
    assert!(first.prove(holder(1)) && second.prove(holder(1)));
    assert!(places.take(address(1)).is_none());
    let _other = places.take(address(2)).unwrap();
    drop(first);
    assert!(places.take(address(1)).is_some());
    assert!(places.lock().by_address.len() <= 2);
}

#[test]
fn who_says_nothing_keeps_nobody_at_the_same_address_out() {
    let places = Places::new(8, 2, 8);
    let silent: Vec<_> = (0..2).map(|_| places.take(address(1)).unwrap()).collect();
    let node = places.take(address(1)).unwrap();
    assert!(silent[0].given_up.is_cancelled() && !silent[1].given_up.is_cancelled());
    assert!(node.prove(holder(1)));
    let another = places.take(address(1)).unwrap();
    assert!(silent[1].given_up.is_cancelled() && !node.given_up.is_cancelled());
    drop((silent, node, another));
    assert!(places.lock().by_address.is_empty());
}

#[test]
fn whose_address_was_known_keeps_no_stranger_out() {
    let places = Places::new(4, 4, 8);
    assert!(places.take(address(1)).unwrap().prove(holder(1)));
    let silent: Vec<_> = (0..4).map(|_| places.take(address(1)).unwrap()).collect();
    let newcomer = places.take(address(9)).unwrap();
    assert!(silent[0].given_up.is_cancelled());
    let _next = places.take(address(1)).unwrap();
    assert!(silent[1].given_up.is_cancelled() && !newcomer.given_up.is_cancelled());
    // Nor is it known any longer than its holder has the right.
    let held = places.take(address(1)).unwrap();
    assert!(held.prove(holder(1)) && places.knows(address(1)));
    places.lapse(|_| false);
    assert!(!places.knows(address(1)));
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let places = Places::new(8, 1, 8);
    let first = places.take("2001:db8::1".parse().unwrap()).unwrap();
    assert!(first.prove(holder(1)));
    assert!(places.take("2001:db8::ffff:2".parse().unwrap()).is_none());
    assert!(places.take("2001:db8:0:1::1".parse().unwrap()).is_some());
    let four = places.take("::ffff:10.0.0.1".parse().unwrap()).unwrap();
    assert!(four.prove(holder(1)));
    assert!(places.take("10.0.0.1".parse().unwrap()).is_none());
    assert!(places.take("10.0.0.2".parse().unwrap()).is_some());
}

#[test]
fn strangers_give_way_and_the_proven_stay() {
    let places = Places::new(4, 4, 8);
    let proven = places.take(address(1)).unwrap();
    assert!(proven.prove(holder(1)));
    let strangers: Vec<_> = (2..5).map(|n| places.take(address(n)).unwrap()).collect();
    assert!(strangers.iter().all(|place| !place.given_up.is_cancelled()));
    // A fourth stranger takes the oldest's place, and someone known the next.
    let fourth = places.take(address(9)).unwrap();
    let given_up = || strangers.iter().map(|place| place.given_up.is_cancelled()).collect::<Vec<_>>();
    assert_eq!(given_up(), [true, false, false]);
    let known = places.take(address(1)).unwrap();
    assert_eq!(given_up(), [true, true, false]);
    // Where all have proven who they are, there is no place.
    assert!(strangers[2].prove(holder(1)) && fourth.prove(node(1)) && known.prove(node(1)));
    assert!(places.take(address(1)).is_none());
    assert!(!proven.given_up.is_cancelled() && !known.given_up.is_cancelled());
    drop((strangers, fourth, known, proven));
    let taken = places.lock();
    assert_eq!((taken.all, taken.strangers.len(), taken.by_address.len(), taken.unproven.len()), (0, 0, 0, 0));
}

#[test]
fn strangers_leave_room_for_those_who_were_here() {
    let places = Places::new(4, 4, 8);
    assert!(places.take(address(1)).unwrap().prove(holder(1)));
    let strangers: Vec<_> = (2..6).map(|n| places.take(address(n)).unwrap()).collect();
    assert!(strangers[0].given_up.is_cancelled(), "three quarters are theirs");
    let _back = places.take(address(1)).unwrap();
    assert!(strangers[1..].iter().all(|place| !place.given_up.is_cancelled()));
}

#[test]
fn a_holder_has_so_many_places_and_its_node_has_others() {
    let places = Places::new(16, 16, 2);
    let held: Vec<_> = (0..2).map(|_| places.take(address(1)).unwrap()).collect();
    assert!(held.iter().all(|place| place.prove(holder(1)) && place.prove(holder(1))));
    let third = places.take(address(2)).unwrap();
    assert!(!third.prove(holder(1)) && !third.is_proven());
    assert!(third.prove(node(1)));
    assert!(places.take(address(2)).unwrap().prove(holder(2)));
    drop(held);
    let back = places.take(address(1)).unwrap();
    assert!(back.prove(holder(1)) && back.is_proven());
    drop((third, back));
    let taken = places.lock();
    assert_eq!((taken.by_holder.len(), taken.proven.len(), taken.all), (0, 0, 0));
}

#[test]
fn whoever_lost_the_stake_gives_way_until_somebody_else_is_let_in() {
    let places = Places::new(4, 4, 4);
    let prove = |n| {
        let place = places.take(address(n)).unwrap();
        assert!(place.prove(if n < 3 { holder(n) } else { node(n) }));
        place
    };
    let held: Vec<_> = (1..5).map(prove).collect();
    assert!(places.take(address(9)).is_none());
    places.lapse(|of| of != holder(2) && of != node(3));
    let proven: Vec<_> = held.iter().map(Place::is_proven).collect();
    assert_eq!(proven, [true, false, false, true]);
    // The second is another's from now on, and the third gives way.
    assert!(held[1].prove(holder(1)));
    let _new = places.take(address(9)).unwrap();
    let given_up: Vec<_> = held.iter().map(|place| place.given_up.is_cancelled()).collect();
    assert_eq!(given_up, [false, false, true, false]);
}

#[test]
fn a_place_that_is_given_up_is_free_once() {
    let places = Places::new(2, 2, 2);
    let (first, second) = (places.take(address(1)).unwrap(), places.take(address(2)).unwrap());
    assert!(first.prove(holder(1)));
    first.give_up();
    first.give_up();
    assert!(first.given_up.is_cancelled());
    assert_eq!(places.lock().all, 1);
    drop((first, second));
    let taken = places.lock();
    assert_eq!((taken.all, taken.strangers.len(), taken.by_holder.len(), taken.proven.len()), (0, 0, 0, 0));
}

#[test]
fn people_leave_half_to_nodes_and_share_the_rest() {
    let places = Places::new(16, 64, 8);
    let prove = |holder| {
        let place = places.take(address(1)).unwrap();
        place.prove(holder).then_some(place)
    };
    let (rich, poor, node) = (holder(1), holder(2), node(1));
    let mut riches: Vec<_> = (0..6).map(|_| prove(rich).unwrap()).collect();
    let poors: Vec<_> = (0..2).map(|_| prove(poor).unwrap()).collect();
    // Eight are people's. Whoever has least takes of whoever has most, until they have as much.
    let third = prove(holder(3)).unwrap();
    assert!(riches.pop().unwrap().given_up.is_cancelled());
    assert!(riches.iter().chain(&poors).chain([&third]).all(|place| !place.given_up.is_cancelled()));
    let more = prove(poor).unwrap();
    assert_eq!(riches.iter().filter(|place| place.given_up.is_cancelled()).count(), 1);
    assert!(prove(poor).is_none(), "nobody has more than that and one");
    assert!(poors.iter().chain([&more, &third]).all(|place| !place.given_up.is_cancelled()));
    assert_eq!(places.lock().of_kind, [0, 8]);
    let mut nodes: Vec<_> = (0..7).map(|_| prove(node).unwrap()).collect();
    assert!(prove(node).is_none());
    // Nor has one node all of theirs.
    let other = prove(self::node(2)).unwrap();
    assert!(nodes.pop().unwrap().given_up.is_cancelled());
    assert!(nodes.iter().chain([&third]).all(|place| !place.given_up.is_cancelled()));
    let new = places.take(address(2)).unwrap();
    let newer = places.take(address(3)).unwrap();
    assert!(new.given_up.is_cancelled() && !newer.given_up.is_cancelled(), "there is always one for somebody new");
    drop((riches, poors, third, more, nodes, other, new, newer));
    let taken = places.lock();
    assert!(taken.all == 0 && taken.of_kind == [0, 0] && taken.by_holder.is_empty() && taken.by_address.is_empty());
}

#[test]
fn a_thousand_nodes_with_their_connections_have_places_beside_people() {
    let most = crate::Limits::default().connections;
    let places = Places::new(most, most, most);
    let [nodes, people] = places.most_of_kind;
    assert!(nodes >= 4 * 1_000, "kubelet, kube-proxy, K3s' controller and the tunnel of each need more than {nodes}");
    assert!(people + nodes < most, "nobody new gets in");
}

#[test]
fn an_address_is_known_as_long_as_someone_from_there_lives() {
    let places = Places::new(16, 16, 16);
    let prove = |n, holder| {
        let place = places.take(address(n)).unwrap();
        assert!(place.prove(holder));
        place
    };
    // Gone already, and neither here nor alive.
    drop(prove(1, holder(1)));
    let (_neighbour, leaves) = (prove(2, holder(2)), prove(2, holder(1)));
    drop(prove(3, holder(2)));
    places.lapse(|of| of != holder(1));
    assert_eq!([1, 2, 3].map(|n| places.knows(address(n))), [false, true, true]);
    assert!(!leaves.is_proven());
}

#[test]
fn nobody_has_an_address_to_themselves() {
    let places = Places::new(64, 8, 64);
    let prove = |holder| {
        let place = places.take(address(1)).unwrap();
        place.prove(holder).then_some(place)
    };
    // Pods of someone else, at the address of their node.
    let pods: Vec<_> = (0..6).map(|_| prove(holder(1)).unwrap()).collect();
    assert!(prove(holder(1)).is_none());
    let kubelet = prove(node(2)).unwrap();
    assert!(pods[5].given_up.is_cancelled() && !pods[4].given_up.is_cancelled());
    let again = prove(node(2)).unwrap();
    assert!(pods[4].given_up.is_cancelled() && !kubelet.given_up.is_cancelled());
    drop((pods, kubelet, again));
    let taken = places.lock();
    assert!(taken.all == 0 && taken.by_address.is_empty() && taken.by_holder.is_empty());
}
