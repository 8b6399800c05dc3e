//! The log of a run: what the doors were asked and how long it took, for whoever looks for the cause
//! of a trouble later. No secret, and nothing that rows hold.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;

use tracing::Level;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::access::sql::SERVER_MESSAGES;
use crate::run::store::Note;

/// Its name in the run folder.
pub(super) const LOG: &str = "log.txt";

/// Keeps the log of this thread in a file, at its end, until the guard is dropped. Without a log a
/// run goes on: its record is the journal.
pub(super) fn keep(file: &Path, note: &mut Note) -> Option<DefaultGuard> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // For this user alone, as the rest of the record is.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(file);
    let opened = opened
        .map_err(|error| note(&format!("there is no log: `{}`: {error}", file.display())))
        .ok()?;
    let targets = Targets::new()
        .with_target("pchadr", Level::DEBUG)
        .with_target(SERVER_MESSAGES, Level::DEBUG);
    let lines = fmt::layer()
        .with_ansi(false)
        .with_writer(Mutex::new(opened));
    let subscriber = tracing_subscriber::registry().with(targets).with(lines);
    Some(tracing::subscriber::set_default(subscriber))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_what_we_note_and_the_servers_say_and_never_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(LOG);
        for text in ["first", "second"] {
            let _log = keep(&file, &mut (Box::new(|_: &str| ()) as Note)).unwrap();
            tracing::debug!(target: "pchadr::access", "{text}");
            tracing::debug!(target: SERVER_MESSAGES, "said by the server");
            tracing::trace!(target: SERVER_MESSAGES, "a row");
            tracing::debug!(target: "somebody::else", "a packet");
        }
        tracing::debug!(target: "pchadr::access", "after the end");
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("first") && text.contains("second"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_run_without_a_place_for_its_log_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let told = std::sync::Arc::new(Mutex::new(String::new()));
        let taken = std::sync::Arc::clone(&told);
        let mut note: Note = Box::new(move |text| text.clone_into(&mut taken.lock().unwrap()));
        assert!(keep(&folder.path().join("gone/log.txt"), &mut note).is_none());
        assert!(told.lock().unwrap().contains("there is no log"));
    }
}
