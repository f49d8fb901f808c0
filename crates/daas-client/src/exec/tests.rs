mod outage;

use super::*;

fn cluster() -> ClusterInfo {
    let zero = format!("0x{}", "0".repeat(64));
    let text = json!({
        "version": 1, "genesis": daas_types::genesis::MAINNET, "rpc": "http://127.0.0.1:1", "package": zero,
        "cluster": zero, "registry": zero, "nautilus": zero, "endpoint": "https://10.0.0.1:6443", "ca": "PEM\n",
    });
    ClusterInfo::parse(&text.to_string()).unwrap()
}

fn info(change: &serde_json::Value) -> String {
    let mut target = json!({
        "server": "https://10.0.0.1:6443", "certificate-authority-data": STANDARD.encode("PEM"),
    });
    target.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({"spec": {"cluster": target, "interactive": false}}).to_string()
}

#[test]
fn only_the_pinned_cluster_gets_a_token() {
    let refused = |change| check_cluster(Some(&info(&change)), &cluster()).unwrap_err().code;
    assert!(check_cluster(Some(&info(&json!({}))), &cluster()).is_ok());
    for change in [
        json!({"insecure-skip-tls-verify": true}),
        json!({"proxy-url": "http://10.0.0.2"}),
        json!({"tls-server-name": "localhost"}),
        json!({"server": "https://10.0.0.2:6443"}),
        json!({"certificate-authority-data": STANDARD.encode("OTHER")}),
        json!({"certificate-authority-data": ""}),
    ] {
        assert_eq!(refused(change), ErrorCode::InsecureKubeconfig);
    }
    assert!(check_cluster(None, &cluster()).is_err());
    assert!(check_cluster(Some(r#"{"spec":{}}"#), &cluster()).is_err());
}
