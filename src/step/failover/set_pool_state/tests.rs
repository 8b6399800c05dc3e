use super::*;
use crate::step::Lift;
use crate::step::sample::{
    hosts, in_short, online, restoring, service, standby, unknown, way_out, words,
};

fn facts() -> Facts {
    Facts {
        started: false,
        service: Observed::Seen(service()),
        identity: Some("PersistentChatServer:pchat.x.com".to_owned()),
        state: Observed::Seen(PoolState::Normal),
        central_management: Observed::Seen("fe5.dc2.x.com".to_owned()),
        database: Observed::Seen(online()),
        hosts: hosts(),
        late_replicas: Vec::new(),
    }
}

fn judge(facts: &Facts) -> Standing {
    SetPoolState::judge(facts)
}

#[test]
fn it_is_pending_while_the_pool_is_normal() {
    assert_eq!(in_short(&judge(&facts())), "pending");
}

#[test]
fn it_is_satisfied_when_the_pool_is_failed_over_and_a_late_replica_is_only_told() {
    let facts = Facts {
        state: Observed::Seen(PoolState::FailedOver),
        late_replicas: vec!["pc5.dc2.x.com".to_owned()],
        central_management: unknown(),
        ..facts()
    };
    assert_eq!(
        words(&judge(&facts)),
        "FailedOver; not yet replicated to pc5.dc2.x.com"
    );
}

#[test]
fn a_state_that_cannot_be_read_is_unknown() {
    for state in [unknown(), Observed::Absent] {
        assert_eq!(in_short(&judge(&Facts { state, ..facts() })), "unknown");
    }
    let service = unknown();
    assert_eq!(in_short(&judge(&Facts { service, ..facts() })), "unknown");
}

#[test]
fn it_is_blocked_until_the_database_is_as_recovery_leaves_it() {
    let single_user = Database {
        user_access: 1,
        ..online()
    };
    for database in [
        Observed::Seen(restoring()),
        Observed::Seen(standby()),
        Observed::Seen(single_user),
        Observed::Absent,
        unknown(),
    ] {
        let cleared = Some("recover-database".to_owned());
        let standing = judge(&Facts {
            database,
            ..facts()
        });
        assert_eq!(way_out(standing), (cleared, Lift::Site));
    }
}

#[test]
fn a_management_store_that_is_unknown_or_has_no_master_blocks() {
    for (central_management, id) in [(unknown(), "no-store"), (Observed::Absent, "no-master")] {
        let facts = Facts {
            central_management,
            ..facts()
        };
        assert_eq!(in_short(&judge(&facts)), id);
    }
}

#[test]
fn a_topology_without_a_backup_or_with_another_one_blocks() {
    for (backup, id) in [
        (Observed::Absent, "no-backup"),
        (Observed::Seen("sql9.dc2.x.com".to_owned()), "other-backup"),
    ] {
        let service = Observed::Seen(Service {
            backup,
            ..service()
        });
        assert_eq!(in_short(&judge(&Facts { service, ..facts() })), id);
    }
}

#[test]
fn a_topology_with_another_primary_blocks_for_the_site_file_may_be_of_another_pair() {
    let service = Observed::Seen(Service {
        primary: Observed::Seen("sql9.dc1.x.com".to_owned()),
        ..service()
    });
    assert_eq!(
        in_short(&judge(&Facts { service, ..facts() })),
        "other-topology"
    );
}

#[test]
fn properties_that_the_object_lacks_decide_nothing() {
    let service = Observed::Seen(Service {
        primary: unknown(),
        primary_mirror: unknown(),
        backup: unknown(),
        backup_mirror: unknown(),
        ..service()
    });
    assert_eq!(in_short(&judge(&Facts { service, ..facts() })), "pending");
}

#[test]
fn a_short_name_or_an_address_in_the_site_file_is_not_taken_for_another_host() {
    for host in ["sql3", "SQL3.dc2.x.com", "10.2.0.7"] {
        let facts = Facts {
            hosts: vec![(Role::Backup, host.to_owned())],
            ..facts()
        };
        assert_eq!(in_short(&judge(&facts)), "pending", "{host}");
    }
    assert!(!pool::may_be_same_host("sql3", "sql4.dc2.x.com"));
    assert!(!pool::may_be_same_host("10.2.0.7", "10.2.0.8"));
}
