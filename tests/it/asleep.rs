//! Rule 17: a run that sleeps, and a statement that comes late, do nothing once another run has gone
//! on. A lock alone protects nothing from a holder that sleeps.

mod pairs;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use pchadr::access::sql::Query;
use pchadr::cli::rehearse::Stage;
use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Role, WayOn};
use pchadr::rehearsal::world::instance::{Kind, Process};
use pchadr::run::event::Outcome;
use pchadr::run::journal::{self, JournalError};
use pchadr::run::store::{MemoryStore, Mirrored, Store};

use crate::site::{
    Drill, assert_once, assert_one_writable, assert_same_effects, assert_same_end, effects, end,
    litware, paused,
};

const PRIMARY: Instance = Instance::chat(Role::Primary);
const BACKUP: Instance = Instance::chat(Role::Backup);

/// Lets a run go on until `asleep` says so: from there on nothing of it happens until it is called
/// again. `None` where it fell asleep before its end.
pub(crate) async fn awake<T>(
    run: &mut Pin<Box<impl Future<Output = T> + ?Sized>>,
    asleep: impl Fn() -> bool,
) -> Option<T> {
    poll_fn(|cx| {
        if asleep() {
            return Poll::Ready(None);
        }
        match run.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if asleep() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// The record of a run on one machine, and its second copy.
pub(crate) fn two_copies(first: &MemoryStore, second: &MemoryStore) -> Box<dyn Store> {
    Box::new(Mirrored::new(
        "rehearsal",
        first.clone(),
        second.clone(),
        Box::new(|_| ()),
    ))
}

/// The server ends the session that holds the site.
pub(crate) fn drop_lock(stage: &Stage) {
    stage.simulated.world.with(|state| {
        for server in state.instances.values_mut() {
            server.drop_lock_sessions();
        }
    });
}

fn records(store: &MemoryStore) -> usize {
    lines(&store.bytes())
}

fn lines(journal: &[u8]) -> usize {
    journal.split(|byte| *byte == b'\n').count() - 1
}

#[test]
fn a_recovery_that_is_delivered_after_an_abort_opens_no_second_database() {
    let drill = Drill::failback(litware());
    paused(async {
        let mut stage = drill.stage();
        let recovery = "RESTORE DATABASE [mgc] WITH RECOVERY";
        let held = stage.simulated.network.hold(PRIMARY, recovery);
        let first = stage.access.clone();
        let store = MemoryStore::default();
        let part = drill.part(&stage, "rehearsal");
        let mut run = Box::pin(part.execute(Box::new(store.clone()), Vec::new()));
        assert!(awake(&mut run, || held.is_caught()).await.is_none());
        drop(run);
        drop_lock(&stage);
        stage.reopen(&drill.site);
        let undone = drill.abort(&stage, &store.crash(0)).await.expect("undone");
        assert_eq!(undone.outcome, Outcome::Undone, "{:?}", undone.error);
        held.deliver();
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_one_writable(&stage);
        let summary = stage.simulated.world.summary();
        let chat = summary.database(BACKUP, "mgc").expect("mgc");
        assert_eq!(chat.state, DatabaseState::Online);
        drop(first);
    });
}

#[test]
fn a_run_that_wakes_up_after_another_has_gone_on_does_nothing_and_spoils_no_record() {
    let drill = Drill::failover(litware());
    let whole = drill.undisturbed();
    let all = lines(&whole.journal);
    for n in (15..all).step_by(7) {
        paused(async {
            let what = format!("asleep from record {n} on");
            let mut stage = drill.stage();
            let (here, there, share) = <(MemoryStore, MemoryStore, MemoryStore)>::default();
            let first = Stage {
                simulated: drill.stage().simulated,
                access: stage.access.clone(),
            };
            let part = drill.part(&first, "rehearsal");
            let mut run = Box::pin(part.execute(two_copies(&here, &share), Vec::new()));
            let slept = awake(&mut run, || records(&here) >= n).await;
            assert!(slept.is_none(), "{what}: it ended");
            drop_lock(&stage);
            stage.reopen(&drill.site);
            let second = drill.part(&stage, "rehearsal");
            let done = second.execute(two_copies(&there, &share), Vec::new()).await;
            let done = done.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(done.outcome, Outcome::Done, "{what}: {:?}", done.error);
            let made = effects(&stage);
            let woken = run.await;
            assert!(
                woken
                    .as_ref()
                    .map_or(true, |it| it.outcome != Outcome::Done),
                "{what}: {woken:?}"
            );
            assert_eq!(effects(&stage), made, "{what}: it acted");
            assert_once(&made, &what);
            assert_same_effects(&made, &whole.effects, &what);
            assert_same_end(&end(&stage), &whole.end, &what);
            assert_one_writable(&stage);
            for copy in [&there, &share] {
                let read = journal::read(&copy.bytes());
                read.unwrap_or_else(|error| panic!("{what}: {error}"));
            }
        });
    }
}

#[test]
fn a_batch_whose_number_is_old_does_nothing_and_its_run_records_nothing_more() {
    let drill = Drill::failover(litware());
    paused(async {
        let stage = drill.stage();
        let store = MemoryStore::default();
        let part = drill.part(&stage, "rehearsal");
        let mut run = Box::pin(part.execute(Box::new(store.clone()), Vec::new()));
        let text = |store: &MemoryStore| String::from_utf8(store.bytes()).expect("text");
        let is_clear = || text(&store).contains("senders_gone");
        assert!(awake(&mut run, is_clear).await.is_none());
        // The lock is still its own: the number alone speaks.
        let raise = "INSERT INTO msdb.dbo.pchadr_fence (pool, number, run) SELECT N'pchat.litwareinc.com', 9, N'other';";
        let mut other = stage.access.sql.open(BACKUP).await.expect("a session");
        other.send(raise).await.expect("raised");
        // What had left before is done by then.
        tokio::time::sleep(Duration::from_mins(1)).await;
        let (made, recorded) = (effects(&stage), store.bytes());
        let ended = run.await;
        assert!(matches!(ended, Err(JournalError::TakenOver)), "{ended:?}");
        assert_eq!(effects(&stage), made);
        assert_eq!(store.bytes(), recorded);
        let refused = stage.simulated.world.history();
        let refused = refused
            .iter()
            .filter(|it| it.outcome == pchadr::rehearsal::world::Outcome::Failed(51_170));
        assert_eq!(refused.count(), 1);
    });
}

#[test]
fn sessions_that_only_read_are_left_alone_and_one_that_does_not_end_stops_the_run_within_a_limit() {
    let drill = Drill::failover(litware());
    paused(async {
        let mut stage = drill.stage();
        let reader = stage.access.clone();
        let query = || Query::plain("SELECT 1 AS one");
        reader.sql.read(BACKUP, query()).await.expect("read");
        stage.reopen(&drill.site);
        let programs = |stage: &Stage| -> Vec<String> {
            stage.simulated.world.with(|state| {
                let all = state.instances[&BACKUP].processes.values();
                all.map(|it| it.program_name.clone()).collect()
            })
        };
        let store = MemoryStore::default();
        let part = drill.part(&stage, "rehearsal");
        let mut run = Box::pin(part.execute(Box::new(store.clone()), Vec::new()));
        assert!(awake(&mut run, || records(&store) >= 3).await.is_none());
        // Another run's session, whose work takes for ever to roll back.
        let own = programs(&stage)
            .into_iter()
            .find(|it| it.contains("rehearsal"));
        let other = own.expect("its own").replace("rehearsal", "another");
        let other = format!("{other}x");
        stage.simulated.world.with(|state| {
            let server = state.instances.get_mut(&BACKUP).expect("the backup");
            let mut stuck: Process = server.processes.values().next().expect("one").clone();
            stuck.spid = 99;
            stuck.kind = Kind::Client;
            stuck.program_name = other.clone();
            stuck.token = tokio_util::sync::CancellationToken::new();
            server.processes.insert(99, stuck);
        });
        let began = tokio::time::Instant::now();
        let finished = run.await.expect("a record");
        assert!(began.elapsed() < Duration::from_mins(5));
        assert_eq!(finished.outcome, Outcome::Stopped, "{:?}", finished.error);
        let why = finished.error.expect("a reason").why;
        assert!(
            why.contains("another run's session does not end: session 99"),
            "{why}"
        );
        assert!(
            programs(&stage).iter().any(|it| it == "pchadr"),
            "the reader is gone"
        );
        reader.sql.read(BACKUP, query()).await.expect("still read");
        // Once it is rolled back the run goes on.
        let server = |state: &mut pchadr::rehearsal::world::State| {
            state
                .instances
                .get_mut(&BACKUP)
                .expect("the backup")
                .end(99);
        };
        stage.simulated.world.with(server);
        stage.reopen(&drill.site);
        let finished = drill.run(&stage, &store).await.expect("a record");
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
    });
}

#[test]
fn where_a_statement_may_still_arrive_on_a_silent_instance_nothing_is_opened_without_an_override() {
    let drill = Drill::failback(litware());
    paused(async {
        let mut stage = drill.stage();
        let recovery = "RESTORE DATABASE [mgc] WITH RECOVERY";
        let held = stage.simulated.network.hold(PRIMARY, recovery);
        let store = MemoryStore::default();
        let part = drill.part(&stage, "rehearsal");
        let mut run = Box::pin(part.execute(Box::new(store.clone()), Vec::new()));
        assert!(awake(&mut run, || held.is_caught()).await.is_none());
        drop(run);
        drop_lock(&stage);
        // Out of sight, not dead: its sessions live.
        let manners = &stage.simulated.manners;
        manners.set(PRIMARY, pchadr::rehearsal::manner::Manner::NoAnswer);
        stage.reopen(&drill.site);
        let made = effects(&stage);
        let store = store.crash(0);
        let refused = drill.abort(&stage, &store).await.expect("a record");
        assert_eq!(refused.outcome, Outcome::Stopped);
        let error = refused.error.expect("a reason");
        assert!(error.why.contains("can still arrive"), "{error:?}");
        assert!(
            error.hint.contains("--override stale-sender=REASON"),
            "{error:?}"
        );
        assert!(error.hint.contains(&WayOn::Abort.to_string()), "{error:?}");
        assert_eq!(effects(&stage), made);
        let manners = &stage.simulated.manners;
        manners.set(PRIMARY, pchadr::rehearsal::manner::Manner::Well);
        stage.reopen(&drill.site);
        let undone = drill.abort(&stage, &store).await.expect("undone");
        assert_eq!(undone.outcome, Outcome::Undone, "{:?}", undone.error);
        held.deliver();
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_one_writable(&stage);
    });
}
