//! The machine's Docker, in which K3s runs pods where the owner wants that. It is not ours: it is only asked, over its socket, for
//! what K3s has in it, and that is taken away with the node.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::node::NodeError;

/// Where Docker listens, and K3s looks for it.
const SOCKET: &str = "/var/run/docker.sock";
/// Which containers are pods': those with this label, `{"label":["io.kubernetes.pod.uid"]}`. Docker's own and everybody else's have none.
const PODS: &str = "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22io.kubernetes.pod.uid%22%5D%7D";
/// For an answer that needs no waiting for anything else.
const LIMIT: Duration = Duration::from_secs(20);
/// A thousand containers' descriptions are less.
const LONGEST: u64 = 32 << 20;
/// What is asked at once: all containers of a node of some hundred pods, so that their grace is one.
const AT_ONCE: usize = 512;

/// Why Docker did not do it.
#[derive(Debug, thiserror::Error)]
#[error("Docker at {}: {reason}", socket.display())]
pub struct DockerError {
    /// Its socket.
    pub socket: PathBuf,
    /// What is wrong.
    pub reason: String,
}

/// Docker, by its socket.
#[derive(Clone, Debug)]
pub(crate) struct Docker {
    socket: PathBuf,
}

#[derive(Deserialize)]
struct Container {
    #[serde(rename = "Id")]
    id: String,
}

// === impl Docker ===

impl Docker {
    /// This machine's.
    pub(crate) fn of_machine() -> Self {
        Self::at(Path::new(SOCKET))
    }

    fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Refuses a machine where it does not answer.
    pub(crate) async fn answers(&self) -> Result<(), NodeError> {
        Ok(self.pods().await.map(drop)?)
    }

    /// Refuses a machine where it does not answer, or has pods: a kubelet takes all that it finds for its own, and ends it.
    pub(crate) async fn is_free(&self) -> Result<(), NodeError> {
        match self.pods().await?.len() {
            0 => Ok(()),
            count => Err(NodeError::PodsInDocker { socket: self.socket.clone(), count }),
        }
    }

    /// Stops all pods' containers: SIGTERM, `grace`, SIGKILL.
    pub(crate) async fn stop_pods(&self, grace: Duration) -> Result<(), DockerError> {
        let ask = |id: &str| format!("POST /containers/{id}/stop?t={}", grace.as_secs());
        // 304: it has stopped by itself.
        self.each(ask, grace.saturating_add(LIMIT), &[204, 304, 404]).await
    }

    /// Removes them, and the volumes that nobody gave a name.
    pub(crate) async fn remove_pods(&self) -> Result<(), DockerError> {
        self.each(|id| format!("DELETE /containers/{id}?force=1&v=1"), LIMIT, &[204, 404]).await?;
        match self.pods().await?.len() {
            0 => Ok(()),
            left => Err(self.error(&format!("{left} containers of pods stay"))),
        }
    }

    async fn pods(&self) -> Result<Vec<String>, DockerError> {
        let (status, body) = self.ask(&format!("GET {PODS}"), LIMIT).await?;
        if status != 200 {
            return Err(self.refused(status, &body));
        }
        let containers: Vec<Container> = serde_json::from_str(&body).map_err(|error| self.error(&error.to_string()))?;
        // They become part of an address.
        let plain = |id: &String| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        Ok(containers.into_iter().map(|container| container.id).filter(plain).collect())
    }

    /// Asks for each, some at a time, all of them whatever is answered for one.
    async fn each(&self, ask: impl Fn(&str) -> String, limit: Duration, good: &[u16]) -> Result<(), DockerError> {
        let (mut running, mut result) = (JoinSet::new(), Ok(()));
        for id in self.pods().await? {
            if running.len() == AT_ONCE {
                result = result.and(self.ended(&mut running, good).await);
            }
            let (docker, line) = (self.clone(), ask(&id));
            running.spawn(async move { docker.ask(&line, limit).await });
        }
        while !running.is_empty() {
            result = result.and(self.ended(&mut running, good).await);
        }
        result
    }

    async fn ended(
        &self,
        running: &mut JoinSet<Result<(u16, String), DockerError>>,
        good: &[u16],
    ) -> Result<(), DockerError> {
        match running.join_next().await {
            Some(Ok(Ok((status, _)))) if good.contains(&status) => Ok(()),
            Some(Ok(Ok((status, body)))) => Err(self.refused(status, &body)),
            Some(Ok(Err(error))) => Err(error),
            Some(Err(error)) => Err(self.error(&error.to_string())),
            None => Ok(()),
        }
    }

    async fn ask(&self, line: &str, limit: Duration) -> Result<(u16, String), DockerError> {
        match timeout(limit, self.exchange(line)).await {
            Ok(Ok(answer)) => parse(&answer).ok_or_else(|| self.error("what answers there is no Docker")),
            Ok(Err(error)) => Err(self.error(&error.to_string())),
            Err(_) => Err(self.error(&format!("no answer within {limit:?}"))),
        }
    }

    /// By HTTP/1.0 the answer ends with the connection, and comes in one piece.
    async fn exchange(&self, line: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(format!("{line} HTTP/1.0\r\nHost: docker\r\nContent-Length: 0\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        Ok(answer)
    }

    fn refused(&self, status: u16, body: &str) -> DockerError {
        let words: String = body.chars().filter(|c| !c.is_control()).take(200).collect();
        self.error(&format!("it answers {status} {words}"))
    }

    fn error(&self, reason: &str) -> DockerError {
        DockerError { socket: self.socket.clone(), reason: reason.to_owned() }
    }
}

fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let (protocol, rest) = head.split_once(' ')?;
    let status = rest.split([' ', '\r']).next()?.parse().ok()?;
    protocol.starts_with("HTTP/1.").then(|| (status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::docker::ScriptedDocker;

    #[tokio::test]
    async fn pods_are_stopped_and_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let scripted = ScriptedDocker::start(&socket, 40, 2);
        let docker = Docker::at(&socket);
        assert!(matches!(docker.is_free().await, Err(NodeError::PodsInDocker { count: 40, .. })));
        docker.stop_pods(Duration::from_secs(7)).await.unwrap();
        assert_eq!((scripted.pods().len(), scripted.running()), (40, 2), "the others run on");
        assert!(scripted.asked().iter().any(|line| line.ends_with("/stop?t=7")));
        docker.remove_pods().await.unwrap();
        assert_eq!((scripted.pods().len(), scripted.running()), (0, 2));
        docker.is_free().await.unwrap();
        // Again: there is nothing to do.
        docker.stop_pods(Duration::ZERO).await.unwrap();
        docker.remove_pods().await.unwrap();
    }

    #[tokio::test]
    async fn one_that_does_not_answer_is_no_machine_for_pods() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let docker = Docker::at(&socket);
        let said = docker.is_free().await.unwrap_err().to_string();
        assert!(said.contains("docker.sock"), "{said}");
        let stays = ScriptedDocker::start(&socket, 1, 0);
        stays.refuses();
        let said = docker.remove_pods().await.unwrap_err().to_string();
        assert!(said.contains("409 removal is in progress"), "{said}");
    }

    #[test]
    fn only_docker_is_taken_for_docker() {
        assert_eq!(parse(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n[]"), Some((200, "[]".to_owned())));
        for bad in ["", "HTTP/1.0 200 OK", "SSH-2.0-x\r\n\r\n", "HTTP/1.0 OK\r\n\r\n"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
