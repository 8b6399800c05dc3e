use super::*;
use crate::model::chain::Gap;
use crate::step::observe::folders::Unread;
use crate::step::sample::{
    chain, files, holder, in_service, in_short, look, lsn, online, restore, set, set_facts,
    standby, unknown, way_out, words,
};

fn facts(chain: Chain) -> Facts {
    let end = |set: &Set| End {
        path: format!(r"E:\copy\mgc_{}.trn", set.first_lsn),
        copied: true,
        set: Observed::Seen(set_facts()),
    };
    Facts {
        ends: chain.sets.iter().map(end).collect(),
        files: files(chain),
        restores: Observed::Seen(Vec::new()),
        sessions: Observed::Seen(Vec::new()),
        accepts_gap: false,
        consents: false,
    }
}

fn judge(facts: &Facts) -> Standing {
    ApplyLogs::judge(facts)
}

fn with_gap() -> Chain {
    Chain {
        gaps: vec![Gap {
            after: lsn(20),
            before: lsn(30),
        }],
        whole: false,
        ..chain(vec![set(10, 20)])
    }
}

#[test]
fn it_is_pending_while_an_applicable_set_remains() {
    let standing = judge(&facts(chain(vec![set(10, 20), set(20, 30)])));
    assert_eq!(in_short(&standing), "pending");
    assert!(words(&standing).starts_with("apply 2 log backups"));
}

#[test]
fn it_is_satisfied_when_redo_start_has_reached_the_end() {
    assert_eq!(in_short(&judge(&facts(chain(Vec::new())))), "satisfied");
}

#[test]
fn a_gap_with_more_log_behind_it_blocks_until_exactly_that_loss_is_accepted() {
    let mut facts = facts(with_gap());
    assert_eq!(way_out(judge(&facts)), (None, Lift::Loss));
    assert!(words(&judge(&facts)).contains(&lsn(20).to_string()));
    facts.accepts_gap = true;
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn a_gap_names_the_set_that_lies_there_and_cannot_be_applied() {
    let unfit = |path: &str, first, last| Unread {
        path: path.to_owned(),
        why: "on another fork".to_owned(),
        lsns: Some((lsn(first), lsn(last))),
    };
    let standing = judge(&facts(Chain {
        unfit: vec![unfit("there", 15, 30), unfit("behind", 40, 50)],
        ..with_gap()
    }));
    assert!(words(&standing).contains("cannot be applied: `there` (on another fork"));
    assert!(!words(&standing).contains("behind"));
}

#[test]
fn a_copied_set_that_the_instance_cannot_read_blocks_and_one_still_in_the_share_does_not() {
    for set_seen in [unknown(), Observed::Absent] {
        let mut facts = facts(chain(vec![set(10, 20)]));
        facts.ends[0].set = set_seen;
        assert_eq!(in_short(&judge(&facts)), "unread-by-instance");
        facts.ends[0].copied = false;
        assert_eq!(in_short(&judge(&facts)), "pending");
    }
}

#[test]
fn a_restore_that_holds_the_database_blocks_until_the_jobs_are_stopped() {
    let mut facts = facts(chain(vec![set(10, 20)]));
    facts.restores = Observed::Seen(vec![restore(60)]);
    let cleared = Some("stop-log-shipping-jobs".to_owned());
    assert_eq!(way_out(judge(&facts)), (cleared, Lift::Site));
}

#[test]
fn restores_that_cannot_be_seen_are_unknown() {
    let mut facts = facts(chain(Vec::new()));
    facts.restores = unknown();
    assert_eq!(in_short(&judge(&facts)), "unknown");
}

#[test]
fn a_copy_folder_that_cannot_be_read_is_unknown_though_the_share_has_nothing_left() {
    let mut facts = facts(chain(Vec::new()));
    facts.files.copies = unknown();
    assert_eq!(in_short(&judge(&facts)), "unknown");
}

#[test]
fn an_unknown_share_blocks_though_the_copy_folder_has_nothing_left() {
    let mut facts = facts(chain(Vec::new()));
    facts.files.share = unknown();
    assert_eq!(in_short(&judge(&facts)), copy_backups::SHARE_LOST);
}

#[test]
fn standby_is_left_also_where_no_log_remains() {
    for sets in [Vec::new(), vec![set(10, 20)]] {
        let mut facts = facts(chain(sets));
        facts.files.look = look(standby());
        assert!(words(&judge(&facts)).contains("RESTORING"));
        assert_eq!(in_short(&judge(&facts)), "pending");
    }
}

#[test]
fn sessions_on_a_standby_database_are_ended_by_consent_only() {
    let mut facts = facts(chain(vec![set(10, 20)]));
    facts.files.look = look(standby());
    facts.sessions = Observed::Seen(vec![holder(57, "desk1")]);
    assert_eq!(way_out(judge(&facts)), (None, Lift::Consent));
    facts.sessions = unknown();
    assert_eq!(in_short(&judge(&facts)), "unknown");
    facts.consents = true;
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn a_recovered_database_overtakes_it_and_an_unclear_one_blocks_it() {
    let mut facts = facts(chain(vec![set(10, 20)]));
    facts.files.look = in_service();
    assert_eq!(in_short(&judge(&facts)), "satisfied");
    facts.files.look = look(online());
    facts.files.look.sets_beyond = unknown();
    assert_eq!(in_short(&judge(&facts)), "unclear");
}
