//! `pchadr runs`: the runs of a site, and whether their records verify. Reads the records alone.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::Environment;
use super::account::KeptRun;
use super::error::{Failure, output};
use super::options::{LogsOutput, RunsCommand};
use super::runs::{archive, config_option, from, may_be_of, parted, refuse_lost, same_site};
use crate::approval::{digest, proof};
use crate::model::commands::quoted;
use crate::model::words::count;
use crate::model::{Document, WayOn};
use crate::report::one_line;
use crate::run::archive::{Archive, ArchiveError, Copy, CopyIs, Found, Lost, Unreadable};
use crate::run::event::Outcome;
use crate::run::exit::Exit;
use crate::site::Site;

/// Lists runs, shows and reports one, or verifies their records.
///
/// # Errors
/// Those of the site file; that there is no such run; that `out` takes nothing.
pub fn command(
    command: &RunsCommand,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let (options, run, verifies) = match command {
        RunsCommand::Show(options) => {
            let config = options.options.config.as_deref();
            let kept = KeptRun::find(options.run.as_deref(), config, environment)?;
            return kept.show(options.options.form.output, config, out);
        }
        RunsCommand::Report(options) => {
            let config = options.config.as_deref();
            let kept = KeptRun::find(options.run.as_deref(), config, environment)?;
            return kept.report(options.output, out);
        }
        RunsCommand::List(options) => (options, None, false),
        RunsCommand::Verify(options) => (&options.options, options.run.as_deref(), true),
    };
    let config = options.config.as_deref();
    let site = Site::load(&environment.site_file(config)?)?;
    let archive = archive(&site, environment)?;
    let mut told = match run {
        Some(run) => Told::of_one(&archive, run)?,
        None => Told::of(&site, &archive),
    };
    if verifies {
        for it in &mut told.runs {
            it.approved = approved(&archive, &it.run);
        }
    }
    match options.form.output {
        LogsOutput::Json => {
            serde_json::to_writer(&mut *out, &told).map_err(|error| output(error.into()))?;
            writeln!(out).map_err(output)?;
        }
        LogsOutput::Human if verifies => told.write_verified(config, out).map_err(output)?,
        LogsOutput::Human => told.write_list(config, out).map_err(output)?,
    }
    let is_sound = told.unreadable.is_empty() && told.runs.iter().all(RunTold::is_sound);
    Ok(if verifies && !is_sound {
        Exit::Blocked
    } else {
        Exit::Done
    })
}

/// What is told of the runs of a site.
#[derive(Serialize)]
struct Told {
    version: u32,
    runs: Vec<RunTold>,
    unreadable: Vec<FolderTold>,
}

#[derive(Serialize)]
struct FolderTold {
    path: String,
    why: String,
}

#[derive(Serialize)]
struct RunTold {
    run: String,
    runbook: Option<String>,
    stands: Stands,
    /// The record up to which the record is whole.
    whole: usize,
    copies: Vec<CopyTold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// The step with which a later run takes what this one left to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rest: Option<String>,
    /// What the record proves, where it is verified, of a run whose plan was approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    approved: Option<Approved>,
    #[serde(skip)]
    lost: Option<Lost>,
}

/// Whether each command of a run is one that was approved.
#[derive(Serialize)]
struct Approved {
    /// Digest of the approval that it began under.
    digest: String,
    /// Commands that were sent by the approval that was kept.
    commands: usize,
    /// Commands that were sent before, by one that another has taken the place of.
    earlier: usize,
    proved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// What the record of a run and the approval beside it prove.
fn approved(archive: &Archive, run: &str) -> Option<Approved> {
    let (found, records) = archive.read(run).ok()?;
    let kept = archive.newest(
        Document::Approval,
        |found| found.run == run,
        |bytes| Ok(bytes.to_vec()),
    );
    // Of two copies that which the record names; of none the first says what is wrong.
    let named = |it: &&Vec<u8>| found.state.approved.as_ref() == Some(&digest(it));
    let copy = kept.read.iter().find(named).or(kept.read.first());
    let proof = proof::of(&records, copy.map(Vec::as_slice))?;
    Some(Approved {
        digest: proof.approval,
        commands: proof.commands,
        earlier: proof.earlier,
        proved: proof.why.is_none(),
        why: proof.why,
    })
}

impl Approved {
    fn line(&self) -> String {
        let sent = count(self.commands, "command");
        let earlier = match self.earlier {
            0 => String::new(),
            n => format!(
                "; {} before by an earlier approval, whose digest is recorded",
                count(n, "command")
            ),
        };
        match &self.why {
            None => format!(
                "approved by {}: {sent} sent, each of the approved plan{earlier}",
                self.digest
            ),
            Some(why) => format!("approved by {}, and not proved: {why}", self.digest),
        }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Stands {
    Done,
    Undone,
    Refused,
    Stopped,
    /// Without an end: it is under way, or was killed.
    Open,
    /// Nobody can tell.
    Lost,
}

#[derive(Serialize)]
struct CopyTold {
    path: String,
    is: &'static str,
    records: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    torn: bool,
}

impl Told {
    /// Every run of that site, oldest first, and every one that may be.
    fn of(site: &Site, archive: &Archive) -> Self {
        let all = archive.runs();
        let read = all.read.into_iter().filter(|found| same_site(site, found));
        let lost = all.lost.into_iter().filter(|lost| may_be_of(site, lost));
        let mut runs: Vec<RunTold> = read
            .map(|found| RunTold::of(&found))
            .chain(lost.map(RunTold::lost))
            .collect();
        runs.sort_by(|a, b| a.run.cmp(&b.run));
        // What a later run has done is left to nobody.
        let open = parted(site, archive).map(|found| found.run);
        for it in &mut runs {
            it.rest = it.rest.take().filter(|_| open.as_ref() == Some(&it.run));
        }
        let folder = |it: Unreadable| FolderTold {
            path: it.path.display().to_string(),
            why: it.why,
        };
        Self {
            version: 1,
            runs,
            unreadable: all.unreadable.into_iter().map(folder).collect(),
        }
    }

    fn of_one(archive: &Archive, run: &str) -> Result<Self, Failure> {
        let told = match archive.find(run) {
            Ok(found) => RunTold::of(&found),
            Err(ArchiveError::Lost(lost)) => RunTold::lost(*lost),
            Err(other @ (ArchiveError::NoRun { .. } | ArchiveError::Folder { .. })) => {
                return Err(other.into());
            }
        };
        Ok(Self {
            version: 1,
            runs: vec![told],
            unreadable: Vec::new(),
        })
    }

    fn write_list(&self, config: Option<&Path>, out: &mut dyn Write) -> io::Result<()> {
        if self.runs.is_empty() {
            writeln!(out, "no run of this site is kept")?;
        }
        for it in &self.runs {
            writeln!(out, "{}", it.head())?;
            if let Some(command) = it.way_on(config) {
                writeln!(out, "  {command}")?;
            }
        }
        self.write_unreadable(out)
    }

    fn write_verified(&self, config: Option<&Path>, out: &mut dyn Write) -> io::Result<()> {
        for it in &self.runs {
            writeln!(out, "{}", it.head())?;
            for copy in &it.copies {
                writeln!(out, "  {}", one_line(&copy.line()))?;
            }
            if let Some(approved) = &it.approved {
                writeln!(out, "  {}", one_line(&approved.line()))?;
            }
            if let Some(lost) = &it.lost {
                let problem = refuse_lost(lost, config).problem;
                writeln!(out, "  {}", one_line(&problem.why))?;
                writeln!(
                    out,
                    "  what to do: {}",
                    one_line(&problem.hint(WayOn::Resume))
                )?;
            } else if !it.is_whole() {
                let mended = "the record is whole: one copy has what the other lacks; the next execution of this run puts both right";
                writeln!(out, "  {mended}")?;
            }
        }
        self.write_unreadable(out)
    }

    fn write_unreadable(&self, out: &mut dyn Write) -> io::Result<()> {
        for it in &self.unreadable {
            let line = format!("`{}` cannot be looked into: {}", it.path, it.why);
            writeln!(out, "{}", one_line(&line))?;
        }
        Ok(())
    }
}

impl RunTold {
    fn of(found: &Found) -> Self {
        let copies: Vec<CopyTold> = found.copies.iter().map(CopyTold::of).collect();
        let is_finished = found.state.is_finished();
        Self {
            run: found.run.clone(),
            runbook: Some(found.state.runbook.clone()),
            stands: match found.state.ended {
                Some(Outcome::Done) => Stands::Done,
                Some(Outcome::Undone) => Stands::Undone,
                Some(Outcome::Refused) if is_finished => Stands::Refused,
                Some(Outcome::Refused | Outcome::Stopped) => Stands::Stopped,
                None => Stands::Open,
            },
            whole: found.whole,
            copies,
            why: None,
            rest: found.state.left_to_later().map(|step| step.id.clone()),
            approved: None,
            lost: None,
        }
    }

    fn lost(lost: Lost) -> Self {
        Self {
            run: lost.run.clone(),
            runbook: lost.found.as_ref().map(|found| found.state.runbook.clone()),
            stands: Stands::Lost,
            whole: lost.whole,
            copies: lost.copies.iter().map(CopyTold::of).collect(),
            why: Some(lost.to_string()),
            rest: None,
            approved: None,
            lost: Some(lost),
        }
    }

    fn is_sound(&self) -> bool {
        self.is_whole() && self.approved.as_ref().is_none_or(|it| it.proved)
    }

    fn is_whole(&self) -> bool {
        let sound = |copy: &CopyTold| matches!(copy.is, "sound" | "missing");
        self.stands != Stands::Lost && self.copies.iter().all(sound)
    }

    fn head(&self) -> String {
        let stands = match self.stands {
            Stands::Done if self.rest.is_some() => "done as far as it was to go",
            Stands::Done => "done",
            Stands::Undone => "undone",
            Stands::Refused => "refused",
            Stands::Stopped => "stopped",
            Stands::Open => "under way, or killed",
            Stands::Lost => "nobody can tell: its record is damaged or gone",
        };
        let records = count(self.whole, "record");
        let runbook = self.runbook.as_deref().unwrap_or("not known");
        format!("{}  {runbook}  {records}  {stands}", one_line(&self.run))
    }

    /// What goes on with it, or shows more.
    fn way_on(&self, config: Option<&Path>) -> Option<String> {
        let config = config_option(config);
        if let (Some(rest), Some(runbook)) = (&self.rest, &self.runbook) {
            return Some(format!("take the rest: {}", from(runbook, &config, rest)));
        }
        match (self.stands, &self.runbook) {
            (Stands::Stopped | Stands::Open, Some(runbook)) => Some(format!(
                "go on with it: pchadr {}{config} --resume={}",
                quoted(runbook),
                quoted(&self.run)
            )),
            (Stands::Lost, _) => Some(format!(
                "see it: pchadr runs verify{config} {}",
                quoted(&self.run)
            )),
            (
                Stands::Done | Stands::Undone | Stands::Refused | Stands::Stopped | Stands::Open,
                _,
            ) => None,
        }
    }
}

impl CopyTold {
    fn of(copy: &Copy) -> Self {
        let (is, records, why, torn) = match &copy.is {
            CopyIs::Missing => ("missing", 0, None, false),
            CopyIs::Refused(why) => ("refused", 0, Some(why.clone()), false),
            CopyIs::Sound { records, torn } => ("sound", *records, None, *torn),
            CopyIs::Damaged { records, damage } => {
                ("damaged", *records, Some(damage.to_string()), false)
            }
        };
        Self {
            path: copy.path.display().to_string(),
            is,
            records,
            why,
            torn,
        }
    }

    fn line(&self) -> String {
        let records = count(self.records, "record");
        let why = self.why.as_deref().unwrap_or_default();
        let what = match self.is {
            "missing" => "not there".to_owned(),
            "refused" => format!("cannot be read: {why}"),
            "damaged" => format!("damaged behind its first {records}: {why}"),
            _ if self.torn => format!(
                "{records}, each vouches for the one before; a last line was torn by a crash and counts for nothing"
            ),
            _ => format!("{records}, each vouches for the one before"),
        };
        format!("{}: {what}", self.path)
    }
}
