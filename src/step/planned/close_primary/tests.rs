use super::*;
use crate::model::states::{MirroringRole, MirroringState};
use crate::step::sample::{in_short, mirrored, online, restoring, words};

fn serving() -> Facts {
    Facts {
        name: "mgc".to_owned(),
        path: "tail".to_owned(),
        database: Observed::Seen(online()),
        holders: Holders::nobody(),
        service: Observed::Absent,
        begins: Observed::Seen(Lsn::new(40, 10, 1)),
        reaches: Some(Lsn::new(40, 10, 1)),
        redo: Observed::Absent,
        tail: Observed::Absent,
        verified: Observed::Absent,
    }
}

#[test]
fn the_log_is_ended_only_where_its_end_joins_what_is_on_the_share() {
    assert_eq!(in_short(&ClosePrimary::judge(&serving())), "pending");
    let elsewhere = Facts {
        begins: Observed::Seen(Lsn::new(40, 20, 1)),
        ..serving()
    };
    let standing = ClosePrimary::judge(&elsewhere);
    assert_eq!(in_short(&standing), "log-elsewhere");
    assert!(words(&standing).contains("somebody took a log backup to another place"));
    let unseen = Facts {
        reaches: None,
        ..serving()
    };
    assert_eq!(in_short(&ClosePrimary::judge(&unseen)), "unknown");
    let simple = Facts {
        begins: Observed::Absent,
        ..serving()
    };
    assert_eq!(in_short(&ClosePrimary::judge(&simple)), "no-log-backups");
}

#[test]
fn a_mirrored_principal_refuses_the_end_of_its_log_and_what_is_closed_otherwise_is_not_ours() {
    let row = mirrored(
        online(),
        MirroringRole::Principal,
        MirroringState::Synchronized,
        "SQL2",
    );
    let facts = Facts {
        database: Observed::Seen(row),
        ..serving()
    };
    assert_eq!(in_short(&ClosePrimary::judge(&facts)), "mirrored");
    let closed = Facts {
        database: Observed::Seen(restoring()),
        ..serving()
    };
    let standing = ClosePrimary::judge(&closed);
    assert_eq!(in_short(&standing), "closed-without-tail");
}
