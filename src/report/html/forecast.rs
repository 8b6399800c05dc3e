//! What the plan said about the time without chat, beside what was measured.

use std::time::Duration;

use super::page::Page;
use crate::report::account::Account;
use crate::report::downtime;
use crate::report::duration::humanize;
use crate::run::stored::{StoredDowntime, StoredPlan};

/// `2 × size / throughput`, `2 min 00 s allowed`, or `seconds`.
pub(super) fn term(part: &StoredDowntime) -> String {
    downtime::term_of(part.moves, part.wait_seconds)
}

/// Whether the plan says anything.
pub(super) fn has_any(plan: Option<&StoredPlan>) -> bool {
    plan.is_some_and(|plan| plan.steps.iter().any(|step| step.downtime.is_some()))
}

/// Why there is none.
pub(super) fn missing(plan: Option<&StoredPlan>) -> &'static str {
    match plan {
        Some(_) => "none, the plan has no downtime to foresee",
        None => "not known, the plan of this run is not at hand",
    }
}

/// Writes forecast and measure side by side; nothing where the plan has no downtime.
pub(super) fn write(account: &Account, plan: Option<&StoredPlan>, page: &mut Page) {
    let Some(plan) = plan.filter(|plan| has_any(Some(plan))) else {
        return;
    };
    let measured = downtime::measured(account);
    page.markup("<section>\n<h2>Downtime</h2>\n<p>")
        .text("The time ");
    page.text(downtime::what_of(account))
        .markup(": what the plan said, and what it was.</p>\n");
    page.markup("<table class=\"numbers\"><thead><tr><th>step</th><th>forecast</th><th>actual</th></tr></thead><tbody>\n");
    for step in &plan.steps {
        let parts = measured.as_deref().unwrap_or_default();
        let actual = parts
            .iter()
            .find(|(id, _)| *id == step.id)
            .map(|(_, time)| *time);
        if step.downtime.is_none() && actual.is_none() {
            continue;
        }
        let forecast = step.downtime.as_ref().map_or_else(|| "–".to_owned(), term);
        row(&step.id, &forecast, actual, page);
    }
    let parts = plan.steps.iter().filter_map(|step| step.downtime.as_ref());
    let parts: Vec<(u32, Option<u64>)> = parts.map(|it| (it.moves, it.wait_seconds)).collect();
    page.markup("</tbody></table>\n<p class=\"sum\">");
    if let Some(measured) = &measured {
        let whole = humanize(downtime::whole(measured));
        page.text(&format!("It was {whole}. "));
    }
    page.text(&format!("The plan said: {}.", downtime::sum_of(&parts)));
    page.markup("</p>\n");
    if measured.is_none() {
        page.markup("<p class=\"quiet\">The downtime was not measured: the run did not bring chat back.</p>\n");
    }
    page.close("section");
}

fn row(id: &str, forecast: &str, actual: Option<Duration>, page: &mut Page) {
    page.markup("<tr><td>")
        .text(id)
        .markup("</td><td>")
        .text(forecast);
    let actual = actual.map_or_else(|| "not known".to_owned(), humanize);
    page.markup("</td><td>")
        .text(&actual)
        .markup("</td></tr>\n");
}
