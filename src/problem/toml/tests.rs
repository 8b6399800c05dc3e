#![allow(clippy::unwrap_used)]

use super::*;

fn problems(bytes: &[u8]) -> String {
    let take = |mut root: Table<'_>| {
        let name = root.required("name", "name = …", |f| f.text().map(str::to_owned));
        let count = root.or("count", 1, |f| f.number(1, 9));
        root.finish();
        Ok((name?, count?))
    };
    read(bytes, "f.toml", take).unwrap_err().to_string()
}

#[test]
fn a_syntax_error_is_one_problem_at_its_line() {
    assert_eq!(
        problems(b"name = 'a'\ncount = \nother = 1"),
        "f.toml:2: no TOML: string values must be quoted, expected literal string\n  \
         count = \n          ^\n  \
         hint: write a text in quotes, as `key = 'text'`; numbers, true and false stand without"
    );
    assert_eq!(
        problems(b"a = 1\na = 2"),
        "f.toml:2: no TOML: duplicate key\n  a = 2\n  ^\n  \
         hint: each key and each [table] may be there once"
    );
}

#[test]
fn the_line_of_a_syntax_error_is_shown_unless_a_secret_may_be_in_it() {
    let text = problems(b"password = hunter2");
    assert!(
        text.contains("no TOML") && !text.contains("hunter2"),
        "{text}"
    );
    let text = problems(b"name = hunter\x1b2");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_backslash_in_double_quotes_is_explained() {
    let text = problems(br#"name = "sql1\chat""#);
    assert!(text.contains("single quotes"), "{text}");
    let text = problems(br#"name = "sql1\backup""#);
    assert!(text.contains("single quotes"), "{text}");
}

#[test]
fn bytes_that_are_no_text_are_named_with_their_line() {
    let text = problems(b"name = 'a'\n# \xff\n");
    assert!(
        text.starts_with("f.toml:2: the file is not UTF-8"),
        "{text}"
    );
}

#[test]
fn a_byte_order_mark_is_no_problem() {
    let take = |mut root: Table<'_>| root.required("name", "", |f| f.text().map(str::to_owned));
    let text = "\u{feff}name = 'a'".as_bytes();
    assert_eq!(read(text, "f", take).unwrap(), "a");
}

#[test]
fn wrong_kinds_missing_and_unknown_keys_are_reported_together() {
    assert_eq!(
        problems(b"\ncoutn = 1\ncount = 'x'"),
        "f.toml:1: name: is missing\n  hint: write `name = …`\n\
         f.toml:2: coutn: unknown key\n  hint: did you mean `count`?\n\
         f.toml:3: count: expected a whole number from 1 to 9, found text"
    );
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let text = problems(b"name = 'a'\n\"\\u001b[2J\" = 1");
    assert!(!text.contains('\u{1b}'), "{text}");
}
