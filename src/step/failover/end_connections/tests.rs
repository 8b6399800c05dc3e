use super::*;
use crate::step::Lift;
use crate::step::sample::only_block;
use crate::step::sample::{
    holder, in_service, in_short, look, online, restore, restoring, standby, unknown, words,
};

fn facts(look: Look, sessions: Vec<Holder>) -> Facts {
    Facts {
        database: "mgc".to_owned(),
        look,
        sessions: Observed::Seen(sessions),
        restores: Observed::Seen(Vec::new()),
        chat_hosts: vec!["pc1".to_owned(), "pc5".to_owned()],
        pool: Observed::Seen(PoolState::Normal),
    }
}

fn judge(facts: &Facts) -> Standing {
    EndConnections::judge(facts)
}

#[test]
fn it_is_satisfied_when_nobody_holds_the_database() {
    for database in [restoring(), standby()] {
        assert_eq!(
            in_short(&judge(&facts(look(database), Vec::new()))),
            "satisfied"
        );
    }
}

#[test]
fn it_is_pending_and_lists_who_holds_the_database() {
    let standing = judge(&facts(look(standby()), vec![holder(57, "desk1")]));
    assert_eq!(in_short(&standing), "pending");
    assert_eq!(words(&standing), "end 57 (report from desk1, Excel)");
}

#[test]
fn the_session_of_a_restore_is_never_ended() {
    let mut facts = facts(
        look(standby()),
        vec![holder(57, "desk1"), holder(60, "sql3")],
    );
    facts.restores = Observed::Seen(vec![restore(60)]);
    assert!(!words(&judge(&facts)).contains("60"));
    facts.sessions = Observed::Seen(vec![holder(60, "sql3")]);
    assert_eq!(in_short(&judge(&facts)), "satisfied");
}

#[test]
fn a_chat_server_blocks_unless_the_pool_is_failed_over() {
    let mut facts = facts(look(standby()), vec![holder(57, "PC5.dc2.x.com")]);
    assert_eq!(in_short(&judge(&facts)), "chat-session");
    facts.pool = unknown();
    assert_eq!(in_short(&judge(&facts)), "chat-session");
    facts.pool = Observed::Seen(PoolState::FailedOver);
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn sessions_on_a_recovered_database_are_users_and_stay() {
    for look in [in_service(), look(online())] {
        let standing = judge(&facts(look, vec![holder(57, "pc5")]));
        assert_eq!(in_short(&standing), "satisfied");
    }
}

#[test]
fn sessions_on_a_database_that_is_no_secondary_block_with_what_it_is() {
    let mut empty = look(online());
    empty.content = Observed::Absent;
    let block = only_block(judge(&facts(empty, vec![holder(57, "desk1")])));
    assert_eq!(
        (block.id.as_str(), block.lift),
        ("created-empty", Lift::Site)
    );
}

#[test]
fn sessions_restores_or_a_database_that_cannot_be_seen_are_unknown() {
    let sound = || facts(look(standby()), Vec::new());
    let no_sessions = Facts {
        sessions: unknown(),
        ..sound()
    };
    let no_restores = Facts {
        restores: unknown(),
        ..sound()
    };
    let mut dark = look(standby());
    dark.database = unknown();
    for facts in [no_sessions, no_restores, facts(dark, Vec::new())] {
        assert_eq!(in_short(&judge(&facts)), "unknown");
    }
}
