use super::*;
use crate::supervise::report::{Child, Recorded, StepName, StepState};
use daas_audit::{Anchor, Digest};
use daas_types::ErrorCode;
use daas_types::onchain::{Proposal, Stage, Status};
use daas_types::worker::{End, Life, Phase as WorkerPhase, Transition};
use daas_types::{Address, Mist};

const NOW: UnixMs = UnixMs(1_000_000_000);

fn position(status: Status, active: &str, unbonding: &str) -> PositionState {
    PositionState {
        position: Address::from_static("0xaaaabbbbccccddddeeeeffff0000111122223333444455556666777788889999").into(),
        cluster: Address::from_static("0x2").into(),
        generation: 4,
        owner: Address::from_static("0x3").into(),
        next_owner: None,
        operator: Address::from_static("0x3").into(),
        node_id: "n1".to_owned(),
        status,
        active: active.parse().unwrap(),
        frozen: Mist(0),
        unbonding: unbonding.parse().unwrap(),
        unbonding_until_ms: NOW.plus(Duration::from_secs(42)),
        jailed_until_ms: UnixMs(0),
        maintenance: None,
        cooldown_until_ms: UnixMs(0),
        proposal: None,
        trials: vec![],
        seals: vec![],
    }
}

fn policy() -> Policy {
    Policy::devnet(Address::from_static("0x9").into())
}

fn report(phase: Phase) -> Report {
    let mut report = Report::new(false, "kubernetes".to_owned(), UnixMs(NOW.0 - 200_000));
    report.pid = 7;
    report.phase = phase;
    let log = "/s/logs/worker.log".into();
    report.children = vec![
        Child { name: "master".to_owned(), pid: Some(8), state: "running".to_owned(), log: "/s/m".into() },
        Child { name: "worker".to_owned(), pid: None, state: "ended 2 times".to_owned(), log },
    ];
    report
}

fn view(supervisor: Option<Supervisor>) -> View {
    let supervisor_runs = supervisor.is_some();
    View {
        now: NOW,
        supervisor,
        cluster: Part::Up(ClusterLine {
            id: format!("0x{}", "12".repeat(32)),
            endpoint: "https://10.0.0.1:6443".to_owned(),
        }),
        chain: Part::Up(ChainLine {
            genesis: "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S".to_owned(),
            network: "devnet",
            checkpoint: 120,
            age_ms: 400,
        }),
        master: Part::Up(MasterLine {
            endpoint: "https://10.0.0.1:6443".to_owned(),
            measurement: format!("sha384:{}", "ab".repeat(48)),
            tee_type: "SIMULATED_NITRO",
            security_level: 0,
        }),
        audit: supervisor_runs.then(|| AuditLog {
            state: "writing".to_owned(),
            records: 420,
            anchored: Some(Anchor { sequence: 7, records: 400, root: Digest([7; 32]) }),
            on_the_host_alone: 20,
            error: None,
        }),
        datastore: datastore(supervisor_runs),
        workers: vec![],
        positions: vec![],
    }
}

#[test]
fn all_is_well() {
    let mut view = view(Some(Supervisor { running: true, report: report(Phase::Ready) }));
    view.positions = vec![
        PositionLine::new(&position(Status::Active, "10", "0"), &policy(), NOW),
        PositionLine::new(&position(Status::Active, "2", "3"), &policy(), NOW),
    ];
    insta::assert_snapshot!(view.text());
}

#[test]
fn what_is_down_says_what_to_do() {
    let mut failed = report(Phase::Failed);
    failed.problem = Some(Recorded::from(&Problem::new(ErrorCode::PortBusy, "0.0.0.0:6443 is held by nginx (pid 9)")));
    let mut view = view(Some(Supervisor { running: false, report: failed }));
    view.chain = Err(Problem::new(ErrorCode::ChainUnreachable, "connect: refused")).into();
    view.master = Err(Problem::new(ErrorCode::MasterUnverified, "no allowed measurement")).into();
    insta::assert_snapshot!(view.text());
}

#[test]
fn a_start_shows_its_step_and_a_killed_supervisor_is_dead() {
    let mut starting = report(Phase::Starting);
    let step = starting.steps.iter_mut().find(|step| step.name == StepName::ControlPlane).unwrap();
    step.state = StepState::Running;
    let text = view(Some(Supervisor { running: true, report: starting })).text();
    assert!(text.contains("… starting") && text.contains("control plane ready"), "{text}");
    let text = view(Some(Supervisor { running: false, report: report(Phase::Ready) })).text();
    assert!(text.contains("✗ died") && text.contains("k3s-daas down"), "{text}");
    assert!(!text.contains("pid 8"), "children of a dead supervisor are not shown as running");
}

#[test]
fn a_pending_slash_is_spelled_out() {
    let mut state = position(Status::Suspended, "4.5", "0");
    state.proposal = Some(Box::new(Proposal {
        reason: 1,
        proposer: Address::from_static("0x5").into(),
        evidence_hash: vec![0; 32],
        uri: "https://evidence.example/1".to_owned(),
        amount: "0.5".parse().unwrap(),
        from_unbonding: Mist(0),
        proposed_ms: NOW,
        appeal_until_ms: NOW.plus(Duration::from_secs(5)),
        expires_ms: NOW.plus(Duration::from_secs(3605)),
        stage: Stage::Proposed,
        prior_status: Status::Active,
    }));
    state.frozen = "0.5".parse().unwrap();
    let line = PositionLine::new(&state, &policy(), NOW);
    assert_eq!((line.tier, line.status.as_str()), (None, "suspended"));
    let said = |line: &PositionLine, now| slash(line, line.slash.as_ref().unwrap(), now);
    assert_eq!(
        said(&line, NOW),
        "✗ 0xaaaabb…9999: a slash of 0.5 SUI is proposed: an audit root signed twice (evidence: \
         https://evidence.example/1); appeal within 5.0 s: `k3s-daas appeal --reason TEXT`"
    );
    let late = said(&line, NOW.plus(Duration::from_secs(6)));
    assert!(late.ends_with("the time to appeal is over; anyone may execute it, or it lapses in 59 min"), "{late}");
    state.proposal.as_mut().unwrap().stage = Stage::Appealed;
    let appealed = said(&PositionLine::new(&state, &policy(), NOW), NOW);
    assert!(appealed.ends_with("appealed; the judge decides, or it lapses in 60 min"), "{appealed}");
    state.proposal.as_mut().unwrap().stage = Stage::Upheld;
    let upheld = said(&PositionLine::new(&state, &policy(), NOW), NOW);
    assert!(upheld.contains("anyone may execute it"), "{upheld}");
    let lapsed = PositionLine::new(&state, &policy(), NOW.plus(Duration::from_secs(3605)));
    assert_eq!((lapsed.status.as_str(), lapsed.active.as_str(), lapsed.slash.is_none()), ("active", "5", true));
}

#[test]
fn a_jailed_node_is_told_how_to_come_back() {
    let mut state = position(Status::Active, "5", "0");
    state.jailed_until_ms = NOW.plus(Duration::from_secs(10));
    let line = PositionLine::new(&state, &policy(), NOW);
    assert_eq!(line.tier, Some("admin"), "people keep their tier");
    assert_eq!(jail(&line, NOW), "✗ 0xaaaabb…9999: n1 is jailed for its silence; in 10 s: `k3s-daas unjail`");
    assert!(jail(&line, NOW.plus(Duration::from_secs(10))).ends_with("silence; `k3s-daas unjail`"));
}

fn worker(name: &str, running: bool, phase: WorkerPhase, steps: &[(u64, WorkerPhase, &str)]) -> WorkerLine {
    let mut life = Life { phase, ending: None, history: [].into() };
    if phase == WorkerPhase::Gone {
        life.ending = Some(End { code: "StakeSlashed".to_owned(), cause: "0.5 SUI of 5".to_owned() });
    }
    let mut from = WorkerPhase::Unproven;
    for (ago, to, reason) in steps {
        let at_ms = UnixMs(NOW.0 - ago * 1000);
        life.history.push_back(Transition { at_ms, from, to: *to, reason: (*reason).to_owned() });
        from = *to;
    }
    WorkerLine { name: name.to_owned(), folder: "/s/nodes".into(), running, life: Part::Up(LifeLine::new(&life)) }
}

#[test]
fn a_worker_shows_where_it_stands_since_when_and_how_it_came_there() {
    use WorkerPhase::{Draining, Gone, Joined, Staked, Unproven, VerifiedMaster};
    let mut view = view(None);
    let way = [
        (200, Unproven, "the worker started"),
        (190, Staked, "the Seal is live on chain"),
        (180, VerifiedMaster, "the master's evidence held"),
        (170, Joined, "the node is registered and running"),
        (9, Joined, "several heartbeats in a row failed"),
    ];
    let slashed = [(500, Draining, "slashed: 0.5 SUI\nof 5"), (490, Gone, "pods and node have stopped")];
    view.workers = vec![
        worker("n1", true, Joined, &way),
        worker("n2", false, Staked, &way[..2]),
        worker("n3", false, Gone, &slashed),
    ];
    let error = Problem::new(ErrorCode::StateUnreadable, "/s/nodes/n4/worker-state.json: Permission denied");
    let unreadable = WorkerLine { life: Err(error).into(), ..worker("n4", false, Gone, &[]) };
    view.workers.push(unreadable);
    insta::assert_snapshot!(view.text());
    let json = serde_json::to_value(&view).unwrap();
    let first = &json["workers"][0];
    assert_eq!((first["phase"].as_str(), first["running"].as_bool()), (Some("joined"), Some(true)));
    assert_eq!(first["since_ms"], NOW.0 - 170_000, "what was only done does not change it");
    assert_eq!((first["history"].as_array().unwrap().len(), &first["history"][0]["to"]), (5, &"unproven".into()));
    assert_eq!(json["workers"][3]["error"], "StateUnreadable");
}

#[test]
fn json_has_every_fact_and_no_nulls_for_problems() {
    let mut view = view(None);
    view.chain = Err(Problem::new(ErrorCode::ChainUnreachable, "refused")).into();
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(json["supervisor"], serde_json::Value::Null);
    assert_eq!(json["chain"]["error"], "ChainUnreachable");
    assert_eq!(json["datastore"], serde_json::Value::Null, "what another machine's is, is not known here");
    assert_eq!(json["master"]["tee_type"], "SIMULATED_NITRO");
}
