//! `design.md` 3, rule 2: never two writable databases.

use super::*;

/// With the primary answering, its database as given.
fn primary(database: Observed<Database>) -> Facts {
    let mut facts = facts();
    let answers = Presence::Answers(identity(r"SQL1\CHAT"));
    facts.primary_side[0] = side(Role::Primary, answers, database);
    facts
}

fn override_with(facts: &mut Facts, id: &str) {
    facts.overrides = vec![id.to_owned()];
}

#[test]
fn a_primary_that_serves_blocks_and_nothing_overrides_it() {
    let mut facts = primary(Observed::Seen(online()));
    override_with(&mut facts, "primary-serves");
    let block = only_block(judge(&facts));
    assert_eq!(
        (block.id.as_str(), block.lift),
        ("primary-serves", Lift::Site)
    );
    assert_eq!(block.cleared_by, None);
}

#[test]
fn a_fresh_and_empty_primary_of_another_family_is_an_interlock() {
    let mut facts = primary(Observed::Seen(online()));
    facts.primary_side[0].family = Some("OTHER".to_owned());
    facts.primary_side[0].content = Observed::Absent;
    assert_eq!(way_out(judge(&facts)), (None, Lift::Override));
    override_with(&mut facts, "fresh-primary");
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn a_serving_primary_is_fresh_only_where_family_and_emptiness_are_both_proved() {
    type Change = fn(&mut PrimarySide);
    let changes: [Change; 4] = [
        |side| side.content = Observed::Absent,
        |side| {
            side.content = Observed::Absent;
            side.family = None;
        },
        |side| side.family = Some("OTHER".to_owned()),
        |side| {
            side.family = Some("OTHER".to_owned());
            side.content = unknown();
        },
    ];
    for change in changes {
        let mut facts = primary(Observed::Seen(online()));
        change(&mut facts.primary_side[0]);
        override_with(&mut facts, "fresh-primary");
        assert_eq!(in_short(&judge(&facts)), "primary-serves");
    }
}

#[test]
fn a_primary_that_is_starting_blocks_for_it_will_serve() {
    let starting = primary(Observed::Seen(database(DatabaseState::Recovering)));
    assert_eq!(in_short(&judge(&starting)), "primary-starting");
}

#[test]
fn a_primary_that_is_alive_and_hides_its_database_blocks_and_a_silent_one_does_not() {
    assert_eq!(in_short(&judge(&primary(unknown()))), "primary-lives");
    let mut refuses = facts();
    refuses.primary_side[0].presence = Presence::Lives("error 18456".into());
    assert_eq!(in_short(&judge(&refuses)), "primary-lives");
    assert_eq!(in_short(&judge(&facts())), "pending");
}

#[test]
fn a_fenced_a_standby_a_missing_and_a_broken_primary_do_not_block() {
    for database in [
        Observed::Seen(restoring()),
        Observed::Seen(standby()),
        Observed::Absent,
        Observed::Seen(database(DatabaseState::Offline)),
        Observed::Seen(database(DatabaseState::Suspect)),
    ] {
        assert_eq!(in_short(&judge(&primary(database))), "pending");
    }
}

#[test]
fn a_living_mirror_of_the_dead_primary_may_hold_more_and_is_an_interlock() {
    let mut facts = facts();
    let mirror = mirrored(
        restoring(),
        MirroringRole::Mirror,
        MirroringState::Disconnected,
        "SQL1",
    );
    let answers = Presence::Answers(identity(r"SQL2\CHAT"));
    facts.primary_side[1] = side(Role::PrimaryMirror, answers, Observed::Seen(mirror));
    assert_eq!(way_out(judge(&facts)), (None, Lift::Override));
    override_with(&mut facts, "mirror-alive");
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn a_primary_that_is_the_backup_under_another_name_blocks() {
    let mut facts = primary(Observed::Absent);
    facts.primary_side[0].presence = Presence::Answers(identity(r"sql3\chat"));
    assert_eq!(in_short(&judge(&facts)), "one-instance");
}

#[test]
fn a_primary_that_came_back_before_the_pool_changed_sides_stops_a_recovered_database_too() {
    let mut facts = primary(Observed::Seen(online()));
    facts.files.look = look(online());
    facts.ours = true;
    assert_eq!(in_short(&judge(&facts)), "primary-serves");
    facts.files.look = in_service();
    assert_eq!(in_short(&judge(&facts)), "satisfied");
}
