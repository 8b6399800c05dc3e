//! Nothing is waited for without an end, and a record does not grow while nothing happens.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::time::Duration;

use futures_util::future::BoxFuture;
use pchadr::cli::rehearse::Stage;
use pchadr::model::Role;
use pchadr::rehearsal::cmdlets::ServiceTimes;
use pchadr::rehearsal::world::WorldOptions;
use pchadr::run::event::{Event, Outcome, RunFinished, StepOutcome};
use pchadr::run::executor::{Execution, Who};
use pchadr::run::journal::Journal;
use pchadr::run::ledger::RunLedger;
use pchadr::run::operator::{Answer, Operator, Unguarded};
use pchadr::run::recorder::Recorder;
use pchadr::run::store::MemoryStore;
use pchadr::step::terms::{AcceptedLoss, Terms};
use tokio_util::sync::CancellationToken;

use crate::site::{Drill, litware, paused};
use crate::variants::events;

/// Somebody who agrees to everything; meanwhile the first data center comes back.
struct Late<'a>(&'a Stage);

impl Operator for Late<'_> {
    fn is_there(&self) -> bool {
        true
    }

    fn ask<'a>(&'a self, what: &'a str, _word: &'a str) -> BoxFuture<'a, Answer> {
        if what.contains("recover it at LSN") {
            self.0.simulated.world.up(Role::Primary);
        }
        Box::pin(std::future::ready(Answer::Yes))
    }
}

async fn ask(drill: &Drill, stage: &Stage, store: &MemoryStore) -> RunFinished {
    let journal = Journal::begin(Box::new(store.clone()));
    let ledger = RunLedger::new(Recorder::new(journal, stage.access.clock, Vec::new()));
    let terms = Terms {
        accepted: Some(AcceptedLoss::EndOfChain),
        ..Terms::default()
    };
    let execution = Execution {
        site: &drill.site,
        plan: &drill.plan,
        access: &stage.access,
        terms: &terms,
        operator: &Late(stage),
        guard: &Unguarded,
        pause: false,
        ledger: &ledger,
        stop: &CancellationToken::new(),
        run: "rehearsal",
        who: Who::default(),
        saved_elsewhere: None,
        unreadable: &[],
        resume_command: None,
        forth_command: None,
        continued: None,
        rest_command: None,
    };
    execution.start().await.unwrap()
}

#[test]
fn what_was_refused_before_anything_was_sent_ends_its_step_at_once() {
    let drill = Drill::failover(litware());
    let whole = drill.undisturbed();
    paused(async {
        let stage = drill.stage();
        let store = MemoryStore::default();
        let stopped = ask(&drill, &stage, &store).await;
        assert_eq!(stopped.outcome, Outcome::Stopped, "{:?}", stopped.error);
        assert_eq!(stopped.stopped_at.as_deref(), Some("recover-database"));
        let error = stopped.error.unwrap();
        assert!(
            error.why.contains("the site changed meanwhile"),
            "{error:?}"
        );
        // Not the half hour that a recovery may take to show.
        let longest = whole.seconds + 60.0;
        assert!(
            stopped.elapsed_seconds < longest,
            "{} s",
            stopped.elapsed_seconds
        );
        assert!(stage.simulated.world.two_writable().is_empty());
    });
}

fn looks(store: &MemoryStore, step: &str) -> usize {
    let is = |event: &Event| matches!(event, Event::StepChecked { id, .. } if id == step);
    events(store).iter().filter(|event| is(event)).count()
}

#[test]
fn hours_of_waiting_for_nothing_leave_no_more_records_than_a_minute() {
    let mut drill = Drill::failover(litware());
    drill.recipe.vary = |options: &mut WorldOptions| options.mirror_stalls = true;
    paused(async {
        let stage = drill.stage();
        let store = MemoryStore::default();
        let without = drill.run(&stage, &store).await.unwrap();
        assert_eq!(without.steps["install-mirror"], StepOutcome::Left);
        assert!(
            without.elapsed_seconds > 3600.0,
            "{} s",
            without.elapsed_seconds
        );
        let looks = looks(&store, "install-mirror");
        assert!(looks < 10, "{looks} looks are recorded");
        // What it saw last is there.
        let last = events(&store)
            .into_iter()
            .rev()
            .find_map(|event| match event {
                Event::StepChecked { id, facts, .. } if id == "install-mirror" => Some(facts),
                _ => None,
            });
        let last = last.unwrap().to_string().to_lowercase();
        assert!(last.contains("synchronizing"), "{last}");
    });
}

#[test]
fn checks_that_do_not_end_refuse_the_run_within_one_limit() {
    let mut drill = Drill::failover(litware());
    drill.site.limits.preflight = Duration::from_secs(90);
    paused(async {
        let stage = drill.stage();
        // Each cmdlet hangs, for as long as one may take.
        stage.simulated.cmdlets.set_times(ServiceTimes {
            read: Duration::from_mins(5),
            ..ServiceTimes::ZERO
        });
        let store = MemoryStore::default();
        let refused = drill.run(&stage, &store).await.unwrap();
        assert_eq!(refused.outcome, Outcome::Refused);
        let why = refused.error.unwrap().why;
        assert!(why.contains("did not end within 90 s"), "{why}");
        assert!(
            refused.elapsed_seconds < 100.0,
            "{} s",
            refused.elapsed_seconds
        );
    });
}
