//! Before the point of no return a failover is undone: the site stands as before the run, but for
//! copies and for logs that were applied; every command of the undoing is one of the plan.

mod failback;
mod stale;

use std::time::Duration;

use futures_util::future::BoxFuture;
use pchadr::cli::rehearse::Stage;
use pchadr::model::{Instance, Lsn, Problem, Role, WayOn};
use pchadr::rehearsal::simulated::Change;
use pchadr::rehearsal::world::{Executed, FaultKind, SqlFault};
use pchadr::run::event::{Event, Outcome, Record, RunFinished, StepOutcome};
use pchadr::run::executor::undo::{NotUndone, refusal};
use pchadr::run::executor::{Execution, Who};
use pchadr::run::fold::fold;
use pchadr::run::journal::{self, Journal};
use pchadr::run::ledger::RunLedger;
use pchadr::run::operator::{Guard, Nobody};
use pchadr::run::recorder::Recorder;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::Direction;
use pchadr::site::Site;
use pchadr::step::command::Kind;

use tokio_util::sync::CancellationToken;

use crate::site::{
    Drill, End, assert_once, assert_same_effects, assert_same_end, changes, effects, end, litware,
    paused, plan_of,
};
use crate::sweep::sweep;

async fn abort(
    drill: &Drill,
    stage: &Stage,
    store: &MemoryStore,
) -> Result<RunFinished, NotUndone> {
    drill.abort(stage, store).await
}

/// How the site stands, but for copies, for what the applied logs brought, and for where the next
/// log begins.
fn stands(stage: &Stage) -> End {
    let mut end = end(stage);
    end.files.retain(|(path, _)| !path.contains("pchat-copy"));
    let backup = end
        .instances
        .instances
        .get_mut(&Instance::chat(Role::Backup));
    let mgc = backup.expect("the backup").databases.get_mut("mgc");
    let mgc = mgc.expect("mgc");
    (mgc.lsn, mgc.messages) = (Lsn::ZERO, 0);
    end
}

pub(crate) fn records(store: &MemoryStore) -> Vec<Record> {
    journal::read(&store.bytes())
        .expect("a sound journal")
        .records
}

/// Number of the first record that says so.
pub(crate) fn record_of(journal: &[u8], says: impl Fn(&Event) -> bool) -> usize {
    let records = journal::read(journal).expect("a sound journal").records;
    1 + records
        .iter()
        .position(|it| says(&it.event))
        .expect("such a record")
}

pub(crate) fn starts(step: &str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::StepStarted { id } if id == step)
}

/// A failover that was killed before its `n`-th record, and what survived.
pub(crate) async fn killed(drill: &Drill, n: usize) -> (Stage, MemoryStore) {
    let mut stage = drill.stage();
    let store = MemoryStore::default();
    store.fail_append(n);
    assert!(
        drill.run(&stage, &store).await.is_err(),
        "record {n} was to fail"
    );
    stage.reopen(&drill.site);
    (stage, store.crash(0))
}

/// The end of a run that was undone.
fn assert_undone(finished: &RunFinished, what: &str) {
    assert_eq!(
        finished.outcome,
        Outcome::Undone,
        "{what}: {:?}",
        finished.error
    );
    assert_eq!(finished.exit, 0, "{what}");
    let standing = finished.steps.iter().find(|(id, outcome)| {
        // The first changes nothing of the site.
        *id != "save-log-shipping"
            && matches!(
                outcome,
                StepOutcome::Done | StepOutcome::Stopped | StepOutcome::Unknown
            )
    });
    assert_eq!(standing, None, "{what}");
}

#[test]
fn a_failover_that_is_killed_before_any_record_before_the_point_of_no_return_can_be_undone() {
    let drill = Drill::failover(litware());
    let whole = drill.undisturbed();
    let last = record_of(&whole.journal, starts("recover-database"));
    // A journal of one record lost may hold none; then there is no run.
    let points: Vec<usize> = (2..=last).collect();
    assert!(points.len() > 20, "{} points are no sweep", points.len());
    sweep(&points, |n| {
        paused(async {
            let before = stands(&drill.stage());
            let what = format!("killed before record {n}");
            let (stage, store) = killed(&drill, *n).await;
            let finished = abort(&drill, &stage, &store).await.expect("undone");
            assert_undone(&finished, &what);
            assert_same_end(&stands(&stage), &before, &what);
            assert_once(&effects(&stage), &what);
            assert_eq!(stage.simulated.unknown(), Vec::<String>::new(), "{what}");
            let folded = fold(&records(&store)).expect("a run");
            assert!(folded.is_finished() && !folded.has_acted(), "{what}");
        });
    });
}

#[test]
fn a_failover_that_is_killed_around_any_effect_can_be_undone() {
    let drill = Drill::failover(litware());
    let whole = drill.undisturbed();
    let sql: Vec<&Executed> = whole
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Sql(executed) => Some(executed),
            _ => None,
        })
        .take_while(|executed| !executed.text.contains("WITH RECOVERY"))
        .collect();
    let points: Vec<(&Executed, FaultKind)> = sql
        .into_iter()
        .flat_map(|it| [FaultKind::SilenceBefore, FaultKind::SilenceAfter].map(|kind| (it, kind)))
        .collect();
    assert!(points.len() > 20, "{} points are no sweep", points.len());
    sweep(&points, |(executed, kind)| {
        paused(async {
            let what = format!("killed at {kind:?} of `{}`", executed.text);
            let mut stage = drill.stage();
            let before = stands(&stage);
            let store = MemoryStore::default();
            silence(&stage, executed, &executed.text, *kind);
            {
                let running = drill.run(&stage, &store);
                tokio::pin!(running);
                let mut struck = false;
                while !struck {
                    struck = stage.simulated.world.with(|state| state.faults.is_empty());
                    let ended = tokio::time::timeout(Duration::from_secs(1), &mut running).await;
                    assert!(ended.is_err(), "{what}: nothing was silent");
                }
            }
            stage.reopen(&drill.site);
            let store = store.crash(0);
            let finished = abort(&drill, &stage, &store).await.expect("undone");
            assert_undone(&finished, &what);
            assert_same_end(&stands(&stage), &before, &what);
            assert_once(&effects(&stage), &what);
        });
    });
}

#[test]
fn a_job_that_was_disabled_before_the_run_stays_disabled() {
    let mut drill = Drill::failover(litware());
    drill.prepare = |stage, _| {
        stage.simulated.world.with(|state| {
            let backup = state.instances.get_mut(&Instance::chat(Role::Backup));
            let jobs = &mut backup.expect("the backup").msdb.jobs;
            let copy = jobs.iter_mut().find(|job| job.name.starts_with("LSCopy"));
            copy.expect("a copy job").enabled = false;
        });
    };
    let last = record_of(&drill.undisturbed().journal, starts("recover-database"));
    paused(async {
        let before = stands(&drill.stage());
        let (stage, store) = killed(&drill, last).await;
        let finished = abort(&drill, &stage, &store).await.expect("undone");
        assert_undone(&finished, "one job disabled");
        // It is not used, and who owns it is not known to matter.
        let enabled = |end: &End| {
            end.instances.instances[&Instance::chat(Role::Backup)]
                .jobs
                .clone()
        };
        assert!(enabled(&before).values().any(|enabled| !enabled));
        assert_eq!(enabled(&stands(&stage)), enabled(&before));
    });
}

/// Lets the first command that holds `text` fall silent for good.
fn silence(stage: &Stage, executed: &Executed, text: &str, kind: FaultKind) {
    stage.simulated.world.with(|state| {
        state.faults.push(SqlFault {
            instance: executed.instance,
            contains: text.to_owned(),
            nth: 1,
            kind,
        });
    });
}

/// A run that came as far as it may, undone: the effects of both.
fn undone(drill: &Drill) -> (usize, Vec<Change>, Vec<String>, usize, End) {
    let last = record_of(&drill.undisturbed().journal, starts("recover-database"));
    paused(async {
        let (stage, store) = killed(drill, last).await;
        let (ran, recorded) = (changes(&stage).len(), records(&store).len());
        let finished = abort(drill, &stage, &store).await.expect("undone");
        assert_undone(&finished, "an undisturbed abort");
        let changes = changes(&stage).split_off(ran);
        let written = records(&store).len() - recorded;
        (last, changes, effects(&stage), written, stands(&stage))
    })
}

#[test]
fn an_abort_sends_what_the_plan_shows_as_undoing_and_records_it_first() {
    let drill = Drill::failover(litware());
    let last = record_of(&drill.undisturbed().journal, starts("recover-database"));
    paused(async {
        let (stage, store) = killed(&drill, last).await;
        let ran = changes(&stage).len();
        abort(&drill, &stage, &store).await.expect("undone");
        let mut announced = Vec::new();
        for record in records(&store) {
            if let Event::Command { step, n, values } = record.event {
                let planned = drill.plan.step(&step).expect("a step");
                if n > planned.commands.len() {
                    let command = planned.command(n).expect("a command of the plan");
                    let values = serde_json::from_value(values).expect("values");
                    announced.push(command.bind(&values).expect("bound"));
                }
            }
        }
        let sent: Vec<String> = changes(&stage)[ran..]
            .iter()
            .filter_map(|change| match change {
                Change::Sql(executed) => Some(executed.text.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(sent.len(), 6, "rows, two schedules, two jobs: {sent:#?}");
        assert_eq!(sent, announced);
    });
}

#[test]
fn an_abort_that_is_killed_before_any_record_ends_the_same_when_it_is_repeated() {
    let drill = Drill::failover(litware());
    let (last, _, made, written, wanted) = undone(&drill);
    let points: Vec<usize> = (1..=written).collect();
    assert!(points.len() > 20, "{} points are no sweep", points.len());
    sweep(&points, |n| {
        paused(async {
            let what = format!("abort killed before its record {n}");
            let (mut stage, store) = killed(&drill, last).await;
            store.fail_append(*n);
            assert!(abort(&drill, &stage, &store).await.is_err(), "{what}");
            stage.reopen(&drill.site);
            let store = store.crash(0);
            let finished = abort(&drill, &stage, &store).await.expect("undone");
            assert_undone(&finished, &what);
            assert_same_end(&stands(&stage), &wanted, &what);
            assert_once(&effects(&stage), &what);
            assert_same_effects(&effects(&stage), &made, &what);
        });
    });
}

#[test]
fn an_abort_that_is_killed_between_a_command_and_its_effect_or_after_it_ends_the_same() {
    let drill = Drill::failover(litware());
    let (last, changes, made, _, wanted) = undone(&drill);
    let sql = changes.iter().filter_map(|change| match change {
        Change::Sql(executed) => Some(executed),
        _ => None,
    });
    let points: Vec<(Executed, FaultKind)> = sql
        .flat_map(|it| {
            [FaultKind::SilenceBefore, FaultKind::SilenceAfter].map(|kind| (it.clone(), kind))
        })
        .collect();
    assert_eq!(points.len(), 12);
    sweep(&points, |(executed, kind)| {
        paused(async {
            let what = format!("abort killed at {kind:?} of `{}`", executed.text);
            let (mut stage, store) = killed(&drill, last).await;
            // Job ids are made anew: the statement is known by its beginning.
            let contains = executed.text.split("@job_id").next().unwrap_or_default();
            silence(&stage, executed, contains, *kind);
            let limit = Duration::from_secs(20);
            let ended = tokio::time::timeout(limit, abort(&drill, &stage, &store)).await;
            assert!(ended.is_err(), "{what}: nothing was silent");
            stage.reopen(&drill.site);
            let store = store.crash(0);
            let finished = abort(&drill, &stage, &store).await.expect("undone");
            assert_undone(&finished, &what);
            assert_same_end(&stands(&stage), &wanted, &what);
            assert_same_effects(&effects(&stage), &made, &what);
        });
    });
}

#[test]
fn a_failover_whose_abort_was_killed_can_go_on_instead() {
    let drill = Drill::failover(litware());
    let (last, _, _, written, _) = undone(&drill);
    let whole = drill.undisturbed();
    let points: Vec<usize> = (1..=written).collect();
    sweep(&points, |n| {
        paused(async {
            let what = format!("abort killed before its record {n}, then resumed");
            let (mut stage, store) = killed(&drill, last).await;
            store.fail_append(*n);
            assert!(abort(&drill, &stage, &store).await.is_err(), "{what}");
            stage.reopen(&drill.site);
            let store = store.crash(0);
            let finished = drill.run(&stage, &store).await.expect("a record");
            assert_eq!(
                finished.outcome,
                Outcome::Done,
                "{what}: {:?}",
                finished.error
            );
            let (mut ended, mut wanted) = (end(&stage), whole.end.clone());
            for end in [&mut ended, &mut wanted] {
                let backup = Instance::chat(Role::Backup);
                let backup = end.instances.instances.get_mut(&backup);
                let backup = backup.expect("the backup");
                // A row that has no database yet may stay, and its disabled jobs: they do nothing.
                assert!(backup.jobs.values().all(|enabled| !enabled), "{what}");
                assert_eq!(backup.secondary_rows, 0, "{what}");
                backup.jobs.clear();
                backup.shipping.clear();
            }
            assert_same_end(&ended, &wanted, &what);
        });
    });
}

#[test]
fn behind_the_point_of_no_return_nothing_is_undone_or_recorded() {
    let drill = Drill::failover(litware());
    let whole = drill.undisturbed();
    let begun = record_of(&whole.journal, starts("recover-database"));
    let records = whole.journal.split(|byte| *byte == b'\n').count() - 1;
    for n in begun + 1..=records {
        paused(async {
            let (stage, store) = killed(&drill, n).await;
            let (ran, held) = (changes(&stage).len(), store.bytes());
            match abort(&drill, &stage, &store).await {
                Err(NotUndone::Refused(why)) => {
                    assert!(why.why.contains("no way back"), "{why:?}");
                    assert!(
                        why.hint(WayOn::Resume).contains("pchadr failover --resume"),
                        "{why:?}"
                    );
                }
                other => panic!("killed before record {n}: {other:?}"),
            }
            assert_eq!(changes(&stage).len(), ran);
            assert_eq!(store.bytes(), held);
        });
    }
}

#[test]
fn a_run_that_is_finished_is_not_undone() {
    let finished = Drill::failover(litware()).undisturbed().journal;
    let whole = journal::read(&finished).expect("a journal").records;
    let refused = refusal(&fold(&whole).expect("a run")).expect("refused");
    assert!(refused.why.contains("finished"), "{refused:?}");
}

#[test]
fn the_plan_of_a_failback_shows_beside_each_step_what_undoes_it() {
    let undo = |site: &Site, id: &str| -> Vec<String> {
        let plan = plan_of(Direction::Failback, site);
        let step = plan.step(id).expect("a step");
        let undo = step.undo.iter();
        undo.map(|command| match &command.kind {
            Kind::Tsql { instance, .. } => format!("{instance}: {}", command.text),
            _ => command.text.clone(),
        })
        .collect()
    };
    let site = litware();
    assert_eq!(
        undo(&site, "install-primary-mirror"),
        [
            "primary: ALTER DATABASE [mgc] SET PARTNER OFF;",
            "primary mirror: ALTER DATABASE [mgc] SET PARTNER OFF;"
        ]
    );
    assert_eq!(
        undo(&site, "restore-database"),
        [
            "primary: ALTER DATABASE [mgc] SET OFFLINE WITH ROLLBACK IMMEDIATE;",
            "primary mirror: ALTER DATABASE [mgc] SET OFFLINE WITH ROLLBACK IMMEDIATE;"
        ]
    );
    let fence = undo(&site, "fence-backup");
    assert_eq!(fence[0], "backup: RESTORE DATABASE [mgc] WITH RECOVERY;");
    assert_eq!(fence.len(), 5, "and what it was before: {fence:#?}");
    assert_eq!(
        undo(&site, "clear-active-servers"),
        [
            "Set-CsPersistentChatActiveServer -ActiveServers @{Add={server}} -Confirm:$false",
            "Start-CsWindowsService -Name {service} -ComputerName {server} -Confirm:$false"
        ]
    );
    // Chat and compliance, each on an empty mirror and over a copy that was left there.
    assert_eq!(undo(&site, "remove-mirroring").len(), 4);
    let nothing = "retire-old-primary prove-share back-up-database seed-primary ship-log";
    for id in nothing.split(' ') {
        assert_eq!(undo(&site, id), Vec::<String>::new(), "{id}");
    }
    // The jobs of three instances, then two procedures on each primary half and two on the backup.
    assert_eq!(undo(&site, "configure-log-shipping").len(), 3 + 4 + 2);
    for id in ["set-active-servers", "set-pool-state"] {
        assert_eq!(
            undo(&site, id),
            Vec::<String>::new(),
            "{id} has no way back"
        );
    }
    let mut alone = site;
    for role in [Role::PrimaryMirror, Role::BackupMirror] {
        alone.sql.instances.remove(&Instance::chat(role));
    }
    assert_eq!(undo(&alone, "restore-database").len(), 1);
    assert_eq!(undo(&alone, "remove-mirroring"), Vec::<String>::new());
}

/// A site that another holds by now.
struct Lost;

impl Guard for Lost {
    fn check(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async { Err("another run holds the site".into()) })
    }
}

#[test]
fn nothing_is_undone_once_another_run_holds_the_site() {
    let drill = Drill::failover(litware());
    let last = record_of(&drill.undisturbed().journal, starts("recover-database"));
    paused(async {
        let (stage, store) = killed(&drill, last).await;
        let made = effects(&stage);
        let (journal, earlier) = Journal::reopen(Box::new(store.clone())).expect("a journal");
        let clock = stage.access.clock;
        let recorder = Recorder::resume(journal, &earlier, clock, Vec::new()).expect("a run");
        let execution = Execution {
            site: &drill.site,
            plan: &drill.plan,
            access: &stage.access,
            terms: &drill.terms,
            operator: &Nobody,
            guard: &Lost,
            pause: false,
            ledger: &RunLedger::new(recorder),
            stop: &CancellationToken::new(),
            run: "rehearsal",
            who: Who::default(),
            saved_elsewhere: None,
            unreadable: &[],
            resume_command: None,
            forth_command: None,
            continued: None,
            rest_command: None,
        };
        let finished = Box::pin(execution.abort(None)).await.expect("a record");
        assert_eq!(finished.outcome, Outcome::Stopped);
        let why = finished.error.expect("a reason").why;
        assert!(why.contains("another run"), "{why}");
        assert_eq!(effects(&stage), made);
    });
}
