//! A TOML text read key by key: each value is checked where it stands, and reading goes on after
//! a problem, so that all of them are reported together.

mod syntax;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Problem, Problems, nearest};
use crate::model::names::BadName;

/// Says that a value is not to be had, and that the reason is among the problems.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported(());

/// Reads `bytes` with `take`; the value comes back only when nothing at all was wrong.
///
/// `file` is the name that the problems carry.
pub(crate) fn read<T>(
    bytes: &[u8],
    file: &str,
    take: impl FnOnce(Table<'_>) -> Result<T, Reported>,
) -> Result<T, Problems> {
    let refuse = |mut problems: Vec<Problem>| {
        problems.sort_by_key(|p| (p.line, p.column));
        Problems {
            file: file.to_owned(),
            problems,
        }
    };
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let before = bytes.get(..e.valid_up_to()).unwrap_or_default();
        let (line, column) = position(&String::from_utf8_lossy(before), e.valid_up_to());
        refuse(vec![Problem {
            line,
            column,
            key: String::new(),
            what: "the file is not UTF-8 text".to_owned(),
            hint: Some("save it again with the encoding UTF-8".to_owned()),
            source: None,
        }])
    })?;
    let ledger = Ledger {
        text,
        problems: RefCell::default(),
        refused: RefCell::default(),
    };
    let value = match DeTable::parse(text) {
        Ok(root) => take(Table::new(
            &ledger,
            root.get_ref(),
            root.span().start,
            String::new(),
        )),
        Err(e) => Err(ledger.syntax(&e)),
    };
    let problems = ledger.problems.into_inner();
    match value {
        Ok(value) if problems.is_empty() => Ok(value),
        _ => Err(refuse(problems)),
    }
}

/// Line and column, both from 1, of a byte of `text`.
fn position(text: &str, at: usize) -> (usize, usize) {
    let mut end = at.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// What was found so far.
struct Ledger<'a> {
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
    /// Where the keys begin that nobody is to read.
    refused: RefCell<BTreeSet<usize>>,
}

const SINGLE_QUOTES: &str =
    r"in double quotes a backslash starts an escape: write it in single quotes, as '\\fs1\logs'";

impl Ledger<'_> {
    fn report(&self, at: usize, key: &str, what: &str, hint: &str) -> Reported {
        let (line, column) = position(self.text, at);
        self.problems.borrow_mut().push(Problem {
            line,
            column,
            key: printable(key),
            what: printable(what),
            hint: (!hint.is_empty()).then(|| printable(hint)),
            source: None,
        });
        Reported(())
    }

    /// Reports a text that is no TOML, with its line and a mark below the place.
    fn syntax(&self, error: &toml::de::Error) -> Reported {
        let at = error.span().map_or(self.text.len(), |span| span.start);
        let (line, _) = position(self.text, at);
        let source = self.text.lines().nth(line - 1).unwrap_or_default();
        let hint = syntax::hint(error.message(), source);
        let reported = self.report(at, "", &format!("no TOML: {}", error.message()), hint);
        if syntax::may_be_shown(self.text, line)
            && let Some(problem) = self.problems.borrow_mut().last_mut()
        {
            problem.source = Some(source.replace(|c: char| c.is_control(), " "));
        }
        reported
    }
}

/// Control characters spelled out: a terminal may act on them.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A table of the file. Every key that is asked for is known; [`Table::finish`] reports the rest.
pub(crate) struct Table<'a> {
    ledger: &'a Ledger<'a>,
    entries: Option<&'a DeTable<'a>>,
    at: usize,
    path: String,
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    fn new(ledger: &'a Ledger<'a>, entries: &'a DeTable<'a>, at: usize, path: String) -> Self {
        Self {
            ledger,
            entries: Some(entries),
            at,
            path,
            known: Vec::new(),
        }
    }

    /// Reads a key that must be there; `example` shows what to write where it is missing.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&Field<'a>) -> Result<T, Reported>,
    ) -> Result<T, Reported> {
        if let Some(field) = self.field(key) {
            read(&field)
        } else {
            Err(self.missing(key, &format!("write `{example}`")))
        }
    }

    /// Reads a key where it is there.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Field<'a>) -> Result<T, Reported>,
    ) -> Result<Option<T>, Reported> {
        self.field(key).map(|field| read(&field)).transpose()
    }

    /// Reads a key that has a default.
    pub(crate) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Field<'a>) -> Result<T, Reported>,
    ) -> Result<T, Reported> {
        Ok(self.optional(key, read)?.unwrap_or(default))
    }

    /// The table below `key`: an empty one where it was left out.
    pub(crate) fn table(&mut self, key: &'static str) -> Result<Table<'a>, Reported> {
        let left_out = Table {
            ledger: self.ledger,
            entries: None,
            at: self.at,
            path: self.path_of(key),
            known: Vec::new(),
        };
        Ok(self.optional(key, Field::table)?.unwrap_or(left_out))
    }

    /// Says whether the file has this table.
    pub(crate) fn is_there(&self) -> bool {
        self.entries.is_some()
    }

    /// Says whether the table has `key`, of any kind.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.is_some_and(|e| e.contains_key(key))
    }

    /// The table below `key`, if there is one: a look that makes the key no more known.
    pub(crate) fn table_at(&self, key: &str) -> Option<Table<'a>> {
        let is_it = |field: &Field<'_>| field.key == key;
        self.fields().into_iter().find(is_it)?.as_table()
    }

    /// Every key with its value, known or not.
    pub(crate) fn fields(&self) -> Vec<Field<'a>> {
        self.entries
            .iter()
            .flat_map(|e| e.iter())
            .map(|(key, value)| Field {
                ledger: self.ledger,
                value,
                key: key.get_ref(),
                key_at: key.span().start,
                path: self.path_of(key.get_ref()),
            })
            .collect()
    }

    /// Reports a problem of the table as a whole.
    pub(crate) fn problem(&self, what: &str, hint: &str) -> Reported {
        self.ledger.report(self.at, &self.path, what, hint)
    }

    /// Reports a key that is not there but should be.
    pub(crate) fn missing(&self, key: &str, hint: &str) -> Reported {
        self.ledger
            .report(self.at, &self.path_of(key), "is missing", hint)
    }

    /// Reports every key that nobody asked for.
    pub(crate) fn finish(self) {
        for field in self.fields() {
            let name = field.key;
            if self.known.contains(&name) || field.is_refused() {
                continue;
            }
            let what = if field.value.get_ref().is_table() {
                "unknown table"
            } else {
                "unknown key"
            };
            let hint = match nearest(name, &self.known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", listed(&self.known)),
            };
            self.ledger.report(field.key_at, &field.path, what, &hint);
        }
    }

    fn field(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known.push(key);
        let (name, value) = self.entries?.get_key_value(key)?;
        Some(Field {
            ledger: self.ledger,
            value,
            key,
            key_at: name.span().start,
            path: self.path_of(key),
        })
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// One value of the file, and where it stands.
#[derive(Clone)]
pub(crate) struct Field<'a> {
    ledger: &'a Ledger<'a>,
    value: &'a Spanned<DeValue<'a>>,
    key: &'a str,
    key_at: usize,
    path: String,
}

impl<'a> Field<'a> {
    /// The key itself.
    pub(crate) fn key(&self) -> &'a str {
        self.key
    }

    /// Dotted path of the key.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Line of the value, from 1.
    pub(crate) fn line(&self) -> usize {
        position(self.ledger.text, self.value.span().start).0
    }

    /// Reports a problem of this value.
    pub(crate) fn problem(&self, what: &str, hint: &str) -> Reported {
        let at = self.value.span().start;
        self.ledger.report(at, &self.path, what, hint)
    }

    /// Reports this key, whatever its value is, and keeps the value from being read, and so from
    /// being shown.
    pub(crate) fn refuse(&self, what: &str, hint: &str) -> Reported {
        self.ledger.refused.borrow_mut().insert(self.key_at);
        self.ledger.report(self.key_at, &self.path, what, hint)
    }

    /// Text, possibly of several lines, that is not blank.
    pub(crate) fn prose(&self) -> Result<&'a str, Reported> {
        if self.is_refused() {
            return Err(Reported(()));
        }
        let DeValue::String(text) = self.value.get_ref() else {
            return Err(self.wrong("text in quotes"));
        };
        if text.trim().is_empty() {
            Err(self.problem("is empty", "write a value, or remove the key"))
        } else {
            Ok(text)
        }
    }

    /// Text of one line that is not blank.
    pub(crate) fn text(&self) -> Result<&'a str, Reported> {
        let text = self.prose()?;
        if text.chars().any(char::is_control) {
            let hint = self.quoting_hint().unwrap_or("write it in one line");
            Err(self.problem("has a control character", hint))
        } else {
            Ok(text)
        }
    }

    /// A checked name.
    pub(crate) fn name<T: FromStr<Err = BadName>>(&self, hint: &str) -> Result<T, Reported> {
        self.prose()?
            .parse()
            .map_err(|e: BadName| self.problem(&e.to_string(), self.quoting_hint().unwrap_or(hint)))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self) -> Result<bool, Reported> {
        self.value
            .get_ref()
            .as_bool()
            .ok_or_else(|| self.wrong("true or false"))
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn number(&self, least: usize, most: usize) -> Result<usize, Reported> {
        let expected = format!("a whole number from {least} to {most}");
        let DeValue::Integer(digits) = self.value.get_ref() else {
            return Err(self.wrong(&expected));
        };
        usize::from_str_radix(digits.as_str(), digits.radix())
            .ok()
            .filter(|n| (least..=most).contains(n))
            .ok_or_else(|| {
                self.problem(
                    &format!("`{}` is out of range", digits.as_str()),
                    &format!("write {expected}"),
                )
            })
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Result<T, Reported> {
        let given = self.text()?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == given) {
            return Ok(*value);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let hint = match nearest(given, &words) {
            Some(word) => format!("did you mean `{word}`? One of {}", listed(&words)),
            None => format!("write one of {}", listed(&words)),
        };
        Err(self.problem(&format!("`{given}` is not known here"), &hint))
    }

    /// The values of a list, each at its own place.
    pub(crate) fn list(&self) -> Result<Vec<Field<'a>>, Reported> {
        if self.value.get_ref().is_array() {
            Ok(self.items())
        } else {
            Err(self.wrong("a list in [brackets]"))
        }
    }

    /// The table that this value is.
    pub(crate) fn table(&self) -> Result<Table<'a>, Reported> {
        self.as_table().ok_or_else(|| self.wrong("a table"))
    }

    /// The table that this value is, if it is one.
    pub(crate) fn as_table(&self) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.value.get_ref() else {
            return None;
        };
        let at = self.value.span().start;
        Some(Table::new(self.ledger, entries, at, self.path.clone()))
    }

    /// The text that this value is, if it is one.
    pub(crate) fn as_text(&self) -> Option<&'a str> {
        self.value.get_ref().as_str()
    }

    /// The values of the list that this value is; none where it is no list.
    pub(crate) fn items(&self) -> Vec<Field<'a>> {
        let DeValue::Array(values) = self.value.get_ref() else {
            return Vec::new();
        };
        let item = |value: &'a Spanned<DeValue<'a>>| Field {
            ledger: self.ledger,
            value,
            key: self.key,
            key_at: value.span().start,
            path: self.path.clone(),
        };
        values.iter().map(item).collect()
    }

    fn is_refused(&self) -> bool {
        self.ledger.refused.borrow().contains(&self.key_at)
    }

    fn wrong(&self, expected: &str) -> Reported {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or a time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.problem(&format!("expected {expected}, found {found}"), "")
    }

    /// Where an escape in double quotes may have eaten a backslash of a path.
    fn quoting_hint(&self) -> Option<&'static str> {
        let source = self.ledger.text.get(self.value.span())?;
        (source.starts_with('"') && source.contains('\\')).then_some(SINGLE_QUOTES)
    }
}

/// Words as a reader expects them: `a`, `b`, `c`.
pub(crate) fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|w| format!("`{w}`")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests;
