//! A double of Docker: containers of pods and others, and what their node asks over the socket.

use crate::unix;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

/// Docker, until it is dropped.
pub struct ScriptedDocker {
    state: Arc<Mutex<State>>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct State {
    /// By their ids: whether they are pods', and whether they run.
    containers: BTreeMap<String, (bool, bool)>,
    asked: Vec<String>,
    refuses: bool,
}

// === impl ScriptedDocker ===

impl ScriptedDocker {
    /// One with so many containers of pods, and so many others. All run.
    pub fn start(socket: &Path, pods: usize, others: usize) -> Self {
        let mut state = State::default();
        for n in 0..pods + others {
            state.containers.insert(format!("{n:064x}"), (n < pods, true));
        }
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let task = unix::serve(socket, move |stream| answer(stream, shared.clone()));
        Self { state, _task: task }
    }

    /// The ids of pods' containers.
    pub fn pods(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.containers.iter().filter(|(_, (pod, _))| *pod).map(|(id, _)| id.clone()).collect()
    }

    /// How many containers run.
    pub fn running(&self) -> usize {
        self.state.lock().unwrap().containers.values().filter(|(_, runs)| *runs).count()
    }

    /// A pod is started.
    pub fn starts_pod(&self) {
        let mut state = self.state.lock().unwrap();
        let id = format!("{:064x}", 0xffff + state.containers.len());
        state.containers.insert(id, (true, true));
    }

    /// What it was asked.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// From now on nothing is removed.
    pub fn refuses(&self) {
        self.state.lock().unwrap().refuses = true;
    }
}

async fn answer(mut stream: UnixStream, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            // Somebody only looked whether it is there.
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap().strip_suffix(" HTTP/1.0").unwrap().to_owned();
    let (status, body) = state.lock().unwrap().answer(&line);
    let text = format!("HTTP/1.0 {status} X\r\nContent-Type: application/json\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.unwrap();
}

// === impl State ===

impl State {
    fn answer(&mut self, line: &str) -> (u16, String) {
        self.asked.push(line.to_owned());
        let (method, target) = line.split_once(' ').unwrap();
        let path = target.split('?').next().unwrap();
        let named = path.strip_prefix("/containers/").unwrap();
        if (method, named) == ("GET", "json") {
            let filtered = target.contains("filters=%7B%22label%22%3A%5B%22io.kubernetes.pod.uid%22%5D%7D");
            let wanted = self.containers.iter().filter(|(_, (pod, _))| *pod || !filtered);
            return (
                200,
                json!(wanted.map(|(id, _)| json!({ "Id": id, "Names": ["/x"] })).collect::<Vec<_>>()).to_string(),
            );
        }
        let id = named.split('/').next().unwrap();
        let Some((_, runs)) = self.containers.get_mut(id) else {
            return (404, r#"{"message":"No such container"}"#.into());
        };
        match method {
            "POST" if !std::mem::take(runs) => (304, String::new()),
            "POST" => (204, String::new()),
            "DELETE" if self.refuses => (409, "removal is in progress".to_owned()),
            "DELETE" => {
                self.containers.remove(id);
                (204, String::new())
            }
            other => panic!("{other}"),
        }
    }
}
