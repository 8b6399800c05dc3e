//! The table of all steps: what is fixed of each, in one text that a reviewer can read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::plan::Plan;
use pchadr::runbook::{Direction, FAILOVER_PLANNED, Runbook};
use pchadr::site::Site;
use pchadr::step::terms::Terms;
use pchadr::step::{Context, Effect, Step};
use serde_json::json;

use crate::log_backups::wanted;
use crate::site::{disaster, paused, plan_by, plan_of};

const DIRECTIONS: [Direction; 3] = Direction::ALL;

/// `30m`, `10s`; a limit that there is none of: as long as it takes.
fn time(limit: impl Into<Option<Duration>>) -> String {
    match limit.into().map(|limit| limit.as_secs()) {
        None => "none".to_owned(),
        Some(seconds) if seconds % 60 == 0 => format!("{}m", seconds / 60),
        Some(seconds) => format!("{seconds}s"),
    }
}

/// Some of the steps before `step`.
fn earlier(step: Step, steps: &[Step]) -> String {
    let list = Step::of(step.direction());
    if steps.len() > 2 && list.starts_with(steps) && list[steps.len()] == step {
        "all before it".to_owned()
    } else {
        ids(steps)
    }
}

fn ids(steps: &[Step]) -> String {
    let ids: Vec<&str> = steps.iter().map(|step| step.id()).collect();
    ids.join(", ")
}

/// What is fixed of a step, a line each; what it does not have is left out.
async fn row(step: Step, site: &Site, cx: Context<'_>) -> String {
    let info = step.info();
    let mut row = format!("{} {}", step.direction(), info.id);
    if let Some(vendor) = info.vendor {
        write!(row, " ({vendor})").unwrap();
    }
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            write!(row, "\n  {name:<10} {value}").unwrap();
        }
    };
    let no_return = step.is_point_of_no_return();
    let no_return = if no_return { ", no return" } else { "" };
    let effect = match info.effect {
        Effect::ReadOnly => "read only",
        Effect::Reversible => "reversible",
        Effect::Irreversible => "irreversible",
    };
    line("effect", format!("{effect}{no_return}"));
    let (limit, settle) = (time(step.limit(site)), time(step.settle(site)));
    line("limits", format!("act {limit}, settle {settle}"));
    line("after", earlier(step, step.after()));
    line("alongside", ids(step.alongside().as_slice()));
    line("overtakes", earlier(step, step.overtakes()));
    let parts = [true, false].map(|seeded| step.downtime(site, seeded));
    for (n, downtime) in parts.iter().enumerate() {
        // In the vendor's order: said where it is another.
        let (false, Some(downtime)) = (n == 1 && parts[0] == parts[1], downtime) else {
            continue;
        };
        let name = ["downtime", "vendor's"][n];
        let begins = step.begins_downtime();
        let begins = if begins { "begins here; " } else { "" };
        let (moves, what) = (downtime.moves, downtime.what);
        let wait = downtime.wait_seconds.map(Duration::from_secs).map(time);
        let wait = wait.map_or_else(String::new, |wait| format!("waits {wait}, "));
        line(name, format!("{begins}{wait}moves {moves}: {what}"));
    }
    line("sends", step.commands(site).len().to_string());
    let undo = step.undo_commands(site).len();
    line(
        "undo",
        if undo == 0 {
            let seen = json!(step.observe_undo(cx, None).await);
            seen["because"].as_str().unwrap().to_owned()
        } else {
            let (limit, settle) = (time(step.undo_limit(site)), time(step.undo_settle(site)));
            format!("sends {undo}; act {limit}, settle {settle}")
        },
    );
    row
}

#[test]
fn the_table_of_all_steps_is_the_one_that_was_reviewed() {
    let site = wanted();
    let table = paused(async {
        let stage = Stage::build(&site, &disaster()).unwrap();
        let cx = Context {
            site: &site,
            access: &stage.access,
            terms: &Terms::default(),
            saved: None,
            unreadable: &[],
            run: "20261124-0315",
            started: false,
            mirror_begun: false,
            began: None,
            seeded: false,
            planned: false,
        };
        let mut rows = Vec::new();
        for step in Step::ALL {
            rows.push(row(*step, &site, cx).await);
        }
        rows.join("\n\n") + "\n"
    });
    let reviewed = include_str!("steps.txt");
    assert!(
        table == reviewed,
        "tests/it/steps.txt is another; where this is what was meant, write it there:\n{table}"
    );
}

/// What only a planned failover has.
const ONLY_PLANNED: [&str; 4] = [
    "clear-active-servers",
    "stop-backup-jobs",
    "remove-mirroring",
    "close-primary",
];

#[test]
fn a_planned_failover_has_its_own_steps_before_recovery_and_leaves_log_shipping_in_place() {
    let site = wanted();
    let plan = plan_by(FAILOVER_PLANNED, Direction::Failover, &site);
    assert!(plan.is_planned() && !plan_of(Direction::Failover, &site).is_planned());
    let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    let place = |id: &str| ids.iter().position(|it| *it == id);
    for pair in ONLY_PLANNED.windows(2) {
        assert!(place(pair[0]) < place(pair[1]), "{pair:?}");
    }
    assert!(place("close-primary") < place("recover-database"));
    assert_eq!(place("drop-log-shipping"), None);
    // One of them less, and it is no plan.
    for id in ONLY_PLANNED {
        let text = FAILOVER_PLANNED.replace(&format!("[[step]]\nid = \"{id}\"\n"), "");
        let known: Vec<&str> = Step::of(Direction::Failover)
            .iter()
            .map(|it| it.id())
            .collect();
        let runbook = Runbook::parse(&text, "planned", &known).unwrap();
        let error = Plan::bind(&runbook, &site).unwrap_err().to_string();
        assert!(error.contains(&format!("without `{id}`")), "{error}");
    }
}

#[test]
fn the_built_in_runbooks_hold_every_step_of_their_direction_in_the_order_of_the_list() {
    for direction in DIRECTIONS {
        let plan = plan_of(direction, &wanted());
        let planned: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
        let steps = Step::of(direction);
        // Those of a planned failover stand in a runbook of their own.
        let of_all = |step: &Step| {
            !ONLY_PLANNED.contains(&step.id()) || step.direction() != Direction::Failover
        };
        let whole: Vec<Step> = steps.iter().copied().filter(of_all).collect();
        assert_eq!(planned.join(", "), ids(&whole));
        assert!(steps.iter().all(|step| step.direction() == direction));
    }
}

#[test]
fn an_id_that_stands_in_both_directions_is_a_step_of_its_own_in_each() {
    for direction in DIRECTIONS {
        let steps = Step::of(direction);
        let ids: BTreeSet<&str> = steps.iter().map(|step| step.id()).collect();
        assert_eq!(ids.len(), steps.len(), "each id once: {direction}");
        for step in steps {
            assert_eq!(Step::find(direction, step.id()), Some(*step));
        }
    }
    let out = Step::find(Direction::Failover, "set-pool-state");
    let home = Step::find(Direction::Failback, "set-pool-state");
    assert_ne!(out.unwrap(), home.unwrap());
}
