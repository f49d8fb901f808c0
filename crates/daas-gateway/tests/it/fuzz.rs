//! The corpora of `fuzz/`, and what a few changes make of them. `make fuzz` looks further.

use daas_gateway::fuzz;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

const CASES: u32 = 2_000;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/../../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(corpus.len() >= 8, "the corpus of {target} is gone");
    for bytes in &corpus {
        run(bytes);
    }
    let two = (any::<Index>(), any::<Index>(), any::<Index>(), any::<Index>());
    let changes = vec((any::<Index>(), any::<u8>()), 0..4);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(CASES) });
    // The beginning of one and the end of another, with some bytes exchanged.
    let spliced = (two, changes).prop_map(|((one, other, until, from), changes)| {
        let (one, other) = (one.get(&corpus), other.get(&corpus));
        let mut bytes = [&one[..until.index(one.len() + 1)], &other[from.index(other.len() + 1)..]].concat();
        for (at, byte) in changes.into_iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
            *at.get_mut(&mut bytes) = byte;
        }
        bytes
    });
    runner
        .run(&spliced, |bytes| {
            run(&bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn tokens() {
    replay("token", fuzz::token);
}

#[test]
fn headers() {
    replay("headers", fuzz::headers);
}

#[test]
fn paths() {
    replay("path", fuzz::path);
}

#[test]
fn k3s() {
    replay("k3s", fuzz::k3s);
}

#[test]
fn upgrades() {
    replay("upgrade", fuzz::upgrade);
}
