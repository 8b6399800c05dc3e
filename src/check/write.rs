//! What is shown of a check.

use std::io::{self, Write};

use super::Check;
use super::item::{Item, State};
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
            for it in follows {
                let name = it.step.unwrap_or(&it.id);
                let (indent, state) = ("", it.state.words());
                writeln!(out, "{indent:12}and so    {name}: {state}")?;
            }
        }
        writeln!(out)?;
        writeln!(out, "planned     {}", self.verdicts.planned.words())?;
        if let Some(forced) = self.verdicts.forced {
            write!(out, "forced      {}", forced.words())?;
            if let Some(seconds) = self.loss_seconds {
                let lost = jiff::SignedDuration::from_secs(seconds);
                write!(
                    out,
                    ": {lost:#} of chat, were the first data center lost now"
                )?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

fn write_item(item: &Item, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let name = match item.step {
        Some(step) if step != item.id => format!("{step}, {}", item.id),
        Some(_) | None => item.id.clone(),
    };
    let state = item.state.words();
    writeln!(out, "{state:11} {name}: {}", spelled(&item.why))?;
    if !item.is_well() {
        let label = "what to do";
        for remedy in &item.remedies {
            let text = spelled(&remedy.text).into_owned();
            writeln!(out, "{:12}{label:10}{text}", "")?;
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
