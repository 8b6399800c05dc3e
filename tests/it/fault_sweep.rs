//! Every effect of a failover × every fault: the run is done, or stopped and resumable to done, and
//! every completed effect happened once (`design.md` 3, rules 6 to 8).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pchadr::access::shares::Cause;
use pchadr::cli::rehearse::Stage;
use pchadr::rehearsal::cmdlets::{FaultKind as CmdletFault, PowerShellFault};
use pchadr::rehearsal::folders::Op;
use pchadr::rehearsal::simulated::Change;
use pchadr::rehearsal::world::{FaultKind, SqlFault};
use pchadr::run::event::{Outcome, StepOutcome};
use pchadr::run::store::MemoryStore;
use pchadr::site::Site;

use crate::site::{
    Drill, Undisturbed, assert_once, assert_same_effects, assert_same_end, effects, end, litware,
    paused,
};
use crate::sweep::{NoReturn, sweep, sweep_around};

/// A site whose every wait has an end: recovery too, which by default may take as long as it likes.
pub(crate) fn impatient() -> Site {
    let mut site = litware();
    site.limits.restore = Some(Duration::from_hours(1));
    site
}

/// The same for a failback, whose steps read more at every look.
pub(crate) fn impatient_failback() -> Drill {
    let mut site = impatient();
    site.limits.poll = Duration::from_secs(20);
    Drill::failback(site)
}

/// Runs into the fault, resumes until done, and compares. Says how many executions it took.
async fn run_through(drill: &Drill, mut stage: Stage, whole: &Undisturbed, what: &str) -> usize {
    const MOST: usize = 4;
    let mut store = MemoryStore::default();
    let mut executions = 0;
    loop {
        executions += 1;
        let finished = drill
            .run(&stage, &store)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        match finished.outcome {
            // What was left is made up by the same command, as a run of its own.
            Outcome::Done
                if finished.steps.values().any(|it| *it == StepOutcome::Left)
                    && executions < MOST =>
            {
                store = MemoryStore::default();
            }
            Outcome::Done => break,
            Outcome::Stopped | Outcome::Refused if executions < MOST => {
                let error = finished.error.as_ref().expect("a stop has a cause");
                assert!(
                    !error.why.is_empty() && !error.hint.is_empty(),
                    "{what}: {error:?}"
                );
            }
            _ => panic!("{what}: {:?} {:?}", finished.outcome, finished.error),
        }
        stage.reopen(&drill.site);
    }
    let made = effects(&stage);
    assert_once(&made, what);
    assert_same_effects(&made, &whole.effects, what);
    assert_same_end(&end(&stage), &whole.end, what);
    assert_eq!(stage.simulated.unknown(), Vec::<String>::new(), "{what}");
    executions
}

/// Strikes every statement with every fault.
fn strike_statements(drill: &Drill) {
    let whole = drill.undisturbed();
    let no_return = NoReturn::of(drill, &whole).change;
    let (mut points, mut always) = (Vec::new(), Vec::new());
    for (n, change) in whole.changes.iter().enumerate() {
        let Change::Sql(executed) = change else {
            continue;
        };
        if n == no_return {
            always.extend(points.len()..points.len() + 6);
        }
        for kind in [
            FaultKind::ErrorBefore(5000),
            FaultKind::ErrorAfter(5000),
            FaultKind::CutBefore,
            FaultKind::CutAfter,
            FaultKind::SilenceBefore,
            FaultKind::SilenceAfter,
        ] {
            points.push((executed.clone(), kind));
        }
    }
    assert!(
        points.len() >= 6 * 10,
        "{} faults are no sweep",
        points.len()
    );
    let stopped = AtomicUsize::new(0);
    sweep_around(&points, &always, |(executed, kind)| {
        let what = format!("{kind:?} at `{}`", executed.text);
        let executions = paused(async {
            let stage = drill.stage();
            stage.simulated.world.with(|state| {
                state.faults.push(SqlFault {
                    instance: executed.instance,
                    contains: executed.text.clone(),
                    nth: 1,
                    kind: *kind,
                });
            });
            run_through(drill, stage, &whole, &what).await
        });
        stopped.fetch_add(executions - 1, Ordering::Relaxed);
    });
    assert!(stopped.into_inner() > 0, "no fault was ever felt");
}

/// Strikes every cmdlet with every fault.
fn strike_cmdlets(drill: &Drill) {
    let whole = drill.undisturbed();
    let cmdlets = whole
        .changes
        .iter()
        .filter(|change| matches!(change, Change::Cmdlet { .. }))
        .count();
    assert!(cmdlets >= 4, "{cmdlets} cmdlets are no sweep");
    let before = whole.changes[..NoReturn::of(drill, &whole).change]
        .iter()
        .filter(|change| matches!(change, Change::Cmdlet { .. }))
        .count();
    let mut points = Vec::new();
    for nth in 1..=cmdlets {
        for kind in [
            CmdletFault::ErrorBefore,
            CmdletFault::ErrorAfter,
            CmdletFault::WarningBefore,
            CmdletFault::WarningAfter,
            CmdletFault::CutBefore,
            CmdletFault::CutAfter,
            CmdletFault::SilenceBefore,
            CmdletFault::SilenceAfter,
        ] {
            points.push((nth, kind));
        }
    }
    sweep_around(&points, &[before * 8], |(nth, kind)| {
        let what = format!("{kind:?} at cmdlet {nth}");
        paused(async {
            let stage = drill.stage();
            stage.simulated.cmdlets.fail(PowerShellFault {
                cmdlet: "*".to_owned(),
                nth: *nth,
                kind: *kind,
            });
            run_through(drill, stage, &whole, &what).await
        });
    });
}

#[test]
fn every_statement_survives_every_fault() {
    strike_statements(&Drill::failover(impatient()));
}

#[test]
fn every_cmdlet_survives_every_fault() {
    strike_cmdlets(&Drill::failover(impatient()));
}

#[test]
fn every_statement_of_a_failback_survives_every_fault() {
    strike_statements(&impatient_failback());
}

#[test]
fn every_cmdlet_of_a_failback_survives_every_fault() {
    strike_cmdlets(&impatient_failback());
}

#[test]
fn every_cmdlet_of_a_failback_where_services_hold_on_survives_every_fault() {
    let mut site = impatient();
    site.limits.poll = Duration::from_secs(20);
    strike_cmdlets(&crate::holding_on::drill_for_both(site));
}

#[test]
fn every_operation_on_a_file_survives_every_cause() {
    let drill = Drill::failover(impatient());
    let whole = drill.undisturbed();
    let copied: Vec<String> = whole
        .effects
        .iter()
        .filter_map(|effect| effect.strip_prefix("copied "))
        .map(|path| path.rsplit('\\').next().unwrap_or(path).to_owned())
        .collect();
    assert!(copied.len() >= 8, "{copied:?} is no sweep");
    let name = copied[copied.len() / 2].clone();

    let mut points = Vec::new();
    for (op, suffix) in [
        (Op::Ends, name.clone()),
        (Op::Create, format!("{name}.pchadr.wrk")),
        (Op::Append, name.clone()),
        (Op::Append, format!("{name}.pchadr.wrk")),
        (Op::Ends, format!("{name}.pchadr.wrk")),
        (Op::Settle, format!("{name}.pchadr.wrk")),
        (Op::Settle, name.clone()),
        (Op::List, "pchat-logs".to_owned()),
        (Op::List, "pchat-copy".to_owned()),
    ] {
        // Once passes by itself where the cause may pass; six times outlast every retry.
        for (cause, times) in [
            (Cause::NotFound, 1),
            (Cause::Denied, 1),
            (Cause::InUse, 1),
            (Cause::Unreachable, 6),
            (Cause::Full, 6),
        ] {
            points.push((op, suffix.clone(), cause, times));
        }
    }
    sweep(&points, |(op, suffix, cause, times)| {
        let what = format!("{op:?} of `{suffix}` {cause:?}, {times} times");
        paused(async {
            let stage = drill.stage();
            let folders = &stage.simulated.folders;
            folders.fail_next(*op, suffix, *cause, *times);
            run_through_patiently(&drill, stage, &whole, &what).await;
        });
    });
    for op in [Op::Create, Op::Append, Op::Settle] {
        let what = format!("the answer of {op:?} is lost");
        paused(async {
            let stage = drill.stage();
            stage
                .simulated
                .folders
                .lose_answer(op, &format!("{name}.pchadr.wrk"), 1);
            run_through_patiently(&drill, stage, &whole, &what).await;
        });
    }
}

/// As [`run_through`], for faults that strike before the first change too: a refused run is
/// begun anew.
async fn run_through_patiently(drill: &Drill, mut stage: Stage, whole: &Undisturbed, what: &str) {
    let mut store = MemoryStore::default();
    for _ in 0..12 {
        let finished = drill
            .run(&stage, &store)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        stage.reopen(&drill.site);
        match finished.outcome {
            Outcome::Done => {
                let made = effects(&stage);
                assert_once(&made, what);
                assert_same_effects(&made, &whole.effects, what);
                assert_same_end(&end(&stage), &whole.end, what);
                return;
            }
            Outcome::Refused => store = MemoryStore::default(),
            Outcome::Stopped | Outcome::Undone => {}
        }
    }
    panic!("{what}: it never ended");
}
