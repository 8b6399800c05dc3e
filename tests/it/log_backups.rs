//! Log backups after a failover: a job takes them where the site file says where to, a failback turns
//! it off before the databases move, and gives it back where it is undone.

use std::collections::BTreeSet;
use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::backup_set::SetKind;
use pchadr::rehearsal::simulated::Change;
use pchadr::rehearsal::world::msdb::{BackupRow, Job, JobKind, Schedule};
use pchadr::run::event::{Outcome, StepOutcome};
use pchadr::run::store::MemoryStore;
use pchadr::runbook::Direction;
use pchadr::site::{LogBackups, Site};
use pchadr::step::Step;
use pchadr::step::command::Kind;

use crate::abort::{killed, record_of, starts};
use crate::kill_sweep::kill_around;
use crate::site::{Drill, litware, paused, plan_of};

const BACKUP: Instance = Instance::chat(Role::Backup);
const BOTH: [Instance; 2] = [BACKUP, Instance::chat(Role::BackupMirror)];
const FOLDER: &str = r"D:\chat-log-backups";

/// A site with every step.
pub(crate) fn wanted() -> Site {
    Site {
        log_backups: Some(LogBackups {
            folder: FOLDER.parse().expect("a path"),
            every: 10,
        }),
        ..litware()
    }
}

fn is_ours(job: &Job) -> bool {
    job.name == "pchadr log backups of mgc"
}

/// The job on an instance.
fn job(stage: &Stage, at: Instance) -> Option<Job> {
    stage.simulated.world.with(|state| {
        let server = state.instances.get(&at).expect("an instance");
        server.msdb.jobs.iter().find(|it| is_ours(it)).cloned()
    })
}

/// Devices of the log backups that an instance took into the folder.
fn taken(stage: &Stage, at: Instance) -> Vec<String> {
    stage.simulated.world.with(|state| {
        let sets = state
            .instances
            .get(&at)
            .expect("an instance")
            .msdb
            .backups
            .iter();
        sets.filter(|it| it.device.starts_with(FOLDER))
            .map(|it| it.device.clone())
            .collect()
    })
}

/// The job on both instances as a failover leaves it.
fn as_a_failover_left_it(stage: &Stage, site: &Site) {
    let pool = &site.pool.fqdn;
    stage.simulated.world.with(|state| {
        for at in BOTH {
            let id = state.guids.next();
            let server = state.instances.get_mut(&at).expect("an instance");
            server.msdb.jobs.push(Job {
                id,
                name: "pchadr log backups of mgc".to_owned(),
                kind: JobKind::Own,
                enabled: true,
                owner: "sa".to_owned(),
                description: format!("Made by pchadr: log backups of mgc of the pool {pool}"),
                step_name: "back up".to_owned(),
                command: "BACKUP LOG [mgc] TO DISK = N'D:\\chat-log-backups\\mgc.trn'".to_owned(),
                targeted: true,
                schedule: Schedule::default(),
                started: None,
                stopped: None,
            });
        }
    });
}

#[test]
fn a_failover_ends_with_a_job_on_both_instances_and_a_log_backup_where_the_site_file_says() {
    let drill = Drill::failover(wanted());
    paused(async {
        let stage = drill.stage();
        let finished = drill
            .run(&stage, &MemoryStore::default())
            .await
            .expect("a record");
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(finished.steps["start-log-backups"], StepOutcome::Done);
        for at in BOTH {
            let job = job(&stage, at).expect("the job");
            assert!(job.enabled && job.targeted, "{job:?}");
            assert_eq!(job.schedule.minutes(), Some(10));
            assert!(job.description.contains("pchat.litwareinc.com"), "{job:?}");
        }
        assert_eq!(taken(&stage, BACKUP).len(), 1, "the first one is seen");
        assert_eq!(taken(&stage, BOTH[1]), Vec::<String>::new());
        let last = plan_of(Direction::Failover, &drill.site)
            .steps
            .pop()
            .expect("steps");
        assert_eq!(last.step, Step::StartLogBackups);
        assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
    });
}

#[test]
fn a_site_file_without_the_section_has_plans_without_the_steps_and_a_record_that_says_what_is_missing()
 {
    for direction in [Direction::Failover, Direction::Failback] {
        let plan = plan_of(direction, &litware());
        assert!(
            plan.ids().all(|id| !id.contains("log-backups")),
            "{direction}"
        );
    }
    let told = |site: Site| {
        let journal = Drill::failover(site).undisturbed().journal;
        String::from_utf8(journal)
            .expect("text")
            .contains("nothing backs up the log")
    };
    assert!(told(litware()));
    assert!(!told(wanted()));
}

#[test]
fn a_second_failover_enables_a_job_that_was_left_disabled_and_makes_one_anew_that_says_otherwise() {
    let drill = Drill::failover(wanted());
    paused(async {
        let mut stage = drill.stage();
        let store = MemoryStore::default();
        drill.run(&stage, &store).await.expect("a record");
        let world = stage.simulated.world.clone();
        let change = |at: Instance, change: fn(&mut Job)| {
            world.with(|state| {
                let server = state.instances.get_mut(&at).expect("an instance");
                let ours = server.msdb.jobs.iter_mut().find(|it| is_ours(it));
                change(ours.expect("the job"));
            });
        };
        change(BACKUP, |job| job.enabled = false);
        change(BOTH[1], |job| job.schedule.freq_subday_interval = 45);
        stage.reopen(&drill.site);
        let finished = drill.run_again(&stage).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        for at in BOTH {
            let job = job(&stage, at).expect("the job");
            assert!(job.enabled && job.targeted, "{job:?}");
            assert_eq!(job.schedule.minutes(), Some(10));
        }
        // It would end with the rights of whoever made it.
        change(BACKUP, |job| job.owner = r"LITWARE\admin".to_owned());
        stage.reopen(&drill.site);
        let finished = drill.run_again(&stage).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(job(&stage, BACKUP).expect("the job").owner, "sa");
    });
}

#[test]
fn a_job_of_that_name_that_is_not_ours_is_left_alone_and_an_agent_that_stands_still_is_named() {
    for (foreign, words) in [
        (true, "is not this pool's"),
        (false, "SQL Server Agent does not run"),
    ] {
        let mut drill = Drill::failover(wanted());
        drill.prepare = if foreign {
            |stage, site| {
                as_a_failover_left_it(stage, site);
                stage.simulated.world.with(|state| {
                    let jobs = state
                        .instances
                        .values_mut()
                        .flat_map(|it| &mut it.msdb.jobs);
                    jobs.filter(|it| is_ours(it))
                        .for_each(|it| it.description = "somebody's own".to_owned());
                });
            }
        } else {
            |stage, _| {
                stage.simulated.world.with(|state| {
                    state.instances.get_mut(&BACKUP).expect("the backup").agent = false;
                });
            }
        };
        paused(async {
            let stage = drill.stage();
            if foreign {
                assert!(job(&stage, BACKUP).is_some(), "prepared");
            }
            let finished = drill
                .run(&stage, &MemoryStore::default())
                .await
                .expect("a record");
            assert_eq!(finished.outcome, Outcome::Stopped);
            assert_eq!(finished.stopped_at.as_deref(), Some("start-log-backups"));
            assert_eq!(finished.steps["set-active-servers"], StepOutcome::Done);
            let why = finished.error.expect("a reason").why;
            assert!(why.contains(words), "{why}");
            assert_eq!(taken(&stage, BACKUP), Vec::<String>::new());
        });
    }
}

#[test]
fn a_folder_that_cannot_be_written_stops_the_step_and_says_where_to_look() {
    let drill = Drill::failover(wanted());
    paused(async {
        let stage = drill.stage();
        let backup = BACKUP.role.key().to_owned();
        let denied = BTreeSet::from([backup]);
        let folders = &stage.simulated.folders;
        folders.change("log backups", |volume| volume.denied = denied);
        let finished = drill
            .run(&stage, &MemoryStore::default())
            .await
            .expect("a record");
        assert_eq!(finished.stopped_at.as_deref(), Some("start-log-backups"));
        let error = finished.error.expect("a reason");
        assert!(error.hint.contains("the job's history"), "{error:?}");
    });
}

#[test]
fn a_failback_is_refused_while_the_job_runs_and_the_site_file_does_not_name_it() {
    let mut drill = Drill::failback(litware());
    drill.prepare = as_a_failover_left_it;
    paused(async {
        let stage = drill.stage();
        let finished = drill
            .run(&stage, &MemoryStore::default())
            .await
            .expect("a record");
        assert_eq!(finished.outcome, Outcome::Refused);
        let error = finished.error.expect("a reason");
        assert!(
            error.why.contains("takes log backups on the backup"),
            "{error:?}"
        );
        assert!(job(&stage, BACKUP).expect("the job").enabled);
        stage.simulated.world.with(|state| {
            let jobs = state
                .instances
                .values_mut()
                .flat_map(|it| &mut it.msdb.jobs);
            jobs.filter(|it| is_ours(it))
                .for_each(|it| it.enabled = false);
        });
        let finished = drill.run_again(&stage).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
    });
}

#[test]
fn a_failover_that_is_killed_around_a_command_of_the_job_ends_the_same() {
    kill_around(&Drill::failover(wanted()), of_the_job, 16);
}

#[test]
fn a_failback_that_is_killed_around_a_command_of_the_job_ends_the_same() {
    let mut drill = Drill::failback(wanted());
    drill.prepare = as_a_failover_left_it;
    kill_around(&drill, of_the_job, 2);
}

fn of_the_job(change: &Change) -> bool {
    matches!(change, Change::Sql(it) if it.text.contains("pchadr log backups of"))
}

#[test]
fn a_failback_turns_the_job_off_before_b1_and_gives_it_back_where_it_is_undone() {
    let mut drill = Drill::failback(wanted());
    drill.prepare = as_a_failover_left_it;
    drill.site.limits.poll = Duration::from_secs(20);
    let ids: Vec<String> = drill.plan.ids().map(str::to_owned).collect();
    let place = |id: &str| ids.iter().position(|it| it == id).expect("a step");
    assert!(place("stop-log-backups") < place("back-up-database"));
    paused(async {
        let whole = drill.undisturbed_here().await.journal;
        let (stage, store) = killed(&drill, record_of(&whole, starts("back-up-database"))).await;
        assert!(!job(&stage, BACKUP).expect("the job").enabled);
        let finished = drill.abort(&stage, &store).await.expect("undone");
        assert_eq!(finished.outcome, Outcome::Undone, "{:?}", finished.error);
        assert!(job(&stage, BACKUP).expect("the job").enabled);
        assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
    });
}

/// Makes the job by the commands of a failover's plan, so that its schedule comes round.
async fn make_the_job(stage: &Stage, site: &Site) {
    let plan = plan_of(Direction::Failover, site);
    let step = plan.of(Step::StartLogBackups).expect("the step");
    for command in &step.commands {
        let makes = [
            "sp_add_job ",
            "sp_add_jobstep",
            "sp_add_jobschedule",
            "sp_add_jobserver",
        ];
        if let Kind::Tsql { instance, .. } = command.kind
            && makes.iter().any(|it| command.text.contains(it))
        {
            let session = stage.access.sql.open(Instance::chat(instance));
            let mut session = Box::pin(session).await.expect("a session");
            Box::pin(session.send(&command.text))
                .await
                .expect("it is done");
        }
    }
}

#[test]
fn no_log_backup_comes_between_b3_and_the_end_of_the_log_though_the_job_takes_one_every_minute() {
    let mut site = wanted();
    if let Some(to) = &mut site.log_backups {
        to.every = 1;
    }
    let mut drill = Drill::failback(site);
    drill.recipe.vary = |options| {
        options.schedules = true;
        // To verify the file of B3 takes minutes.
        options.service.throughput = Some(4_000_000);
    };
    paused(async {
        let stage = drill.stage();
        make_the_job(&stage, &drill.site).await;
        tokio::time::sleep(Duration::from_mins(3)).await;
        stage.simulated.world.tick();
        let before = taken(&stage, BACKUP).len();
        assert!(before >= 2, "{before}: it takes some before the failback");
        let finished = drill
            .run(&stage, &MemoryStore::default())
            .await
            .expect("a record");
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        let sets = stage.simulated.world.with(|state| {
            let sets = &state
                .instances
                .get(&BACKUP)
                .expect("an instance")
                .msdb
                .backups;
            let full = |it: &BackupRow| it.set.kind == SetKind::Full && it.set.database == "mgc";
            let b3 = sets.iter().rposition(full).expect("the backup of B3");
            let behind = &sets[b3 + 1..];
            behind
                .iter()
                .map(|it| it.device.clone())
                .collect::<Vec<_>>()
        });
        // Each between the two would have B3 taken again, or read into the primary, while chat is down.
        assert!(sets[0].ends_with("-log.bak"), "{sets:?}");
        assert!(sets[1].ends_with("-tail.bak"), "{sets:?}");
        assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
    });
}
