//! What the README promises.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;

use pchadr::run::exit::Exit;

use crate::program::{Program, root};

fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

#[test]
fn the_readme_lists_every_exit_status() {
    let readme = text("README.md");
    let listed: Vec<u8> = readme
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| ")?
                .split(" |")
                .next()?
                .parse::<u8>()
                .ok()
        })
        .collect();
    let all = [
        Exit::Done,
        Exit::Refused,
        Exit::Usage,
        Exit::Blocked,
        Exit::Stopped,
        Exit::NoConsent,
        Exit::Held,
        Exit::Defect,
    ];
    assert_eq!(listed, all.map(Exit::code));
}

#[test]
fn the_readmes_test_command_is_the_one_that_is_run_for_every_change() {
    let line = "\ncargo test\n";
    assert!(text("README.md").contains(line));
    assert!(text(".ci/run").contains("\nrun cargo test\n"));
}

#[test]
fn the_readmes_site_file_is_part_of_the_example() {
    let readme = text("README.md");
    let example = text("runbooks/litware.toml");
    let excerpt = readme.split("```toml\n").nth(1).unwrap();
    let excerpt = excerpt.split("```").next().unwrap();
    assert!(excerpt.lines().count() > 5);
    for line in excerpt.lines().filter(|line| !line.is_empty()) {
        let line = line.split(" # ").next().unwrap().trim_end();
        assert!(
            example.lines().any(|other| other.trim_end() == line),
            "`{line}` is not in runbooks/litware.toml"
        );
    }
}

/// The line with the time on the wall is of the machine that ran it.
fn without_wall_time(text: &str) -> Vec<&str> {
    let lines = text.trim().lines();
    lines.filter(|line| !line.ends_with(" real")).collect()
}

#[test]
fn the_rehearsal_that_the_readme_shows_is_the_one_that_its_reader_sees() {
    let readme = text("README.md");
    let config = root().join("runbooks/litware.toml");
    let said = Program::new().run(&[
        "failover",
        "--config",
        config.to_str().unwrap(),
        "--rehearse",
    ]);
    let command =
        "cargo run --release -- failover --config runbooks/litware.toml --rehearse\n```\n";
    let shown = readme.split(command).nth(1).unwrap();
    let shown = shown.split("```").nth(1).unwrap();
    let seen = format!("{}{}", said.err, said.out);
    let (mut shown, mut seen) = (without_wall_time(shown), without_wall_time(&seen));
    // Two streams on one screen: their order is the terminal's.
    shown.sort_unstable();
    seen.sort_unstable();
    assert_eq!(shown, seen);
}
