use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use daas_engine::JoinMaterial;
use daas_engine::build::Binaries;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::cluster::{self, Cluster, PORTS, Paths, Place, until};

/// Set for the copy of this test program that supervises the second node.
pub(crate) const SECOND: &str = "DAAS_ENGINE_TEST_SECOND";
const NETNS: &str = "daas-engine-test";
const HERE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);

/// Two pods, one on each node, reach each other; then the second node leaves.
pub(crate) async fn run(folder: &Path, cluster: &Cluster) {
    add_network().await;
    let join = serde_json::to_string(cluster.server.join_material()).unwrap();
    std::fs::write(folder.join("join.json"), join).unwrap();
    let _forward = forward(HERE, Ipv4Addr::LOCALHOST).await;
    let mut second = Command::new("nsenter")
        .arg(format!("--net=/run/netns/{NETNS}"))
        .args(["unshare", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "second_node", "--nocapture"])
        .env(SECOND, folder)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    until("the second node is ready", || async { folder.join("second-ready").exists() }).await;
    let cidr = cluster::pod_cidr(&cluster.paths, &cluster.programs, "worker-002").await;
    cluster.node.set_routes(&BTreeMap::from([(cidr, THERE)])).await.unwrap();
    let one = pod(cluster, "one", "worker-001").await;
    let two = pod(cluster, "two", "worker-002").await;
    for (from, to) in [("one", &two), ("two", &one), ("one", &one)] {
        let url = format!("http://{to}:8080/index.html");
        let args = ["exec", from, "--", "wget", "-q", "-O", "-", &url];
        let answer = || async { cluster.paths.try_kubectl(&cluster.programs, &args).await };
        until(&format!("{from} reaches {to}"), || async { answer().await.is_ok_and(|a| a == "hello\n") }).await;
    }
    println!("pods reach each other across nodes");
    std::fs::write(folder.join("second-stop"), "").unwrap();
    assert!(second.wait().await.unwrap().success());
    cluster.node.set_routes(&BTreeMap::new()).await.unwrap();
    assert_eq!(cluster.kubectl(&["exec", "one", "--", "cat", "/tmp/index.html"]).await, "hello\n");
}

/// What runs in the other network namespace.
pub(crate) async fn supervise(folder: &Path, programs: &Binaries) {
    let paths = Paths::of(folder);
    let _forward = forward(Ipv4Addr::LOCALHOST, HERE).await;
    let join: JoinMaterial = serde_json::from_str(&std::fs::read_to_string(folder.join("join.json")).unwrap()).unwrap();
    let place = Place { name: "worker-002", ip: THERE, state_dir: paths.second_node() };
    let node = cluster::start_node(&paths, programs, &join, &place).await;
    let first = cluster::pod_cidr(&paths, programs, "worker-001").await;
    node.set_routes(&BTreeMap::from([(first, HERE)])).await.unwrap();
    std::fs::write(folder.join("second-ready"), "").unwrap();
    until("told to stop", || async { folder.join("second-stop").exists() }).await;
    node.stop(Duration::from_secs(1)).await.unwrap();
}

async fn pod(cluster: &Cluster, name: &str, node: &str) -> String {
    let script = "echo hello > /tmp/index.html; exec httpd -f -p 8080 -h /tmp";
    let spec = serde_json::json!({ "spec": { "nodeName": node, "terminationGracePeriodSeconds": 1 } });
    let overrides = format!("--overrides={spec}");
    let image = ["--image=local/busybox:1", "--image-pull-policy=Never"];
    let args = [&["run", name, &overrides][..], &image, &["--command", "--", "sh", "-c", script]].concat();
    cluster.kubectl(&args).await;
    let resource = format!("pod/{name}");
    cluster.kubectl(&["wait", "--for=condition=Ready", &resource, "--timeout=120s"]).await;
    cluster.kubectl(&["get", "pod", name, "-o", "jsonpath={.status.podIP}"]).await
}

/// Carries connections to the API server, which listens on loopback only, across the namespaces.
async fn forward(from: Ipv4Addr, to: Ipv4Addr) -> JoinSet<()> {
    let listener = TcpListener::bind((from, PORTS.api)).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            connections.spawn(async move {
                if let Ok(mut far) = TcpStream::connect((to, PORTS.api)).await {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    tasks
}

async fn add_network() {
    for line in [
        format!("ip netns add {NETNS}"),
        format!("ip link add daastest0 type veth peer name daastest1 netns {NETNS}"),
        format!("ip address add {HERE}/24 dev daastest0"),
        "ip link set daastest0 up".to_owned(),
        format!("ip -n {NETNS} address add {THERE}/24 dev daastest1"),
        format!("ip -n {NETNS} link set daastest1 up"),
        format!("ip -n {NETNS} link set lo up"),
        format!("ip -n {NETNS} route add default via {HERE}"),
    ] {
        assert!(run_line(&line).await, "{line}");
    }
}

pub(crate) async fn remove_network() {
    if Path::new("/run/netns").join(NETNS).exists() {
        run_line("ip link delete daastest0").await;
        assert!(run_line(&format!("ip netns delete {NETNS}")).await);
    }
    // Made by `ip netns add`; it stays mounted on itself.
    let _ = run_line("umount /run/netns").await;
    let _ = std::fs::remove_dir("/run/netns");
}

async fn run_line(line: &str) -> bool {
    let mut words = line.split(' ');
    let program = words.next().unwrap();
    Command::new(program).args(words).stderr(std::process::Stdio::null()).status().await.unwrap().success()
}
