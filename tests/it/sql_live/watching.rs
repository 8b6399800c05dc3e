//! A session that was left, followed from outside.

use pchadr::access::sql::{Failure, Fate, SqlDoor, Watched};
use tokio::time::{Instant, sleep, timeout};

use super::toy::Toy;
use super::{BACKUP, SECOND};

/// Opens a session, runs a statement without an end on it, and leaves it after five seconds.
async fn leave(door: &SqlDoor) -> (i64, String) {
    let mut session = door.open(BACKUP).await.unwrap();
    let spid = session.spid().unwrap();
    let login_time = session.login_time().unwrap().to_owned();
    timeout(5 * SECOND, session.send("RESTORE"))
        .await
        .unwrap_err();
    (spid, login_time)
}

#[tokio::test(start_paused = true)]
async fn a_session_knows_its_number_and_when_it_signed_in() {
    let toy = Toy::default();
    let door = toy.door();
    let session = door.open(BACKUP).await.unwrap();
    let spid = session.spid().unwrap();
    let expected = toy.state().processes[&spid].login_time.clone();
    assert_eq!(session.login_time(), Some(expected.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_left_while_a_statement_ran_is_dead() {
    let toy = Toy::default();
    let door = toy.door();
    let mut session = door.open(BACKUP).await.unwrap();
    timeout(5 * SECOND, session.send("RESTORE"))
        .await
        .unwrap_err();
    let error = session.send("READ").await.unwrap_err();
    assert_eq!(error.fate, Fate::NotSent);
    assert!(matches!(error.failure, Failure::Cut(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_goes_by_itself_is_not_killed() {
    let toy = Toy::default();
    toy.state().lingers = 3 * SECOND;
    let door = toy.door();
    let (spid, login_time) = leave(&door).await;
    let began = Instant::now();
    let watched = door
        .watch_gone(BACKUP, spid, Some(&login_time), 10 * SECOND)
        .await;
    assert_eq!(watched, Watched::Gone);
    assert!(began.elapsed() >= 3 * SECOND && began.elapsed() <= 5 * SECOND);
    assert_eq!(toy.state().kills, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_stays_past_the_limit_is_killed_once() {
    let toy = Toy::default();
    toy.state().lingers = 3600 * SECOND;
    let door = toy.door();
    let (spid, login_time) = leave(&door).await;
    let watched = door
        .watch_gone(BACKUP, spid, Some(&login_time), 10 * SECOND)
        .await;
    assert_eq!(watched, Watched::Gone);
    assert_eq!(toy.state().kills, [format!("KILL {spid}")]);
}

#[tokio::test(start_paused = true)]
async fn what_outlives_its_kill_is_said_to_be_there() {
    let toy = Toy::default();
    toy.state().lingers = 3600 * SECOND;
    toy.state().unkillable = true;
    let door = toy.door();
    let (spid, login_time) = leave(&door).await;
    let watched = door
        .watch_gone(BACKUP, spid, Some(&login_time), 10 * SECOND)
        .await;
    let doing = Some("RESTORE LOG".to_owned());
    assert_eq!(
        watched,
        Watched::StillThere {
            killed: true,
            doing
        }
    );
    assert_eq!(toy.state().kills.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_of_somebody_else_is_never_killed() {
    let toy = Toy::default();
    toy.state().lingers = 3600 * SECOND;
    let door = toy.door();
    let (spid, _) = leave(&door).await;
    // The number was given out again: ours is gone.
    let other = Some("2016-02-29T13:00:00.000");
    let watched = door.watch_gone(BACKUP, spid, other, 10 * SECOND).await;
    assert_eq!(watched, Watched::Gone);
    // Whose it is, is not known.
    let watched = door.watch_gone(BACKUP, spid, None, 10 * SECOND).await;
    assert!(matches!(watched, Watched::StillThere { killed: false, .. }));
    assert_eq!(toy.state().kills, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn who_may_not_look_does_not_say_gone() {
    let toy = Toy::default();
    let door = toy.door();
    let (spid, login_time) = leave(&door).await;
    toy.state().blind = true;
    let watched = door
        .watch_gone(BACKUP, spid, Some(&login_time), 2 * SECOND)
        .await;
    let Watched::Unknown(error) = watched else {
        panic!("{watched:?}");
    };
    assert_eq!(error.failure, Failure::NotAllowed("VIEW SERVER STATE"));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_does_not_answer_is_asked_until_the_limit() {
    let toy = Toy::default();
    let door = toy.door();
    let (spid, login_time) = leave(&door).await;
    toy.state().down = true;
    let watching = door.watch_gone(BACKUP, spid, Some(&login_time), 10 * SECOND);
    assert!(matches!(watching.await, Watched::Unknown(_)));
    let watching = door.watch_gone(BACKUP, spid, Some(&login_time), 10 * SECOND);
    let coming_back = async {
        sleep(4 * SECOND).await;
        toy.state().down = false;
    };
    let (watched, ()) = tokio::join!(watching, coming_back);
    assert_eq!(watched, Watched::Gone);
}

#[tokio::test(start_paused = true)]
async fn progress_is_read_while_the_statement_runs() {
    let toy = Toy::default();
    let door = toy.door();
    let mut session = door.open(BACKUP).await.unwrap();
    let heard = std::sync::Mutex::new(Vec::new());
    let show = |percent: f64| heard.lock().unwrap().push(percent);
    let running = session.send_watched("RESTORE", None, &show);
    assert!(
        timeout(15 * SECOND, running).await.is_err(),
        "it runs still"
    );
    assert_eq!(*heard.lock().unwrap(), [42.5]);
}
