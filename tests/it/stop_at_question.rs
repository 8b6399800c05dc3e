//! The operator's stop at a question is a no, at once: nothing of that step is sent (`design.md` 3, rule
//! 12; 9).

use std::time::Duration;

use futures_util::future::BoxFuture;
use pchadr::cli::rehearse::Stage;
use pchadr::run::event::{Outcome, RunFinished};
use pchadr::run::executor::{Execution, Who};
use pchadr::run::journal::Journal;
use pchadr::run::ledger::RunLedger;
use pchadr::run::operator::{Answer, Operator, Unguarded};
use pchadr::run::recorder::Recorder;
use pchadr::run::store::MemoryStore;
use pchadr::step::terms::{AcceptedLoss, Terms};
use tokio_util::sync::CancellationToken;

use crate::site::{Drill, effects, litware, paused};

/// Presses Ctrl-C at the first question, and types what is asked for a minute later, or never.
struct Leaving {
    stop: CancellationToken,
    types: bool,
}

impl Operator for Leaving {
    fn is_there(&self) -> bool {
        true
    }

    fn ask<'a>(&'a self, _what: &'a str, _word: &'a str) -> BoxFuture<'a, Answer> {
        Box::pin(async {
            self.stop.cancel();
            if self.types {
                tokio::time::sleep(Duration::from_mins(1)).await;
                return Answer::Yes;
            }
            std::future::pending().await
        })
    }
}

async fn run(drill: &Drill, stage: &Stage, pause: bool, types: bool) -> RunFinished {
    let store = MemoryStore::default();
    let journal = Journal::begin(Box::new(store.clone()));
    let ledger = RunLedger::new(Recorder::new(journal, stage.access.clock, Vec::new()));
    let stop = CancellationToken::new();
    let operator = Leaving {
        stop: stop.clone(),
        types,
    };
    let terms = Terms {
        accepted: Some(AcceptedLoss::EndOfChain),
        ..Terms::default()
    };
    let execution = Execution {
        site: &drill.site,
        plan: &drill.plan,
        access: &stage.access,
        terms: &terms,
        operator: &operator,
        guard: &Unguarded,
        pause,
        ledger: &ledger,
        stop: &stop,
        run: "rehearsal",
        who: Who::default(),
        saved_elsewhere: None,
        unreadable: &[],
        resume_command: None,
        forth_command: None,
        continued: None,
        rest_command: None,
    };
    execution.start().await.expect("a record")
}

#[test]
fn a_stop_at_the_question_of_recovery_ends_the_run_there_and_nothing_typed_later_counts() {
    let drill = Drill::failover(litware());
    for types in [true, false] {
        paused(Box::pin(async {
            let stage = drill.stage();
            let finished = run(&drill, &stage, false, types).await;
            assert_eq!(finished.outcome, Outcome::Stopped, "{:?}", finished.error);
            assert_eq!(finished.stopped_at.as_deref(), Some("recover-database"));
            // What is typed in the minute after it is typed to nobody.
            tokio::time::sleep(Duration::from_mins(2)).await;
            let recovers = |text: &String| text.contains("WITH RECOVERY");
            assert!(!effects(&stage).iter().any(recovers));
        }));
    }
}

#[test]
fn a_stop_at_the_first_question_of_a_paused_run_changes_nothing() {
    let drill = Drill::failover(litware());
    paused(Box::pin(async {
        let stage = drill.stage();
        let finished = run(&drill, &stage, true, false).await;
        assert_eq!(finished.outcome, Outcome::Refused, "{:?}", finished.error);
        assert_eq!(effects(&stage), Vec::<String>::new());
    }));
}
