//! What log shipping has in the data center that a failover takes for lost: the share, the monitor.

use std::net::IpAddr;

use super::Facts;
use crate::model::{Role, SharePath};
use crate::site::Site;
use crate::step::observe::log_shipping::Secondary;

/// Hosts that the site file places in the first data center.
pub(super) fn first_hosts(site: &Site) -> Vec<String> {
    let roles = [Role::Primary, Role::PrimaryMirror].into_iter();
    let instances = roles.filter_map(|role| Some(site.chat(role)?.host.clone()));
    let named = [
        &site.pool.primary_servers,
        &site.pool.front_ends,
        &site.shares.hosts_in_primary,
    ];
    let named = named.into_iter().flatten().map(ToString::to_string);
    instances.chain(named).collect()
}

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

/// Whether two names are of one machine; one without a domain is compared by its first label. An
/// address is compared as it is.
fn same_host(one: &str, other: &str) -> bool {
    let is_address = |host: &str| host.parse::<IpAddr>().is_ok();
    if one.eq_ignore_ascii_case(other) || is_address(one) || is_address(other) {
        return one.eq_ignore_ascii_case(other);
    }
    let label = |host: &str| host.split('.').next().unwrap_or(host).to_lowercase();
    let is_short = |host: &str| !host.contains('.');
    (is_short(one) || is_short(other)) && label(one) == label(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_that_of_a_full_one_and_two_full_ones_are_compared_whole() {
        for (one, other, same) in [
            ("fs1", "FS1.dc1.x.com", true),
            ("fs1.dc1.x.com", "fs1", true),
            ("fs1.dc1.x.com", "FS1.DC1.x.com", true),
            ("fs1.dc1.x.com", "fs1.dc2.x.com", false),
            ("fs1", "fs10.dc1.x.com", false),
            ("10.1.0.1", "10.1.0.1", true),
            ("10.1.0.1", "10", false),
        ] {
            assert_eq!(same_host(one, other), same, "{one} and {other}");
        }
    }
}
