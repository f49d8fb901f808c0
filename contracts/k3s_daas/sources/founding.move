/// The founding of a cluster: the shared objects it consists of, made in one call.
module k3s_daas::founding;

use k3s_daas::cluster;
use k3s_daas::k8s_gateway;
use k3s_daas::nautilus;
use k3s_daas::policy;
use k3s_daas::registry;
use std::string::String;

/// Makes a cluster with its registry, Nautilus and audit anchors. The sender gets the admin's capability, `proposer` and
/// `judge` theirs. See `policy::new` for `numbers`; `genesis` is the digest of the network's first checkpoint.
entry fun create_cluster(
    name: String,
    genesis: vector<u8>,
    numbers: vector<u64>,
    super_is_masters: bool,
    beneficiary: address,
    proposer: address,
    judge: address,
    ctx: &mut TxContext,
) {
    let policy = policy::new(numbers, super_is_masters, beneficiary);
    let admin = ctx.sender();
    let cluster = cluster::new(name, genesis, policy, admin, proposer, judge, ctx);
    let id = object::id(&cluster);
    let registry = registry::create(id, ctx);
    let nautilus = nautilus::create(id, ctx);
    let anchors = k8s_gateway::create_anchors(id, ctx);
    cluster.found(registry, nautilus, anchors);
}
