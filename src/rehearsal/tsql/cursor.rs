//! A place among the tokens of a batch.

use super::Expr;
use super::token::{Kind, Token, tokenize};
use crate::rehearsal::hex::parse_hex;
use crate::rehearsal::message::syntax;
use crate::rehearsal::value::{Datum, ServerError, SqlType};

/// Words with which a statement begins (or a block ends).
const STARTERS: [&str; 23] = [
    "CREATE", "INSERT", "THROW", "ALTER", "BACKUP", "BEGIN", "COMMIT", "DECLARE", "DROP", "ELSE",
    "END", "EXEC", "EXECUTE", "IF", "KILL", "PRINT", "RESTORE", "ROLLBACK", "SELECT", "SET", "USE",
    "WAITFOR", "RETURN",
];

pub(super) struct Cursor<'a> {
    sql: &'a str,
    tokens: Vec<Token>,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(sql: &'a str) -> Result<Self, ServerError> {
        Ok(Self {
            sql,
            tokens: tokenize(sql)?,
            at: 0,
        })
    }

    pub(super) fn peek(&self) -> Option<&Kind> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<&Kind> {
        self.tokens.get(self.at + ahead).map(|t| &t.kind)
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn advance(&mut self) -> Option<Kind> {
        let kind = self.peek().cloned();
        self.at += 1;
        kind
    }

    /// Error 102 at the current token.
    pub(super) fn wrong(&self) -> ServerError {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        syntax(token.map_or("", |t| &self.sql[t.start..t.end]))
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    pub(super) fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek_at(ahead), Some(Kind::Word(w)) if w.eq_ignore_ascii_case(word))
    }

    /// Takes the word if it is there.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), ServerError> {
        if self.take_word(word) {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    /// Any unquoted word, upper case.
    pub(super) fn any_word(&mut self) -> Result<String, ServerError> {
        match self.peek() {
            Some(Kind::Word(word)) => {
                let word = word.to_uppercase();
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.wrong()),
        }
    }

    pub(super) fn is_mark(&self, mark: char) -> bool {
        self.peek() == Some(&Kind::Mark(mark))
    }

    pub(super) fn take_mark(&mut self, mark: char) -> bool {
        let found = self.is_mark(mark);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn expect_mark(&mut self, mark: char) -> Result<(), ServerError> {
        if self.take_mark(mark) {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    /// An identifier, quoted or not.
    pub(super) fn identifier(&mut self) -> Result<String, ServerError> {
        match self.peek() {
            Some(Kind::Word(name) | Kind::Quoted(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.wrong()),
        }
    }

    /// A name in parts; empty parts (`msdb..sysjobs`) are left out.
    pub(super) fn dotted_name(&mut self) -> Result<Vec<String>, ServerError> {
        let mut parts = vec![self.identifier()?];
        while self.take_mark('.') {
            while self.take_mark('.') {}
            parts.push(self.identifier()?);
        }
        Ok(parts)
    }

    pub(super) fn at_starter(&self) -> bool {
        self.starter_at(self.at)
    }

    fn starter_at(&self, at: usize) -> bool {
        matches!(self.tokens.get(at).map(|t| &t.kind), Some(Kind::Word(w))
            if STARTERS.iter().any(|s| w.eq_ignore_ascii_case(s)))
    }

    /// True where a statement may begin behind a condition or a SET option.
    pub(super) fn begins_at(&self, at: usize) -> bool {
        self.starter_at(at)
            && !matches!(self.tokens.get(at).map(|t| &t.kind), Some(Kind::Word(w))
                if ["COMMIT", "ROLLBACK"].iter().any(|s| w.eq_ignore_ascii_case(s)))
    }

    /// One literal, variable or identifier.
    pub(super) fn simple_value(&mut self) -> Result<Expr, ServerError> {
        let negative = self.take_mark('-');
        let value = match self.peek() {
            Some(Kind::Number(number)) => literal_number(number, negative),
            Some(_) if negative => None,
            Some(Kind::Text(text)) => Some(Expr::text(text)),
            Some(Kind::Variable(name)) => Some(Expr::Variable(name.clone())),
            Some(Kind::Hex(digits)) => literal_bytes(digits),
            Some(Kind::Word(word)) if word.eq_ignore_ascii_case("NULL") => {
                Some(Expr::Literal(SqlType::NVarChar(Some(1)), Datum::Null))
            }
            Some(Kind::Word(name) | Kind::Quoted(name)) => Some(Expr::text(name)),
            _ => None,
        };
        let value = value.ok_or_else(|| self.wrong())?;
        self.at += 1;
        Ok(value)
    }

    /// An expression up to the end of the statement, a comma where `to_comma`, or one of `stops`.
    pub(super) fn expression(
        &mut self,
        to_comma: bool,
        stops: &[&str],
    ) -> Result<Expr, ServerError> {
        let start = self.at;
        let end = self.scan(|cursor, at| {
            (to_comma && cursor.tokens[at].kind == Kind::Mark(','))
                || cursor.starter_at(at)
                || stops.iter().any(|s| cursor.is_word_at(at - start, s))
        });
        if end == start {
            return Err(self.wrong());
        }
        let simple = {
            let first = &self.tokens[start].kind;
            let negative = first == &Kind::Mark('-') && end == start + 2;
            let plain = end == start + 1
                && matches!(
                    first,
                    Kind::Number(_) | Kind::Text(_) | Kind::Variable(_) | Kind::Hex(_)
                );
            let null = end == start + 1
                && matches!(first, Kind::Word(w) if w.eq_ignore_ascii_case("NULL"));
            let global = matches!(first, Kind::Variable(v) if v.starts_with("@@"));
            (negative || plain || null) && !global
        };
        if simple {
            return self.simple_value();
        }
        let text = self.text(start, end);
        self.at = end;
        Ok(Expr::Sql(text))
    }

    /// Index of the first token, from the current one on and outside parentheses and CASE, at which
    /// `stop` says so, or of the `;`, or of the end.
    pub(super) fn scan(&self, stop: impl Fn(&Self, usize) -> bool) -> usize {
        let mut depth = 0_usize;
        let mut cases = 0_usize;
        let mut at = self.at;
        while let Some(token) = self.tokens.get(at) {
            match &token.kind {
                Kind::Mark('(') => depth += 1,
                Kind::Mark(')' | ';') if depth == 0 => break,
                Kind::Mark(')') => depth -= 1,
                Kind::Word(w) if w.eq_ignore_ascii_case("CASE") => cases += 1,
                Kind::Word(w) if cases > 0 && w.eq_ignore_ascii_case("END") => {
                    cases -= 1;
                    at += 1;
                    continue;
                }
                _ => {}
            }
            if depth == 0 && cases == 0 && stop(self, at) {
                break;
            }
            at += 1;
        }
        at
    }

    /// Cuts out a SELECT: to the next statement, but not at the SELECT behind a set operator.
    pub(super) fn select_end(&self) -> usize {
        let start = self.at;
        self.scan(|cursor, at| {
            if at == start || !cursor.starter_at(at) {
                return false;
            }
            let is = |i: usize, words: &[&str]| {
                matches!(&cursor.tokens[i].kind, Kind::Word(w)
                    if words.iter().any(|x| w.eq_ignore_ascii_case(x)))
            };
            !(is(at, &["SELECT"]) && is(at - 1, &["UNION", "ALL", "EXCEPT", "INTERSECT"]))
        })
    }

    /// Where the current token begins in the text.
    pub(super) fn offset(&self) -> usize {
        let token = self.tokens.get(self.at);
        token.map_or(self.sql.len(), |token| token.start)
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn kind_at(&self, at: usize) -> Option<&Kind> {
        self.tokens.get(at).map(|t| &t.kind)
    }

    /// The text of the tokens `start..end`.
    pub(super) fn text(&self, start: usize, end: usize) -> String {
        match (
            self.tokens.get(start),
            end.checked_sub(1).and_then(|e| self.tokens.get(e)),
        ) {
            (Some(first), Some(last)) if first.start <= last.end => {
                self.sql[first.start..last.end].to_owned()
            }
            _ => String::new(),
        }
    }
}

fn literal_number(text: &str, negative: bool) -> Option<Expr> {
    let number: i64 = text.parse().ok()?;
    let number = if negative { -number } else { number };
    let sql_type = if i32::try_from(number).is_ok() {
        SqlType::Int
    } else {
        SqlType::BigInt
    };
    Some(Expr::Literal(sql_type, Datum::Int(number)))
}

fn literal_bytes(digits: &str) -> Option<Expr> {
    Some(Expr::Literal(
        SqlType::VarBinary(None),
        Datum::Bytes(parse_hex(digits)?),
    ))
}
