//! Item 36: what is said about a credential, at the most talkative level.

use crate::harness::{World, build, get, user, within};
use crate::items::wire::status;
use daas_types::Permissions;
use std::cell::RefCell;
use std::fmt::{self, Write as _};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    /// What is logged on this thread, while somebody listens. (A listener for a thread alone would be told nothing at
    /// lines that another thread has passed before.)
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

struct Listener;

struct Words<'a>(&'a mut String);

fn note(record: impl FnOnce(&mut dyn Visit)) {
    SAID.with_borrow_mut(|said| said.as_mut().map(|said| record(&mut Words(said))));
}

// === impl Listener ===

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        note(|words| span.record(words));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        note(|words| values.record(words));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        note(|words| event.record(words));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Words<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = writeln!(self.0, "{field}={value:?}");
    }
}

#[tokio::test]
async fn item_36_no_log_line_holds_a_credential() {
    tracing::subscriber::set_global_default(Listener).unwrap();
    SAID.set(Some(String::new()));
    let world = World::new().await;
    let mut staker = world.chain.staker(1, "5", Permissions::BOTH);
    let (token, opaque) = (user(&staker), staker.opaque());
    let query = format!("/api?token={token}&access_token={opaque}");
    for bearer in
        [token.as_str(), &opaque, &token[..token.len() - 1], &format!("{opaque}00"), "eyJhbGciOiJub25lIn0.e30."]
    {
        world.send(get("/api", bearer)).await;
        world.send(get("/nothing", bearer)).await;
        world.send(build("POST", "/api/v1/nodes/heartbeat", &[("x-seal-token", bearer)], "{}")).await;
        world.send(build("POST", "/api/v1/nodes/heartbeat", &[], &format!(r#"{{"seal_token":"{bearer}"}}"#))).await;
        let raw = format!("GET /exec HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n");
        for end in ["Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "Bad Header: x\r\n\r\n", "Host: b\r\n\r\n"] {
            status(&world, format!("{raw}{end}")).await;
        }
    }
    world.send(get(&query, &token)).await;
    world.send(build("GET", &query, &[], "")).await;
    world.chain.suspend(&mut staker);
    world.send(get("/api", &token)).await;
    world.shutdown.cancel();
    within(async {
        while world.upstream.open() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let said = SAID.take().unwrap();
    assert!(said.contains("refused"), "nothing was listened to");
    for secret in [&token, &opaque] {
        // Its end, and its middle: every token of a cluster begins alike.
        for start in [secret.len() - 24, secret.len() / 2 - 12] {
            let line = said.lines().find(|line| line.contains(&secret[start..start + 24]));
            assert_eq!(line, None);
        }
    }
}
