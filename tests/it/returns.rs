//! The dead that come back: what was lost returns as it was, at any moment after recovery (`design.md` 3,
//! rule 2). What the program adds to the world's history is judged; that it returned is nobody's fault.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use pchadr::cli::rehearse::Stage;
use pchadr::model::Role;
use pchadr::rehearsal::simulated::{Change, SimulatedSite};
use pchadr::run::event::{Event, Outcome, RunFinished};
use pchadr::run::store::MemoryStore;
use pchadr::status::Status;

use crate::site::{Drill, litware, paused};
use crate::variants::{events, statements};

/// The roles of the first data center, or one of them.
const WHO: [&[Role]; 2] = [&[Role::Primary, Role::PrimaryMirror], &[Role::Primary]];

/// When, in seconds of the run, its database was recovered and when it ended.
fn after_recovery(drill: &Drill) -> (f64, f64) {
    let whole = drill.undisturbed();
    let records = pchadr::run::journal::read(&whole.journal).unwrap().records;
    let recovered = records.iter().find(|record| {
        matches!(&record.event, Event::StepFinished { id, .. } if id == "recover-database")
    });
    let began = records[0].at.as_second();
    let at = recovered.unwrap().at.as_second() - began;
    (f64::from(i32::try_from(at).unwrap()), whole.seconds)
}

async fn hold(drill: &Drill, stage: &Stage, store: &MemoryStore) -> RunFinished {
    let part = drill.part(stage, "rehearsal");
    let ended = part.execute(Box::new(store.clone()), Vec::new()).await;
    ended.unwrap()
}

/// Steps that began after so many seconds of the run.
fn begun_since(store: &MemoryStore, seconds: f64) -> Vec<String> {
    let records = pchadr::run::journal::read(&store.bytes()).unwrap().records;
    let since = SignedDuration::from_secs_f64(seconds);
    let late = records
        .iter()
        .filter(|it| it.at.duration_since(records[0].at) > since);
    late.filter_map(|record| match &record.event {
        Event::StepStarted { id } => Some(id.clone()),
        _ => None,
    })
    .collect()
}

fn sent_since(simulated: &SimulatedSite, before: usize) -> Vec<String> {
    let changes = simulated.changes.all().split_off(before);
    let cmdlets = changes.iter().filter_map(|change| match change {
        Change::Cmdlet { cmdlet, .. } => Some(cmdlet.clone()),
        Change::Sql(_) | Change::File(_) => None,
    });
    let texts = statements(&changes).into_iter().map(str::to_owned);
    texts.chain(cmdlets).collect()
}

#[test]
fn a_data_center_that_comes_back_after_recovery_stops_the_run_before_its_next_step_and_is_told() {
    let drill = Drill::failover(litware());
    let (recovered, end) = after_recovery(&drill);
    let mut steps = BTreeSet::new();
    for roles in WHO {
        for part in 0..24_u32 {
            let at = recovered + 0.1 + (end - recovered) * f64::from(part) / 24.0;
            let what = format!("{roles:?}, back after {at} s of {end}");
            paused(async {
                let stage = drill.stage();
                for role in roles {
                    let later = Duration::from_secs_f64(at);
                    stage.simulated.world.returns(*role, later);
                }
                let store = MemoryStore::default();
                let finished = hold(&drill, &stage, &store).await;
                assert_eq!(finished.outcome, Outcome::Stopped, "{what}");
                assert_eq!(finished.exit, 4, "{what}");
                let error = finished.error.unwrap();
                assert!(error.why.contains("TWO WRITABLE"), "{what}: {error:?}");
                assert!(
                    error.hint.contains("run `pchadr fence`, then go on"),
                    "{what}: {error:?}"
                );
                let told = events(&store).into_iter().any(|event| {
                    matches!(event, Event::StepChecked { facts, .. } if facts["writable"].is_array())
                });
                assert!(told, "{what}: it is not in the record");
                // One step may have looked already when it came back; none behind it begins.
                let began = begun_since(&store, at);
                assert!(began.len() <= 1, "{what}: {began:?}");
                steps.insert(finished.stopped_at.unwrap());
                let status = Status::observe(&drill.site, &stage.access).await;
                assert_eq!(status.two.unwrap().roles, ["primary", "backup"], "{what}");

                // As long as it serves, nothing goes on.
                let before = stage.simulated.changes.all().len();
                let again = hold(&drill, &stage, &store).await;
                assert_eq!(again.exit, 4, "{what}: {:?}", again.error);
                assert_eq!(sent_since(&stage.simulated, before), [""; 0], "{what}");

                for role in roles {
                    stage.simulated.world.down(*role);
                }
                let done = hold(&drill, &stage, &store).await;
                assert_eq!(done.outcome, Outcome::Done, "{what}: {:?}", done.error);
                assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
            });
        }
    }
    let all = [
        "install-mirror",
        "mirror-compliance",
        "set-active-servers",
        "set-pool-state",
    ];
    assert_eq!(steps, all.map(str::to_owned).into());
}

/// When, in seconds of the run, the statement that recovers was on its way.
fn during_recovery(drill: &Drill) -> f64 {
    let records = pchadr::run::journal::read(&drill.undisturbed().journal).unwrap();
    let records = records.records;
    let sent = records.iter().find(
        |record| matches!(&record.event, Event::Command { step, .. } if step == "recover-database"),
    );
    let sent = sent.unwrap().at.duration_since(records[0].at);
    sent.as_secs_f64() + 0.1
}

#[test]
fn a_data_center_that_comes_back_while_recovery_is_under_way_stops_the_run_at_once_and_is_told_first()
 {
    let drill = Drill::failover(litware());
    let (_, end) = after_recovery(&drill);
    let at = during_recovery(&drill);
    paused(async {
        let stage = drill.stage();
        for role in WHO[0] {
            let later = Duration::from_secs_f64(at);
            stage.simulated.world.returns(*role, later);
        }
        let finished = hold(&drill, &stage, &MemoryStore::default()).await;
        // No look could see it before the statement: it had not come back yet.
        assert_eq!(
            stage.simulated.world.two_writable(),
            ["the backup, while the primary was"]
        );
        assert_eq!((finished.outcome, finished.exit), (Outcome::Stopped, 4));
        assert_eq!(finished.stopped_at.as_deref(), Some("recover-database"));
        let error = finished.error.unwrap();
        assert!(error.why.starts_with("TWO WRITABLE"), "{error:?}");
        assert!(error.hint.contains("run `pchadr fence`"), "{error:?}");
        // Not the half hour that a recovery may take to show: users may write into both.
        let longest = end + 60.0;
        assert!(
            finished.elapsed_seconds < longest,
            "{} s",
            finished.elapsed_seconds
        );
        let cmdlet = |it: &Change| matches!(it, Change::Cmdlet { .. });
        assert!(!stage.simulated.changes.all().iter().any(cmdlet));
        for role in WHO[0] {
            stage.simulated.world.down(*role);
        }
    });
}

#[test]
fn a_second_failover_finds_nothing_to_do_and_tells_of_the_one_that_came_back() {
    let drill = Drill::failover(litware());
    paused(async {
        let stage = drill.stage();
        let finished = hold(&drill, &stage, &MemoryStore::default()).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        let status = Status::observe(&drill.site, &stage.access).await;
        assert_eq!(status.two, None);
        for role in WHO[0] {
            stage.simulated.world.up(*role);
        }
        let before = stage.simulated.changes.all().len();
        let second = hold(&drill, &stage, &MemoryStore::default()).await;
        assert_eq!((second.outcome, second.exit), (Outcome::Refused, 3));
        assert!(second.error.unwrap().why.contains("TWO WRITABLE"));
        assert_eq!(sent_since(&stage.simulated, before), [""; 0]);
    });
}

#[test]
fn a_fresh_empty_database_of_the_rebuilt_data_center_is_no_second_one() {
    let drill = Drill::failover(litware());
    paused(async {
        let stage = drill.stage();
        hold(&drill, &stage, &MemoryStore::default()).await;
        stage.simulated.world.rebuild();
        let status = Status::observe(&drill.site, &stage.access).await;
        assert_eq!(status.two, None);
        let second = hold(&drill, &stage, &MemoryStore::default()).await;
        assert_eq!(second.exit, 0, "{:?}", second.error);
        // Users came, by what nobody did right: two databases, and each has messages of its own.
        let primary = pchadr::model::Instance::chat(Role::Primary);
        stage.simulated.world.write_messages(primary, 3);
        let status = Status::observe(&drill.site, &stage.access).await;
        assert!(status.two.unwrap().why.contains("each holds messages"));
    });
}
