//! The lock of a site.

use pchadr::access::sql::{LockError, SqlDoor};

use super::toy::Toy;
use super::{BACKUP, SECOND};

const RESOURCE: &str = "pchadr:pchat.emea.corp.litwareinc.com";

async fn refused(door: &SqlDoor, resource: &str) -> LockError {
    let Err(error) = door.lock_site(BACKUP, resource).await else {
        panic!("the lock was given twice");
    };
    error
}

#[tokio::test(start_paused = true)]
async fn a_second_run_is_told_who_holds_the_site() {
    let toy = Toy::default();
    let first = toy.door();
    let lock = first.lock_site(BACKUP, RESOURCE).await.unwrap();
    let error = refused(&toy.door(), RESOURCE).await;
    let LockError::Held { holders, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(holders[0].host, "ADMIN2");
    assert_eq!(
        error.to_string(),
        "another run holds the site (lock on sql3\\chat): pchadr on ADMIN2 (pchadr, session 51, \
         signed in 2016-02-29T13:14:51.123 by that server's clock)"
    );
    lock.still_held().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_lock_is_free() {
    let toy = Toy::default();
    let door = toy.door();
    drop(door.lock_site(BACKUP, RESOURCE).await.unwrap());
    // The server sees the end of the connection.
    tokio::time::sleep(SECOND).await;
    door.lock_site(BACKUP, RESOURCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lock_whose_connection_was_cut_is_lost_for_good() {
    let toy = Toy::default();
    let door = toy.door();
    let lock = door.lock_site(BACKUP, RESOURCE).await.unwrap();
    lock.still_held().await.unwrap();
    for process in toy.state().processes.values() {
        process.cut.cancel();
    }
    tokio::task::yield_now().await;
    for _ in 0..2 {
        let error = lock.still_held().await.unwrap_err();
        assert!(matches!(error, LockError::Lost(_)), "{error}");
        assert!(!error.remedies().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_the_server_does_not_know_is_lost() {
    let toy = Toy::default();
    let door = toy.door();
    let lock = door.lock_site(BACKUP, RESOURCE).await.unwrap();
    toy.state().lock = None;
    let error = lock.still_held().await.unwrap_err();
    assert!(error.to_string().contains("NoLock"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_down_is_not_called_held() {
    let toy = Toy::default();
    toy.state().down = true;
    let error = refused(&toy.door(), RESOURCE).await;
    assert!(matches!(error, LockError::Sql(_)), "{error}");
}
