//! Reads, and who pays for an instance that is down.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, join_all};
use pchadr::access::ByteStream;
use pchadr::access::secret::Password;
use pchadr::access::sql::{Dial, Failure, Fate, Query, SignIn, SqlDoor};
use pchadr::cli::rehearse::Stage;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::simulated::{Times, addresses};
use pchadr::rehearsal::value::ServerError;
use pchadr::run::store::MemoryStore;
use pchadr::status::Status;
use tokio::time::Instant;

use super::toy::Toy;
use super::{BACKUP, SECOND, limits};
use crate::asleep::awake;
use crate::site::{Drill, disaster, litware};

#[tokio::test(start_paused = true)]
async fn questions_to_a_dead_instance_cost_one_limit_together() {
    let toy = Toy::default();
    toy.state().dial_takes = 60 * SECOND;
    let door = toy.door();
    let began = Instant::now();
    let answers = join_all((0..4).map(|_| door.read(BACKUP, Query::plain("READ")))).await;
    assert_eq!(began.elapsed(), 5 * SECOND);
    assert_eq!(toy.state().dials, 1);
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!(error.fate, Fate::NotSent);
        assert!(
            matches!(error.failure, Failure::ConnectTimedOut { .. }),
            "{error}"
        );
    }
}

/// Instances of which two swallow every connection, as a lost data center does.
struct HalfDead(Arc<dyn Dial>, AtomicUsize);

impl Dial for HalfDead {
    fn dial(&self, instance: Instance) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        match instance.role {
            Role::Primary | Role::PrimaryMirror => {
                self.1.fetch_add(1, Ordering::SeqCst);
                Box::pin(std::future::pending())
            }
            Role::Backup | Role::BackupMirror => self.0.dial(instance),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_of_a_site_with_two_dead_instances_costs_one_connect_limit() {
    let site = litware();
    let mut recipe = disaster();
    recipe.times = Times::Zero;
    let mut stage = Stage::build(&site, &recipe).unwrap();
    let sign_in = SignIn::clear("pchadr", Password::new("rehearsal".to_owned()));
    let dial = Arc::new(HalfDead(stage.simulated.dial(), AtomicUsize::new(0)));
    stage.access.sql = Arc::new(SqlDoor::new(dial, addresses(&site), sign_in, limits()));
    let began = Instant::now();
    let status = Status::observe(&site, &stage.access).await;
    let took = began.elapsed();
    assert!(took >= 5 * SECOND && took < 6 * SECOND, "{took:?}");
    let reachable = |role| status.instances[role].reachable;
    assert!(reachable("backup") && reachable("backup_mirror"));
    assert!(!reachable("primary") && !reachable("primary_mirror"));
}

#[tokio::test(start_paused = true)]
async fn in_one_round_an_instance_that_ran_into_its_limit_is_not_asked_again() {
    let site = litware();
    let stage = Stage::build(&site, &disaster()).unwrap();
    let sign_in = SignIn::clear("pchadr", Password::new("rehearsal".to_owned()));
    let dial = Arc::new(HalfDead(stage.simulated.dial(), AtomicUsize::new(0)));
    let door = SqlDoor::new(dial, addresses(&site), sign_in, limits());
    let dead = Instance::chat(Role::Primary);
    let began = Instant::now();
    let mut seconds = Vec::new();
    for round in 0..2 {
        let outer = door.round();
        for _ in 0..3 {
            // A round inside another is that one.
            let inner = door.round();
            let error = door.read(dead, Query::plain("READ")).await.unwrap_err();
            assert!(
                matches!(error.failure, Failure::ConnectTimedOut { .. }),
                "{round}"
            );
            drop(inner);
        }
        drop(outer);
        seconds.push(began.elapsed().as_secs());
    }
    assert_eq!(seconds, [5, 10]);
    // Outside of a round each question is asked.
    for _ in 0..2 {
        assert!(door.read(dead, Query::plain("READ")).await.is_err());
    }
    assert_eq!(began.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_at_once_is_asked_again_in_the_same_round() {
    let toy = Toy::default();
    toy.state().down = true;
    let door = toy.door();
    let _round = door.round();
    assert!(door.read(BACKUP, Query::plain("READ")).await.is_err());
    toy.state().down = false;
    assert!(door.read(BACKUP, Query::plain("READ")).await.is_ok());
}

/// A primary data center that swallows every connection: the checks before a failover cost it a few
/// limits, not one for each question.
#[tokio::test(start_paused = true)]
async fn the_checks_before_a_failover_cost_a_dead_data_center_a_few_limits() {
    let mut drill = Drill::failover(litware());
    drill.recipe.times = Times::Zero;
    let mut stage = drill.stage();
    let sign_in = SignIn::clear("pchadr", Password::new("rehearsal".to_owned()));
    let dial = Arc::new(HalfDead(stage.simulated.dial(), AtomicUsize::new(0)));
    let door = SqlDoor::new(dial.clone(), addresses(&drill.site), sign_in, limits());
    stage.access.sql = Arc::new(door);
    let store = MemoryStore::default();
    let mut run = Box::pin(drill.run(&stage, &store));
    let acts = || String::from_utf8_lossy(&store.bytes()).contains("step_started");
    let ended = awake(&mut run, acts).await;
    assert!(ended.is_none(), "{ended:?}");
    // Once each in the checks before the run, and in that of its first step.
    let dials = dial.1.load(Ordering::SeqCst);
    assert!(dials <= 4, "{dials} dials of two dead instances");
}

#[tokio::test(start_paused = true)]
async fn a_later_question_dials_again() {
    let toy = Toy::default();
    toy.state().down = true;
    let door = toy.door();
    let error = door.read(BACKUP, Query::plain("READ")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        r"backup (sql3\chat): not reachable: 10.2.0.3:1433 refused the connection"
    );
    toy.state().down = false;
    let table = door.read(BACKUP, Query::plain("READ")).await.unwrap();
    assert_eq!(table.rows().next().unwrap().int("n"), Some(7));
}

#[tokio::test(start_paused = true)]
async fn a_broken_control_connection_is_opened_anew_once() {
    let toy = Toy::default();
    let door = toy.door();
    door.read(BACKUP, Query::plain("READ")).await.unwrap();
    door.read(BACKUP, Query::plain("READ")).await.unwrap();
    assert_eq!(toy.state().dials, 1);
    for process in toy.state().processes.values() {
        process.cut.cancel();
    }
    tokio::task::yield_now().await;
    door.read(BACKUP, Query::plain("READ")).await.unwrap();
    assert_eq!(toy.state().dials, 2);
    let error = door.read(BACKUP, Query::plain("CUT")).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Cut(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_server_keeps_the_connection() {
    let toy = Toy::default();
    let door = toy.door();
    let error = door
        .read(BACKUP, Query::plain("FAIL 4305"))
        .await
        .unwrap_err();
    assert_eq!(error.number(), Some(4305));
    assert_eq!(error.fate, Fate::Refused);
    door.read(BACKUP, Query::plain("READ")).await.unwrap();
    assert_eq!(toy.state().dials, 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_statement_ends_at_the_limit_and_is_not_asked_again() {
    let toy = Toy::default();
    let door = toy.door();
    door.read(BACKUP, Query::plain("READ")).await.unwrap();
    let began = Instant::now();
    let error = door
        .read(BACKUP, Query::plain("RESTORE"))
        .await
        .unwrap_err();
    assert_eq!(began.elapsed(), 60 * SECOND);
    assert_eq!(error.failure, Failure::TimedOut(60 * SECOND));
    assert_eq!(error.fate, Fate::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_refused_sign_in_has_its_number_and_its_remedy() {
    let toy = Toy::default();
    let door = toy.door();
    for (number, remedy) in [
        (18456, "error log"),
        (18452, "domain"),
        (4060, "database exists"),
        (18487, "new password"),
        (18488, "new password"),
        (18470, "ENABLE"),
    ] {
        toy.state().refuses = Some(ServerError {
            class: 14,
            ..ServerError::new(number, "Login failed for user 'pchadr'.")
        });
        let error = door.read(BACKUP, Query::plain("READ")).await.unwrap_err();
        assert_eq!(error.number(), Some(number));
        assert_eq!(error.fate, Fate::NotSent);
        assert!(error.hint().contains(remedy), "{number}: {}", error.hint());
        assert!(!format!("{error:?} {error}").contains("geheim"));
    }
}

#[tokio::test(start_paused = true)]
async fn every_connection_says_who_it_is() {
    let toy = Toy::default();
    let door = toy.door();
    door.read(BACKUP, Query::plain("READ")).await.unwrap();
    let state = toy.state();
    let login = &state.processes.values().next().unwrap().login;
    assert_eq!(login.program_name, "pchadr");
    assert_eq!(login.database, "master");
}
