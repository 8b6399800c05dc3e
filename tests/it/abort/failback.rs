//! Before the point of no return a failback is undone: chat is served from the second data center as
//! before, nothing else of its family can be written to, and a new failback can begin.

mod lost;
mod services;
mod variants;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pchadr::cli::rehearse::{Part, Stage};
use pchadr::model::states::{DatabaseState, MirroringState};
use pchadr::model::{Instance, Lsn, Role, WayOn};
use pchadr::rehearsal::cmdlets::{FaultKind as CmdletFault, PowerShellFault};
use pchadr::rehearsal::simulated::Change;
use pchadr::rehearsal::world::summary::DatabaseSummary;
use pchadr::rehearsal::world::{Executed, FaultKind, SqlFault};
use pchadr::run::event::{Event, Outcome};
use pchadr::run::executor::undo::{NotUndone, refusal};
use pchadr::run::fold::fold;
use pchadr::run::store::MemoryStore;

use super::{assert_undone, killed, record_of, records, starts};
use crate::site::{
    Drill, End, assert_once, assert_one_writable, assert_same_effects, assert_same_end, changes,
    effects, end, litware, paused,
};
use crate::sweep::sweep;

const POINT_OF_NO_RETURN: &str = "set-active-servers";
const PRIMARY: Instance = Instance::chat(Role::Primary);
const PRIMARY_MIRROR: Instance = Instance::chat(Role::PrimaryMirror);
const BACKUP: Instance = Instance::chat(Role::Backup);

/// Looks less often than a person would like: nothing here hangs on it.
fn drill() -> Drill {
    let mut site = litware();
    site.limits.poll = Duration::from_secs(20);
    Drill::failback(site)
}

/// How the second data center and the pool stand, but for LSNs and for how far a mirror is.
fn stands(stage: &Stage) -> End {
    let mut end = end(stage);
    end.files.clear();
    for (instance, server) in &mut end.instances.instances {
        if matches!(instance.role, Role::Primary | Role::PrimaryMirror) {
            server.databases.clear();
        }
        for database in server.databases.values_mut() {
            database.lsn = Lsn::ZERO;
            if let Some((_, state, _)) = &mut database.mirroring {
                assert_ne!(*state, MirroringState::Disconnected);
                *state = MirroringState::Synchronized;
            }
        }
    }
    end
}

fn chat(stage: &Stage, instance: Instance) -> Option<DatabaseSummary> {
    let summary = stage.simulated.world.summary();
    summary.database(instance, "mgc").cloned()
}

/// Served as before, by the backup alone; a second abort finds nothing to do.
fn assert_back(stage: &Stage, store: &MemoryStore, before: &End, what: &str) {
    assert_same_end(&stands(stage), before, what);
    assert_eq!(
        chat(stage, BACKUP).expect("mgc").state,
        DatabaseState::Online
    );
    assert_one_writable(stage);
    assert_eq!(stage.simulated.unknown(), Vec::<String>::new(), "{what}");
    let folded = fold(&records(store)).expect("a run");
    assert!(folded.is_finished() && !folded.has_acted(), "{what}");
    let refused = refusal(&folded).expect("refused");
    assert!(refused.why.contains("finished"), "{what}: {refused:?}");
}

/// A new failback reaches its normal end.
async fn assert_new_failback(drill: &Drill, stage: &mut Stage, wanted: &End, what: &str) {
    // What served there for its half of log shipping is for people to drop, and so it is told.
    let mirror = chat(stage, PRIMARY_MIRROR).map(|it| it.state);
    if mirror == Some(DatabaseState::Offline) {
        return;
    }
    stage.reopen(&drill.site);
    let mut finished = drill.run_again(stage).await;
    // Once the backup has followed it, nobody can tell any more that it has all of the primary's copy.
    let hint = finished.error.as_ref().map_or("", |it| it.hint.as_str());
    let history = stage.simulated.world.history();
    let followed = history
        .iter()
        .any(|it| it.instance == BACKUP && it.text.contains("RESTORE LOG"));
    if hint.contains("old-database-unreadable") && followed {
        stage.reopen(&drill.site);
        let mut terms = drill.terms.clone();
        let agreed = "it is what the failback restored".to_owned();
        terms
            .overrides
            .insert("old-database-unreadable".to_owned(), agreed);
        let part = Part {
            terms: &terms,
            ..drill.part(stage, "third")
        };
        let store = Box::new(MemoryStore::default());
        finished = part.execute(store, Vec::new()).await.expect("a record");
    }
    assert_eq!(
        finished.outcome,
        Outcome::Done,
        "{what}, then anew: {:?}",
        finished.error
    );
    let plain = |mut end: End| {
        end.files.clear();
        for server in end.instances.instances.values_mut() {
            for database in server.databases.values_mut() {
                database.lsn = Lsn::ZERO;
            }
        }
        end
    };
    assert_same_end(&plain(end(stage)), &plain(wanted.clone()), what);
    assert_eq!(stage.simulated.unknown(), Vec::<String>::new(), "{what}");
}

/// Undoes until it is undone; says how many executions that took.
async fn abort_through(drill: &Drill, stage: &mut Stage, store: &MemoryStore, what: &str) -> usize {
    for execution in 1..=4 {
        let finished = drill
            .abort(stage, store)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error:?}"));
        if finished.outcome == Outcome::Undone {
            assert_undone(&finished, what);
            return execution;
        }
        let error = finished.error.expect("a stop has a cause");
        assert!(!error.why.is_empty() && !error.hint.is_empty(), "{what}");
        assert!(!error.hint.contains("--resume"), "{what}: {error:?}");
        stage.reopen(&drill.site);
    }
    panic!("{what}: it was never undone");
}

#[test]
fn a_failback_that_is_killed_before_any_record_before_the_point_of_no_return_can_be_undone() {
    let drill = drill();
    let whole = drill.undisturbed();
    let last = record_of(&whole.journal, starts(POINT_OF_NO_RETURN));
    let points: Vec<usize> = (2..=last).collect();
    assert!(points.len() > 40, "{} points are no sweep", points.len());
    sweep(&points, |n| {
        paused(Box::pin(async {
            let before = stands(&drill.stage());
            let what = format!("killed before record {n}");
            let (mut stage, store) = killed(&drill, *n).await;
            abort_through(&drill, &mut stage, &store, &what).await;
            assert_back(&stage, &store, &before, &what);
            assert_once(&effects(&stage), &what);
            if n % 4 == 0 || *n == last {
                assert_new_failback(&drill, &mut stage, &whole.end, &what).await;
            }
        }));
    });
}

/// Where a run, or its undoing, is struck.
#[derive(Clone)]
enum Strike {
    Sql(Executed, FaultKind),
    /// The cmdlet of that number.
    Cmdlet(usize, CmdletFault),
}

impl Strike {
    /// Every change × every kind.
    fn all(changes: &[Change], sql: &[FaultKind], cmdlet: &[CmdletFault]) -> Vec<Self> {
        let (mut strikes, mut cmdlets) = (Vec::new(), 0);
        for change in changes {
            match change {
                Change::Sql(executed) => {
                    strikes.extend(sql.iter().map(|kind| Self::Sql(executed.clone(), *kind)));
                }
                Change::Cmdlet { .. } => {
                    cmdlets += 1;
                    strikes.extend(cmdlet.iter().map(|kind| Self::Cmdlet(cmdlets, *kind)));
                }
                Change::File(_) => {}
            }
        }
        strikes
    }

    fn lay(&self, stage: &Stage) -> String {
        match self {
            Self::Sql(executed, kind) => {
                stage.simulated.world.with(|state| {
                    state.faults.push(SqlFault {
                        instance: executed.instance,
                        contains: executed.text.clone(),
                        nth: 1,
                        kind: *kind,
                    });
                });
                format!("{kind:?} at `{}`", executed.text)
            }
            Self::Cmdlet(nth, kind) => {
                stage.simulated.cmdlets.fail(PowerShellFault {
                    cmdlet: "*".to_owned(),
                    nth: *nth,
                    kind: *kind,
                });
                format!("{kind:?} at cmdlet {nth}")
            }
        }
    }
}

const SILENCES: (&[FaultKind], &[CmdletFault]) = (
    &[FaultKind::SilenceBefore, FaultKind::SilenceAfter],
    &[CmdletFault::SilenceBefore, CmdletFault::SilenceAfter],
);

/// Holds a run, or its undoing, until the silence that was laid has struck, then drops it.
async fn die_in_the_silence<T>(stage: &Stage, running: impl Future<Output = T>, what: &str) {
    tokio::pin!(running);
    let mut struck = false;
    while !struck {
        struck = stage.simulated.world.with(|state| state.faults.is_empty())
            && !stage.simulated.cmdlets.has_faults();
        let ended = tokio::time::timeout(Duration::from_secs(1), &mut running).await;
        assert!(ended.is_err(), "{what}: nothing was silent");
    }
}

/// What a whole failback changes before its point of no return.
fn before_the_point_of_no_return(whole: &[Change]) -> &[Change] {
    // Behind the last statement come the cmdlets of B6 and B7.
    let end = whole
        .iter()
        .rposition(|change| matches!(change, Change::Sql(_)));
    &whole[..=end.expect("a statement")]
}

#[test]
fn a_failback_that_is_killed_around_any_effect_can_be_undone() {
    let drill = drill();
    let whole = drill.undisturbed();
    let changes = before_the_point_of_no_return(&whole.changes);
    let points = Strike::all(changes, SILENCES.0, SILENCES.1);
    assert!(points.len() > 20, "{} points are no sweep", points.len());
    sweep(&points, |strike| {
        paused(Box::pin(async {
            let mut stage = drill.stage();
            let before = stands(&stage);
            let store = MemoryStore::default();
            let what = format!("killed at {}", strike.lay(&stage));
            die_in_the_silence(&stage, drill.run(&stage, &store), &what).await;
            stage.reopen(&drill.site);
            let store = store.crash(0);
            abort_through(&drill, &mut stage, &store, &what).await;
            assert_back(&stage, &store, &before, &what);
            assert_once(&effects(&stage), &what);
            // Half restored, or not recovered yet: the next one goes over that too.
            if matches!(strike, Strike::Sql(executed, _) if executed.instance == PRIMARY) {
                assert_new_failback(&drill, &mut stage, &whole.end, &what).await;
            }
        }));
    });
}

/// A failback that came as far as it may, and its undisturbed undoing.
struct Undone {
    /// The record before which it was killed.
    last: usize,
    before: End,
    changes: Vec<Change>,
    effects: Vec<String>,
    /// Records that the undoing wrote.
    written: usize,
}

fn undone(drill: &Drill) -> Undone {
    let last = record_of(&drill.undisturbed().journal, starts(POINT_OF_NO_RETURN));
    paused(Box::pin(async {
        let before = stands(&drill.stage());
        let (mut stage, store) = killed(drill, last).await;
        let (ran, recorded) = (changes(&stage).len(), records(&store).len());
        let executions = abort_through(drill, &mut stage, &store, "undisturbed").await;
        assert_eq!(executions, 1);
        Undone {
            last,
            before,
            changes: changes(&stage).split_off(ran),
            effects: effects(&stage),
            written: records(&store).len() - recorded,
        }
    }))
}

#[test]
fn an_abort_of_a_failback_sends_what_the_plan_shows_as_undoing_and_records_it_first() {
    let drill = drill();
    let whole = undone(&drill);
    paused(Box::pin(async {
        let (mut stage, store) = killed(&drill, whole.last).await;
        let (ran, recorded) = (changes(&stage).len(), records(&store).len());
        abort_through(&drill, &mut stage, &store, "").await;
        let mut announced = Vec::new();
        for record in records(&store).split_off(recorded) {
            if let Event::Command { step, n, values } = record.event {
                let planned = drill.plan.step(&step).expect("a step");
                assert!(n > planned.commands.len(), "{step} {n} does not undo");
                let command = planned.command(n).expect("a command of the plan");
                let values = serde_json::from_value(values).expect("values");
                announced.push(match command.bind_parameters(&values).expect("bound") {
                    Some((cmdlet, parameters)) => {
                        format!("{cmdlet} {}", serde_json::json!(parameters))
                    }
                    None => command.bind(&values).expect("bound"),
                });
            }
        }
        let sent: Vec<String> = changes(&stage)[ran..]
            .iter()
            .filter_map(|change| match change {
                Change::Sql(executed) => Some(executed.text.clone()),
                Change::Cmdlet { cmdlet, parameters } => Some(format!("{cmdlet} {parameters}")),
                Change::File(_) => None,
            })
            .collect();
        assert_eq!(
            sent.len(),
            10 + 6,
            "log shipping; mirror, copy, fence, two servers, two mirrors: {sent:#?}"
        );
        assert_eq!(sent, announced);
    }));
}

#[test]
fn an_abort_of_a_failback_that_is_killed_before_any_record_ends_the_same_when_it_is_repeated() {
    let drill = drill();
    let whole = undone(&drill);
    let points: Vec<usize> = (1..=whole.written).collect();
    assert!(points.len() > 25, "{} points are no sweep", points.len());
    sweep(&points, |n| {
        paused(Box::pin(async {
            let what = format!("abort killed before its record {n}");
            let (mut stage, store) = killed(&drill, whole.last).await;
            store.fail_append(*n);
            assert!(drill.abort(&stage, &store).await.is_err(), "{what}");
            stage.reopen(&drill.site);
            let store = store.crash(0);
            abort_through(&drill, &mut stage, &store, &what).await;
            assert_back(&stage, &store, &whole.before, &what);
            assert_same_effects(&effects(&stage), &whole.effects, &what);
        }));
    });
}

#[test]
fn an_abort_of_a_failback_that_is_killed_around_any_effect_ends_the_same_when_it_is_repeated() {
    let drill = drill();
    let whole = undone(&drill);
    let points = Strike::all(&whole.changes, SILENCES.0, SILENCES.1);
    assert_eq!(points.len(), 32);
    sweep(&points, |strike| {
        paused(Box::pin(async {
            let (mut stage, store) = killed(&drill, whole.last).await;
            let what = format!("abort killed at {}", strike.lay(&stage));
            die_in_the_silence(&stage, drill.abort(&stage, &store), &what).await;
            stage.reopen(&drill.site);
            let store = store.crash(0);
            abort_through(&drill, &mut stage, &store, &what).await;
            assert_back(&stage, &store, &whole.before, &what);
            assert_same_effects(&effects(&stage), &whole.effects, &what);
        }));
    });
}

#[test]
fn an_abort_of_a_failback_survives_every_fault_under_its_own_time_limit() {
    let mut drill = drill();
    // Even a recovery has an end here, so that silence is felt.
    drill.site.limits.restore = Some(Duration::from_hours(1));
    let whole = undone(&drill);
    let points = Strike::all(
        &whole.changes,
        &[
            FaultKind::ErrorBefore(5000),
            FaultKind::ErrorAfter(5000),
            FaultKind::CutBefore,
            FaultKind::CutAfter,
            FaultKind::SilenceBefore,
            FaultKind::SilenceAfter,
        ],
        &[
            CmdletFault::ErrorBefore,
            CmdletFault::ErrorAfter,
            CmdletFault::WarningBefore,
            CmdletFault::WarningAfter,
            CmdletFault::CutBefore,
            CmdletFault::CutAfter,
            CmdletFault::SilenceBefore,
            CmdletFault::SilenceAfter,
        ],
    );
    assert_eq!(points.len(), 104);
    let stopped = AtomicUsize::new(0);
    let tried = sweep(&points, |strike| {
        paused(Box::pin(async {
            let (mut stage, store) = killed(&drill, whole.last).await;
            let what = strike.lay(&stage);
            let began = tokio::time::Instant::now();
            let executions = abort_through(&drill, &mut stage, &store, &what).await;
            stopped.fetch_add(executions - 1, Ordering::Relaxed);
            // No limit of it is longer than that of a mirror.
            assert!(began.elapsed() < Duration::from_hours(5), "{what}");
            assert_back(&stage, &store, &whole.before, &what);
            assert_same_effects(&effects(&stage), &whole.effects, &what);
        }));
    });
    let stopped = stopped.into_inner();
    assert!(stopped * 6 > tried, "of {tried} faults {stopped} were felt");
}

#[test]
fn a_failback_whose_undoing_has_begun_can_only_be_undone_to_its_end() {
    let drill = drill();
    let whole = undone(&drill);
    paused(Box::pin(async {
        let (mut stage, store) = killed(&drill, whole.last).await;
        // Behind the first command that undoes.
        store.fail_append(7);
        assert!(drill.abort(&stage, &store).await.is_err());
        stage.reopen(&drill.site);
        let store = store.crash(0);
        let folded = fold(&records(&store)).expect("a run");
        assert!(folded.goes_back_only(), "{:?}", records(&store).last());
        let made = effects(&stage).len();
        let refused = drill.run(&stage, &store).await;
        let refused = refused.expect_err("it does not go on").to_string();
        assert!(refused.contains("undoing has begun"), "{refused}");
        assert_eq!(effects(&stage).len(), made);
        stage.reopen(&drill.site);
        let store = store.crash(0);
        abort_through(&drill, &mut stage, &store, "after a refused resume").await;
        assert_back(&stage, &store, &whole.before, "after a refused resume");
    }));
}

#[test]
fn behind_the_point_of_no_return_a_failback_is_neither_undone_nor_is_anything_recorded() {
    let drill = drill();
    let whole = drill.undisturbed();
    let begun = record_of(&whole.journal, starts(POINT_OF_NO_RETURN));
    for n in [begun + 1, begun + 9] {
        paused(Box::pin(async {
            let (stage, store) = killed(&drill, n).await;
            let (made, held) = (effects(&stage).len(), store.bytes());
            match drill.abort(&stage, &store).await {
                Err(NotUndone::Refused(why)) => {
                    assert!(why.why.contains("no way back"), "{why:?}");
                    assert!(
                        why.hint(WayOn::Resume).contains("pchadr failback --resume"),
                        "{why:?}"
                    );
                }
                other => panic!("killed before record {n}: {other:?}"),
            }
            assert_eq!((effects(&stage).len(), store.bytes()), (made, held));
        }));
    }
}
