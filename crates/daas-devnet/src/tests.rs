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
