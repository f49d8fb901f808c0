//! `docs/machine-owner.md` is true: each of its mistakes is made, by typing what stands there where that is possible, and what
//! is said is what stands there.

use crate::NODE;
use crate::page::{self, Page};
use crate::world::{Owner, World, wallet};
use daas_client::SealFile;
use daas_engine::{Engine, Role, k3s};
use daas_testkit::k3s::simulated;
use daas_types::join::{JoinFile, Joining};
use daas_types::{ErrorCode, Mist, Permissions, Problem};
use daas_worker::preflight;
use daas_worker::stake::{Minted, Staker, Wish};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// Compares what was said with the page's block, names that differ from run to run put in.
fn says(page: &Page, mistake: &str, said: &str, names: &[(&str, &str)]) {
    let mut said = said.to_owned();
    for (name, shown) in names {
        said = said.replace(name, shown);
    }
    let expected = page.shown(mistake);
    assert!(said.contains(expected), "{mistake}: the page shows\n{expected}\n\nand this was said:\n{said}");
}

fn problem(result: Result<impl Sized, Problem>) -> String {
    result.err().expect("it must be refused").render()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_wallet_a_network_and_a_clock_lack_is_said_as_shown() {
    let page = Page::read();
    let world = World::start(Duration::ZERO).await;
    let owner = world.owner("ann");

    let said = owner.types(page.typed("no SUI")).await;
    says(&page, "no SUI", &said, &[(&owner.address, "0xYOURS")]);
    // The same run says that nothing listens at the gateway, and that there is no master.
    says(&page, "port closed", &said, &[(&world.endpoint, "https://203.0.113.7:6443")]);
    let ca = hex::encode(daas_client::ca_spki(&world.join.ca).unwrap());
    says(&page, "master not attested", &said, &[(&ca, "CA")]);

    let other = World::start(Duration::ZERO).await;
    owner.configures(&format!("sui: {{rpc_endpoint: '{}'}}", other.rpc()));
    let said = owner.types(page.typed("wrong network")).await;
    let [ours, theirs] = [&world, &other].map(World::genesis);
    says(&page, "wrong network", &said, &[(&ours, "PINNED"), (&theirs, "OTHER"), (&other.rpc(), "RPC")]);

    owner.configures("container_runtime: docker");
    let typed = page.typed("Docker not running");
    let said = owner.types(typed).await;
    assert!(said.contains("D507") && said.contains("not in Docker"), "{said}");
    let join = JoinFile { engine: Joining::K3s, ..world.join.clone() };
    owner.keeps("join.json", &serde_json::to_string(&join).unwrap());
    if Path::new("/var/run/docker.sock").exists() {
        std::io::stderr().write_all(b"\nSKIPPED (Docker not running): it is here\n").unwrap();
        return;
    }
    says(&page, "Docker not running", &owner.types(typed).await, &[]);
    // And before anything is spent.
    world.fill(&owner).await;
    let before = world.balance(&owner).await;
    let said = owner.types("sudo k3s-daas-worker --config worker-config.yaml").await;
    assert!(said.contains("D522") || Engine::K3s.check(Role::Node).is_err(), "{said}");
    assert_eq!(world.balance(&owner).await, before);
    assert!(!owner.home.join("state/seal.json").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_off_is_told_as_shown() {
    let page = Page::read();
    let world = World::start(Duration::ZERO).await;
    let owner = world.owner("ann");
    world.ahead(Duration::from_mins(10)).await;
    let said = owner.types(page.typed("clock off")).await;
    // How many seconds went by meanwhile is the machine's affair.
    let said = page::digits(&said, " s behind", "600");
    says(&page, "clock off", &said, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_taken_and_a_seal_that_ended_are_told_as_shown() {
    let page = Page::read();
    let world = World::start(Duration::from_hours(3)).await;
    let (ann, bob) = (world.owner("ann"), world.owner("bob"));
    world.fill(&ann).await;
    world.fill(&bob).await;
    let secret = world.stakes(&ann, NODE, Permissions::NODE, Duration::from_hours(1)).await;

    let ids = world.ids;
    let five = Mist::from_sui(5);
    let staker = |by, node: &str| {
        Staker::new(world.ops(wallet(by)), ids, world.join.clone(), node.parse().unwrap(), five, &bob.home)
    };
    let taken = staker(&bob, NODE);
    let prepared = taken.prepare(None).await.unwrap();
    let before = world.balance(&bob).await;
    let Minted::Refused(refused) = taken.mint(Wish::default()).await.unwrap() else { panic!("it is staked") };
    let spent = before.0.abs_diff(world.balance(&bob).await.0);
    assert!(spent > 0 && spent < 50_000_000, "the page says that it costs gas, and that alone: {spent} MIST");
    let said = refused.render();
    let transaction = said.split("transaction ").nth(1).and_then(|rest| rest.split(':').next()).unwrap().to_owned();
    says(&page, "node id taken", &said, &[(&transaction, "TX")]);

    // What mends it: another name, and after that another wallet.
    let empty = world.owner("eve");
    for other in [staker(&empty, NODE), staker(&bob, "worker-002")] {
        assert!(matches!(other.mint(Wish::default()).await.unwrap(), Minted::Unprepared));
        let next = other.prepare(None).await.unwrap();
        assert_eq!((next != prepared, next), (true, other.prepare(None).await.unwrap()));
    }
    // What was replaced is kept.
    let kept = bob.home.join(format!("seal-{prepared}.json"));
    assert_eq!(SealFile::load(&kept).unwrap().position, prepared);
    let Minted::Live(live) = staker(&bob, "worker-002").mint(Wish::default()).await.unwrap() else { panic!("refused") };
    assert_eq!((live.position.node_id.as_str(), live.position.active), ("worker-002", five));
    // What is staked stays what it is.
    for (other, code) in
        [(staker(&bob, "worker-003"), ErrorCode::NodeIdMismatch), (staker(&empty, "worker-002"), ErrorCode::NotStaked)]
    {
        assert_eq!(other.prepare(None).await.unwrap_err().code, code);
        assert_eq!(other.mint(Wish::default()).await.unwrap_err().code, code);
    }

    // The chain's three hours are over, and with them the Seal.
    world.ahead(Duration::ZERO).await;
    ann.keeps("seal", secret.expose_hex().as_str());
    let said = ann.types(page.typed("token expired")).await;
    let said = page::digits(&said, " ms since", "1800000000000");
    let seal = world.seal_of(&ann).await;
    says(&page, "token expired", &said, &[(&seal, "0xSEAL")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_network_where_no_master_can_be_verified_nothing_is_staked() {
    let world = World::start(Duration::ZERO).await;
    let ann = world.owner("ann");
    world.fill(&ann).await;
    let before = world.balance(&ann).await;
    // The same network, known by its digest alone, as any but a development network is.
    let join = JoinFile { genesis_summary: None, ..world.join.clone() };
    ann.keeps("join.json", &serde_json::to_string(&join).unwrap());
    let said = ann.types("sudo k3s-daas-worker --config worker-config.yaml").await;
    assert!(said.contains("D301") && said.contains("what is newest"), "{said}");
    assert_eq!(world.balance(&ann).await, before);
    assert!(!ann.home.join("state/seal.json").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_k3s_nothing_is_staked_in_a_cluster_of_it() {
    // Without root that is said first.
    let code = if Engine::K3s.check(Role::Node).is_ok() { "D515" } else { "D50" };
    let world = World::start(Duration::ZERO).await;
    let ann = world.owner("ann");
    world.fill(&ann).await;
    let before = world.balance(&ann).await;
    let join = JoinFile { engine: Joining::K3s, ..world.join.clone() };
    ann.keeps("join.json", &serde_json::to_string(&join).unwrap());
    for line in ["sudo k3s-daas-worker --config", "sudo k3s-daas-worker preflight --config"] {
        let said = ann.types(&format!("{line} worker-config.yaml")).await;
        assert!(said.contains(code), "{said}");
    }
    assert_eq!(world.balance(&ann).await, before);
    assert!(!ann.home.join("state/seal.json").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_k3s_agent_would_show_is_not_there_while_no_master_is_believed() {
    if skipped() {
        return;
    }
    let world = World::start(Duration::ZERO).await;
    let ann = world.owner("ann");
    joins_k3s(&world, &ann, "data").await;
    ann.types_until("sudo k3s-daas-worker --config worker-config.yaml", "action=VerifyMaster").await;
    let seal = SealFile::load(&ann.home.join("state/seal.json")).unwrap();
    let nothing = || std::fs::read_dir(ann.home.join("data")).unwrap().next().is_none();
    assert!(seal.seal.is_some() && nothing(), "nothing runs before the master is verified");
    let token = ann.home.join("state/k3s-token");
    assert!(!token.exists(), "nobody has proven anything yet");
    // Of a worker that was killed while its agent ran. Nothing is known of the master now.
    ann.keeps("state/k3s-token", &k3s::token(&world.join.ca, &seal.secret().expose_hex()));
    ann.types_until("sudo k3s-daas-worker --config worker-config.yaml", "action=VerifyMaster").await;
    assert!(!token.exists(), "an agent that is started now would show the Seal");
    leaves(&ann.home.join("data")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_workers_with_one_data_folder_the_second_spends_nothing() {
    if skipped() {
        return;
    }
    let world = World::start(Duration::ZERO).await;
    let (ann, bob) = (world.owner("ann"), world.owner("bob"));
    let data = ann.home.join("data").display().to_string();
    for owner in [&ann, &bob] {
        joins_k3s(&world, owner, &data).await;
    }
    let mut first = ann.starts("sudo k3s-daas-worker --config worker-config.yaml", "action=VerifyMaster").await;
    let before = world.balance(&bob).await;
    for line in [
        "--config worker-config.yaml",
        "--config worker-config.yaml --replace",
        "preflight --config worker-config.yaml",
    ] {
        let said = bob.types(&format!("sudo k3s-daas-worker {line}")).await;
        let whose = format!("{data} is the data folder of the worker of {}/state", ann.home.display());
        assert!(said.contains("D526") && said.contains(&whose) && said.contains("k3s.data_dir"), "{line}: {said}");
        assert!(!bob.home.join("state/seal.json").exists());
    }
    assert_eq!(world.balance(&bob).await, before);
    // Its own folder is not another's to it.
    let said = ann.types("sudo k3s-daas-worker preflight --config worker-config.yaml").await;
    assert!(!said.contains("D526"), "{said}");
    // SIGKILL: it could not have let go of anything by itself.
    first.start_kill().unwrap();
    first.wait().await.unwrap();
    let said = bob.types("sudo k3s-daas-worker preflight --config worker-config.yaml").await;
    assert!(said.contains("is no other worker's"), "{said}");
    leaves(Path::new(&data)).await;
}

/// What a killed worker has left goes, as its owner's next one would see to.
async fn leaves(data: &Path) {
    Engine::K3s.cleanup_node(data).await.unwrap();
}

/// Whether nobody here could run K3s' agent.
pub(crate) fn skipped() -> bool {
    let Err(missing) = Engine::K3s.check(Role::Node) else { return false };
    // Past the capture of the test runner: a skipped test must not look like one that passed.
    std::io::stderr().write_all(format!("\nSKIPPED (K3s' agent): {missing}\n").as_bytes()).unwrap();
    true
}

/// An owner with SUI and a K3s, in a cluster of it.
pub(crate) async fn joins_k3s(world: &World, owner: &Owner, data: &str) {
    world.fill(owner).await;
    let join = JoinFile { engine: Joining::K3s, ..world.join.clone() };
    owner.keeps("join.json", &serde_json::to_string(&join).unwrap());
    owner.configures(&format!("k3s: {{data_dir: '{data}'}}"));
    // It is asked for its version, and as there is no master for nothing else.
    simulated::write(&owner.home, "none");
}

#[test]
fn what_a_machine_lacks_is_told_as_shown() {
    let page = Page::read();
    let dir = tempfile::tempdir().unwrap();
    // A kernel as a Raspberry Pi's comes: no memory controller.
    let mounts = dir.path().join("mounts");
    let listed = ["cpu", "cpuset", "pids"].map(|name| format!("cgroup /sys/fs/cgroup/{name} cgroup rw,{name} 0 0\n"));
    std::fs::write(&mounts, listed.concat()).unwrap();
    says(&page, "cgroup missing", &problem(preflight::cgroups(&mounts)), &[]);

    let said = problem(preflight::disk(dir.path(), u64::MAX));
    let said = page::digits(&said, " GB free", "0.3");
    let said = page::digits(&said, " GB\n", "4.0");
    assert_eq!(preflight::DISK, 4_000_000_000);
    says(&page, "disk full", &said, &[(&dir.path().display().to_string(), "/var/lib/k3s-daas/worker")]);
}

/// Nobody is sent to a page that lacks one of them.
#[test]
fn each_mistake_has_its_place() {
    let page = Page::read();
    let mistakes = [
        "no SUI",
        "wrong network",
        "clock off",
        "port closed",
        "cgroup missing",
        "disk full",
        "Docker not running",
        "node id taken",
        "token expired",
        "master not attested",
    ];
    for mistake in mistakes {
        assert!(page.shown(mistake).starts_with("✗ D"), "{mistake}");
        assert!(page.typed(mistake).starts_with("sudo k3s-daas"), "{mistake}");
    }
    assert_eq!(page.len(), mistakes.len());
    assert!(Path::new(page::PATH).exists());
}
