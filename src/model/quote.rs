//! The one place where a value becomes part of a T-SQL text (`design.md` 3, rule 10), and where a
//! PowerShell command is spelled for people to read and paste.

/// Quotes an identifier: brackets, `]` doubled (`reference/sql-server.md` 10.2).
pub fn identifier(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// Quotes a Unicode literal: `N'…'`, `'` doubled.
pub fn literal(text: &str) -> String {
    format!("N'{}'", text.replace('\'', "''"))
}

/// Quotes a PowerShell literal for people to paste. All five characters that PowerShell takes for a
/// single quote end a literal and are doubled (`reference/skype-powershell.md` 7.6). Programs never
/// use it: values travel to PowerShell as JSON.
pub fn powershell(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{201B}') {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a quoted text as the server's lexer does, from the documented rule: the text ends at
    /// the first closing mark that is not doubled. Gives the value, and what follows it.
    fn read(text: &str, open: &str, close: char) -> Option<(String, String)> {
        let mut rest = text.strip_prefix(open)?.chars().peekable();
        let mut value = String::new();
        while let Some(c) = rest.next() {
            if c == close {
                if rest.peek() == Some(&close) {
                    rest.next();
                } else {
                    return Some((value, rest.collect()));
                }
            }
            value.push(c);
        }
        None
    }

    proptest! {
        #[test]
        fn a_quoted_literal_is_one_token_with_the_same_value(text in any::<String>()) {
            prop_assert_eq!(read(&literal(&text), "N'", '\''), Some((text, String::new())));
        }

        #[test]
        fn a_quoted_identifier_is_one_token_with_the_same_value(text in any::<String>()) {
            prop_assert_eq!(read(&identifier(&text), "[", ']'), Some((text, String::new())));
        }

        #[test]
        fn no_quote_of_any_kind_ends_a_powershell_literal(text in "[a'\u{2018}\u{2019}\u{201A}\u{201B}$`;]*") {
            let quoted = powershell(&text);
            let inner: Vec<char> = quoted[1..quoted.len() - 1].chars().collect();
            let mut at = 0;
            while at < inner.len() {
                if matches!(inner[at], '\'' | '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{201B}') {
                    prop_assert!(at + 1 < inner.len() && inner[at + 1] == inner[at]);
                    at += 1;
                }
                at += 1;
            }
        }
    }
}
