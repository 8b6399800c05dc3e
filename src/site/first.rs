//! What the site file places in the first data center, which a failover takes for lost.

use std::net::IpAddr;

use super::Site;
use crate::model::Role;

/// Hosts that the site file places there.
pub fn hosts(site: &Site) -> Vec<String> {
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

/// Whether two names are of one machine; one without a domain is compared by its first label. An
/// address is compared as it is.
pub fn same_host(one: &str, other: &str) -> bool {
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
