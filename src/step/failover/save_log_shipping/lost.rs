//! What log shipping has in the data center that a failover takes for lost: the share, the monitor.

use super::Facts;
use crate::model::SharePath;
use crate::site::first::same_host;
use crate::step::observe::log_shipping::Secondary;

/// A remark on each that stands there.
pub(super) fn remarks(facts: &Facts, rows: &[Secondary]) -> String {
    let is_there = |host: &str| facts.first_hosts.iter().any(|it| same_host(it, host));
    let mut told = String::new();
    let named = facts.shares.iter().map(SharePath::as_str);
    let mut shares: Vec<&str> = named
        .chain(rows.iter().map(|row| row.source.as_str()))
        .collect();
    shares.sort_unstable();
    shares.dedup();
    for share in shares {
        let unc = share.strip_prefix(r"\\");
        if unc
            .and_then(|it| it.split('\\').next())
            .is_some_and(is_there)
        {
            told = format!(
                "{told}; `{share}` stands in the first data center: what is not copied is lost with it"
            );
        }
    }
    let monitor = rows.iter().find_map(|row| row.monitor.as_deref());
    if let Some(monitor) = monitor
        && is_there(monitor.split('\\').next().unwrap_or(monitor))
    {
        told = format!(
            "{told}; its monitor {monitor} stands in the first data center: where it is silent, it is left out"
        );
    }
    told
}
