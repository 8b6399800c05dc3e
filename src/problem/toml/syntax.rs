//! A text that is no TOML: what to do about it, and whether its line may be shown.

use super::SINGLE_QUOTES;

/// What to do about an error of the parser, by its message (`toml_parser` 1.1) and the line.
pub(super) fn hint(message: &str, line: &str) -> &'static str {
    if line.contains('"') && line.contains('\\') {
        return SINGLE_QUOTES;
    }
    let hints = [
        (
            "duplicate key",
            "each key and each [table] may be there once",
        ),
        (
            "string values must be quoted",
            "write a text in quotes, as `key = 'text'`; numbers, true and false stand without",
        ),
        (
            "missing opening quote",
            "open the text with the quote that ends it",
        ),
        (
            "invalid basic string",
            "end the text with the quote that opens it, in the same line",
        ),
        (
            "invalid literal string",
            "end the text with the quote that opens it, in the same line",
        ),
        (
            "missing comma",
            "put a comma between one entry and the next",
        ),
        ("unclosed array", "end the list with `]`"),
        (
            "unclosed inline table",
            "end the table with `}`, in the same line",
        ),
        ("unclosed table", "end the name of the table with `]`"),
        (
            "key with no value",
            "write `key = value`, or remove the line",
        ),
        (
            "missing value",
            "write a value behind `=`, or remove the line",
        ),
        ("extra `=`", "write one `=` between a key and its value"),
    ];
    let known = hints.into_iter().find(|(words, _)| message.contains(words));
    known.map_or(
        "write `key = value` in a line of its own, texts in quotes, the name of a table as `[table]`",
        |(_, hint)| hint,
    )
}

/// Whether a line may be repeated on a screen, in a log, in a ticket. Not where a secret may be in it:
/// beside a word for one, in the table of the sign-in, or inside a text or a table of several lines,
/// whose key stands elsewhere.
pub(super) fn may_be_shown(text: &str, line: usize) -> bool {
    const SECRETS: [&str; 3] = ["pass", "pw", "secret"];
    let mut lines = text.lines();
    let before: Vec<&str> = lines.by_ref().take(line - 1).collect();
    let shown = lines.next().unwrap_or_default();
    let lower = shown.to_lowercase();
    let count = |mark: &str| -> usize { before.iter().map(|it| it.matches(mark).count()).sum() };
    let is_head = |it: &&&str| it.trim_start().starts_with('[');
    let table = before.iter().rfind(is_head);
    !SECRETS.iter().any(|word| lower.contains(word))
        && !table.is_some_and(|table| table.to_lowercase().contains("auth"))
        && count("{") == count("}")
        && count("\"\"\"").is_multiple_of(2)
        && count("'''").is_multiple_of(2)
        && shown.chars().count() <= 200
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_which_a_secret_may_stand_is_not_shown() {
        for (text, line, shown) in [
            ("fqdn = a", 1, true),
            ("a = 1\nPassword = x", 2, false),
            ("db_pwd = x", 1, false),
            ("[sql.auth]\nuser = hunter2", 2, false),
            ("[sql.tls]\nca = corp", 2, true),
            ("sql.auth.password = {\n env = hunter2", 2, false),
            ("password = \"\"\"\nhunter2\nx = 3", 2, false),
            ("password = '''\nhunter2\n'''\nx = y", 4, true),
        ] {
            assert_eq!(may_be_shown(text, line), shown, "{text} {line}");
        }
    }

    #[test]
    fn an_error_of_the_parser_has_the_hint_that_mends_it() {
        let mut wrong = Vec::new();
        for (text, word) in [
            ("a = b", "write a text in quotes"),
            ("a = 'b", "end the text with the quote"),
            ("a = \"b", "end the text with the quote"),
            ("a = b'", "open the text with the quote"),
            ("a = \"\\c\"", "single quotes"),
            ("a", "write `key = value`"),
            ("a =", "write a text in quotes"),
            ("a == 1", "write one `=`"),
            ("[a", "`]`"),
            ("a = ['b' 'c']", "comma"),
            ("a = [1", "`]`"),
            ("a = { b = 1", "`}`"),
            ("a = 1\na = 2", "may be there once"),
            ("? = 1", "in a line of its own"),
        ] {
            let error = toml::de::DeTable::parse(text).unwrap_err();
            let hint = hint(error.message(), text);
            if !hint.contains(word) {
                wrong.push(format!("{text}: {}: {hint}", error.message()));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
