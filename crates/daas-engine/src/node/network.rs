//! The pods' network on one node: a bridge by CNI, and one nft table of ours for what leaves it.

use serde_json::json;

use super::{Layout, NodeError};
use crate::cidr::Cidr;
use crate::command;
use crate::files;

/// Writes the CNI configuration and the nft table for the node's pods.
pub(super) async fn set(layout: &Layout, pods: Cidr, cluster: Cidr) -> Result<(), NodeError> {
    command::run_with_input("nft", &["-f", "-"], &rules(layout, pods, cluster)).await?;
    files::write_private(&layout.state.join("cni/conf/10-daas.conflist"), conflist(layout, pods))?;
    Ok(())
}

fn conflist(layout: &Layout, pods: Cidr) -> String {
    let list = json!({
        "cniVersion": "1.0.0",
        "name": layout.bridge(),
        "plugins": [
            {
                "type": "bridge",
                "bridge": layout.bridge(),
                "isGateway": true,
                // Ours, below, leaves traffic between pods of the cluster alone.
                "ipMasq": false,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": layout.state.join("cni/leases"),
                    "ranges": [[{ "subnet": pods }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "portmap", "backend": "nftables", "capabilities": { "portMappings": true } },
        ],
    });
    format!("{list:#}")
}

fn rules(layout: &Layout, pods: Cidr, cluster: Cidr) -> String {
    let (table, bridge) = (layout.nft_table(), layout.bridge());
    // The second rule: two pods on the bridge reach each other without this machine, so the answer of a
    // Service that picked a neighbour would come back under the neighbour's own address.
    format!(
        r#"table ip {table}
delete table ip {table}
table ip {table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {pods} ip daddr != {cluster} oifname != "{bridge}" masquerade
    ip saddr {pods} ip daddr {pods} oifname "{bridge}" ct status dnat masquerade
  }}
}}
"#
    )
}
