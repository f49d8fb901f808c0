//! Many clients at once, patient ones, slow ones and bad ones: `cargo bench --bench load -- NAME`.
//!
//! | name | what is asked |
//! |---|---|
//! | `watches` | what 10,000 idle watches over 1,000 connections take of memory, and whether all come back at once |
//! | `revocation-fanout` | how long the streams of a position outlive it, and whether the others notice |
//! | `bad-tokens` | what a million bad tokens do to memory and to a client with a good one |
//! | `slow-readers` | what watchers that do not read cost those who do |
//! | `workers` | a thousand nodes behind K3s: how they join, how long a heartbeat takes, what the gateway takes for them |
//!
//! The gateway and the stand-in API server are processes of their own. Clients are real: TLS 1.3, HTTP/2.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has to say so and stop")]

mod bad_tokens;
mod clients;
mod k3s;
mod revocation_fanout;
mod slow_readers;
#[path = "../support/lib.rs"]
mod support;
mod watches;
mod workers;

/// As a master has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Files that 1,000 connections take, in one process.
const FILES: u64 = 4_096;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if support::was_role() || bad_tokens::was_flood(&arguments) || workers::was_role(&arguments) {
        return;
    }
    let open = daas_testkit::bench::process::open_files();
    assert!(open >= FILES, "{open} files may be open, {FILES} are needed: `ulimit -n {FILES}`");
    // Cargo adds `--bench`.
    let names = arguments.iter().filter(|argument| !argument.starts_with('-'));
    let mut known = 0;
    for name in names {
        match name.as_str() {
            "watches" => watches::run(),
            "revocation-fanout" => revocation_fanout::run(),
            "bad-tokens" => bad_tokens::run(),
            "slow-readers" => slow_readers::run(),
            "workers" => workers::run(),
            other => panic!("no benchmark is called {other}"),
        }
        known += 1;
    }
    assert!(known > 0, "name one: watches, revocation-fanout, bad-tokens, slow-readers, workers");
}
