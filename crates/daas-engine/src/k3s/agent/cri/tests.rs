mod containerd;

use super::*;
use crate::k3s::agent::lent::Lent;
use crate::node::NodeError;
use daas_testkit::cri::{Mood, ScriptedCri};
use tokio::time::Instant;

#[tokio::test]
async fn pods_are_stopped_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("c.sock");
    let scripted = ScriptedCri::start(&socket, 40);
    let runtime = Lent::Cri(Cri::at(&socket));
    runtime.answers().await.unwrap();
    let said = runtime.is_free().await.unwrap_err().to_string();
    let fix = format!("crictl -r unix://{} rmp -fa", socket.display());
    assert!(said.contains("c.sock has 40 pods") && said.ends_with(&fix), "{said}");
    runtime.stop_pods(Duration::from_secs(7)).await.unwrap();
    assert_eq!((scripted.pods().len(), scripted.running()), (40, 0));
    let stops: Vec<_> = scripted.asked().into_iter().filter(|line| line.starts_with("StopContainer ")).collect();
    assert!(stops.len() == 40 && stops.iter().all(|line| line.ends_with(" 7")), "{stops:?}");
    runtime.remove_pods().await.unwrap();
    assert_eq!(scripted.pods().len(), 0);
    runtime.is_free().await.unwrap();
    // Again: there is nothing to do.
    runtime.stop_pods(Duration::ZERO).await.unwrap();
    runtime.remove_pods().await.unwrap();
}

#[tokio::test]
async fn what_stays_is_said_and_what_has_gone_by_itself_is_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("c.sock");
    let scripted = ScriptedCri::start(&socket, 3);
    let runtime = Lent::Cri(Cri::at(&socket));
    scripted.is(Mood::Refuses);
    let said = runtime.remove_pods().await.unwrap_err().to_string();
    assert!(said.contains("it is in use"), "{said}");
    assert_eq!(scripted.pods().len(), 1, "one's refusal keeps no other from going");
    scripted.is(Mood::Lies);
    let said = runtime.remove_pods().await.unwrap_err().to_string();
    assert!(said.contains("1 pods, or containers of pods, stay"), "{said}");
    scripted.is(Mood::Forgets);
    runtime.remove_pods().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_answer_is_no_machine_for_pods() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("c.sock");
    let runtime = Lent::Cri(Cri::at(&socket));
    let refused = |result: Result<(), NodeError>, words: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, NodeError::Runtime(RuntimeError::Cri { .. })), "{error:?}");
        let said = error.to_string();
        assert!(said.starts_with("the container runtime at /") && said.contains(words), "{said}");
    };
    refused(runtime.answers().await, "No such file");
    let scripted = ScriptedCri::start(&socket, 1);
    scripted.is(Mood::Hangs);
    let started = Instant::now();
    refused(runtime.is_free().await, "no answer to ListPodSandbox within 20s");
    assert!(started.elapsed() < Duration::from_secs(21), "{:?}", started.elapsed());
    scripted.is(Mood::Slow);
    let said = runtime.remove_pods().await.unwrap_err().to_string();
    assert!(said.contains("a pod is not removed within 30s"), "both steps have one limit: {said}");
}

#[tokio::test]
async fn an_answer_has_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("c.sock");
    let scripted = ScriptedCri::start(&socket, 1);
    scripted.is(Mood::Babbles);
    let said = Lent::Cri(Cri::at(&socket)).answers().await.unwrap_err().to_string();
    assert!(said.contains("OutOfRange"), "{said}");
}
