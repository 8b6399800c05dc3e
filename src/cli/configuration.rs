//! The log-shipping configuration, kept while there is one to read: a disaster takes the primary
//! side's half with it, and a failback rebuilds from what was kept (`steps.md` 5.1).

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

use super::runs::{parted, run_id, same_site};
use crate::access::Access;
use crate::model::{Document, Role};
use crate::plan::hex;
use crate::report::one_line;
use crate::run::archive::{Archive, Kept, Unreadable};
use crate::run::stored::SiteIdentity;
use crate::site::Site;
use crate::status::Status;
use crate::step::saved::Saved;

/// What is kept of a site's log shipping.
pub(super) struct Known {
    /// The newest configuration, by a run or by a look at the site; what it lacks of the primary side
    /// is taken from an older one.
    pub(super) saved: Option<Saved>,
    /// What was kept and cannot be read.
    pub(super) unreadable: Vec<Unreadable>,
}

impl Known {
    /// One that the site file names: nothing else counts.
    pub(super) fn of(saved: Saved) -> Self {
        Self {
            saved: Some(saved),
            unreadable: Vec::new(),
        }
    }

    /// A sentence each.
    pub(super) fn told(&self) -> Vec<String> {
        self.unreadable.iter().map(ToString::to_string).collect()
    }
}

/// What is kept of a site's log shipping, by a run or by a look at it.
pub(super) fn newest(site: &Site, archive: &Archive) -> Known {
    let by_a_run = archive.newest(
        Document::LogShipping,
        |found| same_site(site, found),
        Saved::read,
    );
    let by_a_look = copies(site, archive);
    let unreadable = [by_a_run.unreadable, by_a_look.unreadable].concat();
    let mut kept: Vec<Saved> = by_a_run.read.into_iter().chain(by_a_look.read).collect();
    kept.sort_by_key(|saved| saved.taken_at);
    let saved = kept
        .into_iter()
        .rev()
        .reduce(|newer, older| newer.filled_from(&older));
    Known { saved, unreadable }
}

/// Keeps the configuration as it stands, where it says more than what is kept.
///
/// # Errors
/// When one of the two copies cannot be written, or must not be written over.
pub(super) async fn keep(
    site: &Site,
    access: &Access,
    status: &Status,
    archive: &Archive,
) -> io::Result<()> {
    let run = run_id(access.clock.now(), "status").map_err(io::Error::other)?;
    let answers = |role: Role| {
        let instance = status.instances.get(role.key());
        instance.is_some_and(|instance| instance.reachable)
    };
    // Half-way through a failover jobs are disabled that are not so by configuration.
    if !answers(Role::Backup) || parted(site, archive).is_some() {
        return Ok(());
    }
    let Some(saved) = Saved::observe(site, access, &run, answers).await else {
        return Ok(());
    };
    let saved = match newest(site, archive).saved {
        Some(known) => saved.filled_from(&known),
        None => saved,
    };
    let copies = copies(site, archive);
    if copies.read.len() == 2
        && copies
            .read
            .iter()
            .all(|kept| kept.rebuilds_the_same(&saved))
    {
        return Ok(());
    }
    // What cannot be read may hold what nobody can read any more elsewhere.
    if let Some(unreadable) = copies.unreadable.iter().find(|it| it.is_there) {
        return Err(io::Error::other(format!(
            "{unreadable}; {}, or move it away",
            unreadable.remedy
        )));
    }
    archive.keep_of_site(&key(site), Document::LogShipping, &saved.to_json()?)
}

/// What a look at the site kept: two copies where both are there.
fn copies(site: &Site, archive: &Archive) -> Kept<Saved> {
    archive.kept_of_site(&key(site), Document::LogShipping, Saved::read)
}

/// Tells what a failback could rebuild from.
///
/// # Errors
/// That `out` takes nothing.
pub(super) fn tell(
    site: &Site,
    archive: Option<&Archive>,
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    let Some(archive) = archive else {
        return writeln!(out, "kept            no log-shipping configuration");
    };
    let known = newest(site, archive);
    for it in &known.unreadable {
        writeln!(out, "kept, unread    {}", one_line(&it.to_string()))?;
        writeln!(out, "                {}", one_line(&it.remedy))?;
    }
    let Some(saved) = known.saved else {
        let what = if known.unreadable.is_empty() {
            "no log-shipping configuration"
        } else {
            "no log-shipping configuration that can be read"
        };
        return writeln!(out, "kept            {what}");
    };
    let mut halves = vec![format!("backup {:.0}", saved.taken_at)];
    let primary_side = [
        (Role::Primary, saved.primary),
        (Role::PrimaryMirror, saved.primary_mirror),
    ];
    for (role, half) in primary_side {
        if let Some(half) = half {
            let taken_at = half.taken_at.unwrap_or(saved.taken_at);
            halves.push(format!("{role} {taken_at:.0}"));
        }
    }
    writeln!(
        out,
        "kept            log shipping, as it was read: {}",
        halves.join(", ")
    )
}

/// What is said where [`keep`] fails: a look at a site does not fail for it.
pub(super) fn not_kept(error: &io::Error) -> String {
    format!("the log-shipping configuration is not kept in both places: {error}")
}

/// Name of a site's folder: its pool, and a digest of its databases and instances. What was kept of
/// other instances is not of this site.
pub(super) fn key(site: &Site) -> String {
    let digest = hex(&Sha256::digest(SiteIdentity::of(site).text()));
    format!("{}-{digest:.8}", site.pool.fqdn)
}
