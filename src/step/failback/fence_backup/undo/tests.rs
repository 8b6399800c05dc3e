use super::*;
use crate::model::Direction;
use crate::model::states::{MirroringRole, MirroringState};
use crate::step::Step;
use crate::step::sample::{
    database, identity, in_short, mirrored, online, restore, restoring, standby, unknown, words,
};
use crate::step::undo::{backwards, judge};

fn other(role: Role, database: Observed<Database>, family: &str) -> Other {
    let serves = database.seen().is_some_and(Database::serves);
    Other {
        role,
        lineage: if serves {
            Observed::Seen(Lineage {
                family: Some(family.to_owned()),
                fork: None,
                fork_point: None,
            })
        } else {
            Observed::Absent
        },
        restores: Observed::Seen(Vec::new()),
        database,
    }
}

fn closed(others: Vec<Other>) -> Facts {
    Facts {
        at: Role::Backup,
        backup: Observed::Seen(restoring()),
        before: Some(online()),
        kept: true,
        names: Vec::new(),
        family: Some("FAMILY".to_owned()),
        logins: Observed::Seen(vec!["sa".to_owned(), "svc".to_owned()]),
        others,
        lost: Lost::default(),
    }
}

fn mirror_of(row: Database, role: MirroringRole) -> Database {
    mirrored(row, role, MirroringState::Synchronized, "SQL2")
}

#[test]
fn the_backup_is_opened_only_where_no_other_database_of_its_family_could_be_written() {
    use DatabaseState::{Emergency, Offline, Recovering, RecoveryPending, Suspect};
    for role in [Role::Primary, Role::PrimaryMirror] {
        for (row, family, standing) in [
            (Observed::Absent, "FAMILY", "pending"),
            (Observed::Seen(restoring()), "FAMILY", "pending"),
            (Observed::Seen(database(Offline)), "FAMILY", "pending"),
            (Observed::Seen(online()), "ANOTHER", "pending"),
            (Observed::Seen(online()), "family", "two-writable"),
            (Observed::Seen(standby()), "ANOTHER", "two-writable"),
            (Observed::Seen(database(Recovering)), "", "two-writable"),
            (
                Observed::Seen(database(RecoveryPending)),
                "",
                "two-writable",
            ),
            (Observed::Seen(database(Suspect)), "", "two-writable"),
            (Observed::Seen(database(Emergency)), "", "two-writable"),
            (
                Observed::Seen(mirror_of(restoring(), MirroringRole::Mirror)),
                "",
                "two-writable",
            ),
            (
                Observed::Seen(mirror_of(online(), MirroringRole::Principal)),
                "FAMILY",
                "two-writable",
            ),
            (unknown(), "FAMILY", "unknown"),
        ] {
            let shown = format!("{role}: {row:?} of {family}");
            let facts = closed(vec![other(role, row, family)]);
            assert_eq!(in_short(&judge(&facts)), standing, "{shown}");
        }
    }
}

#[test]
fn what_cannot_be_told_of_the_primary_side_is_never_taken_for_no() {
    let mut of_none = closed(vec![other(
        Role::Primary,
        Observed::Seen(online()),
        "ANOTHER",
    )]);
    of_none.others[0].lineage = unknown();
    assert_eq!(in_short(&judge(&of_none)), "unknown");
    of_none.others[0].lineage = Observed::Absent;
    assert_eq!(in_short(&judge(&of_none)), "unknown");

    let mut ours = closed(vec![other(
        Role::Primary,
        Observed::Seen(online()),
        "ANOTHER",
    )]);
    ours.family = None;
    assert_eq!(in_short(&judge(&ours)), "unknown");

    let mut restores = closed(vec![other(Role::Primary, Observed::Seen(restoring()), "")]);
    restores.others[0].restores = unknown();
    assert_eq!(in_short(&judge(&restores)), "unknown");
    restores.others[0].restores = Observed::Seen(vec![restore(61)]);
    assert_eq!(in_short(&judge(&restores)), "restore-runs");
}

#[test]
fn the_backup_mirror_stops_it_only_where_it_is_seen_to_serve() {
    let at = |row| closed(vec![other(Role::BackupMirror, row, "FAMILY")]);
    for (row, standing) in [
        (unknown(), "pending"),
        (Observed::Seen(restoring()), "pending"),
        (Observed::Seen(online()), "two-writable"),
    ] {
        assert_eq!(in_short(&judge(&at(row))), standing);
    }
}

#[test]
fn a_backup_mirror_that_serves_what_cannot_be_told_stops_it_too() {
    let mut facts = closed(vec![other(
        Role::BackupMirror,
        Observed::Seen(online()),
        "FAMILY",
    )]);
    facts.family = None;
    assert_eq!(in_short(&judge(&facts)), "unknown");
    facts.family = Some("FAMILY".to_owned());
    facts.others[0].lineage = unknown();
    assert_eq!(in_short(&judge(&facts)), "unknown");
}

#[test]
fn two_roles_of_one_instance_or_one_that_is_not_known_stop_it() {
    let name = |role, name: &str| (role, Observed::Seen(identity(name)));
    let mut facts = closed(Vec::new());
    facts.names = vec![name(Role::Backup, "SQL3"), name(Role::Primary, "SQL1")];
    assert_eq!(in_short(&judge(&facts)), "pending");
    facts.names[1] = name(Role::Primary, "sql3");
    assert_eq!(in_short(&judge(&facts)), "one-instance");
    facts.names[1] = (Role::Primary, unknown());
    assert_eq!(in_short(&judge(&facts)), "unknown");
    facts.names[1] = (Role::BackupMirror, unknown());
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn an_owner_that_cannot_be_looked_for_is_not_forgotten() {
    let mut facts = closed(Vec::new());
    facts.backup = Observed::Seen(online());
    let mut before = online();
    before.owner = Some("svc".to_owned());
    facts.before = Some(before);
    facts.logins = unknown();
    assert_eq!(in_short(&judge(&facts)), "unknown");
    facts.logins = Observed::Seen(Vec::new());
    assert!(words(&judge(&facts)).contains("svc"), "{:?}", judge(&facts));
}

#[test]
fn a_backup_that_serves_is_made_as_it_was_and_then_left_alone() {
    let mut facts = closed(Vec::new());
    let mut before = online();
    before.owner = Some("svc".to_owned());
    (before.trustworthy, before.broker) = (true, true);
    facts.before = Some(before.clone());
    let mut row = online();
    row.user_access = 1;
    for (words_of, mend) in [
        (
            "MULTI_USER",
            (|row| row.user_access = 0) as fn(&mut Database),
        ),
        ("svc", |row| row.owner = Some("SVC".to_owned())),
        ("TRUSTWORTHY", |row| row.trustworthy = true),
        ("Service Broker", |row| row.broker = true),
    ] {
        facts.backup = Observed::Seen(row.clone());
        let standing = judge(&facts);
        assert_eq!(in_short(&standing), "pending");
        assert!(words(&standing).contains(words_of), "{standing:?}");
        mend(&mut row);
    }
    facts.backup = Observed::Seen(row.clone());
    assert_eq!(in_short(&judge(&facts)), "satisfied");

    // An owner without a login here cannot own it, and nobody waits for one.
    before.owner = Some("gone".to_owned());
    facts.before = Some(before);
    assert_eq!(in_short(&judge(&facts)), "satisfied");
}

#[test]
fn a_backup_that_was_never_closed_or_is_otherwise_is_not_recovered() {
    let mut facts = closed(Vec::new());
    for (row, standing) in [
        (
            Observed::Seen(database(DatabaseState::Recovering)),
            "underway",
        ),
        (
            Observed::Seen(database(DatabaseState::Suspect)),
            "not-closed-by-this-run",
        ),
        (
            Observed::Seen(mirror_of(restoring(), MirroringRole::Mirror)),
            "not-closed-by-this-run",
        ),
        (Observed::Absent, "no-database"),
        (unknown(), "unknown"),
    ] {
        facts.backup = row;
        assert_eq!(in_short(&judge(&facts)), standing);
    }
    (facts.backup, facts.before) = (Observed::Seen(online()), None);
    assert_eq!(in_short(&judge(&facts)), "satisfied");
}

#[test]
fn steps_are_taken_back_last_first_but_for_the_list_which_goes_before_the_mirror() {
    let way_back = Step::of(Direction::Failback).iter().copied();
    let back: Vec<&str> = backwards(way_back.take_while(|step| !step.is_point_of_no_return()))
        .into_iter()
        .map(Step::id)
        .collect();
    assert_eq!(
        back,
        [
            "configure-log-shipping",
            "install-primary-mirror",
            "restore-database",
            "fence-backup",
            "clear-active-servers",
            "remove-mirroring",
            "ship-log",
            "seed-primary",
            "back-up-database",
            "stop-log-backups",
            "prove-share",
            "retire-old-primary",
        ]
    );
    let back = backwards([Step::SaveLogShipping, Step::DropLogShipping]);
    assert_eq!(back, [Step::DropLogShipping, Step::SaveLogShipping]);
}
