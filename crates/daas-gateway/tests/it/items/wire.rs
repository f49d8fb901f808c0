//! Clients that say what no library would.

use crate::harness::{World, within};
use daas_testkit::client;
use std::collections::HashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
/// `ENHANCE_YOUR_CALM`.
pub(super) const CALM: u32 = 11;

/// HTTP/1.1, byte for byte.
pub(super) struct Wire(TlsStream<TcpStream>);

/// HTTP/2, frame for frame.
pub(super) struct Frames(TlsStream<TcpStream>);

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

/// How a flood ended.
#[derive(Debug)]
pub(super) struct Flood {
    /// Whether all of it could be written.
    pub(super) whole: bool,
    /// The reason of the GOAWAY that came, if one came.
    pub(super) goaway: Option<u32>,
    /// Frames that came, by kind.
    pub(super) came: HashMap<u8, usize>,
}

// === impl Wire ===

impl Wire {
    pub(super) async fn open(world: &World) -> Self {
        Self(within(client::tls(world.addr, &world.ca.roots(), &["http/1.1"])).await.unwrap())
    }

    /// What the gateway does not take is lost.
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
        let _ = self.0.flush().await;
    }

    /// The head of one answer.
    pub(super) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        within(async {
            while !head.ends_with(b"\r\n\r\n") {
                match self.0.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
        })
        .await;
        String::from_utf8_lossy(&head).into_owned()
    }

    /// One answer whose length is said.
    pub(super) async fn answer(&mut self) -> String {
        let head = self.head().await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let body = self.exactly(length.parse().unwrap()).await;
        head + &String::from_utf8_lossy(&body)
    }

    /// So many bytes.
    pub(super) async fn exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        within(self.0.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// All that comes until the gateway closes.
    pub(super) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = within(self.0.read_to_end(&mut rest)).await;
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// The client's half is closed; it still listens.
    pub(super) async fn close_half(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// The connection ends as if the client's machine had.
    pub(super) fn reset(self) {
        let (tcp, _) = self.0.into_inner();
        tcp.set_zero_linger().unwrap();
    }
}

/// What is answered to these bytes until the gateway closes.
pub(super) async fn conversation(world: &World, bytes: impl AsRef<[u8]>) -> String {
    let mut wire = Wire::open(world).await;
    wire.send(bytes).await;
    wire.rest().await
}

/// The status that is answered first to these bytes; 0 if the connection ends.
pub(super) async fn status(world: &World, bytes: impl AsRef<[u8]>) -> u16 {
    let mut wire = Wire::open(world).await;
    wire.send(bytes).await;
    let head = wire.head().await;
    head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok()).unwrap_or(0)
}

// === impl Frames ===

impl Frames {
    /// Connects, with these settings.
    pub(super) async fn open(world: &World, settings: &[(u16, u32)]) -> Self {
        let tls = within(client::tls(world.addr, &world.ca.roots(), &["h2"])).await.unwrap();
        let mut frames = Self(tls);
        let settings: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &settings)].concat();
        frames.write(&preface).await;
        frames
    }

    /// What the gateway does not take is lost.
    pub(super) async fn write(&mut self, frames: &[u8]) {
        let _ = self.0.write_all(frames).await;
        let _ = self.0.flush().await;
    }

    /// The next frame; `None` at the end.
    pub(super) async fn read(&mut self) -> Option<Frame> {
        read(&mut self.0).await
    }

    /// The next frame of a stream of ours; SETTINGS are acknowledged, all else is passed over.
    pub(super) async fn read_on(&mut self, stream: u32) -> Option<Frame> {
        within(async {
            loop {
                let next = self.read().await?;
                if next.kind == SETTINGS && next.flags == 0 {
                    self.write(&frame(SETTINGS, 1, 0, &[])).await;
                }
                if next.stream == stream || next.kind == GOAWAY {
                    return Some(next);
                }
            }
        })
        .await
    }

    /// Writes all of it, and meanwhile reads to the end; closes when it is written.
    pub(super) async fn flood(self, chunks: impl Iterator<Item = Vec<u8>>) -> Flood {
        let (mut from, mut to) = tokio::io::split(self.0);
        let write = async {
            for chunk in chunks {
                if to.write_all(&chunk).await.is_err() {
                    return false;
                }
            }
            to.flush().await.is_ok() && to.shutdown().await.is_ok()
        };
        let listen = async {
            let (mut goaway, mut came) = (None, HashMap::new());
            while let Some(next) = read(&mut from).await {
                *came.entry(next.kind).or_default() += 1;
                if next.kind == GOAWAY {
                    goaway = next.payload.get(4..8).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
                }
            }
            (goaway, came)
        };
        let (whole, (goaway, came)) = within(async { tokio::join!(write, listen) }).await;
        Flood { whole, goaway, came }
    }
}

async fn read(from: &mut (impl AsyncReadExt + Unpin)) -> Option<Frame> {
    let mut head = [0; 9];
    from.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    from.read_exact(&mut payload).await.ok()?;
    let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
    Some(Frame { kind: head[3], flags: head[4], stream, payload })
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header field, spelled out and not to be remembered.
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

/// A header field that the other side's table takes up, as entry 62.
pub(super) fn remembered(name: &str, value: &str) -> Vec<u8> {
    [vec![0x40], string(name), string(value)].concat()
}

/// The head of a request, with these fields beside it.
pub(super) fn head(method: &str, path: &str, bearer: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let own = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)];
    let bearer = format!("Bearer {bearer}");
    let own = own.into_iter().chain([("authorization", bearer.as_str())]).chain(more.iter().copied());
    own.flat_map(|(name, value)| field(name, value)).collect()
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut length = text.len();
    if length < 127 {
        bytes.push(u8::try_from(length).unwrap());
    } else {
        bytes.push(127);
        length -= 127;
        while length >= 128 {
            bytes.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        bytes.push(u8::try_from(length).unwrap());
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Frames of what a connection of the API server has received over HTTP/2: kind, stream, payload.
pub(super) fn frames_of(tape: &[u8]) -> Option<Vec<Frame>> {
    let mut rest = tape.strip_prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    let mut frames = Vec::new();
    while let [a, b, c, kind, flags, s0, s1, s2, s3, more @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
        let stream = u32::from_be_bytes([*s0 & 0x7f, *s1, *s2, *s3]);
        let payload = more.get(..length)?.to_vec();
        frames.push(Frame { kind: *kind, flags: *flags, stream, payload });
        rest = &more[length..];
    }
    Some(frames)
}
