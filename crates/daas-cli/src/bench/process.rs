//! What the kernel has counted for one process, without its children.

use anyhow::Context as _;
use std::fs;
use std::time::Duration;

/// A tick is 10 ms wherever Linux shows it to programs.
const TICK: Duration = Duration::from_millis(10);

/// Millions of bytes in memory.
pub(super) fn resident_mb(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/status");
    resident(&fs::read_to_string(&path).context(path)?).context("the kernel shows no VmRSS")
}

/// Time of a core, in the program and in the kernel.
pub(super) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    spent(&fs::read_to_string(&path).context(path)?).context("the kernel's account is not understood")
}

/// How many were running or waiting for a core, of the last minute.
pub(super) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes = line.trim().trim_end_matches(" kB").parse::<u32>().ok()?;
    Some(f64::from(kilobytes) * 1.024 / 1000.0)
}

/// `proc_pid_stat(5)`; the fields behind the name, which may hold anything.
fn spent(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u32>().ok()?.checked_add(fields.next()?.parse().ok()?)?;
    Some(TICK * ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 900 0 2 0 150 50 7 9 20 0 4 0 1234 0 0";
        assert_eq!(spent(stat), Some(Duration::from_secs(2)));
        assert_eq!(resident("Name:\tx\nVmRSS:\t   20000 kB\nThreads:\t4\n"), Some(20.48));
        assert!(spent("42 (a) S 1").is_none() && resident("VmRSS: many").is_none());
        assert!(resident_mb(std::process::id()).unwrap() > 0.1 && cpu(std::process::id()).is_ok());
    }
}
