//! The one place that prints: results to standard output, progress and problems to standard error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is this module's job")]

use daas_types::Problem;
use serde::Serialize;
use serde_json::json;
use std::fmt;

/// How results are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

// === impl Output ===

impl Output {
    /// Text for people, or one JSON object.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the caller is a program.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// The result: `text` for people, `value` for programs.
    pub(crate) fn result(self, text: impl fmt::Display, value: &impl Serialize) {
        if self.json {
            match serde_json::to_string_pretty(value) {
                Ok(json) => println!("{json}"),
                Err(error) => eprintln!("the result cannot be shown as JSON: {error}"),
            }
        } else {
            println!("{text}");
        }
    }

    /// Bytes that are the result themselves: a token, a kubeconfig, a script.
    #[expect(clippy::unused_self, reason = "whoever prints holds the one handle for it")]
    pub(crate) fn raw(self, text: &str) {
        print!("{text}");
    }

    /// Progress, and hints that are not the result. A program gets none, so that it can parse a problem.
    pub(crate) fn note(self, text: impl fmt::Display) {
        if !self.json {
            eprintln!("{text}");
        }
    }

    /// What went wrong.
    pub(crate) fn problem(self, problem: &Problem) {
        if self.json {
            eprintln!("{}", as_json(problem));
        } else {
            eprintln!("{}", problem.render());
        }
    }
}

/// `✓ text`.
pub(crate) fn done(text: impl fmt::Display) -> String {
    format!("✓ {text}")
}

/// `✗ text`.
pub(crate) fn failed(text: impl fmt::Display) -> String {
    format!("✗ {text}")
}

pub(crate) fn as_json(problem: &Problem) -> serde_json::Value {
    let code = problem.code;
    json!({ "error": {
        "code": code.code(), "name": code.name(), "korean": code.korean(), "english": code.english(),
        "cause": problem.cause, "fix": code.fix(),
    }})
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_types::ErrorCode;

    #[test]
    fn a_problem_says_what_why_and_what_now() {
        let text = Problem::new(ErrorCode::PortBusy, "127.0.0.1:6443 is held by nginx (pid 7)").render();
        assert_eq!(
            text,
            "✗ D502 포트를 이미 사용 중입니다.\n  The port is in use.\n  PortBusy: 127.0.0.1:6443 is held by nginx \
             (pid 7)\n  → Stop the program that holds it, or choose another: `--port`, \
             `--devnet-listen`, `--devnet-faucet`, `--admin`."
        );
    }
}
