//! What is printed works as pasted (`design.md` 3, rule 14): at every stop of the sweeps each command
//! that is printed is taken apart as a shell does, parsed as the program does, and done; and so on until
//! there is an end. `PCHADR_SWEEP=full` takes every stop, else a sample.

pub(crate) mod desk;
pub(crate) mod printed;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;

use desk::{Counts, Desk};
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::cmdlets::{FaultKind as CmdletFault, PowerShellFault};
use pchadr::rehearsal::simulated::Change;
use pchadr::rehearsal::trouble::Trouble;
use pchadr::rehearsal::world::{FaultKind, SqlFault};
use pchadr::runbook::Direction;

use crate::fault_sweep::{impatient, impatient_failback};
use crate::site::{Drill, litware, paused};
use crate::sweep::{is_full, sweep};

/// What strikes a run.
enum Strike {
    Statement(SqlFault),
    Cmdlet(PowerShellFault),
}

/// Every effect of an undisturbed run with the faults that stop it.
fn strikes(drill: &Drill) -> Vec<(String, Strike)> {
    let whole = drill.undisturbed();
    // The other kinds stop a run where these do.
    let many = if is_full() { 5 } else { 3 };
    let (mut points, mut cmdlets) = (Vec::new(), 0);
    for change in &whole.changes {
        match change {
            Change::Sql(executed) => {
                let kinds = [
                    FaultKind::ErrorBefore(5000),
                    FaultKind::CutAmid,
                    FaultKind::SilenceBefore,
                    FaultKind::ErrorAfter(5000),
                    FaultKind::CutBefore,
                ];
                for kind in &kinds[..many] {
                    let kind = *kind;
                    let what = format!("{kind:?} at `{}`", executed.text);
                    let fault = SqlFault {
                        instance: executed.instance,
                        contains: executed.text.clone(),
                        nth: 1,
                        kind,
                    };
                    points.push((what, Strike::Statement(fault)));
                }
            }
            Change::Cmdlet { cmdlet, .. } => {
                cmdlets += 1;
                let kinds = [
                    CmdletFault::ErrorBefore,
                    CmdletFault::CutAfter,
                    CmdletFault::SilenceBefore,
                    CmdletFault::WarningBefore,
                    CmdletFault::CutBefore,
                ];
                for kind in &kinds[..many] {
                    let kind = *kind;
                    let what = format!("{kind:?} at {cmdlet}");
                    let fault = PowerShellFault {
                        cmdlet: "*".to_owned(),
                        nth: cmdlets,
                        kind,
                    };
                    points.push((what, Strike::Cmdlet(fault)));
                }
            }
            Change::File(_) => {}
        }
    }
    points
}

/// Strikes, and types what is printed.
fn paste_at_every_stop(drill: &Drill, expected: &[&str]) {
    let counts = Counts::default();
    let points = strikes(drill);
    assert!(points.len() >= 50, "{} are no sweep", points.len());
    sweep(&points, |(what, strike)| {
        paused(async {
            let mut desk = Desk::new(drill, &counts, what);
            match strike {
                Strike::Statement(fault) => {
                    let world = &desk.stage.simulated.world;
                    world.with(|state| state.faults.push(fault.clone()));
                }
                Strike::Cmdlet(fault) => desk.stage.simulated.cmdlets.fail(fault.clone()),
            }
            Box::pin(desk.work()).await;
        });
    });
    tell(drill.plan.direction, counts, expected);
}

/// Prints the kinds of what was typed, and fails where one that must come never came.
fn tell(direction: Direction, counts: Counts, expected: &[&str]) {
    let counts: BTreeMap<String, usize> = counts.into_inner().expect("the counts");
    let lines: Vec<String> = counts
        .iter()
        .map(|(kind, times)| format!("  {times:>5}  {kind}\n"))
        .collect();
    let table = format!("pasted in stops of a {direction}:\n{}", lines.concat());
    // Not `eprintln!`: the test runner would swallow it.
    let _ = std::io::stderr().write_all(table.as_bytes());
    for kind in expected {
        assert!(counts.contains_key(*kind), "`{kind}` was never typed");
    }
}

#[test]
fn every_command_that_a_failover_prints_where_it_stops_works_as_pasted() {
    paste_at_every_stop(&Drill::failover(impatient()), &["failover --resume=RUN"]);
}

#[test]
fn every_command_that_a_failback_prints_where_it_stops_works_as_pasted() {
    paste_at_every_stop(&impatient_failback(), &["failback --resume=RUN"]);
}

#[test]
fn every_command_that_is_printed_where_trouble_is_practiced_works_as_pasted() {
    // What only hands can mend is mended there, and not by a command.
    const BY_HAND: [&str; 2] = ["log-damaged", "powershell-missing"];
    for (direction, expected) in [
        (
            Direction::Failover,
            &[
                "failover --resume=RUN",
                "failover, with what it names",
                "fence",
                "by hand: ALTER",
                "by hand: BACKUP",
                "by hand: Stop-Service",
            ][..],
        ),
        (Direction::Failback, &["failback --resume=RUN"]),
    ] {
        let counts = Mutex::default();
        for trouble in Trouble::of(direction).filter(|it| !BY_HAND.contains(&it.name)) {
            let mut drill = match direction {
                Direction::Failback => Drill::failback(litware()),
                Direction::Failover | Direction::Fence => Drill::failover(litware()),
            };
            drill.recipe.with = vec![trouble];
            paused(async {
                let mut desk = Desk::new(&drill, &counts, trouble.name);
                Box::pin(desk.work()).await;
            });
        }
        tell(direction, counts, expected);
    }
}

#[test]
fn every_command_that_an_undoing_prints_where_it_stops_works_as_pasted() {
    let backup = Instance::chat(Role::Backup);
    let fault = |contains: &str, nth, kind| SqlFault {
        instance: backup,
        contains: contains.to_owned(),
        nth,
        kind,
    };
    let mut points = Vec::new();
    // What the undoing sends: log shipping as it was, its jobs and their schedules.
    for contains in [
        "sp_add_log_shipping_secondary_primary",
        "sp_add_log_shipping_secondary_database",
        "sp_add_schedule",
        "sp_update_job",
    ] {
        for kind in [
            FaultKind::ErrorBefore(5000),
            FaultKind::CutAfter,
            FaultKind::SilenceBefore,
        ] {
            points.push((contains, kind));
        }
    }
    let counts = Counts::default();
    let drill = Drill::failover(impatient());
    sweep(&points, |(contains, kind)| {
        paused(async {
            let what = format!("undone, {kind:?} at {contains}");
            let mut desk = Desk::new(&drill, &counts, &what);
            let stop = fault("RESTORE LOG", 2, FaultKind::CutBefore);
            let world = &desk.stage.simulated.world;
            world.with(|state| state.faults.push(stop));
            Box::pin(desk.turn_back(fault(contains, 1, *kind))).await;
        });
    });
    tell(drill.plan.direction, counts, &["abort"]);
}
