//! Each row of the table in `steps.md` 3.

use super::super::sample::{
    in_service, look, mirrored, online, restored, restoring, standby, unknown,
};
use super::*;
use crate::model::states::{MirroringRole, MirroringState};
use Observed::{Absent, Seen};

fn id(look: &Look) -> Option<String> {
    classify(look).block("mgc").map(|block| block.id)
}

#[test]
fn no_row_is_a_database_that_was_never_set_up() {
    let gone = Look {
        database: Absent,
        ..look(restoring())
    };
    assert_eq!(id(&gone).as_deref(), Some("no-database"));
}

#[test]
fn a_database_that_cannot_be_looked_at_is_unknown_and_not_absent() {
    let silent = Look {
        database: unknown(),
        ..look(restoring())
    };
    assert!(matches!(classify(&silent), BackupDatabase::Unknown(_)));
    assert_eq!(id(&silent), None);
}

#[test]
fn restoring_with_a_log_shipping_row_is_a_secondary_though_its_history_is_purged() {
    let purged = Look {
        history: Seen(Vec::new()),
        log_shipping: Seen(()),
        ..look(restoring())
    };
    assert_eq!(classify(&purged), BackupDatabase::Secondary);
}

#[test]
fn restoring_without_a_row_but_with_a_restored_log_is_a_secondary_too() {
    assert_eq!(classify(&look(restoring())), BackupDatabase::Secondary);
}

#[test]
fn restoring_without_any_trace_of_log_shipping_is_blocked() {
    let stray = Look {
        history: Seen(vec![restored("D", 1)]),
        ..look(restoring())
    };
    assert_eq!(id(&stray).as_deref(), Some("never-a-secondary"));
}

#[test]
fn restoring_with_a_history_that_cannot_be_read_is_unknown() {
    for (history, log_shipping) in [(unknown(), Absent), (Seen(Vec::new()), unknown())] {
        let dark = Look {
            history,
            log_shipping,
            ..look(restoring())
        };
        assert!(matches!(classify(&dark), BackupDatabase::Unknown(_)));
    }
}

#[test]
fn online_and_in_standby_is_a_secondary_in_standby() {
    assert_eq!(classify(&look(standby())), BackupDatabase::Standby);
}

#[test]
fn online_without_a_message_is_created_empty_whatever_else_is_known() {
    for pool in [
        Seen(PoolState::Normal),
        Seen(PoolState::FailedOver),
        unknown(),
    ] {
        let empty = Look {
            content: Absent,
            pool,
            called_recovered: true,
            loss_is_accepted: true,
            ..look(online())
        };
        let block = classify(&empty).block("mgc").unwrap();
        assert_eq!(block.id, "created-empty");
        assert_eq!(block.lift, Lift::Site, "no override");
    }
}

#[test]
fn online_in_a_normal_pool_and_never_restored_is_created_empty() {
    let never = Look {
        history: Seen(Vec::new()),
        ..look(online())
    };
    assert_eq!(classify(&never), BackupDatabase::CreatedEmpty);
    let not_known = Look {
        history: unknown(),
        ..look(online())
    };
    assert!(matches!(classify(&not_known), BackupDatabase::Unknown(_)));
}

#[test]
fn online_with_messages_in_a_failed_over_pool_is_in_service_whatever_its_history_says() {
    for history in [Seen(Vec::new()), unknown()] {
        let purged = Look {
            history,
            sets_beyond: Seen(40),
            ..in_service()
        };
        assert_eq!(classify(&purged), BackupDatabase::InService);
    }
}

#[test]
fn messages_or_a_pool_state_that_cannot_be_read_leave_it_unknown() {
    let no_content = Look {
        content: unknown(),
        ..in_service()
    };
    let no_pool = Look {
        pool: unknown(),
        ..look(online())
    };
    for dark in [no_content, no_pool] {
        assert!(matches!(classify(&dark), BackupDatabase::Unknown(_)));
    }
}

#[test]
fn online_with_a_fresh_log_and_no_set_beyond_was_recovered_at_the_end_of_the_chain() {
    assert_eq!(classify(&look(online())), BackupDatabase::Recovered);
}

#[test]
fn online_with_sets_beyond_was_recovered_too_early_until_their_loss_is_accepted() {
    let early = Look {
        sets_beyond: Seen(2),
        ..look(online())
    };
    assert_eq!(
        classify(&early),
        BackupDatabase::RecoveredTooEarly { sets: 2 }
    );
    assert_eq!(classify(&early).block("mgc").unwrap().lift, Lift::Loss);
    let accepted = Look {
        loss_is_accepted: true,
        ..early
    };
    assert_eq!(classify(&accepted), BackupDatabase::Recovered);
}

#[test]
fn an_old_restore_or_an_unknown_share_is_unclear_until_a_person_says_which() {
    let old = Look {
        history: Seen(vec![restored("L", 24)]),
        ..look(online())
    };
    let dark = Look {
        sets_beyond: unknown(),
        ..look(online())
    };
    for unclear in [old, dark] {
        let block = classify(&unclear).block("mgc").unwrap();
        assert_eq!((block.id.as_str(), block.lift), (UNCLEAR, Lift::Override));
        let said = Look {
            called_recovered: true,
            ..unclear
        };
        assert_eq!(classify(&said), BackupDatabase::Recovered);
    }
}

#[test]
fn the_hour_before_a_day_is_still_fresh() {
    let yesterday = Look {
        history: Seen(vec![restored("L", 23)]),
        ..look(online())
    };
    assert_eq!(classify(&yesterday), BackupDatabase::Recovered);
}

#[test]
fn restoring_and_mirrored_is_a_mirror() {
    let mirror = mirrored(
        restoring(),
        MirroringRole::Mirror,
        MirroringState::Synchronized,
        "SQL1",
    );
    assert_eq!(id(&look(mirror)).as_deref(), Some("is-mirror"));
}

#[test]
fn recovering_is_waited_for_and_never_blocked() {
    let starting = look(super::super::sample::database(DatabaseState::Recovering));
    assert_eq!(classify(&starting), BackupDatabase::Starting);
    assert_eq!(id(&starting), None);
}

#[test]
fn every_other_state_cannot_be_used() {
    for state in [
        DatabaseState::RecoveryPending,
        DatabaseState::Suspect,
        DatabaseState::Emergency,
        DatabaseState::Offline,
    ] {
        let look = look(super::super::sample::database(state));
        assert_eq!(id(&look).as_deref(), Some("unusable"), "{state}");
    }
}

#[test]
fn only_what_the_instance_knows_to_be_of_its_own_new_fork_or_another_family_does_not_count() {
    let lineage = Lineage {
        family: Some("FAMILY".to_owned()),
        fork: Some("NEW".to_owned()),
        fork_point: None,
    };
    let set = super::super::sample::set_facts();
    let counts = |set: SetHeader| !is_foreign(&Seen(set), Some(&lineage));
    assert!(counts(set.clone()));
    assert!(counts(SetHeader {
        family: None,
        fork: None,
        ..set.clone()
    }));
    assert!(!counts(SetHeader {
        fork: Some("new".to_owned()),
        ..set.clone()
    }));
    assert!(!counts(SetHeader {
        family: Some("OTHER".to_owned()),
        ..set
    }));
    assert!(!is_foreign(&unknown(), Some(&lineage)));
}
