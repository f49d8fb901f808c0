use super::*;
use clap::CommandFactory as _;

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

/// Every command of the operator's guide can be typed.
#[test]
fn the_operators_guide_is_understood() {
    let text = include_str!("../../../../docs/operating.md").replace("\\\n", " ");
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut typed = 0;
    for line in blocks.flat_map(str::lines) {
        let line = line.split(['#', '>']).next().unwrap_or_default();
        let line = match line.strip_prefix("chain ") {
            Some(rest) => format!("k3s-daas chain --cluster join.json {rest}"),
            None => line.to_owned(),
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first() != Some(&"k3s-daas") {
            continue;
        }
        let (key, pcr) = ("07".repeat(32), "07".repeat(48));
        let filled = words.iter().zip([""].iter().chain(&words)).map(|(word, before)| match (*before, *word) {
            ("--key", "HEX") => key.as_str(),
            (_, "HEX") => pcr.as_str(),
            (_, "TIME") => "2026-11-21T15:00:00Z",
            (_, "PACKAGE" | "NEW_PACKAGE" | "POSITION" | "ADDRESS" | "UPGRADE_CAP") => "0x7",
            (_, word) => word,
        });
        let parsed = Cli::try_parse_from(filled);
        assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        typed += 1;
    }
    assert!(typed >= 30, "only {typed} commands were found");
}
