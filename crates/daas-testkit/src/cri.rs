//! A double of a containerd that is somebody's own: pods of one container each, and what their node asks over the socket, by gRPC.

use crate::unix;
use bytes::{BufMut as _, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use prost::Message;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

/// gRPC's numbers of what went wrong.
const NOT_FOUND: u16 = 5;
const FAILED_PRECONDITION: u16 = 9;
const UNIMPLEMENTED: u16 = 12;
const PAUSE: Duration = Duration::from_millis(200);
const STEP: Duration = Duration::from_secs(20);
/// Before a container's id stands its pod's.
const CONTAINER: &str = "-container";

/// The runtime, until it is dropped.
pub struct ScriptedCri {
    state: Arc<Mutex<State>>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct State {
    /// By their ids: whether their sandbox is ready, and whether their container runs.
    pods: BTreeMap<String, (bool, bool)>,
    asked: Vec<String>,
    mood: Mood,
}

/// How it is to those who ask.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    /// It does what it is asked.
    #[default]
    Fine,
    /// It does not remove the first pod, and takes its time with the others.
    Refuses,
    /// It removes nothing, and says that it has.
    Lies,
    /// Pods go by themselves just before they are removed.
    Forgets,
    /// It answers with more than anybody wants to read.
    Babbles,
    /// It never answers.
    Hangs,
    /// It takes its time with each step of a pod's end.
    Slow,
}

/// An id, with a number of seconds where it is a container's that is to stop.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(int64, tag = "2")]
    timeout: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Listed {
    #[prost(message, repeated, tag = "1")]
    items: Vec<Named>,
}

// === impl ScriptedCri ===

impl ScriptedCri {
    /// One with so many pods. All run.
    pub fn start(socket: &Path, pods: usize) -> Self {
        let pods = (0..pods).map(|n| (format!("{n:064x}"), (true, true))).collect();
        let state = Arc::new(Mutex::new(State { pods, ..State::default() }));
        let shared = state.clone();
        let task = unix::serve(socket, move |stream| answer(stream, shared.clone()));
        Self { state, _task: task }
    }

    /// The ids of pods.
    pub fn pods(&self) -> Vec<String> {
        self.state.lock().unwrap().pods.keys().cloned().collect()
    }

    /// How many containers run.
    pub fn running(&self) -> usize {
        self.state.lock().unwrap().pods.values().filter(|(_, runs)| *runs).count()
    }

    /// A pod is started.
    pub fn starts_pod(&self) {
        let mut state = self.state.lock().unwrap();
        let id = format!("{:064x}", 0xffff + state.pods.len());
        state.pods.insert(id, (true, true));
    }

    /// What it was asked: the method, an id, a number of seconds.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// How it is from now on.
    pub fn is(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }
}

async fn answer(stream: UnixStream, state: Arc<Mutex<State>>) {
    // Somebody may only have looked whether it is there.
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut requests = JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        requests.spawn(call(request, respond, state.clone()));
        while requests.try_join_next().is_some() {}
    }
}

async fn call(request: http::Request<h2::RecvStream>, respond: SendResponse<Bytes>, state: Arc<Mutex<State>>) {
    let method = request.uri().path().strip_prefix("/runtime.v1.RuntimeService/").unwrap().to_owned();
    let mut body = request.into_body();
    let mut whole = BytesMut::new();
    while let Some(part) = body.data().await {
        // Who has lost its patience takes its request back.
        let Ok(part) = part else { return };
        body.flow_control().release_capacity(part.len()).unwrap();
        whole.extend_from_slice(&part);
    }
    // A byte that says that nothing is compressed, and four of its length.
    let asked = Named::decode(&whole[5..]).unwrap();
    let mood = state.lock().unwrap().mood;
    match mood {
        Mood::Hangs => std::future::pending().await,
        Mood::Slow if method.ends_with("PodSandbox") && !method.starts_with("List") => tokio::time::sleep(STEP).await,
        Mood::Refuses if !state.lock().unwrap().is_first(&asked.id) => tokio::time::sleep(PAUSE).await,
        _ => {}
    }
    let said = state.lock().unwrap().answer(&method, &asked);
    // Nor need it wait for the answer.
    let _ = send(respond, said);
}

fn send(mut respond: SendResponse<Bytes>, said: Result<Listed, u16>) -> Result<(), h2::Error> {
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut stream = respond.send_response(head, false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", said.as_ref().err().copied().unwrap_or(0).into());
    trailers.insert("grpc-message", "it is in use".parse().unwrap());
    if let Ok(message) = said {
        let bytes = message.encode_to_vec();
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(bytes.len().try_into().unwrap());
        frame.extend_from_slice(&bytes);
        stream.send_data(frame.freeze(), false)?;
    }
    stream.send_trailers(trailers)
}

// === impl State ===

impl State {
    fn is_first(&self, id: &str) -> bool {
        self.pods.keys().next().is_some_and(|first| first == id)
    }

    fn answer(&mut self, method: &str, Named { id, timeout }: &Named) -> Result<Listed, u16> {
        self.asked.push(format!("{method} {id} {timeout}"));
        let named = |id: String| Named { id, timeout: 0 };
        let nothing = Listed::default();
        match method {
            "ListPodSandbox" if self.mood == Mood::Babbles => Ok(Listed { items: vec![named("x".repeat(33 << 20))] }),
            "ListPodSandbox" => Ok(Listed { items: self.pods.keys().cloned().map(named).collect() }),
            "ListContainers" => {
                Ok(Listed { items: self.pods.keys().map(|id| named(format!("{id}{CONTAINER}"))).collect() })
            }
            "StopContainer" => {
                let pod = self.pods.get_mut(id.strip_suffix(CONTAINER).unwrap()).ok_or(NOT_FOUND)?;
                pod.1 = false;
                Ok(nothing)
            }
            "StopPodSandbox" if self.mood == Mood::Forgets => {
                self.pods.remove(id);
                Err(NOT_FOUND)
            }
            "StopPodSandbox" => {
                *self.pods.get_mut(id).ok_or(NOT_FOUND)? = (false, false);
                Ok(nothing)
            }
            "RemovePodSandbox" => match self.pods.get(id) {
                None => Err(NOT_FOUND),
                Some((true, _)) => Err(FAILED_PRECONDITION),
                Some(_) if self.mood == Mood::Refuses && self.is_first(id) => Err(FAILED_PRECONDITION),
                Some(_) if self.mood == Mood::Lies => Ok(nothing),
                Some(_) => {
                    self.pods.remove(id);
                    Ok(nothing)
                }
            },
            _ => Err(UNIMPLEMENTED),
        }
    }
}
