//! The account of one run: at the terminal, and as data.

use std::io::{self, Write};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::account::{Account, Look, Sent, StepAccount, Warning};
use super::duration::humanize;
use super::error::write_error;
use super::figures::Figures;
use super::markdown::{of_run, spelled, step_end};
use super::one_line;
use super::terminal::moment;
use crate::model::commands::spelled as as_typed;
use crate::model::words::count;
use crate::run::event::{ErrorRecord, Outcome, StepOutcome, StoredEffect, StoredStanding};
use crate::run::stored::{StoredPlan, Target};

/// Where a record lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Its folder.
    pub path: String,
    /// How many records it has, each of which vouches for the one before.
    pub records: usize,
}

/// Writes the account for people; `report` is the command that prints all of it.
///
/// # Errors
/// That `out` takes nothing.
pub fn human(
    account: &Account,
    origin: &Origin,
    report: &str,
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    head(account, out)?;
    writeln!(out)?;
    steps(account, out)?;
    writeln!(out)?;
    for (label, text) in Figures::of(account).rows(account) {
        writeln!(out, "{label:<20}{}", one_line(&text))?;
    }
    for it in &account.consents {
        // What was seen stands in the question and in the record.
        let what = it.what.lines().next().unwrap_or_default();
        let text = format!("{}: {what} ({})", it.step, it.by);
        writeln!(out, "{:<20}{}", "agreed", one_line(&text))?;
    }
    for it in &account.warnings {
        let text = format!("{}: {}", it.step, as_typed(&it.what));
        writeln!(out, "{:<20}{}", it.kind, one_line(&text))?;
    }
    let sent: usize = account.steps.iter().map(|step| step.sent.len()).sum();
    writeln!(out, "{:<20}{}", "sent", count(sent, "command"))?;
    let finished = account.finished.as_ref().map(|(_, finished)| finished);
    if let Some(error) = finished.and_then(|it| it.error.as_ref()) {
        writeln!(out)?;
        write_error(error, out)?;
        writeln!(out)?;
    }
    if let Some(resume) = finished.and_then(|it| it.resume.as_ref()) {
        writeln!(out, "{:<20}{}", "to go on", one_line(resume))?;
    }
    let records = count(origin.records, "record");
    writeln!(
        out,
        "{:<20}{} ({records})",
        "record",
        one_line(&origin.path)
    )?;
    writeln!(out, "{:<20}{report}", "all of it")
}

fn head(account: &Account, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let sentence = account
        .sentence()
        .unwrap_or_else(|| "not finished: it is under way, or was killed".to_owned());
    let what = account.started.as_ref().map_or_else(
        || "a run whose beginning is missing".to_owned(),
        |started| format!("{} of {}", started.runbook, started.pool),
    );
    writeln!(out, "{}", one_line(&format!("{what}: {sentence}")))?;
    if let Some(started) = &account.started {
        let plan = account.plan_digest().map_or("", String::as_str);
        writeln!(
            out,
            "run {}, plan {}",
            one_line(&started.run),
            one_line(plan)
        )?;
        if let Some(approved) = &started.approved {
            writeln!(out, "the plan was approved: {}", one_line(approved))?;
        }
    }
    if account.is_simulated() {
        writeln!(
            out,
            "simulated: nothing of the site was touched, and times are the rehearsal's"
        )?;
    }
    for (index, it) in account.executions.iter().enumerate() {
        let verb = if index == 0 { "began" } else { "resumed" };
        let tool = it
            .tool
            .as_ref()
            .map(|tool| format!(", {tool}"))
            .unwrap_or_default();
        let end = match &it.finished {
            Some(_) => format!("ended {}", moment(it.last)),
            None => format!("last heard of {}", moment(it.last)),
        };
        let line = format!(
            "{verb} {}, {end}, by {} on {}{tool}",
            moment(it.began),
            it.user,
            it.host
        );
        writeln!(out, "{}", one_line(&line))?;
    }
    Ok(())
}

fn steps(account: &Account, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let vendor = |step: &StepAccount| step.line.vendor.clone().unwrap_or_default();
    let width = |of: &dyn Fn(&StepAccount) -> usize| account.steps.iter().map(of).max();
    let ids = width(&|step| step.line.id.chars().count()).unwrap_or(0);
    let vendors = width(&|step| vendor(step).chars().count()).unwrap_or(0);
    let total = account.steps.len().to_string();
    for (number, step) in (1..).zip(&account.steps) {
        let (outcome, note) = step_end(account, step);
        let outcome = if outcome.is_empty() {
            "not reached"
        } else {
            outcome
        };
        let took = step.took.map(humanize).unwrap_or_default();
        let line = format!(
            "  {number:>digits$}/{total}  {:<ids$}  {:<vendors$}  {outcome:<11}  {took:<12}  {}",
            step.line.id,
            vendor(step),
            one_line(note),
            digits = total.len()
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Writes the account as one JSON document. With the run's plan, commands are spelled as they were sent.
///
/// # Errors
/// That `out` takes nothing.
pub fn json(
    account: &Account,
    plan: Option<&StoredPlan>,
    origin: &Origin,
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    let plan = of_run(account, plan);
    let started = account.started.as_ref();
    let ended = account.finished.as_ref();
    let told = RunShown {
        version: 1,
        run: started.map(|it| it.run.as_str()),
        runbook: started.map(|it| it.runbook.as_str()),
        pool: started.map(|it| it.pool.as_str()),
        simulated: account.is_simulated(),
        outcome: ended.map(|(_, finished)| finished.outcome),
        exit: ended.map(|(_, finished)| finished.exit),
        sentence: account.sentence(),
        began: account.began,
        ended: ended.map(|(at, _)| *at),
        plan_digest: account.plan_digest().map(String::as_str),
        approved: account
            .started
            .as_ref()
            .and_then(|it| it.approved.as_deref()),
        record: origin,
        figures: Figures::of(account),
        executions: account
            .executions
            .iter()
            .map(|it| ExecutionShown {
                began: it.began,
                last: it.last,
                host: &it.host,
                user: &it.user,
                tool: it.tool.as_deref(),
                outcome: it.finished.as_ref().map(|it| it.outcome),
                error: it.error(),
            })
            .collect(),
        steps: account
            .steps
            .iter()
            .map(|step| StepShown::of(account, step, plan))
            .collect(),
        consents: account
            .consents
            .iter()
            .map(|it| ConsentShown {
                at: it.at,
                step: &it.step,
                what: &it.what,
                by: &it.by,
            })
            .collect(),
        warnings: &account.warnings,
        resume: ended.and_then(|(_, finished)| finished.resume.as_deref()),
    };
    serde_json::to_writer(&mut *out, &told)?;
    writeln!(out)
}

#[derive(Serialize)]
struct RunShown<'a> {
    version: u32,
    run: Option<&'a str>,
    runbook: Option<&'a str>,
    pool: Option<&'a str>,
    simulated: bool,
    outcome: Option<Outcome>,
    exit: Option<u8>,
    sentence: Option<String>,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    plan_digest: Option<&'a str>,
    /// Digest of the approval that it began under.
    #[serde(skip_serializing_if = "Option::is_none")]
    approved: Option<&'a str>,
    record: &'a Origin,
    figures: Figures,
    executions: Vec<ExecutionShown<'a>>,
    steps: Vec<StepShown<'a>>,
    consents: Vec<ConsentShown<'a>>,
    warnings: &'a [Warning],
    resume: Option<&'a str>,
}

#[derive(Serialize)]
struct ExecutionShown<'a> {
    began: Timestamp,
    last: Timestamp,
    host: &'a str,
    user: &'a str,
    tool: Option<&'a str>,
    outcome: Option<Outcome>,
    error: Option<&'a ErrorRecord>,
}

#[derive(Serialize)]
struct StepShown<'a> {
    id: &'a str,
    vendor: Option<&'a str>,
    title: &'a str,
    effect: StoredEffect,
    outcome: Option<StepOutcome>,
    note: &'a str,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    took_seconds: Option<u64>,
    before: Option<LookShown<'a>>,
    after: Option<LookShown<'a>>,
    commands: Vec<CommandShown<'a>>,
}

#[derive(Serialize)]
struct LookShown<'a> {
    at: Timestamp,
    standing: &'a StoredStanding,
    facts: &'a Value,
}

#[derive(Serialize)]
struct CommandShown<'a> {
    at: Timestamp,
    n: usize,
    values: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// As they were sent; the first ones of many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    texts: Vec<String>,
}

#[derive(Serialize)]
struct ConsentShown<'a> {
    at: Timestamp,
    step: &'a str,
    what: &'a str,
    by: &'a str,
}

impl<'a> StepShown<'a> {
    fn of(account: &Account, step: &'a StepAccount, plan: Option<&StoredPlan>) -> Self {
        let at_end = account.finished.as_ref();
        let at_end = at_end.and_then(|(_, it)| it.steps.get(&step.line.id).copied());
        let look = |look: &'a Option<Look>| {
            look.as_ref().map(|it| LookShown {
                at: it.at,
                standing: &it.standing,
                facts: &it.facts,
            })
        };
        Self {
            id: &step.line.id,
            vendor: step.line.vendor.as_deref(),
            title: &step.line.title,
            effect: step.line.effect,
            outcome: step.ended.as_ref().map(|(outcome, _)| *outcome).or(at_end),
            note: step.ended.as_ref().map_or("", |(_, note)| note),
            began: step.first_began,
            ended: step.ended_at,
            took_seconds: step.took.as_ref().map(Duration::as_secs),
            before: look(&step.before),
            after: look(&step.after),
            commands: step
                .sent
                .iter()
                .map(|sent| CommandShown::of(sent, step, plan))
                .collect(),
        }
    }
}

impl<'a> CommandShown<'a> {
    fn of(sent: &'a Sent, step: &StepAccount, plan: Option<&StoredPlan>) -> Self {
        let spelled = spelled(sent, step, plan).0.ok();
        let target = spelled.as_ref().map(|it| match &it.target {
            Target::Tsql { instance, server } => format!("tsql on the {instance}, {server}"),
            Target::Powershell => "powershell".to_owned(),
            Target::Copy => "copy".to_owned(),
        });
        Self {
            at: sent.at,
            n: sent.n,
            values: &sent.values,
            target,
            texts: spelled.map(|it| it.texts).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::stopped_run;

    fn origin() -> Origin {
        Origin {
            path: "/state/runs/r7".to_owned(),
            records: 15,
        }
    }

    #[test]
    fn a_run_is_shown_with_its_steps_its_figures_and_where_its_record_lies() {
        let mut text = Vec::new();
        let account = Account::of(&stopped_run());
        human(&account, &origin(), "pchadr runs report r7", &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(
            text,
            r"failover of pchat.litwareinc.com: stopped at `recover-database` (4/5): something was changed, not everything
run r7, plan sha256:p1
simulated: nothing of the site was touched, and times are the rehearsal's
began 2027-01-15 08:00:00 UTC, ended 2027-01-15 10:05:31 UTC, by ann on adm1, pchadr 0.1.0

  1/5  drop-log-shipping  F1  done before                no row and no job
  2/5  copy-backups       F2  done         2 h 05 min    2 files, 3.1 GB
  3/5  end-connections    F4  overtaken                  `mgc` is restoring
  4/5  recover-database   F4  stopped      24 s          error 3101 in use | by 57
  5/5  set-pool-state     F5  not reached

time                2 h 05 min
loss (RPO)          at most 4 min 12 s of chat
agreed              recover-database: lose at most 4 min 12 s of chat (--accept-loss-after end-of-chain)
interlock           recover-database: a fresh `mgc` is on the primary
sent                2 commands

error: `mgc` was not recovered (on sql3.dc2.litwareinc.com\chat, error 3101)
  why:        Exclusive access could not be obtained because the database is in use.
  what to do: end the sessions that hold `mgc`, then go on

to go on            pchadr failover --resume=r7
record              /state/runs/r7 (15 records)
all of it           pchadr runs report r7
"
        );
    }

    #[test]
    fn a_run_as_data_has_its_outcomes_its_looks_and_its_commands() {
        let mut text = Vec::new();
        let account = Account::of(&stopped_run());
        json(&account, None, &origin(), &mut text).unwrap();
        let told: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(told["version"], 1);
        assert_eq!(told["outcome"], "stopped");
        assert_eq!(told["record"]["records"], 15);
        assert_eq!(told["figures"]["loss_seconds"], 252);
        assert_eq!(told["steps"][4]["outcome"], "not_reached");
        assert_eq!(
            told["steps"][1]["commands"][0]["values"][1]["name"],
            "mgc_2.trn"
        );
        assert_eq!(told["steps"][3]["before"]["standing"]["is"], "blocked");
        assert_eq!(told["warnings"][0]["kind"], "interlock");
    }
}
