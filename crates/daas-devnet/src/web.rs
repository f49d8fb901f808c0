//! A look at the network for people: pages without scripts, and the same as JSON. They show the ledger as it is, whatever lies
//! the gRPC services tell, and change nothing.

mod html;
mod lists;
mod page;
mod single;

use crate::StoreError;
use crate::node::{Node, blocking};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use page::Page;
use serde::Deserialize;
use serde_json::json;

/// Rows of a page.
const ROWS: usize = 50;
/// Everything is in the document: nothing is fetched and nothing runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'";

/// Where a list begins, and what it is of.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    before: Option<String>,
    after: Option<String>,
    owner: Option<String>,
    parent: Option<String>,
    version: Option<u64>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
enum Absent {
    #[error("there is no {0}")]
    NotFound(String),
    #[error("{0}")]
    Bad(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The pages, to be put before the gRPC services.
pub(crate) fn routes(node: Node) -> Router {
    let mut router = Router::new().route("/", get(answer)).route("/index.json", get(answer));
    for name in ["checkpoints", "transactions", "events", "objects", "faults"] {
        router = router
            .route(&format!("/{name}"), get(answer))
            .route(&format!("/{name}.json"), get(answer))
            .route(&format!("/{name}/{{item}}"), get(answer));
    }
    router.with_state(node)
}

async fn answer(
    State(node): State<Node>,
    uri: Uri,
    headers: HeaderMap,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let path = uri.path().trim_matches('/').to_owned();
    let as_json = path.strip_suffix(".json").map(str::to_owned);
    let wants_json = as_json.is_some() || prefers_json(&headers);
    let path = as_json.unwrap_or(path);
    let found = match asked {
        Ok(Query(asked)) => {
            let page = blocking(move || find(&node, &path, &asked)).await;
            page.unwrap_or_else(|error| Err(error.into()))
        }
        Err(rejection) => Err(Absent::Bad(rejection.body_text())),
    };
    let status = match &found {
        Ok(_) => StatusCode::OK,
        Err(Absent::NotFound(_)) => StatusCode::NOT_FOUND,
        Err(Absent::Bad(_)) => StatusCode::BAD_REQUEST,
        Err(Absent::Store(error)) => {
            tracing::error!(%error, "the ledger failed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    let (kind, body) = if wants_json {
        let text = match &found {
            Ok(page) => serde_json::to_string_pretty(page).unwrap_or_default(),
            Err(absent) => format!("{:#}", json!({ "error": absent.to_string() })),
        };
        ("application/json", text + "\n")
    } else {
        let document = match &found {
            Ok(page) => html::document(page),
            Err(absent) => html::absent(&absent.to_string()),
        };
        ("text/html; charset=utf-8", document.into_string())
    };
    let about = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "accept"),
    ];
    (status, about, body).into_response()
}

fn find(node: &Node, path: &str, asked: &Asked) -> Result<Page, Absent> {
    let view = node.executor.ledger().view()?;
    match path.split_once('/').unwrap_or((path, "")) {
        ("" | "index", "") => lists::overview(node, &view),
        ("checkpoints", "") => lists::checkpoints(&view, asked),
        ("checkpoints", item) => single::checkpoint(&view, item),
        ("transactions", "") => lists::transactions(&view, asked),
        ("transactions", item) => single::transaction(&view, item),
        ("events", "") => lists::events(&view, asked),
        ("objects", "") => lists::objects(&view, asked),
        ("objects", item) => single::object(&view, item, asked),
        ("faults", "") => Ok(Page::Faults(page::Faults { faults: node.faults.list() })),
        _ => Err(Absent::NotFound(format!("page /{path}"))),
    }
}

fn prefers_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok()).unwrap_or_default();
    let first = accept.split(',').next().unwrap_or_default().split(';').next().unwrap_or_default();
    first.trim() == "application/json"
}

/// A part of a request as what it should be.
fn parsed<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Absent>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e| Absent::Bad(format!("`{text}` is no {what}: {e}")))
}
