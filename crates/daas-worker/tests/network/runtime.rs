//! A containerd of the machine's, named by its owner: what is asked of it before anything is spent.

use crate::owner::{joins_k3s, skipped};
use crate::world::World;
use daas_testkit::cri::ScriptedCri;
use std::time::Duration;

const PREFLIGHT: &str = "sudo k3s-daas-worker preflight --config worker-config.yaml";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_given_containerd_answers_and_has_no_pods_before_anything_is_spent() {
    if skipped() {
        return;
    }
    let world = World::start(Duration::ZERO).await;
    let owner = world.owner("ann");
    let (socket, data) = (owner.home.join("c.sock"), owner.home.join("data").display().to_string());
    let given = format!("container_runtime_endpoint: unix://{}", socket.display());
    owner.configures(&given);
    let said = owner.types(PREFLIGHT).await;
    assert!(said.contains("D507") && said.contains("not in the one at /"), "{said}");

    joins_k3s(&world, &owner, &data).await;
    owner.configures(&format!("k3s: {{data_dir: '{data}'}}\n{given}"));
    let before = world.balance(&owner).await;
    let refused = async |wanted: &[&str]| {
        for line in [
            PREFLIGHT,
            "sudo k3s-daas-worker --config worker-config.yaml",
            "sudo k3s-daas-worker --config worker-config.yaml --replace",
        ] {
            let said = owner.types(line).await;
            assert!(wanted.iter().all(|words| said.contains(words)), "{line}: {said}");
            assert!(!owner.home.join("state/seal.json").exists());
        }
        assert_eq!(world.balance(&owner).await, before);
    };
    refused(&["D527", "c.sock: No such file", "`container_runtime_endpoint`", "`systemctl status containerd`"]).await;
    let anothers = ScriptedCri::start(&socket, 2);
    refused(&["c.sock has 2 pods", "crictl -r unix:///"]).await;
    assert_eq!(anothers.running(), 2);
    drop(anothers);
    std::fs::remove_file(&socket).unwrap();
    let _free = ScriptedCri::start(&socket, 0);
    let said = owner.types(PREFLIGHT).await;
    assert!(said.contains("✓ container runtime: answers, and has no pods"), "{said}");
}
