//! The engine with real Kubernetes processes: as root, with the programs in the cache. Elsewhere these tests
//! say loudly that they were skipped.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

#[path = "real/cluster.rs"]
mod cluster;
#[path = "real/machine.rs"]
mod machine;
#[path = "real/second.rs"]
mod second;

use std::time::Duration;

use daas_engine::{Engine, process};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use cluster::{Cluster, Paths};
use machine::Machine;

const READY: Duration = Duration::from_mins(2);
/// Set for a second copy of this test program that supervises a cluster until it is killed.
const SUPERVISE: &str = "DAAS_ENGINE_TEST_SUPERVISE";

fn kill_hard(pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_recovers_from_the_death_of_each_process_and_keeps_its_state() {
    let Some(programs) = cluster::programs("control plane").await else {
        return;
    };
    let _alone = cluster::alone().await;
    let folder = cluster::folder().await;
    let paths = Paths::of(&folder);
    let mut server = cluster::start_server(&paths, &programs).await;
    paths.kubectl(&programs, &["create", "configmap", "kept", "--from-literal=a=b"]).await;
    for (name, _) in server.pids() {
        let started = Instant::now();
        // The death of one can end another, so its process is looked up only now.
        let (_, pid) = server.pids().into_iter().find(|(n, _)| *n == name).unwrap();
        kill_hard(pid);
        let new = || server.pids().into_iter().find(|(n, p)| *n == name && *p != pid);
        cluster::until(&format!("{name} runs again"), || async { new().is_some() }).await;
        server.wait_ready(READY).await.unwrap();
        println!("{name}: recovered from kill -9 in {:?}", started.elapsed());
    }
    let kept = paths.kubectl(&programs, &["get", "configmap", "kept", "-o", "jsonpath={.data.a}"]).await;
    assert_eq!(kept, "b");
    let started = Instant::now();
    server.stop().await;
    println!("control plane stopped in {:?}", started.elapsed());
    assert_eq!(process::kill_marked(&paths.server().join("run")).await.unwrap(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_runs_pods_survives_its_processes_and_leaves_nothing() {
    let Some(programs) = cluster::programs("node").await else {
        return;
    };
    let _alone = cluster::alone().await;
    let folder = cluster::folder().await;
    let before = Machine::now();
    let cluster = Cluster::start(&folder, &programs).await;
    cluster.run_pods().await;
    cluster.check_service().await;
    for (name, pid) in cluster.node.pids() {
        kill_hard(pid);
        let new = || cluster.node.pids().into_iter().any(|(n, p)| n == name && p != pid);
        cluster::until(&format!("{name} runs again"), || async { new() }).await;
        cluster.node.wait_ready(READY).await.unwrap();
        println!("{name}: recovered from kill -9");
    }
    cluster.check_service().await;
    assert_eq!(cluster.pod_restarts().await, "0 0", "the pods did not live through it");
    cluster.stop().await;
    before.assert_same(&Machine::now());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_supervisor_is_killed_cleanup_leaves_nothing() {
    let Some(programs) = cluster::programs("cleanup").await else {
        return;
    };
    let _alone = cluster::alone().await;
    let folder = cluster::folder().await;
    let before = Machine::now();
    let paths = Paths::of(&folder);
    let mut supervisor = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "supervise", "--nocapture"])
        .env(SUPERVISE, &folder)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ready = folder.join("ready");
    cluster::until("the other supervisor has pods", || async { ready.exists() }).await;
    kill_hard(supervisor.id().unwrap());
    supervisor.wait().await.unwrap();
    let engine = Engine::Kubernetes;
    let started = Instant::now();
    for _ in 0..2 {
        engine.cleanup_node(&paths.node()).await.unwrap();
        engine.cleanup_server(&paths.server()).await.unwrap();
    }
    println!("cleaned up after kill -9 in {:?}", started.elapsed());
    before.assert_same(&Machine::now());
    drop(programs);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_on_one_machine_reach_each_others_pods_and_part_without_harm() {
    let Some(programs) = cluster::programs("two nodes").await else {
        return;
    };
    let _alone = cluster::alone().await;
    let folder = cluster::folder().await;
    second::remove_network().await;
    let before = Machine::now();
    let cluster = Cluster::start(&folder, &programs).await;
    second::run(&folder, &cluster).await;
    cluster.stop().await;
    second::remove_network().await;
    before.assert_same(&Machine::now());
}

/// Not a test of its own: the second node of the one above, in a network namespace of its own.
#[tokio::test(flavor = "multi_thread")]
async fn second_node() {
    let Some(folder) = std::env::var_os(second::SECOND) else {
        return;
    };
    let folder = std::path::PathBuf::from(folder);
    let Some(programs) = cluster::programs("second node").await else {
        return;
    };
    second::supervise(&folder, &programs).await;
}

/// Not a test of its own: what another starts and kills.
#[tokio::test(flavor = "multi_thread")]
async fn supervise() {
    let Some(folder) = std::env::var_os(SUPERVISE) else {
        return;
    };
    let folder = std::path::PathBuf::from(folder);
    let Some(programs) = cluster::programs("supervisor").await else {
        return;
    };
    let cluster = Cluster::start(&folder, &programs).await;
    cluster.run_pods().await;
    std::fs::write(folder.join("ready"), "").unwrap();
    std::future::pending::<()>().await;
}
