//! `pchadr runs show`, `pchadr runs report`: the account of one run, from its record alone.

use std::io::Write;
use std::path::Path;

use super::Environment;
use super::error::{Failure, output, refused};
use super::options::{LogsOutput, ReportOutput};
use super::runs::{archive, config_option, may_be_of, refuse_lost, same_site, tell_unreadable};
use crate::model::commands::quoted;
use crate::report::account::Account;
use crate::report::plain_json;
use crate::report::show::{self, Origin};
use crate::report::{html, many_lines, markdown};
use crate::run::archive::{Archive, ArchiveError, CopyIs, Found};
use crate::run::exit::Exit;
use crate::run::stored::StoredPlan;
use crate::site::Site;

/// A run whose record was read.
pub(super) struct KeptRun {
    found: Found,
    account: Account,
    origin: Origin,
}

impl KeptRun {
    /// The run that is named, else the last one of the site.
    ///
    /// # Errors
    /// Those of the site file; that there is no such run, or that its record does not tell.
    pub(super) fn find(
        run: Option<&str>,
        config: Option<&Path>,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        let site = Site::load(&environment.site_file(config)?)?;
        let archive = archive(&site, environment)?;
        let run = match run {
            Some(run) => run.to_owned(),
            None => last(&site, &archive, config)?,
        };
        let (found, records) = archive.read(&run).map_err(|error| match error {
            ArchiveError::Lost(lost) => refuse_lost(&lost, config),
            other @ (ArchiveError::NoRun { .. } | ArchiveError::Folder { .. }) => other.into(),
        })?;
        let is_there = |is: &CopyIs| matches!(is, CopyIs::Sound { .. });
        let copy = found.copies.iter().find(|copy| is_there(&copy.is));
        let path = copy.unwrap_or(&found.copies[0]).path.parent();
        let origin = Origin {
            path: path.unwrap_or(Path::new("")).display().to_string(),
            records: records.len(),
        };
        Ok(Self {
            account: Account::of(&records),
            found,
            origin,
        })
    }

    /// Shows it.
    ///
    /// # Errors
    /// That `out` takes nothing.
    pub(super) fn show(
        &self,
        form: LogsOutput,
        config: Option<&Path>,
        out: &mut dyn Write,
    ) -> anyhow::Result<Exit> {
        let mut bytes = Vec::new();
        match form {
            LogsOutput::Human => {
                let (config, run) = (config_option(config), quoted(&self.found.run));
                let report = format!("pchadr runs report{config} {run} --output html");
                show::human(&self.account, &self.origin, &report, &mut bytes)?;
            }
            LogsOutput::Json => show::json(&self.account, self.plan(), &self.origin, &mut bytes)?,
        }
        let text = String::from_utf8_lossy(&bytes);
        let plain = match form {
            LogsOutput::Human => many_lines(&text),
            LogsOutput::Json => plain_json(&text),
        };
        out.write_all(plain.as_bytes()).map_err(output)?;
        Ok(Exit::Done)
    }

    /// Prints its report.
    ///
    /// # Errors
    /// That `out` takes nothing.
    pub(super) fn report(&self, form: ReportOutput, out: &mut dyn Write) -> anyhow::Result<Exit> {
        let written = match form {
            ReportOutput::Html => html::write_run(&self.account, self.plan(), &self.origin, out),
            ReportOutput::Markdown => markdown::write_run(&self.account, self.plan(), out),
        };
        written.map_err(output)?;
        Ok(Exit::Done)
    }

    /// The plan of the run, of the copy that has the one that it ended with.
    fn plan(&self) -> Option<&StoredPlan> {
        let digest = self.account.plan_digest()?;
        let mut plans = self.found.plan.read.iter();
        plans.find(|plan| plan.digest() == digest)
    }
}

/// The last run of the site.
fn last(site: &Site, archive: &Archive, config: Option<&Path>) -> Result<String, Failure> {
    let runs = archive.runs();
    tell_unreadable(&runs.unreadable);
    let read = runs.read.into_iter().filter(|found| same_site(site, found));
    let newest = read.map(|found| found.run).max();
    let lost = runs.lost.into_iter().filter(|lost| may_be_of(site, lost));
    let lost = lost.max_by(|a, b| a.run.cmp(&b.run));
    match (newest, lost) {
        (Some(newest), Some(lost)) if lost.run > newest => Err(refuse_lost(&lost, config)),
        (Some(newest), _) => Ok(newest),
        (None, Some(lost)) => Err(refuse_lost(&lost, config)),
        (None, None) => Err(refused(
            "there is no run to show",
            "no run of this site is kept",
            "see PCHADR_STATE, and `[run] mirror` of the site file",
        )),
    }
}
