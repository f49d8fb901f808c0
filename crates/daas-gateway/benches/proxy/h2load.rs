//! Load as hard as it goes: `h2load`, 16 connections with 8 streams each.

use std::net::SocketAddr;
use std::process::Command;

const CONNECTIONS: &str = "16";
const STREAMS: &str = "8";

/// Sends `requests` small GETs; how many came back in a second. Fails unless all were answered with 2xx.
pub(crate) fn saturate(addr: SocketAddr, bearer: &str, requests: u64) -> f64 {
    let authorization = format!("authorization: Bearer {bearer}");
    let url = format!("https://{addr}/api/v1/namespaces/t-1/configmaps/x");
    let output = Command::new("h2load")
        .args(["-t", "1", "-c", CONNECTIONS, "-m", STREAMS, "-n", &requests.to_string(), "-H", &authorization, &url])
        .output()
        .expect("scripts/bench-peers.sh installs h2load");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answered = text.lines().find_map(|line| line.strip_prefix("status codes: ")?.split(' ').next()?.parse().ok());
    assert_eq!(answered, Some(requests), "{text}");
    let finished = text.lines().find_map(|line| line.strip_prefix("finished in "));
    finished.and_then(|line| line.split(", ").nth(1)?.split(' ').next()?.parse().ok()).expect("h2load states the rate")
}
