//! `design.md` 3, rule 3: nothing is lost that was not accepted.

use super::*;
use crate::step::observe::folders::Unread;

fn terms(accepted: Option<AcceptedLoss>) -> Terms {
    Terms {
        accepted,
        ..Terms::default()
    }
}

fn gap() -> Chain {
    Chain {
        gaps: vec![Gap {
            after: lsn(10),
            before: lsn(30),
        }],
        whole: false,
        ..chain(Vec::new())
    }
}

fn unread(path: &str) -> Unread {
    Unread {
        path: path.to_owned(),
        why: "damaged".to_owned(),
        lsns: None,
    }
}

fn unreadable() -> Chain {
    Chain {
        unreadable: vec![unread("x.trn")],
        ..chain(Vec::new())
    }
}

fn share_unknown() -> Chain {
    Chain {
        share_is_known: false,
        ..chain(Vec::new())
    }
}

#[test]
fn the_end_of_a_whole_chain_is_lost_only_by_acceptance() {
    let mut facts = facts();
    facts.loss_is_accepted = false;
    let block = only_block(judge(&facts));
    assert_eq!((block.id.as_str(), block.lift), ("loss", Lift::Loss));
    assert!(block.why().contains(&lsn(10).to_string()) && block.why().contains("03:15"));
    assert!(block.hint().ends_with("end-of-chain"));
}

#[test]
fn end_of_chain_covers_neither_a_gap_nor_an_unreadable_file_nor_an_unknown_share() {
    let end = terms(Some(AcceptedLoss::EndOfChain));
    assert!(accepts(&end, &chain(Vec::new())));
    for chain in [gap(), unreadable(), share_unknown()] {
        assert!(!accepts(&end, &chain));
        assert!(accepts(&terms(Some(AcceptedLoss::Lsn(lsn(10)))), &chain));
    }
}

#[test]
fn an_accepted_lsn_covers_what_lies_at_and_after_it_only() {
    let chain = chain(Vec::new());
    for (slot, covered) in [(9, true), (10, true), (11, false)] {
        let terms = terms(Some(AcceptedLoss::Lsn(lsn(slot))));
        assert_eq!(accepts(&terms, &chain), covered, "{slot}");
    }
}

#[test]
fn an_accepted_time_covers_what_was_written_after_it_only() {
    let mut chain = chain(Vec::new());
    for (text, covered) in [("03:14", true), ("03:15", true), ("03:16", false)] {
        let terms = terms(Some(AcceptedLoss::Time(time(text))));
        assert_eq!(accepts(&terms, &chain), covered, "{text}");
    }
    chain.last_finished = None;
    let early = terms(Some(AcceptedLoss::Time(time("00:00"))));
    assert!(!accepts(&early, &chain));
}

#[test]
fn a_rehearsal_accepts_the_end_of_the_chain_and_nothing_worse() {
    let rehearsal = Terms {
        rehearsal: true,
        ..Terms::default()
    };
    assert!(accepts(&rehearsal, &chain(Vec::new())));
    for chain in [gap(), unreadable(), share_unknown()] {
        assert!(!accepts(&rehearsal, &chain));
    }
    assert!(!accepts(&Terms::default(), &chain(Vec::new())));
}

#[test]
fn the_hint_of_a_worse_loss_names_exactly_where_the_chain_ends() {
    for chain in [gap(), unreadable(), share_unknown()] {
        let mut facts = facts();
        facts.files = files(chain);
        facts.loss_is_accepted = false;
        let block = only_block(judge(&facts));
        assert!(
            block.hint().ends_with(&lsn(10).to_string()),
            "{}",
            block.hint()
        );
    }
}

#[test]
fn a_tail_taken_with_norecovery_loses_nothing_and_needs_no_acceptance() {
    let mut facts = facts();
    facts.loss_is_accepted = false;
    let tail = SetHeader {
        force_offline: true,
        ..set_facts()
    };
    facts.last_set = Observed::Seen(tail.clone());
    assert_eq!(in_short(&judge(&facts)), "pending");
    for (set, chain) in [
        (tail.clone(), gap()),
        (tail.clone(), unreadable()),
        (
            SetHeader {
                family: Some("OTHER".to_owned()),
                ..tail.clone()
            },
            chain(Vec::new()),
        ),
        (
            SetHeader {
                damaged: true,
                ..tail
            },
            chain(Vec::new()),
        ),
    ] {
        facts.last_set = Observed::Seen(set);
        facts.files = files(chain);
        let judged = judge(&facts);
        assert!(in_short(&judged).starts_with("loss"), "{judged:?}");
    }
}

#[test]
fn a_damaged_primary_that_answers_is_named_with_the_loss_for_its_tail_may_be_saved() {
    let mut facts = facts();
    facts.loss_is_accepted = false;
    let answers = Presence::Answers(identity(r"SQL1\CHAT"));
    let suspect = Observed::Seen(database(DatabaseState::Suspect));
    facts.primary_side[0] = side(Role::Primary, answers, suspect);
    assert!(words(&judge(&facts)).contains("NO_TRUNCATE"));
}

#[test]
fn the_seconds_lost_run_from_the_last_set_to_the_disaster_and_never_to_now() {
    let mut facts = facts();
    let at = |text| Terms {
        disaster_at: Some(time(text)),
        ..Terms::default()
    };
    assert_eq!(
        RecoverDatabase::loss_seconds(&facts, &at("03:25")),
        Some(600)
    );
    // In the hour that comes twice nobody can tell.
    assert_eq!(RecoverDatabase::loss_seconds(&facts, &at("03:00")), None);
    assert_eq!(
        RecoverDatabase::loss_seconds(&facts, &Terms::default()),
        None
    );
    facts.last_set = Observed::Seen(SetHeader {
        force_offline: true,
        ..set_facts()
    });
    assert_eq!(RecoverDatabase::loss_seconds(&facts, &at("03:25")), Some(0));
}
