//! The twin against what the compiled bytecode declares. (Layouts are held against it where they are defined, in
//! `daas_types::onchain`.)

use super::{MoveError, errors, functions};
use crate::execute::{digest_of_package, interface};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const CONTEXT: &str = "0x2::tx_context::TxContext";

/// Needs an object that only real networks have.
const NOT_EXECUTED: [(&str, &str); 1] = [("seal_token", "create_display")];

type Signature = (Vec<String>, Option<String>);

#[test]
fn the_twin_has_every_function_that_a_transaction_can_use() {
    let interface = interface();
    let mut declared = BTreeMap::new();
    for (module, content) in interface.as_object().unwrap() {
        for (name, function) in content["functions"].as_object().unwrap() {
            let changes = function["entry"] == true || function["returns"].as_array().unwrap().is_empty();
            if (changes || is_view(&interface, function)) && !NOT_EXECUTED.contains(&(module, name)) {
                declared.insert((module.clone(), name.clone()), signature(function));
            }
        }
    }
    let texts = |params: &[&str]| params.iter().map(|p| (*p).to_owned()).collect();
    let twin: BTreeMap<_, Signature> = functions()
        .map(|f| ((f.module.to_owned(), f.name.to_owned()), (texts(f.params), f.answers().map(str::to_owned))))
        .collect();
    assert_eq!(twin, declared);
}

/// It answers one value, and needs nothing but objects and what a transaction can give as bytes.
fn is_view(interface: &Value, function: &Value) -> bool {
    let (params, answers) = signature(function);
    let is_object = |param: &str| {
        let Some(kind) = param.strip_prefix('&') else { return true };
        let Some((module, name)) = kind.strip_prefix("0x0::").and_then(|kind| kind.split_once("::")) else {
            return kind == "0x2::clock::Clock";
        };
        interface[module]["structs"][name]["abilities"].as_array().unwrap().iter().any(|a| a == "key")
    };
    answers.is_some_and(|kind| !kind.starts_with('&')) && params.iter().all(|param| is_object(param))
}

fn signature(function: &Value) -> Signature {
    let texts = |key: &str| -> Vec<String> {
        function[key].as_array().unwrap().iter().map(|p| p.as_str().unwrap().to_owned()).collect()
    };
    let params = texts("parameters").into_iter().filter(|p| !p.ends_with(CONTEXT)).collect();
    (params, texts("returns").pop())
}

#[test]
fn the_twin_has_every_error_with_its_code() {
    let mut declared = BTreeSet::new();
    for (module, content) in interface().as_object().unwrap() {
        for (name, error) in content["errors"].as_object().unwrap() {
            let text = error["message"].as_str().unwrap().to_owned();
            declared.insert((module.clone(), name.clone(), error["code"].as_u64().unwrap(), text));
        }
    }
    let one = |e: &MoveError| (e.module.to_owned(), e.name.to_owned(), u64::from(e.code), e.message.to_owned());
    assert_eq!(errors().map(one).collect::<BTreeSet<_>>(), declared);
}

#[test]
fn the_digest_is_the_compilers() {
    let (computed, declared) = digest_of_package();
    assert_eq!(hex::encode(computed.as_bytes()), declared);
}
