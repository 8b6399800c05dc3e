//! Citations of documents in running text, and the sections that they name.

use std::collections::BTreeMap;
use std::path::Path;

use crate::program::root;

/// A document: the text of each section by its number, that of a heading without a number by its
/// title. An item of a numbered list is a section too: item 6 of section 1 is 1.6.
pub(super) struct Document {
    pub(super) text: String,
    sections: BTreeMap<String, String>,
    /// Every heading, with the key of its section.
    headings: Vec<(String, String)>,
}

impl Document {
    pub(super) fn read(text: &str) -> Self {
        let mut document = Self {
            text: text.to_owned(),
            sections: BTreeMap::new(),
            headings: Vec::new(),
        };
        // The headings above a line, outermost first, and the item that it belongs to.
        let mut open: Vec<(usize, String)> = Vec::new();
        let mut item = None;
        for line in text.lines() {
            let depth = line.len() - line.trim_start_matches('#').len();
            if depth > 0 {
                let title = line[depth..].trim();
                let number = title.split(' ').next().unwrap().trim_end_matches('.');
                let key = if is_number(number) { number } else { title };
                open.retain(|(above, _)| *above < depth);
                open.push((depth, key.to_owned()));
                item = None;
                document
                    .headings
                    .push((title.to_lowercase(), key.to_owned()));
            } else if let Some((number, _)) = line.split_once(". ").filter(|it| is_number(it.0)) {
                item = open.last().map(|(_, above)| format!("{above}.{number}"));
            }
            for key in open.iter().map(|(_, key)| key).chain(&item) {
                let text = document.sections.entry(key.clone()).or_default();
                text.push_str(line);
                text.push('\n');
            }
        }
        document
    }

    /// The first of these items that is not there.
    fn missing<'a>(&self, items: &'a [Item]) -> Option<&'a Item> {
        let mut at: Option<String> = None;
        let mut in_list = false;
        items.iter().find(|item| {
            let text = at.as_ref().and_then(|key| self.sections.get(key));
            let within = |word: &str| text.is_some_and(|text| text.contains(word));
            let key = match item {
                Item::Section(number) if !in_list => number.clone(),
                Item::Section(number) | Item::Rule(number) => {
                    let key = format!("{}.{number}", at.as_deref().unwrap_or_default());
                    return !self.sections.contains_key(&key);
                }
                Item::Words(words) if at.is_none() => {
                    in_list = true;
                    let words = words.to_lowercase();
                    let heading = self
                        .headings
                        .iter()
                        .find(|(title, _)| title.contains(&words));
                    heading.map_or_else(String::new, |(_, key)| key.clone())
                }
                Item::Words(word) | Item::Inside(word) => return !within(word),
                Item::Key(key) => return !self.text.contains(&format!("| {key} |")),
            };
            let is_there = self.sections.contains_key(&key);
            at = Some(key);
            !is_there
        })
    }
}

fn is_number(text: &str) -> bool {
    let mut parts = text.split('.');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    parts.by_ref().take(2).all(digits) && parts.next().is_none()
}

/// A document that a text names: its path as it is written, and what follows it.
pub(super) struct Citation<'a> {
    pub(super) path: &'a str,
    pub(super) rest: &'a str,
}

/// Broad on purpose: whatever could be a document counts, and has to be resolved.
pub(super) fn citations(text: &str) -> Vec<Citation<'_>> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(length) = text[from..].find(is_path) {
        let start = from + length;
        let length = text[start..].find(|c| !is_path(c));
        from = length.map_or(text.len(), |length| start + length);
        let path = text[start..from].trim_end_matches('.');
        let rest = &text[start + path.len()..];
        let rest = rest.strip_prefix('`').unwrap_or(rest);
        // The design was called so before it was in the repository.
        let path = if path == "DESIGN" { "design.md" } else { path };
        let is_document = Path::new(path).extension().is_some_and(|end| end == "md");
        if is_document || path.starts_with("reference/") || path.starts_with("docs/") {
            found.push(Citation { path, rest });
        }
    }
    found
}

impl Citation<'_> {
    /// What is wrong with it; `None` where it leads to what it names.
    pub(super) fn wrong(&self, documents: &BTreeMap<String, Document>) -> Option<String> {
        let is_below = |place: &str| root().join(place).join(self.path).exists();
        if !["", "docs", "docs/reference"].into_iter().any(is_below) {
            return Some(format!("there is no `{}`", self.path));
        }
        let document = documents.get(self.path.rsplit('/').next().unwrap())?;
        let items = cited(self.rest);
        let missing = document.missing(&items)?;
        let near: String = self.rest.chars().take(40).collect();
        Some(format!("{}{near}: there is no {missing:?}", self.path))
    }
}

/// What is cited of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// `6.8`: a section.
    Section(String),
    /// `rule 2`: an item of the section before.
    Rule(String),
    /// Words in quotes: of a heading, or in the section before; or a heading as it is.
    Words(String),
    /// `key ERR`: a row of a table of keys.
    Key(String),
    /// A code, an error number or a word of code that stands in the section before.
    Inside(String),
}

/// Reads `4, 5.2 to 5.4; 8, "words" 3, rule 2)` up to where it is prose again.
pub(super) fn cited(rest: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = rest;
    loop {
        let separators = [", ", "; ", " to ", " and ", " "];
        let separator = separators.iter().find(|it| rest.starts_with(**it));
        let Some(separator) = separator else { break };
        let after = &rest[separator.len()..];
        let is_list = matches!(*separator, ", " | "; ");
        let plain = |c: char| !(c.is_ascii_alphanumeric() || c == '.');
        let word = after[..after.find(plain).unwrap_or(after.len())].trim_end_matches('.');
        let (item, length) = if is_number(word) && word.len() > 3 && !word.contains('.') {
            (Item::Inside(word.to_owned()), word.len())
        } else if is_number(word) {
            let is_rule = matches!(items.last(), Some(Item::Rule(_)));
            let number = word.to_owned();
            let item = if is_rule {
                Item::Rule(number)
            } else {
                Item::Section(number)
            };
            (item, word.len())
        } else if is_list && is_code(word) {
            (Item::Inside(word.to_owned()), word.len())
        } else if let Some(words) = after.strip_prefix('"').filter(|_| is_list) {
            let end = words.find('"').unwrap_or(words.len());
            (Item::Words(words[..end].to_owned()), end + 2)
        } else if let Some(code) = after.strip_prefix('`').filter(|_| is_list) {
            let end = code.find('`').unwrap_or(code.len());
            if code[..end].contains(".md") || items.is_empty() {
                break;
            }
            (Item::Inside(code[..end].to_owned()), end + 2)
        } else if is_list && ["rule", "rules", "key"].contains(&word) {
            let value = after[word.len()..].trim_start();
            let end = value.find(plain).unwrap_or(value.len());
            let length = after.len() - value.len() + end;
            let value = value[..end].trim_end_matches('.').to_owned();
            let is_key = word == "key";
            (
                if is_key {
                    Item::Key(value)
                } else {
                    Item::Rule(value)
                },
                length,
            )
        } else if is_list && items.is_empty() && word.starts_with(|c: char| c.is_ascii_uppercase())
        {
            let end = after
                .find([')', '.', ',', ';', ':', '('])
                .unwrap_or(after.len());
            (Item::Words(after[..end].to_owned()), end)
        } else {
            break;
        };
        items.push(item);
        rest = after.get(length..).unwrap_or("");
    }
    items
}

/// A code of `codes.md`: `F4`, `O11`.
pub(super) fn is_code(word: &str) -> bool {
    let digits = word.trim_start_matches(['F', 'B', 'O', 'K', 'D']);
    word.len() == digits.len() + 1 && (1..=2).contains(&digits.len()) && is_number(digits)
}
