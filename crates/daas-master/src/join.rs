//! Whether a machine may join as a node: pure decisions, so that every refusal is a line here.

use crate::nodes::NodeRecord;
use daas_gateway::Refusal;
use daas_types::api::RegisterWorkerRequest;
use daas_types::replacement::Replacement;
use daas_types::{ClusterId, ErrorCode, NodeId, PositionId, UnixMs, WalletAddress};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How far a worker's clock may be off.
pub(crate) const SKEW: Duration = Duration::from_mins(1);

/// In place of an instance id, where K3s knows the machine by its password.
const BY_PASSWORD: &str = "k3s-node-password";

/// What a decision rests on.
pub(crate) struct Facts<'a> {
    /// The master's time.
    pub(crate) now: UnixMs,
    /// Whose node it is.
    pub(crate) position: PositionId,
    /// Of the position, as the chain has it.
    pub(crate) owner: WalletAddress,
    /// This cluster.
    pub(crate) cluster: ClusterId,
    /// The address the request came from.
    pub(crate) seen: IpAddr,
    /// Addresses of the master and its gateway.
    pub(crate) own: &'a [IpAddr],
    /// Whether the node is of the operator's pool, which may share the master's machine.
    pub(crate) operator: bool,
    /// Whether nodes join by K3s' own protocol, or as the worker does. None joins by both: it would be started by one of them
    /// as the control plane does not know it.
    pub(crate) agents: bool,
    /// What is recorded of all nodes.
    pub(crate) records: &'a BTreeMap<String, NodeRecord>,
}

/// The record to write, or why not.
pub(crate) fn decide(node: &NodeId, request: &RegisterWorkerRequest, facts: &Facts<'_>) -> Result<NodeRecord, Refusal> {
    check_time(facts.now, request.timestamp)?;
    if facts.agents {
        return Err(Refusal::forbidden(ErrorCode::AgentNeeded, format!("{node} asked as a worker does")));
    }
    let Ok(address) = request.ip_address.parse::<IpAddr>() else {
        return Err(Refusal::forbidden(ErrorCode::AddressRefused, "ip_address is not an IP address"));
    };
    let address = check_address(node, address, facts)?;
    if request.instance_id.len() != 32 || !request.instance_id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Refusal::forbidden(ErrorCode::InstanceMismatch, "instance_id must be 32 hex characters"));
    }
    if let Some(held) = facts.records.get(node.as_str()).filter(|r| r.instance != request.instance_id) {
        replaces(node, request, facts).map_err(|why| {
            let cause = format!("{node} is held by the machine at {}: {why}", held.address);
            Refusal::forbidden(ErrorCode::InstanceMismatch, cause)
        })?;
    }
    Ok(NodeRecord { address, instance: request.instance_id.clone(), position: facts.position })
}

/// Whether the owner has signed that this machine takes the other's place. The time it was said at is the request's, which counts.
fn replaces(node: &NodeId, request: &RegisterWorkerRequest, facts: &Facts<'_>) -> Result<(), String> {
    let signature = request.replacement.as_deref().ok_or("its owner has not moved it")?;
    let Facts { cluster, position, owner, .. } = *facts;
    let words = Replacement { cluster, position, node, instance: &request.instance_id, timestamp: request.timestamp };
    words.verify(signature, owner).map_err(|error| error.to_string())
}

/// The same for one that joins by K3s' own protocol, where a password tells machines apart.
pub(crate) fn decide_agent(node: &NodeId, address: IpAddr, facts: &Facts<'_>) -> Result<NodeRecord, Refusal> {
    if !facts.agents {
        return Err(Refusal::forbidden(ErrorCode::RouteRefused, "no K3s is behind this gateway"));
    }
    let address = check_address(node, address, facts)?;
    Ok(NodeRecord { address, instance: BY_PASSWORD.to_owned(), position: facts.position })
}

/// Refuses what was said too long ago, or in the future.
pub(crate) fn check_time(now: UnixMs, said: u64) -> Result<(), Refusal> {
    if now.secs().abs_diff(said) <= SKEW.as_secs() {
        return Ok(());
    }
    let cause = format!("the request says {said}, the master's time is {}", now.secs());
    Err(Refusal::unauthorized(ErrorCode::ClockSkew, cause))
}

fn check_address(node: &NodeId, address: IpAddr, facts: &Facts<'_>) -> Result<IpAddr, Refusal> {
    let refuse = |cause: String| Err(Refusal::forbidden(ErrorCode::AddressRefused, cause));
    let address = address.to_canonical();
    if address != facts.seen.to_canonical() {
        return refuse(format!("{address} is claimed, {} is seen", facts.seen));
    }
    let local = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    if local || (facts.own.contains(&address) && !facts.operator) {
        return refuse(format!("{address} is the master's own"));
    }
    if let Some((other, _)) = facts.records.iter().find(|(n, r)| *n != node.as_str() && r.address == address) {
        return refuse(format!("{address} is the address of node {other}"));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_types::api::Capacity;
    use daas_types::{Address, NodeMarks};
    use sui_crypto::ed25519::Ed25519PrivateKey;

    const NOW: UnixMs = UnixMs(1_000_000_000);

    fn position(id: &str) -> PositionId {
        id.parse().unwrap()
    }

    fn request() -> RegisterWorkerRequest {
        RegisterWorkerRequest {
            node_id: "n1".to_owned(),
            seal_token: None,
            ip_address: "10.0.0.2".to_owned(),
            capacity: Capacity::default(),
            timestamp: NOW.secs(),
            serving_csr: String::new(),
            instance_id: "ab".repeat(16),
            marks: NodeMarks::default(),
            replacement: None,
        }
    }

    fn owner() -> (Ed25519PrivateKey, WalletAddress) {
        let key = Ed25519PrivateKey::new([7; 32]);
        let address = WalletAddress(key.public_key().derive_address());
        (key, address)
    }

    fn cluster() -> ClusterId {
        ClusterId(Address::new([1; 32]))
    }

    fn record() -> (String, NodeRecord) {
        let address = "10.0.0.9".parse().unwrap();
        ("n2".to_owned(), NodeRecord { address, instance: "cd".repeat(16), position: position("0x2") })
    }

    fn code(request: &RegisterWorkerRequest, seen: &str, operator: bool) -> Option<ErrorCode> {
        let records = [record()].into();
        let own = ["10.0.0.1".parse().unwrap()];
        let seen = seen.parse().unwrap();
        let (position, owner, cluster) = (position("0x1"), owner().1, cluster());
        let facts =
            Facts { now: NOW, position, owner, cluster, seen, own: &own, operator, agents: false, records: &records };
        decide(&request.node_id.parse().unwrap(), request, &facts).err().map(|r| r.code())
    }

    #[test]
    fn each_rule_refuses() {
        use ErrorCode::{AddressRefused, AgentNeeded, ClockSkew, InstanceMismatch, RouteRefused};
        let good = request();
        let with = |f: &dyn Fn(&mut RegisterWorkerRequest)| {
            let mut r = request();
            f(&mut r);
            r
        };
        let at = |ip: &'static str| with(&move |r| r.ip_address = ip.to_owned());
        assert_eq!(code(&good, "10.0.0.2", false), None);
        assert_eq!(code(&good, "10.0.0.3", false), Some(AddressRefused));
        assert_eq!(code(&with(&|r| r.timestamp += 61), "10.0.0.2", false), Some(ClockSkew));
        assert_eq!(code(&with(&|r| r.timestamp -= 61), "10.0.0.2", false), Some(ClockSkew));
        assert_eq!(code(&at("10.0.0.1"), "10.0.0.1", false), Some(AddressRefused));
        assert_eq!(code(&at("10.0.0.1"), "10.0.0.1", true), None);
        assert_eq!(code(&at("127.0.0.1"), "127.0.0.1", true), Some(AddressRefused));
        assert_eq!(code(&at("10.0.0.9"), "10.0.0.9", false), Some(AddressRefused));
        assert_eq!(code(&at("::ffff:10.0.0.1"), "10.0.0.1", false), Some(AddressRefused));
        assert_eq!(code(&with(&|r| r.instance_id.clear()), "10.0.0.2", false), Some(InstanceMismatch));
        let by_agent = |agents: bool, ip: &str, seen: &str| {
            let records = [record()].into();
            let own = ["10.0.0.1".parse().unwrap()];
            let (position, owner, cluster) = (position("0x1"), owner().1, cluster());
            let (seen, operator) = (seen.parse().unwrap(), false);
            let facts =
                Facts { now: NOW, position, owner, cluster, seen, own: &own, operator, agents, records: &records };
            let worker = decide(&"n1".parse().unwrap(), &request(), &facts).err().map(|refusal| refusal.code());
            assert_eq!(worker == Some(AgentNeeded), agents);
            let decided = decide_agent(&"n1".parse().unwrap(), ip.parse().unwrap(), &facts);
            decided.map(|record| record.address.to_string()).map_err(|refusal| refusal.code())
        };
        let agent = |ip: &str, seen: &str| by_agent(true, ip, seen);
        assert_eq!(by_agent(false, "10.0.0.2", "10.0.0.2"), Err(RouteRefused));
        assert_eq!(agent("10.0.0.2", "10.0.0.2"), Ok("10.0.0.2".to_owned()));
        assert_eq!(agent("::ffff:10.0.0.2", "10.0.0.2"), Ok("10.0.0.2".to_owned()));
        for (ip, seen) in [("10.0.0.2", "10.0.0.3"), ("10.0.0.1", "10.0.0.1"), ("10.0.0.9", "10.0.0.9")] {
            assert_eq!(agent(ip, seen), Err(AddressRefused), "{ip}");
        }
        let other = with(&|r| {
            r.node_id = "n2".to_owned();
            r.ip_address = "10.0.0.9".to_owned();
        });
        assert_eq!(code(&other, "10.0.0.9", false), Some(InstanceMismatch));
    }

    #[test]
    fn another_machine_takes_the_place_if_the_owner_has_signed_for_it_now() {
        let moved = |change: &dyn Fn(&mut RegisterWorkerRequest), key: &Ed25519PrivateKey| {
            let mut request = RegisterWorkerRequest { node_id: "n2".to_owned(), ..request() };
            let node = "n2".parse().unwrap();
            let (cluster, position, instance) = (cluster(), position("0x1"), &*request.instance_id);
            let words = Replacement { cluster, position, node: &node, instance, timestamp: request.timestamp };
            request.replacement = Some(words.sign(key).unwrap());
            change(&mut request);
            code(&request, "10.0.0.2", false)
        };
        let (key, _) = owner();
        assert_eq!(moved(&|_| (), &key), None);
        let refused = Some(ErrorCode::InstanceMismatch);
        assert_eq!(moved(&|_| (), &Ed25519PrivateKey::new([8; 32])), refused);
        assert_eq!(moved(&|request| request.replacement = None, &key), refused);
        assert_eq!(moved(&|request| request.instance_id = "ee".repeat(16), &key), refused);
        assert_eq!(moved(&|request| request.timestamp += 1, &key), refused);
        // What was signed a while ago brings no machine back.
        let code = moved(&|request| request.timestamp -= 61, &key);
        assert_eq!(code, Some(ErrorCode::ClockSkew));
    }
}
