//! Words, literals, variables and marks of a T-SQL text, as sqlparser's tokenizer cuts it: the one
//! that [`select`](crate::rehearsal::select) reads with.

use std::str::CharIndices;

use sqlparser::dialect::MsSqlDialect;
use sqlparser::tokenizer::{self, Location, TokenWithSpan, Tokenizer, TokenizerError};

use crate::rehearsal::message::{message, shortened, syntax};
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

/// The tokens of a SELECT, for the parser.
///
/// Errors: 105 for a literal or an identifier without its end, 113 for such a comment.
pub fn parser_tokens(sql: &str) -> Result<Vec<TokenWithSpan>, ServerError> {
    Tokenizer::new(&MsSqlDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| not_cut(sql, &error))
}

/// Cuts a text into tokens; comments and white space are left out. Errors as [`parser_tokens`].
pub fn tokenize(sql: &str) -> Result<Vec<Token>, ServerError> {
    let mut places = Places::new(sql);
    let mut tokens = Vec::new();
    for TokenWithSpan { token, span } in parser_tokens(sql)? {
        let start = places.byte(span.start);
        let end = places.byte(span.end);
        let kind = match token {
            // The character is a byte order mark, as editors leave it.
            tokenizer::Token::Whitespace(_)
            | tokenizer::Token::Char('\u{feff}')
            | tokenizer::Token::EOF => continue,
            tokenizer::Token::Word(word) if word.quote_style.is_some() => Kind::Quoted(word.value),
            tokenizer::Token::Word(word) if word.value.starts_with('@') => {
                Kind::Variable(word.value.to_uppercase())
            }
            tokenizer::Token::Word(word) => Kind::Word(word.value),
            tokenizer::Token::SingleQuotedString(text)
            | tokenizer::Token::NationalStringLiteral(text) => Kind::Text(text),
            tokenizer::Token::Number(digits, _) => Kind::Number(digits),
            tokenizer::Token::HexStringLiteral(digits) => Kind::Hex(digits),
            // An operator of several characters is as many marks.
            _ => {
                for (at, c) in sql[start..end].char_indices() {
                    tokens.push(Token {
                        kind: Kind::Mark(c),
                        start: start + at,
                        end: start + at + c.len_utf8(),
                    });
                }
                continue;
            }
        };
        tokens.push(Token { kind, start, end });
    }
    Ok(tokens)
}

/// Finds the bytes of lines and columns that only go forward.
struct Places<'a> {
    rest: CharIndices<'a>,
    next: Location,
}

impl<'a> Places<'a> {
    fn new(sql: &'a str) -> Self {
        Self {
            rest: sql.char_indices(),
            next: Location::new(1, 1),
        }
    }

    fn byte(&mut self, wanted: Location) -> usize {
        while self.next < wanted {
            match self.rest.next() {
                Some((_, '\n')) => self.next = Location::new(self.next.line + 1, 1),
                Some(_) => self.next.column += 1,
                None => break,
            }
        }
        self.rest.offset()
    }
}

fn not_cut(sql: &str, error: &TokenizerError) -> ServerError {
    if error.message.contains("comment") {
        return message(113, &[]);
    }
    if error.message.contains("Unterminated") || error.message.contains("close delimiter") {
        let start = Places::new(sql).byte(error.location);
        let text = sql[start..].trim_start_matches(['N', 'n', '\'', '"', '[']);
        return message(105, &[&shortened(text)]);
    }
    syntax(&error.message)
}
