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
    /// Whether nodes join by K3s' own protocol: their agents ask K3s for certificates, and nobody asks for one here. A node that
    /// joins as the other engine's do would be started as the control plane does not know it.
    pub(crate) agents: bool,
    /// What is recorded of all nodes.
    pub(crate) records: &'a BTreeMap<String, NodeRecord>,
}

/// How a machine joins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    /// What is to be recorded.
    pub(crate) record: NodeRecord,
    /// Whether the Node object has to go first, and with it the password by which K3s knows the machine: it is another machine's, or
    /// this one has lost it, and what it shows instead is refused.
    pub(crate) anew: bool,
}

/// What to write down of a worker that registers, or why not.
pub(crate) fn decide(node: &NodeId, request: &RegisterWorkerRequest, facts: &Facts<'_>) -> Result<Joined, Refusal> {
    check_time(facts.now, request.timestamp)?;
    match (facts.agents, request.serving_csr.is_empty()) {
        (true, false) => {
            let cause = format!("{node} asked for a kubelet's certificate");
            return Err(Refusal::forbidden(ErrorCode::AgentNeeded, cause));
        }
        (false, true) => return Err(Refusal::forbidden(ErrorCode::CsrRefused, "serving_csr is empty")),
        _ => {}
    }
    let Ok(address) = request.ip_address.parse::<IpAddr>() else {
        return Err(Refusal::forbidden(ErrorCode::AddressRefused, "ip_address is not an IP address"));
    };
    let address = check_address(node, address, facts)?;
    if request.instance_id.len() != 32 || !request.instance_id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Refusal::forbidden(ErrorCode::InstanceMismatch, "instance_id must be 32 hex characters"));
    }
    let is_ordered = is_ordered(node, request, facts)?;
    let other = facts.records.get(node.as_str()).filter(|held| held.instance != request.instance_id);
    if let Some(held) = other.filter(|held| !is_ordered && !is_where_it_was(held, address, facts)) {
        let cause = format!("{node} is held by the machine at {}: its owner has not moved it", held.address);
        return Err(Refusal::forbidden(ErrorCode::InstanceMismatch, cause));
    }
    let record = NodeRecord { address, instance: request.instance_id.clone(), position: facts.position };
    // Of the very machine that holds it, too: it may have lost the password by which K3s knew it.
    Ok(Joined { record, anew: is_ordered && facts.agents })
}

/// Whether the owner has signed that this machine is the node from now on, whichever was. The time it was said at is the request's,
/// which counts. Whoever says so and has not is refused: they would wait for what does not come.
fn is_ordered(node: &NodeId, request: &RegisterWorkerRequest, facts: &Facts<'_>) -> Result<bool, Refusal> {
    let Some(signature) = request.replacement.as_deref() else { return Ok(false) };
    let Facts { cluster, position, owner, .. } = *facts;
    let words = Replacement { cluster, position, node, instance: &request.instance_id, timestamp: request.timestamp };
    let refuse = |error| Refusal::forbidden(ErrorCode::InstanceMismatch, format!("{node} is not moved: {error}"));
    words.verify(signature, owner).map(|()| true).map_err(refuse)
}

/// A machine that has joined without a worker has no instance here, and is known by its place.
fn is_where_it_was(held: &NodeRecord, address: IpAddr, facts: &Facts<'_>) -> bool {
    facts.agents && held.instance == BY_PASSWORD && held.address == address
}

/// The same for an agent that joins by K3s' own protocol, where a password tells machines apart. Its worker, if it has one, has
/// registered before.
pub(crate) fn decide_agent(node: &NodeId, address: IpAddr, facts: &Facts<'_>) -> Result<Joined, Refusal> {
    if !facts.agents {
        return Err(Refusal::forbidden(ErrorCode::RouteRefused, "no K3s is behind this gateway"));
    }
    let address = check_address(node, address, facts)?;
    let known = facts.records.get(node.as_str()).filter(|held| held.position == facts.position);
    let instance = known.map_or_else(|| BY_PASSWORD.to_owned(), |held| held.instance.clone());
    Ok(Joined { record: NodeRecord { address, instance, position: facts.position }, anew: false })
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
    let address = address.to_canonical();
    if address != facts.seen.to_canonical() {
        return Err(no_address(format!("{address} is claimed, {} is seen", facts.seen)));
    }
    let local = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    if local || (facts.own.contains(&address) && !facts.operator) {
        return Err(no_address(format!("{address} is the master's own")));
    }
    if let Some((other, _)) = facts.records.iter().find(|(n, r)| *n != node.as_str() && r.address == address) {
        return Err(no_address(format!("{address} is the address of node {other}")));
    }
    Ok(address)
}

#[track_caller]
fn no_address(cause: String) -> Refusal {
    Refusal::forbidden(ErrorCode::AddressRefused, cause)
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
            serving_csr: "a request".to_owned(),
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
        use ErrorCode::{AddressRefused, AgentNeeded, ClockSkew, CsrRefused, InstanceMismatch, RouteRefused};
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
        assert_eq!(code(&with(&|r| r.serving_csr.clear()), "10.0.0.2", false), Some(CsrRefused));
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
            decided.map(|joined| joined.record.address.to_string()).map_err(|refusal| refusal.code())
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

    #[test]
    fn the_machine_itself_is_ordered_anew_by_its_owner_alone() {
        let said = |key: u8, agents: bool| {
            let mut request = request();
            let node: NodeId = "n1".parse().unwrap();
            let (owner, cluster, position) = (owner().1, cluster(), position("0x1"));
            let words = Replacement {
                cluster,
                position,
                node: &node,
                instance: &request.instance_id,
                timestamp: request.timestamp,
            };
            request.replacement = Some(words.sign(&Ed25519PrivateKey::new([key; 32])).unwrap());
            if agents {
                request.serving_csr.clear();
            }
            let seen = "10.0.0.2".parse().unwrap();
            let record = NodeRecord { address: seen, instance: request.instance_id.clone(), position };
            let records = [("n1".to_owned(), record)].into();
            let facts = Facts {
                now: NOW,
                position,
                owner,
                cluster,
                seen,
                own: &[],
                operator: false,
                agents,
                records: &records,
            };
            decide(&node, &request, &facts).map(|joined| joined.anew).map_err(|refusal| refusal.code())
        };
        assert_eq!(said(7, true), Ok(true));
        // Where no password tells machines apart, the Node object stays with its pods.
        assert_eq!(said(7, false), Ok(false));
        for agents in [true, false] {
            assert_eq!(said(8, agents), Err(ErrorCode::InstanceMismatch));
        }
    }

    #[test]
    fn the_worker_of_an_agent_registers_without_a_certificate() {
        const MINE: &str = "abababababababababababababababab";
        let node: NodeId = "n1".parse().unwrap();
        let (key, owner) = owner();
        let held_at = |address: &str, instance: &str, holder: &str| {
            let address = address.parse().unwrap();
            let record = NodeRecord { address, instance: instance.to_owned(), position: position(holder) };
            [("n1".to_owned(), record)].into()
        };
        let held = |instance: &str, holder: &str| held_at("10.0.0.2", instance, holder);
        let with = |records: &BTreeMap<String, NodeRecord>, decide: &dyn Fn(&Facts<'_>) -> Result<Joined, Refusal>| {
            let (seen, own) = ("10.0.0.2".parse().unwrap(), []);
            let (position, cluster) = (position("0x1"), cluster());
            let facts =
                Facts { now: NOW, position, owner, cluster, seen, own: &own, operator: false, agents: true, records };
            let joined = decide(&facts).map_err(|refusal| refusal.code())?;
            Ok((joined.record.instance, joined.anew))
        };
        let registers = |records: &BTreeMap<String, NodeRecord>, signed: bool| {
            let mut request = RegisterWorkerRequest { serving_csr: String::new(), ..request() };
            let (cluster, position, instance) = (cluster(), position("0x1"), MINE);
            let words = Replacement { cluster, position, node: &node, instance, timestamp: request.timestamp };
            request.replacement = signed.then(|| words.sign(&key).unwrap());
            with(records, &|facts| decide(&node, &request, facts))
        };
        let mine = |anew| Ok((MINE.to_owned(), anew));
        for known in [BTreeMap::new(), held(MINE, "0x1"), held(BY_PASSWORD, "0x1")] {
            assert_eq!(registers(&known, false), mine(false), "{known:?}");
        }
        // Another machine's, which its owner gives up: with the Node object goes K3s' password of it.
        let others = held(&"cd".repeat(16), "0x1");
        assert_eq!(registers(&others, false), Err(ErrorCode::InstanceMismatch));
        assert_eq!(registers(&others, true), mine(true));
        assert_eq!(registers(&held(BY_PASSWORD, "0x1"), true), mine(true));
        // This one's, which has lost its password and says so; and one of which nothing is known any more.
        assert_eq!(registers(&held(MINE, "0x1"), true), mine(true));
        assert_eq!(registers(&BTreeMap::new(), true), mine(true));
        // A Seal alone moves no node to where it was not.
        assert_eq!(registers(&held_at("10.0.0.9", BY_PASSWORD, "0x1"), false), Err(ErrorCode::InstanceMismatch));
        // The agent that comes after it is the same machine's.
        let joins = |records: &BTreeMap<String, NodeRecord>| {
            with(records, &|facts| decide_agent(&node, "10.0.0.2".parse().unwrap(), facts))
        };
        assert_eq!(joins(&held(MINE, "0x1")), mine(false));
        for known in [BTreeMap::new(), held(MINE, "0x2")] {
            assert_eq!(joins(&known), Ok((BY_PASSWORD.to_owned(), false)), "{known:?}");
        }
    }
}
