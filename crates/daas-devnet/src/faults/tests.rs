use super::layer::{FaultLayer, is_subscription};
use super::*;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use std::convert::Infallible;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer as _, ServiceExt as _, service_fn};

fn delay(ms: u64) -> Fault {
    Fault::Delay { ms }
}

fn unavailable(calls: Option<u64>, percent: Option<u8>, seed: u64) -> Fault {
    Fault::Unavailable { calls, percent, seed }
}

/// A gRPC message.
fn message(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap();
    [&[0], &length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// What a service that answers with these chunks looks like through the layer: the texts, and the status at the end.
async fn call(faults: &Arc<Faults>, method: &str, chunks: Vec<Vec<u8>>) -> (Vec<String>, Code) {
    let service = service_fn(move |_: Request<()>| {
        let frames = chunks.clone().into_iter().map(|c| Ok::<_, Status>(Frame::data(Bytes::from(c))));
        let mut trailers = http::HeaderMap::new();
        Status::ok("").add_header(&mut trailers).unwrap();
        let body = StreamBody::new(stream::iter(frames.chain([Ok(Frame::trailers(trailers))]).collect::<Vec<_>>()));
        async move { Ok::<_, Infallible>(Response::new(Body::new(body))) }
    });
    let request = Request::builder().uri(format!("/sui.rpc.v2.AnyService/{method}")).body(()).unwrap();
    let response = FaultLayer::new(faults.clone()).layer(service).oneshot(request).await.unwrap();
    if let Some(status) = Status::from_header_map(response.headers()) {
        return (vec![], status.code());
    }
    let body = response.into_body().collect().await.unwrap();
    let code = Status::from_header_map(body.trailers().unwrap()).unwrap().code();
    let bytes = body.to_bytes();
    let (mut texts, mut rest) = (vec![], &bytes[..]);
    while let Some((prefix, after)) = rest.split_at_checked(5) {
        let length = usize::try_from(u32::from_be_bytes(prefix[1..].try_into().unwrap())).unwrap();
        texts.push(String::from_utf8(after[..length].to_vec()).unwrap());
        rest = &after[length..];
    }
    (texts, code)
}

fn faults() -> Arc<Faults> {
    Arc::new(Faults::new())
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_as_long_as_all_delays_together() {
    let faults = faults();
    faults.add(delay(250), Some("GetObject"), None).unwrap();
    faults.add(delay(50), None, None).unwrap();
    let took = async |method: &str, messages: usize| {
        let start = Instant::now();
        let (texts, code) = call(&faults, method, vec![message("a"); messages]).await;
        assert_eq!((texts.len(), code), (messages, Code::Ok));
        start.elapsed().as_millis()
    };
    assert_eq!(took("GetObject", 1).await, 300);
    assert_eq!(took("GetCheckpoint", 1).await, 50);
    assert_eq!(took("SubscribeEvents", 3).await, 150);
    faults.clear(None);
    assert_eq!(took("GetObject", 1).await, 0);
}

#[tokio::test(start_paused = true)]
async fn calls_are_refused_by_number_by_method_and_by_chance() {
    let faults = faults();
    let code = async |method: &str| call(&faults, method, vec![message("a")]).await.1;
    faults.add(unavailable(Some(2), None, 0), Some("GetObject"), None).unwrap();
    assert_eq!(code("GetCheckpoint").await, Code::Ok);
    for expected in [Code::Unavailable, Code::Unavailable, Code::Ok] {
        assert_eq!(code("GetObject").await, expected);
    }
    assert_eq!(faults.list(), []);

    let pattern = async |seed: u64| {
        let id = faults.add(unavailable(None, Some(50), seed), None, None).unwrap();
        let mut refused = vec![];
        for _ in 0..40 {
            refused.push(code("GetEpoch").await == Code::Unavailable);
        }
        assert_eq!(faults.clear(Some(id)), 1);
        refused
    };
    let one = pattern(1).await;
    assert_eq!(pattern(1).await, one);
    assert_ne!(pattern(2).await, one);
    let refused = one.iter().filter(|r| **r).count();
    assert!((5..35).contains(&refused), "{refused} of 40");
}

#[tokio::test(start_paused = true)]
async fn frames_are_sent_twice_however_they_are_cut() {
    let faults = faults();
    let bytes = [message("one"), message("two"), message("three")].concat();
    let chunks: Vec<Vec<u8>> = bytes.chunks(4).map(<[u8]>::to_vec).collect();
    assert_eq!(call(&faults, "SubscribeEvents", chunks.clone()).await.0, ["one", "two", "three"]);
    let id = faults.add(Fault::Duplicates, None, None).unwrap();
    let (texts, code) = call(&faults, "SubscribeEvents", chunks.clone()).await;
    assert_eq!((texts.len(), code), (6, Code::Ok));
    assert_eq!(texts[..4], ["one", "one", "two", "two"]);
    // Lists only by name, answers of one message never.
    assert_eq!(call(&faults, "ListEvents", chunks.clone()).await.0.len(), 3);
    assert_eq!(call(&faults, "GetObject", vec![message("a")]).await.0.len(), 1);
    faults.clear(Some(id));
    faults.add(Fault::Duplicates, Some("ListEvents"), None).unwrap();
    assert_eq!(call(&faults, "ListEvents", chunks.clone()).await.0.len(), 6);
    assert_eq!(call(&faults, "SubscribeEvents", chunks).await.0.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_fault_ends_by_itself() {
    let faults = faults();
    faults.add(Fault::Stall, None, Some(Duration::from_secs(10))).unwrap();
    let start = Instant::now();
    assert!(faults.stalled());
    faults.until_running().await;
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    assert_eq!(faults.list(), []);
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_waited_for_until_it_is_cleared() {
    let faults = faults();
    let id = faults.add(Fault::Stall, None, None).unwrap();
    let mut waiting = Box::pin(faults.until_running());
    assert!(waiting.as_mut().now_or_never().is_none());
    faults.add(delay(1), None, None).unwrap();
    assert!(waiting.as_mut().now_or_never().is_none());
    faults.clear(Some(id));
    waiting.await;
}

#[tokio::test(start_paused = true)]
async fn only_subscriptions_are_dropped() {
    let faults = faults();
    let open = |method: &'static str| {
        let never = stream::once(async { Ok::<_, Status>(Frame::data(Bytes::from(message("a")))) });
        let body = Body::new(StreamBody::new(never.chain(stream::pending())));
        body::through(body, faults.clone(), method, is_subscription(method))
    };
    let (mut subscription, mut list) = (open("SubscribeCheckpoints"), open("ListCheckpoints"));
    assert!(subscription.frame().await.unwrap().unwrap().is_data());
    assert!(list.frame().await.unwrap().unwrap().is_data());
    assert_eq!(faults.drop_streams(), 1);
    let end = subscription.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(Status::from_header_map(&end).unwrap().code(), Code::Unavailable);
    assert!(subscription.frame().await.is_none());
    assert!(list.frame().now_or_never().is_none());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let faults = Faults::new();
    let refused = |fault: Fault, method: Option<&str>| faults.add(fault, method, None).unwrap_err().to_string();
    assert!(refused(delay(1), Some("GetObjects")).contains("no method GetObjects"));
    assert!(refused(Fault::Stall, Some("GetObject")).contains("stall is not about a method"));
    assert!(refused(Fault::Duplicates, Some("GetObject")).contains("answers once"));
    assert!(refused(unavailable(None, Some(101), 0), None).contains("101 is not a percentage"));
    let fitting = |lie, fit| Fault::Lie(Lie::new(lie).fitting(fit));
    assert!(refused(fitting(LieKind::OldTip, Fit::Effects), None).contains("takes no fit"));
    assert!(refused(fitting(LieKind::AlteredTimestamp, Fit::Contents), None).contains("fit but signature"));
    for _ in 0..MOST {
        faults.add(delay(1), None, None).unwrap();
    }
    assert!(refused(delay(1), None).contains("the most there can be"));
}

/// A method that is not in the layer's list would escape every fault.
#[test]
fn every_served_method_is_known() {
    for service in ["ledger", "state", "execution", "subscription", "package"] {
        let path = format!("{}/src/rpc/{service}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        let of_trait = text.split("#[tonic::async_trait]").nth(1).unwrap();
        let of_trait = &of_trait[..of_trait.find("\n}\n").unwrap()];
        let names = of_trait.lines().filter_map(|l| l.strip_prefix("    async fn ")?.split('(').next());
        let mut count = 0;
        for name in names {
            let words = name.split('_').map(|w| w[..1].to_uppercase() + &w[1..]);
            let method = words.collect::<String>();
            assert!(layer::method(&method).is_some(), "{method}");
            count += 1;
        }
        assert!(count >= 2, "{service}");
    }
}
