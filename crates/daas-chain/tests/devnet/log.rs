//! What the program logs, as lines that a test can wait for.

use crate::world::PATIENCE;
use std::io::Write;
use std::sync::LazyLock;
use tokio::sync::watch;
use tracing::Level;

static LINES: LazyLock<watch::Sender<Vec<String>>> = LazyLock::new(|| {
    let subscriber = tracing_subscriber::fmt().with_max_level(Level::WARN).with_ansi(false).with_writer(|| Line);
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    watch::Sender::new(Vec::new())
});

/// Each write is a line.
struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line).into_owned();
        LINES.send_modify(|lines| lines.push(text));
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// From now on.
pub(crate) fn listen() -> Since {
    Since(LINES.borrow().len())
}

/// A moment.
#[derive(Clone, Copy)]
pub(crate) struct Since(usize);

impl Since {
    /// Waits for a line with all of `parts`.
    pub(crate) async fn says(self, parts: &[&str]) {
        let said =
            |lines: &Vec<String>| lines[self.0..].iter().any(|line| parts.iter().all(|part| line.contains(part)));
        let mut lines = LINES.subscribe();
        if tokio::time::timeout(PATIENCE, lines.wait_for(said)).await.is_err() {
            let lines = LINES.borrow()[self.0..].join("");
            panic!("no line with {parts:?} in\n{lines}");
        }
    }
}
