//! The one function that prints an error.

use std::io::{self, Write};

use super::one_line;
use crate::model::commands::spelled;
use crate::run::event::ErrorRecord;

/// Writes an error in its three parts: what failed (and where), why, what to do. A part that is
/// empty is left out.
pub fn write_error(error: &ErrorRecord, writer: &mut (impl Write + ?Sized)) -> io::Result<()> {
    writeln!(writer, "error: {}{}", one_line(&error.what), place(error))?;
    part(writer, "why:", &error.why)?;
    let mut label = "seen:";
    for line in &error.evidence {
        part(writer, label, line)?;
        label = "";
    }
    part(writer, "what to do:", &error.hint)
}

fn part(writer: &mut (impl Write + ?Sized), label: &str, part: &str) -> io::Result<()> {
    if part.trim().is_empty() {
        return Ok(());
    }
    writeln!(writer, "  {label:<12}{}", one_line(&spelled(part)))
}

/// ` (on sql3, error 4305)`, as far as it is known.
pub(crate) fn place(error: &ErrorRecord) -> String {
    let instance = error.instance.as_deref().map(one_line);
    match (instance, error.number) {
        (Some(instance), Some(number)) => format!(" (on {instance}, error {number})"),
        (Some(instance), None) => format!(" (on {instance})"),
        (None, Some(number)) => format!(" (error {number})"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(error: &ErrorRecord) -> String {
        let mut text = Vec::new();
        write_error(error, &mut text).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    #[test]
    fn an_error_has_three_parts_with_instance_and_number() {
        let error = ErrorRecord {
            what: "`mgc` did not take the log backup `mgc_2.trn`".to_owned(),
            why: "The log in this backup set begins too late.\r\n".to_owned(),
            hint: "find the log backup before it".to_owned(),
            instance: Some(r"sql3.dc2.litwareinc.com\chat".to_owned()),
            number: Some(4305),
            ..ErrorRecord::default()
        };
        assert_eq!(
            written(&error),
            "\
error: `mgc` did not take the log backup `mgc_2.trn` (on sql3.dc2.litwareinc.com\\chat, error 4305)
  why:        The log in this backup set begins too late.
  what to do: find the log backup before it
"
        );
    }

    #[test]
    fn what_was_seen_stands_between_why_and_what_to_do_a_line_each() {
        let error = ErrorRecord {
            what: "step".to_owned(),
            why: "it lives".to_owned(),
            evidence: vec!["sql1: closed".to_owned(), "fe1: answers".to_owned()],
            hint: "stop it".to_owned(),
            ..ErrorRecord::default()
        };
        assert_eq!(
            written(&error),
            "\
error: step
  why:        it lives
  seen:       sql1: closed
              fe1: answers
  what to do: stop it
"
        );
    }

    #[test]
    fn a_part_that_is_not_known_is_left_out() {
        let error = ErrorRecord {
            what: "the journal cannot be synced".to_owned(),
            why: String::new(),
            hint: " ".to_owned(),
            ..ErrorRecord::default()
        };
        assert_eq!(written(&error), "error: the journal cannot be synced\n");
    }
}
