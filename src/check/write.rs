//! What is shown of a check.

use std::io::{self, Write};

use jiff::SignedDuration;

use super::item::{For, Item, State};
use super::{Check, Verdict};
use crate::model::commands::spelled;

impl Check {
    /// One line of JSON.
    ///
    /// # Errors
    /// That `out` takes nothing.
    pub fn write_json(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }

    /// A line a check, what mends it under it, and what follows from it; then the verdicts. `quiet`
    /// leaves out what is well.
    ///
    /// # Errors
    /// That `out` takes nothing.
    pub fn write_human(&self, quiet: bool, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        for (at, item) in self.checks.iter().enumerate() {
            if item.cause.is_some() || (quiet && item.is_well()) {
                continue;
            }
            write_item(item, out)?;
            let follows = self.checks.iter().filter(|it| it.cause == Some(at));
            let mut follows: Vec<String> = follows
                .map(|it| format!("{} {}", it.step.unwrap_or(&it.id), it.state.words()))
                .collect();
            follows.dedup();
            if !follows.is_empty() {
                writeln!(out, "{:12}and so      {}", "", follows.join(", "))?;
            }
            // What goes on all the same stands with what only follows.
            let mut ways: Vec<&str> = Vec::new();
            for remedy in self.checks.iter().filter(|it| it.cause == Some(at)) {
                ways.extend(remedy.remedies.iter().map(|it| it.text.as_str()));
            }
            ways.retain(|it| it.contains("--override") || it.contains("--until"));
            ways.sort_unstable();
            ways.dedup();
            for way in ways {
                writeln!(out, "{:24}{}", "", spelled(way))?;
            }
        }
        writeln!(out)?;
        let planned = self.verdicts.planned;
        let only_told = match self.verdicts.forced {
            Some(_) if planned.is_ready() => ", though this version runs none",
            Some(_) | None => "",
        };
        writeln!(out, "planned     {}{only_told}", self.told(planned, None))?;
        if let Some(forced) = self.verdicts.forced {
            writeln!(out, "forced      {}", self.told(forced, self.loss_seconds))?;
        }
        Ok(())
    }

    fn told(&self, verdict: Verdict, loss_seconds: Option<i64>) -> String {
        let words = verdict.words();
        match (verdict, loss_seconds) {
            (Verdict::Ready, _) if self.nothing_to_do => format!("{words}: there is nothing to do"),
            (Verdict::ReadyWithLoss, Some(seconds)) => {
                let lost = SignedDuration::from_secs(seconds);
                format!("{words}: at most {lost:#} of chat, were the first data center lost now")
            }
            (Verdict::Ready | Verdict::ReadyWithLoss | Verdict::NotReady | Verdict::Unknown, _) => {
                words.to_owned()
            }
        }
    }
}

fn write_item(item: &Item, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let name = match item.step {
        Some(step) if step != item.id => format!("{step}, {}", item.id),
        Some(_) | None => item.id.clone(),
    };
    let state = item.state.words();
    let only = match item.counts_for.as_slice() {
        [For::Planned] if !item.is_well() => " (for a planned switch)",
        [For::Forced] if !item.is_well() => " (for a forced one)",
        _ => "",
    };
    writeln!(out, "{state:11} {name}{only}: {}", spelled(&item.why))?;
    if !item.is_well() {
        let mut label = "what to do";
        for remedy in &item.remedies {
            writeln!(out, "{:12}{label:12}{}", "", spelled(&remedy.text))?;
            label = "";
        }
    }
    Ok(())
}

impl State {
    fn words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Interlock => "interlock",
            Self::Blocked => "blocked",
            Self::Unknown => "unknown",
            Self::Untried => "untried",
        }
    }
}
