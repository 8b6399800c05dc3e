use super::*;
use crate::step::sample::{holder, hosts, in_short, online, restoring, service, words};

/// At home: Normal, and every active server has its session.
fn at_home(stopped: &[&str]) -> Facts {
    let wanted = ["pc1.dc1.x.com", "pc2.dc1.x.com"]
        .map(str::to_owned)
        .to_vec();
    Facts {
        service: Observed::Seen(Service {
            active_servers: Some(wanted.clone()),
            ..service()
        }),
        identity: None,
        state: Observed::Seen(PoolState::Normal),
        central_management: Observed::Absent,
        primary: Observed::Seen(online()),
        restored: Observed::Seen(true),
        backup: Observed::Seen(restoring()),
        compliance: None,
        hosts: hosts(),
        wanted,
        on_primary: Observed::Seen(vec![holder(60, "PC1"), holder(61, "PC2")]),
        on_backup: Observed::Seen(Vec::new()),
        stopped: stopped
            .iter()
            .map(|server| ((*server).to_owned(), "SERVICE".to_owned()))
            .collect(),
        started: false,
        stopped_is_accepted: false,
    }
}

#[test]
fn a_pool_that_is_found_at_home_has_nothing_to_do_though_a_service_is_stopped() {
    let standing = ReturnPoolState::judge(&at_home(&["pc1.dc1.x.com"]));
    assert_eq!(in_short(&standing), "satisfied");
    assert!(words(&standing).contains("SERVICE on pc1"));
}

#[test]
fn a_stopped_service_is_started_by_the_run_that_sets_the_state() {
    let mut facts = at_home(&["pc1.dc1.x.com", "pc5.dc2.x.com"]);
    facts.started = true;
    let standing = ReturnPoolState::judge(&facts);
    assert_eq!(in_short(&standing), "pending");
    let told = words(&standing);
    assert!(
        told.contains("SERVICE on pc1") && !told.contains("pc5"),
        "{told}"
    );
    assert!(told.contains("--override services-stopped"), "{told}");
    facts.stopped_is_accepted = true;
    assert_eq!(in_short(&ReturnPoolState::judge(&facts)), "satisfied");
}

#[test]
fn a_server_without_a_session_is_not_excused() {
    let mut facts = at_home(&["pc1.dc1.x.com"]);
    facts.on_primary = Observed::Seen(vec![holder(61, "PC2")]);
    for (started, accepted) in [(false, false), (true, false), (true, true)] {
        (facts.started, facts.stopped_is_accepted) = (started, accepted);
        let standing = ReturnPoolState::judge(&facts);
        assert_eq!(in_short(&standing), "pending", "{standing:?}");
        assert!(!words(&standing).contains("--override"));
    }
}
