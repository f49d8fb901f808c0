//! Shell completions and manual pages, made from the same declarations as `--help`.

use crate::cli::{Cli, PROGRAM};
use crate::context::Context;
use clap::CommandFactory as _;
use daas_types::{ErrorCode, Problem};
use std::path::Path;

pub(crate) fn completions(context: &Context, shell: clap_complete::Shell) {
    context.output.raw(&script(shell));
}

pub(crate) fn man(folder: &Path) -> Result<(), Problem> {
    let broken =
        |error: std::io::Error| Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(broken)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(broken)
}

fn script(shell: clap_complete::Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap_complete::Shell;

    #[test]
    fn every_shell_has_a_script_that_knows_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            for word in ["kubeconfig", "unstake", "verify-package", "slash-bps"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    /// The shell itself reads the script, where there is one.
    #[test]
    fn bash_accepts_its_script() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("completions.bash");
        std::fs::write(&path, script(Shell::Bash)).unwrap();
        let status = std::process::Command::new("bash").arg("-n").arg(&path).status().unwrap();
        assert!(status.success());
    }

    #[test]
    fn a_manual_page_for_each_command() {
        let dir = tempfile::tempdir().unwrap();
        man(dir.path()).unwrap();
        for page in ["stake", "chain", "chain-publish", "chain-policy-announce", "chain-slash-propose"] {
            assert!(dir.path().join(format!("k3s-daas-{page}.1")).is_file(), "{page}");
        }
    }
}
