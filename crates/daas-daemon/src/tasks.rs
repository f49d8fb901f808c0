use std::future::Future;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Every long-lived task of a process, by name. A task that ends before shutdown is an event, not a silence: [`Tasks::run`]
/// returns at the first one, and the process ends with it.
pub struct Tasks {
    set: JoinSet<(&'static str, anyhow::Result<()>)>,
    shutdown: CancellationToken,
}

/// Why the process is ending.
#[derive(Debug)]
pub enum TaskEnd {
    /// It was asked to.
    Shutdown,
    /// A task ended by itself.
    Task {
        /// Which.
        name: &'static str,
        /// How; `Ok` is as unexpected as an error.
        result: anyhow::Result<()>,
    },
}

// === impl Tasks ===

impl Tasks {
    /// No tasks yet; all will be told to stop by `shutdown`.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { set: JoinSet::new(), shutdown }
    }

    /// Starts a task that must live as long as the process.
    pub fn spawn<F>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.set.spawn(async move { (name, task.await) });
    }

    /// Waits for shutdown, or for the first task that ends without it; then cancels the others.
    pub async fn run(&mut self) -> TaskEnd {
        let end = tokio::select! {
            () = self.shutdown.cancelled() => TaskEnd::Shutdown,
            Some(joined) = self.set.join_next() => match joined {
                Ok((name, result)) => TaskEnd::Task { name, result },
                Err(error) => TaskEnd::Task { name: "panicked", result: Err(error.into()) },
            },
        };
        self.shutdown.cancel();
        end
    }

    /// Gives the tasks until `grace` to end, then aborts what is left and names it.
    pub async fn drain(mut self, grace: std::time::Duration) {
        let all = async {
            while let Some(joined) = self.set.join_next().await {
                if let Ok((name, Err(error))) = joined {
                    tracing::warn!(task = name, error = format!("{error:#}"), "ended badly");
                }
            }
        };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!(grace_s = grace.as_secs(), "some tasks did not end in time and are aborted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_task_to_end_ends_all() {
        let shutdown = CancellationToken::new();
        let mut tasks = Tasks::new(shutdown.clone());
        let waiting = shutdown.clone();
        tasks.spawn("waits", async move {
            waiting.cancelled().await;
            Ok(())
        });
        tasks.spawn("dies", async { anyhow::bail!("broken") });
        let TaskEnd::Task { name: "dies", result: Err(_) } = tasks.run().await else { panic!("must name the task") };
        assert!(shutdown.is_cancelled());
        tasks.drain(std::time::Duration::from_secs(5)).await;
    }

    #[tokio::test]
    async fn a_panic_is_an_end_too() {
        let mut tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("panics", async { panic!("on purpose") });
        assert!(matches!(tasks.run().await, TaskEnd::Task { result: Err(_), .. }));
    }
}
