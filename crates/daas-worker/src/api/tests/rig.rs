//! An API that listens, and all that it is made of.

use crate::api::command::{Command, Inbox, channel};
use crate::api::credential::TOKEN_FILE;
use crate::api::listen::{Listen, Tls};
use crate::api::routes::{About, Api};
use crate::api::server::Server;
use crate::api::status::Board;
use crate::config::seal_path;
use crate::state::{Journal, Phase, State};
use crate::store::Store;
use bytes::Bytes;
use core::net::SocketAddr;
use daas_chain::clock;
use daas_client::{SealFile, exchange};
use daas_testkit::chain::{Chain, Staker};
use daas_testkit::pki::{Ca, Leaf};
use daas_types::{Address, Permissions, SealId, UnixMs};
use http_body_util::Full;
use hyper::{Method, Request};
use rustls::ClientConfig;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(super) struct Rig {
    pub(super) address: SocketAddr,
    pub(super) chain: Chain,
    pub(super) staker: Staker,
    pub(super) board: Board,
    pub(super) inbox: Inbox,
    pub(super) store: Store,
    pub(super) stop: CancellationToken,
    pub(super) serving: JoinSet<anyhow::Result<()>>,
    _folder: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// Which entry of the catalogue refused.
    pub(super) fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap_or_default().to_owned()
    }
}

impl Rig {
    pub(super) async fn new() -> Self {
        Self::with(None, None, None).await
    }

    pub(super) async fn with(tls: Option<&Ca>, clients: Option<&Ca>, kept: Option<&SealFile>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        if let Some(kept) = kept {
            kept.save(&seal_path(store.folder())).unwrap();
        }
        let tls = tls.map(|ca| {
            let (cert, key) = ca.server(&["localhost"]).pem();
            let file = |name: &str, text: String| {
                let path = folder.path().join(name);
                std::fs::write(&path, text).unwrap();
                path
            };
            let clients = clients.map(|ca| file("clients.crt", ca.pem()));
            Tls { cert: file("worker.crt", cert), key: file("worker.key", key), clients }
        });
        let listen = Listen { address: "127.0.0.1:0".parse().unwrap(), asked: true, tls, names: Vec::new() };
        let server = Server::bind(&listen).await.unwrap().unwrap();
        let address = server.local_addr().unwrap();
        let (chain, staker) = (Chain::new(), Staker::new(1, "5", Permissions::NODE));
        let (commands, inbox) = channel();
        let (board, stop) = (Board::default(), CancellationToken::new());
        let settings =
            [("node.stake_amount".to_owned(), json!(5_000_000_000_u64)), ("some.secret".to_owned(), json!("***"))];
        let about =
            About { node_id: "worker-1".parse().unwrap(), owner: staker.state.owner, settings: settings.into() };
        let api = Api::new(about, &listen, &store, chain.index.clone(), board.clone(), commands).unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(server.run(api, stop.clone()));
        Self { address, chain, staker, board, inbox, store, stop, serving, _folder: folder }
    }

    /// The stake is on chain, and the worker uses its Seal.
    pub(super) fn staked(&mut self) -> String {
        self.chain.put(&mut self.staker, |_| ());
        let mut journal = Journal::default();
        let position = Some(self.staker.state.position);
        for (phase, reason) in [
            (Phase::VerifiedMaster, "the master's evidence held"),
            (Phase::Joined, "the node is registered and running"),
        ] {
            journal.note(clock::now(), reason, State { phase, position, ..State::default() });
        }
        self.board.noted(&journal, true);
        let seal = seal();
        self.board.sealed(&seal);
        seal.secret().expose_hex().as_str().to_owned()
    }

    pub(super) fn token(&self) -> String {
        std::fs::read_to_string(self.store.file(TOKEN_FILE)).unwrap()
    }

    pub(super) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let (status, body) = exchange(tcp, request, 1 << 20).await.unwrap();
        Answer { status: status.as_u16(), text: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// Asks what only the owner may, on a connection of its own, and perhaps with a certificate; what status that has, if any.
    pub(super) async fn asked_over_tls(&self, server: &Ca, shown: Option<Leaf>, bearer: Option<&str>) -> Option<u16> {
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(server.roots());
        let config = match shown {
            Some(Leaf { chain, key }) => config.with_client_auth_cert(chain, key).unwrap(),
            None => config.with_no_client_auth(),
        };
        let endpoint = format!("https://localhost:{}", self.address.port());
        let tls = daas_client::connect(&endpoint, &Arc::new(config)).await.unwrap();
        let mut request = Request::builder().uri("/api/v1/staking").header("host", "localhost");
        if let Some(bearer) = bearer {
            request = request.header("authorization", bearer);
        }
        let answered = exchange(tls, request.body(Full::default()).unwrap(), 1 << 20).await;
        answered.ok().map(|(status, _)| status.as_u16())
    }

    pub(super) async fn get(&self, path: &str, secret: &str) -> Answer {
        let bearer = format!("Bearer {secret}");
        self.send(Method::GET, path, &[("host", "localhost"), ("authorization", &bearer)], "").await
    }

    pub(super) async fn post(&self, path: &str, secret: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {secret}");
        self.send(Method::POST, path, &[("host", "localhost"), ("authorization", &bearer)], body).await
    }

    /// Posts, while the worker answers one command.
    pub(super) async fn commanded(
        &mut self,
        path: &str,
        secret: &str,
        body: &str,
        worker: impl FnOnce(Command),
    ) -> Answer {
        let (_, none) = channel();
        let mut inbox = std::mem::replace(&mut self.inbox, none);
        let (answer, ()) = tokio::join!(self.post(path, secret, body), async {
            worker(inbox.recv().await.unwrap());
        });
        self.inbox = inbox;
        answer
    }
}

pub(super) fn seal() -> SealFile {
    let id = |n: u8| Address::new([n; 32]);
    let join = daas_testkit::join::file();
    let mut seal = SealFile::prepare(&join, id(9).into(), Permissions::NODE, None).unwrap();
    (seal.seal, seal.expires) = (Some(SealId(id(7))), UnixMs(1_234_567_000));
    seal
}
