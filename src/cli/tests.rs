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

/// The commands that can print data, each with what it cannot do without.
fn that_print_data(command: &clap::Command, path: &[String], all: &mut Vec<Vec<String>>) {
    let prints = command.get_arguments().any(|argument| {
        let values = argument.get_possible_values();
        argument.get_id() == "output" && values.iter().any(|it| it.get_name() == "json")
    });
    if prints {
        let mut words = path.to_vec();
        for argument in command.get_arguments().filter(|it| it.is_required_set()) {
            words.extend(argument.get_long().map(|name| format!("--{name}")));
            let known = argument.get_possible_values();
            words.push(
                known
                    .first()
                    .map_or("nowhere", |it| it.get_name())
                    .to_owned(),
            );
        }
        all.push(words);
    }
    for below in command.get_subcommands() {
        let path = [path, &[below.get_name().to_owned()]].concat();
        that_print_data(below, &path, all);
    }
}

#[test]
fn an_error_of_any_command_that_prints_data_is_a_document_where_data_is_asked_for() {
    let mut all = Vec::new();
    that_print_data(&Line::command(), &[], &mut all);
    assert!(all.len() >= 9, "{all:?}");
    for words in all {
        // A site file that is not there, then an option that is not known.
        for (more, exit) in [("--config=/nowhere/site.toml", 2), ("--bogus", 2)] {
            let typed = std::iter::once("pchadr".to_owned())
                .chain(words.clone())
                .chain([more.to_owned(), "--output".to_owned(), "json".to_owned()]);
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let ended = run(
                typed.map(OsString::from),
                &Environment::default(),
                &mut out,
                &mut err,
            );
            let told: serde_json::Value = serde_json::from_slice(&out).unwrap_or_default();
            assert_eq!(ended.code(), exit, "{words:?} {more}: {told}");
            assert_eq!(told["version"], 1, "{words:?} {more}: {told}");
            assert_eq!(told["exit"], exit, "{words:?} {more}: {told}");
            let what = told["error"]["what"].as_str().unwrap_or_default();
            assert!(!what.is_empty(), "{words:?} {more}: {told}");
        }
    }
}

#[test]
fn without_data_asked_for_an_error_leaves_the_output_empty() {
    let words = ["pchadr", "status", "--config=/nowhere/site.toml"];
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let ended = run(
        words.map(OsString::from),
        &Environment::default(),
        &mut out,
        &mut err,
    );
    assert_eq!((ended, out), (Exit::Usage, Vec::new()));
    assert!(!err.is_empty());
}

#[test]
fn what_begins_a_command_is_known_where_lines_are_wrapped() {
    let line = Line::command();
    let commands = line.get_subcommands().filter(|it| !it.is_hide_set());
    let mut names: Vec<&str> = commands.map(clap::Command::get_name).collect();
    let mut known = commands::ALL.to_vec();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
}
