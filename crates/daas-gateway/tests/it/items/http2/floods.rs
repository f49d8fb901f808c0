//! Item 21: floods of frames. Each is answered by an end of that connection, or served at its own cost.

use super::{CALM, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, RST_STREAM, SETTINGS, WHOLE, others_are_served};
use super::{field, frame, head, within};
use crate::harness::World;
use crate::harness::user;
use crate::items::wire::{CONTINUATION, GOAWAY, PING, WINDOW_UPDATE, remembered};
use daas_types::Permissions;
use std::time::Duration;

/// Nothing is read for so long: nothing will be.
const SILENCE: Duration = Duration::from_secs(2);
/// What the kernel keeps between two that do not read, several times.
const BETWEEN: usize = 64 << 20;

/// Stream ids of a client.
fn ids() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

async fn world() -> (World, String) {
    let world = World::new().await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    (world, token)
}

#[tokio::test]
async fn item_21_rapid_reset_is_told_to_calm_down() {
    let (world, token) = world().await;
    // Short heads, so that many fit into what is read at once; whose they are is asked later than they are counted.
    let block = [(":method", "GET"), (":scheme", "https"), (":path", "/stuck")].map(|(n, v)| field(n, v)).concat();
    let reset = 8_u32.to_be_bytes();
    let pair = |id| [frame(HEADERS, WHOLE, id, &block), frame(RST_STREAM, 0, id, &reset)].concat();
    let chunks = ids().take(10_000).collect::<Vec<_>>();
    let chunks = chunks.chunks(500).map(|ids| ids.iter().flat_map(|id| pair(*id)).collect());
    let flood = Frames::open(&world, &[]).await.flood(chunks).await;
    assert_eq!(flood.goaway, Some(CALM), "{flood:?}");
    others_are_served(&world, &token).await;
}

#[tokio::test]
async fn item_21_resets_by_someone_who_may_ask_leave_no_stream_behind() {
    let (world, token) = world().await;
    let mut frames = Frames::open(&world, &[]).await;
    let block = head("GET", "/stuck", &token, &[]);
    for id in ids().take(300) {
        frames.write(&frame(HEADERS, WHOLE, id, &block)).await;
        frames.write(&frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())).await;
    }
    others_are_served(&world, &token).await;
    within(world.upstream.until_open(0)).await;
}

#[tokio::test]
async fn item_21_errors_that_we_must_reset_are_counted() {
    let (world, token) = world().await;
    let block = head("GET", "/api", &token, &[("connection", "close")]);
    let chunks = ids().take(4_000).map(|id| frame(HEADERS, WHOLE, id, &block));
    let flood = Frames::open(&world, &[]).await.flood(chunks).await;
    assert_eq!(flood.goaway, Some(CALM), "{flood:?}");
    assert!(flood.came.get(&RST_STREAM).is_none_or(|resets| *resets <= 1100), "{flood:?}");
    assert!(world.upstream.requests().is_empty());
    others_are_served(&world, &token).await;
}

#[tokio::test]
async fn item_21_a_head_without_end_is_cut_off() {
    let (world, token) = world().await;
    let start = frame(HEADERS, END_STREAM, 1, &head("GET", "/api", &token, &[]));
    for more in [field("x", "y"), Vec::new(), field("x", &"y".repeat(16_000))] {
        // 64 MB, or a million frames, unless someone puts an end to it.
        let rounds = 64_000_000 / (more.len() + 9).max(64);
        let chunks = std::iter::once(start.clone()).chain((0..rounds).map(|_| frame(CONTINUATION, 0, 1, &more)));
        let flood = Frames::open(&world, &[]).await.flood(chunks).await;
        assert!(!flood.whole, "all of it was taken: {flood:?}");
    }
    assert!(world.upstream.requests().is_empty());
    others_are_served(&world, &token).await;
}

#[tokio::test]
async fn item_21_small_data_frames_are_counted() {
    let (world, token) = world().await;
    for payload in [&b""[..], b"x"] {
        let start = frame(HEADERS, END_HEADERS, 1, &head("POST", "/stuck", &token, &[]));
        let chunk = frame(DATA, 0, 1, payload).repeat(100);
        let chunks = std::iter::once(start).chain((0..10_000).map(|_| chunk.clone()));
        let flood = Frames::open(&world, &[]).await.flood(chunks).await;
        assert_eq!(flood.goaway, Some(CALM), "{payload:?}: {flood:?}");
        within(world.upstream.until_open(0)).await;
    }
    others_are_served(&world, &token).await;
}

#[tokio::test]
async fn item_21_settings_and_pings_are_answered_at_the_cost_of_who_sends_them() {
    let (world, token) = world().await;
    for (kind, payload) in [(SETTINGS, vec![0, 4, 0, 0, 0xff, 0xff]), (PING, vec![7; 8])] {
        let mut frames = Frames::open(&world, &[]).await;
        let chunk = frame(kind, 0, 0, &payload).repeat(1_000);
        // Someone who does not listen is not read any more; someone who does gets an answer to each and no more.
        let deaf = async {
            let mut sent = 0;
            while tokio::time::timeout(SILENCE, frames.write(&chunk)).await.is_ok() {
                sent += chunk.len();
                assert!(sent < BETWEEN, "{sent} bytes were read, whose answers nobody takes");
            }
        };
        tokio::join!(deaf, others_are_served(&world, &token));
        let flood = Frames::open(&world, &[]).await.flood((0..20).map(|_| chunk.clone())).await;
        assert!(flood.came.get(&kind).copied().unwrap_or(0) <= 20_002, "{flood:?}");
    }
    others_are_served(&world, &token).await;
}

#[tokio::test]
async fn item_21_a_head_of_more_than_may_be_is_refused() {
    let (world, token) = world().await;
    for size in [40_000, 16_000_000] {
        let mut frames = Frames::open(&world, &[]).await;
        let block = head("GET", "/api", &token, &[("x", &"y".repeat(size))]);
        let mut blocks = block.chunks(16_000).peekable();
        let (mut kind, mut sent) = (HEADERS, Vec::new());
        while let Some(block) = blocks.next() {
            let end = if blocks.peek().is_none() { END_HEADERS } else { 0 };
            let flags = if kind == HEADERS { end | END_STREAM } else { end };
            sent.push(frame(kind, flags, 1, block));
            kind = CONTINUATION;
        }
        if size < 100_000 {
            frames.write(&sent.concat()).await;
            let answer = frames.read_on(1).await;
            // 0x88 is 200.
            let status = answer.as_ref().is_some_and(|f| f.kind == HEADERS && !f.payload.contains(&0x88));
            let reset = answer.as_ref().is_none_or(|f| f.kind == RST_STREAM || f.kind == GOAWAY);
            assert!(status || reset, "{answer:?}");
        } else {
            let flood = frames.flood(sent.into_iter()).await;
            assert!(!flood.whole || flood.goaway.is_some(), "{flood:?}");
        }
    }
    assert!(world.upstream.requests().is_empty());
    others_are_served(&world, &token).await;
}

#[tokio::test]
async fn item_21_a_bomb_of_one_remembered_field_is_refused() {
    let (world, token) = world().await;
    let mut frames = Frames::open(&world, &[]).await;
    // 4,000 bytes once, then one byte for each time: 16 MB of head in 8 KB.
    let bomb =
        [head("GET", "/api", &token, &[]), remembered("x", &"y".repeat(4_000)), vec![0x80 | 0x3e; 4_000]].concat();
    frames.write(&frame(HEADERS, WHOLE, 1, &bomb)).await;
    let answer = frames.read_on(1).await;
    assert!(answer.is_none_or(|f| f.kind != DATA), "it was answered");
    assert!(world.upstream.requests().is_empty());
    others_are_served(&world, &token).await;
}

#[tokio::test]
async fn item_21_a_window_of_one_byte_gets_bytes_one_by_one() {
    let (world, token) = world().await;
    let mut frames = Frames::open(&world, &[(4, 1)]).await;
    frames.write(&frame(HEADERS, WHOLE, 1, &head("GET", "/big/100000000", &token, &[]))).await;
    assert_eq!(frames.read_on(1).await.unwrap().kind, HEADERS);
    for _ in 0..200 {
        let data = frames.read_on(1).await.unwrap();
        assert_eq!((data.kind, data.payload.len()), (DATA, 1));
        frames.write(&frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())).await;
    }
    let held = world.upstream.produced();
    assert!(held <= 2 << 20, "{held} bytes wait for a reader of 200");
    others_are_served(&world, &token).await;
    drop(frames);
    within(world.upstream.until_open(0)).await;
}
