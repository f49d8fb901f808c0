/// The three offices of a cluster. They may be held apart: whoever proposes a slash need not judge it.
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

/// Proposes slashes.
public struct ProposerCap has key, store {
    id: UID,
    cluster: ID,
}

/// Upholds or cancels proposed slashes.
public struct JudgeCap has key, store {
    id: UID,
    cluster: ID,
}

// === Package Functions ===

public(package) fun new(cluster: ID, ctx: &mut TxContext): (AdminCap, ProposerCap, JudgeCap) {
    (
        AdminCap { id: object::new(ctx), cluster },
        ProposerCap { id: object::new(ctx), cluster },
        JudgeCap { id: object::new(ctx), cluster },
    )
}

public(package) fun assert_admin(self: &AdminCap, cluster: ID) {
    assert!(self.cluster == cluster, EForeignCap);
}

public(package) fun assert_proposer(self: &ProposerCap, cluster: ID) {
    assert!(self.cluster == cluster, EForeignCap);
}

public(package) fun assert_judge(self: &JudgeCap, cluster: ID) {
    assert!(self.cluster == cluster, EForeignCap);
}
