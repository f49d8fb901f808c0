//! What kubectl keeps open: exec, attach, cp, logs and port-forward, over either protocol.

use super::SOON;
use crate::support::commands::{Stream, command, feed, run, succeed};
use crate::support::others::Kubectl;
use crate::support::pods::NAMESPACE;
use anyhow::{Context as _, Result, ensure};
use nix::pty::openpty;
use nix::unistd::ttyname;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A pod that says what it hears.
pub(super) const TALK: &str = r#"
apiVersion: v1
kind: Pod
metadata: { name: talk, namespace: tests }
spec:
  terminationGracePeriodSeconds: 1
  tolerations:
    - { key: node-restriction.kubernetes.io/daas-owner, operator: Exists, effect: NoSchedule }
  containers:
    - name: talk
      image: local/busybox:1
      imagePullPolicy: Never
      stdin: true
      command: [/bin/sh, -c, "while read word; do echo heard $word; done"]
"#;
/// What is copied into a pod and out again.
const MEBIBYTES: u64 = 200;
const TUNNELS: usize = 100;

/// Both streams and the exit code; the end of the input ends the command.
pub(super) async fn exec(kubectl: &Kubectl<'_>) -> Result<()> {
    let args = ["-n", NAMESPACE, "exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7"];
    let ran = run(kubectl.command(&args)).await?;
    ensure!(ran.code == 7 && ran.stdout == "out\n" && ran.stderr.starts_with("err\n"), "{ran:?}");
    let ran = feed(kubectl.command(&["-n", NAMESPACE, "exec", "-i", "web", "--", "wc", "-c"]), Some("bond\n")).await?;
    ensure!(ran.code == 0 && ran.stdout.trim() == "5", "{ran:?}");
    Ok(())
}

/// A terminal whose size changes, and its exit code.
pub(super) async fn terminal(kubectl: &Kubectl<'_>) -> Result<()> {
    let pty = openpty(None, None)?;
    let name = ttyname(&pty.slave)?;
    let size = async |rows: &str, cols: &str| {
        let mut stty = command("stty", &["rows", rows, "cols", cols, "-F"]);
        stty.arg(&name);
        succeed(stty).await
    };
    size("40", "111").await?;
    let exec = kubectl.command(&["-n", NAMESPACE, "exec", "-it", "web", "--", "sh"]);
    // Its own session, whose terminal this is: that is how the kernel tells it of another size.
    let mut shell = command("setsid", &["--wait", "--ctty"]);
    shell.arg(exec.as_std().get_program()).args(exec.as_std().get_args());
    shell.envs(exec.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
    let end = || pty.slave.try_clone().map(Stdio::from);
    let mut child = shell.stdin(end()?).stdout(end()?).stderr(end()?).spawn()?;
    let mut keys = tokio::fs::File::from_std(File::from(pty.master.try_clone()?));
    let mut screen = Screen { file: tokio::fs::File::from_std(File::from(pty.master)), seen: String::new() };
    let mut write = async |text: &str| {
        keys.write_all(text.as_bytes()).await?;
        keys.flush().await
    };
    write("stty size\n").await?;
    screen.until("40 111").await?;
    size("50", "120").await?;
    // What is typed is shown, too, so the answer is spelt otherwise.
    write("until [ \"$(stty size)\" = '50 120' ]; do sleep 0.1; done; echo seen-$((1+1))\n").await?;
    screen.until("seen-2").await?;
    write("exit 7\n").await?;
    let status = timeout(SOON, child.wait()).await.context("the shell did not end")??;
    ensure!(status.code() == Some(7), "the shell ended with {status}");
    Ok(())
}

/// Attaches to a running container; whoever follows its logs hears the same.
pub(super) async fn attach(kubectl: &Kubectl<'_>, word: &str) -> Result<()> {
    let mut logs = Stream::start(kubectl.command(&["-n", NAMESPACE, "logs", "-f", "talk"]))?;
    let mut attach = kubectl.command(&["-n", NAMESPACE, "attach", "-i", "talk"]);
    attach.stdin(Stdio::piped());
    let mut attach = Stream::start(attach)?;
    let mut keys = attach.child.stdin.take().context("no standard input")?;
    keys.write_all(format!("{word}\n").as_bytes()).await?;
    keys.flush().await?;
    let heard = format!("heard {word}");
    attach.until(&heard, SOON).await?;
    logs.until(&heard, SOON).await?;
    attach.stop().await?;
    logs.stop().await
}

/// Copies a file of so many bytes into the pod.
pub(super) async fn copy_in(kubectl: &Kubectl<'_>, folder: &Path) -> Result<()> {
    let file = folder.join("big");
    let fill = format!("head -c {} /dev/urandom > \"$0\"", MEBIBYTES << 20);
    let mut make = command("sh", &["-c", &fill]);
    make.arg(&file);
    succeed(make).await?;
    let file = file.to_str().context("not UTF-8")?;
    kubectl.get(&["-n", NAMESPACE, "cp", file, "web:/big"]).await?;
    let there = kubectl.get(&["-n", NAMESPACE, "exec", "web", "--", "sha256sum", "/big"]).await?;
    let here = succeed(command("sha256sum", &[file])).await?;
    ensure!(there.split(' ').next() == here.split(' ').next(), "{there} is not {here}");
    Ok(())
}

/// Copies it out again.
pub(super) async fn copy_out(kubectl: &Kubectl<'_>, folder: &Path) -> Result<()> {
    let (file, copy) = (folder.join("big"), folder.join("copy"));
    kubectl.get(&["-n", NAMESPACE, "cp", "web:/big", copy.to_str().context("not UTF-8")?]).await?;
    let mut same = command("cmp", &[]);
    same.arg(&file).arg(&copy);
    succeed(same).await?;
    std::fs::remove_file(file)?;
    std::fs::remove_file(copy)?;
    kubectl.get(&["-n", NAMESPACE, "exec", "web", "--", "rm", "/big"]).await.map(drop)
}

/// Many connections through one tunnel, all open at once.
pub(super) async fn tunnel(kubectl: &Kubectl<'_>) -> Result<()> {
    let mut forward = Stream::start(kubectl.command(&["-n", NAMESPACE, "port-forward", "web", ":8080"]))?;
    let line = forward.until("Forwarding from 127.0.0.1:", SOON).await?;
    let port: u16 = line.split([':', ' ']).find_map(|word| word.parse().ok()).context(line.clone())?;
    let mut open = Vec::new();
    for _ in 0..TUNNELS {
        open.push(TcpStream::connect(("127.0.0.1", port)).await?);
    }
    let mut answers: JoinSet<_> = open.into_iter().map(fetch).collect();
    let all = async {
        while let Some(answer) = answers.join_next().await {
            let answer = answer??;
            ensure!(answer.ends_with("\r\n\r\nweb\n"), "{answer:?}");
        }
        Ok(())
    };
    timeout(2 * SOON, all).await.context("no answer through the tunnel")??;
    forward.stop().await
}

/// Asks a web server for its page on an open connection.
async fn fetch(mut stream: TcpStream) -> Result<String> {
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// A terminal's other end.
struct Screen {
    file: tokio::fs::File,
    seen: String,
}

// === impl Screen ===

impl Screen {
    async fn until(&mut self, word: &str) -> Result<()> {
        let read = async {
            let mut part = [0; 1024];
            while !self.seen.contains(word) {
                let n = self.file.read(&mut part).await?;
                ensure!(n > 0, "the terminal was closed");
                self.seen.push_str(&String::from_utf8_lossy(part.get(..n).unwrap_or_default()));
            }
            anyhow::Ok(())
        };
        timeout(SOON, read).await.with_context(|| format!("`{word}` was not shown"))?
    }
}
