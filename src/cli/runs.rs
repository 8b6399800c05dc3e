//! The runs of a site: where they are kept, which are unfinished, what a new one is called.

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;

use super::Environment;
use super::error::{Failure, refused};
use super::screen;
use crate::model::commands::{self, quoted};
use crate::model::{Direction, Remedy};
use crate::plan::Plan;
use crate::run::archive::{Archive, ArchiveError, Found, Lost, Runs, Unreadable};
use crate::run::copies::Split;
use crate::run::event::Outcome;
use crate::run::executor::Way;
use crate::run::executor::undo::gives_way_to_a_failover;
use crate::run::exit::Exit;
use crate::run::store::Note;
use crate::run::stored::SiteIdentity;
use crate::site::Site;

/// Where the runs of a site are kept.
pub(super) fn archive(site: &Site, environment: &Environment) -> anyhow::Result<Archive> {
    let state = environment.state.folder().ok_or_else(|| {
        refused(
            "the record of the run has no place",
            "neither PCHADR_STATE nor a home folder is set",
            "set PCHADR_STATE to a folder on this machine",
        )
    })?;
    Ok(Archive::new(&state, &site.run.mirror))
}

/// The runs of a site that are not over, oldest first.
pub(super) struct Open {
    /// Those that can go on.
    pub(super) unfinished: Vec<Found>,
    /// Those whose record does not tell: they may be unfinished.
    pub(super) lost: Vec<Lost>,
    /// The folders that could not be looked into.
    pub(super) unreadable: Vec<Unreadable>,
}

/// The runs of a site that are not over.
pub(super) fn unfinished(site: &Site, archive: &Archive) -> Open {
    let Runs {
        mut read,
        mut lost,
        unreadable,
    } = archive.runs();
    read.retain(|found| same_site(site, found));
    lost.retain(|lost| may_be_of(site, lost) && !is_behind(lost, &read));
    let failovers: Vec<String> = read
        .iter()
        .filter(|it| is_failover(it))
        .map(|it| it.run.clone())
        .collect();
    read.retain(|found| {
        let later = || failovers.iter().any(|later| *later > found.run);
        let is_closed = gives_way_to_a_failover(&found.state) && later();
        !found.state.is_finished() && !is_closed
    });
    Open {
        unfinished: read,
        lost,
        unreadable,
    }
}

/// A failover that changed the site, or saw to its end.
fn is_failover(found: &Found) -> bool {
    let state = &found.state;
    let is_done = state.ended == Some(Outcome::Done);
    state.runbook == Direction::Failover.key() && (is_done || state.has_acted())
}

/// Whether a later run of the site was begun all the same, and changed the site or saw to its end.
fn is_behind(lost: &Lost, read: &[Found]) -> bool {
    read.iter().any(|later| {
        let ended = matches!(later.state.ended, Some(Outcome::Done | Outcome::Undone));
        later.run > lost.run && (ended || later.state.has_acted())
    })
}

/// The newest run of a site that is done as far as it was to go, where no later one is done.
pub(super) fn parted(site: &Site, archive: &Archive) -> Option<Found> {
    let mut runs = archive.runs().read;
    // What came back may have been closed meanwhile.
    let moves = |found: &Found| found.state.runbook != Direction::Fence.key();
    runs.retain(|found| same_site(site, found) && moves(found));
    runs.retain(|found| found.state.ended == Some(Outcome::Done));
    runs.pop()
        .filter(|found| found.state.left_to_later().is_some())
}

/// Whether a run that nobody can tell of may be of that site.
pub(super) fn may_be_of(site: &Site, lost: &Lost) -> bool {
    match (&lost.found, lost.site.first()) {
        (Some(found), _) => same_site(site, found),
        (None, Some(kept)) => *kept == SiteIdentity::of(site),
        (None, None) => true,
    }
}

impl Open {
    /// The newest that can go on, taken out; `none` says what is missing where there is none.
    ///
    /// # Errors
    /// When there is none, or a newer one may be unfinished that nobody can tell of.
    pub(super) fn newest(
        &mut self,
        config: Option<&Path>,
        none: (&str, &str),
    ) -> Result<Found, Failure> {
        let newest = self.unfinished.last().map(|found| &found.run);
        if let Some(lost) = self.lost.last()
            && newest.is_none_or(|newest| lost.run > *newest)
        {
            return Err(refuse_lost(lost, config));
        }
        let (what, hint) = none;
        match self.unfinished.pop() {
            Some(found) => Ok(found),
            None => Err(refused(what, &none_unfinished(&self.unreadable), hint)),
        }
    }

    /// Tells what was passed over: runs that nobody can tell of, folders that cannot be looked into.
    pub(super) fn tell(&self, config: Option<&Path>, told: &[Unreadable]) {
        for lost in &self.lost {
            note()(&format!(
                "{lost}; see it with `pchadr runs verify{} {}`",
                config_option(config),
                lost.run
            ));
        }
        tell_unreadable(self.unreadable.iter().filter(|it| !told.contains(it)));
    }
}

/// The interlock that a record holds which tells nobody where its run stands.
pub(super) const RECORD_LOST: &str = "record-lost";

/// What nobody knows of a run whose record is lost.
pub(super) const NOT_KNOWN: &str = "what it did is then known only as far as the site shows it: what it was sending may still arrive, what was consented to is asked again, and it cannot be undone";

/// Says that a run may be unfinished, and its ways on.
pub(super) fn refuse_lost(lost: &Lost, config: Option<&Path>) -> Failure {
    let run = quoted(&lost.run);
    let verify = format!("pchadr runs verify{} {run}", config_option(config));
    let mend = match (lost.split, lost.unreadable()) {
        (Some(Split::Fork { .. }), _) => {
            format!("move the copy that is wrong out of its folder, then go on with --resume={run}")
        }
        (_, Some(it)) => format!(
            "{} (`{}`), then go on with --resume={run}",
            it.remedy,
            it.path.display()
        ),
        (_, None) => format!(
            "put a sound copy of it at `{}`, then go on with --resume={run}",
            lost.copies[0].path.display()
        ),
    };
    let runbook = lost.found.as_ref().map(|found| &found.state.runbook[..]);
    // The id of a run names its runbook.
    let runbook = runbook
        .or_else(|| run.split('-').nth(1))
        .unwrap_or("failover");
    let anew = format!(
        "or begin anew: `pchadr {runbook}{} --override {RECORD_LOST}=REASON`; {NOT_KNOWN}",
        config_option(config)
    );
    Failure::new(
        Exit::Refused,
        format!("run {run} may be unfinished"),
        lost.to_string(),
        vec![
            Remedy::to_do("see how far each copy is whole"),
            Remedy::Command(verify.into()),
            Remedy::to_do(mend),
            Remedy::to_do(anew),
        ],
    )
}

/// The commands of a run, with ` --config FILE` where one is named: what goes on its way, and what takes
/// it forth.
pub(super) fn ways(runbook: &str, config: &str, run: &str, way: Way) -> (String, String) {
    let (runbook, run) = (quoted(runbook), quoted(run));
    let forth = format!("pchadr {runbook}{config} --resume={run}");
    let resume = match way {
        Way::On => forth.clone(),
        Way::Back => format!("pchadr abort{config}"),
    };
    (resume, forth)
}

/// The command that takes what a run of that plan leaves to a later one.
pub(super) fn rest(plan: &Plan, config: &str) -> Option<String> {
    let beyond = plan.beyond()?;
    Some(from(&plan.runbook, config, &beyond.id))
}

/// The command that begins at a step. Runbook and step may be words of a record, which somebody else may
/// have written.
pub(super) fn from(runbook: &str, config: &str, step: &str) -> String {
    format!("pchadr {}{config} --from {}", quoted(runbook), quoted(step))
}

/// ` --config FILE`: of that file, else of the one that was found.
pub(super) fn config_option(config: Option<&Path>) -> String {
    config.map_or_else(commands::site_option, commands::config_option)
}

/// Why there is no unfinished run to be had.
fn none_unfinished(unreadable: &[Unreadable]) -> String {
    if unreadable.is_empty() {
        return "no run of this site is unfinished".to_owned();
    }
    let told: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
    format!(
        "no run of this site that can be read is unfinished; {}",
        told.join("; ")
    )
}

/// Tells what was passed over because it cannot be read.
pub(super) fn tell_unreadable<'a>(unreadable: impl IntoIterator<Item = &'a Unreadable>) {
    for it in unreadable {
        note()(&format!("{it}; {}", it.remedy));
    }
}

/// Pool, databases and instances are those that the run began with. Where its site was not kept, or
/// cannot be read, the pool alone counts.
pub(super) fn same_site(site: &Site, found: &Found) -> bool {
    if !site.pool.fqdn.is(&found.state.pool) {
        return false;
    }
    let kept = found.site.first();
    kept.is_none_or(|kept| kept.is(&SiteIdentity::of(site)))
}

/// `20261124T064300Z-failover-3f9a1c`: in the order of time, and never twice.
pub(super) fn run_id(now: Timestamp, runbook: &str) -> anyhow::Result<String> {
    let random = getrandom::u32().map_err(|error| {
        refused(
            "a random number",
            &error.to_string(),
            "see the system's random source",
        )
    })?;
    Ok(format!(
        "{}-{runbook}-{:06x}",
        now.strftime("%Y%m%dT%H%M%SZ"),
        random & 0x00ff_ffff
    ))
}

pub(super) fn note() -> Note {
    Box::new(|text| {
        // A terminal that is gone cannot be told.
        let _ = writeln!(screen::stderr(), "note: {text}");
    })
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        let hint = match &error {
            ArchiveError::Folder { path, .. } => {
                let place = path.parent().unwrap_or(Path::new("")).display();
                format!("see that you may write below `{place}`, or set PCHADR_STATE")
            }
            ArchiveError::NoRun { .. } => "see its name, and PCHADR_STATE".to_owned(),
            ArchiveError::Lost(lost) => return refuse_lost(lost, None),
        };
        refused("the record of the run", &error.to_string(), &hint)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_step_and_a_runbook_of_a_record_are_words_of_a_command_and_nothing_else() {
        assert_eq!(
            from("failover", " --config x", "copy-backups"),
            "pchadr failover --config x --from copy-backups"
        );
        assert_eq!(
            from("failover;id", "", "$(touch x)"),
            "pchadr 'failover;id' --from '$(touch x)'"
        );
    }
}
