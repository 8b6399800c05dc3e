use super::*;
use crate::step::observe::pool::ChatService;
use crate::step::sample::{holder, in_short, service, unknown, words};

/// Nobody is active, and a server holds both databases still.
fn held() -> Facts {
    let runs = |name: &str, compliance| ChatService {
        name: Some(name.to_owned()),
        compliance,
        runs: Some(true),
    };
    Facts {
        center: Center::Second,
        service: Observed::Seen(Service {
            active_servers: Some(Vec::new()),
            ..service()
        }),
        state: Observed::Seen(PoolState::FailedOver),
        computers: Observed::Seen(vec!["pc5.dc2.x.com".to_owned()]),
        holders: Observed::Seen(vec![holder(60, "PC5")]),
        holding: vec![Holding {
            server: "pc5.dc2.x.com".to_owned(),
            compliance: true,
            services: Observed::Seen(vec![runs("CHAT", false), runs("COMPLIANCE", true)]),
        }],
        waiting: Some(Observed::Seen(0)),
        waiting_is_accepted: false,
        log_backups: Vec::new(),
        looks: 1,
    }
}

#[test]
fn a_compliance_service_that_events_wait_for_is_not_to_stop_and_it_is_said() {
    let drained = held();
    assert!(
        ClearActiveServers::held_up_by(&drained)
            .unwrap()
            .contains("COMPLIANCE")
    );
    for waiting in [Observed::Seen(7), unknown()] {
        let facts = Facts {
            waiting: Some(waiting),
            ..held()
        };
        let by = ClearActiveServers::held_up_by(&facts).unwrap();
        assert!(by.contains("CHAT") && !by.contains("COMPLIANCE"), "{by}");
        let standing = ClearActiveServers::judge(&facts);
        assert_eq!(in_short(&standing), "underway");
        assert!(words(&standing).contains("--override compliance-waiting"));
        let accepted = Facts {
            waiting_is_accepted: true,
            ..facts
        };
        assert!(
            ClearActiveServers::held_up_by(&accepted)
                .unwrap()
                .contains("COMPLIANCE")
        );
    }
}

#[test]
fn a_server_that_holds_on_without_a_service_that_runs_is_named() {
    for services in [Observed::Seen(Vec::new()), unknown()] {
        let mut facts = held();
        facts.holding[0].services = services;
        assert_eq!(ClearActiveServers::held_up_by(&facts), None);
        let told = words(&ClearActiveServers::judge(&facts));
        assert!(
            told.contains("no service that runs is seen on pc5"),
            "{told}"
        );
    }
}
