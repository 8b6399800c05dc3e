//! A run as Markdown: a record that can be pasted into a ticket.

use std::io::{self, Write};

use serde_json::Value;

use super::account::seen::{changes, standing_words};
use super::account::{Account, Sent, StepAccount};
use super::duration::{humanize, seconds};
use super::error::place;
use super::figures::Figures;
use super::terminal::moment;
use super::{downtime, one_line, outcome_words, steers};
use crate::plan::Plan;
use crate::run::event::{Event, Record, StepOutcome};
use crate::run::recorder::Sink;
use crate::run::stored::{Spelled, StoredPlan, Target};
use crate::step::command::{Command, Kind};

/// Commands of one `each` that are spelled out; the journal has them all.
const SPELLED: usize = 20;

/// Writes the whole record of a run when its execution ends.
pub struct Markdown {
    writer: Box<dyn Write + Send>,
    plan: Option<StoredPlan>,
    account: Account,
}

impl Markdown {
    /// Writes to `writer`. With the run's plan, commands are spelled as they were sent; without it,
    /// their values are shown.
    pub fn new(writer: Box<dyn Write + Send>, plan: Option<Plan>) -> Self {
        Self {
            writer,
            // A plan can always be stored; without it, values are shown.
            plan: plan.and_then(|plan| StoredPlan::of(&plan).ok()),
            account: Account::default(),
        }
    }
}

impl Sink for Markdown {
    fn record(&mut self, record: &Record) {
        self.account.take(record);
        if matches!(record.event, Event::RunFinished(_)) {
            let mut text = Vec::new();
            if write_run(&self.account, self.plan.as_ref(), &mut text).is_ok() {
                // A reader that went away does not stop a run.
                let _ = self
                    .writer
                    .write_all(&text)
                    .and_then(|()| self.writer.flush());
            }
        }
    }

    fn earlier(&mut self, record: &Record) {
        self.account.take(record);
    }
}

/// Writes the account of a run, finished or not. A plan with another digest than the run's last one
/// is not used: its texts are not what was sent.
pub fn write_run(
    account: &Account,
    plan: Option<&StoredPlan>,
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    let plan = of_run(account, plan);
    write_head(account, out)?;
    write_steps(account, out)?;
    write_downtime(account, out)?;
    write_warnings(account, out)?;
    write_consents(account, out)?;
    write_commands(account, plan, out)?;
    write_seen(account, out)?;
    let finished = account.finished.as_ref().map(|(_, finished)| finished);
    if let Some(error) = finished.and_then(|finished| finished.error.as_ref()) {
        writeln!(out, "\n## What went wrong\n")?;
        writeln!(
            out,
            "**{}{}**\n",
            inline(&error.what),
            inline(&place(error))
        )?;
        writeln!(out, "- why: {}", inline(&error.why))?;
        writeln!(out, "- what to do: {}", inline(&error.hint))?;
    }
    if let Some(resume) = finished.and_then(|finished| finished.resume.as_ref()) {
        write!(out, "\nTo go on:\n\n{}", fence("", resume, ""))?;
    }
    Ok(())
}

/// The plan, where its texts are those of the run.
pub(super) fn of_run<'a>(
    account: &Account,
    plan: Option<&'a StoredPlan>,
) -> Option<&'a StoredPlan> {
    plan.filter(|plan| account.plan_digest().is_some_and(|it| it == plan.digest()))
}

fn write_head(account: &Account, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let title = account.started.as_ref().map_or_else(
        || "A run whose beginning is missing".to_owned(),
        |started| format!("{} of {}", started.runbook, started.pool),
    );
    writeln!(out, "# {}\n", inline(&title))?;
    if let Some(started) = &account.started {
        rows.push(("run", started.run.clone()));
        let who = format!("{} on {}", started.user, started.host);
        rows.push(("by", format!("{who}, {}", started.tool)));
        rows.extend(started.approved.clone().map(|it| ("approved", it)));
    }
    let outcome = account.sentence();
    rows.push((
        "outcome",
        outcome.unwrap_or_else(|| "not finished".to_owned()),
    ));
    if account.is_simulated() {
        rows.push((
            "clock",
            "simulated: a rehearsal; nothing of the site was touched".to_owned(),
        ));
    }
    rows.extend(account.began.map(|at| ("began", moment(at))));
    for (at, host, user) in &account.resumes {
        rows.push(("resumed", format!("{}, by {user} on {host}", moment(*at))));
    }
    if let Some((at, finished)) = &account.finished {
        rows.push(("ended", moment(*at)));
        let mut time = humanize(seconds(finished.elapsed_seconds));
        if account.is_simulated() {
            let wall = humanize(seconds(finished.wall_seconds));
            time = format!("{time} simulated, {wall} real");
        }
        if !account.resumes.is_empty() {
            time += ", since it was resumed";
        }
        rows.push(("time", time));
    }
    let figures = Figures::of(account);
    let figures = figures.rows(account).into_iter();
    rows.extend(figures.filter(|(label, _)| *label != "time"));
    rows.extend(
        account
            .plan_digest()
            .map(|digest| ("plan", digest.to_owned())),
    );
    for (from, _) in &account.changes {
        rows.push(("plan before", from.clone()));
    }
    writeln!(out, "| | |\n|---|---|")?;
    for (label, value) in rows {
        writeln!(out, "| {label} | {} |", inline(&value))?;
    }
    Ok(())
}

fn write_steps(account: &Account, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    writeln!(out, "\n## Steps\n")?;
    writeln!(out, "| | step | | outcome | began | time | note |")?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for (number, step) in (1..).zip(&account.steps) {
        let (outcome, note) = step_end(account, step);
        writeln!(
            out,
            "| {number} | {} | {} | {outcome} | {} | {} | {} |",
            inline(&step.line.id),
            inline(step.line.vendor.as_deref().unwrap_or("–")),
            step.began
                .or(step.interrupted)
                .map(moment)
                .unwrap_or_default(),
            step.took.map(humanize).unwrap_or_default(),
            inline(note),
        )?;
    }
    Ok(())
}

/// How a step ended; where no record of its own says so, what the end of the run says.
pub(super) fn step_end<'a>(account: &'a Account, step: &'a StepAccount) -> (&'static str, &'a str) {
    if let Some((outcome, note)) = &step.ended {
        return (outcome_words(*outcome), note);
    }
    let finished = account.finished.as_ref();
    let outcome: Option<&StepOutcome> =
        finished.and_then(|(_, finished)| finished.steps.get(&step.line.id));
    match outcome {
        Some(outcome) => (outcome_words(*outcome), ""),
        None if step.began.or(step.interrupted).is_some() => ("in doubt", "no end is recorded"),
        None => ("", ""),
    }
}

/// The time without chat of a failback that is done.
fn write_downtime(account: &Account, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let Some(parts) = downtime::measured(account) else {
        return Ok(());
    };
    writeln!(out, "\n## Downtime\n\n| step | time |\n|---|---|")?;
    for (id, time) in &parts {
        writeln!(out, "| {} | {} |", inline(id), humanize(*time))?;
    }
    writeln!(
        out,
        "| **all**, {} | {} |",
        downtime::what_of(account),
        humanize(downtime::whole(&parts))
    )
}

fn write_consents(account: &Account, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    if account.consents.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Consents\n")?;
    writeln!(out, "| when | step | what | how |\n|---|---|---|---|")?;
    for consent in &account.consents {
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            moment(consent.at),
            inline(&consent.step),
            inline(&consent.what),
            inline(&consent.by)
        )?;
    }
    Ok(())
}

/// What was said against a step, or by what it sent.
fn write_warnings(account: &Account, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    if account.warnings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Warnings\n")?;
    writeln!(out, "| when | step | | what |\n|---|---|---|---|")?;
    for it in &account.warnings {
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            moment(it.at),
            inline(&it.step),
            it.kind,
            inline(&it.what)
        )?;
    }
    Ok(())
}

/// What was seen before and after each step, and what of it changed.
fn write_seen(account: &Account, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let seen = |step: &&StepAccount| step.before.is_some() || step.after.is_some();
    if !account.steps.iter().any(|step| seen(&step)) {
        return Ok(());
    }
    writeln!(
        out,
        "\n## What was seen\n\nThe last look before each step acted, the last one after it, and what differs between them; the journal has every look whole."
    )?;
    for (number, step) in (1..).zip(&account.steps).filter(|(_, step)| seen(step)) {
        writeln!(
            out,
            "\n### {number}. {}: before and after\n",
            inline(&step.line.id)
        )?;
        for (label, look) in [("before", &step.before), ("after", &step.after)] {
            if let Some(look) = look {
                let words = standing_words(&look.standing);
                writeln!(out, "- {label}, {}: {}", moment(look.at), inline(&words))?;
            }
        }
        let (Some(before), Some(after)) = (&step.before, &step.after) else {
            continue;
        };
        let changed = changes(&before.facts, &after.facts);
        if changed.is_empty() {
            continue;
        }
        writeln!(out, "\n| fact | before | after |\n|---|---|---|")?;
        for (path, was, is) in changed.iter().take(SPELLED) {
            let side = |it: &Option<String>| inline(it.as_deref().unwrap_or("not there"));
            writeln!(out, "| {} | {} | {} |", inline(path), side(was), side(is))?;
        }
        let more = changed.len().saturating_sub(SPELLED);
        if more > 0 {
            writeln!(out, "\nand {more} more, which the journal names")?;
        }
    }
    Ok(())
}

fn write_commands(
    account: &Account,
    plan: Option<&StoredPlan>,
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    if account.steps.iter().all(|step| step.sent.is_empty()) {
        return Ok(());
    }
    writeln!(
        out,
        "\n## Commands\n\nEach was recorded before it was sent; what came of it is the outcome of its step."
    )?;
    for (number, step) in (1..).zip(&account.steps) {
        if !step.sent.is_empty() {
            writeln!(out, "\n### {number}. {}", inline(&step.line.id))?;
        }
        for sent in &step.sent {
            write_sent(sent, step, plan, out)?;
        }
    }
    Ok(())
}

fn write_sent(
    sent: &Sent,
    step: &StepAccount,
    plan: Option<&StoredPlan>,
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    let (spelled, more) = spelled(sent, step, plan);
    let (target, language, texts) = match spelled {
        Ok(Spelled { target, texts }) => {
            let (words, language) = match &target {
                Target::Tsql { instance, server } => {
                    (format!("T-SQL on the {instance}, {}", code(server)), "sql")
                }
                Target::Powershell => (SHELL.to_owned(), "powershell"),
                Target::Copy => ("file copy".to_owned(), "text"),
            };
            (words, language, texts)
        }
        Err(values) => ("with the values".to_owned(), "json", values),
    };
    writeln!(
        out,
        "\n- {}, command {}, {target}\n",
        moment(sent.at),
        sent.n
    )?;
    write!(out, "{}", fence(language, &texts.join("\n"), "  "))?;
    if more > 0 {
        writeln!(out, "\n  and {more} more, which the journal names")?;
    }
    Ok(())
}

/// A command as it was sent; where its plan is not known, its values. The number says how many sets of
/// values are not spelled out.
pub(super) fn spelled(
    sent: &Sent,
    step: &StepAccount,
    plan: Option<&StoredPlan>,
) -> (Result<Spelled, Vec<String>>, usize) {
    let sets: Vec<&Value> = match &sent.values {
        Value::Array(sets) => sets.iter().collect(),
        one => vec![one],
    };
    let shown = &sets[..sets.len().min(SPELLED)];
    let bound = plan.and_then(|plan| plan.spell(&step.line.id, sent.n, shown));
    let spelled = bound.ok_or_else(|| shown.iter().map(ToString::to_string).collect());
    (spelled, sets.len() - shown.len())
}

/// Where a cmdlet goes.
pub(super) const SHELL: &str = "Skype for Business Server Management Shell";

/// Where a command goes, in words.
pub(crate) fn target(command: &Command) -> String {
    match &command.kind {
        Kind::Tsql { instance, server } => format!("T-SQL on the {instance}, {}", code(server)),
        Kind::Powershell { .. } => SHELL.to_owned(),
        Kind::Copy { .. } => "file copy".to_owned(),
    }
}

/// Language of a command's fenced block.
pub(crate) fn language(command: &Command) -> &'static str {
    match command.kind {
        Kind::Tsql { .. } => "sql",
        Kind::Powershell { .. } => "powershell",
        Kind::Copy { .. } => "text",
    }
}

/// A fenced block, every line after `indent`: whatever the text holds, it does not end the block.
pub(crate) fn fence(language: &str, text: &str, indent: &str) -> String {
    let marks = "`".repeat(longest_run(text).max(2) + 1);
    let mut block = format!("{indent}{marks}{language}\n");
    for line in text.lines() {
        if !line.is_empty() {
            block.push_str(indent);
        }
        // As it was sent, but for what would steer a terminal.
        let steered = line.chars().any(|c| steers(c) && c != '\t');
        block.push_str(&if steered { one_line(line) } else { line.into() });
        block.push('\n');
    }
    block + indent + &marks + "\n"
}

/// A code span, whatever the text holds.
pub(crate) fn code(text: &str) -> String {
    let text = one_line(text);
    let marks = "`".repeat(longest_run(&text) + 1);
    let space = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{marks}{space}{text}{space}{marks}")
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

/// Text of ours or of a server inside a line or a table cell. `code spans` stay what they are;
/// everything else means itself.
pub(crate) fn inline(text: &str) -> String {
    let text = one_line(text);
    let spans = text.matches('`').count().is_multiple_of(2);
    let mut in_code = false;
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '`' if spans => in_code = !in_code,
            // A table is cut into cells before code spans are looked for.
            '|' => safe.push('\\'),
            '\\' | '*' | '<' | '[' | ']' | '~' | '`' if !in_code => safe.push('\\'),
            _ => {}
        }
        safe.push(c);
    }
    safe
}

#[cfg(test)]
mod tests;
