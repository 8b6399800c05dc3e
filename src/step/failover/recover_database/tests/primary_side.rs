//! `design.md` 3, rule 2: never two writable databases.

use super::*;
use crate::step::observe::database::Mirroring;

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

/// `sql-server.md` 4: both can stay so without an end.
#[test]
fn of_two_partners_that_stay_recovering_each_has_its_own_way_on() {
    let partner = |role| {
        let mut row = database(DatabaseState::Recovering);
        row.mirroring = Some(Mirroring {
            role: Some(role),
            state: Some(MirroringState::Disconnected),
            partner: None,
        });
        only_block(judge(&primary(Observed::Seen(row))))
    };
    let mirror = partner(MirroringRole::Mirror);
    assert_eq!(
        (mirror.id.as_str(), mirror.lift),
        ("mirror-alive", Lift::Override)
    );
    let principal = partner(MirroringRole::Principal);
    assert_eq!(
        (principal.id.as_str(), principal.lift),
        ("primary-starting", Lift::Site)
    );
    let hint = principal.hint();
    assert!(hint.contains("Stop-Service"), "{hint}");
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
fn what_cannot_be_seen_is_an_interlock_and_what_lives_is_none() {
    let mut facts = facts();
    facts.primary_side[0].presence = Presence::Unseen("no such name".into());
    let block = only_block(judge(&facts));
    assert_eq!(
        (block.id.as_str(), block.lift),
        ("primary-unseen", Lift::Override)
    );
    override_with(&mut facts, "primary-unseen");
    assert_eq!(in_short(&judge(&facts)), "pending");
    override_with(&mut facts, "primary-lives");
    facts.primary_side[0].presence = Presence::Lives("the connection broke".into());
    let block = only_block(judge(&facts));
    assert_eq!(
        (block.id.as_str(), block.lift),
        ("primary-lives", Lift::Site)
    );
    let hint = block.hint();
    assert!(
        hint.contains("`Stop-Service -Force -Name 'MSSQL$chat'`"),
        "{hint}"
    );
}

#[test]
fn another_instance_that_answers_at_the_port_says_nothing_of_the_one_that_is_asked_for() {
    let mut facts = primary(Observed::Absent);
    facts.primary_side[0].presence = Presence::Answers(identity(r"SQL1\MAIL"));
    assert_eq!(in_short(&judge(&facts)), "primary-unseen");
    facts.primary_side[0].presence = Presence::Answers(identity("SQL1"));
    assert_eq!(in_short(&judge(&facts)), "primary-unseen");
    facts.primary_side[0].presence = Presence::Answers(identity(r"SQL1\CHAT"));
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn a_primary_that_is_silent_here_and_in_touch_with_its_mirror_lives() {
    for (state, lives) in [
        (MirroringState::Synchronized, true),
        (MirroringState::Synchronizing, true),
        (MirroringState::PendingFailover, true),
        (MirroringState::Disconnected, false),
        (MirroringState::Suspended, false),
        (MirroringState::Unsynchronized, false),
    ] {
        let mut facts = facts();
        let mirror = mirrored(restoring(), MirroringRole::Mirror, state, "SQL1");
        let answers = Presence::Answers(identity(r"SQL2\CHAT"));
        facts.primary_side[1] = side(Role::PrimaryMirror, answers, Observed::Seen(mirror));
        override_with(&mut facts, "mirror-alive");
        let wanted = if lives { "primary-lives" } else { "pending" };
        assert_eq!(in_short(&judge(&facts)), wanted, "{state}");
    }
}

#[test]
fn the_hint_for_a_primary_that_serves_fits_its_mirroring() {
    let hint = |row| only_block(judge(&primary(Observed::Seen(row)))).hint();
    assert!(!hint(online()).contains("PARTNER"));
    let principal = mirrored(
        online(),
        MirroringRole::Principal,
        MirroringState::Synchronized,
        "SQL2",
    );
    let hint = hint(principal);
    let off = hint.find("ALTER DATABASE [mgc] SET PARTNER OFF");
    let tail = hint.find(r"BACKUP LOG [mgc] TO DISK = N'\\fs1\logs\mgc_tail_19700101000000.trn'");
    assert!(off.unwrap() < tail.unwrap(), "{hint}");
}

#[test]
fn what_else_answers_in_the_first_data_center_is_an_interlock_with_its_evidence() {
    let mut facts = facts();
    let host = |name: &str, answers| Host {
        what: "Front End",
        name: name.to_owned(),
        port: 5061,
        answers,
        came: "what came".to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    facts.hosts = vec![host("fe1.x.com", true), host("fe2.x.com", false)];
    let block = only_block(judge(&facts));
    assert_eq!(
        (block.id.as_str(), block.lift),
        ("primary-answers", Lift::Override)
    );
    assert!(block.why().contains("fe1.x.com") && !block.why().contains("fe2.x.com"));
    let seen = block.problem.evidence;
    let line = "Front End fe2.x.com, TCP 5061: what came (00:00:00 UTC)".to_owned();
    assert!(seen.contains(&line), "{seen:#?}");
    override_with(&mut facts, "primary-answers");
    assert_eq!(in_short(&judge(&facts)), "pending");
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
