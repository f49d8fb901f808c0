//! Random sequences of calls, run through the twin and, as generated Move tests, by the real compiler and VM: what one
//! does the other must do, byte for byte, and what one refuses the other must refuse with the same code at the same place.
//!
//! `DAAS_SEQUENCES` says how many (100), `DAAS_SEED` with what seed (printed); what happens in a sequence follows from its
//! seed. With `DAAS_SEQUENCES_FILE` they are only recorded, there.

mod chain;
mod draw;
mod life;
mod plan;
mod random;
mod scene;
mod told;

use super::{Run, errors, functions};
use chain::Ground;
use life::{Refused, Sequence, Step};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const SEQUENCES: u64 = 100;
const SEED: u64 = 20_261_101;
/// Of each sequence so many calls that abort, at different places; and of so many sequences one has the first of them at
/// its end.
const REFUSALS: usize = 5;
const ENDS_REFUSED: u64 = 3;
/// So many are in memory at once.
const AT_ONCE: usize = 50;

#[test]
fn the_real_vm_does_what_the_twin_does() {
    let (count, seed) = (number("DAAS_SEQUENCES", SEQUENCES), number("DAAS_SEED", SEED));
    println!("{count} sequences, DAAS_SEED={seed}");
    let (ground, mut refused) = (Ground::new(), Refused::new());
    let (mut told, mut calls) = (vec![], BTreeMap::new());
    let numbers: Vec<u64> = (0..count).collect();
    for some in numbers.chunks(AT_ONCE) {
        for (n, mut sequence) in some.iter().zip(live(&ground, seed, some)) {
            sequence.choose(REFUSALS, n % ENDS_REFUSED == 0, &mut refused);
            count_calls(&sequence, &mut calls);
            told.push(told::sequence(&format!("s{n:04}"), &sequence));
        }
    }
    report(&calls, &refused);
    let told = serde_json::to_vec(&json!({ "sequences": told })).unwrap();
    if let Ok(file) = std::env::var("DAAS_SEQUENCES_FILE") {
        return std::fs::write(file, told).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sequences.json");
    std::fs::write(&file, told).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/sequences.sh");
    let verdict = Command::new(script).arg(&file).status().unwrap();
    if !verdict.success() {
        let kept = dir.keep();
        panic!("the two differ; the sequences are in {}", kept.display());
    }
}

/// The sequences of these numbers, made in two threads.
fn live<'g>(ground: &'g Ground, seed: u64, numbers: &[u64]) -> Vec<Sequence<'g>> {
    let (first, second) = numbers.split_at(numbers.len() / 2);
    let all = |numbers: &[u64]| -> Vec<_> { numbers.iter().map(|n| life::live(ground, seed + n)).collect() };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| all(first));
        let second = all(second);
        first.join().unwrap().into_iter().chain(second).collect()
    })
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

fn count_calls(sequence: &Sequence<'_>, calls: &mut BTreeMap<(&'static str, &'static str), usize>) {
    let mut count = 0;
    for step in &sequence.steps {
        if let Step::Call(called) = step {
            *calls.entry((called.op.function.module, called.op.function.name)).or_default() += 1;
            count += 1;
        }
    }
    assert!(count >= life::OPERATIONS);
}

/// What the sequences cover.
fn report(calls: &BTreeMap<(&'static str, &'static str), usize>, refused: &Refused) {
    let changes: Vec<_> = functions().filter(|it| matches!(it.run, Run::Change(_))).collect();
    let uncalled: Vec<String> = changes
        .iter()
        .filter(|it| !calls.contains_key(&(it.module, it.name)))
        .map(|it| format!("{}::{}", it.module, it.name))
        .collect();
    let is_refused =
        |module: &str, name: &str| refused.keys().any(|(abort, ..)| abort.module == module && abort.name == name);
    let unseen: Vec<String> =
        errors().filter(|it| !is_refused(it.module, it.name)).map(|it| format!("{}::{}", it.module, it.name)).collect();
    let total: usize = calls.values().sum();
    println!("{total} calls of {} of {} functions; not called: {uncalled:?}", calls.len(), changes.len());
    let refusals: usize = refused.values().sum();
    println!(
        "{refusals} refusals with {} of {} codes; not seen: {unseen:?}",
        errors().count() - unseen.len(),
        errors().count()
    );
}
