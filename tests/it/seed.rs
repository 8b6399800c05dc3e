//! The failback whose long part runs while chat serves: what is there before B1, what cannot work then,
//! log backups of others in between, and the vendor's order.

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Role};
use pchadr::plan::{NoPlan, Plan};
use pchadr::rehearsal::world::summary::DatabaseSummary;
use pchadr::run::event::{Event, Outcome, RunFinished};
use pchadr::run::store::MemoryStore;
use pchadr::runbook::{Direction, FAILBACK, FAILBACK_VENDOR_ORDER, Runbook};
use pchadr::step::Step;

use crate::abort::{killed, record_of, records, starts};
use crate::kill_sweep::kill_around_effects;
use crate::site::{Drill, effects, litware, paused};

const PRIMARY: Instance = Instance::chat(Role::Primary);
const BACKUP: Instance = Instance::chat(Role::Backup);
const MIRROR: Instance = Instance::chat(Role::BackupMirror);

/// A log backup that somebody takes where the primary reads it too, and one that it does not.
const ON_THE_SHARE: &str = r"BACKUP LOG [mgc] TO DISK = N'\\fs1\pchat-logs\by-hand.trn' WITH INIT";
const ELSEWHERE: &str = r"BACKUP LOG [mgc] TO DISK = N'E:\pchat-copy\by-hand.trn' WITH INIT";

fn chat(stage: &Stage, instance: Instance) -> DatabaseSummary {
    let summary = stage.simulated.world.summary();
    let database = summary.database(instance, "mgc");
    database.expect("the chat database").clone()
}

fn active(stage: &Stage) -> Vec<String> {
    let pool = stage.simulated.pool.lock().expect("the pool");
    pool.active().to_vec()
}

/// Sends a statement as a person would, past the tool.
async fn by_hand(stage: &Stage, statement: &str) {
    let session = stage.access.sql.open(BACKUP);
    let mut session = Box::pin(session).await.expect("a session");
    Box::pin(session.send(statement)).await.expect("it is done");
}

/// A failback that was killed when this step was about to begin.
async fn before(drill: &Drill, step: &str) -> (Stage, MemoryStore) {
    let whole = drill.undisturbed_here().await.journal;
    killed(drill, record_of(&whole, starts(step))).await
}

async fn goes_on(drill: &Drill, stage: &mut Stage, store: &MemoryStore) -> RunFinished {
    stage.reopen(&drill.site);
    let finished = drill.run(stage, store).await.expect("a record");
    assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
    finished
}

fn done(finished: &RunFinished) {
    assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
}

/// Stopped there, with that to say.
fn stopped(finished: &RunFinished, step: &str, words: &str) {
    assert_eq!(finished.outcome, Outcome::Stopped, "{:?}", finished.error);
    assert_eq!(finished.stopped_at.as_deref(), Some(step));
    let error = finished.error.as_ref().expect("a reason");
    let said = format!("{} {}", error.why, error.hint);
    assert!(said.contains(words), "{said}");
}

#[test]
fn when_b1_begins_the_primary_has_all_but_the_last_log_and_chat_still_serves() {
    let drill = Drill::failback(litware());
    paused(Box::pin(async {
        let servers = active(&drill.stage());
        assert!(!servers.is_empty());
        let (mut stage, store) = before(&drill, "clear-active-servers").await;
        assert_eq!(active(&stage), servers);
        for (instance, state) in [
            (BACKUP, DatabaseState::Online),
            (MIRROR, DatabaseState::Restoring),
            (PRIMARY, DatabaseState::Restoring),
        ] {
            assert_eq!(chat(&stage, instance).state, state, "{instance}");
        }
        // What users write from here on is in the end of the log.
        let written = chat(&stage, BACKUP).messages + 7;
        stage.simulated.world.write_messages(BACKUP, 7);
        done(&goes_on(&drill, &mut stage, &store).await);
        assert_eq!(chat(&stage, PRIMARY).messages, written);
    }));
}

#[test]
fn a_failback_that_is_undone_before_b1_leaves_chat_as_it_was_and_the_next_one_writes_over_its_copy()
{
    let drill = Drill::failback(litware());
    paused(Box::pin(async {
        let servers = active(&drill.stage());
        let (mut stage, store) = before(&drill, "clear-active-servers").await;
        stage.reopen(&drill.site);
        let undone = drill.abort(&stage, &store).await.expect("a record");
        assert_eq!(undone.outcome, Outcome::Undone, "{:?}", undone.error);
        assert_eq!(active(&stage), servers);
        assert_eq!(chat(&stage, BACKUP).state, DatabaseState::Online);
        assert_eq!(chat(&stage, PRIMARY).state, DatabaseState::Restoring);
        stage.reopen(&drill.site);
        done(&drill.run_again(&stage).await);
    }));
}

#[test]
fn a_primary_that_dies_while_it_is_seeded_stops_the_run_with_chat_in_service() {
    let drill = Drill::failback(litware());
    paused(Box::pin(async {
        let servers = active(&drill.stage());
        let (mut stage, store) = before(&drill, "seed-primary").await;
        stage.simulated.world.down(Role::Primary);
        let finished = goes_on(&drill, &mut stage, &store).await;
        assert_eq!(finished.outcome, Outcome::Stopped);
        assert_eq!(active(&stage), servers);
        assert_eq!(chat(&stage, BACKUP).state, DatabaseState::Online);
        stage.simulated.world.up(Role::Primary);
        done(&goes_on(&drill, &mut stage, &store).await);
    }));
}

#[test]
fn a_log_backup_that_somebody_takes_meanwhile_is_restored_where_the_primary_reads_it() {
    let drill = Drill::failback(litware());
    for step in ["ship-log", "clear-active-servers", "fence-backup"] {
        paused(Box::pin(async {
            let (mut stage, store) = before(&drill, step).await;
            by_hand(&stage, ON_THE_SHARE).await;
            done(&goes_on(&drill, &mut stage, &store).await);
            let restored = effects(&stage);
            let times = restored
                .iter()
                .filter(|it| it.contains("RESTORE LOG") && it.contains("by-hand.trn"));
            assert_eq!(times.count(), 1, "taken before {step}: {restored:#?}");
        }));
    }
}

#[test]
fn a_log_backup_that_the_primary_cannot_read_stops_the_run_before_b1() {
    let drill = Drill::failback(litware());
    paused(Box::pin(async {
        let servers = active(&drill.stage());
        let (mut stage, store) = before(&drill, "ship-log").await;
        by_hand(&stage, ELSEWHERE).await;
        let finished = goes_on(&drill, &mut stage, &store).await;
        stopped(
            &finished,
            "ship-log",
            r"`E:\pchat-copy\by-hand.trn` cannot be read by the primary",
        );
        assert_eq!(active(&stage), servers);
    }));
}

#[test]
fn a_log_backup_that_comes_behind_b1_and_is_out_of_reach_leaves_the_backup_open() {
    for drill in [
        Drill::failback(litware()),
        Drill::failback(litware()).in_vendor_order(),
    ] {
        paused(Box::pin(async {
            let (mut stage, store) = before(&drill, "fence-backup").await;
            by_hand(&stage, ELSEWHERE).await;
            let finished = goes_on(&drill, &mut stage, &store).await;
            stopped(&finished, "fence-backup", "pchadr abort");
            assert_eq!(chat(&stage, BACKUP).state, DatabaseState::Online);
            stage.reopen(&drill.site);
            let undone = drill.abort(&stage, &store).await.expect("a record");
            assert_eq!(undone.outcome, Outcome::Undone, "{:?}", undone.error);
            assert!(!active(&stage).is_empty());
        }));
    }
}

#[test]
fn in_the_vendors_order_the_database_is_moved_behind_b2_and_comes_home_as_well() {
    let [seeded, vendors] = [
        Drill::failback(litware()),
        Drill::failback(litware()).in_vendor_order(),
    ];
    paused(Box::pin(async {
        let mut messages = Vec::new();
        for (drill, chat_serves) in [(&seeded, true), (&vendors, false)] {
            let (mut stage, store) = before(drill, "back-up-database").await;
            assert_eq!(!active(&stage).is_empty(), chat_serves);
            done(&goes_on(drill, &mut stage, &store).await);
            messages.push(chat(&stage, PRIMARY).messages);
            let records = records(&store);
            let seeds = records.iter().any(
                |it| matches!(&it.event, Event::StepFinished { id, .. } if id == "seed-primary"),
            );
            assert_eq!(seeds, chat_serves);
        }
        assert_eq!(messages[0], messages[1]);
    }));
}

#[test]
fn a_failback_in_the_vendors_order_that_is_killed_around_any_effect_ends_the_same() {
    kill_around_effects(&Drill::failback(litware()).in_vendor_order());
}

/// What binding says of these steps.
fn refused(ids: &[&str]) -> NoPlan {
    let known: Vec<&str> = Step::of(Direction::Failback)
        .iter()
        .map(|step| step.id())
        .collect();
    let steps = ids.join("'\n[[step]]\nid = '");
    let text =
        format!("version = 1\nrunbook = 'failback'\ntitle = 'T'\n[[step]]\nid = '{steps}'\n");
    let runbook = Runbook::parse(&text, "r.toml", &known).expect("a runbook");
    Plan::bind(&runbook, &litware()).expect_err("it makes no plan")
}

#[test]
fn a_failback_has_one_of_two_orders_and_nothing_between() {
    let ids = |text: &'static str| -> Vec<&'static str> {
        let lines = text.lines();
        let ids = lines.filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'));
        ids.collect()
    };
    let without = |left_out: &str| {
        let mut steps = ids(FAILBACK);
        steps.retain(|id| *id != left_out);
        steps
    };
    let (seed, ship, clear) = ("seed-primary", "ship-log", "clear-active-servers");
    let missing = |step, first| NoPlan::Missing { step, first };
    let order = |step, first| NoPlan::Order { step, first };
    assert_eq!(refused(&without(seed)), missing(ship, seed));
    assert_eq!(refused(&without(ship)), missing(clear, ship));
    let mut late = without(ship);
    late.insert(
        late.iter()
            .position(|id| *id == "remove-mirroring")
            .expect("B2"),
        ship,
    );
    assert_eq!(refused(&late), order(clear, ship));
    let mut early = ids(FAILBACK_VENDOR_ORDER);
    let b3 = early.iter().position(|id| *id == "back-up-database");
    let b3 = early.remove(b3.expect("B3"));
    early.insert(3, b3);
    assert_eq!(
        refused(&early),
        order("back-up-database", "remove-mirroring")
    );
}
