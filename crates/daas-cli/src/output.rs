//! The one place that prints: results to standard output, progress and problems to standard error.

use daas_types::Problem;
use serde::Serialize;
use serde_json::json;
use std::fmt;
use std::io::{ErrorKind, Write};

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
                Ok(json) => print(&format!("{json}\n")),
                Err(error) => complain(&format!("the result cannot be shown as JSON: {error}")),
            }
        } else {
            print(&format!("{}\n", visible(&text.to_string())));
        }
    }

    /// Bytes that are the result themselves: a token, a kubeconfig, a script.
    #[expect(clippy::unused_self, reason = "whoever prints holds the one handle for it")]
    pub(crate) fn raw(self, text: &str) {
        print(text);
    }

    /// Progress, and hints that are not the result. A program gets none, so that it can parse a problem.
    pub(crate) fn note(self, text: impl fmt::Display) {
        if !self.json {
            complain(&visible(&text.to_string()));
        }
    }

    /// What is not as it should be, though the command does its work. A program gets none, as of progress.
    pub(crate) fn warning(self, problem: &Problem) {
        self.note(problem.render());
    }

    /// What went wrong.
    pub(crate) fn problem(self, problem: &Problem) {
        if self.json {
            complain(&as_json(problem).to_string());
        } else {
            complain(&visible(&problem.render()));
        }
    }
}

/// To standard output. Whoever closed it has read enough; any other failure is worth a word.
fn print(text: &str) {
    if let Err(error) = write(&mut std::io::stdout().lock(), text) {
        complain(&format!("standard output: {error}"));
    }
}

/// To standard error, where a failure can be told to nobody.
fn complain(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

fn write(to: &mut impl Write, text: &str) -> std::io::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// The text with control characters but line breaks spelt out: what others wrote on chain must not steer a terminal.
fn visible(text: &str) -> String {
    spelt(text, |c| c != '\n' && c != '\t')
}

/// A name, URI or the like that others chose, in one line.
pub(crate) fn one_line(text: &str) -> String {
    spelt(text, |_| true)
}

fn spelt(text: &str, what: impl Fn(char) -> bool) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if c.is_control() && what(c) || is_bidirectional(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// Characters that turn the order in which the others are shown.
fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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

    /// A reader such as `head` closes the pipe when it has enough.
    #[test]
    fn a_closed_pipe_is_no_trouble() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        drop(reader);
        write(&mut writer, "text").unwrap();
        assert_eq!(write(&mut [0; 2].as_mut_slice(), "text").unwrap_err().kind(), ErrorKind::WriteZero);
    }

    #[test]
    fn what_others_wrote_steers_no_terminal() {
        assert_eq!(visible("a\n\u{1b}[2Kb\u{7}\r\tc\u{202e}"), "a\n\\u{1b}[2Kb\\u{7}\\u{d}\tc\\u{202e}");
        assert_eq!(one_line("https://a\n✓ 예\u{9b}"), "https://a\\u{a}✓ 예\\u{9b}");
    }

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
