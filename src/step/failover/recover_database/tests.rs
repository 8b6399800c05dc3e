use super::*;
use crate::model::chain::Gap;
use crate::model::states::{MirroringRole, MirroringState};
use crate::step::Lift;
use crate::step::observe::folders::Chain;
use crate::step::observe::instance::Presence;
use crate::step::sample::{
    chain, content, database, files, holder, identity, in_service, in_short, job, look, lsn,
    mirrored, online, only_block, restore, restored, restoring, set, set_facts, site, standby,
    time, unknown, way_out, words,
};
use crate::step::terms::AcceptedLoss;

mod loss;
mod primary_side;

/// Everything applied, the loss accepted, the primary side silent.
pub(super) fn facts() -> Facts {
    let silent = |role| side(role, Presence::Dead("no answer".into()), Observed::Absent);
    Facts {
        planned: None,
        files: files(chain(Vec::new())),
        last_set: Observed::Seen(set_facts()),
        jobs: Observed::Seen(vec![job("Copy"), job("Restore")]),
        agent_runs: Some(true),
        restores: Observed::Seen(Vec::new()),
        sessions: Observed::Seen(Vec::new()),
        primary_side: vec![silent(Role::Primary), silent(Role::PrimaryMirror)],
        hosts: Vec::new(),
        newest_log: Observed::Absent,
        fence: Fence::of(&site(), jiff::Timestamp::UNIX_EPOCH),
        times: Times::none(),
        lag: Lag::none(),
        accepted: None,
        loss_is_accepted: true,
        overrides: Vec::new(),
        ours: false,
        wanted: None,
        owner_has_login: false,
        orphans: Observed::Absent,
        identity: Observed::Seen(identity(r"SQL3\CHAT")),
    }
}

fn side(role: Role, presence: Presence, database: Observed<Database>) -> PrimarySide {
    let server = match role {
        Role::Primary => r"sql1.dc1.x.com\chat",
        Role::PrimaryMirror | Role::Backup | Role::BackupMirror => r"sql2.dc1.x.com\chat",
    };
    PrimarySide {
        role,
        server: server.parse().unwrap(),
        at: jiff::Timestamp::UNIX_EPOCH,
        presence,
        database,
        family: Some("FAMILY".to_owned()),
        ended: Observed::Absent,
        content: content(),
    }
}

/// The same with the backup's database recovered.
fn recovered(row: Database) -> Facts {
    let mut facts = facts();
    facts.files.look = look(row);
    facts
}

fn judge(facts: &Facts) -> Standing {
    RecoverDatabase::judge(facts)
}

#[test]
fn it_is_pending_when_the_chain_is_applied_and_nothing_stands_against_it() {
    assert_eq!(
        words(&judge(&facts())),
        format!("recover it at LSN {}", lsn(10))
    );
}

#[test]
fn a_newer_server_than_that_of_the_logs_is_told_before_the_point_of_no_return() {
    let mut facts = facts();
    facts.identity = Observed::Seen(Identity {
        major: 15,
        ..identity("SQL3")
    });
    assert!(words(&judge(&facts)).contains("3169"));
    facts.last_set = unknown();
    facts.files.chain.as_mut().unwrap().last_major = Some(13);
    assert!(words(&judge(&facts)).contains("3169"));
}

#[test]
fn a_set_that_is_left_blocks_until_the_logs_are_applied() {
    let mut facts = facts();
    facts.files = files(chain(vec![set(10, 20)]));
    let cleared = Some("apply-logs".to_owned());
    assert_eq!(way_out(judge(&facts)), (cleared, Lift::Site));
}

#[test]
fn standby_is_not_recovered_before_it_was_made_restoring() {
    let mut facts = facts();
    facts.files.look = look(standby());
    assert_eq!(only_block(judge(&facts)).cleared_by.unwrap(), "apply-logs");
}

#[test]
fn an_unknown_share_blocks_until_it_is_called_lost() {
    let mut facts = facts();
    facts.files.share = unknown();
    assert_eq!(way_out(judge(&facts)), (None, Lift::Override));
    facts.files.share_called_lost = true;
    assert_eq!(in_short(&judge(&facts)), "pending");
    facts.loss_is_accepted = false;
    assert_eq!(in_short(&judge(&facts)), "loss");
}

#[test]
fn jobs_that_were_enabled_again_block() {
    let enabled = Job {
        enabled: true,
        ..job("Restore")
    };
    let running = Job {
        started_and_not_stopped: true,
        ..job("Restore")
    };
    for job in [enabled, running] {
        let mut facts = facts();
        facts.jobs = Observed::Seen(vec![job]);
        let cleared = Some("stop-log-shipping-jobs".to_owned());
        assert_eq!(way_out(judge(&facts)), (cleared, Lift::Site));
    }
}

#[test]
fn a_running_restore_and_sessions_block_until_their_steps() {
    let mut facts = facts();
    facts.sessions = Observed::Seen(vec![holder(57, "desk1")]);
    assert_eq!(
        only_block(judge(&facts)).cleared_by.unwrap(),
        "end-connections"
    );
    facts.restores = Observed::Seen(vec![restore(57)]);
    let cleared = only_block(judge(&facts)).cleared_by;
    assert_eq!(cleared.unwrap(), "stop-log-shipping-jobs");
}

#[test]
fn what_cannot_be_seen_is_unknown_and_never_absent() {
    let change: [fn(&mut Facts); 6] = [
        |facts| facts.jobs = unknown(),
        |facts| facts.restores = unknown(),
        |facts| facts.sessions = unknown(),
        |facts| facts.files.copies = unknown(),
        |facts| facts.files.look.database = unknown(),
        |facts| {
            facts.files.redo = unknown();
            facts.files.chain = None;
        },
    ];
    for (number, change) in change.into_iter().enumerate() {
        let mut facts = facts();
        change(&mut facts);
        assert_eq!(in_short(&judge(&facts)), "unknown", "{number}");
    }
}

#[test]
fn recovery_that_runs_is_watched() {
    let mut facts = facts();
    facts.files.look = look(database(DatabaseState::Recovering));
    assert_eq!(in_short(&judge(&facts)), "underway");
}

#[test]
fn it_is_satisfied_when_the_database_was_recovered_at_the_end_of_the_chain_or_is_in_service() {
    assert_eq!(in_short(&judge(&recovered(online()))), "satisfied");
    let mut facts = recovered(online());
    facts.files.look = in_service();
    assert_eq!(words(&judge(&facts)), "in service: the pool uses it");
}

#[test]
fn what_this_run_recovered_needs_neither_history_nor_pool_to_tell_it_from_a_drill() {
    let mut facts = recovered(online());
    facts.files.look.pool = unknown();
    facts.files.look.history = Observed::Seen(vec![restored("L", 99)]);
    facts.files.look.sets_beyond = Observed::Seen(3);
    assert_eq!(in_short(&judge(&facts)), "unknown");
    facts.ours = true;
    let standing = judge(&facts);
    assert_eq!(in_short(&standing), "satisfied");
    assert!(words(&standing).contains("3 log backups"));
}

#[test]
fn a_database_that_must_not_serve_is_blocked() {
    let mut facts = recovered(online());
    facts.files.look.sets_beyond = Observed::Seen(3);
    assert_eq!(way_out(judge(&facts)), (None, Lift::Loss));
    facts.files.look.content = Observed::Absent;
    assert_eq!(way_out(judge(&facts)), (None, Lift::Site));
}

#[test]
fn single_user_after_recovery_is_still_to_be_mended() {
    let single = Database {
        user_access: 1,
        ..online()
    };
    assert_eq!(in_short(&judge(&recovered(single))), "pending");
}

#[test]
fn online_without_a_collation_is_watched_and_another_flaw_blocks() {
    let early = Database {
        collation: None,
        ..online()
    };
    assert_eq!(in_short(&judge(&recovered(early))), "underway");
    let simple = Database {
        recovery_model: 3,
        ..online()
    };
    assert_eq!(in_short(&judge(&recovered(simple))), "unsound");
}

#[test]
fn owner_trustworthy_broker_and_users_are_reported_and_send_nothing() {
    let mut facts = recovered(online());
    facts.orphans = Observed::Seen(vec!["reader".to_owned()]);
    facts.wanted = Some(Database {
        owner: Some("LITWARE\\svc".to_owned()),
        trustworthy: true,
        broker: true,
        ..online()
    });
    let standing = judge(&facts);
    assert_eq!(in_short(&standing), "satisfied");
    for part in [
        "reader",
        "its owner is sa",
        "TRUSTWORTHY is off",
        "Broker is off",
    ] {
        assert!(words(&standing).contains(part), "{part}");
    }
}

#[test]
fn an_owner_is_set_only_where_he_has_a_login_and_is_another() {
    let mut facts = facts();
    facts.wanted = Some(Database {
        owner: Some("LITWARE\\svc".to_owned()),
        ..online()
    });
    assert_eq!(facts.owner_to_set(&online()), None);
    facts.owner_has_login = true;
    assert_eq!(facts.owner_to_set(&online()), Some("LITWARE\\svc"));
    let same = Database {
        owner: Some("litware\\SVC".to_owned()),
        ..online()
    };
    assert_eq!(facts.owner_to_set(&same), None);
}
