//! Jobs of somebody's own: what their procedures refuse, and what the Agent makes of them.

use std::time::Duration;

use crate::rehearsal::world::tests::testing::{BACKUP, Fixture};
use crate::rehearsal::world::{Backup, Start};

const ADD: &str = "EXEC msdb.dbo.sp_add_job @job_name = N'own', @description = N'ours'";
const STEP: &str = "EXEC msdb.dbo.sp_add_jobstep @job_name = N'own', @step_name = N'one', @subsystem = N'TSQL', \
     @command = N'IF EXISTS (SELECT 1 FROM sys.databases WHERE name = N''mgc'' AND state = 0) \
     BACKUP LOG [mgc] TO DISK = N''D:\\own\\mgc.trn''', @database_name = N'master'";
const SCHEDULE: &str = "EXEC msdb.dbo.sp_add_jobschedule @job_name = N'own', @name = N's', @enabled = 1, \
     @freq_type = 4, @freq_interval = 1, @freq_subday_type = 4, @freq_subday_interval = 15";
const SERVER: &str = "EXEC msdb.dbo.sp_add_jobserver @job_name = N'own', @server_name = N'(LOCAL)'";
const START: &str = "EXEC msdb.dbo.sp_start_job @job_name = N'own'";

fn served() -> Fixture {
    Fixture::new(|o| {
        o.start = Start::FailedOver;
        o.backup = Backup::Recovered;
        o.schedules = true;
    })
}

fn waits(f: &Fixture) -> bool {
    f.at(BACKUP, |s| {
        let mgc = s.database("mgc").unwrap();
        mgc.log_end.block > mgc.log_start.block + 64
    })
}

/// Chat writes for so many hours.
async fn hours(f: &Fixture, hours: u64) {
    for _ in 0..hours * 4 {
        f.world.write_messages(BACKUP, 3);
        tokio::time::sleep(Duration::from_mins(15)).await;
        f.world.tick();
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_there_once_and_is_not_started_before_it_has_a_server() {
    let f = served();
    let mut client = f.client(BACKUP);
    assert_eq!(client.numbers(STEP).await, [14262]);
    client.ok(ADD).await;
    assert_eq!(client.numbers(ADD).await, [14261]);
    client.ok(STEP).await;
    assert_eq!(client.numbers(STEP).await, [14261]);
    client.ok(SCHEDULE).await;
    assert_eq!(client.numbers(START).await, [14256]);
    client.ok(SERVER).await;
    assert_eq!(client.numbers(SERVER).await, [14269]);
    client.ok(START).await;
    let elsewhere = SERVER.replace("(LOCAL)", "SQL9");
    assert_eq!(client.numbers(&elsewhere).await, [14262]);
}

#[tokio::test(start_paused = true)]
async fn the_log_waits_for_a_log_backup_unless_a_job_takes_one_by_its_schedule() {
    let f = served();
    hours(&f, 12).await;
    assert!(waits(&f), "nobody backs it up");
    let mut client = f.client(BACKUP);
    for text in [ADD, STEP, SCHEDULE] {
        client.ok(text).await;
    }
    hours(&f, 1).await;
    assert!(waits(&f), "nobody runs the job");
    client.ok(SERVER).await;
    hours(&f, 1).await;
    assert!(!waits(&f), "the job does");
    client
        .ok("EXEC msdb.dbo.sp_update_job @job_name = N'own', @enabled = 0")
        .await;
    hours(&f, 12).await;
    assert!(waits(&f), "the job is disabled");
    let sets = f.at(BACKUP, |s| {
        let ours = s.msdb.backups.iter();
        ours.filter(|it| it.device.starts_with("D:\\own"))
            .map(|it| (it.set.first_lsn, it.set.last_lsn))
            .collect::<Vec<_>>()
    });
    assert!(sets.len() >= 3, "{sets:?}");
    let whole = sets.windows(2).all(|two| two[0].1 == two[1].0);
    assert!(whole, "each begins where the one before ends: {sets:?}");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_asks_first_backs_up_nothing_where_the_database_is_restoring() {
    let f = Fixture::new(|o| o.schedules = true);
    let mut client = f.client(BACKUP);
    for text in [ADD, STEP, SCHEDULE, SERVER, START] {
        client.ok(text).await;
    }
    tokio::time::sleep(Duration::from_hours(1)).await;
    f.world.tick();
    let ran = f.at(BACKUP, |s| {
        let own = s.msdb.jobs.iter().find(|it| it.name == "own").unwrap();
        let none = s
            .msdb
            .backups
            .iter()
            .all(|it| !it.device.starts_with("D:\\own"));
        (own.stopped.is_some(), none)
    });
    assert_eq!(ran, (true, true));
    let unknown = f.world.with(|state| state.unknown.clone());
    assert_eq!(unknown, Vec::<String>::new());
}
