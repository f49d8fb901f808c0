//! A supervisor's routes. By the path as it is decoded, and any word stands for the `k3s` in it.

use super::authenticator::{Unknown, User};
use super::supervisor::{Asked, Flight, State};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, request};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use rustls_pki_types::CertificateDer;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::watch;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;
type Said = Result<Response<Body>, (StatusCode, &'static str)>;

const NODES: &str = "system:nodes";
const FORBIDDEN: (StatusCode, &str) = (StatusCode::FORBIDDEN, "forbidden");
const UNAUTHORIZED: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "not authorized");

pub(super) async fn answer(
    state: Arc<State>,
    chain: Arc<Vec<CertificateDer<'static>>>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let upgrade = request.headers().contains_key(UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (head, body) = request.into_parts();
    let judged = state.authenticator.judge(&head.headers, &chain, state.api_up.load(Ordering::Relaxed));
    let user = judged.as_ref().map_or_else(|_| "-".to_owned(), |user| format!("{} {:?}", user.name, user.groups));
    let at = record(&state, &head, user);
    let path = percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
    let said = match (&head.method, path.as_str()) {
        (_, "/cacerts") => Ok(text(state.server_ca.pem())),
        (_, "/ping") => Ok(text("pong")),
        (&Method::CONNECT, _) => role(judged, &["system:masters"]).map(|_| text("")),
        // Whoever comes from loopback.
        (_, "/db/info") => Ok(text(r#"{"members":[]}"#)),
        (_, path) => match path.strip_prefix("/v1-").and_then(|rest| rest.split_once('/')) {
            Some((program, route)) => supervised(&state, (program, route), &head, body, judged, upgrade).await,
            None => kubernetes(&state, &head, judged),
        },
    };
    let response = said.unwrap_or_else(|(code, message)| status(code, message));
    state.asked.lock().unwrap()[at].status = response.status().as_u16();
    Ok(response)
}

fn record(state: &State, head: &request::Parts, user: String) -> usize {
    let header = |(name, value): (&http::HeaderName, &HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let asked = Asked {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: head.headers.iter().map(header).collect(),
        user,
        status: 0,
    };
    let mut all = state.asked.lock().unwrap();
    all.push(asked);
    state.seen.send_replace(all.len());
    all.len() - 1
}

fn role(judged: Result<User, Unknown>, groups: &[&str]) -> Result<User, (StatusCode, &'static str)> {
    match judged {
        Ok(user) if user.groups.iter().any(|group| groups.contains(&group.as_str())) => Ok(user),
        Ok(_) | Err(Unknown::Nothing) => Err(FORBIDDEN),
        Err(Unknown::Wrong) => Err(UNAUTHORIZED),
    }
}

async fn supervised(
    state: &Arc<State>,
    (program, route): (&str, &str),
    head: &request::Parts,
    body: Incoming,
    judged: Result<User, Unknown>,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
) -> Said {
    match route {
        "connect" => {
            let user = role(judged, &[NODES])?;
            return connect(state, &user, upgrade);
        }
        "encrypt/status" | "encrypt/config" | "cert/cacerts" | "server-bootstrap" | "token" => {
            return role(judged, &["k3s:server"]).map(|_| text("{}"));
        }
        _ => {}
    }
    let user = role(judged, &["k3s:agent", NODES, "system:bootstrappers"])?;
    let flight = if head.method == Method::GET { &state.reads } else { &state.writes };
    let Some(_flying) = Flying::new(flight) else { return Err((StatusCode::TOO_MANY_REQUESTS, "too many requests")) };
    state.held.subscribe().wait_for(|held| !held).await.unwrap();
    let (read, write) = *state.takes.lock().unwrap();
    tokio::time::sleep(if head.method == Method::GET { read } else { write }).await;
    let named = |header: &str| {
        let value = head.headers.get(format!("{program}-Node-{header}"));
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    match route {
        "config" => Ok(text(r#"{"ClusterIPRange":{"IP":"10.42.0.0"},"DisableKubeProxy":false}"#)),
        "client-ca.crt" => Ok(text(state.client_ca.pem())),
        "server-ca.crt" => Ok(text(state.server_ca.pem())),
        "apiservers" => Ok(text(serde_json::json!([state.advertised]).to_string())),
        "readyz" => Ok(text("ok")),
        "serving-kubelet.crt" => {
            let node = node(state, &user, named("Name"), named("Password"))?;
            let sign =
                |request: &[u8]| state.server_ca.sign_server_request(request, &[&node, "localhost", "127.0.0.1"]);
            Ok(issue(state, head, body, sign).await)
        }
        "client-kubelet.crt" => {
            let node = node(state, &user, named("Name"), named("Password"))?;
            let name = format!("system:node:{node}");
            Ok(issue(state, head, body, |request| state.client_ca.sign_request(request, &name, &[NODES])).await)
        }
        "client-kube-proxy.crt" => {
            let sign = |request: &[u8]| state.client_ca.sign_request(request, "system:kube-proxy", &[]);
            Ok(issue(state, head, body, sign).await)
        }
        "client-k3s-controller.crt" => {
            let name = format!("system:{program}-controller");
            Ok(issue(state, head, body, |request| state.client_ca.sign_request(request, &name, &[])).await)
        }
        _ => Err((StatusCode::NOT_FOUND, "no such route")),
    }
}

/// The node that a certificate is for: believed with the agents' token, if the password is the one that came first.
fn node(
    state: &State,
    user: &User,
    name: Option<String>,
    password: Option<String>,
) -> Result<String, (StatusCode, &'static str)> {
    let (Some(name), Some(password)) = (name, password) else {
        return Err((StatusCode::BAD_REQUEST, "node name or password not set"));
    };
    if let Some(of) = user.name.strip_prefix("system:node:") {
        if of != name {
            return Err((StatusCode::FORBIDDEN, "header node name does not match auth node name"));
        }
        if !state.nodes.lock().unwrap().contains(&name) {
            return Err(UNAUTHORIZED);
        }
    }
    let mut passwords = state.passwords.lock().unwrap();
    if *passwords.entry(name.clone()).or_insert_with(|| password.clone()) != password {
        return Err((StatusCode::FORBIDDEN, "unable to verify password for node: hash does not match"));
    }
    Ok(name)
}

/// A certificate for the request's key; for what is no request, one for a key that all share, and that key.
async fn issue(state: &State, head: &request::Parts, body: Incoming, sign: impl Fn(&[u8]) -> String) -> Response<Body> {
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let parsed = X509CertificationRequest::from_der(&body);
    let valid = parsed.is_ok_and(|(rest, request)| rest.is_empty() && request.verify_signature().is_ok());
    if head.method == Method::POST && valid && !state.shares.load(Ordering::Relaxed) {
        return text(format!("{}{}", sign(&body), state.client_ca.pem()));
    }
    let pem = sign(state.shared_key.der());
    let (_, key) = state.shared_key.leaf(&pem).pem();
    text(format!("{pem}{key}"))
}

fn connect(state: &Arc<State>, user: &User, upgrade: Option<hyper::upgrade::OnUpgrade>) -> Said {
    if !user.name.starts_with("system:node:") {
        return Err(UNAUTHORIZED);
    }
    let upgrade = upgrade.ok_or((StatusCode::BAD_REQUEST, "not a websocket handshake"))?;
    let (tunnels, name) = (state.tunnels.clone(), user.name.clone());
    state.tasks.spawn(async move {
        let Ok(tunnel) = upgrade.await else { return };
        tunnels.send_modify(|open| open.push(name.clone()));
        let (mut read, mut write) = tokio::io::split(TokioIo::new(tunnel));
        let _ = tokio::io::copy(&mut read, &mut write).await;
        tunnels.send_modify(|open| {
            let at = open.iter().position(|other| *other == name).unwrap();
            open.remove(at);
        });
    });
    let mut response = text("");
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    Ok(response)
}

fn kubernetes(state: &Arc<State>, head: &request::Parts, judged: Result<User, Unknown>) -> Said {
    let user = judged.map_err(|_| UNAUTHORIZED)?;
    if user.groups.iter().any(|group| group == "k3s:agent") {
        // The API server does not know K3s' tokens.
        return Err(UNAUTHORIZED);
    }
    if let (&Method::POST, "/api/v1/nodes", Some(node)) =
        (&head.method, head.uri.path(), user.name.strip_prefix("system:node:"))
    {
        state.nodes.lock().unwrap().insert(node.to_owned());
    }
    if head.uri.query().is_some_and(|query| query.contains("watch=true")) {
        state.watches.send_modify(|open| *open += 1);
        let open = Open(state.watches.clone());
        let rest = stream::unfold(open, |open| async {
            let _open = open;
            std::future::pending().await
        });
        let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"{\"type\":\"BOOKMARK\"}\n")))]);
        return Ok(Response::new(StreamBody::new(first.chain(rest).boxed())));
    }
    Ok(text(format!(r#"{{"kind":"Answer","user":"{}"}}"#, user.name)))
}

/// An open watch.
struct Open(watch::Sender<usize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// One that is answered.
struct Flying<'a>(&'a Flight);

impl<'a> Flying<'a> {
    fn new(flight: &'a Flight) -> Option<Self> {
        let now = flight.now.fetch_add(1, Ordering::SeqCst) + 1;
        let flying = Self(flight);
        flight.peak.send_if_modified(|peak| std::mem::replace(peak, now.max(*peak)) < now);
        (now <= flight.most).then_some(flying)
    }
}

impl Drop for Flying<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

fn text(text: impl Into<Bytes>) -> Response<Body> {
    let text = text.into();
    let frames = stream::iter((!text.is_empty()).then(|| Ok(Frame::data(text))));
    Response::new(StreamBody::new(frames.boxed()))
}

fn status(code: StatusCode, message: &str) -> Response<Body> {
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code.as_u16(),
    });
    let mut response = text(body.to_string());
    *response.status_mut() = code;
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
