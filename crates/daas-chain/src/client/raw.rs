//! Answers as bytes, so that what is foreign is measured before anything is made of it.
//!
//! A decoder makes much out of little: an empty transaction is 2 bytes in an answer and 1,776 in memory. So of checkpoints,
//! objects and transactions, which are large or asked for many at once, only the few fields are read that matter, and each
//! of them is a part of the answer's own bytes.

use super::{ChainClient, ChainError, DEADLINE};
use bytes::{Buf as _, Bytes};
use core::marker::PhantomData;
use core::time::Duration;
use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status, Streaming};

/// As Sui's own client has them: a large checkpoint is to come in one go, and a peer that is gone is to be noticed.
const CONNECT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(20);
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;

/// A method, and how long its answers may be.
#[derive(Clone, Copy)]
pub(super) struct Method {
    pub(super) call: &'static str,
    pub(super) path: &'static str,
    pub(super) largest: usize,
}

// === impl ChainClient ===

impl ChainClient {
    /// The answer to one call, undecoded.
    pub(super) async fn raw<R: Message + 'static>(&self, method: Method, request: R) -> Result<Bytes, ChainError> {
        let answer = async {
            let mut grpc = ready(self.channel(), method.largest).await?;
            let path = PathAndQuery::from_static(method.path);
            grpc.unary(Request::new(request), path, Raw(PhantomData)).await.map_err(too_long)
        };
        super::deadline(method.call, Box::pin(answer)).await
    }

    /// The answers of a stream, undecoded.
    pub(super) async fn raw_stream<R: Message + 'static>(
        &self,
        method: Method,
        request: R,
    ) -> Result<Streaming<Bytes>, ChainError> {
        let answer = async {
            let mut grpc = ready(self.channel(), method.largest).await?;
            let path = PathAndQuery::from_static(method.path);
            grpc.server_streaming(Request::new(request), path, Raw(PhantomData)).await
        };
        super::deadline(method.call, Box::pin(answer)).await
    }
}

/// An answer that is too long is out of range, also where it is found out only when it is decompressed.
fn too_long(status: Status) -> Status {
    let decompressed = status.code() == Code::ResourceExhausted && status.message().contains("size limit");
    if decompressed { Status::out_of_range(status.message()) } else { status }
}

async fn ready(channel: Channel, largest: usize) -> Result<Grpc<Channel>, Status> {
    let grpc = Grpc::new(channel).max_decoding_message_size(largest);
    let mut grpc = grpc.accept_compressed(CompressionEncoding::Zstd);
    grpc.ready().await.map_err(|e| Status::unavailable(format!("not connected: {e}")))?;
    Ok(grpc)
}

/// A connection that is made when it is first used.
pub(super) fn channel(url: &str) -> Result<Channel, ChainError> {
    let fails = |cause: String| ChainError::Unreachable { call: "connect", cause };
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|e| fails(e.to_string()))?;
    let secure = endpoint.uri().scheme_str() == Some("https");
    let endpoint = if secure {
        let roots = ClientTlsConfig::new().with_enabled_roots();
        endpoint.tls_config(roots).map_err(|e| fails(e.to_string()))?
    } else {
        endpoint
    };
    let endpoint = endpoint
        .connect_timeout(CONNECT)
        .timeout(DEADLINE)
        .tcp_keepalive(Some(KEEP_ALIVE))
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_ANSWER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    Ok(endpoint.connect_lazy())
}

/// Requests are encoded, answers are left as they are.
struct Raw<R>(PhantomData<R>);

// === impl Raw ===

impl<R: Message + 'static> Codec for Raw<R> {
    type Encode = R;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(PhantomData)
    }

    fn decoder(&mut self) -> Self {
        Self(PhantomData)
    }
}

impl<R: Message + 'static> Encoder for Raw<R> {
    type Item = R;
    type Error = Status;

    fn encode(&mut self, item: R, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(into).map_err(|e| Status::internal(e.to_string()))
    }
}

impl<R: Message + 'static> Decoder for Raw<R> {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
