//! The machine's Docker, in which K3s runs pods where the owner wants that. It is not ours: it is only asked, over its socket, for
//! what K3s has in it, and that is taken away with the node.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::RuntimeError;

/// Where Docker listens, and K3s looks for it.
const SOCKET: &str = "/var/run/docker.sock";
/// Which containers are pods': those with this label, `{"label":["io.kubernetes.pod.uid"]}`. Docker's own and everybody else's have none.
const PODS: &str = "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22io.kubernetes.pod.uid%22%5D%7D";
/// For an answer that needs no waiting for anything else.
const LIMIT: Duration = Duration::from_secs(20);
/// A thousand containers' descriptions are less.
const LONGEST: u64 = 32 << 20;
/// Docker, by its socket.
#[derive(Clone, Debug)]
pub(crate) struct Docker {
    pub(super) socket: PathBuf,
}

#[derive(Deserialize)]
struct Container {
    #[serde(rename = "Id")]
    id: String,
}

// === impl Docker ===

impl Docker {
    /// This machine's.
    pub(super) fn of_machine() -> Self {
        Self::at(Path::new(SOCKET))
    }

    pub(super) fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Stops a container: SIGTERM, `grace`, SIGKILL.
    pub(super) async fn stop(&self, id: &str, grace: Duration) -> Result<(), RuntimeError> {
        let line = format!("POST /containers/{id}/stop?t={}", grace.as_secs());
        // 304: it has stopped by itself.
        self.does(&line, grace.saturating_add(LIMIT), &[204, 304, 404]).await
    }

    /// Removes it, and the volumes of it that nobody gave a name.
    pub(super) async fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        self.does(&format!("DELETE /containers/{id}?force=1&v=1"), LIMIT, &[204, 404]).await
    }

    /// The containers of pods.
    pub(super) async fn pods(&self) -> Result<Vec<String>, RuntimeError> {
        let (status, body) = self.ask(&format!("GET {PODS}"), LIMIT).await?;
        if status != 200 {
            return Err(self.refused(status, &body));
        }
        let containers: Vec<Container> = serde_json::from_str(&body).map_err(|error| self.error(&error.to_string()))?;
        // They become part of an address.
        let plain = |id: &String| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        Ok(containers.into_iter().map(|container| container.id).filter(plain).collect())
    }

    async fn does(&self, line: &str, limit: Duration, good: &[u16]) -> Result<(), RuntimeError> {
        match self.ask(line, limit).await? {
            (status, _) if good.contains(&status) => Ok(()),
            (status, body) => Err(self.refused(status, &body)),
        }
    }

    async fn ask(&self, line: &str, limit: Duration) -> Result<(u16, String), RuntimeError> {
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

    fn refused(&self, status: u16, body: &str) -> RuntimeError {
        let words: String = body.chars().filter(|c| !c.is_control()).take(200).collect();
        self.error(&format!("it answers {status} {words}"))
    }

    fn error(&self, reason: &str) -> RuntimeError {
        RuntimeError::Docker { socket: self.socket.clone(), reason: reason.to_owned() }
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

    #[test]
    fn only_docker_is_taken_for_docker() {
        assert_eq!(parse(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n[]"), Some((200, "[]".to_owned())));
        for bad in ["", "HTTP/1.0 200 OK", "SSH-2.0-x\r\n\r\n", "HTTP/1.0 OK\r\n\r\n"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
