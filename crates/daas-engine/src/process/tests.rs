use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::timeout;

use super::record::Record;
use super::*;

const LIMIT: Duration = Duration::from_secs(20);
const QUICK: RestartPolicy =
    RestartPolicy { first: Duration::from_millis(10), longest: Duration::from_millis(50), settled: LIMIT };

fn shell(folder: &Path, name: &'static str, order: u32, script: &str) -> ProcessSpec {
    ProcessSpec {
        name,
        order,
        program: PathBuf::from("/bin/sh"),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        log: folder.join(format!("{name}.log")),
        work_dir: folder.to_owned(),
    }
}

async fn until(process: &Process, wanted: impl FnMut(&ProcessState) -> bool) -> ProcessState {
    let mut state = process.watch();
    timeout(LIMIT, state.wait_for(wanted)).await.unwrap().unwrap().clone()
}

async fn until_exists(path: &Path) {
    let there = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, there).await.unwrap();
}

async fn running_pid(process: &Process) -> u32 {
    match until(process, |s| matches!(s, ProcessState::Running { .. })).await {
        ProcessState::Running { pid } => pid,
        other => panic!("{other:?}"),
    }
}

/// A process as a supervisor leaves it that was killed: in its own group, not waited for by a [`Process`].
fn leftover(run: &Path, script: &str, marked: bool) -> Child {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).process_group(0);
    if marked {
        command.env(RUN_MARK, run.canonicalize().unwrap());
    }
    command.spawn().unwrap()
}

#[tokio::test]
async fn a_killed_child_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let spec = shell(folder.path(), "child", 1, "echo started; exec sleep 1000");
    let mut process = Process::start(spec, folder.path(), QUICK).unwrap();
    let first = running_pid(&process).await;
    kill(Pid::from_raw(first.cast_signed()), Signal::SIGKILL).unwrap();
    let after = until(&process, |s| matches!(s, ProcessState::Running { pid } if *pid != first)).await;
    assert_ne!(after, ProcessState::Running { pid: first });
    process.stop(LIMIT).await;
    assert_eq!(process.state(), ProcessState::Stopped);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the log stays");
}

#[tokio::test]
async fn one_that_ends_at_once_backs_off_and_says_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let spec = shell(folder.path(), "child", 1, "echo because; exit 3");
    let mut process = Process::start(spec, folder.path(), QUICK).unwrap();
    let state = until(&process, |s| matches!(s, ProcessState::Backoff { exits: 3, .. })).await;
    assert!(matches!(&state, ProcessState::Backoff { reason, .. } if reason == "exit status: 3"), "{state:?}");
    assert!(process.last_output(2).ends_with("because"));
    process.stop(LIMIT).await;
    assert_eq!(process.state(), ProcessState::Stopped);
}

#[tokio::test]
async fn one_that_does_not_exist_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = shell(folder.path(), "child", 1, "");
    spec.program = folder.path().join("missing");
    let process = Process::start(spec, folder.path(), QUICK).unwrap();
    let state = until(&process, |s| matches!(s, ProcessState::Failed { .. })).await;
    assert!(matches!(&state, ProcessState::Failed { reason } if reason.contains("missing")), "{state:?}");
}

#[tokio::test]
async fn one_that_ignores_sigterm_is_killed_with_its_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; (trap '' TERM; echo $(exec sh -c 'echo $PPID') > inner; exec sleep 1000) & wait";
    let spec = shell(folder.path(), "child", 1, script);
    let mut process = Process::start(spec, folder.path(), QUICK).unwrap();
    let pid = running_pid(&process).await;
    until_exists(&folder.path().join("inner")).await;
    process.stop(Duration::from_millis(50)).await;
    assert_eq!(start_time(pid), None);
    let group = Pid::from_raw(-pid.cast_signed());
    let empty = async {
        while kill(group, None).is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, empty).await.expect("the group must be empty");
}

#[tokio::test]
async fn leftovers_are_stopped_in_reverse_start_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut children = Vec::new();
    for (order, name) in ["first", "second", "third"].into_iter().enumerate() {
        let log = folder.path().join("order").display().to_string();
        let ready = folder.path().join(name);
        let trap = format!("trap 'echo {name} >> {log}; exit' TERM");
        let script = format!("{trap}; : > {}; while :; do sleep 0.02; done", ready.display());
        let child = leftover(folder.path(), &script, false);
        until_exists(&ready).await;
        let spec = shell(folder.path(), name, order.try_into().unwrap(), "");
        Record::write(folder.path(), &spec, child.id()).unwrap();
        children.push(child);
    }
    let reaped = reap_recorded(folder.path(), LIMIT).await.unwrap();
    assert_eq!(reaped.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["third", "second", "first"]);
    assert_eq!(fs::read_to_string(folder.path().join("order")).unwrap(), "third\nsecond\nfirst\n");
    assert_eq!(reap_recorded(folder.path(), LIMIT).await.unwrap(), []);
    for mut child in children {
        child.wait().unwrap();
    }
}

#[tokio::test]
async fn a_reused_process_id_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = leftover(folder.path(), "exec sleep 1000", false);
    let spec = shell(folder.path(), "child", 1, "");
    Record::write(folder.path(), &spec, child.id()).unwrap();
    let path = folder.path().join("child.pid.json");
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["start_time"] = serde_json::json!(record["start_time"].as_u64().unwrap() + 1);
    fs::write(&path, record.to_string()).unwrap();
    assert_eq!(reap_recorded(folder.path(), Duration::ZERO).await.unwrap(), []);
    assert!(start_time(child.id()).is_some(), "another's process was stopped");
    assert!(!path.exists());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn marked_processes_are_found_without_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut marked = leftover(folder.path(), "exec sleep 1000", true);
    let mut other = leftover(folder.path(), "exec sleep 1000", false);
    assert_eq!(kill_marked(folder.path()).await.unwrap(), [marked.id()]);
    assert!(start_time(other.id()).is_some());
    other.kill().unwrap();
    marked.wait().unwrap();
    other.wait().unwrap();
}
