//! Lines for a terminal of some width: words wrapped under their column, commands whole.

use std::io::{self, Write};

use textwrap::core::{Word, display_width};
use textwrap::{Options, WordSeparator, WrapAlgorithm};

/// Narrower terminals wrap by themselves, columns.
const LEAST: usize = 40;

/// Width of what is written to, in columns; `None` where it is no terminal.
pub type Columns = fn() -> Option<usize>;

/// A writer of lines. A line without an end goes out as it is when the page is flushed: a question.
pub struct Page<W> {
    writer: W,
    columns: Columns,
    line: Vec<u8>,
}

impl<W: Write> Page<W> {
    /// Lines go to `writer`, wrapped to `columns`, which is asked at every line: windows change.
    pub fn new(writer: W, columns: Columns) -> Self {
        Self {
            writer,
            columns,
            line: Vec::new(),
        }
    }

    fn put(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        match ((self.columns)(), std::str::from_utf8(&line)) {
            (Some(columns), Ok(text)) => {
                let ends = text.ends_with('\n');
                let wrapped = wrap(text.trim_end_matches('\n'), columns);
                self.writer.write_all(wrapped.as_bytes())?;
                self.writer.write_all(if ends { b"\n" } else { b"" })
            }
            (None, _) | (Some(_), Err(_)) => self.writer.write_all(&line),
        }
    }
}

impl<W: Write> Write for Page<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.put()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.put()?;
        }
        self.writer.flush()
    }
}

/// A line in as many as `width` columns ask for. What is typed stands whole on one line, however long:
/// what stands between backquotes, a command of this program up to the end of the line, and a line of a
/// plan that is sent as it is (behind `| `).
pub fn wrap(line: &str, width: usize) -> String {
    let is_sent = line.trim_start().starts_with("| ");
    if width < LEAST || is_sent || display_width(line) <= width {
        return line.to_owned();
    }
    let fields = fields(line);
    let last = fields.last().copied().unwrap_or_default();
    if fields.len() < 2 || last.column <= width / 2 {
        let hang = last.column + if last.column == 0 { 2 } else { 0 };
        return fill(line, width, "", hang);
    }
    // No room beside what stands before it: under that.
    let fits = fields.iter().rev().find(|field| field.column <= width / 4);
    let hang = fits.map_or(2, |field| field.column);
    let (head, tail) = line.split_at(last.byte);
    let indent = " ".repeat(hang);
    let head = wrap(head.trim_end(), width);
    format!("{head}\n{}", fill(tail, width, &indent, hang))
}

fn fill(text: &str, width: usize, first: &str, hang: usize) -> String {
    let indent = " ".repeat(hang);
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_separator(WordSeparator::Custom(words))
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).join("\n")
}

/// Where a field of a line begins.
#[derive(Clone, Copy, Default)]
struct Field {
    byte: usize,
    column: usize,
}

/// Fields stand two blanks or more apart.
fn fields(line: &str) -> Vec<Field> {
    let (mut fields, mut blanks) = (Vec::new(), 2);
    for (byte, c) in line.char_indices() {
        if c == ' ' {
            blanks += 1;
            continue;
        }
        if blanks > 1 {
            let column = display_width(&line[..byte]);
            fields.push(Field { byte, column });
        }
        blanks = 0;
    }
    fields
}

/// What is not taken apart.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let (mut words, mut begin, mut rest) = (Vec::new(), 0, line);
    while !rest.is_empty() {
        let at = line.len() - rest.len();
        let end = if let Some(quoted) = rest.strip_prefix('`') {
            quoted.find('`').map(|len| at + len + 2)
        } else if rest.starts_with("pchadr ") && is_command(rest) {
            Some(line.len())
        } else {
            None
        };
        if let Some(end) = end {
            rest = &line[end..];
            continue;
        }
        let step = rest.chars().next().map_or(1, char::len_utf8);
        let is_blank = rest.starts_with(' ');
        rest = &rest[step..];
        if is_blank && !rest.starts_with(' ') {
            let end = line.len() - rest.len();
            words.push(Word::from(&line[begin..end]));
            begin = end;
        }
    }
    if begin < line.len() {
        words.push(Word::from(&line[begin..]));
    }
    Box::new(words.into_iter())
}

/// The name of the program begins a command where one of its commands follows.
fn is_command(text: &str) -> bool {
    let next = text.split(' ').nth(1).unwrap_or_default();
    let name = next.trim_end_matches(|c: char| !c.is_alphanumeric());
    crate::model::commands::ALL.contains(&name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_wrapped_under_their_column() {
        for (line, width, wrapped) in [
            ("short", 80, "short"),
            (
                "  why:        the instance did not answer within its limit, and was asked no more",
                50,
                "  why:        the instance did not answer within
              its limit, and was asked no more",
            ),
            (
                "   3/10  drop-log-shipping  F1  done   under 1 s  no log-shipping row for the chat database",
                60,
                "   3/10  drop-log-shipping  F1  done   under 1 s
         no log-shipping row for the chat database",
            ),
            (
                "failover of pchat.litwareinc.com: done: everything is as the runbook wants it",
                60,
                "failover of pchat.litwareinc.com: done: everything is as the
  runbook wants it",
            ),
            (
                "   8/10  set-pool-state  \u{1b}[32mdone\u{1b}[0m  the pool is told that it is failed over",
                60,
                "   8/10  set-pool-state  \u{1b}[32mdone\u{1b}[0m
         the pool is told that it is failed over",
            ),
        ] {
            assert_eq!(wrap(line, width), wrapped);
        }
    }

    #[test]
    fn what_is_typed_stands_whole_on_one_line() {
        for (line, wrapped) in [
            (
                "to go on: pchadr failover --config /etc/pchadr/site.toml --resume=20260114T020000Z-1",
                "to go on:
  pchadr failover --config /etc/pchadr/site.toml --resume=20260114T020000Z-1",
            ),
            (
                "it was not told, so see `pchadr status --config /etc/site.toml` and go on",
                "it was not told, so see
  `pchadr status --config /etc/site.toml`
  and go on",
            ),
            (
                "         | RESTORE DATABASE [mgc] FROM DISK = N'somewhere else' WITH NORECOVERY;",
                "         | RESTORE DATABASE [mgc] FROM DISK = N'somewhere else' WITH NORECOVERY;",
            ),
            (
                "start pchadr at a terminal, where it can ask you what it wants to know",
                "start pchadr at a terminal, where it can
  ask you what it wants to know",
            ),
        ] {
            assert_eq!(wrap(line, 40), wrapped);
        }
    }

    #[test]
    fn a_page_keeps_what_is_not_a_line_yet_until_it_is_flushed() {
        let mut page = Page::new(Vec::new(), || Some(40));
        let text = b"a line that is longer than the window is wide\nType `yes`";
        for byte in text {
            page.write_all(&[*byte]).unwrap();
        }
        let lines = "a line that is longer than the window is\n  wide\n";
        assert_eq!(page.writer, lines.as_bytes());
        page.flush().unwrap();
        assert_eq!(page.writer, format!("{lines}Type `yes`").as_bytes());
    }

    proptest! {
        #[test]
        fn every_word_comes_through_and_only_a_long_one_is_wider_than_the_window(
            line in "( {0,12}[a-z]{1,14}){1,30}", width in 40..130_usize,
        ) {
            let wrapped = wrap(&line, width);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&wrapped), words(&line));
            for line in wrapped.lines() {
                let one_word = line.trim().split(' ').count() == 1;
                prop_assert!(one_word || display_width(line) <= width, "{}", line);
            }
        }

        #[test]
        fn no_text_stops_it(line in "[^\n]{0,200}", width in 0..200_usize) {
            wrap(&line, width);
        }
    }
}
