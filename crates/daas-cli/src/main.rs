//! `k3s-daas`: the one program a person types. What can be typed is in `cli`, what it does in `commands`, what keeps a
//! cluster running in `supervise`.

mod bench;
mod chain;
mod cli;
mod commands;
mod context;
mod contract;
mod demo;
mod exit;
mod gateway;
mod kubeconfig;
mod machine;
mod minting;
mod output;
mod paths;
mod place;
mod policy_view;
mod sending;
mod stage;
mod status_view;
mod sui_cli;
mod supervise;
mod workers;

use clap::Parser as _;
use cli::Cli;
use exit::Exit;
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.global.json);
    match commands::run(cli) {
        Ok(()) => Exit::Ok.into(),
        Err(problem) => {
            output.problem(&problem);
            Exit::of(&problem).into()
        }
    }
}
