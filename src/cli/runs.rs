//! The runs of a site: where they are kept, which are unfinished, what a new one is called.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;

use super::Environment;
use super::error::{Failure, refused};
use crate::run::archive::{Archive, ArchiveError, Found, Kept, Unreadable};
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

/// The unfinished runs of a site, oldest first. What cannot be read may be one too.
pub(super) fn unfinished(site: &Site, archive: &Archive) -> Kept<Found> {
    let mut runs = archive.runs();
    runs.read
        .retain(|found| !found.state.is_finished() && same_site(site, found));
    runs
}

/// Why there is no unfinished run to be had.
pub(super) fn none_unfinished(runs: &Kept<Found>) -> String {
    if runs.unreadable.is_empty() {
        return "no run of this site is unfinished".to_owned();
    }
    let told: Vec<String> = runs.unreadable.iter().map(ToString::to_string).collect();
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
    if found.state.pool != site.pool.fqdn.as_str() {
        return false;
    }
    let kept = found.site.first();
    kept.is_none_or(|kept| *kept == SiteIdentity::of(site))
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
        let _ = writeln!(io::stderr(), "note: {text}");
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
            ArchiveError::Unreadable { journal, .. } => journal.remedy.clone(),
        };
        refused("the record of the run", &error.to_string(), &hint)
    }
}
