//! The log-shipping configuration, kept while there is one to read: a disaster takes the primary
//! side's half with it, and a failback rebuilds from what was kept (`steps.md` 5.1).

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

use super::runs::{run_id, same_site};
use crate::access::Access;
use crate::model::Role;
use crate::plan::hex;
use crate::run::archive::Archive;
use crate::site::Site;
use crate::status::Status;
use crate::step::saved::{DOCUMENT, Saved};

/// The newest configuration that was kept of a site, by a run or by a look at it; what it lacks of
/// the primary side is taken from an older one.
pub(super) fn newest(site: &Site, archive: &Archive) -> Option<Saved> {
    let by_a_run = archive.newest(DOCUMENT, |found| same_site(site, found), Saved::read);
    let mut kept: Vec<Saved> = by_a_run.into_iter().chain(copies(site, archive)).collect();
    kept.sort_by_key(|saved| saved.taken_at);
    kept.into_iter()
        .rev()
        .reduce(|newer, older| newer.filled_from(&older))
}

/// Keeps the configuration as it stands, where it says more than what is kept.
///
/// # Errors
/// When one of the two copies cannot be written.
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
    if !answers(Role::Backup) {
        return Ok(());
    }
    let Some(saved) = Saved::observe(site, access, &run, answers).await else {
        return Ok(());
    };
    let saved = match newest(site, archive) {
        Some(known) => saved.filled_from(&known),
        None => saved,
    };
    let copies = copies(site, archive);
    if copies.len() == 2 && copies.iter().all(|kept| kept.rebuilds_the_same(&saved)) {
        return Ok(());
    }
    archive.keep_of_site(&key(site), DOCUMENT, &saved.to_json()?)
}

/// What a look at the site kept: two copies where both are there.
fn copies(site: &Site, archive: &Archive) -> Vec<Saved> {
    let copies = archive.kept_of_site(&key(site), DOCUMENT);
    let read = copies.iter().map(|bytes| Saved::read(bytes));
    read.flatten().collect()
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
    let saved = archive.and_then(|archive| newest(site, archive));
    let Some(saved) = saved else {
        return writeln!(out, "kept            no log-shipping configuration");
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
fn key(site: &Site) -> String {
    // Texts and numbers only: nothing here can fail to serialize.
    let site_now = serde_json::to_value(site).unwrap_or_default();
    let told = format!("{}{}", site_now["database"], site_now["sql"]["instances"]);
    let digest = hex(&Sha256::digest(told));
    format!("{}-{digest:.8}", site.pool.fqdn)
}
