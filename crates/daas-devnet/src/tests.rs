use super::*;
use clap::CommandFactory as _;

/// The help of every command, as a person sees it in a terminal of 100 columns.
#[test]
fn help_texts() {
    let mut cli = Args::command().term_width(100);
    cli.build();
    let mut pages = vec![];
    render(&mut cli, &mut pages);
    insta::assert_snapshot!("help", pages.join("\n\n"));
}

fn render(command: &mut clap::Command, pages: &mut Vec<String>) {
    let title = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    if !title.split(' ').any(|word| word == "help") {
        pages.push(format!("### {title}\n\n{}", command.render_help()));
        command.get_subcommands_mut().for_each(|command| render(command, pages));
    }
}

#[test]
fn the_declarations_hold_together() {
    Args::command().debug_assert();
}

#[test]
fn mistakes_are_named_before_anything_is_asked() {
    let refused = |words: &str| {
        let line = format!("k3s-daas-devnet control --state-dir /s {words}");
        Args::try_parse_from(line.split(' ')).err().expect("a refusal").to_string()
    };
    assert!(refused("clock advance ten").contains("not a time"));
    assert!(refused("clock advance -5s").contains("unexpected argument"));
    assert!(refused("clock set yesterday").contains("neither a time nor milliseconds"));
    assert!(refused("fault add unavailable --percent 101").contains("101 is not in 0..=100"));
    assert!(refused("fault add lie big").contains("altered-event"));
}

/// The guide's commands can be typed, and its ports are the program's.
#[test]
fn the_guides_commands_are_commands() {
    let guide = include_str!("../../../docs/devnet.md");
    let lines = guide.lines().filter(|line| line.starts_with("k3s-daas-devnet "));
    let lines = lines.map(|line| line.split('#').next().unwrap_or_default());
    let mut served = 0;
    for line in lines {
        match Args::try_parse_from(line.split_whitespace()).unwrap_or_else(|e| panic!("{line}: {e}")).command {
            Command::Serve(serve) => {
                served += 1;
                let addresses = [("--listen", serve.listen), ("--faucet", serve.faucet)];
                for (flag, address) in addresses {
                    assert!(guide.contains(&format!("| `http://{address}` (`{flag}`) |")), "{flag} {address}");
                }
            }
            _ => panic!("{line}"),
        }
    }
    assert_eq!(served, 2);
}
