//! A plan for people and programs: for the change review, for the ticket, for a tool. Same plan,
//! same bytes.

use std::io::{self, Write};

use super::markdown::{code, fence, inline, language, target};
use super::{downtime, effect_words, one_line};
use crate::model::words::count;
use crate::plan::{Plan, PlannedStep};
use crate::step::Effect;
use crate::step::command::{Command, HoleType, Kind};

/// Writes a plan as compact JSON and a line end (`design.md` 8).
pub fn json(plan: &Plan, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    serde_json::to_writer(&mut *out, plan)?;
    writeln!(out)
}

/// Writes a plan for a reviewer at a terminal: compact, every command with its holes and the rules
/// that fill them.
pub fn human(plan: &Plan, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    writeln!(out, "{}: {}", plan.runbook, size(plan))?;
    writeln!(out, "plan {}", plan.digest)?;
    for line in remarks(plan) {
        writeln!(out, "{line}")?;
    }
    downtime::human(plan, out)?;
    one_writer(plan, out)?;
    for (number, step) in (1..).zip(&plan.steps) {
        let id = match step.vendor {
            Some(vendor) => format!("{} ({vendor})", step.id),
            None => step.id.clone(),
        };
        let mut marks = vec![effect_words(step.effect).to_owned()];
        if step.point_of_no_return {
            marks.push("POINT OF NO RETURN".to_owned());
        }
        marks.extend(company(plan, step).map(|others| format!("together with {others}")));
        writeln!(out, "\n{number:>3}. {id}: {}", marks.join(", "))?;
        writeln!(out, "     {}", one_line(&step.title))?;
        for check in &step.checks {
            writeln!(out, "     looks at  {}", one_line(check))?;
        }
        for command in &step.commands {
            write_command(command, out)?;
        }
        if !step.undo.is_empty() {
            writeln!(out, "     undone by `pchadr abort` with")?;
        }
        for command in &step.undo {
            write_command(command, out)?;
        }
    }
    Ok(())
}

/// What goes before every T-SQL command.
const GUARD: &str = "every T-SQL command below is sent with this before it, in the same batch; {number} is the number that the run took";
/// What has no number.
const UNNUMBERED: &str = "cmdlets and copies have no number: before each, as before each batch, the lock of the site is looked at";
/// What takes it.
const TAKEN: &str = "before its first effect, a run, a resume and an abort each take a number; then they end the sessions of other runs of this site there, and see them gone";

/// Writes what keeps an older run from writing.
fn one_writer(plan: &Plan, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    if plan.fence.guard.is_empty() {
        return Ok(());
    }
    writeln!(out, "\none writer: {GUARD}")?;
    writeln!(out, "         | {}", one_line(&plan.fence.guard))?;
    writeln!(out, "     {UNNUMBERED}")?;
    writeln!(out, "     {TAKEN}")?;
    for command in &plan.fence.commands {
        write_command(command, out)?;
    }
    Ok(())
}

/// The same as a section.
fn one_writer_section(plan: &Plan, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    if plan.fence.guard.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n**One writer.** As a run sends them, {}:\n",
        inline(GUARD)
    )?;
    write!(out, "{}", fence("sql", &plan.fence.guard, ""))?;
    writeln!(
        out,
        "\nBy hand they go without it. {}; {}:\n",
        inline(UNNUMBERED),
        inline(TAKEN)
    )?;
    for command in &plan.fence.commands {
        write!(out, "- ")?;
        item(command, out)?;
    }
    Ok(())
}

/// Writes what undoes these steps of a run, in their order.
pub fn undo(
    plan: &Plan,
    run: &str,
    changed: &[&str],
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    writeln!(
        out,
        "undo run {}: {}",
        one_line(run),
        count(changed.len(), "step")
    )?;
    for step in changed.iter().filter_map(|id| plan.step(id)) {
        let nothing = match (step.undo.is_empty(), step.effect) {
            (false, _) => "",
            (true, Effect::Irreversible) => ": stays as it is",
            (true, _) => ": nothing to undo",
        };
        writeln!(out, "\n     {}{nothing}", step.id)?;
        for command in &step.undo {
            write_command(command, out)?;
        }
    }
    writeln!(out)
}

fn write_command(command: &Command, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let place = match &command.kind {
        Kind::Tsql { instance, server } => format!("T-SQL on the {instance}, {server}"),
        Kind::Powershell { .. } => "PowerShell".to_owned(),
        Kind::Copy { .. } => "file copy".to_owned(),
    };
    writeln!(out, "     {:>2}) {place}", command.n)?;
    for rule in conditions(command) {
        writeln!(out, "         {}", one_line(&rule))?;
    }
    for line in command.text.lines() {
        writeln!(out, "         | {}", one_line(line))?;
    }
    for hole in &command.holes {
        let spelling = spelling(hole.hole_type);
        let rule = one_line(&hole.rule);
        writeln!(out, "         {{{}}} = {rule} ({spelling})", hole.name)?;
    }
    Ok(())
}

/// Writes a plan as a runbook to work through by hand: a heading a step, a box to tick a command.
/// `site_name` says whose it is: the pool.
pub fn markdown(plan: &Plan, site_name: &str, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    writeln!(
        out,
        "# {} of {}\n",
        inline(&plan.runbook),
        inline(site_name)
    )?;
    writeln!(out, "{}. Plan `{}`.\n", size(plan), plan.digest)?;
    for line in remarks(plan) {
        writeln!(out, "**{}.**\n", inline(&line))?;
    }
    writeln!(
        out,
        "Commands are shown with sample values; below each stands the rule by which a run finds the real ones."
    )?;
    downtime_section(plan, out)?;
    one_writer_section(plan, out)?;
    for (number, step) in (1..).zip(&plan.steps) {
        let vendor = step.vendor.map(|vendor| format!(" ({vendor})"));
        let vendor = vendor.unwrap_or_default();
        writeln!(out, "\n## {number}. {}{vendor}\n", inline(&step.id))?;
        if step.point_of_no_return {
            writeln!(
                out,
                "**Point of no return: behind this step there is no way back.**\n"
            )?;
        }
        let company = company(plan, step).map(|others| format!(", together with {others}"));
        writeln!(
            out,
            "{} ({}{})",
            inline(&step.title),
            effect_words(step.effect),
            company.unwrap_or_default()
        )?;
        if !step.checks.is_empty() {
            writeln!(out, "\nLook at, before and after:\n")?;
        }
        for check in &step.checks {
            writeln!(out, "- {}", inline(check))?;
        }
        writeln!(out)?;
        if step.commands.is_empty() {
            writeln!(out, "- [ ] nothing is sent")?;
        }
        for (index, command) in step.commands.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            write!(out, "- [ ] ")?;
            item(command, out)?;
        }
        if !step.undo.is_empty() {
            writeln!(out, "\nOnly to undo it, before the point of no return:\n")?;
        }
        for (index, command) in step.undo.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            write!(out, "- ")?;
            item(command, out)?;
        }
    }
    Ok(())
}

/// Writes the time without chat as a section, where there is any.
fn downtime_section(plan: &Plan, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let parts = downtime::parts(plan);
    if parts.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n## Downtime\n\nThe time without chat, {}, is the sum of:\n",
        downtime::what(plan.direction)
    )?;
    writeln!(out, "| step | time | what |\n|---|---|---|")?;
    for (id, part) in &parts {
        writeln!(
            out,
            "| {} | {} | {} |",
            code(id),
            downtime::term(part),
            inline(part.what)
        )?;
    }
    writeln!(out, "\nThat is {}.", downtime::sum(&parts))
}

fn item(command: &Command, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    write!(out, "{}. {}", command.n, target(command))?;
    for rule in conditions(command) {
        write!(out, "; {}", inline(&rule))?;
    }
    writeln!(out, "\n")?;
    write!(out, "{}", fence(language(command), &command.sample, "  "))?;
    if !command.holes.is_empty() {
        writeln!(out)?;
    }
    for hole in &command.holes {
        // The sample's own text, so that a reader finds the place that the rule is about.
        let sample = match &hole.sample {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let name = code(hole.name);
        writeln!(
            out,
            "  - {name}, here {}: {}",
            code(&sample),
            inline(&hole.rule)
        )?;
    }
    Ok(())
}

/// `10 steps, 9 of them change the site`
fn size(plan: &Plan) -> String {
    let changing = plan.steps.iter().filter(|it| it.effect != Effect::ReadOnly);
    let changing = changing.count();
    format!(
        "{}, {changing} of them {} the site",
        count(plan.steps.len(), "step"),
        if changing == 1 { "changes" } else { "change" }
    )
}

/// What a reader must know of the whole: the part that is taken, and what is at risk.
fn remarks(plan: &Plan) -> Vec<String> {
    let from = plan.from.as_ref();
    let from = from
        .map(|id| format!("begins with `{id}`: what comes before it was done by an earlier run"));
    let until = plan.until.as_ref();
    let until =
        until.map(|id| format!("ends behind `{id}`: what comes behind it is for a later run"));
    let risk = plan.risk.map(str::to_owned);
    from.into_iter().chain(until).chain(risk).collect()
}

/// The other steps of its stage.
fn company(plan: &Plan, step: &PlannedStep) -> Option<String> {
    let stage = plan.stages.iter().find(|stage| stage.contains(&step.id))?;
    let others: Vec<&str> = stage
        .iter()
        .filter(|id| **id != step.id)
        .map(String::as_str)
        .collect();
    (!others.is_empty()).then(|| others.join(", "))
}

fn conditions(command: &Command) -> Vec<String> {
    let when = command
        .when
        .as_ref()
        .map(|rule| format!("only when {rule}"));
    let each = command
        .each
        .as_ref()
        .map(|rule| format!("once for each {rule}"));
    when.into_iter().chain(each).collect()
}

fn spelling(hole_type: HoleType) -> &'static str {
    match hole_type {
        HoleType::Integer => "integer",
        HoleType::Text => "text",
        HoleType::Identifier => "identifier",
        HoleType::Name => "name",
        HoleType::Moves => "list of MOVE",
    }
}

#[cfg(test)]
mod tests;
