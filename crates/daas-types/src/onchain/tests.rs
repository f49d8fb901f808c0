mod layout;
mod rights;
mod vectors;

use super::*;
use crate::{
    AnchorsId, CapId, ClusterId, Commitment, Locator, Mist, NautilusId, Permissions, PositionId, RegistryId, RequestId,
    SealId, UnixMs, WalletAddress,
};

fn id(n: u8) -> Address {
    Address::new([n; 32])
}

fn wallet(n: u8) -> WalletAddress {
    WalletAddress(id(n))
}

fn session() -> Session {
    Session { key: wallet(7), expires_ms: UnixMs(50) }
}

fn seal() -> SealRecord {
    SealRecord {
        id: SealId(id(1)),
        permissions: Permissions::BOTH,
        locator: Locator([1; 16]),
        commitment: Commitment([2; 32]),
        session: Some(session()),
        expires_ms: UnixMs(100),
    }
}

fn proposal() -> Proposal {
    Proposal {
        reason: 1,
        evidence_hash: vec![3; 32],
        uri: "https://evidence".to_owned(),
        proposer: wallet(4),
        amount: Mist(600),
        from_unbonding: Mist(100),
        proposed_ms: UnixMs(10),
        appeal_until_ms: UnixMs(20),
        expires_ms: UnixMs(30),
        stage: Stage::Appealed,
        prior_status: Status::Active,
    }
}

/// A position with a node and a Seal, of which nothing is pending.
fn position() -> PositionState {
    PositionState {
        position: PositionId(id(1)),
        cluster: ClusterId(id(2)),
        generation: 3,
        owner: wallet(4),
        next_owner: Some(wallet(5)),
        operator: wallet(6),
        node_id: "node-1".to_owned(),
        status: Status::Active,
        active: Mist::from_sui(5),
        frozen: Mist(0),
        unbonding: Mist(7),
        unbonding_until_ms: UnixMs(8),
        jailed_until_ms: UnixMs(0),
        maintenance: Some(Maintenance { from_ms: UnixMs(9), until_ms: UnixMs(10) }),
        cooldown_until_ms: UnixMs(11),
        proposal: None,
        trials: vec![Trial { evidence_hash: vec![12; 32], evidence_ms: UnixMs(13) }],
        seals: vec![seal()],
    }
}

fn cluster() -> Cluster {
    let policy = Policy::devnet(wallet(1));
    Cluster {
        id: ClusterId(id(2)),
        version: 1,
        name: "name".to_owned(),
        genesis: vec![3; 32],
        generation: 4,
        registry: RegistryId(id(5)),
        nautilus: NautilusId(id(6)),
        anchors: AnchorsId(id(7)),
        announced: Some(Announcement { policy: policy.clone(), effective_ms: UnixMs(8) }),
        policy,
        paused: true,
        operator_positions: vec![PositionId(id(9))],
        proposer_cap: CapId(id(10)),
        judge_cap: CapId(id(11)),
        treasury: Mist(12),
    }
}

fn measurement() -> Measurement {
    Measurement {
        pcr0: vec![1; 48],
        pcr1: vec![2; 48],
        pcr2: vec![3; 48],
        status: MeasurementStatus::InForce,
        active_from_ms: UnixMs(4),
    }
}

fn master() -> MasterRecord {
    MasterRecord {
        endpoint: "https://master:6443".to_owned(),
        ca_spki: vec![1; 32],
        signing_key: vec![2; 32],
        address: wallet(3),
        config_digest: vec![4; 32],
        pcr0: vec![1; 48],
        position: PositionId(id(6)),
        registered_ms: UnixMs(1_000),
        expires_ms: UnixMs(2_000),
        heartbeat_ms: UnixMs(1_500),
    }
}

fn nautilus() -> Nautilus {
    Nautilus {
        id: NautilusId(id(1)),
        cluster: ClusterId(id(2)),
        generation: 3,
        registrations: 4,
        measurements: vec![measurement()],
        masters: vec![master()],
        endorsements: vec![Endorsement { position: PositionId(id(5)), signing_key: vec![6; 32] }],
        keys: Table { id: id(7), size: 8 },
    }
}

fn request() -> RequestState {
    RequestState {
        request: RequestId(id(1)),
        cluster: ClusterId(id(2)),
        position: PositionId(id(3)),
        requester: wallet(4),
        method: "GET".to_owned(),
        path: "/api".to_owned(),
        namespace: "default".to_owned(),
        resource_type: "pods".to_owned(),
        payload: vec![5],
        payload_hash: vec![],
        submitted_ms: UnixMs(6),
        expires_ms: UnixMs(7),
        status: RequestStatus::Answered,
        result_status: 200,
        result_hash: vec![8; 32],
    }
}

fn anchor() -> Anchor {
    Anchor { sequence: 1, root: vec![2; 32], records: 3, anchored_ms: UnixMs(4) }
}
