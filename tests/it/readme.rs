//! What the README promises.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;

use pchadr::run::exit::Exit;

use crate::program::root;

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
