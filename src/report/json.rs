//! A run as JSON lines: each record, as the journal has it.

use std::io::Write;

use crate::run::event::Record;
use crate::run::recorder::Sink;

/// Writes each record of this execution as one line: the bytes of the journal's line.
pub struct JsonLines {
    /// `None` once a write failed: a reader that went away does not stop a run.
    writer: Option<Box<dyn Write + Send>>,
}

impl JsonLines {
    /// Writes to `writer`.
    pub fn new(writer: Box<dyn Write + Send>) -> Self {
        Self {
            writer: Some(writer),
        }
    }
}

impl Sink for JsonLines {
    fn record(&mut self, record: &Record) {
        let (Some(writer), Ok(mut line)) = (&mut self.writer, serde_json::to_vec(record)) else {
            return;
        };
        line.push(b'\n');
        if writer
            .write_all(&line)
            .and_then(|()| writer.flush())
            .is_err()
        {
            self.writer = None;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::sample::{Paper, stopped_run};
    use crate::run::journal::Journal;
    use crate::run::store::MemoryStore;

    #[test]
    fn each_line_is_the_journals_line() {
        let store = MemoryStore::default();
        let mut journal = Journal::begin(Box::new(store.clone()));
        let paper = Paper::default();
        let mut sink = JsonLines::new(Box::new(paper.clone()));
        for record in stopped_run() {
            sink.record(&journal.append(record.at, record.event).unwrap());
        }
        assert_eq!(paper.text().as_bytes(), store.bytes());
    }

    #[test]
    fn the_first_line_has_the_keys_of_the_design_in_their_order() {
        let paper = Paper::default();
        let mut sink = JsonLines::new(Box::new(paper.clone()));
        sink.record(&stopped_run()[0]);
        assert_eq!(
            paper.text(),
            concat!(
                r#"{"seq":1,"at":"2027-01-15T08:00:00Z","prev":"","event":"run_started","format":5,"#,
                r#""run":"r7","runbook":"failover","plan_digest":"sha256:p1","site_digest":"sha256:s1","#,
                r#""pool":"pchat.litwareinc.com","tool":"pchadr 0.1.0","host":"adm1","user":"ann","#,
                r#""clock":"simulated","steps":[{"id":"drop-log-shipping","vendor":"F1","#,
                r#""title":"drops the log-shipping secondary","stage":1,"effect":"reversible"},"#,
                r#"{"id":"copy-backups","vendor":"F2","title":"copies log backups","stage":2,"effect":"reversible"},"#,
                r#"{"id":"end-connections","vendor":"F4","title":"ends sessions","stage":3,"effect":"irreversible"},"#,
                r#"{"id":"recover-database","vendor":"F4","title":"recovers `mgc`","stage":4,"effect":"irreversible"},"#,
                r#"{"id":"set-pool-state","vendor":"F5","title":"sets the state","stage":5,"effect":"reversible"}]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_reader_that_went_away_does_not_stop_a_run() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut sink = JsonLines::new(Box::new(Gone));
        for record in &stopped_run() {
            sink.record(record);
        }
        assert!(sink.writer.is_none());
    }
}
