use super::*;
use crate::authenticate::Authenticator;
use crate::freshness::Watch;
use daas_chain::clock;
use daas_chain::index::Index;
use daas_testkit::chain::{Chain, Staker, cluster};
use daas_types::onchain::{Proposal, Stage};
use daas_types::{Address, ErrorCode, Mist, WalletAddress};
use futures::FutureExt;
use http::StatusCode;

const GRACE: Duration = Duration::from_mins(15);

fn view(index: &Index) -> View<'static> {
    Box::leak(Box::new(Watch::new(index.clone(), GRACE, Namespaces::default()))).view()
}

fn holder(view: &View<'_>, staker: &Staker, usage: Usage) -> Caller {
    let (position, seal) = view.snapshot.seal(staker.state.seals[0].id).unwrap();
    Caller::Seal(SealHolder {
        position: position.clone(),
        seal: seal.clone(),
        usage,
        until: seal.expires_ms,
        given: Arc::default(),
    })
}

fn try_admit(chain: &Chain, staker: &Staker, usage: Usage) -> Result<Permit, Refusal> {
    let view = view(&chain.index);
    admit(&holder(&view, staker, usage), &view)
}

fn refused(chain: &Chain, staker: &Staker, usage: Usage) -> (ErrorCode, StatusCode) {
    let refusal = try_admit(chain, staker, usage).unwrap_err();
    (refusal.code(), refusal.status())
}

#[test]
fn people_are_their_wallet_position_and_tier() {
    for (sui, tier) in [("0.5", Tier::Viewer), ("2", Tier::Developer), ("5", Tier::Admin), ("10", Tier::Super)] {
        let chain = Chain::new();
        let staker = chain.staker(7, sui, Permissions::USER);
        let permit = try_admit(&chain, &staker, Usage::User).unwrap();
        assert_eq!(permit.kind(), &Kind::Person { tier });
        let identity = permit.identity().unwrap();
        assert_eq!(identity.user(), staker.state.owner.to_string());
        assert_eq!(identity.uid(), Some(staker.state.position));
        let position = format!("daas:position:{}", staker.state.position);
        assert_eq!(identity.groups(), [tier.group().to_owned(), position]);
    }
}

#[test]
fn super_is_masters_only_where_policy_says_so() {
    let chain = Chain::new();
    let (great, admin) = (chain.staker(1, "10", Permissions::USER), chain.staker(2, "9", Permissions::USER));
    let is_master = |staker| {
        let permit = try_admit(&chain, staker, Usage::User).unwrap();
        permit.identity().unwrap().groups().iter().any(|group| group == "system:masters")
    };
    assert!(!is_master(&great));
    chain.policy(|policy| policy.super_is_masters = true);
    assert!(is_master(&great));
    assert!(!is_master(&admin));
}

#[test]
fn nodes_are_their_node_id() {
    let chain = Chain::new();
    let staker = chain.staker(7, "10", Permissions::NODE);
    let kubelet = try_admit(&chain, &staker, Usage::Kubelet).unwrap();
    let identity = kubelet.identity().unwrap();
    assert_eq!((identity.user(), identity.uid()), ("system:node:worker-7", None));
    assert_eq!(identity.groups(), ["system:nodes"]);
    let proxy = try_admit(&chain, &staker, Usage::KubeProxy).unwrap();
    assert_eq!(proxy.identity().unwrap().user(), "system:kube-proxy");
    assert!(proxy.identity().unwrap().groups().is_empty());
}

#[test]
fn permissions_fixed_at_mint_are_not_crossed() {
    let chain = Chain::new();
    let (user, node) = (chain.staker(1, "10", Permissions::USER), chain.staker(2, "10", Permissions::NODE));
    let not_permitted = (UsageNotPermitted, StatusCode::FORBIDDEN);
    assert_eq!(refused(&chain, &node, Usage::User), not_permitted);
    assert_eq!(refused(&chain, &user, Usage::Kubelet), not_permitted);
    assert_eq!(refused(&chain, &user, Usage::KubeProxy), not_permitted);
    assert_eq!(refused(&chain, &node, Usage::Worker), not_permitted, "a worker token opens no Kubernetes");
    let view = view(&chain.index);
    assert!(admit_worker(&holder(&view, &node, Usage::Worker), true, &view).is_ok());
    for (staker, usage) in [(&user, Usage::Worker), (&node, Usage::Kubelet), (&node, Usage::User)] {
        let refusal = admit_worker(&holder(&view, staker, usage), true, &view).unwrap_err();
        assert_eq!(refusal.code(), UsageNotPermitted);
    }
}

#[test]
fn every_status_but_active_is_named() {
    let chain = Chain::new();
    let mut staker = chain.staker(7, "10", Permissions::BOTH);
    for (status, code) in [
        (Status::Suspended, PositionSuspended),
        (Status::Slashed, PositionSlashed),
        (Status::Recovering, PositionSlashed),
        (Status::Closed, PositionClosed),
    ] {
        chain.put(&mut staker, |state| state.status = status);
        assert_eq!(refused(&chain, &staker, Usage::User), (code, StatusCode::FORBIDDEN));
        assert_eq!(refused(&chain, &staker, Usage::Kubelet), (code, StatusCode::FORBIDDEN));
    }
    chain.put(&mut staker, |state| state.status = Status::Active);
    assert!(try_admit(&chain, &staker, Usage::User).is_ok());
}

#[test]
fn stake_below_the_lowest_tier_or_the_node_minimum_opens_nothing() {
    let chain = Chain::new();
    let mut staker = chain.staker(7, "0.5", Permissions::BOTH);
    assert!(try_admit(&chain, &staker, Usage::Kubelet).is_ok());
    chain.put(&mut staker, |state| state.active = Mist(499_999_999));
    assert_eq!(refused(&chain, &staker, Usage::User).0, StakeTooLow);
    assert_eq!(refused(&chain, &staker, Usage::Kubelet).0, StakeTooLow);
}

#[test]
fn a_jailed_node_is_told_so_and_its_owner_goes_on() {
    let chain = Chain::new();
    let mut staker = chain.staker(7, "5", Permissions::BOTH);
    // Its time is long over, and still it is jailed.
    chain.put(&mut staker, |state| state.jailed_until_ms = UnixMs(1));
    for usage in [Usage::Kubelet, Usage::KubeProxy] {
        assert_eq!(refused(&chain, &staker, usage), (NodeJailed, StatusCode::FORBIDDEN));
    }
    let view = view(&chain.index);
    for joins in [false, true] {
        let refusal = admit_worker(&holder(&view, &staker, Usage::Worker), joins, &view).unwrap_err();
        assert_eq!(refusal.code(), NodeJailed);
    }
    assert!(try_admit(&chain, &staker, Usage::User).is_ok());
    chain.put(&mut staker, |state| state.jailed_until_ms = UnixMs(0));
    assert!(try_admit(&chain, &staker, Usage::Kubelet).is_ok());
}

#[test]
fn a_lapsed_slash_suspends_nobody() {
    let chain = Chain::new();
    let mut staker = chain.staker(7, "5", Permissions::BOTH);
    let lapses = clock::now().plus(Duration::from_secs(5));
    chain.put(&mut staker, |state| {
        state.status = Status::Suspended;
        state.proposal = Some(Box::new(proposal(lapses)));
    });
    assert_eq!(refused(&chain, &staker, Usage::User).0, PositionSuspended);
    // This machine's clock decides nothing; a verified checkpoint's does.
    chain.checkpoint_at(lapses, &[]);
    assert!(try_admit(&chain, &staker, Usage::User).is_ok());
    assert!(try_admit(&chain, &staker, Usage::Kubelet).is_ok());
}

fn proposal(expires_ms: UnixMs) -> Proposal {
    Proposal {
        reason: 5,
        evidence_hash: vec![0; 32],
        uri: String::new(),
        proposer: WalletAddress(Address::ZERO),
        amount: Mist(0),
        from_unbonding: Mist(0),
        proposed_ms: UnixMs(0),
        appeal_until_ms: UnixMs(0),
        expires_ms,
        stage: Stage::Proposed,
        prior_status: Status::Active,
    }
}

#[test]
fn a_node_id_that_is_no_name_never_becomes_one() {
    let chain = Chain::new();
    let mut staker = chain.staker(7, "5", Permissions::BOTH);
    for bad in ["", "a.b", "x\r\nX-Remote-User: root", "system:masters"] {
        chain.put(&mut staker, |state| bad.clone_into(&mut state.node_id));
        assert_eq!(refused(&chain, &staker, Usage::Kubelet).0, UsageNotPermitted, "{bad:?}");
        assert!(try_admit(&chain, &staker, Usage::User).is_ok());
    }
}

#[test]
fn an_ended_seal_and_a_gap_open_nothing() {
    let chain = Chain::new();
    let mut staker = chain.staker(7, "5", Permissions::BOTH);
    chain.put(&mut staker, |state| state.seals[0].expires_ms = clock::now());
    assert_eq!(refused(&chain, &staker, Usage::User), (SealExpired, StatusCode::UNAUTHORIZED));
    chain.put(&mut staker, |state| {
        state.seals[0].expires_ms = clock::now().plus(GRACE);
        state.generation += 5;
    });
    assert_eq!(refused(&chain, &staker, Usage::User), (ChainStale, StatusCode::SERVICE_UNAVAILABLE));
}

#[test]
fn when_stale_people_are_refused_and_nodes_have_their_grace() {
    let at = UnixMs(clock::now().0 - 100_000);
    let chain = Chain::made_at(at);
    let mut staker = Staker::new(7, "5", Permissions::BOTH);
    chain.checkpoint_at(at, &[staker.event(|_| ())]);
    let within = view(&chain.index);
    let refusal = admit(&holder(&within, &staker, Usage::User), &within).unwrap_err();
    assert_eq!((refusal.code(), refusal.status()), (ChainStale, StatusCode::SERVICE_UNAVAILABLE));
    assert!(admit(&holder(&within, &staker, Usage::Kubelet), &within).is_ok());
    assert!(admit_worker(&holder(&within, &staker, Usage::Worker), false, &within).is_ok());
    let join = admit_worker(&holder(&within, &staker, Usage::Worker), true, &within).unwrap_err();
    assert_eq!(join.code(), ChainStale, "no join on a stale index");
    let watch = Watch::new(chain.index.clone(), Duration::from_secs(50), Namespaces::default());
    let late = watch.view();
    assert_eq!(admit(&holder(&late, &staker, Usage::Kubelet), &late).unwrap_err().code(), ChainStale);
}

#[tokio::test]
async fn whatever_the_order_of_admit_and_revoke_nothing_stays_open() {
    let chain = Chain::new();
    // Admitted, leased, revoked.
    let mut a = chain.staker(1, "5", Permissions::USER);
    let permit = try_admit(&chain, &a, Usage::User).unwrap();
    let mut lease = permit.leash().lease();
    assert!((&mut lease).now_or_never().is_none());
    chain.suspend(&mut a);
    assert_eq!(lease.now_or_never(), Some(CutReason::RightLost));
    // Admitted, revoked, leased.
    let mut b = chain.staker(2, "5", Permissions::USER);
    let permit = try_admit(&chain, &b, Usage::User).unwrap();
    chain.suspend(&mut b);
    assert_eq!(permit.leash().lease().now_or_never(), Some(CutReason::RightLost));
    // Snapshot taken, revoked, admitted on the old snapshot, leased.
    let mut c = chain.staker(3, "5", Permissions::USER);
    let old = view(&chain.index);
    chain.suspend(&mut c);
    let permit = admit(&holder(&old, &c, Usage::User), &old).unwrap();
    assert_eq!(permit.leash().lease().now_or_never(), Some(CutReason::RightLost));
    // Revoked and restored before the lease: still the old right, which is gone.
    let mut d = chain.staker(4, "5", Permissions::USER);
    let permit = try_admit(&chain, &d, Usage::User).unwrap();
    chain.suspend(&mut d);
    chain.put(&mut d, |state| state.status = Status::Active);
    assert_eq!(permit.leash().lease().now_or_never(), Some(CutReason::RightLost));
    assert!(try_admit(&chain, &d, Usage::User).unwrap().leash().lease().now_or_never().is_none());
}

/// Real threads, real index: for every interleaving the scheduler finds, a permit given is a permit cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_admissions_are_refused_or_cut() {
    let chain = Arc::new(Chain::new());
    let mut staker = chain.staker(9, "5", Permissions::USER);
    let id = staker.state.seals[0].id;
    for _ in 0..200 {
        let index = chain.index.clone();
        let racer = tokio::task::spawn_blocking(move || {
            let mut permits = Vec::new();
            loop {
                let view = view(&index);
                let (position, seal) = view.snapshot.seal(id).unwrap();
                let (position, seal, until) = (position.clone(), seal.clone(), seal.expires_ms);
                match admit(
                    &Caller::Seal(SealHolder { position, seal, usage: Usage::User, until, given: Arc::default() }),
                    &view,
                ) {
                    Ok(permit) => permits.push(permit),
                    Err(refusal) => return (permits, refusal.code()),
                }
            }
        });
        tokio::task::yield_now().await;
        chain.suspend(&mut staker);
        let (permits, code) = racer.await.unwrap();
        assert_eq!(code, PositionSuspended);
        for permit in permits {
            // Every one was given before the cut was complete, so each ends.
            let lease = permit.leash().lease();
            assert_eq!(tokio::time::timeout(Duration::from_secs(5), lease).await, Ok(CutReason::RightLost));
        }
        chain.put(&mut staker, |state| state.status = Status::Active);
    }
}

/// Whether a permit made since `now` expires so long after it, by a clock that the test moves.
async fn expires_after(permit: &Permit, now: UnixMs, time: Duration) -> bool {
    let (begun, spent) = (tokio::time::Instant::now(), clock::now().since(now));
    let reason = permit.leash().lease().await;
    reason == CutReason::Expired && (time.saturating_sub(spent)..=time).contains(&begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_seal_is_an_event() {
    let chain = Chain::new();
    let mut staker = chain.staker(7, "5", Permissions::USER);
    let now = clock::now();
    chain.put(&mut staker, |state| state.seals[0].expires_ms = now.plus(GRACE));
    let permit = try_admit(&chain, &staker, Usage::User).unwrap();
    assert!(expires_after(&permit, now, GRACE).await);
}

#[tokio::test(start_paused = true)]
async fn what_a_session_key_opened_ends_with_it() {
    let chain = Chain::new();
    let mut staker = Staker::new(7, "5", Permissions::BOTH);
    let now = clock::now();
    let ends = now.plus(Duration::from_mins(2));
    let session = staker.session(ends);
    chain.put(&mut staker, |state| state.seals[0].expires_ms = now.plus(GRACE));
    let view = view(&chain.index);
    let signers: [(&dyn Fn(Usage) -> String, _); 2] = [
        (&|usage| staker.claims(usage).sign(&session).unwrap().to_string(), Duration::from_mins(2)),
        (&|usage| staker.token(usage), GRACE),
    ];
    for (token, expected) in signers {
        for usage in [Usage::User, Usage::Kubelet] {
            let caller = authenticated(&token(usage), &view).unwrap();
            let permit = admit(&caller, &view).unwrap();
            assert!(expires_after(&permit, now, expected).await);
        }
    }
}

#[test]
fn a_token_has_the_identity_of_its_position_as_that_is() {
    let chain = Chain::new();
    let mut staker = chain.staker(7, "10", Permissions::USER);
    let (authenticator, token) = (Authenticator::new(cluster(), None, 16).unwrap(), staker.token(Usage::User));
    let groups = || {
        let view = view(&chain.index);
        let caller = authenticated_by(&authenticator, &token, &view).unwrap();
        admit(&caller, &view).unwrap().identity().unwrap().groups().to_vec()
    };
    assert_eq!(groups()[0], Tier::Super.group());
    assert_eq!(groups().len(), 2);
    chain.put(&mut staker, |state| state.active = Mist(2_000_000_000));
    assert_eq!(groups()[0], Tier::Developer.group());
    chain.put(&mut staker, |state| state.active = Mist(10_000_000_000));
    assert_eq!(groups().len(), 2);
    chain.policy(|policy| policy.super_is_masters = true);
    assert_eq!(groups()[2], "system:masters");
}

fn authenticated(token: &str, view: &View<'_>) -> Result<Caller, Refusal> {
    authenticated_by(&Authenticator::new(cluster(), None, 16).unwrap(), token, view)
}

fn authenticated_by(authenticator: &Authenticator, token: &str, view: &View<'_>) -> Result<Caller, Refusal> {
    let header = http::HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    let headers = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, header)]);
    let bearer = Bearer::from_headers(&headers).unwrap().unwrap();
    authenticator.authenticate(&bearer, Usage::User, &view.snapshot, view.now, |_| Ok(()))
}
