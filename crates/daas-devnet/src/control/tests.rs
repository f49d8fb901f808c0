//! What docs/devnet.md says can be said.

use super::client::Args;
use super::protocol::Request;
use crate::faults::{Fault, LieKind};
use clap::{Parser, ValueEnum as _};
use std::collections::BTreeSet;

const GUIDE: &str = include_str!("../../../../docs/devnet.md");

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn parsed(words: &str) -> Request {
    let line = format!("control --state-dir ./net {words}");
    let line = Line::try_parse_from(line.split_whitespace()).unwrap_or_else(|e| panic!("{words}: {e}"));
    line.args.into_request()
}

#[test]
fn every_request_it_shows_is_one() {
    let shown: Vec<Request> = GUIDE
        .lines()
        .filter(|line| line.starts_with("{\"command\""))
        .flat_map(|line| line.split("  ").map(str::trim).filter(|part| !part.is_empty()))
        .map(|json| serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}")))
        .collect();
    let commands: BTreeSet<String> =
        shown.iter().map(|r| serde_json::to_value(r).unwrap()["command"].as_str().unwrap().to_owned()).collect();
    assert_eq!(commands.len(), 11, "{commands:?}");
    // As they are read, so are they written.
    for request in shown {
        let again = serde_json::from_str::<Request>(&serde_json::to_string(&request).unwrap()).unwrap();
        assert_eq!(again, request);
    }
}

#[test]
fn every_command_it_shows_is_one() {
    let commands = GUIDE.lines().filter_map(|line| line.strip_prefix("control "));
    let commands: Vec<Request> = commands.map(|line| parsed(line.split('#').next().unwrap())).collect();
    assert!(commands.contains(&Request::ClockAdvance { ms: 10_000 }) && commands.len() == 10, "{commands:?}");
    let rows = GUIDE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let faults: Vec<Fault> = rows
        .filter(|row| !row.contains('…') && !row.contains('.'))
        .map(|row| match parsed(&format!("fault add {row}")) {
            Request::FaultAdd { fault, .. } => fault,
            other => panic!("{other:?}"),
        })
        .collect();
    let lies = faults.iter().filter_map(|fault| if let Fault::Lie(lie) = fault { Some(lie.lie) } else { None });
    assert_eq!(lies.collect::<Vec<_>>(), LieKind::value_variants());
    assert_eq!(faults.len(), 6 + LieKind::value_variants().len());
}

#[test]
fn a_typing_error_is_no_request() {
    for json in [
        r#"{"command":"fault-add","fault":{"kind":"delay","seconds":1}}"#,
        r#"{"command":"fault-add","fault":{"kind":"stall"},"for":1}"#,
        r#"{"command":"fault-add","fault":{"kind":"lie","lie":"old-tip","fitting":"effects"}}"#,
        r#"{"command":"fault-add","fault":{"kind":"unavailable","percent":300}}"#,
        r#"{"command":"clock-set","ms":-1}"#,
    ] {
        assert!(serde_json::from_str::<Request>(json).is_err(), "{json}");
    }
}
