//! Network interfaces of this process's network namespace, as `ip` tells of them: what lies below /sys may be another's.

use serde::Deserialize;

use crate::command::{self, CommandError};

/// One of them.
#[derive(Debug, Deserialize)]
struct Link {
    #[serde(rename = "ifname")]
    name: String,
    /// The bridge that it is a port of.
    master: Option<String>,
}

/// Their names.
pub(crate) async fn names() -> Result<Vec<String>, CommandError> {
    Ok(all().await?.into_iter().map(|link| link.name).collect())
}

/// Deletes those that are meant, and what hangs on them: the kernel removes a pod's end of a pair some time after its namespace,
/// so the ends on a bridge go first.
pub(crate) async fn delete(meant: impl Fn(&str) -> bool) -> Result<(), CommandError> {
    let all = all().await?;
    for port in all.iter().filter(|link| link.master.as_deref().is_some_and(&meant)) {
        let _ = command::run("ip", &["link", "delete", &port.name]).await;
    }
    for link in all.iter().filter(|link| meant(&link.name)) {
        command::run("ip", &["link", "delete", &link.name]).await?;
    }
    Ok(())
}

async fn all() -> Result<Vec<Link>, CommandError> {
    const SHOW: [&str; 3] = ["-json", "link", "show"];
    let said = command::run("ip", &SHOW).await?;
    let unread = |error: serde_json::Error| CommandError {
        command: format!("ip {}", SHOW.join(" ")),
        reason: error.to_string(),
    };
    serde_json::from_str(&said).map_err(unread)
}
