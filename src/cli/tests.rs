use clap::CommandFactory as _;

use super::*;

fn help(command: &clap::Command, all: &mut Vec<String>) {
    let of = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string);
    all.extend(of(command.get_about()));
    all.extend(command.get_arguments().filter_map(|it| of(it.get_help())));
    for command in command.get_subcommands() {
        help(command, all);
    }
}

#[test]
fn the_command_line_contradicts_itself_nowhere() {
    Line::command().debug_assert();
}

#[test]
fn help_is_imperative_and_has_no_full_stop() {
    let mut all = Vec::new();
    help(&Line::command(), &mut all);
    assert!(all.len() > 8, "{all:?}");
    for text in all {
        let first = text.split(' ').next().unwrap_or_default();
        assert!(!text.ends_with('.'), "{text}");
        assert!(first.starts_with(char::is_uppercase), "{text}");
        assert!(!first.ends_with('s'), "not imperative: {text}");
    }
}
