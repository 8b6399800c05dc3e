//! What log shipping can be on the backup (`steps.md` 5.1 to 5.3): jobs, monitor, siblings, names.

use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::simulated::Recipe;
use pchadr::rehearsal::world::{FaultKind, ServiceTimes, SqlFault, Start, WorldOptions};
use pchadr::run::event::StepOutcome;
use pchadr::run::store::MemoryStore;
use pchadr::status::Status;

use super::{BACKUP, hold, hold_on, hold_varied, overriding, vary};
use crate::site::{Drill, disaster, litware, paused, terms};

const DROP: &str = "sp_delete_log_shipping_secondary_database";
const WITHOUT_MONITOR: &str = "@ignoreremotemonitor = 1";
const DISABLE: &str = "sp_update_job";
const STOP: &str = "sp_stop_job";

#[test]
fn running_jobs_are_waited_for() {
    let held = hold_varied(|options| {
        options.copy_job_runs = true;
        options.restore_job_runs = true;
        // Longer than all looks before it, and within the limit.
        options.service.copy_job = Duration::from_secs(400);
    });
    held.assert_done();
    held.assert_has_all_messages();
    assert_eq!(held.count(DISABLE), 2);
    assert_eq!(
        held.count(STOP),
        0,
        "a job was stopped that would have ended"
    );
}

#[test]
fn a_job_that_runs_past_its_limit_is_stopped_between_two_files() {
    let mut site = litware();
    site.limits.jobs = Duration::from_secs(5);
    let recipe = vary(|options| {
        options.copy_job_runs = true;
        options.service.copy_job = Duration::from_hours(2);
    });
    let held = hold(&site, &recipe, &terms(), async |_| ());
    held.assert_done();
    held.assert_has_all_messages();
    assert_eq!((held.count(DISABLE), held.count(STOP)), (2, 1));
}

#[test]
fn a_restore_job_in_the_middle_of_a_file_is_never_stopped() {
    let mut site = litware();
    site.limits.jobs = Duration::from_secs(5);
    let recipe = vary(|options| {
        options.restore_job_runs = true;
        // 4 MiB at this rate are 140 seconds: more than the limit and all looks before it.
        options.service = ServiceTimes {
            throughput: Some(30_000),
            ..ServiceTimes::REAL
        };
        options.copied = 3;
    });
    let held = hold(&site, &recipe, &terms(), async |_| ());
    held.assert_done();
    held.assert_has_all_messages();
    assert_eq!(held.count(STOP), 0, "its file was left half applied");
}

#[test]
fn jobs_that_are_disabled_already_are_left_alone() {
    let held = hold_varied(|options| options.jobs_disabled = true);
    held.assert_done();
    assert_eq!((held.count(DISABLE), held.count(STOP)), (0, 0));
    assert_eq!(held.step("stop-log-shipping-jobs"), StepOutcome::DoneBefore);
}

#[test]
fn with_the_agent_stopped_no_job_runs_whatever_its_rows_say() {
    let recipe = vary(|options| {
        options.agent = false;
        options.copy_job_runs = true;
        options.service.copy_job = Duration::from_hours(2);
    });
    // Its name is in the language of the setup, its program is not.
    for german in [false, true] {
        let held = hold(&litware(), &recipe, &terms(), async |stage| {
            stage.simulated.world.with(|state| {
                for server in state.instances.values_mut() {
                    server.german = german;
                }
            });
        });
        held.assert_done();
        assert_eq!((held.count(DISABLE), held.count(STOP)), (2, 0), "{german}");
        assert!(
            held.finished.elapsed_seconds < 3600.0,
            "it waited for a job that cannot run"
        );
    }
}

fn dead_monitor(options: &mut WorldOptions) {
    options.monitor = Some("MON1".to_owned());
    options.monitor_dead = Some(32054);
}

#[test]
fn a_dead_monitor_is_left_out_where_the_procedure_can() {
    let held = hold_varied(dead_monitor);
    held.assert_done();
    assert_eq!(held.backup().secondary_rows, 0);
    assert_eq!((held.count(DROP), held.count(WITHOUT_MONITOR)), (1, 1));
}

/// The procedure reaches it over a linked server, whose own errors come first, or nothing comes at all
/// (`sql-server.md` 1.1).
#[test]
fn a_dead_monitor_is_left_out_however_the_linked_server_says_so() {
    for number in [53, 10060, 11001, 7303, 18456, 32055] {
        let held = hold(&litware(), &vary(dead_monitor), &terms(), async |stage| {
            stage.simulated.world.with(|state| {
                let server = state.instances.get_mut(&BACKUP).expect("the backup");
                server.monitor_dead = Some(number);
            });
        });
        held.assert_done();
        assert_eq!(held.backup().secondary_rows, 0, "{number}");
    }
    let silence = |kind| SqlFault {
        instance: BACKUP,
        contains: DROP.to_owned(),
        nth: 1,
        kind,
    };
    for kind in [FaultKind::SilenceBefore, FaultKind::SilenceAfter] {
        let held = hold(&litware(), &vary(dead_monitor), &terms(), async |stage| {
            stage
                .simulated
                .world
                .with(|state| state.faults.push(silence(kind)));
        });
        held.assert_done();
        assert_eq!(held.backup().secondary_rows, 0, "{kind:?}");
    }
}

#[test]
fn an_error_is_not_blamed_on_a_monitor_that_is_the_instance_itself() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        stage.simulated.world.with(|state| {
            let server = state.instances.get_mut(&BACKUP).expect("the backup");
            server.monitor_dead = Some(53);
        });
    });
    held.assert_stopped("drop-log-shipping", &["error 53"], &[]);
    assert_eq!(held.count(WITHOUT_MONITOR), 0);
}

#[test]
fn a_dead_monitor_stops_the_run_where_it_cannot_until_the_row_may_stay() {
    let site = litware();
    let recipe = vary(|options| {
        dead_monitor(options);
        options.knows_ignore_monitor = false;
    });
    paused(async {
        let mut stage = pchadr::cli::rehearse::Stage::build(&site, &recipe).expect("the site");
        let store = MemoryStore::default();
        let first = hold_on(&site, &mut stage, &terms(), &store).await;
        first.assert_stopped("drop-log-shipping", &["monitor"], &["--override rows-stay"]);
        assert_eq!(first.backup().secondary_rows, 1);
        let resumed = hold_on(&site, &mut stage, &overriding(&["rows-stay"]), &store).await;
        resumed.assert_done();
        assert_eq!(resumed.backup().secondary_rows, 1);
        assert_eq!(resumed.count(DROP), 0);
    });
}

#[test]
fn with_the_row_staying_nothing_of_log_shipping_is_sent_but_the_jobs_are_disabled() {
    let recipe = vary(|options| {
        dead_monitor(options);
        options.knows_ignore_monitor = false;
    });
    let held = hold(
        &litware(),
        &recipe,
        &overriding(&["rows-stay"]),
        async |_| (),
    );
    held.assert_done();
    assert_eq!((held.count(DROP), held.count(DISABLE)), (0, 2));
}

#[test]
fn databases_under_the_same_secondary_id_stay() {
    let held = hold_varied(|options| {
        options.siblings = vec!["archive1".to_owned(), "archive2".to_owned()];
    });
    held.assert_done();
    assert_eq!(held.backup().secondary_rows, 2);
    assert_eq!(held.backup().jobs.len(), 2, "the siblings' jobs are gone");
    for sibling in ["archive1", "archive2"] {
        assert!(held.backup().databases.contains_key(sibling), "{sibling}");
    }
    assert!(!held.statements().iter().any(|it| it.contains("archive")));
}

#[test]
fn an_instance_without_a_name_is_blocked_until_the_row_may_stay() {
    let recipe = vary(|options| options.nameless = true);
    let held = hold(&litware(), &recipe, &terms(), async |_| ());
    held.assert_refused(
        3,
        "drop-log-shipping",
        &["@@SERVERNAME is NULL", "32053"],
        &["sp_addserver", "--override rows-stay"],
    );
    let held = hold(
        &litware(),
        &recipe,
        &overriding(&["rows-stay"]),
        async |_| (),
    );
    held.assert_done();
    assert_eq!((held.count(DROP), held.backup().secondary_rows), (0, 1));
}

#[test]
fn whoever_is_not_sysadmin_is_refused() {
    let held = hold_varied(|options| options.sysadmin = false);
    held.assert_refused(
        3,
        "save-log-shipping",
        &["not sysadmin"],
        &["member of sysadmin"],
    );
}

#[test]
fn an_instance_that_answers_for_two_roles_is_refused() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        stage.simulated.world.with(|state| {
            let name = state.instances[&BACKUP].server_name.clone();
            let mirror = state.instances.get_mut(&super::BACKUP_MIRROR);
            mirror.expect("the backup mirror").server_name = name;
        });
    });
    held.assert_refused(
        3,
        "save-log-shipping",
        &[
            "the backup",
            "the backup mirror",
            "are one instance",
            r"SQL3\chat",
        ],
        &["[sql]", "alias"],
    );
}

#[test]
fn status_names_a_log_backup_that_was_taken_where_log_shipping_does_not_look() {
    paused(async {
        let site = litware();
        let recipe = Recipe {
            start: Start::Normal,
            ..disaster()
        };
        let mut stage = Stage::build(&site, &recipe).expect("the site");
        stage.reopen(&site);
        let primary = Instance::chat(Role::Primary);
        for (file, options, named) in [
            (r"\\fs1\pchat-archive\copy.trn", "INIT, COPY_ONLY", false),
            (r"\\fs1\pchat-logs\by-hand.trn", "INIT", false),
            (r"\\fs1\pchat-archive\by-hand.trn", "INIT", true),
        ] {
            let mut session = Box::pin(stage.access.sql.open(primary))
                .await
                .expect("a session");
            let backup = format!("BACKUP LOG [mgc] TO DISK = N'{file}' WITH {options};");
            session.send(&backup).await.expect("taken");
            drop(session);
            let status = Status::observe(&site, &stage.access).await;
            let mut told = Vec::new();
            status.write_human(&mut told).expect("written");
            let told = String::from_utf8(told).expect("text");
            assert_eq!(
                told.contains(&format!("put {file} into its folder")),
                named,
                "{told}"
            );
        }
    });
}

#[test]
fn the_status_after_a_failover_tells_of_a_log_that_nobody_backs_up() {
    let drill = Drill::failover(litware());
    paused(async {
        let stage = drill.stage();
        let part = drill.part(&stage, "rehearsal");
        let store = MemoryStore::default();
        let ended = part.execute(Box::new(store), Vec::new()).await;
        assert_eq!(ended.expect("a run").exit, 0);
        let world = &stage.simulated.world;
        let told = async || {
            let status = Status::observe(&drill.site, &stage.access).await;
            let mut text = Vec::new();
            status.write_human(&mut text).expect("a text");
            let text = String::from_utf8(text).expect("UTF-8");
            let waits = status.instances["backup"].log_waits;
            assert_eq!(text.contains("its log grows until a log backup"), waits);
            waits
        };
        let backed_up = || {
            world.with(|state| {
                let server = state.instances.get_mut(&BACKUP).expect("the backup");
                let database = server.database_mut("mgc").expect("mgc");
                database.log_start = database.log_end;
            });
        };
        backed_up();
        assert!(!told().await);
        world.write_messages(BACKUP, 3);
        world.write_messages(BACKUP, 3);
        assert!(told().await);
        backed_up();
        assert!(!told().await);
    });
}
