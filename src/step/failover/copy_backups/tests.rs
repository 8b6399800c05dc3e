use super::*;
use crate::step::sample::{
    chain, files, in_service, in_short, look, online, set, standby, unknown, way_out, words,
};

fn judge(facts: &Facts) -> Standing {
    CopyBackups::judge(facts)
}

fn not_copied(first: u16, last: u16) -> crate::step::observe::folders::Set {
    crate::step::observe::folders::Set {
        in_copy: None,
        ..set(first, last)
    }
}

#[test]
fn it_is_satisfied_when_every_set_of_the_chain_lies_in_the_copy_folder() {
    assert_eq!(
        in_short(&judge(&files(chain(vec![set(10, 20)])))),
        "satisfied"
    );
    assert_eq!(in_short(&judge(&files(chain(Vec::new())))), "satisfied");
}

#[test]
fn it_is_pending_with_number_and_bytes_when_a_set_is_missing_there() {
    let facts = files(chain(vec![
        set(10, 20),
        not_copied(20, 30),
        not_copied(30, 40),
    ]));
    assert_eq!(words(&judge(&facts)), "copy 2 log backups, 2.0 KiB");
}

#[test]
fn an_unknown_share_blocks_until_a_person_calls_it_lost() {
    let mut facts = files(chain(vec![set(10, 20)]));
    facts.share = unknown();
    assert_eq!(in_short(&judge(&facts)), SHARE_LOST);
    assert_eq!(way_out(judge(&facts)), (None, Lift::Override));
    facts.share_called_lost = true;
    assert!(words(&judge(&facts)).contains("called lost"));
}

#[test]
fn a_copy_folder_that_cannot_be_read_is_unknown() {
    let mut facts = files(chain(Vec::new()));
    facts.copies = unknown();
    assert_eq!(in_short(&judge(&facts)), "unknown");
}

#[test]
fn a_redo_start_that_nothing_tells_is_unknown() {
    for redo in [Observed::Absent, unknown()] {
        let mut facts = files(chain(Vec::new()));
        facts.redo = redo;
        facts.chain = None;
        assert_eq!(in_short(&judge(&facts)), "unknown");
    }
}

#[test]
fn a_standby_secondary_is_copied_for_as_well() {
    let mut facts = files(chain(vec![not_copied(10, 20)]));
    facts.look = look(standby());
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn a_recovered_database_overtakes_it_and_what_it_must_not_be_blocks_it() {
    let mut facts = files(chain(vec![not_copied(10, 20)]));
    for recovered in [in_service(), look(online())] {
        facts.look = recovered;
        assert_eq!(in_short(&judge(&facts)), "satisfied");
    }
    facts.look.sets_beyond = Observed::Seen(1);
    assert_eq!(in_short(&judge(&facts)), "recovered-too-early");
    facts.look.database = Observed::Absent;
    assert_eq!(in_short(&judge(&facts)), "no-database");
}

#[test]
fn sizes_are_told_in_tenths_of_their_unit() {
    assert_eq!(size(1023), "1023 bytes");
    assert_eq!(size(1536), "1.5 KiB");
    assert_eq!(size(u64::MAX), "1677721.5 TiB");
}
