//! The one owner of what a run says: journal first, then every sink in its order.

use std::io;

use jiff::Timestamp;

use super::event::{Event, Progress, Record, StepOutcome};
use super::fold::{FoldError, RunState, fold};
use super::journal::{Journal, JournalError};
use crate::access::Clock;
use crate::model::{Direction, Document};
use crate::step::Step;

/// Shows a run as it goes.
pub trait Sink: Send {
    /// Takes a record, which the journal already holds.
    fn record(&mut self, record: &Record);

    /// Takes a record of an earlier execution of the same run, before the first [`Sink::record`]
    /// of this one. Most sinks show nothing for it.
    fn earlier(&mut self, _record: &Record) {}

    /// Takes how far a step is. It may be dropped.
    fn progress(&mut self, _progress: &Progress, _now: Timestamp) {}
}

/// Records a run.
///
/// Every event passes the transition function of [`super::fold`] before it is written, so that a
/// journal that exists can be folded. What must be known after a crash is durable when
/// [`Recorder::record`] returns.
pub struct Recorder {
    journal: Journal,
    clock: Clock,
    sinks: Vec<Box<dyn Sink>>,
    state: Option<RunState>,
    /// When the run began.
    began: Option<Timestamp>,
    /// Since when chat is down by what the run did.
    down_since: Option<Timestamp>,
    /// What is kept as soon as the run has its first record.
    waiting: Vec<(Document, Vec<u8>)>,
}

impl Recorder {
    /// Records a new run into an empty journal.
    pub fn new(journal: Journal, clock: Clock, sinks: Vec<Box<dyn Sink>>) -> Self {
        Self {
            journal,
            clock,
            sinks,
            state: None,
            began: None,
            down_since: None,
            waiting: Vec::new(),
        }
    }

    /// Goes on recording a run, whose journal and records [`Journal::reopen`] gave. The sinks see
    /// the records as earlier ones.
    pub fn resume(
        journal: Journal,
        records: &[Record],
        clock: Clock,
        mut sinks: Vec<Box<dyn Sink>>,
    ) -> Result<Self, FoldError> {
        let state = Some(fold(records)?);
        let ends = brings_chat_back(state.as_ref());
        for record in records {
            for sink in &mut sinks {
                sink.earlier(record);
            }
        }
        Ok(Self {
            journal,
            clock,
            sinks,
            began: records.first().map(|record| record.at),
            down_since: records
                .iter()
                .fold(None, |before, record| down_since(before, record, ends)),
            state,
            waiting: Vec::new(),
        })
    }

    /// Records an event: appends it, makes it durable unless it is a mere observation, and shows it.
    ///
    /// When this fails the run must not go on: nothing may happen that the journal does not say.
    pub fn record(&mut self, event: Event) -> Result<(), JournalError> {
        let refused = |seq, reason| JournalError::Refused { seq, reason };
        let next = match &self.state {
            None => RunState::begin(&event),
            Some(state) => {
                let mut next = state.clone();
                next.apply(&event).map(|()| next)
            }
        };
        let next = next.map_err(|reason| refused(self.journal.next_seq(), reason))?;
        if let Event::FenceTaken { number, .. } = &event {
            self.journal.number(*number);
        }
        let durable = !matches!(event, Event::StepChecked { .. });
        let record = self.journal.append(self.clock.now(), event)?;
        if durable {
            self.journal.sync()?;
        }
        self.state = Some(next);
        if matches!(record.event, Event::RunFinished(_)) {
            self.journal.give_back_room();
        }
        self.began.get_or_insert(record.at);
        let ends = brings_chat_back(self.state.as_ref());
        self.down_since = down_since(self.down_since, &record, ends);
        for (document, bytes) in std::mem::take(&mut self.waiting) {
            let kept = self.journal.keep(document, &bytes);
            kept.map_err(|source| JournalError::Store {
                action: "kept with its documents",
                source,
            })?;
        }
        for sink in &mut self.sinks {
            sink.record(&record);
        }
        Ok(())
    }

    /// Shows how far a step is. Never journaled.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "made for this call, and gone after it"
    )]
    pub fn progress(&mut self, progress: Progress) {
        let now = self.clock.now();
        for sink in &mut self.sinks {
            sink.progress(&progress, now);
        }
    }

    /// Another run goes on: nothing more is recorded.
    pub fn hand_over(&mut self) {
        self.journal.hand_over();
    }

    /// Keeps a document beside the journal, durably.
    pub fn keep(&mut self, document: Document, bytes: &[u8]) -> io::Result<()> {
        self.journal.keep(document, bytes)
    }

    /// Keeps a document of the run itself: not before the run has a record. An empty journal with
    /// documents beside it is one that was lost.
    pub fn keep_of_run(&mut self, document: Document, bytes: &[u8]) -> io::Result<()> {
        if self.state.is_some() {
            return self.journal.keep(document, bytes);
        }
        self.waiting.push((document, bytes.to_vec()));
        Ok(())
    }

    /// A document beside the journal.
    pub fn kept(&mut self, document: Document) -> io::Result<Option<Vec<u8>>> {
        self.journal.kept(document)
    }

    /// Where the run stands; `None` before its first record.
    pub fn state(&self) -> Option<&RunState> {
        self.state.as_ref()
    }

    /// Since when chat is down by what the run did: its first command of that, until what serves users is
    /// done, or that is undone.
    pub fn down_since(&self) -> Option<Timestamp> {
        self.down_since
    }

    /// When the run began, by its first record.
    pub fn began(&self) -> Option<Timestamp> {
        self.began
    }

    /// The clock that stamps the records.
    pub fn clock(&self) -> Clock {
        self.clock
    }
}

/// The step with which users are served again, of a run that took chat down.
fn brings_chat_back(state: Option<&RunState>) -> &'static str {
    let is_planned = state.is_some_and(RunState::is_planned);
    let step = if is_planned {
        Step::SetActiveServers
    } else {
        Step::ReturnPoolState
    };
    step.id()
}

/// Since when chat is down, once this is recorded behind what came before; `ends`: the step that
/// brings it back.
fn down_since(before: Option<Timestamp>, record: &Record, ends: &str) -> Option<Timestamp> {
    let step = |id: &str| Step::find(Direction::Failback, id);
    if let Event::Command { step: id, .. } = &record.event
        && step(id).is_some_and(Step::begins_downtime)
    {
        return before.or(Some(record.at));
    }
    let Event::StepFinished { id, outcome, .. } = &record.event else {
        return before;
    };
    let is_back = match outcome {
        StepOutcome::Undone => step(id).is_some_and(Step::begins_downtime),
        StepOutcome::Done | StepOutcome::DoneBefore => id == ends,
        StepOutcome::Overtaken
        | StepOutcome::Left
        | StepOutcome::Stopped
        | StepOutcome::Unknown
        | StepOutcome::NotReached => false,
    };
    before.filter(|_| !is_back)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::run::event::{ClockKind, FORMAT, RunStarted, StepLine, StepOutcome, Unit};
    use crate::run::journal::read;
    use crate::run::store::{MemoryStore, Operation};
    use crate::step::{Effect, Standing};

    /// Notes what it was given, and how much of the journal was durable then.
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<(String, usize)>>>, MemoryStore);

    impl Seen {
        fn note(&self, what: String) {
            self.0.lock().unwrap().push((what, self.1.synced()));
        }
        fn list(&self) -> Vec<String> {
            let seen = self.0.lock().unwrap();
            seen.iter().map(|(what, _)| what.clone()).collect()
        }
    }

    impl Sink for Seen {
        fn record(&mut self, record: &Record) {
            self.note(format!("record {}", record.seq));
        }
        fn earlier(&mut self, record: &Record) {
            self.note(format!("earlier {}", record.seq));
        }
        fn progress(&mut self, progress: &Progress, now: Timestamp) {
            self.note(format!("{} {} {now}", progress.step, progress.done));
        }
    }

    fn clock() -> Clock {
        Clock::simulated(Timestamp::UNIX_EPOCH)
    }

    fn started() -> Event {
        Event::RunStarted(RunStarted {
            format: FORMAT,
            run: "r1".to_owned(),
            runbook: "failover".to_owned(),
            plan_digest: "p1".to_owned(),
            site_digest: "s1".to_owned(),
            pool: "pchat.litwareinc.com".to_owned(),
            tool: "pchadr 0.1.0".to_owned(),
            host: "adm1".to_owned(),
            user: "ann".to_owned(),
            clock: ClockKind::Simulated,
            until: None,
            continues: None,
            approved: None,
            steps: vec![StepLine {
                id: "drop".to_owned(),
                vendor: None,
                title: String::new(),
                stage: 1,
                effect: Effect::Reversible.into(),
            }],
        })
    }

    fn checked() -> Event {
        Event::StepChecked {
            id: "drop".to_owned(),
            standing: Standing::Pending {
                what: "a row".to_owned(),
                underway: false,
            }
            .into(),
            facts: serde_json::Value::Null,
        }
    }

    fn start() -> Event {
        Event::StepStarted {
            id: "drop".to_owned(),
        }
    }

    fn recorder(store: &MemoryStore) -> (Recorder, Seen) {
        let seen = Seen(Arc::default(), store.clone());
        let journal = Journal::begin(Box::new(store.clone()));
        (
            Recorder::new(journal, clock(), vec![Box::new(seen.clone())]),
            seen,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn every_record_but_an_observation_is_durable_before_it_is_shown() {
        let store = MemoryStore::default();
        let (mut recorder, seen) = recorder(&store);
        recorder.record(started()).unwrap();
        recorder.record(checked()).unwrap();
        recorder.record(start()).unwrap();
        let lengths: Vec<usize> = store
            .bytes()
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::len)
            .collect();
        let first = lengths[0];
        assert_eq!(
            store.operations(),
            [
                Operation::Append(first),
                Operation::Sync,
                Operation::Append(lengths[1]),
                Operation::Append(lengths[2]),
                Operation::Sync,
            ]
        );
        let all: usize = lengths.iter().sum();
        let seen = seen.0.lock().unwrap().clone();
        let shown = |n: usize, synced| (format!("record {n}"), synced);
        assert_eq!(seen, [shown(1, first), shown(2, first), shown(3, all)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_run_keeps_of_itself_is_kept_behind_its_first_record() {
        let store = MemoryStore::default();
        let (mut recorder, _) = recorder(&store);
        recorder.keep_of_run(Document::Plan, b"{}").unwrap();
        assert_eq!(store.operations(), []);
        recorder.record(started()).unwrap();
        recorder.keep_of_run(Document::Site, b"{}").unwrap();
        let operations = store.operations();
        assert_eq!(
            operations[1..],
            [
                Operation::Sync,
                Operation::Keep(Document::Plan),
                Operation::Keep(Document::Site)
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn records_carry_the_time_of_the_run_and_progress_is_not_journaled() {
        let store = MemoryStore::default();
        let (mut recorder, seen) = recorder(&store);
        recorder.record(started()).unwrap();
        tokio::time::advance(std::time::Duration::from_secs(90)).await;
        recorder.record(start()).unwrap();
        recorder.progress(Progress {
            step: "drop".to_owned(),
            done: 7,
            total: 9,
            unit: Unit::Files,
            detail: String::new(),
        });
        let records = read(&store.bytes()).unwrap().records;
        assert_eq!(records[1].at.to_string(), "1970-01-01T00:01:30Z");
        assert_eq!(seen.list()[2], "drop 7 1970-01-01T00:01:30Z");
        assert_eq!(records.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_journal_that_cannot_be_written_shows_nothing_and_stays_refused() {
        let store = MemoryStore::default();
        store.fail_sync(2);
        let (mut recorder, seen) = recorder(&store);
        recorder.record(started()).unwrap();
        assert!(recorder.record(start()).is_err());
        let later = recorder.record(start()).unwrap_err();
        assert!(matches!(later, JournalError::Poisoned { .. }), "{later}");
        assert_eq!(seen.list(), ["record 1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_must_not_come_now_is_refused_and_not_written() {
        let store = MemoryStore::default();
        let (mut recorder, seen) = recorder(&store);
        let first = recorder.record(start()).unwrap_err();
        assert!(matches!(first, JournalError::Refused { seq: 1, .. }));
        recorder.record(started()).unwrap();
        let before = store.bytes();
        let done = Event::StepFinished {
            id: "drop".to_owned(),
            outcome: StepOutcome::Done,
            note: String::new(),
        };
        assert_eq!(
            recorder.record(done).unwrap_err().to_string(),
            "record 2 is refused: `step_finished` of `drop` as done, but it never started"
        );
        assert_eq!(store.bytes(), before);
        recorder.record(start()).unwrap();
        assert_eq!(seen.list(), ["record 1", "record 2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_resumed_recorder_shows_the_earlier_records_and_goes_on_with_the_chain() {
        let store = MemoryStore::default();
        let (mut first, _) = recorder(&store);
        first.record(started()).unwrap();
        first.record(start()).unwrap();
        first.keep(Document::LogShipping, b"{}").unwrap();

        let store = store.crash(0);
        let seen = Seen(Arc::default(), store.clone());
        let (journal, records) = Journal::reopen(Box::new(store.clone())).unwrap();
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(seen.clone())];
        let mut recorder = Recorder::resume(journal, &records, clock(), sinks).unwrap();
        assert!(recorder.state().unwrap().step("drop").unwrap().in_doubt());
        let resumed = Event::RunResumed {
            plan_digest: "p1".to_owned(),
            host: "adm2".to_owned(),
            user: "bob".to_owned(),
            tool: None,
        };
        recorder.record(resumed).unwrap();
        assert_eq!(seen.list(), ["earlier 1", "earlier 2", "record 3"]);
        assert_eq!(
            recorder.kept(Document::LogShipping).unwrap().unwrap(),
            b"{}"
        );
        assert_eq!(read(&store.bytes()).unwrap().records.len(), 3);
    }
}
