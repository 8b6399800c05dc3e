//! What would fail while chat is down is found while chat serves: no run with such a fault ever
//! clears the active list.

use std::time::Duration;

use pchadr::cli::rehearse::{Stage, execute_with};
use pchadr::model::states::PoolState;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::world::instance::SqlInstance;
use pchadr::rehearsal::world::{FaultKind, SqlFault};
use pchadr::run::event::{Outcome, RunFinished};
use pchadr::run::store::MemoryStore;
use pchadr::site::Site;

use crate::site::{Drill, effects, litware, paused, terms};

const PRIMARY: Instance = Instance::chat(Role::Primary);
const PRIMARY_MIRROR: Instance = Instance::chat(Role::PrimaryMirror);
const BACKUP: Instance = Instance::chat(Role::Backup);

type Prepare = fn(&Stage, &Site);

/// Thumbprint of a certificate.
const THUMBPRINT: [u8; 4] = [0xC0, 0xFF, 0xEE, 0x01];

fn change(stage: &Stage, instance: Instance, change: impl FnOnce(&mut SqlInstance)) {
    stage.simulated.world.with(|state| {
        change(state.instances.get_mut(&instance).expect("an instance"));
    });
}

/// Runs a failback, and gives its end and its effects.
fn run(mut drill: Drill, prepare: Prepare) -> (RunFinished, Vec<String>, Vec<u8>) {
    drill.prepare = prepare;
    paused(async {
        let stage = drill.stage();
        let store = MemoryStore::default();
        let finished = drill.run(&stage, &store).await.expect("a record");
        assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
        (finished, effects(&stage), store.bytes())
    })
}

/// Refused with that reason before anything was changed.
fn refused(prepare: Prepare, reason: &str) {
    let (finished, made, _) = run(Drill::failback(litware()), prepare);
    assert_eq!(
        (finished.outcome, finished.exit),
        (Outcome::Refused, 3),
        "{reason}: {:?}",
        finished.error
    );
    let why = finished.error.expect("a reason").why;
    assert!(why.contains(reason), "{why}");
    assert_eq!(made, Vec::<String>::new());
}

/// Stopped with that reason after something was changed, and before B1.
fn stopped_before_b1(drill: Drill, prepare: Prepare, reason: &str) {
    let (finished, made, _) = run(drill, prepare);
    assert_eq!(finished.outcome, Outcome::Stopped, "{:?}", finished.error);
    let why = finished.error.expect("a reason").why;
    assert!(why.contains(reason), "{why}");
    assert!(!made.is_empty(), "{reason}: this fault is found later");
    assert!(!made.iter().any(|it| is_b1(it)), "{reason}: {made:#?}");
}

fn is_b1(effect: &str) -> bool {
    effect.starts_with("Set-CsPersistentChatActiveServer")
}

#[test]
fn b1_is_seen_where_nothing_is_wrong() {
    let (finished, made, _) = run(Drill::failback(litware()), |_, _| ());
    assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
    assert!(
        made.iter().any(|it| is_b1(it)),
        "else no test here proves anything"
    );
}

#[test]
fn a_share_that_an_instance_cannot_read_is_found_before_b1() {
    refused(
        |stage, _| {
            stage.simulated.folders.change("backup", |volume| {
                volume.denied.insert("primary".to_owned());
            });
        },
        "the primary cannot look at",
    );
    refused(
        |stage, _| {
            stage.simulated.folders.change("backup", |volume| {
                volume.denied.insert("primary_mirror".to_owned());
            });
        },
        "the primary mirror cannot look at",
    );
}

#[test]
fn a_share_that_the_backup_cannot_write_to_is_found_by_the_probe_before_b1() {
    stopped_before_b1(
        Drill::powered_off(litware()),
        |stage, _| {
            stage.simulated.world.with(|state| {
                state.faults.push(SqlFault {
                    instance: BACKUP,
                    contains: "BACKUP DATABASE [model]".to_owned(),
                    nth: 1,
                    kind: FaultKind::ErrorBefore(3201),
                });
            });
        },
        "write a small backup",
    );
}

#[test]
fn versions_that_differ_either_way_are_found_before_b1() {
    refused(
        |stage, _| change(stage, PRIMARY, |it| it.version = (12, 0, 2000)),
        "SQL Server 12.0.2000",
    );
    refused(
        |stage, _| change(stage, PRIMARY, |it| it.version = (15, 0, 2000)),
        "SQL Server 15.0.2000",
    );
    refused(
        |stage, _| change(stage, PRIMARY_MIRROR, |it| it.version = (15, 0, 2000)),
        "the primary mirror 15.0.2000",
    );
    refused(
        |stage, _| change(stage, BACKUP, |it| it.version = (15, 0, 2000)),
        "the backup 15.0.2000",
    );
}

#[test]
fn a_mirroring_endpoint_that_is_stopped_is_found_before_b1() {
    refused(
        |stage, _| change(stage, PRIMARY, |it| it.endpoint = false),
        "the mirroring endpoint of the primary is not STARTED",
    );
    refused(
        |stage, _| change(stage, PRIMARY_MIRROR, |it| it.endpoint = false),
        "the mirroring endpoint of the primary mirror is not STARTED",
    );
    // Behind the old mirroring it shows only once that is removed.
    stopped_before_b1(
        Drill::powered_off(litware()),
        |stage, _| change(stage, PRIMARY_MIRROR, |it| it.endpoint = false),
        "the mirroring endpoint of the primary mirror is not STARTED",
    );
}

#[test]
fn an_agent_that_does_not_run_is_found_before_b1_and_its_account_named() {
    refused(
        |stage, _| change(stage, PRIMARY, |it| it.agent = false),
        r"the SQL Server Agent of the primary (LITWAREINC\sqlagent) does not run",
    );
    refused(
        |stage, _| change(stage, PRIMARY_MIRROR, |it| it.agent = false),
        r"the SQL Server Agent of the primary mirror (LITWAREINC\sqlagent) does not run",
    );
    refused(
        |stage, _| change(stage, BACKUP, |it| it.agent = false),
        r"the SQL Server Agent of the backup (LITWAREINC\sqlagent) does not run",
    );
}

#[test]
fn a_server_whose_name_is_unsound_is_found_before_b1() {
    refused(
        |stage, _| change(stage, BACKUP, |it| it.nameless = true),
        "@@SERVERNAME of the backup is NULL",
    );
}

#[test]
fn a_configuration_that_was_never_saved_is_found_before_b1() {
    let mut drill = Drill::failback(litware());
    drill.saved = None;
    let (finished, made, _) = run(drill, |_, _| ());
    assert_eq!((finished.outcome, finished.exit), (Outcome::Refused, 3));
    let why = finished.error.expect("a reason").why;
    assert!(why.contains("was not saved"), "{why}");
    assert_eq!(made, Vec::<String>::new());
}

/// The chat database of the second data center is encrypted.
fn encrypt(stage: &Stage) {
    for role in [Role::Backup, Role::BackupMirror] {
        change(stage, Instance::chat(role), |it| {
            it.certificates.push(THUMBPRINT.to_vec());
            let database = it.database_mut("mgc").expect("the chat database");
            database.encrypted = Some(THUMBPRINT.to_vec());
        });
    }
}

#[test]
fn a_certificate_that_the_first_data_center_lacks_is_found_before_b1() {
    refused(
        |stage, _| encrypt(stage),
        "0xC0FFEE01, which is not seen on the primary and on the primary mirror",
    );
    refused(
        |stage, _| {
            encrypt(stage);
            change(stage, PRIMARY, |it| {
                it.certificates.push(THUMBPRINT.to_vec());
            });
        },
        "0xC0FFEE01, which is not seen on the primary mirror",
    );
    let (finished, ..) = run(Drill::failback(litware()), |stage, _| {
        encrypt(stage);
        for instance in [PRIMARY, PRIMARY_MIRROR] {
            change(stage, instance, |it| {
                it.certificates.push(THUMBPRINT.to_vec());
            });
        }
    });
    assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
}

#[test]
fn a_pool_that_is_not_failed_over_is_found_before_b1() {
    refused(
        |stage, _| {
            let mut pool = stage.simulated.pool.lock().expect("the pool");
            pool.set_state(PoolState::Normal);
        },
        "the pool is not FailedOver",
    );
}

/// The data volume of an instance has so many megabytes left.
fn narrow(stage: &Stage, instance: Instance, megabytes: u64) {
    change(stage, instance, |it| {
        let data = it.volumes.iter_mut().find(|volume| volume.mount == r"E:\");
        data.expect("a data volume").free = megabytes << 20;
    });
}

/// The chat database of the second data center has grown to fifty gigabytes.
fn grow(stage: &Stage) {
    for role in [Role::Backup, Role::BackupMirror] {
        change(stage, Instance::chat(role), |it| {
            it.database_mut("mgc").expect("the chat database").files[0].bytes = 50 << 30;
        });
    }
}

#[test]
fn a_volume_with_too_little_room_is_found_before_b1_and_named_with_numbers() {
    refused(
        |stage, _| {
            grow(stage);
            narrow(stage, PRIMARY, 20 << 10);
        },
        // The fresh database's own 80 MB are written over.
        r"the volume `E:\` of the primary has room for 20.0 GB, and the files of the chat database that go there are 50.0 GB",
    );
    refused(
        |stage, _| {
            grow(stage);
            narrow(stage, PRIMARY_MIRROR, 20 << 10);
        },
        r"the volume `E:\` of the primary mirror has room for 20.0 GB",
    );
}

#[test]
fn a_share_with_too_little_room_is_found_before_b1_and_may_be_overridden() {
    refused(
        |stage, _| {
            grow(stage);
            stage
                .simulated
                .folders
                .change("backup", |volume| volume.free = 30 << 30);
        },
        r"`\\fs1\pchat-logs` has 30.0 GB free, and the files of the chat database, which the full backup holds, are 50.0 GB",
    );
    refused(
        |stage, _| {
            grow(stage);
            stage
                .simulated
                .folders
                .change("mirror", |volume| volume.free = 30 << 30);
        },
        "which the backup that the set-up of the mirror takes holds",
    );
    let mut drill = Drill::failback(litware());
    drill.prepare = |stage, _| {
        grow(stage);
        change(stage, BACKUP, |it| {
            it.database_mut("mgc").expect("the chat database").unused = 30 << 30;
        });
        stage
            .simulated
            .folders
            .change("backup", |volume| volume.free = 30 << 30);
    };
    let mut terms = terms();
    let reason = "most of its pages are empty".to_owned();
    terms.overrides.insert("share-room".to_owned(), reason);
    let finished = paused(async {
        let stage = drill.stage();
        let store = Box::new(MemoryStore::default());
        let (site, saved) = (&drill.site, drill.saved.as_ref());
        execute_with(
            site,
            &drill.plan,
            &terms,
            &stage.access,
            saved,
            store,
            vec![],
        )
        .await
    });
    let finished = finished.expect("a record");
    assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
}

#[test]
fn room_that_cannot_be_seen_is_named_and_stops_nobody() {
    let (finished, _, journal) = run(Drill::failback(litware()), |stage, _| {
        change(stage, PRIMARY, |it| it.volumes.clear());
        stage
            .simulated
            .folders
            .change("mirror", |volume| volume.latency = Duration::from_hours(1));
    });
    assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
    let journal = String::from_utf8(journal).expect("text");
    for named in [
        r"cannot be seen: room on `\\\\fs1\\pchat-mirror`: no answer within 60 s",
        "room on the primary: no volume is told for",
    ] {
        assert!(journal.contains(named), "the record names {named}");
    }
}
