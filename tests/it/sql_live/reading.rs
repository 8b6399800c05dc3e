//! Reads, and who pays for an instance that is down.

use std::io;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use pchadr::access::ByteStream;
use pchadr::access::secret::Password;
use pchadr::access::sql::{Dial, Failure, Fate, Query, SignIn, SqlDoor};
use pchadr::cli::rehearse::Stage;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::simulated::{Times, addresses};
use pchadr::rehearsal::value::ServerError;
use pchadr::status::Status;
use tokio::time::Instant;

use super::toy::Toy;
use super::{BACKUP, SECOND, limits};
use crate::site::{disaster, litware};

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
struct HalfDead(Arc<dyn Dial>);

impl Dial for HalfDead {
    fn dial(&self, instance: Instance) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        match instance.role {
            Role::Primary | Role::PrimaryMirror => Box::pin(std::future::pending()),
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
    let dial = Arc::new(HalfDead(stage.simulated.dial()));
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
