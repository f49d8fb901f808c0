//! What the API's callers ask of the worker. The driver reads it beside its interrupts.

use crate::state::StakeOrder;
use core::time::Duration;
use daas_types::{ErrorCode, Permissions, Problem, SealSecret, UnixMs};
use tokio::sync::{mpsc, oneshot};

/// How many may wait. A person types them one at a time.
const WAITING: usize = 8;
/// How long a caller waits. A transaction takes seconds; one that waits for more than this goes on without its caller.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where the answer goes. Nobody may be listening any more.
pub type Reply<T> = oneshot::Sender<Result<T, Problem>>;

/// What the driver reads.
pub type Inbox = mpsc::Receiver<Command>;

/// One thing to do.
#[derive(Debug)]
pub enum Command {
    /// Stake if there is no stake; then make a Seal, in place of the one in use.
    Stake(StakeOrder, Reply<Staked>),
    /// Register with the master once more; answered when it has.
    Register(Reply<()>),
    /// Leave the cluster and take out the stake; answered once the stake is on its way. Asked again, it says how far it is.
    Unstake(Reply<Leaving>),
}

/// The stake's Seal.
#[derive(Debug)]
pub struct Staked {
    /// Its secret, if this order made it.
    pub secret: Option<SealSecret>,
    /// When it ends.
    pub expires: UnixMs,
    /// What it permits.
    pub permissions: Permissions,
}

/// How far out the stake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// On its way, still slashable.
    Unbonding {
        /// From when on it can be taken out.
        withdrawable: UnixMs,
    },
    /// In the wallet again.
    Unstaked,
}

/// Gives commands to one worker.
#[derive(Clone, Debug)]
pub struct Commands(mpsc::Sender<Command>);

/// The two ends.
pub fn channel() -> (Commands, Inbox) {
    let (sender, inbox) = mpsc::channel(WAITING);
    (Commands(sender), inbox)
}

// === impl Commands ===

impl Commands {
    /// Stakes and makes a Seal.
    pub async fn stake(&self, order: StakeOrder) -> Result<Staked, Problem> {
        self.ask(|reply| Command::Stake(order, reply)).await
    }

    /// Registers once more.
    pub async fn register(&self) -> Result<(), Problem> {
        self.ask(Command::Register).await
    }

    /// Leaves.
    pub async fn unstake(&self) -> Result<Leaving, Problem> {
        self.ask(Command::Unstake).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(command(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Problem::new(ErrorCode::WorkerBusy, format!("{WAITING} commands are waiting"))
            }
            mpsc::error::TrySendError::Closed(_) => ending(),
        })?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(ending()),
            Err(_) => {
                let cause = format!("no answer within {} s; it may still be done", PATIENCE.as_secs());
                Err(Problem::new(ErrorCode::WorkerBusy, cause))
            }
        }
    }
}

fn ending() -> Problem {
    Problem::new(ErrorCode::WorkerBusy, "the worker is ending")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_so() {
        let (commands, _inbox) = channel();
        let problem = commands.unstake().await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::WorkerBusy);
        assert!(problem.cause.contains("may still be done"), "{problem}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_and_a_worker_that_ends_refuse_at_once() {
        let (commands, inbox) = channel();
        for _ in 0..WAITING {
            let (reply, _) = oneshot::channel();
            commands.0.try_send(Command::Register(reply)).unwrap();
        }
        assert!(commands.register().await.unwrap_err().cause.contains("waiting"));
        drop(inbox);
        assert!(commands.register().await.unwrap_err().cause.contains("ending"));
    }

    #[tokio::test]
    async fn an_answer_arrives() {
        let (commands, mut inbox) = channel();
        let worker = async {
            let Some(Command::Unstake(reply)) = inbox.recv().await else { panic!("not what was asked") };
            reply.send(Ok(Leaving::Unstaked)).unwrap();
        };
        assert_eq!(tokio::join!(commands.unstake(), worker).0.unwrap(), Leaving::Unstaked);
    }
}
