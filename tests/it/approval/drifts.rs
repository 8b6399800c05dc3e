//! What can happen to a site between approval and run, and what of it is drift.

#![allow(
    clippy::assigning_clones,
    clippy::semicolon_if_nothing_returned,
    reason = "a change a row"
)]

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::{DatabaseState, MirroringState, PoolState};
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::world::database::{Database, UserAccess};
use pchadr::rehearsal::world::instance::SqlInstance;

/// What happens, and the facts that are named; none where it is allowed.
pub(super) type Row = (
    &'static str,
    fn(&Stage),
    &'static [(&'static str, &'static str)],
);

fn at(stage: &Stage, role: Role, change: impl FnOnce(&mut SqlInstance)) {
    stage.simulated.world.with(|state| {
        let instance = state.instances.get_mut(&Instance::chat(role));
        change(instance.expect("the instance"));
    });
}

fn backup(stage: &Stage, change: impl FnOnce(&mut SqlInstance)) {
    at(stage, Role::Backup, change);
}

fn mgc(stage: &Stage, role: Role, change: impl FnOnce(&mut Database)) {
    at(stage, role, |it| {
        change(it.database_mut("mgc").expect("the database"));
    });
}

pub(super) const TABLE: &[Row] = &[
    ("nothing", |_| (), &[]),
    (
        "an update was installed",
        |stage| backup(stage, |it| it.version.2 += 1),
        &[("backup: instance", "version")],
    ),
    (
        "the server was renamed, and not finished",
        |stage| backup(stage, |it| it.nameless = true),
        &[("backup: instance", "at_servername")],
    ),
    (
        "the Agent was stopped",
        |stage| backup(stage, |it| it.agent = false),
        &[("backup: services", "SQL Server Agent (CHAT): status")],
    ),
    (
        "the endpoint was stopped",
        |stage| backup(stage, |it| it.endpoint = false),
        &[("backup: mirroring endpoint", "started")],
    ),
    (
        "a disk fills",
        |stage| {
            backup(stage, |it| {
                for volume in &mut it.volumes {
                    volume.free /= 2;
                }
            });
        },
        &[],
    ),
    (
        "the database has another owner",
        |stage| mgc(stage, Role::Primary, |it| it.owner = Some("bob".to_owned())),
        &[("primary: database mgc", "owner")],
    ),
    (
        "it has another recovery model",
        |stage| mgc(stage, Role::Primary, |it| it.model = 2),
        &[("primary: database mgc", "recovery_model")],
    ),
    (
        "it is for administrators",
        |stage| {
            mgc(stage, Role::Primary, |it| {
                it.access = UserAccess::Restricted
            })
        },
        &[("primary: database mgc", "user_access")],
    ),
    (
        "it is trusted, its broker is off",
        |stage| {
            mgc(stage, Role::Primary, |it| {
                it.trustworthy = !it.trustworthy;
                it.broker = !it.broker;
            });
        },
        &[
            ("primary: database mgc", "broker"),
            ("primary: database mgc", "trustworthy"),
        ],
    ),
    (
        "it is suspect",
        |stage| mgc(stage, Role::Backup, |it| it.state = DatabaseState::Suspect),
        &[
            ("backup: database mgc", "state"),
            ("backup: redo start of mgc", ""),
        ],
    ),
    (
        "its mirror is suspended",
        |stage| {
            mgc(stage, Role::Primary, |it| {
                let mirroring = it.mirroring.as_mut().expect("it is mirrored");
                mirroring.state = MirroringState::Suspended;
            });
        },
        &[("primary: database mgc", "mirroring: state")],
    ),
    (
        "it has another partner",
        |stage| {
            mgc(stage, Role::Primary, |it| {
                let mirroring = it.mirroring.as_mut().expect("it is mirrored");
                mirroring.partner_instance = r"SQL9\CHAT".to_owned();
            });
        },
        &[("primary: database mgc", "mirroring: partner")],
    ),
    (
        "it is of another family",
        |stage| mgc(stage, Role::Primary, |it| it.family[0] ^= 1),
        &[("primary: lineage of mgc", "family")],
    ),
    (
        "a log backup was restored",
        |stage| {
            mgc(stage, Role::Backup, |it| {
                it.redo_start = "99000000012300001".parse().expect("an LSN");
            })
        },
        &[],
    ),
    (
        "its files grow",
        |stage| {
            mgc(stage, Role::Primary, |it| {
                for file in &mut it.files {
                    file.bytes *= 2;
                }
            });
        },
        &[],
    ),
    (
        "a file of it was moved",
        |stage| {
            mgc(stage, Role::Primary, |it| {
                it.files[0].path = r"X:\mgc.mdf".to_owned();
            });
        },
        &[("primary: files of mgc", "mgc_data: path")],
    ),
    (
        "log shipping reads another folder",
        |stage| {
            backup(stage, |it| {
                it.msdb.secondaries[0].source = r"\\fs9\logs".to_owned()
            })
        },
        &[("backup: log shipping of mgc, secondary", "source")],
    ),
    (
        "it copies to another folder",
        |stage| {
            backup(stage, |it| {
                it.msdb.secondaries[0].destination = r"X:\c".to_owned()
            })
        },
        &[("backup: log shipping of mgc, secondary", "destination")],
    ),
    (
        "it copies and restores on",
        |stage| {
            backup(stage, |it| {
                let row = &mut it.msdb.secondaries[0];
                row.last_copied_file = Some(r"E:\pchat-copy\mgc_99991231235959.trn".to_owned());
                row.databases[0]
                    .last_restored_file
                    .clone_from(&row.last_copied_file);
            });
        },
        &[],
    ),
    (
        "it was set up anew, and has copied nothing",
        |stage| backup(stage, |it| it.msdb.secondaries[0].last_copied_file = None),
        &[("backup: log shipping of mgc, secondary", "last_copied_file")],
    ),
    (
        "its primary half writes elsewhere, and keeps it for a shorter time",
        |stage| {
            at(stage, Role::Primary, |it| {
                let row = &mut it.msdb.primaries[0];
                row.share = r"\\fs9\logs".to_owned();
                row.retention /= 2;
            });
        },
        &[
            ("primary: log shipping of mgc, primary", "retention"),
            ("primary: log shipping of mgc, primary", "share"),
        ],
    ),
    (
        "a job of it was disabled",
        |stage| backup(stage, |it| it.msdb.jobs[0].enabled = false),
        &[(
            "backup: log shipping of mgc, jobs",
            "LSCopy_SQL1\\chat_mgc: enabled",
        )],
    ),
    (
        "its copy job was dropped",
        |stage| {
            backup(stage, |it| {
                it.msdb.jobs.remove(0);
            });
        },
        &[
            ("backup: log shipping of mgc, jobs", "LSCopy_SQL1\\chat_mgc"),
            (
                "backup: log shipping of mgc, schedules",
                "DefaultCopyJobSchedule of LSCopy_SQL1\\chat_mgc",
            ),
        ],
    ),
    (
        "its copy job runs at other times",
        |stage| {
            backup(stage, |it| {
                it.msdb.jobs[0].schedule.freq_subday_interval = 5
            })
        },
        &[(
            "backup: log shipping of mgc, schedules",
            "DefaultCopyJobSchedule of LSCopy_SQL1\\chat_mgc: freq_subday_interval",
        )],
    ),
    (
        "the pool was failed over",
        |stage| {
            let mut pool = stage.simulated.pool.lock().expect("the pool");
            pool.set_state(PoolState::FailedOver);
        },
        &[("pool: state", "state")],
    ),
    (
        "the active servers are listed in another order",
        |stage| {
            let mut pool = stage.simulated.pool.lock().expect("the pool");
            let mut active = pool.active().to_vec();
            active.reverse();
            pool.set_active(active);
        },
        &[],
    ),
    (
        "a server is not active any more",
        |stage| {
            let mut pool = stage.simulated.pool.lock().expect("the pool");
            let mut active = pool.active().to_vec();
            active.pop();
            pool.set_active(active);
        },
        &[
            ("pool: service", "active_servers"),
            ("pool: service", "inactive_servers"),
        ],
    ),
    (
        "the Central Management Store was failed over",
        |stage| {
            let mut pool = stage.simulated.pool.lock().expect("the pool");
            pool.store.active_master = Some("fe9.dc2.litwareinc.com".to_owned());
        },
        &[("Central Management Store", "master")],
    ),
    (
        "the topology names another backup",
        |stage| {
            let mut pool = stage.simulated.pool.lock().expect("the pool");
            let backup = pool.databases.get_mut(&Instance::chat(Role::Backup));
            backup.expect("a backup").host = "sql9.dc2.litwareinc.com".to_owned();
        },
        &[("pool: service", "backup")],
    ),
    (
        "a log backup was taken",
        |stage| {
            let path = r"\\fs1\pchat-logs\mgc_99991231235959.trn";
            stage
                .simulated
                .folders
                .put_bytes(path, b"log")
                .expect("room");
        },
        &[],
    ),
];
