//! The time without chat as a sum of its parts: as the plan knows them, and as a run had them.

use std::io::{self, Write};
use std::time::Duration;

use super::account::Account;
use super::duration::humanize;
use crate::model::Direction;
use crate::plan::Plan;
use crate::step::Step;
use crate::step::downtime::Downtime;

/// What the worked example takes for size and throughput.
const EXAMPLE: (u64, u64) = (50_000_000_000, 100_000_000);

/// What the sum is of.
pub(super) fn what(direction: Direction) -> &'static str {
    match direction {
        Direction::Failover => {
            "from `clear-active-servers` until every active server has its session"
        }
        Direction::Failback | Direction::Fence => {
            "from B1 until every active server has its session after B7"
        }
    }
}

/// The steps of a plan that take from it, with their terms.
pub(super) fn parts(plan: &Plan) -> Vec<(&str, &Downtime)> {
    let steps = plan.steps.iter();
    steps
        .filter_map(|step| Some((step.id.as_str(), step.downtime.as_ref()?)))
        .collect()
}

/// `2 × size / throughput`, `2 min 00 s allowed`, or `seconds`.
pub(super) fn term(part: &Downtime) -> String {
    term_of(part.moves, part.wait_seconds)
}

/// The same, of the two terms of a part: how often the database is moved, how long may be waited.
pub(super) fn term_of(moves: u32, wait_seconds: Option<u64>) -> String {
    match (moves, wait_seconds) {
        (0, None) => "seconds".to_owned(),
        (0, Some(seconds)) => format!("{} allowed", humanize(Duration::from_secs(seconds))),
        (moves, _) => format!("{moves} × size / throughput"),
    }
}

/// The sum in one sentence.
pub(super) fn sum(parts: &[(&str, &Downtime)]) -> String {
    let parts = parts
        .iter()
        .map(|(_, part)| (part.moves, part.wait_seconds));
    sum_of(&parts.collect::<Vec<_>>())
}

/// The same, of the terms of the parts.
pub(super) fn sum_of(parts: &[(u32, Option<u64>)]) -> String {
    let moves: u32 = parts.iter().map(|(moves, _)| moves).sum();
    let waits: u64 = parts.iter().filter_map(|(_, wait)| *wait).sum();
    let (size, throughput) = EXAMPLE;
    let example = Duration::from_secs(u64::from(moves) * size / throughput);
    format!(
        "in all {moves} × size / throughput (50 GB at 100 MB/s: {}), {} allowed for waiting, and what the commands themselves take",
        humanize(example),
        humanize(Duration::from_secs(waits))
    )
}

/// Writes the terms of a plan under its head; nothing where chat goes on.
pub(super) fn human(plan: &Plan, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let parts = parts(plan);
    if parts.is_empty() {
        return Ok(());
    }
    let ids = parts.iter().map(|(id, _)| id.len()).max().unwrap_or(0);
    let terms: Vec<String> = parts.iter().map(|(_, part)| term(part)).collect();
    let widths = terms.iter().map(|term| term.chars().count());
    let width = widths.max().unwrap_or(0);
    let what = what(plan.direction);
    writeln!(out, "\ndowntime, {what}, is the sum of")?;
    for ((id, part), term) in parts.iter().zip(&terms) {
        writeln!(out, "     {id:<ids$}  {term:<width$}  {}", part.what)?;
    }
    writeln!(out, "     {}", sum(&parts))
}

/// How long chat was away in a run that brought it back, step by step: from the beginning of B1 to
/// the end of B7, so that the parts add up to the whole.
pub fn measured(account: &Account) -> Option<Vec<(&str, Duration)>> {
    // Of a failover that is not planned, no step begins it.
    let direction = account.direction()?;
    let step = |id: &str| Step::find(direction, id);
    let first = account
        .steps
        .iter()
        .position(|it| step(&it.line.id).is_some_and(Step::begins_downtime))?;
    let began = account.steps[first].first_began?;
    let mut parts = Vec::new();
    let mut before = 0;
    // What comes behind the step that serves holds nobody up.
    let is_last = |step: Option<Step>| {
        step == Some(Step::SetActiveServers) || step == Some(Step::ReturnPoolState)
    };
    let last = account.steps[first..]
        .iter()
        .position(|it| is_last(step(&it.line.id)))?;
    for it in &account.steps[first..=first + last] {
        let ended = it.ended_at.filter(|_| it.is_done())?;
        // Of whole seconds since the beginning, the differences add up; those of rounded parts do not.
        let seconds = ended.duration_since(began).as_secs();
        let seconds = u64::try_from(seconds).ok()?;
        parts.push((
            it.line.id.as_str(),
            Duration::from_secs(seconds.saturating_sub(before)),
        ));
        before = seconds.max(before);
    }
    Some(parts)
}

/// What the sum of a run is of.
pub(super) fn what_of(account: &Account) -> &'static str {
    what(account.direction().unwrap_or(Direction::Failback))
}

/// Their sum.
pub fn whole(parts: &[(&str, Duration)]) -> Duration {
    parts.iter().map(|(_, time)| *time).sum()
}

/// Writes what was measured, below the summary of a run.
pub(super) fn measured_human(account: &Account, out: &mut Vec<u8>) -> io::Result<()> {
    let Some(parts) = measured(account) else {
        return Ok(());
    };
    let what = what_of(account);
    writeln!(out, "  downtime: {}, {what}", humanize(whole(&parts)))?;
    let ids = parts.iter().map(|(id, _)| id.len()).max().unwrap_or(0);
    for (id, time) in &parts {
        writeln!(out, "    {id:<ids$}  {}", humanize(*time))?;
    }
    Ok(())
}
