//! `pchadr plan verify`: whether a saved plan still stands.

use std::io::Write;

use serde::Serialize;

use super::{on_site, plan_of, read, runs_it, ways};
use crate::access::Access;
use crate::approval::drift::{Held, hold};
use crate::approval::facts::observe;
use crate::approval::{Approval, Approved};
use crate::cli::Environment;
use crate::cli::error::output;
use crate::cli::options::{LogsOutput, VerifyPlanOptions};
use crate::model::Remedy;
use crate::report::{many_lines, plain_json};
use crate::run::exit::Exit;
use crate::runbook::Direction;
use crate::site::Site;

/// `pchadr plan verify`.
///
/// # Errors
/// Those of the site file and of the plan; that `out` takes nothing.
pub fn verify(
    options: &VerifyPlanOptions,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let site = Site::load(&environment.site_file(options.config.as_deref())?)?;
    let approved = read(&options.file)?;
    let approval = &approved.approval;
    let direction = Direction::find(&approval.runbook).unwrap_or(Direction::Failover);
    let plan = plan_of(&approved, direction, &site)?;
    let mut held = Held {
        drift: approval.differs(&plan, &site, false),
        unseen: Vec::new(),
    };
    if options.live {
        let now = on_site(&site, environment, async |access: &Access| {
            observe(&site, access).await
        })?;
        let seen = hold(&approval.facts, &now);
        held.drift.extend(seen.drift);
        held.unseen = seen.unseen;
    }
    let told = Verified::of(&approved, &held, options.live);
    let told = match options.form.output {
        LogsOutput::Json => plain_json(&(serde_json::to_string(&told)? + "\n")),
        LogsOutput::Human => many_lines(&told.human(options)),
    };
    out.write_all(told.as_bytes()).map_err(output)?;
    Ok(if held.drift.is_empty() {
        Exit::Done
    } else {
        Exit::Blocked
    })
}

/// What is told of a saved plan.
#[derive(Serialize)]
struct Verified<'a> {
    version: u32,
    runbook: &'a str,
    made: String,
    digest: &'a str,
    plan_digest: &'a str,
    stands: bool,
    live: bool,
    drift: Vec<String>,
    not_seen: Vec<String>,
    #[serde(skip)]
    approval: &'a Approval,
    #[serde(skip)]
    ways: Vec<Remedy>,
}

impl<'a> Verified<'a> {
    fn of(approved: &'a Approved, held: &Held, live: bool) -> Self {
        let approval = &approved.approval;
        Self {
            version: 1,
            runbook: &approval.runbook,
            made: approval.made.to_string(),
            digest: &approved.digest,
            plan_digest: &approval.plan_digest,
            stands: held.drift.is_empty(),
            live,
            drift: held.drift.iter().map(ToString::to_string).collect(),
            not_seen: held.told(),
            approval,
            ways: ways(approval, false),
        }
    }

    fn human(&self, options: &VerifyPlanOptions) -> String {
        use std::fmt::Write as _;

        let mut text = String::new();
        // Into a text nothing fails.
        let _ = writeln!(
            text,
            "saved           {} of a {}, at {}",
            self.plan_digest, self.runbook, self.made
        );
        let _ = writeln!(text, "digest          {}", self.digest);
        let against = match (self.live, self.stands) {
            (true, true) => "it stands: program, site file, plan and site are those of then",
            (false, true) => {
                "it stands: program, site file and plan are those of then; the site was not looked at (--live)"
            }
            (_, false) => "it does not stand any more",
        };
        let _ = writeln!(text, "verified        {against}");
        for (index, line) in self.drift.iter().enumerate() {
            let label = if index == 0 { "differs" } else { "" };
            let _ = writeln!(text, "{label:15} {line}");
        }
        for (index, line) in self.not_seen.iter().enumerate() {
            let label = if index == 0 { "not compared" } else { "" };
            let _ = writeln!(text, "{label:15} {line}");
        }
        if self.stands {
            let run = runs_it(self.approval, options.config.as_deref(), &options.file);
            let _ = writeln!(text, "to run it       {run}");
        } else if let Some(Remedy::Command(command)) = self.ways.get(1) {
            let _ = writeln!(text, "a new one       {command}");
        }
        text
    }
}
