//! Refusals as the master's gateway words them, so that one reader is enough for both.

use bytes::Bytes;
use daas_types::{ErrorCode, Problem};
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

/// Why a request is not answered.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    problem: Problem,
    /// Methods that the path has.
    allow: Option<String>,
}

// === impl Refusal ===

impl Refusal {
    pub(super) fn new(status: StatusCode, problem: Problem) -> Self {
        Self { status, problem, allow: None }
    }

    /// A request that is not understood.
    pub(super) fn form(status: StatusCode, cause: impl core::fmt::Display) -> Self {
        Self::new(status, Problem::new(ErrorCode::ApiRequestRefused, cause))
    }

    /// A path that has other methods.
    pub(super) fn method(allow: String) -> Self {
        let refusal = Self::form(StatusCode::METHOD_NOT_ALLOWED, format!("this path has {allow}"));
        Self { allow: Some(allow), ..refusal }
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let Self { status, problem, allow } = self;
        let mut response = text(status, "application/json", problem.status(status.as_u16()).to_string());
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
            headers.insert(ALLOW, allow);
        }
        response
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        use ErrorCode as Code;
        let status = match problem.code {
            Code::ApiTokenRefused => StatusCode::UNAUTHORIZED,
            Code::ApiOriginRefused => StatusCode::FORBIDDEN,
            Code::ApiRequestRefused
            | Code::AmountRefused
            | Code::LifetimeRefused
            | Code::NodeIdMismatch
            | Code::NotYours
            | Code::StakeBelowMinimum
            | Code::StakeAboveMaximum => StatusCode::BAD_REQUEST,
            Code::NotStaked
            | Code::AlreadyStaked
            | Code::InsufficientFunds
            | Code::NodeIdTaken
            | Code::StakeTooLow
            | Code::StakeSlashed
            | Code::PositionSuspended
            | Code::PositionSlashed
            | Code::PositionClosed
            | Code::SlashPending
            | Code::UnbondingNotOver
            | Code::NodeJailed => StatusCode::CONFLICT,
            Code::WorkerBusy
            | Code::TooManyRequests
            | Code::ChainUnreachable
            | Code::ChainStale
            | Code::ChainUnproven
            | Code::MasterUnreachable
            | Code::MasterUnverified
            | Code::MasterUnknown
            | Code::ApiServerUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, problem)
    }
}

/// An answer that nobody keeps on the way.
pub(super) fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_by_our_own_clients() {
        let problem = Problem::new(ErrorCode::LifetimeRefused, "31 days");
        let body = problem.status(400);
        let back = daas_client::refusal(StatusCode::BAD_REQUEST, body.to_string().as_bytes(), ErrorCode::Internal);
        assert_eq!((back.code, back.cause.as_str()), (ErrorCode::LifetimeRefused, "31 days"));
        assert!(body.to_string().contains("유효 기간"), "{body}");
    }
}
