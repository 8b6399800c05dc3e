//! A run for the person who watches it: one line a step, and at a terminal how far it is.

mod bars;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::ProgressDrawTarget;
use jiff::Timestamp;

use self::bars::Bars;
use super::account::{Account, StepAccount};
use super::duration::{humanize, humanize_at_most, seconds};
use super::error::write_error;
use super::{downtime, one_line, outcome_words};
use crate::model::commands::spelled;
use crate::model::words::count;
use crate::run::event::{
    Event, LOOK, ProcessIs, Progress, Record, RunFinished, StepOutcome, StoredBlock, StoredLift,
    StoredStanding,
};
use crate::run::recorder::Sink;

/// Shows a run as it goes. Every line can be understood without color; a terminal that goes away
/// does not stop the run.
pub struct Terminal {
    writer: Box<dyn Write + Send>,
    color: bool,
    bars: Option<Bars>,
    account: Account,
    shown: BTreeSet<String>,
    warned: BTreeSet<(String, String)>,
}

impl Terminal {
    /// Plain lines: no color, no progress.
    pub fn piped(writer: Box<dyn Write + Send>) -> Self {
        Self::new(writer, false, None)
    }

    /// Lines above bars. `writer` and `target` are the same terminal; `color` says whether it
    /// understands escape sequences and the operator wants them.
    pub fn live(writer: Box<dyn Write + Send>, color: bool, target: ProgressDrawTarget) -> Self {
        Self::new(writer, color, Some(Bars::new(target)))
    }

    fn new(writer: Box<dyn Write + Send>, color: bool, bars: Option<Bars>) -> Self {
        Self {
            writer,
            color,
            bars,
            account: Account::default(),
            shown: BTreeSet::new(),
            warned: BTreeSet::new(),
        }
    }

    /// Writes whole lines, above the bars where there are any.
    fn write(&mut self, lines: &[u8]) {
        let writer = &mut self.writer;
        let mut put = || {
            // Whoever watches may go away; the run goes on, and the journal has it all.
            let _ = writer.write_all(lines).and_then(|()| writer.flush());
        };
        match &self.bars {
            Some(bars) => bars.suspend(put),
            None => put(),
        }
    }

    fn line(&mut self, line: &str) {
        self.write(format!("{}\n", line.trim_end()).as_bytes());
    }

    fn header(&mut self) {
        let Some(started) = &self.account.started else {
            return;
        };
        let mut lines = vec![
            format!(
                "{} of {}: run {}, {}",
                started.runbook,
                started.pool,
                started.run,
                count(started.steps.len(), "step")
            ),
            format!(
                "by {} on {}, {}, plan {}",
                started.user, started.host, started.tool, started.plan_digest
            ),
        ];
        if self.account.is_simulated() {
            lines.push(
                "simulated: nothing of the site is touched, and times are the rehearsal's"
                    .to_owned(),
            );
        }
        for line in lines {
            self.line(&one_line(&line));
        }
        self.line("");
    }

    fn resumed(&mut self, host: &str, user: &str) {
        self.header();
        self.line(&one_line(&format!("resumed by {user} on {host}")));
        for (id, is_done) in self.ids(StepAccount::is_done) {
            if is_done {
                self.step(&id);
            } else if let Some((_, step)) = self.account.step(&id)
                && let Some(began) = step.interrupted
            {
                let note = format!(
                    "it began at {} and no end is recorded: the site is looked at first",
                    moment(began)
                );
                let row = self.row(&id, "in doubt", None, &note);
                self.line(&row);
            }
        }
    }

    fn ids(&self, of: impl Fn(&StepAccount) -> bool) -> Vec<(String, bool)> {
        let steps = self.account.steps.iter();
        steps.map(|step| (step.line.id.clone(), of(step))).collect()
    }

    /// The line of a step that ended.
    fn step(&mut self, id: &str) {
        let Some((_, step)) = self.account.step(id) else {
            return;
        };
        if let Some((outcome, note)) = step.ended.clone() {
            let row = self.outcome(id, outcome, step.took, &note);
            self.line(&row);
            self.shown.insert(id.to_owned());
        }
    }

    fn outcome(
        &self,
        id: &str,
        outcome: StepOutcome,
        took: Option<Duration>,
        note: &str,
    ) -> String {
        let words = outcome_words(outcome);
        let row = self.row(id, words, took, note);
        if !self.color {
            return row;
        }
        let code = match outcome {
            StepOutcome::Done | StepOutcome::Undone => "32",
            StepOutcome::Stopped | StepOutcome::Unknown => "1;31",
            StepOutcome::Left => "33",
            StepOutcome::DoneBefore | StepOutcome::Overtaken | StepOutcome::NotReached => "2",
        };
        let place = self.place(id).len();
        let (place, rest) = row.split_at(place);
        rest.strip_prefix(words).map_or(row.clone(), |rest| {
            format!("{place}\u{1b}[{code}m{words}\u{1b}[0m{rest}")
        })
    }

    fn row(&self, id: &str, outcome: &str, took: Option<Duration>, note: &str) -> String {
        let took = took.map(humanize).unwrap_or_default();
        let row = format!(
            "{}{outcome:<11}  {took:<12}  {}",
            self.place(id),
            one_line(note)
        );
        row.trim_end().to_owned()
    }

    /// `  3/10  drop-log-shipping  F1  `, as wide for every step.
    fn place(&self, id: &str) -> String {
        let steps = &self.account.steps;
        let width = |of: fn(&StepAccount) -> &str| {
            let widths = steps.iter().map(|step| of(step).chars().count());
            widths.max().unwrap_or(0)
        };
        let (ids, vendors) = (width(|step| &step.line.id), width(vendor));
        let (number, vendor) = match self.account.step(id) {
            Some((number, step)) => (number.to_string(), vendor(step)),
            None => ("?".to_owned(), ""),
        };
        let total = steps.len().to_string();
        format!(
            "  {number:>digits$}/{total}  {id:<ids$}  {vendor:<vendors$}  ",
            digits = total.len()
        )
    }

    /// Says once what speaks against a step, as far as it counts now.
    fn checked(&mut self, id: &str, standing: &StoredStanding) {
        let acts = self
            .account
            .step(id)
            .is_some_and(|(_, step)| step.began.is_some());
        match standing {
            // While a step settles, not seeing yet is no news.
            StoredStanding::Unknown { what, remedies, .. } if !acts => {
                let hints: Vec<&str> = remedies.iter().map(|it| it.text.as_str()).collect();
                self.warn("unknown", id, what, &hints.join("; "));
            }
            StoredStanding::Satisfied { .. }
            | StoredStanding::Pending { .. }
            | StoredStanding::Unknown { .. } => {}
            StoredStanding::Blocked { blocks } => {
                for block in blocks {
                    if self.account.counts(block) {
                        let (label, hint) = label(block);
                        self.warn(label, id, &block.why, &hint);
                    }
                }
            }
        }
    }

    fn warn(&mut self, label: &str, id: &str, why: &str, hint: &str) {
        if !self.warned.insert((id.to_owned(), why.to_owned())) {
            return;
        }
        self.line(&format!("  {label:<10}  {id}: {}", one_line(&spelled(why))));
        if !hint.is_empty() {
            self.line(&format!("  {:<10}  {}", "", one_line(&spelled(hint))));
        }
    }

    fn finished(&mut self, finished: &RunFinished) {
        for (id, is_shown) in self.ids(|step| self.shown.contains(&step.line.id)) {
            if let Some(outcome) = finished.steps.get(&id).filter(|_| !is_shown) {
                let row = self.outcome(&id, *outcome, None, "");
                self.line(&row);
            }
        }
        let mut text = Vec::new();
        if self.summary(finished, &mut text).is_ok() {
            self.write(&text);
        }
    }

    fn summary(&self, finished: &RunFinished, out: &mut Vec<u8>) -> io::Result<()> {
        let what = self.account.started.as_ref();
        let what = what.map(|run| format!("{} of {}: ", run.runbook, run.pool));
        let sentence = self.account.sentence().unwrap_or_default();
        let sentence = what.unwrap_or_default() + &sentence;
        writeln!(out, "\n{}", one_line(&sentence))?;
        let mut time = humanize(seconds(finished.elapsed_seconds));
        if self.account.is_simulated() {
            let wall = humanize(seconds(finished.wall_seconds));
            time = format!("{time} simulated, {wall} real");
        }
        if !self.account.resumes.is_empty() {
            time += ", since it was resumed";
        }
        writeln!(out, "  time: {time}")?;
        if let Some(loss) = loss(finished) {
            writeln!(out, "  loss: {loss}")?;
        }
        downtime::measured_human(&self.account, out)?;
        if let Some(error) = &finished.error {
            writeln!(out)?;
            write_error(error, out)?;
        }
        if let Some(resume) = &finished.resume {
            writeln!(out, "\nto go on: {}", one_line(resume))?;
        }
        Ok(())
    }
}

impl Sink for Terminal {
    fn record(&mut self, record: &Record) {
        self.account.take(record);
        match &record.event {
            Event::RunStarted(_) => self.header(),
            Event::StepChecked { id, standing, .. } => {
                if let Some(bars) = &mut self.bars {
                    bars.end(LOOK);
                }
                self.checked(id, standing);
            }
            Event::Consent { step, what, by, .. } => {
                // What was seen stands in the question and in the record.
                let what = what.lines().next().unwrap_or_default();
                let text = format!("{step}: {what} ({by})");
                self.line(&format!("  {:<10}  {}", "agreed", one_line(&text)));
            }
            Event::StepStarted { id } | Event::UndoStarted { id } => {
                if let Some(bars) = &mut self.bars {
                    bars.begin(id);
                }
            }
            Event::StepReopened { id, why } => {
                let text = format!("{id}: {why}");
                self.line(&format!("  {:<10}  {}", "again", one_line(&text)));
            }
            Event::SendersGone { instance, ended } => {
                for sender in ended {
                    let text = format!("on the {instance}: {sender}");
                    self.line(&format!("  {:<10}  {}", "ended", one_line(&text)));
                }
            }
            Event::CmdletSaid {
                cmdlet,
                errors,
                warnings,
                ..
            } => {
                let errors = errors.iter().map(|text| ("error", text));
                for (kind, text) in errors.chain(warnings.iter().map(|text| ("warning", text))) {
                    let text = format!("{cmdlet}: {text}");
                    self.line(&format!("  {kind:<10}  {}", one_line(&text)));
                }
            }
            Event::PowerShell {
                process,
                is: ProcessIs::Ended,
                ..
            } => {
                let text = format!("PowerShell process {process}, whose cmdlet did not end");
                self.line(&format!("  {:<10}  {text}", "ended"));
            }
            Event::PowerShell {
                is: ProcessIs::Sending | ProcessIs::Gone,
                ..
            }
            | Event::Command { .. }
            | Event::FenceTaken { .. }
            | Event::RunStopped { .. } => {}
            Event::StepFinished { id, .. } => {
                if let Some(bars) = &mut self.bars {
                    bars.end(id);
                }
                self.step(id);
            }
            Event::PlanChanged { from, to, .. } => {
                let text = format!("the plan is now {to}; it was {from}");
                self.line(&format!("  {:<10}  {}", "agreed", one_line(&text)));
            }
            Event::RunResumed { host, user, .. } => self.resumed(host, user),
            Event::RunFinished(finished) => {
                if let Some(bars) = &mut self.bars {
                    bars.clear();
                }
                self.finished(finished);
            }
        }
    }

    fn earlier(&mut self, record: &Record) {
        self.account.take(record);
    }

    fn progress(&mut self, progress: &Progress, _now: Timestamp) {
        if let Some(bars) = &mut self.bars {
            bars.show(progress);
        }
    }
}

/// What is lost, where it is known.
pub(crate) fn loss(finished: &RunFinished) -> Option<String> {
    let seconds = u64::try_from(finished.loss_seconds?).ok()?;
    if seconds == 0 {
        return Some("none".to_owned());
    }
    let loss = humanize_at_most(Duration::from_secs(seconds));
    Some(format!("at most {loss} of chat"))
}

/// A moment in UTC, to the second.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn vendor(step: &StepAccount) -> &str {
    step.line.vendor.as_deref().unwrap_or_default()
}

fn label(block: &StoredBlock) -> (&'static str, String) {
    match block.lift {
        StoredLift::Site => ("blocked", block.hint.clone()),
        StoredLift::Loss => ("loss", block.hint.clone()),
        StoredLift::Consent => ("consent", block.hint.clone()),
        StoredLift::Override => (
            "interlock",
            format!("{} (interlock `{}`)", block.hint, block.id),
        ),
    }
}

#[cfg(test)]
mod tests;
