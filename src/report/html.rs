//! A run as one HTML page that needs nothing else: for a change board, for a ticket, for the drawer. No
//! script, nothing from outside; it follows the reader's light or dark, and prints.

mod forecast;
mod page;
mod steps;
mod timeline;

use std::io::{self, Write};

use self::page::Page;
use super::account::seen::standing_words;
use super::account::{Account, Consent, StepAccount};
use super::error::place;
use super::figures::Figures;
use super::markdown::of_run;
use super::show::Origin;
use super::terminal::moment;
use crate::model::words::count;
use crate::run::event::{ErrorRecord, Outcome, StepOutcome};
use crate::run::stored::StoredPlan;

const STYLE: &str = include_str!("html/style.css");

/// Writes the page. A plan with another digest than the run's last one is not used: its texts are not
/// what was sent.
///
/// # Errors
/// That `out` takes nothing.
pub fn write_run(
    account: &Account,
    plan: Option<&StoredPlan>,
    origin: &Origin,
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    let plan = of_run(account, plan);
    let mut page = Page::default();
    let title = account.started.as_ref().map_or_else(
        || "A run whose beginning is missing".to_owned(),
        |it| format!("{} of {}", it.runbook, it.pool),
    );
    page.markup("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.markup("<meta name=\"color-scheme\" content=\"light dark\">\n");
    page.markup("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
    page.leaf("title", "", &title);
    page.markup("<style>\n")
        .markup(STYLE)
        .markup("</style>\n</head>\n");
    page.open("body", &[("class", verdict_class(account))])
        .markup("\n<main>\n");
    write_head(account, &title, &mut page);
    write_figures(account, &mut page);
    write_error(account, &mut page);
    timeline::write(account, plan, &mut page);
    forecast::write(account, plan, &mut page);
    write_consents(account, &mut page);
    write_warnings(account, &mut page);
    steps::write(account, plan, &mut page);
    write_end(account, &mut page);
    write_record(account, origin, &mut page);
    page.markup("</main>\n</body>\n</html>\n");
    out.write_all(page.into_text().as_bytes())
}

/// The color of the whole page: how the run ended.
fn verdict_class(account: &Account) -> &'static str {
    match account.finished.as_ref().map(|(_, it)| it.outcome) {
        Some(Outcome::Done) => "done",
        Some(Outcome::Undone) => "undone",
        Some(Outcome::Refused) => "refused",
        Some(Outcome::Stopped) => "stopped",
        None => "open",
    }
}

/// The color of a step: how it ended.
fn class_of(account: &Account, step: &StepAccount) -> &'static str {
    let at_end = account.finished.as_ref();
    let at_end = at_end.and_then(|(_, it)| it.steps.get(&step.line.id).copied());
    match step.ended.as_ref().map(|(outcome, _)| *outcome).or(at_end) {
        Some(StepOutcome::Done) => "done",
        Some(StepOutcome::DoneBefore | StepOutcome::Overtaken) => "moot",
        Some(StepOutcome::Undone) => "undone",
        Some(StepOutcome::Stopped) => "stopped",
        Some(StepOutcome::Unknown) => "unknown",
        Some(StepOutcome::Left) => "left",
        None if step.first_began.is_some() => "unknown",
        Some(StepOutcome::NotReached) | None => "waits",
    }
}

fn write_head(account: &Account, title: &str, page: &mut Page) {
    let kind = if account.is_simulated() {
        "Record of a rehearsal"
    } else {
        "Record of a run"
    };
    page.markup("<header>\n").leaf("p", "kind", kind);
    let mut title = title.to_owned();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    page.leaf("h1", "", &title);
    let sentence = account.sentence().unwrap_or_else(|| {
        "not finished: it is under way, or was killed; no end is recorded".to_owned()
    });
    page.leaf("p", "verdict", &sentence);
    if account.is_simulated() {
        page.leaf(
            "p",
            "quiet",
            "Nothing of the site was touched, and times are the rehearsal's.",
        );
    }
    page.markup("<p class=\"when\">");
    if let Some(began) = account.began {
        page.text(&moment(began));
    }
    if let Some((at, _)) = &account.finished {
        page.text(" – ").text(&moment(*at));
    }
    if let Some(started) = &account.started {
        page.markup("<br>")
            .text(&format!("by {} on {}", started.user, started.host));
        page.markup("<br>run <code>")
            .text(&started.run)
            .markup("</code>");
        if let Some(until) = &started.until {
            page.markup("<br>")
                .text(&format!("this part ends behind {until}"));
        }
        if let Some(before) = &started.continues {
            page.markup("<br>")
                .text(&format!("it continues run {}", before.run));
        }
        if let Some(approved) = &started.approved {
            page.markup("<br>")
                .text(&format!("its plan was approved: {approved}"));
        }
    }
    page.markup("</p>\n").close("header");
}

fn write_figures(account: &Account, page: &mut Page) {
    page.markup("<dl class=\"figures\">\n");
    let mut rows = Figures::of(account).rows(account);
    let done = account.steps.iter().filter(|step| step.is_done()).count();
    rows.push(("steps", format!("{done} of {} done", account.steps.len())));
    let overrides = overrides(account).count();
    let agreed = account.consents.len() - overrides;
    rows.push((
        "agreed to",
        format!(
            "{}, {}",
            count(agreed, "consent"),
            count(overrides, "override")
        ),
    ));
    for (label, text) in rows {
        // What follows the first pause explains the figure.
        let (figure, more) = match [", ", ": "].iter().find_map(|mark| text.split_once(mark)) {
            Some((figure, more)) if figure.len() < 30 => (figure, more),
            _ => (text.as_str(), ""),
        };
        page.markup("<div>")
            .leaf("dt", "", label)
            .markup("<dd>")
            .text(figure);
        if !more.is_empty() {
            page.markup("<small>").text(more).markup("</small>");
        }
        page.markup("</dd></div>\n");
    }
    page.close("dl");
}

/// What went wrong, in the last execution that has an error, and how it goes on.
fn write_error(account: &Account, page: &mut Page) {
    let Some((_, finished)) = &account.finished else {
        return;
    };
    if let Some(error) = &finished.error {
        page.markup("<section class=\"wrong\">\n<h2>What went wrong</h2>\n");
        error_parts(error, page);
        if let Some(resume) = &finished.resume {
            page.markup("<p>To go on:</p>\n").leaf("pre", "", resume);
        }
        page.close("section");
    }
}

fn error_parts(error: &ErrorRecord, page: &mut Page) {
    let what = format!("{}{}", error.what, place(error));
    page.leaf("p", "what", &what).markup("<dl class=\"parts\">");
    for (label, text) in [("why", &error.why), ("what to do", &error.hint)] {
        if !text.trim().is_empty() {
            page.leaf("dt", "", label).leaf("dd", "", text);
        }
    }
    if !error.evidence.is_empty() {
        page.leaf("dt", "", "seen")
            .leaf("dd", "lines", &error.evidence.join("\n"));
    }
    page.close("dl");
}

fn overrides(account: &Account) -> impl Iterator<Item = &Consent> {
    let consents = account.consents.iter();
    consents.filter(|it| is_override(it))
}

fn is_override(consent: &Consent) -> bool {
    consent.by.starts_with("--override")
}

fn write_consents(account: &Account, page: &mut Page) {
    page.markup("<section>\n<h2>Agreed to</h2>\n");
    if account.consents.is_empty() {
        page.leaf(
            "p",
            "quiet",
            "Nothing that needs consent was asked, and no interlock was overridden.",
        );
    } else {
        page.markup("<ul class=\"log\">\n");
        for it in &account.consents {
            let kind = if is_override(it) {
                "override"
            } else {
                "consent"
            };
            entry(
                &moment(it.at),
                kind,
                &it.step,
                &it.what,
                &format!("how: {}", it.by),
                page,
            );
        }
        page.close("ul");
    }
    page.close("section");
}

fn write_warnings(account: &Account, page: &mut Page) {
    page.markup("<section>\n<h2>Warnings</h2>\n");
    if account.warnings.is_empty() {
        page.leaf(
            "p",
            "quiet",
            "None: nothing spoke against a step, and no cmdlet warned.",
        );
    } else {
        page.markup("<ul class=\"log\">\n");
        for it in &account.warnings {
            entry(&moment(it.at), it.kind, &it.step, &it.what, &it.hint, page);
        }
        page.close("ul");
    }
    page.close("section");
}

fn entry(when: &str, kind: &str, step: &str, what: &str, more: &str, page: &mut Page) {
    page.open("li", &[("class", kind)])
        .markup("<p class=\"where\">");
    page.leaf("span", "chip", kind)
        .leaf("span", "", step)
        .leaf("time", "", when);
    page.markup("</p>\n").leaf("p", "said", what);
    if !more.is_empty() {
        page.leaf("p", "more", more);
    }
    page.close("li");
}

/// Where the site stood when each step last looked.
fn write_end(account: &Account, page: &mut Page) {
    page.markup("<section>\n<h2>End state</h2>\n<p>Where the site stood when each step last looked.</p>\n<dl class=\"end\">\n");
    for step in &account.steps {
        let look = step.after.as_ref().or(step.before.as_ref());
        let words = look.map_or_else(
            || "not looked at".to_owned(),
            |look| format!("{} ({})", standing_words(&look.standing), moment(look.at)),
        );
        page.leaf("dt", "", &step.line.id).leaf("dd", "", &words);
    }
    page.close("dl").close("section");
}

fn write_record(account: &Account, origin: &Origin, page: &mut Page) {
    page.markup("<section class=\"record\">\n<h2>The record</h2>\n<dl class=\"parts\">\n");
    let mut rows = vec![
        ("record", origin.path.clone()),
        (
            "chain",
            format!(
                "{}, each vouches for the one before",
                count(origin.records, "record")
            ),
        ),
    ];
    if let Some(started) = &account.started {
        rows.push(("site", started.site_digest.clone()));
        rows.push(("format", started.format.to_string()));
    }
    rows.extend(account.plan_digest().map(|digest| ("plan", digest.clone())));
    rows.extend(
        account
            .changes
            .iter()
            .map(|(from, _)| ("plan before", from.clone())),
    );
    for (index, it) in account.executions.iter().enumerate() {
        let label = if index == 0 { "begun" } else { "resumed" };
        let tool = it
            .tool
            .as_ref()
            .map(|tool| format!(", {tool}"))
            .unwrap_or_default();
        let end = match &it.finished {
            Some(finished) => format!("ended {}, status {}", moment(it.last), finished.exit),
            None => format!("no end is recorded; last heard of {}", moment(it.last)),
        };
        let by = format!(
            "{} by {} on {}{tool}; {end}",
            moment(it.began),
            it.user,
            it.host
        );
        rows.push((label, by));
    }
    for (label, text) in rows {
        page.leaf("dt", "", label).leaf("dd", "", &text);
    }
    page.close("dl");
    page.leaf(
        "p",
        "quiet",
        "This page was made from the record alone; the site was not looked at for it. What the record does not say is called not known.",
    );
    page.close("section");
}

#[cfg(test)]
mod tests;
