use super::*;
use daas_types::onchain::{Endorsement, Measurement, Policy};
use daas_types::{Address, WalletAddress};

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const KEY: [u8; 32] = [6; 32];

fn operator() -> PositionId {
    Address::new([1; 32]).into()
}

/// Another operator of the same cluster.
fn other() -> PositionId {
    Address::new([8; 32]).into()
}

fn pcrs() -> Pcrs {
    Pcrs { pcr0: vec![1; 48], pcr1: vec![2; 48], pcr2: vec![3; 48] }
}

fn binding() -> Binding {
    Binding {
        genesis: daas_types::Digest::ZERO,
        cluster: Address::ZERO.into(),
        package: Address::ZERO.into(),
        config_digest: [7; 32],
        ca_spki: [5; 32],
        signing_key: KEY,
    }
}

struct World {
    cluster: ClusterState,
    nautilus: NautilusState,
    active: bool,
    has_gas: bool,
    now: UnixMs,
    position: Option<PositionId>,
    refused: Vec<PositionId>,
}

/// Everything is there to register.
fn world() -> World {
    let id = |n: u8| Address::new([n; 32]);
    let policy = Policy::devnet(WalletAddress(id(9)));
    let cluster = ClusterState {
        cluster: id(2).into(),
        version: 1,
        name: String::new(),
        genesis: vec![],
        generation: 1,
        registry: id(3).into(),
        nautilus: id(4).into(),
        anchors: id(5).into(),
        policy,
        announced: None,
        paused: false,
        operator_positions: vec![operator()],
        proposer_cap: id(6).into(),
        judge_cap: id(7).into(),
    };
    let Pcrs { pcr0, pcr1, pcr2 } = pcrs();
    let measurement = Measurement { pcr0, pcr1, pcr2, status: MeasurementStatus::InForce, active_from_ms: UnixMs(0) };
    let nautilus = NautilusState {
        id: id(4).into(),
        cluster: id(2).into(),
        generation: 1,
        registrations: 7,
        measurements: vec![measurement],
        masters: vec![],
        endorsements: vec![Endorsement { position: operator(), signing_key: KEY.to_vec() }],
    };
    World { cluster, nautilus, active: true, has_gas: true, now: NOW, position: None, refused: vec![] }
}

/// As `register_master` leaves it at `NOW`.
fn registered() -> World {
    let mut world = world();
    world.nautilus.masters.push(MasterRecord {
        endpoint: "https://a:1".to_owned(),
        ca_spki: vec![5; 32],
        signing_key: KEY.to_vec(),
        address: WalletAddress(Address::ZERO),
        config_digest: vec![7; 32],
        pcr0: vec![1; 48],
        position: operator(),
        registered_ms: NOW,
        expires_ms: NOW.plus(Duration::from_hours(24)),
        heartbeat_ms: NOW,
    });
    world
}

fn next(world: &World) -> Step {
    step(&Facts {
        cluster: &world.cluster,
        nautilus: &world.nautilus,
        active: &|position| world.active && [operator(), other()].contains(&position),
        position: world.position,
        refused: &world.refused,
        endpoint: "https://a:1",
        binding: &binding(),
        pcrs: &pcrs(),
        has_gas: world.has_gas,
        now: world.now,
    })
}

fn register() -> Step {
    Step::Register { position: operator(), registrations: 7 }
}

fn lacks(missing: &[Missing]) -> Step {
    Step::Wait { missing: missing.to_vec(), registered_until: None }
}

#[test]
fn it_waits_for_each_thing_that_others_have_to_do() {
    use Missing::{Endorsement, Gas, Measurement};
    let with = |change: &dyn Fn(&mut World)| {
        let mut world = world();
        change(&mut world);
        next(&world)
    };
    assert_eq!(with(&|_| ()), register());
    assert_eq!(with(&|w| w.has_gas = false), lacks(&[Gas]));
    assert_eq!(with(&|w| w.active = false), lacks(&[Endorsement]));
    assert_eq!(with(&|w| w.cluster.operator_positions.clear()), lacks(&[Endorsement]));
    assert_eq!(with(&|w| w.nautilus.endorsements[0].signing_key = vec![9; 32]), lacks(&[Endorsement]));
    for status in [MeasurementStatus::Announced, MeasurementStatus::Retired] {
        assert_eq!(with(&|w| w.nautilus.measurements[0].status = status), lacks(&[Measurement]));
    }
    assert_eq!(with(&|w| w.nautilus.measurements[0].pcr2 = vec![9; 48]), lacks(&[Measurement]));
    let nothing = |w: &mut World| {
        (w.has_gas, w.active) = (false, false);
        w.nautilus.measurements.clear();
    };
    assert_eq!(with(&nothing), lacks(&[Measurement, Endorsement, Gas]));
}

#[test]
fn it_shows_signs_of_life_well_within_its_time() {
    let mut world = registered();
    let third = Duration::from_secs(100);
    let until = NOW.plus(Duration::from_hours(24));
    assert_eq!(next(&world), Step::Rest { until: NOW.plus(third), registered_until: until });
    world.now = NOW.plus(third);
    assert_eq!(next(&world), Step::Beat);
    // Without gas it can only hope.
    world.has_gas = false;
    assert_eq!(next(&world), Step::Wait { missing: vec![Missing::Gas], registered_until: Some(until) });
    // What a new registration needs, it does not.
    (world.has_gas, world.active) = (true, false);
    world.nautilus.measurements[0].status = MeasurementStatus::Retired;
    assert_eq!(next(&world), Step::Beat);
}

#[test]
fn it_attests_anew_before_its_time_is_over() {
    let mut world = registered();
    world.now = NOW.plus(Duration::from_hours(18));
    world.nautilus.masters[0].heartbeat_ms = world.now;
    assert_eq!(next(&world), register());
    // If it may not, it goes on as long as it counts, and rests in between.
    world.nautilus.measurements[0].status = MeasurementStatus::Retired;
    let rest = Step::Rest {
        until: world.now.plus(Duration::from_secs(100)),
        registered_until: NOW.plus(Duration::from_hours(24)),
    };
    assert_eq!(next(&world), rest);
}

#[test]
fn a_record_that_is_not_of_this_master_as_it_is_does_not_count() {
    let with = |change: &dyn Fn(&mut World)| {
        let mut world = registered();
        change(&mut world);
        next(&world)
    };
    let record = |change: &'static dyn Fn(&mut MasterRecord)| with(&move |w| change(&mut w.nautilus.masters[0]));
    for other in [
        record(&|r| r.signing_key = vec![9; 32]),
        record(&|r| r.endpoint = "https://b:1".to_owned()),
        record(&|r| r.ca_spki = vec![9; 32]),
        record(&|r| r.config_digest = vec![9; 32]),
        record(&|r| r.pcr0 = vec![9; 48]),
        record(&|r| r.expires_ms = NOW),
        record(&|r| r.heartbeat_ms = UnixMs(NOW.0 - 300_001)),
    ] {
        assert_eq!(other, register());
    }
    // An emergency takes it out at once.
    let revoked = with(&|w| {
        w.nautilus.measurements.clear();
        w.nautilus.masters.clear();
    });
    assert_eq!(revoked, lacks(&[Missing::Measurement]));
}

#[test]
fn a_removed_master_waits_to_be_answered_for_anew() {
    // The admin's removal takes the endorsement along.
    let mut world = registered();
    world.nautilus.masters.clear();
    let endorsement = world.nautilus.endorsements.pop().unwrap();
    assert_eq!(next(&world), lacks(&[Missing::Endorsement]));
    // Where it stayed, as after a revoked measurement that is back in force, it registers by itself.
    world.nautilus.endorsements.push(endorsement);
    assert_eq!(next(&world), register());
}

#[test]
fn another_operators_endorsement_changes_nothing() {
    let meddled = |mut world: World| {
        world.cluster.operator_positions.push(other());
        world.nautilus.endorsements.insert(0, Endorsement { position: other(), signing_key: KEY.to_vec() });
        world
    };
    let as_of = |position| Step::Register { position, registrations: 7 };
    // Who answered before goes on answering, even once the record no longer counts.
    let mut known = meddled(registered());
    known.now = NOW.plus(Duration::from_hours(18));
    known.nautilus.masters[0].heartbeat_ms = known.now;
    assert_eq!(next(&known), as_of(operator()));
    known.now = NOW.plus(Duration::from_hours(30));
    assert_eq!(next(&known), as_of(operator()));
    // The first time nobody knows, unless the operator says it; who was refused comes last.
    let mut fresh = meddled(world());
    assert_eq!(next(&fresh), as_of(other()));
    fresh.refused = vec![other()];
    assert_eq!(next(&fresh), as_of(operator()));
    fresh.refused = vec![other(), operator()];
    assert_eq!(next(&fresh), as_of(other()));
    fresh.position = Some(operator());
    assert_eq!(next(&fresh), as_of(operator()));
    fresh.position = Some(Address::new([77; 32]).into());
    assert_eq!(next(&fresh), lacks(&[Missing::Endorsement]));
}
