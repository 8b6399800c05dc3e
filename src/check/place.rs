//! What would be lost with the first data center beside its instances: shares, the monitor, the record
//! (`steps.md` 7).

use super::item::{For, Item, State};
use crate::model::{Problem, SharePath};
use crate::site::Site;
use crate::site::first::{hosts, same_host};
use crate::step::observe::log_shipping::Secondary;

/// A check for each that stands there; one that all is well where none does. `rows` are those of log
/// shipping on the backup.
pub(super) fn checks(site: &Site, rows: &[Secondary]) -> Vec<Item> {
    let first = hosts(site);
    let is_first = |host: &str| first.iter().any(|it| same_host(it, host));
    let stands_there = |path: &str| {
        let path: Option<SharePath> = path.parse().ok();
        path.is_some_and(|path| path.unc_host().is_some_and(is_first))
    };
    let mut found = Vec::new();
    let mut shares: Vec<&str> = std::iter::once(site.shares.backup.as_str())
        .chain(rows.iter().map(|row| row.source.as_str()))
        .collect();
    shares.sort_unstable();
    shares.dedup();
    for share in shares.into_iter().filter(|share| stands_there(share)) {
        found.push(
            Item::new(
                "share-in-primary",
                State::Interlock,
                "the share of the log backups outlives the first data center",
                Problem::new(
                    format!(
                        "`{share}` stands in the first data center: what is not copied is lost with it, and a forced failover wants --override share-lost=REASON"
                    ),
                    "have log backups written to a share in the second data center, or keep the lag small",
                ),
            )
            .counting_for(&[For::Forced]),
        );
    }
    if let Some(share) = &site.shares.mirror
        && site.sql.instances.contains_key(&BACKUP_MIRROR)
        && stands_there(share.as_str())
    {
        found.push(warning(
            "mirror-share-in-primary",
            "the share for the mirror's set-up outlives it",
            format!("`{share}` stands in the first data center: without it no mirror can be set up after a failover"),
            "name a share in the second data center in `[shares] mirror`",
        ));
    }
    if stands_there(&site.run.mirror) {
        found.push(warning(
            "record-in-primary",
            "the second copy of a run's record outlives it",
            format!(
                "`{}` stands in the first data center: if this machine is lost too, nobody can go on with a run",
                site.run.mirror
            ),
            "name a folder in the second data center in `[run] mirror`",
        ));
    }
    let monitor = rows.iter().find_map(|row| row.monitor.as_deref());
    if let Some(monitor) = monitor
        && is_first(monitor.split('\\').next().unwrap_or(monitor))
    {
        found.push(warning(
            "monitor-in-primary",
            "the monitor of log shipping outlives it",
            format!("{monitor} stands in the first data center: with it dead, rows of log shipping may stay behind"),
            "let the backup be its own monitor, when log shipping is set up anew",
        ));
    }
    if found.is_empty() {
        let why =
            "the shares, the record and the monitor stand elsewhere, as far as the site file tells";
        found.push(Item::ok(
            "places",
            "what a failover needs outlives the first data center",
            why,
        ));
    }
    found
}

const BACKUP_MIRROR: crate::model::Instance =
    crate::model::Instance::chat(crate::model::Role::BackupMirror);

fn warning(id: &str, what: &str, why: String, mend: &'static str) -> Item {
    Item::new(id, State::Warning, what, Problem::new(why, mend)).counting_for(&[For::Forced])
}
