//! The picture of a run: a line a step, when it acted and how long it was said to take. Drawn as SVG, one
//! small picture a line, so that names stay text and the lines fit any width.

use jiff::Timestamp;

use super::page::Page;
use super::{class_of, forecast};
use crate::report::account::{Account, StepAccount};
use crate::report::duration::humanize;
use crate::report::figures::Figures;
use crate::report::markdown::step_end;
use crate::report::terminal::moment;
use crate::run::stored::StoredPlan;

/// Width of the picture in its own units.
const WIDTH: f64 = 1000.0;

/// So far apart, at least, are names of moments.
const APART: f64 = 190.0;

/// No moment behind it is named.
const LAST_NAMED: f64 = 880.0;

/// A pause between executions is drawn as that part of the picture at most.
const PAUSE: f64 = 0.06;

/// Time as it is drawn: the executions one behind the other, pauses between them cut short.
struct Axis {
    /// Of each execution: from, to, where it begins in seconds that are drawn.
    parts: Vec<(Timestamp, Timestamp, f64)>,
    /// Seconds that are drawn.
    total: f64,
    /// True where a pause is cut short.
    is_cut: bool,
}

impl Axis {
    fn of(account: &Account) -> Self {
        let executions = &account.executions;
        let lasting: f64 = executions.iter().map(|it| seconds(it.began, it.last)).sum();
        let longest = (lasting * PAUSE).max(0.001);
        let mut axis = Self {
            parts: Vec::new(),
            total: 0.0,
            is_cut: false,
        };
        for it in executions {
            if let Some((_, before, _)) = axis.parts.last() {
                let pause = seconds(*before, it.began);
                axis.is_cut |= pause > longest;
                axis.total += pause.min(longest);
            }
            axis.parts.push((it.began, it.last, axis.total));
            axis.total += seconds(it.began, it.last);
        }
        axis.total = axis.total.max(0.001);
        axis
    }

    /// Where a moment is drawn.
    fn x(&self, at: Timestamp) -> f64 {
        let part = self.parts.iter().rev().find(|(from, ..)| *from <= at);
        let part = part.or(self.parts.first());
        let drawn = part.map_or(0.0, |(from, to, offset)| {
            offset + seconds(*from, at.min(*to))
        });
        (drawn / self.total * WIDTH).clamp(0.0, WIDTH)
    }

    /// The last moment of the execution in which that one lies.
    fn end_of(&self, at: Timestamp) -> Timestamp {
        let part = self.parts.iter().rev().find(|(from, ..)| *from <= at);
        part.map_or(at, |(_, to, _)| *to)
    }

    /// Moments that are marked, as a part of the width, each with its words.
    fn ticks(&self) -> Vec<(f64, String)> {
        if self.parts.len() > 1 {
            let parts = self.parts.iter();
            return parts
                .map(|(from, _, offset)| {
                    let time = from.strftime("%m-%d %H:%M").to_string();
                    (offset / self.total * WIDTH, time)
                })
                .collect();
        }
        let step = STEPS
            .into_iter()
            .find(|step| self.total / f64::from(*step) <= 5.0);
        let step = step.unwrap_or(STEPS[STEPS.len() - 1]);
        let marks = (0..=5).map(|n| n * step);
        marks
            .filter(|mark| f64::from(*mark) <= self.total)
            .map(|mark| {
                let words = match mark {
                    0 => "start".to_owned(),
                    1..60 => format!("{mark} s"),
                    60..3600 if mark % 60 == 0 => format!("{} min", mark / 60),
                    60..3600 => format!("{} min {:02} s", mark / 60, mark % 60),
                    3600.. => format!("{} h {:02}", mark / 3600, mark % 3600 / 60),
                };
                (f64::from(mark) / self.total * WIDTH, words)
            })
            .collect()
    }
}

/// Seconds between two marks, the smallest that leave at most five of them.
const STEPS: [u32; 20] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
    259_200, 864_000,
];

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// Draws the run.
pub(super) fn write(account: &Account, plan: Option<&StoredPlan>, page: &mut Page) {
    let axis = Axis::of(account);
    let ticks = axis.ticks();
    let served = served_at(account);
    page.markup("<section class=\"timeline\">\n<h2>Timeline</h2>\n<div class=\"row axis\"><div class=\"name\"></div><div class=\"marks\">");
    let mut free = 0.0;
    for (x, words) in &ticks {
        // One that would run into another, or over the edge, is drawn and not named.
        if *x < free || *x > LAST_NAMED {
            continue;
        }
        free = x + APART;
        let place = format!("left:{:.2}%", x / 10.0);
        page.open("span", &[("style", &place)])
            .text(words)
            .markup("</span>");
    }
    page.markup("</div><div class=\"took\"></div></div>\n");
    for (number, step) in (1..).zip(&account.steps) {
        row(number, step, account, plan, &axis, (&ticks, served), page);
    }
    legend(account, plan, &axis, served, page);
    page.close("section");
}

fn row(
    number: usize,
    step: &StepAccount,
    account: &Account,
    plan: Option<&StoredPlan>,
    axis: &Axis,
    (ticks, served): (&[(f64, String)], Option<Timestamp>),
    page: &mut Page,
) {
    let (outcome, _) = step_end(account, step);
    let class = class_of(account, step);
    let took = step.took.map(humanize).unwrap_or_default();
    let planned = plan.and_then(|plan| plan.step(&step.line.id));
    let forecast = planned.and_then(|it| it.downtime.as_ref());
    let words = if outcome.is_empty() {
        "not reached"
    } else {
        outcome
    };
    page.markup("<div class=\"row\"><div class=\"name\">");
    page.open("a", &[("href", &format!("#step-{number}"))]);
    page.text(&step.line.id).markup("</a>");
    if let Some(vendor) = &step.line.vendor {
        page.markup(" <span class=\"vendor\">")
            .text(vendor)
            .markup("</span>");
    }
    page.markup("</div>");
    let label = format!("{}: {words} {took}", step.line.id);
    page.open(
        "svg",
        &[
            ("class", class),
            ("viewBox", "0 0 1000 20"),
            ("preserveAspectRatio", "none"),
            ("role", "img"),
            ("aria-label", label.trim_end()),
        ],
    );
    for (x, _) in ticks {
        line("tick", *x, page);
    }
    if let Some(at) = served {
        line("served", axis.x(at), page);
    }
    let first = step.spans.first();
    if let (Some(span), Some(seconds)) = (first, forecast.and_then(|it| it.wait_seconds)) {
        let from = axis.x(span.from);
        // Limits of a wait are whole seconds, far below where a float cannot count.
        #[allow(clippy::cast_precision_loss)]
        let width = seconds as f64 / axis.total * WIDTH;
        rect("forecast", from, width.min(WIDTH - from), page);
    }
    for span in &step.spans {
        let to = span.to.unwrap_or_else(|| axis.end_of(span.from));
        let (from, to) = (axis.x(span.from), axis.x(to));
        let class = match (span.to, span.undoes) {
            (_, true) => "undoing",
            (None, false) => "open",
            (Some(_), false) => "act",
        };
        // What took no time is still there.
        rect(class, from.min(WIDTH - 3.0), (to - from).max(3.0), page);
    }
    if step.spans.is_empty()
        && let Some(at) = step.ended_at
    {
        rect("moot", axis.x(at).min(WIDTH - 5.0), 5.0, page);
    }
    page.markup("</svg>");
    page.markup("<div class=\"took\">");
    page.text(if took.is_empty() { words } else { &took });
    if let Some(part) = forecast {
        let term = forecast::term(part);
        page.markup("<span class=\"said\">forecast ")
            .text(&term)
            .markup("</span>");
    }
    page.markup("</div></div>\n");
}

fn line(class: &'static str, x: f64, page: &mut Page) {
    let x = format!("{x:.1}");
    let ends = [
        ("class", class),
        ("x1", &x),
        ("x2", &x),
        ("y1", "0"),
        ("y2", "20"),
    ];
    page.open("line", &ends).markup("</line>");
}

fn rect(class: &'static str, x: f64, width: f64, page: &mut Page) {
    let (x, width) = (format!("{x:.1}"), format!("{width:.1}"));
    let (y, height) = if class == "forecast" {
        ("2", "16")
    } else {
        ("5", "10")
    };
    page.open(
        "rect",
        &[
            ("class", class),
            ("x", &x),
            ("y", y),
            ("width", &width),
            ("height", height),
        ],
    )
    .markup("</rect>");
}

fn served_at(account: &Account) -> Option<Timestamp> {
    Figures::of(account).service_seconds?;
    account.step("set-active-servers")?.1.ended_at
}

fn legend(
    account: &Account,
    plan: Option<&StoredPlan>,
    axis: &Axis,
    served: Option<Timestamp>,
    page: &mut Page,
) {
    page.markup("<p class=\"legend\"><span class=\"key act\"></span>acted");
    if account
        .steps
        .iter()
        .any(|step| step.spans.is_empty() && step.ended_at.is_some())
    {
        page.markup(" <span class=\"key moot\"></span>had nothing to do");
    }
    let spans = || account.steps.iter().flat_map(|step| &step.spans);
    if spans().any(|span| span.undoes) {
        page.markup(" <span class=\"key undoing\"></span>was undone");
    }
    if spans().any(|span| span.to.is_none()) {
        page.markup(" <span class=\"key open\"></span>began, and no end is recorded");
    }
    if let Some(at) = served {
        page.markup(" <span class=\"key served\"></span>users served, ")
            .text(&moment(at));
    }
    if forecast::has_any(plan) {
        page.markup(
            " <span class=\"key forecast\"></span>forecast: the longest that may be waited",
        );
    } else {
        page.markup(" · forecast: ").text(forecast::missing(plan));
    }
    if axis.is_cut {
        page.markup(" · pauses between executions are cut short");
    }
    page.markup("</p>\n");
}
