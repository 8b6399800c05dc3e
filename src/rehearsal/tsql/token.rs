//! Words, literals, variables and marks of a T-SQL text.

use crate::rehearsal::message::{message, shortened};
use crate::rehearsal::value::ServerError;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword or a plain identifier, as written.
    Word(String),
    /// `[x]` or `"x"`: the name between.
    Quoted(String),
    /// `'x'` or `N'x'`: the text between.
    Text(String),
    /// A number, as written.
    Number(String),
    /// `0x…`, the digits.
    Hex(String),
    /// `@x` or `@@x`, upper case.
    Variable(String),
    /// Any other character.
    Mark(char),
}

/// A token and where it stands, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// Byte behind the last.
    pub end: usize,
}

/// Cuts a text into tokens; comments and white space are left out.
///
/// Errors: 105 for a literal or an identifier without its end, 113 for such a comment.
pub fn tokenize(sql: &str) -> Result<Vec<Token>, ServerError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = sql[at..].chars().next() {
        let rest = &sql[at..];
        if c.is_whitespace() || c == '\u{feff}' {
            at += c.len_utf8();
        } else if rest.starts_with("--") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += comment(rest)?;
        } else {
            let (kind, length) = token(c, rest)?;
            tokens.push(Token {
                kind,
                start: at,
                end: at + length,
            });
            at += length;
        }
    }
    Ok(tokens)
}

fn token(c: char, rest: &str) -> Result<(Kind, usize), ServerError> {
    if c == '\'' {
        return quoted(rest, 1, '\'').map(|(text, n)| (Kind::Text(text), n));
    }
    if (c == 'N' || c == 'n') && rest[1..].starts_with('\'') {
        return quoted(rest, 2, '\'').map(|(text, n)| (Kind::Text(text), n));
    }
    if c == '[' {
        return quoted(rest, 1, ']').map(|(text, n)| (Kind::Quoted(text), n));
    }
    if c == '"' {
        return quoted(rest, 1, '"').map(|(text, n)| (Kind::Quoted(text), n));
    }
    let run = |test: fn(char) -> bool| {
        rest.char_indices()
            .find(|(_, c)| !test(*c))
            .map_or(rest.len(), |(i, _)| i)
    };
    if rest.starts_with("0x") || rest.starts_with("0X") {
        let digits: String = rest[2..]
            .chars()
            .take_while(char::is_ascii_hexdigit)
            .collect();
        let length = 2 + digits.len();
        return Ok((Kind::Hex(digits), length));
    }
    if c.is_ascii_digit() {
        let length = run(|c| c.is_ascii_digit() || c == '.');
        return Ok((Kind::Number(rest[..length].to_owned()), length));
    }
    if is_word(c) {
        let length = run(is_word);
        let word = &rest[..length];
        return Ok(if c == '@' {
            (Kind::Variable(word.to_uppercase()), length)
        } else {
            (Kind::Word(word.to_owned()), length)
        });
    }
    Ok((Kind::Mark(c), c.len_utf8()))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '@' | '#' | '$')
}

/// Comments nest.
fn comment(rest: &str) -> Result<usize, ServerError> {
    let bytes = rest.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Ok(at);
                }
            }
            _ => at += 1,
        }
    }
    Err(message(113, &[]))
}

fn quoted(rest: &str, open: usize, close: char) -> Result<(String, usize), ServerError> {
    let mut text = String::new();
    let mut chars = rest[open..].char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        if c != close {
            text.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == close) {
            chars.next();
            text.push(c);
        } else {
            return Ok((text, open + i + close.len_utf8()));
        }
    }
    Err(message(105, &[&shortened(text)]))
}
