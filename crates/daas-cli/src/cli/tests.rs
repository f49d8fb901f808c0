use super::*;
use clap::CommandFactory as _;
use clap::error::ErrorKind as EK;

/// The help of every command, hidden ones too, as a person sees it in a terminal of 100 columns.
#[test]
fn help_texts() {
    let mut cli = Cli::command().term_width(100);
    cli.build();
    insta::assert_snapshot!("help", plain(&cli.render_help().to_string()));
    for command in cli.get_subcommands_mut() {
        let name = format!("help-{}", command.get_name());
        insta::assert_snapshot!(name.clone(), plain(&command.render_help().to_string()));
        let mut below = String::new();
        commands_below(command, &mut below);
        if !below.is_empty() {
            insta::assert_snapshot!(format!("{name}-commands"), below);
        }
    }
}

/// The help of all commands below one, without the flags that the one above shows already.
fn commands_below(command: &mut clap::Command, text: &mut String) {
    const SHOWN: [&str; 3] = ["\nNetwork:\n", "\nSending:\n", "\nEverywhere:\n"];
    for command in command.get_subcommands_mut() {
        let help = plain(&command.render_help().to_string());
        let end = SHOWN.iter().filter_map(|heading| help.find(heading)).min().unwrap_or(help.len());
        text.push_str(help[..end].trim_end());
        text.push_str("\n\n");
        commands_below(command, text);
    }
}

/// What the environment of the test run sets is not part of the help.
fn plain(help: &str) -> String {
    let line = |line: &str| match line.split_once("[env: ") {
        Some((before, rest)) => match rest.split_once(']') {
            Some((variable, after)) => {
                let name = variable.split('=').next().unwrap_or_default();
                format!("{before}[env: {name}]{after}")
            }
            None => line.to_owned(),
        },
        None => line.to_owned(),
    };
    help.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_declarations_hold_together() {
    Cli::command().debug_assert();
}

fn refused(line: &str) -> String {
    Cli::try_parse_from(line.split(' ')).unwrap_err().to_string()
}

#[test]
fn mistakes_are_named_before_anything_runs() {
    assert!(refused("k3s-daas stake five").contains("not an amount of SUI"));
    assert!(refused("k3s-daas stake 5 --permissions root").contains("is not a permission"));
    assert!(refused("k3s-daas join --node-id system:masters").contains("is not a node id"));
    assert!(refused("k3s-daas unstake").contains("required"));
    assert!(refused("k3s-daas unstake 5 --all").contains("cannot be used with"));
    assert!(refused("k3s-daas token --permissions node").contains("--refresh"));
    assert!(refused("k3s-daas token --refresh --secret").contains("cannot be used with"));
    let long = format!("k3s-daas appeal --reason {}", "x".repeat(1025));
    assert!(refused(&long).contains("1024"));
}

#[test]
fn global_flags_stand_anywhere() {
    let cli = Cli::parse_from(["k3s-daas", "--json", "status", "--state-dir", "/s", "--cluster", "j"]);
    assert!(cli.global.json);
    assert_eq!(cli.global.state_dir, std::path::Path::new("/s"));
    assert_eq!(cli.global.cluster.as_deref(), Some(std::path::Path::new("j")));
}

/// Every command that the documents show can be typed, and every one that they name exists.
#[test]
fn the_documents_are_understood() {
    let guide = include_str!("../../../../docs/operating.md");
    let owner = include_str!("../../../../docs/machine-owner.md");
    let readmes = [include_str!("../../../../README.md"), include_str!("../../../../README.ko.md")];
    for (text, least) in [(guide, 35), (owner, 4), (readmes[0], 12), (readmes[1], 12)] {
        let (shown, named) = commands_of(text);
        let found = shown.len() + named.len();
        assert!(found >= least && !named.is_empty(), "only {found} commands were found");
        for (line, in_full) in shown.iter().map(|line| (line, true)).chain(named.iter().map(|line| (line, false))) {
            let Err(error) = Cli::try_parse_from(filled(line)) else { continue };
            let unfinished = [EK::DisplayHelpOnMissingArgumentOrSubcommand, EK::MissingRequiredArgument];
            assert!(!in_full && unfinished.contains(&error.kind()), "{line}: {error}");
        }
    }
}

/// The commands in a document's blocks, and those between its words.
fn commands_of(text: &str) -> (Vec<String>, Vec<String>) {
    let text = text.replace("\\\n", " ");
    let (words, blocks): (Vec<_>, Vec<_>) = text.split("```").enumerate().partition(|(n, _)| n % 2 == 0);
    let words: String = words.into_iter().map(|(_, part)| part).collect();
    let lines = blocks.iter().flat_map(|(_, block)| block.lines());
    let lines = lines.map(|line| line.split(['#', '>']).next().unwrap_or_default());
    (ours(lines), ours(words.split('`').skip(1).step_by(2)))
}

/// Those of this program; `chain` is the guide's short word for it.
fn ours<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let whole = |line: &str| match line.strip_prefix("chain ") {
        None if line.starts_with("sudo ") => line.trim_start_matches("sudo ").to_owned(),
        Some(rest) => format!("k3s-daas chain --cluster join.json {rest}"),
        None => line.to_owned(),
    };
    lines.map(whole).filter(|line| line.starts_with("k3s-daas ")).collect()
}

/// Its words, with values for what stands for one.
fn filled(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let value = |(word, before): (&&str, &&str)| match (*before, *word) {
        ("--key", "HEX") => "07".repeat(32),
        (_, "HEX") => "07".repeat(48),
        (_, "TIME") => "2026-11-21T15:00:00Z".to_owned(),
        (_, "PACKAGE" | "NEW_PACKAGE" | "POSITION" | "ADDRESS" | "UPGRADE_CAP" | "…") => "0x7".to_owned(),
        (_, word) => word.to_owned(),
    };
    words.iter().zip([""].iter().chain(&words)).map(value).collect()
}
