//! Routes to the pods of other nodes: one per node, through that node's address (host-gw).
//!
//! Ours are told from others by their protocol number, so the kernel's own table is the record.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Deserialize;

use crate::cidr::Cidr;
use crate::command::{self, CommandError};

/// A number that no routing daemon uses (`/etc/iproute2/rt_protos`).
const PROTOCOL: &str = "211";

/// What has to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePlan {
    /// Routes to set; one with another gateway is replaced.
    pub set: Vec<(Cidr, Ipv4Addr)>,
    /// Routes to remove.
    pub remove: Vec<Cidr>,
}

/// The steps from the routes there are to the routes that are wanted.
pub fn diff(current: &BTreeMap<Cidr, Ipv4Addr>, wanted: &BTreeMap<Cidr, Ipv4Addr>) -> RoutePlan {
    let set = wanted.iter().filter(|(to, via)| current.get(to) != Some(via)).map(|(to, via)| (*to, *via));
    let remove = current.keys().filter(|to| !wanted.contains_key(to)).copied();
    RoutePlan { set: set.collect(), remove: remove.collect() }
}

/// Makes our routes exactly these.
pub async fn apply(wanted: &BTreeMap<Cidr, Ipv4Addr>) -> Result<(), CommandError> {
    let plan = diff(&current().await?, wanted);
    for to in plan.remove {
        command::run("ip", &["-4", "route", "del", &to.to_string(), "proto", PROTOCOL]).await?;
        tracing::info!(route.to = %to, "route removed");
    }
    for (to, via) in plan.set {
        let (to, via) = (to.to_string(), via.to_string());
        command::run("ip", &["-4", "route", "replace", &to, "via", &via, "proto", PROTOCOL]).await?;
        tracing::info!(route.to = %to, route.via = %via, "route set");
    }
    Ok(())
}

async fn current() -> Result<BTreeMap<Cidr, Ipv4Addr>, CommandError> {
    #[derive(Deserialize)]
    struct Route {
        dst: String,
        gateway: Option<Ipv4Addr>,
    }
    let text = command::run("ip", &["-4", "-json", "route", "show", "proto", PROTOCOL]).await?;
    let routes: Vec<Route> = serde_json::from_str(&text).map_err(|e| CommandError {
        command: "ip -4 -json route show".to_owned(),
        reason: format!("unreadable answer: {e}"),
    })?;
    // A host route is shown without its prefix.
    let parse = |dst: &str| dst.parse().or_else(|_| format!("{dst}/32").parse()).ok();
    Ok(routes.into_iter().filter_map(|r| Some((parse(&r.dst)?, r.gateway?))).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn routes(max: usize) -> impl Strategy<Value = BTreeMap<Cidr, Ipv4Addr>> {
        let route = (0u8..8, 1u8..4)
            .prop_map(|(net, via)| (format!("10.42.{net}.0/24").parse().unwrap(), Ipv4Addr::new(192, 0, 2, via)));
        proptest::collection::btree_map(route.clone().prop_map(|(c, _)| c), route.prop_map(|(_, v)| v), 0..max)
    }

    proptest! {
        #[test]
        fn applying_the_plan_gives_what_is_wanted(current in routes(6), wanted in routes(6)) {
            let plan = diff(&current, &wanted);
            let mut table = current.clone();
            for to in &plan.remove {
                prop_assert!(table.remove(to).is_some());
            }
            for (to, via) in &plan.set {
                prop_assert_ne!(table.insert(*to, *via), Some(*via));
            }
            prop_assert_eq!(table, wanted);
        }
    }

    #[test]
    fn nothing_to_do_is_an_empty_plan() {
        let table = BTreeMap::from([("10.42.1.0/24".parse().unwrap(), Ipv4Addr::new(192, 0, 2, 1))]);
        assert_eq!(diff(&table, &table), RoutePlan::default());
    }
}
