/// The three offices of a cluster. They are held apart: whoever proposes a slash does not judge it, and neither gets the
/// money. A multisig address can hold any of them.
module k3s_daas::caps;

// === Errors ===

#[error(code = 1)]
const EForeignCap: vector<u8> = b"The capability is of another cluster";

// === Structs ===

/// Sets policy, measurements and masters.
public struct AdminCap has key, store {
    id: UID,
    cluster: ID,
}

/// Proposes slashes, while it is the cluster's current one.
public struct ProposerCap has key, store {
    id: UID,
    cluster: ID,
}

/// Upholds, reduces or cancels proposed slashes, while it is the cluster's current one.
public struct JudgeCap has key, store {
    id: UID,
    cluster: ID,
}

// === Package Functions ===

public(package) fun new_admin(cluster: ID, ctx: &mut TxContext): AdminCap {
    AdminCap { id: object::new(ctx), cluster }
}

public(package) fun new_proposer(cluster: ID, ctx: &mut TxContext): ProposerCap {
    ProposerCap { id: object::new(ctx), cluster }
}

public(package) fun new_judge(cluster: ID, ctx: &mut TxContext): JudgeCap {
    JudgeCap { id: object::new(ctx), cluster }
}

public(package) fun assert_of(self: &AdminCap, cluster: ID) {
    assert!(self.cluster == cluster, EForeignCap);
}
