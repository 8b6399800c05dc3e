//! A PowerShell outlives the program that started it, where nothing ends a process group with the
//! process that made it: its cmdlet is heard out, and never sent a second time beside it
//! (`design.md` 3, rule 8).

use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::rehearsal::cmdlets::{FaultKind, PowerShellFault, ServiceTimes};
use pchadr::run::event::{Event, Outcome, ProcessIs, Record};
use pchadr::run::journal;
use pchadr::run::store::MemoryStore;
use pchadr::step::command::Kind;
use tokio::time::Instant;

use crate::asleep::awake;
use crate::kill_sweep::resume_and_compare;
use crate::site::{Drill, litware, paused};

/// Steps and numbers of the cmdlets of a plan.
fn cmdlets(drill: &Drill) -> Vec<(String, usize)> {
    let steps = drill.plan.steps.iter();
    let all = steps.flat_map(|step| step.commands.iter().map(move |it| (&step.id, it)));
    let cmdlets = all.filter(|(_, it)| matches!(it.kind, Kind::Powershell { .. }));
    cmdlets.map(|(id, it)| (id.clone(), it.n)).collect()
}

fn records(store: &MemoryStore) -> Vec<Record> {
    journal::read(&store.bytes()).expect("a journal").records
}

/// Looks at the last record alone: it is asked after each.
fn was_announced(store: &MemoryStore, (id, number): &(String, usize)) -> bool {
    let bytes = store.bytes();
    let last = bytes.rsplit(|byte| *byte == b'\n').nth(1);
    let last = last.and_then(|line| serde_json::from_slice::<Record>(line).ok());
    matches!(
        last.map(|record| record.event),
        Some(Event::Command { step, n, .. }) if step == *id && n == *number
    )
}

fn powershells(store: &MemoryStore) -> Vec<ProcessIs> {
    let all = records(store).into_iter();
    all.filter_map(|record| match record.event {
        Event::PowerShell { is, .. } => Some(is),
        _ => None,
    })
    .collect()
}

/// Runs until that cmdlet is under way for a second, and kills the program there: its PowerShell goes
/// on. False where the run ended before.
async fn killed_over(
    drill: &Drill,
    stage: &Stage,
    store: &MemoryStore,
    at: &(String, usize),
) -> bool {
    stage.simulated.cmdlets.set_times(ServiceTimes::real());
    stage.simulated.cmdlets.processes().set_outlive(true);
    let announced = std::cell::Cell::new(None);
    let mut run = Box::pin(drill.run(stage, store));
    let ended = awake(&mut run, || {
        if announced.get().is_none() && was_announced(store, at) {
            announced.set(Some(Instant::now()));
        }
        announced
            .get()
            .is_some_and(|since: Instant| since.elapsed() >= Duration::from_secs(1))
    })
    .await;
    ended.is_none()
}

#[test]
fn a_cmdlet_that_outlives_its_run_is_heard_out_and_sent_once() {
    let mut tried = 0;
    for drill in [Drill::failover(litware()), Drill::failback(litware())] {
        let whole = drill.undisturbed();
        for at in cmdlets(&drill) {
            paused(async {
                let stage = drill.stage();
                let store = MemoryStore::default();
                if !killed_over(&drill, &stage, &store, &at).await {
                    return;
                }
                tried += 1;
                let what = format!("killed over command {} of `{}`", at.1, at.0);
                let store = store.crash(0);
                assert_eq!(
                    powershells(&store).last(),
                    Some(&ProcessIs::Sending),
                    "{what}"
                );
                assert_eq!(stage.simulated.cmdlets.processes().count(), 1, "{what}");
                resume_and_compare(&drill, stage, store.clone(), &whole, &what).await;
                assert!(powershells(&store).contains(&ProcessIs::Gone), "{what}");
            });
        }
    }
    assert!(tried >= 6, "{tried} cmdlets are not all");
}

#[test]
fn a_cmdlet_that_outlives_its_run_and_never_ends_is_ended_before_it_is_sent_again() {
    let drill = Drill::failover(litware());
    let whole = drill.undisturbed();
    paused(async {
        let stage = drill.stage();
        let store = MemoryStore::default();
        stage.simulated.cmdlets.fail(PowerShellFault {
            cmdlet: "Set-CsPersistentChatState".to_owned(),
            nth: 1,
            kind: FaultKind::SilenceBefore,
        });
        let at = ("set-pool-state".to_owned(), 1);
        assert!(killed_over(&drill, &stage, &store, &at).await);
        let store = store.crash(0);
        let what = "a cmdlet without an end";
        resume_and_compare(&drill, stage, store.clone(), &whole, what).await;
        assert!(powershells(&store).contains(&ProcessIs::Ended));
    });
}

#[test]
fn an_undoing_hears_the_cmdlet_out_too() {
    let drill = Drill::failback(litware());
    paused(async {
        let stage = drill.stage();
        let store = MemoryStore::default();
        let at = ("clear-active-servers".to_owned(), 1);
        assert!(killed_over(&drill, &stage, &store, &at).await);
        let store = store.crash(0);
        let mut stage = stage;
        stage.reopen(&drill.site);
        let undone = drill.abort(&stage, &store).await.expect("an undoing");
        assert_eq!(undone.outcome, Outcome::Undone, "{:?}", undone.error);
        assert!(powershells(&store).contains(&ProcessIs::Gone));
    });
}
