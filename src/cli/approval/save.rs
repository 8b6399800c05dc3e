//! `--plan-out` saves a plan to be approved.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{on_site, on_stage, runs_it, whole};
use crate::access::Access;
use crate::approval::drift::hold;
use crate::approval::facts::{Is, Rule};
use crate::approval::{Approval, Approved, Chosen};
use crate::cli::Environment;
use crate::cli::error::{output, refused};
use crate::cli::options::{Output, RunOptions};
use crate::cli::rehearse::recipe;
use crate::plan::Plan;
use crate::report::{self, one_line, plain_json};
use crate::run::exit::Exit;
use crate::site::Site;

/// Saves a plan, with what the site is now.
///
/// # Errors
/// That the site cannot be looked at; that the file is there, or cannot be written.
pub(in crate::cli) fn save(
    file: &Path,
    plan: &Plan,
    site: &Site,
    options: &RunOptions,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let chosen = || Chosen {
        runbook_file: options.runbook.as_ref().map(|file| whole(file)),
        service_first: options.part.service_first,
        resume: options.resume.clone(),
    };
    let look = async |access: &Access| Approval::of(plan, site, access, chosen()).await;
    let approval = if options.rehearsal.rehearse {
        on_stage(site, &recipe(plan, &options.rehearsal)?, look)?
    } else {
        on_site(site, environment, look)?
    };
    let approved = Approved::read(approval?.to_json()?)?;
    write_new(file, &approved.bytes).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AlreadyExists => {
                "name another file: one that was approved is never written over"
            }
            _ => "name a file in a folder that you may write",
        };
        let what = format!("no plan was saved to `{}`", file.display());
        refused(&what, &error.to_string(), hint)
    })?;
    let saved = Saved::of(file, &approved, options.config.as_deref());
    match options.output {
        Output::Human => saved.write_human(out),
        Output::Json => saved.write_json(out),
        Output::Markdown => report::plan::markdown(plan, site.pool.fqdn.as_str(), out)
            .and_then(|()| saved.write_markdown(&approved, out)),
    }
    .map_err(output)?;
    Ok(Exit::Done)
}

fn write_new(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut opened = OpenOptions::new().write(true).create_new(true).open(file)?;
    let written = opened.write_all(bytes).and_then(|()| opened.sync_all());
    if written.is_err() {
        // Half of it is no plan, and would be in the way of the next try.
        let _ = fs::remove_file(file);
    }
    written
}

/// What is told of a plan that was saved.
#[derive(Serialize)]
struct Saved {
    version: u32,
    file: PathBuf,
    digest: String,
    plan_digest: String,
    site_digest: String,
    facts: Facts,
    not_seen: Vec<String>,
    #[serde(skip)]
    runs_it: String,
}

/// How many facts have which rule.
#[derive(Serialize)]
struct Facts {
    must_equal: usize,
    may_grow: usize,
    ignore: usize,
}

impl Saved {
    fn of(file: &Path, approved: &Approved, config: Option<&Path>) -> Self {
        let Approval {
            facts,
            plan_digest,
            site_digest,
            ..
        } = &approved.approval;
        let of = |rule: Rule| {
            let all = facts.iter().flat_map(|it| &it.facts);
            all.filter(|it| it.rule == rule).count()
        };
        // Held against itself: what was not seen is all that is told.
        let held = hold(facts, facts);
        Self {
            version: 1,
            file: file.to_owned(),
            digest: approved.digest.clone(),
            plan_digest: plan_digest.clone(),
            site_digest: site_digest.clone(),
            facts: Facts {
                must_equal: of(Rule::MustEqual),
                may_grow: of(Rule::MayGrow),
                ignore: of(Rule::Ignore),
            },
            not_seen: held.told(),
            runs_it: runs_it(&approved.approval, config, file),
        }
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let json = serde_json::to_string(self)?;
        writeln!(out, "{}", plain_json(&json))
    }

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let Facts {
            must_equal,
            may_grow,
            ignore,
        } = &self.facts;
        writeln!(
            out,
            "saved           {}",
            one_line(&self.file.display().to_string())
        )?;
        writeln!(out, "digest          {}", self.digest)?;
        writeln!(out, "plan            {}", self.plan_digest)?;
        writeln!(
            out,
            "facts           {must_equal} must equal, {may_grow} may grow, {ignore} are ignored"
        )?;
        for line in &self.not_seen {
            writeln!(out, "                {}", one_line(line))?;
        }
        writeln!(out, "to run it       {}", self.runs_it)?;
        Ok(())
    }

    fn write_markdown(&self, approved: &Approved, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\n## What the site was\n")?;
        writeln!(
            out,
            "Saved plan `{}`. Each fact must equal when it is run, may grow, or is ignored.\n",
            self.digest
        )?;
        writeln!(out, "```text")?;
        for thing in &approved.approval.facts {
            match thing.is {
                Is::Seen => writeln!(out, "{}", one_line(&thing.of))?,
                Is::Absent => writeln!(out, "{}: not there", one_line(&thing.of))?,
                Is::Unknown => writeln!(out, "{}: not seen", one_line(&thing.of))?,
            }
            for fact in &thing.facts {
                let rule = match fact.rule {
                    Rule::MustEqual => "must equal",
                    Rule::MayGrow => "may grow",
                    Rule::Ignore => "ignored",
                };
                let line = format!("{} = {}", fact.name, fact.value).replace('`', "'");
                writeln!(out, "  {rule:<10}  {}", one_line(&line))?;
            }
        }
        writeln!(out, "```")
    }
}
