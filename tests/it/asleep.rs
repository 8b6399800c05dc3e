//! Rule 17: a run that sleeps, and a statement that comes late, do nothing once another run has gone
//! on. A lock alone protects nothing from a holder that sleeps.

mod pairs;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Role};
use pchadr::run::event::Outcome;
use pchadr::run::journal;
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
    store.bytes().iter().filter(|byte| **byte == b'\n').count()
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
    let all = whole.journal.iter().filter(|byte| **byte == b'\n').count();
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
