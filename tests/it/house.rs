//! The house (`design.md` 6): how large a file may be, and who may know whom.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod imports;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::program::root;

const LINES: usize = 500;

/// Files that are larger than they may be, to be split. Nothing is added here without a reason.
const TOO_LARGE: &[&str] = &[];

/// Each part of the crate with the parts that it may know. `cli` may know all.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("problem", &["model"]),
    ("site", &["model", "problem"]),
    ("runbook", &["model", "problem"]),
    ("access", &["model", "site"]),
    ("rehearsal", &["model", "site", "access"]),
    ("step", &["model", "site", "access"]),
    ("status", &["model", "site", "access", "step"]),
    ("plan", &["model", "site", "runbook", "step"]),
    ("run", &["model", "site", "access", "step", "plan"]),
    (
        "check",
        &["model", "site", "access", "step", "plan", "run", "status"],
    ),
    (
        "approval",
        &["model", "site", "runbook", "access", "step", "plan", "run"],
    ),
    ("report", &["model", "step", "plan", "run"]),
];

/// What the rehearsal may know of the doors: their traits and what goes through them, not what
/// stands behind them when they are live.
const DOORS: &[&str] = &[
    "ByteStream",
    "Clock",
    "clock",
    "powershell",
    "shares",
    "sql",
];

/// Tests of the simulated SELECT that ask it what the program asks, in the same words. They simulate
/// nothing; still, better they asked in other words.
const SAME_WORDS: &[&str] = &[
    "src/rehearsal/select/tests/observations.sql",
    "src/rehearsal/select/tests/queries.rs",
];

/// A line of a statement that is at least this long is nobody's by chance.
const STATEMENT: usize = 25;

/// A file of the repository: its path with `/`, its text.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
    }

    /// The part of the crate that it belongs to; `None` for `main.rs` and `lib.rs`.
    fn part(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let part = inside.split(['/', '.']).next()?;
        (part != "main" && part != "lib").then_some(part)
    }

    /// Its lines without comments, numbered.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = (1..).zip(self.text.lines());
        numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Its code in one piece.
    fn code_text(&self) -> String {
        let lines: Vec<_> = self.code().map(|(_, line)| line).collect();
        lines.join("\n")
    }
}

/// Every file under `folder` whose name ends so.
fn files(folder: &str, ending: &str) -> Vec<File> {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut |path| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        if name.ends_with(ending) {
            let text = fs::read(path).unwrap();
            found.push(File {
                path: name.replace('\\', "/"),
                text: String::from_utf8_lossy(&text).into_owned(),
            });
        }
    });
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "nothing is found under {folder}");
    found
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}

/// The names that follow `prefix` in `code`, those in braces too: `b` and `c` of `a::{b, c::d}`.
fn names_after(prefix: &str, code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            names.extend(outer_items(list).into_iter().map(first_name));
        } else {
            names.insert(first_name(rest));
        }
    }
    names
}

fn first_name(text: &str) -> String {
    let is_name = |c: &char| c.is_alphanumeric() || *c == '_';
    text.trim_start().chars().take_while(is_name).collect()
}

/// The items of a list in braces, its opening one taken off.
fn outer_items(list: &str) -> Vec<&str> {
    let (mut items, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                items.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        if c == '}' && start == at + 1 {
            break;
        }
    }
    items.retain(|item| !item.trim().is_empty());
    items
}

/// Fails with all that was found, and says what to do.
fn expect_none(found: &[String], what_to_do: &str) {
    assert!(found.is_empty(), "{what_to_do}\n  {}\n", found.join("\n  "));
}

#[test]
fn no_file_holds_more_than_one_idea_would_fill() {
    let all = || files("src", ".rs").into_iter().chain(files("tests", ".rs"));
    let large: Vec<_> = all()
        .filter(|file| file.text.lines().count() > LINES)
        .collect();
    let found: Vec<_> = large
        .iter()
        .filter(|file| !TOO_LARGE.contains(&file.path.as_str()))
        .map(|file| format!("{}: {} lines", file.path, file.text.lines().count()))
        .collect();
    expect_none(
        &found,
        "files of more than 500 lines: move one idea of each into a file of its own, `foo/part.rs`",
    );
    let mended: Vec<_> = TOO_LARGE
        .iter()
        .filter(|path| !large.iter().any(|file| file.path == **path))
        .map(|path| (*path).to_owned())
        .collect();
    expect_none(
        &mended,
        "no longer too large, or gone: take these out of TOO_LARGE in tests/it/house.rs",
    );
}

#[test]
fn every_part_knows_only_those_below_it() {
    let mut found = Vec::new();
    for file in files("src", ".rs") {
        let Some(part) = file.part().filter(|part| *part != "cli") else {
            continue;
        };
        let Some((_, may_know)) = MAY_KNOW.iter().find(|(name, _)| *name == part) else {
            found.push(format!(
                "{}: `{part}` has no place in MAY_KNOW yet",
                file.path
            ));
            continue;
        };
        for known in names_after("crate::", &file.code_text()) {
            if known != part && !may_know.contains(&known.as_str()) {
                found.push(format!("{}: knows `{known}`", file.path));
            }
        }
    }
    expect_none(
        &found,
        "dependencies point one way, cli → run, plan, report → step → access → model: move what is \
         shared down into the part that both may know, or pass it in as a value",
    );
}

#[test]
fn the_rehearsal_knows_of_the_doors_only_what_goes_through_them() {
    let mut found = Vec::new();
    for file in files("src", ".rs") {
        if file.part() == Some("rehearsal") {
            let known = names_after("crate::access::", &file.code_text());
            let foreign = known.iter().filter(|name| !DOORS.contains(&name.as_str()));
            found.extend(foreign.map(|name| format!("{}: knows `access::{name}`", file.path)));
        }
    }
    expect_none(
        &found,
        "the rehearsal stands behind the doors: let it implement their traits, and leave what is \
         live to the live side",
    );
}

#[test]
fn the_rehearsal_shares_no_statement_text_with_what_is_sent() {
    let plain = |text: &str| {
        let words: Vec<_> = text.split_whitespace().collect();
        words.join(" ").to_lowercase()
    };
    let statements = files("src/sql", ".sql");
    let mut found = Vec::new();
    let rehearsal = files("src/rehearsal", "");
    let watched = |file: &&File| !SAME_WORDS.contains(&file.path.as_str());
    for file in rehearsal.iter().filter(watched) {
        let text = plain(&file.text);
        for sent in &statements {
            let mut lines = sent.text.lines().map(plain);
            if let Some(line) =
                lines.find(|line| line.len() >= STATEMENT && text.contains(line.as_str()))
            {
                found.push(format!("{}: has `{line}` of {}", file.path, sent.path));
            }
        }
        if !file.is_test() && file.text.contains("sql/") && file.text.contains("include_str!") {
            found.push(format!("{}: includes a text of src/sql", file.path));
        }
    }
    expect_none(
        &found,
        "a simulation that knows our texts only confirms what it was told: answer by the server's \
         rules and tables instead; in a test, write another statement that asks the same",
    );
}

#[test]
fn one_file_names_the_sql_server_driver() {
    let named: Vec<_> = files("src", ".rs")
        .into_iter()
        .filter(|file| !file.is_test() && file.code_text().contains("tiberius::"))
        .map(|file| file.path)
        .collect();
    let others = named
        .iter()
        .filter(|path| *path != "src/access/sql/driver.rs");
    expect_none(
        &others.cloned().collect::<Vec<_>>(),
        "only src/access/sql/driver.rs names `tiberius`: let it hand out a type of ours",
    );
}

#[test]
fn one_file_starts_processes() {
    let starts = |file: &File| {
        let code = file.code_text();
        !names_after("process::", &code).is_disjoint(&["Command".to_owned()].into())
    };
    let named: Vec<_> = files("src", ".rs")
        .into_iter()
        .filter(|file| !file.is_test() && starts(file))
        .map(|file| file.path)
        .collect();
    let elsewhere = named.iter().filter(|path| !path.starts_with("src/access/"));
    expect_none(
        &elsewhere.cloned().collect::<Vec<_>>(),
        "processes are started behind the door: src/access/powershell",
    );
    assert!(
        named.len() <= 1,
        "one place owns time limit, exit code, error stream and encoding of a process; these are \
         several: {named:?}"
    );
}

#[test]
fn nothing_prints_but_the_command_line() {
    let mut found = Vec::new();
    for file in files("src", ".rs") {
        let prints = file.part().is_some_and(|part| part != "cli") && !file.is_test();
        for (number, line) in file.code().filter(|_| prints) {
            if ["print!(", "println!(", "dbg!("]
                .iter()
                .any(|word| line.contains(word))
            {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    expect_none(
        &found,
        "printing is for the command line: write to the `Write` that is passed in, or return the text",
    );
}

#[test]
fn the_program_names_nothing_outside_its_repository() {
    let outside = concat!("../", "shared");
    let mut found: Vec<_> = files("src", "")
        .into_iter()
        .chain(files("runbooks", ""))
        .filter(|file| !file.is_test() && file.code_text().contains(outside))
        .map(|file| file.path)
        .collect();
    for name in ["Cargo.toml", "README.md"] {
        if fs::read_to_string(root().join(name))
            .unwrap()
            .contains(outside)
        {
            found.push(name.to_owned());
        }
    }
    expect_none(
        &found,
        "a fresh clone stands alone: only tests and .ci/run may name what lies beside it",
    );
}

#[test]
fn names_are_found_alone_and_in_braces() {
    let names = |code| -> Vec<String> { names_after("crate::", code).into_iter().collect() };
    assert_eq!(names("use crate::a::b; let x = crate::c();"), ["a", "c"]);
    assert_eq!(
        names("use crate::{a, b::{self, c}, d::e};\nuse f;"),
        ["a", "b", "d"]
    );
    assert_eq!(
        names("use crate::{\n    a::{b, c},\n    d,\n};"),
        ["a", "d"]
    );
    assert!(names("// nothing").is_empty());
}
