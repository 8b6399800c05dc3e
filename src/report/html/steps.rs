//! The steps of a run, each with what was seen before and after it, and what was sent.

use super::class_of;
use super::page::Page;
use crate::model::words::count;
use crate::report::account::seen::{changes, leaves, standing_words};
use crate::report::account::{Account, Look, Sent, StepAccount};
use crate::report::duration::humanize;
use crate::report::effect_words;
use crate::report::markdown::{SHELL, spelled, step_end};
use crate::report::terminal::moment;
use crate::run::stored::{Spelled, StoredPlan, Target};

/// Changed facts that are spelled out; the journal has them all.
const CHANGES: usize = 24;

/// Characters of a fact that are shown.
const FACT: usize = 400;

/// Writes every step.
pub(super) fn write(account: &Account, plan: Option<&StoredPlan>, page: &mut Page) {
    page.markup("<section class=\"steps\">\n<h2>Steps</h2>\n");
    for (number, step) in (1..).zip(&account.steps) {
        one(number, step, account, plan, page);
    }
    page.close("section");
}

fn one(
    number: usize,
    step: &StepAccount,
    account: &Account,
    plan: Option<&StoredPlan>,
    page: &mut Page,
) {
    let class = format!("step {}", class_of(account, step));
    page.open(
        "article",
        &[("class", &class), ("id", &format!("step-{number}"))],
    );
    let (outcome, note) = step_end(account, step);
    let outcome = if outcome.is_empty() {
        "not reached"
    } else {
        outcome
    };
    page.markup("\n<header><span class=\"number\">")
        .text(&number.to_string());
    page.markup("</span>")
        .markup("<h3>")
        .text(&step.line.id)
        .markup("</h3>");
    page.leaf("span", "outcome", outcome);
    page.markup("</header>\n")
        .leaf("p", "title", &step.line.title);
    let mut about = vec![effect_words(step.line.effect.into()).to_owned()];
    about.extend(step.line.vendor.clone());
    let planned = plan.and_then(|plan| plan.step(&step.line.id));
    if planned.is_some_and(|it| it.point_of_no_return) {
        about.push("point of no return".to_owned());
    }
    about.extend(step.first_began.map(|at| format!("began {}", moment(at))));
    about.extend(step.took.map(|took| format!("took {}", humanize(took))));
    page.leaf("p", "about", &about.join(" · "));
    if !note.is_empty() {
        page.leaf("p", "note", note);
    }
    looks(step, page);
    if !step.sent.is_empty() {
        page.markup("<h4>Sent</h4>\n");
        for it in &step.sent {
            sent(it, step, plan, page);
        }
    }
    page.close("article");
}

fn looks(step: &StepAccount, page: &mut Page) {
    if step.before.is_none() && step.after.is_none() {
        return;
    }
    page.markup("<dl class=\"looks\">");
    for (label, look) in [("before", &step.before), ("after", &step.after)] {
        if let Some(look) = look {
            page.leaf("dt", "", label).markup("<dd>");
            page.text(&standing_words(&look.standing));
            page.markup(" ")
                .leaf("time", "", &moment(look.at))
                .markup("</dd>\n");
        }
    }
    page.close("dl");
    if let (Some(before), Some(after)) = (&step.before, &step.after) {
        let changed = changes(&before.facts, &after.facts);
        if !changed.is_empty() {
            page.markup("<h4>Changed</h4>\n<dl class=\"changes\">\n");
            for (path, was, is) in changed.iter().take(CHANGES) {
                let side = |it: &Option<String>| short(it.as_deref().unwrap_or("not there"));
                page.leaf("dt", "", path);
                page.markup("<dd><del>")
                    .text(&side(was))
                    .markup("</del> <ins>");
                page.text(&side(is)).markup("</ins></dd>\n");
            }
            page.close("dl");
            let more = changed.len().saturating_sub(CHANGES);
            if more > 0 {
                let more = format!("and {} more, which the journal names", count(more, "fact"));
                page.leaf("p", "quiet", &more);
            }
        }
    }
    for (label, look) in [("before", &step.before), ("after", &step.after)] {
        if let Some(look) = look {
            facts(label, look, page);
        }
    }
}

/// Every fact of a look, folded away.
fn facts(label: &str, look: &Look, page: &mut Page) {
    let leaves = leaves(&look.facts);
    if leaves.is_empty() {
        return;
    }
    let all = format!("Everything seen {label}: {}", count(leaves.len(), "fact"));
    page.markup("<details>")
        .leaf("summary", "", &all)
        .markup("<dl class=\"facts\">\n");
    for (path, text) in &leaves {
        page.leaf("dt", "", path).leaf("dd", "", &short(text));
    }
    page.close("dl").close("details");
}

/// The beginning of a long text.
fn short(text: &str) -> String {
    match text.char_indices().nth(FACT) {
        Some((end, _)) => format!("{}… (the journal has it whole)", &text[..end]),
        None => text.to_owned(),
    }
}

fn sent(sent: &Sent, step: &StepAccount, plan: Option<&StoredPlan>, page: &mut Page) {
    let (spelled, more) = spelled(sent, step, plan);
    let (target, texts) = match spelled {
        Ok(Spelled { target, texts }) => {
            let words = match target {
                Target::Tsql { instance, server } => format!("T-SQL on the {instance}, {server}"),
                Target::Powershell => SHELL.to_owned(),
                Target::Copy => "file copy".to_owned(),
            };
            (words, texts)
        }
        Err(values) => (
            "values; the plan of this run is not at hand".to_owned(),
            values,
        ),
    };
    let head = format!("{} · command {} · {target}", moment(sent.at), sent.n);
    page.leaf("p", "target", &head)
        .leaf("pre", "", &texts.join("\n"));
    if more > 0 {
        let more = format!("and {more} more, which the journal names");
        page.leaf("p", "quiet", &more);
    }
}
