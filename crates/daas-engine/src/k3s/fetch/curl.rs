//! The system's `curl`, which knows the machine's proxies and whom it trusts. It fetches one address at a time: where a server
//! sends on to is judged here. Its output is taken as it comes, so that no more is kept than is wanted.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};

use super::{Failed, FetchError};
use crate::k3s::release::Place;

/// Seconds: for a connection, without anything coming, and in all.
const LIMITS: [&str; 8] =
    ["--connect-timeout", "20", "--speed-time", "30", "--speed-limit", "1000", "--max-time", "1800"];
/// GitHub sends on once.
const REDIRECTS: usize = 5;
/// How many of the last lines are kept.
const SHOWN: usize = 16;
const CHUNK: usize = 64 << 10;

/// What takes an answer's body.
pub(super) trait Sink {
    /// What came so far was none of it.
    async fn again(&mut self) -> io::Result<()>;
    /// The next bytes.
    async fn take(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Where it lies.
pub(super) struct Curl {
    path: PathBuf,
}

/// How an answer ended.
struct Answer {
    status: u16,
    redirect: String,
}

// === impl Curl ===

impl Curl {
    pub(super) fn from_path() -> Result<Self, FetchError> {
        Self::find(std::env::var_os("PATH").unwrap_or_default().as_os_str())
    }

    pub(super) fn find(path: &OsStr) -> Result<Self, FetchError> {
        let found = std::env::split_paths(path).map(|folder| folder.join("curl")).find(|file| file.is_file());
        Ok(Self { path: found.ok_or(FetchError::NoCurl)? })
    }

    /// Gives the file at this place to the sink: the whole of it, or there is an error.
    pub(super) async fn get<S: Sink>(
        &self,
        place: &Place,
        mut sink: S,
        limit: u64,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<S, Failed> {
        let mut at = place.clone();
        for _ in 0..=REDIRECTS {
            sink.again().await.map_err(Failed::Write)?;
            let Answer { status, redirect } = self.ask(&at, &mut sink, limit, progress).await?;
            match status {
                200 => return Ok(sink),
                301 | 302 | 303 | 307 | 308 => at = at.redirected(&redirect)?,
                404 | 410 => return Err(FetchError::NotThere { url: at.shown(), status }.into()),
                _ => {
                    let said = format!("the server answers {status}");
                    return Err(FetchError::Network { url: at.shown(), said }.into());
                }
            }
        }
        let said = "sent on too often".to_owned();
        Err(FetchError::Network { url: place.shown(), said }.into())
    }

    async fn ask<S: Sink>(
        &self,
        place: &Place,
        sink: &mut S,
        limit: u64,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Answer, Failed> {
        let failed = |said: String| FetchError::Network { url: place.shown(), said };
        let mut child = self.command(place).spawn().map_err(|error| failed(format!("curl: {error}")))?;
        let input = child.stdin.take().expect("stdin must be piped");
        let out = child.stdout.take().expect("stdout must be piped");
        let err = child.stderr.take().expect("stderr must be piped");
        let told = tell(input, place);
        let ((), body, said) = tokio::join!(told, body(out, sink, limit, progress), last_lines(err));
        if !body? {
            return Err(FetchError::TooLong { url: place.shown(), limit }.into());
        }
        let status = child.wait().await.map_err(|error| failed(error.to_string()))?;
        if !status.success() {
            return Err(failed(format!("{} ({status})", reason(&said))).into());
        }
        let answer = said.iter().find_map(|line| Answer::parse(line));
        answer.ok_or_else(|| failed("curl did not say how it ended".to_owned()).into())
    }

    fn command(&self, place: &Place) -> Command {
        let mut command = Command::new(&self.path);
        // First: nothing that is set for other uses, certificates unchecked among them.
        command.arg("--disable").args(["--silent", "--show-error", "--globoff", "--tlsv1.2"]).args(LIMITS);
        if place.is_plain() {
            // What is on this machine no proxy knows.
            command.args(["--proto", "=http", "--noproxy", "*"]);
        } else {
            command.args(["--proto", "=https"]);
        }
        command.args(["--write-out", "%{stderr}\nanswer: %{http_code} %{redirect_url}\n", "--config", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

const MARK: &str = "answer: ";

// === impl Answer ===

impl Answer {
    fn parse(line: &str) -> Option<Self> {
        let (status, redirect) = line.strip_prefix(MARK)?.split_once(' ')?;
        Some(Self { status: status.parse().ok()?, redirect: redirect.to_owned() })
    }
}

/// The address, as a line of a configuration: what a server signs into one is not for everyone who can list processes.
async fn tell(mut input: ChildStdin, place: &Place) {
    // One that has ended already says itself why.
    let _ = input.write_all(format!("url = \"{}\"\n", place.url()).as_bytes()).await;
}

/// Takes it all; `false` if there is more than is wanted, which ends it.
async fn body<S: Sink>(
    mut out: ChildStdout,
    sink: &mut S,
    limit: u64,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<bool, Failed> {
    let (mut buffer, mut taken) = (vec![0; CHUNK], 0_u64);
    loop {
        let count = out.read(&mut buffer).await.map_err(Failed::Write)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { return Ok(true) };
        taken = taken.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if taken > limit {
            return Ok(false);
        }
        sink.take(bytes).await.map_err(Failed::Write)?;
        progress(taken);
    }
}

/// What curl says went wrong: one line of the many about it.
fn reason(said: &VecDeque<String>) -> String {
    let own = said.iter().find(|line| line.starts_with("curl: "));
    own.or_else(|| said.iter().find(|line| !line.starts_with(MARK))).cloned().unwrap_or_default()
}

async fn last_lines(err: ChildStderr) -> VecDeque<String> {
    let (mut lines, mut last) = (BufReader::new(err.take(64 << 10)).lines(), VecDeque::new());
    while let Ok(Some(line)) = lines.next_line().await {
        if last.len() == SHOWN {
            last.pop_front();
        }
        if !line.is_empty() {
            last.push_back(line);
        }
    }
    last
}

impl Sink for Vec<u8> {
    async fn again(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }

    async fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::RELEASES;

    fn arguments(place: &str) -> Vec<String> {
        let command = Curl { path: "curl".into() }.command(&place.parse().unwrap());
        command.as_std().get_args().map(|word| word.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn one_line_says_what_went_wrong() {
        let said = |lines: &[&str]| reason(&lines.iter().map(|line| (*line).to_owned()).collect());
        let told = ["curl: (60) certificate problem", "More details here: https://", "answer: 000 "];
        assert_eq!(said(&told), told[0]);
        assert_eq!(said(&["answer: 000 ", "killed"]), "killed");
        assert_eq!(said(&[]), "");
    }

    #[test]
    fn what_is_set_for_other_uses_does_not_count() {
        let words = arguments(RELEASES);
        assert_eq!(words[0], "--disable", "a .curlrc may say `insecure`");
        assert!(words.windows(2).any(|pair| pair == ["--proto", "=https"]), "{words:?}");
        assert!(!words.iter().any(|word| word.contains("://")), "an address may be signed: {words:?}");
        for forbidden in ["--location", "--insecure", "--proxy-insecure", "--noproxy"] {
            assert!(!words.iter().any(|word| word == forbidden), "{forbidden}");
        }
        assert!(arguments("http://127.0.0.1:1").windows(2).any(|pair| pair == ["--proto", "=http"]));
    }
}
