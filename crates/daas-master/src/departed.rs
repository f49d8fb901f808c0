//! Nodes whose owner has left: a closed position never comes back, so neither does its node.

use crate::nodes::{NodeRecord, OWNER, owner_label};
use daas_chain::index::Snapshot;
use daas_types::PositionId;
use daas_types::onchain::Status;
use k8s_openapi::api::core::v1::Node;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long tidying up after a node may take; who waits for it, waits for fifteen seconds.
const TIDIED: Duration = Duration::from_secs(8);
const LOOK: Duration = Duration::from_millis(200);

/// Whether the Node object is of a position that is closed.
pub(crate) fn is_departed(node: &Node, records: &BTreeMap<String, NodeRecord>, snapshot: &Snapshot) -> bool {
    let Some(record) = records.get(&node.name_any()) else { return false };
    // Missed events may have been of another position that took the node over.
    let closed = snapshot.position(record.position).is_some_and(|p| !p.gap && p.state.status == Status::Closed);
    closed && is_of(node, record.position)
}

/// Whoever holds the node id next has another label, and another object.
fn is_of(node: &Node, position: PositionId) -> bool {
    node.labels().get(OWNER) == Some(&owner_label(position))
}

/// Takes the Node object away, and no other that came in its place meanwhile.
pub(crate) async fn remove(client: &Client, node: &Node) -> anyhow::Result<()> {
    let name = node.name_any();
    let nodes: Api<Node> = Api::all(client.clone());
    let this = Preconditions { uid: node.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(this), ..DeleteParams::default() };
    match nodes.delete(&name, &params).await {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => {
            tracing::info!(node = name, "Node object removed");
            Ok(())
        }
    }
}

/// Waits until this very object is gone. It stays while somebody has to tidy up after it: K3s removes the node's password then, and a
/// Node that is made before that would be taken for the former one.
pub(crate) async fn until_gone<F>(uid: Option<String>, mut look: impl FnMut() -> F) -> anyhow::Result<()>
where
    F: Future<Output = Result<Option<Node>, kube::Error>>,
{
    let gone = async {
        while look().await?.is_some_and(|node| node.uid() == uid) {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    };
    let limit = tokio::time::timeout(TIDIED, gone).await;
    limit.map_err(|_| anyhow::anyhow!("the former Node object is still there after {TIDIED:?}"))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::chain::{Chain, Staker};
    use daas_types::Permissions;

    fn node(name: &str, owner: PositionId) -> Node {
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": name, "labels": { OWNER: owner_label(owner) } },
        }))
        .unwrap()
    }

    #[test]
    fn only_the_node_of_a_closed_position_goes() {
        let chain = Chain::new();
        let (mut one, mut two) = (Staker::new(1, "5", Permissions::NODE), Staker::new(2, "5", Permissions::NODE));
        chain.put(&mut one, |_| ());
        chain.put(&mut two, |_| ());
        let record = |position| NodeRecord { address: [10, 0, 0, 2].into(), instance: String::new(), position };
        let records: BTreeMap<_, _> = [("n1".to_owned(), record(one.state.position))].into();
        let left = |node: &Node| is_departed(node, &records, &chain.index.snapshot());
        let own = node("n1", one.state.position);
        assert!(!left(&own));
        chain.put(&mut one, |state| state.status = Status::Suspended);
        assert!(!left(&own), "a slash may be cancelled");
        chain.put(&mut one, |state| state.status = Status::Closed);
        assert!(left(&own));
        assert!(!left(&node("n1", two.state.position)), "another holds the name by now");
        assert!(!left(&node("n2", one.state.position)), "nothing is recorded of it");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_nodes_place_waits_until_it_is_tidied_up_after() {
        let object = |uid: &str| {
            let mut node = Node::default();
            node.metadata.uid = Some(uid.to_owned());
            node
        };
        let looks = async |left: Vec<Option<Node>>| {
            let (mut left, mut looked) = (left.into_iter(), 0);
            let gone = until_gone(Some("first".to_owned()), || {
                looked += 1;
                let there = left.next().unwrap_or_else(|| Some(object("first")));
                async { Ok(there) }
            });
            (gone.await.is_ok(), looked)
        };
        assert_eq!(looks(vec![None]).await, (true, 1));
        assert_eq!(looks(vec![Some(object("first")), Some(object("first")), None]).await, (true, 3));
        assert_eq!(
            looks(vec![Some(object("first")), Some(object("second"))]).await,
            (true, 2),
            "another is no hindrance"
        );
        let (gone, looked) = looks(vec![]).await;
        assert!(!gone && looked > 10, "it does not wait for ever");
    }
}
