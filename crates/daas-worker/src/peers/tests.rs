use super::*;
use serde_json::json;

fn node(name: &str, cidr: Option<&str>, ip: &str) -> serde_json::Value {
    let mut spec = json!({});
    if let Some(cidr) = cidr {
        spec["podCIDR"] = cidr.into();
    }
    json!({
        "metadata": { "name": name, "labels": {} },
        "spec": spec,
        "status": { "addresses": [
            { "type": "Hostname", "address": name }, { "type": "InternalIP", "address": ip },
        ] },
    })
}

fn peers(items: &[serde_json::Value]) -> Peers {
    let list: NodeList = serde_json::from_value(json!({ "kind": "NodeList", "items": items })).unwrap();
    Peers::of(&list, "n1", Ipv4Addr::new(10, 0, 0, 1), "10.42.0.0/16".parse().unwrap())
}

#[test]
fn own_network_and_the_way_to_others() {
    let peers = peers(&[
        node("n1", Some("10.42.1.0/24"), "10.0.0.1"),
        node("n2", Some("10.42.2.0/24"), "10.0.0.2"),
        node("n3", None, "10.0.0.3"),
    ]);
    assert_eq!(peers.own, Some("10.42.1.0/24".parse().unwrap()));
    let route = ("10.42.2.0/24".parse().unwrap(), Ipv4Addr::new(10, 0, 0, 2));
    assert_eq!(peers.routes, BTreeMap::from([route]));
}

#[test]
fn a_node_cannot_draw_traffic_that_is_not_its_pods() {
    let peers = peers(&[
        node("n1", Some("10.42.1.0/24"), "10.0.0.1"),
        node("everything", Some("0.0.0.0/0"), "10.0.0.2"),
        node("elsewhere", Some("192.168.0.0/24"), "10.0.0.3"),
        node("mine", Some("10.42.1.128/25"), "10.0.0.4"),
        node("all", Some("10.42.0.0/16"), "10.0.0.5"),
        node("me", Some("10.42.7.0/24"), "10.0.0.1"),
        node("nowhere", Some("10.42.8.0/24"), "127.0.0.1"),
    ]);
    assert_eq!(peers.routes, BTreeMap::new());
}

#[test]
fn before_its_network_is_known() {
    assert_eq!(peers(&[node("n1", None, "10.0.0.1")]), Peers::default());
    let empty: NodeList = serde_json::from_value(json!({ "items": [{ "metadata": { "name": "n1" } }] })).unwrap();
    let cluster = "10.42.0.0/16".parse().unwrap();
    assert_eq!(Peers::of(&empty, "n1", Ipv4Addr::LOCALHOST, cluster), Peers::default());
}
