//! `k3s_daas::founding`.

use super::params::{ADDRESS, BOOL, BYTES, STRING, U64S};
use super::{Call, cluster, declare_functions, k8s_gateway, nautilus, policy, registry};
use crate::execute::Fault;

declare_functions! { "founding":
    create_cluster(STRING, BYTES, U64S, BOOL, ADDRESS, ADDRESS, ADDRESS) => create_cluster;
}

fn create_cluster(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let policy = policy::new(call, 2)?;
    let mut cluster = cluster::new(call, policy)?;
    cluster.registry = registry::create(call, cluster.id);
    cluster.nautilus = nautilus::create(call, cluster.id);
    cluster.anchors = k8s_gateway::create_anchors(call, cluster.id);
    cluster::found(call, &cluster);
    Ok(())
}
