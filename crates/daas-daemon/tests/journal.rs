//! What is logged by a process whose standard error is the journal's arrives there in fields.
//!
//! The journal's socket has one fixed place. The test therefore runs itself again with a `/run` of its own, is the journal
//! there, and starts itself a third time as the process that logs.
#![expect(clippy::unwrap_used, reason = "a test that cannot do its part must fail")]

use daas_daemon::logs::{self, Format};
use nix::sys::stat::fstat;
use nix::unistd::Uid;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;
use std::time::Duration;

const ROLE: &str = "DAAS_TEST_ROLE";
const NAME: &str = "what_is_logged_reaches_the_journal_in_fields";
const OWN_RUN: &str =
    "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && exec \"$0\" --exact \"$1\" --nocapture";
/// Not reached by a test that passes.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn what_is_logged_reaches_the_journal_in_fields() {
    match std::env::var(ROLE).as_deref() {
        Ok("process") => log(),
        Ok(_) => be_the_journal(),
        Err(_) if !Uid::effective().is_root() => {
            let _ = writeln!(std::io::stderr(), "SKIPPED: a /run of its own needs root");
        }
        Err(_) => {
            let own = std::env::current_exe().unwrap();
            let mut inside = Command::new("unshare");
            inside.args(["--mount", "--propagation", "private", "sh", "-c", OWN_RUN]).arg(own).arg(NAME);
            assert!(inside.env(ROLE, "journal").status().unwrap().success());
        }
    }
}

fn log() {
    logs::init(Format::Human, "info");
    tracing::info!(node.id = "worker-1", stake.mist = 5, "joined");
    tracing::debug!("not at this level");
    tracing::warn!("two\nlines");
}

fn be_the_journal() {
    let journal = UnixDatagram::bind("/run/systemd/journal/socket").unwrap();
    journal.set_read_timeout(Some(LIMIT)).unwrap();
    let (theirs, _ours) = UnixStream::pair().unwrap();
    let is = fstat(&theirs).unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", NAME, "--nocapture"]).env(ROLE, "process");
    process.env("JOURNAL_STREAM", format!("{}:{}", is.st_dev, is.st_ino)).stderr(OwnedFd::from(theirs));
    assert!(process.status().unwrap().success());

    let (joined, lines) = (entry(&journal), entry(&journal));
    let field = |name: &str| joined.get(name).map(String::as_str);
    assert_eq!(field("MESSAGE"), Some("joined"));
    assert_eq!(field("PRIORITY"), Some("5"), "{joined:?}");
    assert_eq!(field("DAAS_NODE_ID"), Some("worker-1"), "{joined:?}");
    assert_eq!(field("DAAS_STAKE_MIST"), Some("5"));
    assert_eq!(field("TARGET"), Some("journal"));
    assert_eq!(lines.get("MESSAGE").map(String::as_str), Some("two\nlines"), "{lines:?}");
}

/// The next entry: `NAME=value`, or for any bytes `NAME`, their number in eight bytes, and they.
fn entry(journal: &UnixDatagram) -> BTreeMap<String, String> {
    let mut buffer = [0; 4096];
    let read = loop {
        // An empty one only asks whether there is a journal.
        let read = journal.recv(&mut buffer).unwrap();
        if read > 0 {
            break read;
        }
    };
    let (mut rest, mut fields) = (&buffer[..read], BTreeMap::new());
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let line = text(&rest[..end]);
        rest = &rest[end + 1..];
        if let Some((name, value)) = line.split_once('=') {
            fields.insert(name.to_owned(), value.to_owned());
            continue;
        }
        let (length, value) = rest.split_first_chunk::<8>().unwrap();
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap();
        fields.insert(line, text(&value[..length]));
        rest = &value[length + 1..];
    }
    fields
}
