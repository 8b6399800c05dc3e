//! Text under the server's collation: case-insensitive, accents count, trailing blanks do not.

use std::cmp::Ordering;

/// One character without its case.
pub(super) fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        // No character of several lower-case ones may change the length of a text.
        _ => c,
    }
}

/// The text under which equal texts are equal.
pub(super) fn key(text: &str) -> String {
    let text = text.trim_end_matches(' ');
    if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.chars().map(fold).collect()
    }
}

/// Whether two texts are equal.
pub(super) fn equal(left: &str, right: &str) -> bool {
    let (left, right) = (left.trim_end_matches(' '), right.trim_end_matches(' '));
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    left.chars().map(fold).eq(right.chars().map(fold))
}

/// Order of two texts: signs before digits before letters, as the Latin collations have it.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let weigh = |c: char| {
        let class = if c.is_alphabetic() {
            2
        } else {
            u8::from(c.is_numeric())
        };
        (class, fold(c))
    };
    // The shorter text is compared as if blanks followed it.
    let (left, right) = (left.trim_end_matches(' '), right.trim_end_matches(' '));
    left.chars().map(weigh).cmp(right.chars().map(weigh))
}

/// Length in UTF-16 units, as the server counts characters.
pub(super) fn units(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.encode_utf16().count()
    }
}

/// `length` units from unit `start` on; what lies outside of the text is left out.
pub(super) fn slice(text: &str, start: usize, length: usize) -> String {
    if text.is_ascii() {
        let start = start.min(text.len());
        let end = start.saturating_add(length).min(text.len());
        return text[start..end].to_owned();
    }
    let cut: Vec<u16> = text.encode_utf16().skip(start).take(length).collect();
    String::from_utf16_lossy(&cut)
}

/// Position of `wanted` at or after character `from`, in characters.
pub(super) fn find(text: &[char], wanted: &[char], from: usize) -> Option<usize> {
    if wanted.is_empty() || wanted.len() > text.len() {
        return None;
    }
    let same = |at: &usize| {
        let part = text[*at..*at + wanted.len()].iter();
        part.zip(wanted).all(|(a, b)| fold(*a) == fold(*b))
    };
    (from..=text.len() - wanted.len()).find(same)
}

/// Every `old` in `text` replaced by `new`.
pub(super) fn replace(text: &str, old: &str, new: &str) -> String {
    let text: Vec<char> = text.chars().collect();
    let old: Vec<char> = old.chars().collect();
    let mut result = String::new();
    let mut at = 0;
    while let Some(hit) = find(&text, &old, at) {
        result.extend(&text[at..hit]);
        result.push_str(new);
        at = hit + old.len();
    }
    result.extend(text.iter().skip(at));
    result
}

/// A part of a LIKE pattern.
enum Part {
    /// `%`
    Any,
    /// `_`
    One,
    /// One character, folded.
    Literal(char),
    /// `[a-c]`, `[^a-c]`: folded ranges.
    Set(bool, Vec<(char, char)>),
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Literal(literal) => *literal == c,
            Self::Set(negated, ranges) => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
            }
        }
    }
}

/// Whether `text` matches the pattern; every character of both counts.
pub(super) fn like(text: &str, pattern: &str, escape: Option<char>) -> bool {
    let Some(parts) = parse(pattern, escape) else {
        return false;
    };
    let text: Vec<char> = text.chars().map(fold).collect();
    let (mut at, mut part) = (0, 0);
    // Where the last `%` stands, and the first character that it has not swallowed yet.
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                retry = Some((part, at));
                part += 1;
                continue;
            }
            Some(one) if one.takes(text[at]) => {
                at += 1;
                part += 1;
                continue;
            }
            _ => {}
        }
        let Some((star, swallowed)) = retry else {
            return false;
        };
        retry = Some((star, swallowed + 1));
        at = swallowed + 1;
        part = star + 1;
    }
    parts[part..].iter().all(|part| matches!(part, Part::Any))
}

/// `None` for a pattern that nothing matches: a `[` that is never closed.
fn parse(pattern: &str, escape: Option<char>) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if Some(c) == escape {
            parts.push(Part::Literal(fold(rest.next()?)));
            continue;
        }
        parts.push(match c {
            '%' => Part::Any,
            '_' => Part::One,
            '[' => {
                let (set, length) = parse_set(rest.as_str())?;
                rest = rest.as_str()[length..].chars();
                set
            }
            literal => Part::Literal(fold(literal)),
        });
    }
    Some(parts)
}

/// What stands between the brackets, and how many bytes that and the closing one take.
fn parse_set(text: &str) -> Option<(Part, usize)> {
    let end = text.find(']')?;
    let inside = &text[..end];
    let (negated, inside) = match inside.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, inside),
    };
    let characters: Vec<char> = inside.chars().map(fold).collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(from) = characters.get(at) {
        if let (Some('-'), Some(to)) = (characters.get(at + 1), characters.get(at + 2)) {
            ranges.push((*from, *to));
            at += 3;
        } else {
            ranges.push((*from, *from));
            at += 1;
        }
    }
    Some((Part::Set(negated, ranges), end + 1))
}
