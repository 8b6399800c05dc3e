//! The texts of the door, as a whole simulated instance reads them.

use pchadr::access::secret::Password;
use pchadr::access::sql::{LockError, SignIn, SqlDoor, Watched, site_resource};
use pchadr::rehearsal::simulated::{SimulatedSite, addresses};
use pchadr::site::Site;
use tokio::time::{sleep, timeout};

use super::{BACKUP, SECOND, limits};
use crate::site::{disaster, litware};

fn door(simulated: &SimulatedSite, site: &Site) -> SqlDoor {
    let sign_in = SignIn::clear("pchadr", Password::new("rehearsal".to_owned()));
    SqlDoor::new(simulated.dial(), addresses(site), sign_in, limits())
}

#[tokio::test(start_paused = true)]
async fn a_session_is_identified_watched_and_found_gone() {
    let site = litware();
    let simulated = SimulatedSite::build(&site, &disaster()).unwrap();
    let door = door(&simulated, &site);
    let mut session = door.open(BACKUP).await.unwrap();
    let spid = session.spid().unwrap();
    let login_time = session.login_time().unwrap().to_owned();
    let waiting = session.send("WAITFOR DELAY '00:10:00'");
    timeout(5 * SECOND, waiting).await.unwrap_err();
    drop(session);
    let watched = door
        .watch_gone(BACKUP, spid, Some(&login_time), 10 * SECOND)
        .await;
    assert_eq!(watched, Watched::Gone);
    assert_eq!(simulated.unknown(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_that_stays_is_killed() {
    let site = litware();
    let simulated = SimulatedSite::build(&site, &disaster()).unwrap();
    let door = door(&simulated, &site);
    let mut session = door.open(BACKUP).await.unwrap();
    let spid = session.spid().unwrap();
    let login_time = session.login_time().unwrap().to_owned();
    let watched = door
        .watch_gone(BACKUP, spid, Some(&login_time), 3 * SECOND)
        .await;
    assert_eq!(watched, Watched::Gone);
    session.send("SELECT 1 AS n").await.unwrap_err();
    assert_eq!(simulated.unknown(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn two_runs_of_one_site_exclude_each_other() {
    let site = litware();
    let simulated = SimulatedSite::build(&site, &disaster()).unwrap();
    let (first, second) = (door(&simulated, &site), door(&simulated, &site));
    let resource = site_resource(&site.pool.fqdn);
    let lock = first.lock_site(BACKUP, &resource).await.unwrap();
    lock.still_held().await.unwrap();
    let Err(LockError::Held { holders, .. }) = second.lock_site(BACKUP, &resource).await else {
        panic!("the lock was given twice");
    };
    assert_eq!(holders.len(), 1, "{holders:?}");
    assert_eq!(holders[0].program, "pchadr");
    drop(lock);
    sleep(SECOND).await;
    second.lock_site(BACKUP, &resource).await.unwrap();
    assert_eq!(simulated.unknown(), Vec::<String>::new());
}
