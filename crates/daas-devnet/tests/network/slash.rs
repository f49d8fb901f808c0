//! Slashes: proposed, appealed, upheld, reduced, cancelled, executed, lapsed.

use crate::contract::*;
use crate::support::*;
use daas_types::onchain::{Cluster, Event, PositionEvent, PositionState, Stage, Status};
use daas_types::{Mist, PositionId, Rights, UnixMs};
use std::time::Duration;

/// One cluster, one position of 5 SUI that can be slashed, and everyone with an office.
struct Court {
    net: Net,
    made: Made,
    ann: Wallet,
    proposer: Wallet,
    judge: Wallet,
    position: PositionId,
}

impl Court {
    async fn open() -> Self {
        let net = Net::start().await;
        let (operator, ann) = (net.wallet(1).await, net.wallet(2).await);
        let (proposer, judge) = (net.office(PROPOSER).await, net.office(JUDGE).await);
        let made = net.cluster(&operator).await;
        let position = net.stake(made, &ann, 5 * SUI, "node-1").await;
        Self { net, made, ann, proposer, judge, position }
    }

    async fn proposed(&self, evidence: u8) -> PositionState {
        let proposed = propose(self.made, self.position, evidence, self.net.now_ms());
        self.net.change(&self.proposer, self.made, proposed).await
    }

    async fn by_ann(&self, act: Act) -> PositionState {
        self.net.change(&self.ann, self.made, act).await
    }

    async fn by_judge(&self, target: &'static str) -> PositionState {
        self.net.change(&self.judge, self.made, judge(self.made, target, self.position)).await
    }

    async fn refused_to(&self, who: &Wallet, act: Act, error: &str) {
        self.net.refused(who, self.made, act, error).await;
    }

    fn reduce(&self, amount: u64) -> Act {
        let args = vec![it(self.made.judge), it(self.made.cluster), it(self.position), pure(&amount), CLOCK];
        act("staking::reduce_slash", args)
    }
}

const APPEAL_OVER: Duration = Duration::from_millis(5001);

#[tokio::test]
async fn a_slash_takes_its_share_after_the_time_to_appeal() {
    let court = Court::open().await;
    let (made, position, ann) = (court.made, court.position, &court.ann);
    let state = court.proposed(1).await;
    assert_eq!((state.status, state.active, state.frozen), (Status::Suspended, Mist(4_500_000_000), Mist(SUI / 2)));
    assert_eq!(
        state.proposal.as_ref().map(|p| (p.stage, p.proposer)),
        Some((Stage::Proposed, wallet_of(&court.proposer)))
    );
    court.refused_to(ann, restake(made, position, SUI), "position::ESuspended").await;
    court.refused_to(ann, execute(made, position), "slashing::EAppealOpen").await;
    let again = propose(made, position, 2, court.net.now_ms());
    court.refused_to(&court.proposer, again, "staking::ESlashPending").await;

    court.net.pass(APPEAL_OVER);
    let state = court.by_ann(execute(made, position)).await;
    assert_eq!((state.status, state.active, state.frozen), (Status::Slashed, Mist(4_500_000_000), Mist(0)));
    assert!(state.seals.is_empty() && state.proposal.is_none());
    assert_eq!(court.net.read::<Cluster>(made.cluster.0).await.treasury, Mist(SUI / 2));
    let again = propose(made, position, 1, court.net.now_ms());
    court.refused_to(&court.proposer, again, "position::EAlreadyTried").await;

    let now = court.net.now_ms();
    court.refused_to(ann, refresh(made, position, now), "position::ESlashed").await;
    assert_eq!(court.by_ann(restake(made, position, SUI)).await.status, Status::Recovering);
    let state = court.by_ann(refresh(made, position, now)).await;
    assert_eq!((state.status, state.seals.len(), state.active), (Status::Active, 1, Mist(5_500_000_000)));
}

#[tokio::test]
async fn an_appeal_waits_for_its_judge() {
    let court = Court::open().await;
    let (made, position, ann) = (court.made, court.position, &court.ann);
    court.proposed(1).await;
    court.refused_to(&court.judge, judge(made, "staking::uphold_slash", position), "slashing::ENotAppealed").await;
    assert_eq!(court.by_ann(appeal(made, position)).await.proposal.unwrap().stage, Stage::Appealed);
    court.refused_to(ann, appeal(made, position), "slashing::EAlreadyAppealed").await;
    court.net.pass(APPEAL_OVER);
    court.refused_to(ann, execute(made, position), "slashing::EAwaitingJudge").await;
    let upheld = court.by_judge("staking::uphold_slash").await;
    assert_eq!(upheld.proposal.unwrap().stage, Stage::Upheld);
    let state = court.by_judge("staking::cancel_slash").await;
    assert_eq!((state.status, state.active, state.generation), (Status::Active, Mist(5 * SUI), 5));
    assert_eq!(state.seals.len(), 1);
}

#[tokio::test]
async fn a_judge_may_let_less_stand() {
    let court = Court::open().await;
    let (made, position) = (court.made, court.position);
    court.proposed(1).await;
    court.by_ann(appeal(made, position)).await;
    court.refused_to(&court.judge, court.reduce(SUI / 2), "slashing::EBadReduction").await;
    let state = court.net.change(&court.judge, made, court.reduce(SUI / 5)).await;
    assert_eq!((state.active, state.frozen), (Mist(4_800_000_000), Mist(SUI / 5)));
    court.net.pass(APPEAL_OVER);
    court.by_ann(execute(made, position)).await;
    assert_eq!(court.net.read::<Cluster>(made.cluster.0).await.treasury, Mist(SUI / 5));
}

#[tokio::test]
async fn offices_are_apart() {
    let court = Court::open().await;
    let (net, made, position) = (&court.net, court.made, court.position);
    let treasury = net.office(TREASURY).await;
    // Capabilities can be sent on; who acts is looked at all the same.
    let send = async |from: &Wallet, cap, to: &Wallet| {
        net.run(from, |b| {
            let cap = object(b, cap);
            let to = b.pure(&to.address);
            b.transfer_objects(vec![cap], to);
        })
        .await;
    };
    send(&court.proposer, made.proposer, &treasury).await;
    let proposed = propose(made, position, 1, net.now_ms());
    court.refused_to(&treasury, proposed, "staking::EBeneficiary").await;
    send(&treasury, made.proposer, &court.judge).await;
    net.change(&court.judge, made, propose(made, position, 1, net.now_ms())).await;
    court.by_ann(appeal(made, position)).await;
    court.refused_to(&court.judge, judge(made, "staking::uphold_slash", position), "slashing::EOwnCase").await;
    send(&court.judge, made.judge, &treasury).await;
    court.refused_to(&treasury, judge(made, "staking::cancel_slash", position), "staking::EBeneficiary").await;
    send(&treasury, made.judge, &court.ann).await;
    court.refused_to(&court.ann, judge(made, "staking::cancel_slash", position), "staking::EOwnPosition").await;
}

#[tokio::test]
async fn a_slash_that_nobody_judges_lapses() {
    let court = Court::open().await;
    let (net, made, position, ann) = (&court.net, court.made, court.position, &court.ann);
    let release = act("staking::release_lapsed_slash", vec![it(made.cluster), it(position), CLOCK]);
    let suspended = court.proposed(1).await;
    court.by_ann(appeal(made, position)).await;
    let policy = policy();
    let lapses = suspended.lapses_ms().unwrap();
    assert_eq!(lapses.0, net.now_ms() + policy.appeal_window_ms + policy.judge_window_ms);
    court.refused_to(ann, release.clone(), "slashing::ENotLapsed").await;
    net.pass(Duration::from_millis(lapses.0 - net.now_ms()));
    court.refused_to(&court.judge, judge(made, "staking::cancel_slash", position), "slashing::ELapsed").await;
    court.refused_to(ann, execute(made, position), "slashing::ELapsed").await;
    // A reader knows before anyone clears it away.
    let now = UnixMs(net.now_ms());
    let before = net.position(position).await;
    assert_eq!(before.status, Status::Suspended);
    assert_ne!(before.rights(&policy, now), Rights::default());
    let cleared = court.by_ann(release).await;
    assert_eq!(
        PositionState { generation: before.generation + 1, cooldown_until_ms: lapses, ..before.at(now).into_owned() },
        cleared
    );

    // Or whoever comes next clears it: one event for that, one for what they do.
    court.proposed(2).await;
    net.pass(Duration::from_hours(2));
    let events = net.act(ann, made, restake(made, position, SUI)).await;
    let names: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Position { name, state } => (*name, state.generation, state.status),
            other => panic!("{other:?}"),
        })
        .collect();
    let generation = cleared.generation;
    assert_eq!(
        names,
        [
            (PositionEvent::SlashLapsed, generation + 2, Status::Active),
            (PositionEvent::Restaked, generation + 3, Status::Active),
        ]
    );
}
