use bytes::Bytes;
use core::fmt;
use core::panic::Location;
use core::time::Duration;
use daas_types::{ErrorCode, Problem};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// Why a request goes no further. Becomes a `metav1.Status`, which every Kubernetes client can show.
#[derive(Debug)]
pub struct Refusal {
    code: ErrorCode,
    status: StatusCode,
    cause: String,
    /// When it may be tried again, in seconds.
    retry_after: u64,
    /// The line that refuses.
    place: &'static Location<'static>,
}

// === impl Refusal ===

impl Refusal {
    /// A refusal. `cause` is shown to the client, so it may not carry a secret. So is the line of this call: whoever makes
    /// one elsewhere than where it is decided marks that function with `track_caller` too.
    #[track_caller]
    pub fn new(code: ErrorCode, status: StatusCode, cause: impl fmt::Display) -> Self {
        Self { code, status, cause: cause.to_string(), retry_after: 1, place: Location::caller() }
    }

    /// 429: too much for now, and no more in `wait`.
    #[track_caller]
    pub(crate) fn too_fast(code: ErrorCode, cause: impl fmt::Display, wait: Duration) -> Self {
        let retry_after = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after, ..Self::new(code, StatusCode::TOO_MANY_REQUESTS, cause) }
    }

    /// 401: not known who it is.
    #[track_caller]
    pub fn unauthorized(code: ErrorCode, cause: impl fmt::Display) -> Self {
        Self::new(code, StatusCode::UNAUTHORIZED, cause)
    }

    /// 403: known, and may not.
    #[track_caller]
    pub fn forbidden(code: ErrorCode, cause: impl fmt::Display) -> Self {
        Self::new(code, StatusCode::FORBIDDEN, cause)
    }

    /// 503: not now.
    #[track_caller]
    pub fn unavailable(code: ErrorCode, cause: impl fmt::Display) -> Self {
        Self::new(code, StatusCode::SERVICE_UNAVAILABLE, cause)
    }

    /// 400: a form that is not looked at.
    #[track_caller]
    pub(crate) fn form(cause: impl fmt::Display) -> Self {
        Self::new(ErrorCode::PathRefused, StatusCode::BAD_REQUEST, cause)
    }

    /// The same as 401 where it is 403, which K3s' agents take for a wrong node password whatever its message says.
    pub(crate) fn for_agents(self) -> Self {
        let status = if self.status == StatusCode::FORBIDDEN { StatusCode::UNAUTHORIZED } else { self.status };
        Self { status, ..self }
    }

    /// Which rule.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The technical cause.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// For the audit log: the code's name, and the line that refuses.
    pub(crate) fn reason(&self) -> String {
        format!("{} {}", self.code.name(), place(self.place))
    }

    pub(crate) fn into_response(self) -> Response<Bytes> {
        let Self { code, status, cause, retry_after, place: at } = self;
        let mut body = Problem::new(code, cause).status(status.as_u16());
        if let Some(causes) = body.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
            causes.push(json!({ "reason": "place", "message": place(at) }));
        }
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // client-go sends anything again that is answered so, whatever its method: only where nothing was forwarded.
        if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
        }
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code.name(), self.cause)
    }
}

impl core::error::Error for Refusal {}

/// `daas-gateway/src/admit.rs:97`; the program's version is in the audit log beside it.
fn place(at: &Location<'_>) -> String {
    let file = at.file();
    let file = file.rsplit_once("crates/").map_or(file, |(_, file)| file);
    format!("{file}:{}", at.line())
}
