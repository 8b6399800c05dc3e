//! No dead ends (`design.md` 3, rule 13): a run is struck before, in or after one of its effects, and
//! something is lost for good; who then does what is printed, in four commands at most, has chat served
//! in one data center, with all that was agreed. `PCHADR_SWEEP=full` takes every point, else a sample.
//!
//! `PCHADR_LOST=WHAT` takes only those points at which that is lost, as the table spells it.
//!
//! Points at which nothing that lives has all messages any more are counted apart: there is nothing to
//! serve.

mod hands;
mod known;
mod loss;
mod operator;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use known::{DeadEnd, assert_known};
use loss::{Ground, Loss, agreed, agreed_after, is_anything_left, is_point, served};
use operator::{Operator, Went};
use pchadr::plan::Plan;
use pchadr::rehearsal::cmdlets::{FaultKind as CmdletFault, PowerShellFault};
use pchadr::rehearsal::simulated::Change;
use pchadr::rehearsal::world::{FaultKind, SqlFault};
use pchadr::run::store::MemoryStore;
use pchadr::runbook::{FAILOVER_SERVICE_FIRST, Runbook};
use pchadr::step::Step;

use crate::fault_sweep::{impatient, impatient_failback};
use crate::site::{Drill, changes, paused};
use crate::sweep::{is_full, seed, sweep};

/// When a run is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// Before the effect, on its way.
    Before,
    /// In the middle of it.
    Amid,
    /// Behind it, and nobody hears of it.
    After,
}

/// A point of the sweep.
struct Point {
    change: Change,
    /// Which cmdlet of the run it is, from 1.
    nth: usize,
    moment: Moment,
    loss: Loss,
}

impl Point {
    fn lay(&self, operator: &Operator<'_>) {
        match &self.change {
            Change::Sql(executed) => operator.stage.simulated.world.with(|state| {
                state.faults.push(SqlFault {
                    instance: executed.instance,
                    contains: executed.text.clone(),
                    nth: 1,
                    kind: match self.moment {
                        Moment::Before => FaultKind::SilenceBefore,
                        Moment::Amid => FaultKind::CutAmid,
                        Moment::After => FaultKind::SilenceAfter,
                    },
                });
            }),
            Change::Cmdlet { .. } => operator.stage.simulated.cmdlets.fail(PowerShellFault {
                cmdlet: "*".to_owned(),
                nth: self.nth,
                kind: match self.moment {
                    Moment::Before => CmdletFault::SilenceBefore,
                    Moment::Amid => CmdletFault::CutAfter,
                    Moment::After => CmdletFault::SilenceAfter,
                },
            }),
            Change::File(_) => {}
        }
    }

    fn told(&self) -> String {
        let what = match &self.change {
            Change::Sql(executed) => format!("{}: `{}`", executed.instance, executed.text),
            Change::Cmdlet { cmdlet, .. } => cmdlet.clone(),
            Change::File(_) => String::new(),
        };
        format!("{} lost {:?} {what}", self.loss, self.moment)
    }
}

/// Every point of a drill, and what must not be lost of it.
fn points(drill: &Drill) -> (Vec<Point>, u64) {
    let (all, agreed) = paused(async {
        let (begins, stage) = (drill.stage(), drill.stage());
        let finished = drill.run(&stage, &MemoryStore::default()).await;
        assert!(finished.is_ok_and(|it| it.error.is_none()));
        (
            changes(&stage),
            agreed(drill, &Ground::of(&stage), &Ground::of(&begins)),
        )
    });
    let (mut points, mut nth) = (Vec::new(), 0);
    for change in all {
        nth += usize::from(matches!(change, Change::Cmdlet { .. }));
        if !is_point(&change) {
            continue;
        }
        for moment in [Moment::Before, Moment::Amid, Moment::After] {
            let wanted = std::env::var("PCHADR_LOST");
            let wanted = |loss: &Loss| wanted.as_ref().map_or(true, |it| *it == loss.to_string());
            for loss in Loss::all(drill.plan.direction).into_iter().filter(wanted) {
                points.push(Point {
                    change: change.clone(),
                    nth,
                    moment,
                    loss,
                });
            }
        }
    }
    (points, agreed)
}

/// What came of all points.
#[derive(Default)]
struct Ends {
    tried: usize,
    nothing_left: usize,
    by_hand: usize,
    dead: BTreeMap<DeadEnd, usize>,
}

/// Strikes a run, and does what is printed.
async fn try_point(drill: &Drill, point: &Point, agreed: u64, ends: &Mutex<Ends>) {
    let mut operator = Operator::new(drill);
    point.lay(&operator);
    let ground = Ground::of(&operator.stage);
    {
        let running = operator.execute_first();
        tokio::pin!(running);
        let (mut struck, mut ended) = (false, false);
        while !struck && !ended {
            let wait = Duration::from_millis(250);
            ended = tokio::time::timeout(wait, &mut running).await.is_ok();
            struck =
                ground.world.with(|state| state.faults.is_empty()) && !ground.cmdlets.has_faults();
        }
        assert!(struck, "{}: it never strikes", point.told());
        point.loss.strike(&ground);
        if !ended && point.loss != Loss::Machine {
            running.await;
        }
    }
    let direction = drill.plan.direction;
    let agreed = agreed_after(point.loss, direction, &ground, agreed);
    let is_left = is_anything_left(&ground, direction, agreed);
    if point.loss == Loss::Machine {
        operator.on_another_machine();
    }
    let at = operator.stopped_at.clone();
    let went = Box::pin(operator.follow(|| served(&ground, agreed))).await;
    assert_eq!(
        ground.world.two_writable(),
        Vec::<String>::new(),
        "{}",
        point.told()
    );
    let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
    ends.tried += 1;
    match went {
        Went::Served if operator.typed.iter().any(|it| it.starts_with("by hand")) => {
            ends.by_hand += 1;
        }
        Went::Served => {}
        Went::DeadEnd(_) if !is_left => ends.nothing_left += 1,
        Went::DeadEnd(why) => {
            let end = DeadEnd {
                runbook: drill.plan.runbook.clone(),
                loss: point.loss.to_string(),
                stopped_at: at,
            };
            tell(&format!(
                "dead end: {}: typed {:?}: {why}\n",
                point.told(),
                operator.typed
            ));
            *ends.dead.entry(end).or_default() += 1;
        }
    }
}

/// Not `eprintln!`: the test runner would swallow it.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Every point of a drill; the dead ends are those that are known, and where all points are tried, as
/// many.
fn sweep_ways_out(drill: &Drill, name: &'static str) {
    let (points, agreed) = points(drill);
    assert!(points.len() > 50, "{} are no sweep", points.len());
    // Each point is several runs: a sample has one of three, which are others with each seed.
    let third = |n: usize| is_full() || n % 3 == usize::try_from(seed() % 3).unwrap_or(0);
    let points: Vec<Point> = points
        .into_iter()
        .enumerate()
        .filter(|(n, _)| third(*n))
        .map(|(_, it)| it)
        .collect();
    let ends = Mutex::new(Ends::default());
    sweep(&points, |point| {
        paused(try_point(drill, point, agreed, &ends));
    });
    let ends = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    let dead: usize = ends.dead.values().sum();
    let mut table = format!(
        "ways out of a {name}: {} points, {} by hand, {} with nothing left to serve, {dead} dead ends\n",
        ends.tried, ends.by_hand, ends.nothing_left
    );
    for (end, times) in &ends.dead {
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "  {times:>5}  {} lost, stopped at {}",
            end.loss, end.stopped_at
        );
    }
    tell(&table);
    assert_known(&ends.dead, name);
}

#[test]
fn a_failover_that_is_struck_anywhere_has_a_way_out_whatever_is_lost_for_good() {
    sweep_ways_out(&Drill::failover(impatient()), "failover");
}

#[test]
fn a_failover_that_serves_first_has_a_way_out_whatever_is_lost_for_good() {
    let mut drill = Drill::failover(impatient());
    let ids: Vec<&str> = Step::of(drill.plan.direction)
        .iter()
        .map(|it| it.id())
        .collect();
    let runbook = Runbook::parse(FAILOVER_SERVICE_FIRST, "failover", &ids).expect("a runbook");
    drill.plan = Plan::bind(&runbook, &drill.site).expect("it fits");
    sweep_ways_out(&drill, "failover --service-first");
}

#[test]
fn a_failback_that_is_struck_anywhere_has_a_way_out_whatever_is_lost_for_good() {
    sweep_ways_out(&impatient_failback(), "failback");
}

#[test]
fn a_failback_that_serves_first_has_a_way_out_whatever_is_lost_for_good() {
    sweep_ways_out(
        &impatient_failback().users_first(),
        "failback --service-first",
    );
}
