use super::*;
use core::time::Duration;
use h2::server;
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// An API server that answers pings and nothing else.
fn present(io: DuplexStream, streams: u32, servers: &mut JoinSet<()>) {
    servers.spawn(async move {
        let mut connection =
            server::Builder::new().max_concurrent_streams(streams).handshake::<_, Bytes>(io).await.unwrap();
        while let Some(Ok(_)) = connection.accept().await {}
    });
}

async fn link(streams: u32, servers: &mut JoinSet<()>) -> Link {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    present(theirs, streams, servers);
    Link::over(ours, &TaskTracker::new(), &CancellationToken::new()).await.unwrap()
}

async fn links(count: usize, servers: &mut JoinSet<()>) -> Links {
    let links = Links::within(count, Arc::new(Semaphore::new(0)));
    for _ in 0..count {
        let link = link(2, servers).await;
        links.open().push(link);
    }
    links
}

fn idle(links: &Links) -> Vec<bool> {
    links.open().iter().map(Link::is_idle).collect()
}

#[test]
fn what_lasts_is_told_as_the_api_server_tells_it() {
    let lane = |uri: &str| Lane::of(&uri.parse().unwrap());
    for long in [
        "/api/v1/pods?watch=true",
        "/api/v1/pods?limit=5&watch",
        "/api/v1/pods?%77atch=1",
        "/api/v1/namespaces/a/pods/b/log?follow=true",
        "/api/v1/watch/pods",
        "/apis/apps/v1/%77atch/deployments",
    ] {
        assert_eq!(lane(long), Lane::Long, "{long}");
    }
    for short in ["/api", "/api/v1/pods?limit=500", "/apis/watch/v1/pods", "/api/v1/namespaces/watch", "/watch/pods"] {
        assert_eq!(lane(short), Lane::Short, "{short}");
    }
}

#[tokio::test]
async fn a_connection_has_as_many_places_as_it_allows() {
    let mut servers = JoinSet::new();
    let link = link(2, &mut servers).await;
    let (first, _second) = (link.place().unwrap(), link.place().unwrap());
    assert!(link.place().is_none());
    drop(first);
    assert!(link.place().is_some());
}

#[tokio::test]
async fn a_shard_stays_on_its_connection_and_overflows_to_the_next() {
    let mut servers = JoinSet::new();
    let links = links(3, &mut servers).await;
    let _two = (links.place(1).unwrap(), links.place(4).unwrap());
    assert_eq!(idle(&links), [true, false, true]);
    let _third = links.place(1).unwrap();
    assert_eq!(idle(&links), [true, false, false]);
    let _last = (links.place(2).unwrap(), links.place(2).unwrap(), links.place(2).unwrap());
    assert!(links.place(0).is_none());
}

#[tokio::test]
async fn what_one_pool_takes_leaves_the_other_its_own() {
    let mut servers = JoinSet::new();
    let one = Links::within(2, Arc::new(Semaphore::new(1)));
    let other = one.another();
    let mut taken = 0;
    while let Some(room) = one.room() {
        let link = link(2, &mut servers).await.within(room);
        one.open().push(link);
        taken += 1;
    }
    assert_eq!(taken, 3);
    for _ in 0..2 {
        let link = link(2, &mut servers).await.within(other.room().unwrap());
        other.open().push(link);
    }
    assert!(other.room().is_none());
    // What is given back is anybody's.
    one.open().clear();
    assert!(other.room().is_some());
}

#[tokio::test]
async fn idle_connections_are_closed_but_one() {
    let mut servers = JoinSet::new();
    let links = links(4, &mut servers).await;
    let place = links.place(2).unwrap();
    links.trim();
    assert_eq!(idle(&links), [true, false]);
    drop(place);
    links.trim();
    assert_eq!(idle(&links), [true]);
    // What was dropped says goodbye: three of the four servers have ended.
    for _ in 0..3 {
        servers.join_next().await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_answers_no_ping_is_given_up() {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (tasks, kill) = (TaskTracker::new(), CancellationToken::new());
    let handshake = server::handshake(theirs);
    let (silent, _never_polled) = tokio::join!(Link::over(ours, &tasks, &kill), handshake);
    let silent = silent.unwrap();
    let mut servers = JoinSet::new();
    let present = link(2, &mut servers).await;
    assert!(!silent.is_closed() && !present.is_closed());
    sleep(Duration::from_mins(1)).await;
    assert!(silent.is_closed() && !present.is_closed());
}
