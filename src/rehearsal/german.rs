//! What a session whose language is German is told: number, severity and state are the same, the words
//! are others (`sql-server.md` 10.3). Of most messages only the number is of use here, and only that is
//! told.

use super::message::text_of;
use super::value::ServerError;

/// Texts by number, with `{}` where the English ones have it.
const TEXTS: [(u32, &str); 4] = [
    (
        3201,
        "Das Sicherungsmedium '{}' kann nicht geöffnet werden. Betriebssystemfehler {}.",
    ),
    (3202, "Fehler beim Schreiben auf '{}': {}."),
    (3203, "Fehler beim Lesen von '{}': {}"),
    (22022, "SQLServerAgent-Fehler: {}"),
];

/// The operating system is of the same setup.
const SYSTEM: [(&str, &str); 3] = [
    (
        "The system cannot find the file specified.",
        "Das System kann die angegebene Datei nicht finden.",
    ),
    ("Access is denied.", "Zugriff verweigert"),
    ("The data is invalid.", "Die Daten sind unzulässig."),
];

/// The same error in German.
pub(super) fn german(error: &ServerError) -> ServerError {
    let known = TEXTS.iter().find(|(number, _)| *number == error.number);
    let filled = known.and_then(|(_, german)| {
        let values = values(text_of(error.number)?, &error.message)?;
        let mut values = values.iter();
        let mut parts = german.split("{}");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            filled.push_str(values.next().copied().unwrap_or_default());
            filled.push_str(part);
        }
        Some(filled)
    });
    let mut message = filled.unwrap_or_else(|| format!("Meldung {}.", error.number));
    for (english, german) in SYSTEM {
        message = message.replace(english, german);
    }
    ServerError {
        message,
        ..error.clone()
    }
}

/// What stands where a text has room for values; `None` where the message is of another text.
fn values<'a>(text: &str, message: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = text.split("{}");
    let mut rest = message.strip_prefix(parts.next()?)?;
    let mut found = Vec::new();
    for part in parts {
        // The last value goes to the end of the message.
        let end = if part.is_empty() {
            rest.len()
        } else {
            rest.rfind(part)?
        };
        found.push(&rest[..end]);
        rest = &rest[end + part.len()..];
    }
    rest.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::message::{message, system_error};

    #[test]
    fn a_german_message_has_the_values_of_the_english_one_and_none_of_its_words() {
        let error = german(&message(3201, &["E:\\a.trn", &system_error(2)]));
        assert_eq!(
            error.message,
            "Das Sicherungsmedium 'E:\\a.trn' kann nicht geöffnet werden. Betriebssystemfehler 2(Das System kann die angegebene Datei nicht finden.)."
        );
        assert_eq!((error.number, error.class, error.state), (3201, 16, 1));
        assert_eq!(
            german(&message(3013, &["RESTORE LOG"])).message,
            "Meldung 3013."
        );
    }
}
