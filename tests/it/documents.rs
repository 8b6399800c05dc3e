//! The documents (`docs/`): whatever a comment cites stands there, and they lead nowhere else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod citation;

use pchadr::step::terms::INTERLOCKS;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::program::root;
use citation::{Citation, Document, Item, citations, cited, is_code};

/// Where comments are read, and in which files.
const COMMENTED: &[&str] = &["src", "tests", "examples", "benches", "runbooks", ".ci"];
const LINE_COMMENTS: &[(&str, &str)] = &[
    ("rs", "//"),
    ("sql", "--"),
    ("ps1", "#"),
    ("psm1", "#"),
    ("toml", "#"),
    ("", "#"),
];

/// The paths of the documents.
fn pages() -> Vec<String> {
    let mut paths = files_below("docs");
    paths.retain(|path| Path::new(path).extension().is_some_and(|end| end == "md"));
    paths
}

/// The documents below `docs`, by file name.
fn documents() -> BTreeMap<String, Document> {
    let read = pages().into_iter().map(|path| {
        let name = path.rsplit('/').next().unwrap().to_owned();
        (name, Document::read(&text(&path)))
    });
    let found: BTreeMap<_, _> = read.collect();
    assert!(found.contains_key("design.md") && found.contains_key("codes.md"));
    found
}

fn text(path: &str) -> String {
    let bytes = fs::read(root().join(path)).unwrap();
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
}

/// The files below a folder of the repository, by their paths with `/`; none where there is none.
fn files_below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
                found.push(name.replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

/// Comments of a text, each in one line: lines that follow one another belong together.
fn comments(text: &str, mark: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in text.lines() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix(mark) {
            let last = found.last_mut().unwrap();
            last.push(' ');
            last.push_str(comment.trim_start_matches(['/', '!', '#']).trim());
        } else {
            found.push(String::new());
            if let Some((_, comment)) = line.split_once(&format!(" {mark} ")) {
                found.extend([comment.to_owned(), String::new()]);
            }
        }
    }
    found.retain(|comment| !comment.is_empty());
    found
}

/// Every comment of the repository, with the file where it stands.
fn all_comments() -> Vec<(String, String)> {
    let paths = COMMENTED.iter().flat_map(|folder| files_below(folder));
    let mut found = Vec::new();
    for path in paths {
        let ending = Path::new(&path).extension().unwrap_or_default();
        if let Some((_, mark)) = LINE_COMMENTS.iter().find(|(name, _)| ending == *name) {
            let comments = comments(&text(&path), mark);
            found.extend(comments.into_iter().map(|comment| (path.clone(), comment)));
        }
    }
    found
}

fn expect_none(found: &[String], what_to_do: &str) {
    assert!(found.is_empty(), "{what_to_do}\n  {}\n", found.join("\n  "));
}

#[test]
fn whatever_a_comment_cites_stands_in_the_documents() {
    let documents = documents();
    let (mut cited, mut found) = (0, Vec::new());
    for (path, comment) in all_comments() {
        for citation in citations(&comment) {
            cited += 1;
            let wrong = citation.wrong(&documents);
            found.extend(wrong.map(|why| format!("{path}: {why}")));
        }
    }
    assert!(cited > 100, "only {cited} citations were found");
    expect_none(
        &found,
        "cite what is in docs/, by the number of its section",
    );
}

#[test]
fn every_code_in_a_comment_has_its_row_in_the_key() {
    let key = &documents()["codes.md"].text;
    let mut found = BTreeSet::new();
    for (path, comment) in all_comments() {
        let words = comment.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for code in words.filter(|word| is_code(word)) {
            if !key.contains(&format!("\n| {code} |")) {
                found.insert(format!("{path}: {code}"));
            }
        }
    }
    let found: Vec<_> = found.into_iter().collect();
    expect_none(&found, "give each code a row in docs/reference/codes.md");
}

#[test]
fn every_interlock_has_its_row_in_the_design() {
    let design = &documents()["design.md"].text;
    let (mut interlocks, mut found) = (0, Vec::new());
    for path in files_below("src/step") {
        let source = text(&path);
        let ids = source.split("/// Interlock").skip(1).filter_map(|after| {
            let (_, id) = after.split_once("const ")?.1.split_once('"')?;
            id.split('"').next()
        });
        for id in ids {
            interlocks += 1;
            // Consent lifts this one.
            let taken = id == "standby-sessions" || INTERLOCKS.iter().any(|(it, _)| *it == id);
            if !taken {
                found.push(format!("{path}: `--override` does not take {id}"));
            }
            if !design.contains(&format!("`{id}`")) {
                found.push(format!("{path}: {id}"));
            }
        }
    }
    for (id, _) in INTERLOCKS {
        if !design.contains(&format!("| `{id}` |")) {
            found.push(format!("terms.rs: {id}"));
        }
    }
    assert!(
        interlocks > 0,
        "interlocks are found by their comments, `/// Interlock: …`"
    );
    expect_none(
        &found,
        "give each interlock a row in section 8 of docs/design.md",
    );
}

#[test]
fn the_documents_lead_to_one_another_and_nowhere_else() {
    let documents = documents();
    let mut found = Vec::new();
    for path in pages().into_iter().chain(["README.md".to_owned()]) {
        let text = text(&path);
        let folder = root().join(&path).parent().unwrap().to_owned();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if !target.contains("://") && !folder.join(target).exists() {
                found.push(format!("{path}: there is no `{target}`"));
            }
        }
        // They cite other repositories too: of these pages only the citations of ours are known.
        for citation in citations(&text.replace('\n', " ")) {
            let ours = citation.path.trim_start_matches("../");
            let ours = ours.trim_start_matches("reference/");
            if documents.contains_key(ours) {
                let citation = Citation {
                    path: ours,
                    ..citation
                };
                let wrong = citation.wrong(&documents);
                found.extend(wrong.map(|why| format!("{path}: {why}")));
            }
        }
        for (number, line) in (1..).zip(text.lines()) {
            let outside = ["/tmp/", "/root/", "/home/", "C:\\Users"];
            let shared = line.contains(concat!("../", "shared")) && !line.contains("beside it");
            if shared || outside.iter().any(|place| line.contains(place)) {
                found.push(format!("{path}:{number}: a path outside the repository"));
            }
        }
    }
    expect_none(&found, "a fresh clone stands alone: link to what is in it");
}

#[test]
fn a_citation_is_read_as_it_is_written() {
    let items = |text| {
        let found = citations(text);
        let items = found.iter().map(|citation| cited(citation.rest));
        items.collect::<Vec<_>>()
    };
    let section = |number: &str| Item::Section(number.to_owned());
    assert_eq!(
        items("(`steps.md` 4, 5.5; `reference/sql-server.md` 2.3 to 2.5): what is 6 or"),
        [
            vec![section("4"), section("5.5")],
            vec![section("2.3"), section("2.5")]
        ]
    );
    assert_eq!(
        items("DESIGN 3, rules 5 and 9). Then `procedure.md`, \"leaves out\" 3)."),
        [
            vec![
                section("3"),
                Item::Rule("5".to_owned()),
                Item::Rule("9".to_owned())
            ],
            vec![Item::Words("leaves out".to_owned()), section("3")]
        ]
    );
    assert_eq!(
        items("`steps.md` 6, B1; 8: whether. See `tds.md` 2, where it is."),
        [
            vec![section("6"), Item::Inside("B1".to_owned()), section("8")],
            vec![section("2")]
        ]
    );
    let documents = BTreeMap::from([(
        "steps.md".to_owned(),
        Document::read("# S\n## 1. A\n1. one\n2. two\n## 2. B\n### 2.3 C\n"),
    )]);
    let is_wrong = |text| citations(text)[0].wrong(&documents).is_some();
    for right in ["steps.md 1", "steps.md 1.2", "steps.md 2.3", "steps.md"] {
        assert!(!is_wrong(right), "{right}");
    }
    for not in ["steps.md 3", "steps.md 1.3", "steps.md 1, 2.4", "stepz.md"] {
        assert!(is_wrong(not), "{not}");
    }
}
