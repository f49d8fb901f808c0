use super::*;
use clap::CommandFactory as _;

/// The help of the commands about service and machine, as a person sees it in a terminal of 100 columns.
#[test]
fn help_texts() {
    let mut cli = Cli::command().term_width(100);
    cli.build();
    for name in ["engine", "install", "preflight", "uninstall"] {
        let command = cli.find_subcommand_mut(name).unwrap();
        insta::assert_snapshot!(format!("help-{name}"), command.render_help().to_string());
    }
}

#[test]
fn the_declarations_hold_together() {
    Cli::command().debug_assert();
}

fn run(args: &[&str]) -> Result<RunArgs, clap::Error> {
    Cli::try_parse_from([&["k3s-daas-worker"], args].concat()).map(|cli| cli.run)
}

#[test]
fn the_original_flags_are_understood() {
    let (_, flags) = run(&["--stake-amount", "5"]).unwrap().settings.flags();
    assert_eq!(flags, [("node.stake_amount".to_owned(), "5000000000".to_owned())]);
    let secret = "5e".repeat(32);
    let mut args = run(&["--register", "--token", &secret]).unwrap();
    assert_eq!(args.secret().unwrap().unwrap().expose_hex().as_str(), secret);
    assert!(run(&["--stake-amount", "5"]).unwrap().secret().unwrap().is_none());
    for wrong in [&["--register"][..], &["--token", &secret], &["--register", "--token", "a", "--token-file", "b"]] {
        assert!(run(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_secret_is_read_from_a_file_of_its_owner_alone_and_never_repeated() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("seal");
    let secret = "5e".repeat(32);
    let read = || run(&["--register", "--token-file", &file.display().to_string()]).unwrap().secret();
    assert_eq!(read().unwrap_err().code, ErrorCode::TokenMissing);
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(read().unwrap_err().code, ErrorCode::WalletUnsafe);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(read().unwrap().unwrap().expose_hex().as_str(), secret);
    let problem = run(&["--register", "--token", "not-a-secret"]).unwrap().secret().unwrap_err();
    assert_eq!(problem.code, ErrorCode::TokenMalformed);
    assert!(!problem.render().contains("not-a-secret"));
}

/// What the documents say to type can be typed.
#[test]
fn the_documents_are_understood() {
    let page = include_str!("../../../../docs/machine-owner.md");
    let guide = include_str!("../../../../docs/operating.md");
    for (text, least) in [(page, 14), (guide, 3)] {
        let lines = text.lines().filter_map(|line| line.trim_start_matches("$ ").strip_prefix("sudo k3s-daas-worker"));
        let typed: Vec<_> = lines.map(|line| line.split('#').next().unwrap_or_default()).collect();
        assert!(typed.len() >= least, "only {} commands were found", typed.len());
        for line in typed {
            let words = ["k3s-daas-worker"].into_iter().chain(line.split_whitespace());
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{line}: {error}");
            }
        }
    }
}
