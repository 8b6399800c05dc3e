use super::*;
use crate::step::Lift;
use crate::step::sample::{holder, in_short, online, restoring, service, unknown, way_out, words};

fn facts() -> Facts {
    let servers = || vec!["pc5.dc2.x.com".to_owned(), "pc6.dc2.x.com".to_owned()];
    Facts {
        center: Center::Second,
        service: Observed::Seen(service()),
        wanted: servers(),
        computers: Observed::Seen([servers(), vec!["pc1.dc1.x.com".to_owned()]].concat()),
        state: Observed::Seen(PoolState::FailedOver),
        database: Observed::Seen(online()),
        compliance: None,
        stopped: Vec::new(),
        unseen: Vec::new(),
        stopped_may_be: false,
        sessions: Observed::Seen(vec![holder(57, "PC5"), holder(58, "pc6.dc2.x.com")]),
        log_backups: false,
    }
}

fn active(servers: &[&str]) -> Observed<Service> {
    Observed::Seen(Service {
        active_servers: Some(servers.iter().map(|it| (*it).to_owned()).collect()),
        ..service()
    })
}

fn judge(facts: &Facts) -> Standing {
    SetActiveServers::judge(facts)
}

#[test]
fn it_is_satisfied_when_the_list_is_the_wanted_set_in_any_order_and_each_has_a_session() {
    assert_eq!(in_short(&judge(&facts())), "satisfied");
    let service = active(&["PC6.dc2.x.com", "pc5.dc2.x.com"]);
    assert_eq!(in_short(&judge(&Facts { service, ..facts() })), "satisfied");
}

#[test]
fn it_is_pending_while_the_list_differs() {
    for list in [&["pc1.dc1.x.com"][..], &["pc5.dc2.x.com"][..], &[][..]] {
        let service = active(list);
        assert_eq!(in_short(&judge(&Facts { service, ..facts() })), "pending");
    }
}

#[test]
fn a_set_list_is_watched_until_every_wanted_server_runs_and_has_a_session() {
    let facts_with = |sessions| Facts {
        sessions,
        ..facts()
    };
    let silent = judge(&facts_with(Observed::Seen(vec![holder(57, "pc5")])));
    assert_eq!(in_short(&silent), "underway");
    assert!(words(&silent).ends_with("from pc6.dc2.x.com"));
    assert_eq!(in_short(&judge(&facts_with(unknown()))), "underway");
    let stopped = vec!["pc5.dc2.x.com".to_owned()];
    assert_eq!(in_short(&judge(&Facts { stopped, ..facts() })), "underway");
}

#[test]
fn a_session_proves_a_server_whose_service_could_not_be_looked_at_and_that_is_told() {
    let unseen = vec!["pc5.dc2.x.com".to_owned()];
    let standing = judge(&Facts { unseen, ..facts() });
    assert_eq!(in_short(&standing), "satisfied");
    assert!(words(&standing).contains("could not be looked at on pc5.dc2.x.com"));
}

#[test]
fn it_is_blocked_until_the_pool_is_failed_over() {
    let state = Observed::Seen(PoolState::Normal);
    let cleared = Some("set-pool-state".to_owned());
    assert_eq!(
        way_out(judge(&Facts { state, ..facts() })),
        (cleared, Lift::Site)
    );
}

#[test]
fn it_is_blocked_until_the_backup_serves() {
    let database = Observed::Seen(restoring());
    let standing = judge(&Facts {
        database,
        ..facts()
    });
    assert_eq!(in_short(&standing), "backup-not-serving");
}

#[test]
fn a_stopped_service_is_found_before_recovery_and_holds_nobody_back_behind_it() {
    let stopped = || vec!["pc5.dc2.x.com".to_owned()];
    let mut before = Facts {
        database: Observed::Seen(restoring()),
        stopped: stopped(),
        ..facts()
    };
    let Standing::Blocked { blocks } = judge(&before) else {
        panic!("it is not blocked");
    };
    let found = blocks.iter().find(|block| block.id == STOPPED);
    let found = found.expect("the service is found");
    assert_eq!((found.lift, &found.cleared_by), (Lift::Override, &None));
    before.stopped_may_be = true;
    assert_eq!(in_short(&judge(&before)), "backup-not-serving");
    let behind = Facts {
        stopped: stopped(),
        ..facts()
    };
    assert_eq!(in_short(&judge(&behind)), "underway");
}

#[test]
fn a_compliance_database_that_does_not_serve_blocks_and_an_unknown_one_is_unknown() {
    for (database, expected) in [
        (Observed::Seen(restoring()), "compliance"),
        (Observed::Absent, "compliance"),
        (unknown(), "unknown"),
    ] {
        let compliance = Some(database);
        let standing = judge(&Facts {
            compliance,
            ..facts()
        });
        assert_eq!(in_short(&standing), expected);
    }
    let compliance = Some(Observed::Seen(online()));
    assert_eq!(
        in_short(&judge(&Facts {
            compliance,
            ..facts()
        })),
        "satisfied"
    );
}

#[test]
fn a_wanted_server_that_the_pool_does_not_have_blocks() {
    let computers = Observed::Seen(vec!["pc5.dc2.x.com".to_owned()]);
    assert_eq!(
        in_short(&judge(&Facts {
            computers,
            ..facts()
        })),
        "no-such-server"
    );
}

#[test]
fn what_cannot_be_read_is_unknown_and_a_missing_property_is_no_empty_list() {
    let no_list = Observed::Seen(Service {
        active_servers: None,
        ..service()
    });
    for service in [unknown(), no_list] {
        assert_eq!(in_short(&judge(&Facts { service, ..facts() })), "unknown");
    }
    let state = unknown();
    assert_eq!(in_short(&judge(&Facts { state, ..facts() })), "unknown");
    let members_unknown = Facts {
        service: active(&[]),
        computers: unknown(),
        ..facts()
    };
    assert_eq!(in_short(&judge(&members_unknown)), "unknown");
}

#[test]
fn unwanted_servers_are_removed_and_missing_ones_added() {
    let facts = Facts {
        service: active(&["pc1.dc1.x.com", "PC5.dc2.x.com"]),
        ..facts()
    };
    assert_eq!(facts.to_remove().collect::<Vec<_>>(), ["pc1.dc1.x.com"]);
    assert_eq!(facts.to_add().collect::<Vec<_>>(), ["pc6.dc2.x.com"]);
}
