use crate::ErrorCode;
use core::fmt;

/// An error a person sees: which one of the catalogue, and the technical cause in English. Never carries a secret.
pub struct Problem {
    /// What happened.
    pub code: ErrorCode,
    /// The technical cause.
    pub cause: String,
}

// === impl Problem ===

impl Problem {
    /// A problem with its cause.
    pub fn new(code: ErrorCode, cause: impl fmt::Display) -> Self {
        Self { code, cause: cause.to_string() }
    }

    /// `map_err(Problem::of(ErrorCode::…))`; the cause includes the error's sources.
    pub fn of<E: core::error::Error>(code: ErrorCode) -> impl FnOnce(E) -> Self {
        move |error| {
            let mut cause = error.to_string();
            let mut source = error.source();
            while let Some(inner) = source {
                cause = format!("{cause}: {inner}");
                source = inner.source();
            }
            Self { code, cause }
        }
    }

    /// The body that Kubernetes' clients read a refusal from (`metav1.Status`), for this HTTP status. The first cause is the
    /// technical one, the second the Korean message.
    pub fn status(&self, http: u16) -> serde_json::Value {
        let Self { code, cause } = self;
        serde_json::json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": format!("{} ({cause}) Fix: {}", code.english(), code.fix()),
            "reason": code.name(),
            "details": { "causes": [
                { "reason": code.code(), "message": cause },
                { "reason": "ko", "message": code.korean() },
            ] },
            "code": http,
        })
    }

    /// The message for a person: code, both languages, the cause, what mends it.
    pub fn render(&self) -> String {
        let Self { code, cause } = self;
        let (ko, en, cause) = (code.korean(), code.english(), cause.trim_end().replace('\n', "\n    "));
        format!("✗ {} {ko}\n  {en}\n  {}: {cause}\n  → {}", code.code(), code.name(), code.fix())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {} ({})", self.code.code(), self.code.name(), self.code.english(), self.cause)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Problem {}
