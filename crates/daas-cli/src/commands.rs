//! What each command does, one file each.

mod audit;
mod chain;
mod completions;
mod credential;
mod down;
mod faucet;
mod join;
pub(crate) mod kubeconfig;
pub(crate) mod position;
mod rights;
mod stake;
mod status;
mod token;
pub(crate) mod up;
mod verify;
mod wallet;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::{bench, demo, supervise};
use daas_types::{ErrorCode, Problem};
use tokio::runtime::{Builder, Runtime};

/// Runs the command that was typed.
pub(crate) fn run(cli: Cli) -> Result<(), Problem> {
    let context = Context::new(&cli.global)?;
    match cli.command {
        // These need no runtime; `join` may become another program, so it must not have threads.
        Command::Completions { shell } => {
            completions::completions(&context, shell);
            Ok(())
        }
        Command::Man { folder } => completions::man(&folder),
        Command::Join(args) => join::run(&context, &args),
        command => runtime()?.block_on(run_async(&context, command)),
    }
}

async fn run_async(context: &Context, command: Command) -> Result<(), Problem> {
    match command {
        Command::Up(args) => up::run(context, &args).await,
        Command::Down(args) => down::run(context, &args).await,
        Command::Status(args) => status::run(context, &args).await,
        Command::Stake(args) => stake::run(context, &args).await,
        Command::Kubeconfig(args) => kubeconfig::run(context, &args).await,
        Command::Token(args) => token::run(context, &args).await,
        Command::Verify => verify::run(context).await,
        Command::Audit(command) => audit::run(context, &command).await,
        Command::Restake(args) => position::restake(context, &args).await,
        Command::Unstake(args) => position::unstake(context, &args).await,
        Command::Withdraw(args) => position::withdraw(context, &args).await,
        Command::Appeal(args) => position::appeal(context, &args).await,
        Command::RevokeSeal(args) => position::revoke_seal(context, &args).await,
        Command::Unjail(args) => position::unjail(context, &args).await,
        Command::Maintenance(args) => position::maintenance(context, &args).await,
        Command::Operator(command) => position::operator(context, &command).await,
        Command::Owner(command) => position::owner(context, &command).await,
        Command::Chain(args) => Box::pin(chain::run(context, &args)).await,
        Command::Faucet(args) => faucet::run(context, &args).await,
        Command::Wallet { command } => wallet::run(context, &command).await,
        Command::Bench { bench } => Box::pin(bench::run(context, &bench)).await,
        Command::Demo(args) => Box::pin(demo::run(context, &args)).await,
        Command::Engine(args) => up::engine(context, &args).await,
        Command::Credential(args) => credential::run(context, &args).await,
        Command::Supervise(args) => Box::pin(supervise::run(context, &args)).await,
        Command::Completions { .. } | Command::Man { .. } | Command::Join(_) => Ok(()),
    }
}

fn runtime() -> Result<Runtime, Problem> {
    Builder::new_multi_thread().enable_all().build().map_err(Problem::of(ErrorCode::Internal))
}
