use super::*;
use crate::step::Lift;
use crate::step::sample::{
    identity, in_short, mirrored, online, restoring, service, site, unknown, way_out, words,
};

const BACKUP: &str = r"SQL3\CHAT";
const MIRROR: &str = r"SQL4\CHAT";

fn partner(name: &str, database: Observed<Database>) -> Partner {
    Partner {
        identity: Observed::Seen(identity(name)),
        database,
        endpoint: Observed::Absent,
    }
}

fn facts(principal: Database, mirror: Observed<Database>) -> Facts {
    Facts {
        principal: partner(BACKUP, Observed::Seen(principal)),
        mirror: Some(partner(MIRROR, mirror)),
        mirror_host: Some("sql4.dc2.x.com".to_owned()),
        service: Observed::Seen(service()),
        share: Some(r"\\fs1\mirror".to_owned()),
        fits: None,
    }
}

fn pair(state: MirroringState, other: MirroringState) -> Facts {
    facts(
        mirrored(online(), MirroringRole::Principal, state, MIRROR),
        Observed::Seen(mirrored(restoring(), MirroringRole::Mirror, other, BACKUP)),
    )
}

fn judge(facts: &Facts) -> Standing {
    super::judge(facts, &BACKUP_SIDE)
}

#[test]
fn what_keeps_the_mirror_from_being_set_up_is_an_interlock_that_keeps_its_reason() {
    for facts in [
        facts(online(), Observed::Seen(online())),
        facts(online(), unknown()),
        pair(MirroringState::Suspended, MirroringState::Suspended),
    ] {
        let plain = judge(&facts);
        let standing = InstallMirror::judge(&facts);
        assert_eq!(way_out(standing.clone()), (None, Lift::Override));
        assert_eq!(in_short(&standing), NO_MIRROR);
        let told = words(&standing);
        let Standing::Blocked { blocks } = &standing else {
            panic!("{standing:?}");
        };
        let hint = blocks[0].hint();
        assert!(hint.contains("--override no-mirror=REASON"), "{hint}");
        let reason = match plain {
            Standing::Blocked { blocks } => blocks[0].problem.why.clone(),
            Standing::Unknown(problem) => problem.why,
            Standing::Satisfied { .. } | Standing::Pending { .. } => panic!("{plain:?}"),
        };
        assert!(told.contains(&reason), "{told} does not say {reason}");
    }
    // The principal, and what all steps rest on, is no matter of the mirror's.
    let mut facts = facts(online(), Observed::Absent);
    facts.principal.database = unknown();
    assert_eq!(in_short(&InstallMirror::judge(&facts)), "unknown");
}

#[test]
fn it_is_pending_while_the_backup_is_not_mirrored() {
    assert_eq!(
        in_short(&judge(&facts(online(), Observed::Absent))),
        "pending"
    );
    let left = facts(online(), Observed::Seen(restoring()));
    assert_eq!(in_short(&judge(&left)), "pending");
}

#[test]
fn it_is_satisfied_when_both_partners_are_synchronized_and_name_one_another() {
    let pair = pair(MirroringState::Synchronized, MirroringState::Synchronized);
    assert_eq!(in_short(&judge(&pair)), "satisfied");
}

#[test]
fn synchronizing_is_watched_and_suspended_or_disconnected_stops() {
    use MirroringState::{Disconnected, Suspended, Synchronized, Synchronizing};
    for (one, other, standing) in [
        (Synchronizing, Synchronizing, "underway"),
        (Synchronized, Synchronizing, "underway"),
        (Suspended, Synchronized, "mirror-broken"),
        (Synchronized, Disconnected, "mirror-broken"),
    ] {
        assert_eq!(in_short(&judge(&pair(one, other))), standing);
    }
}

#[test]
fn a_state_that_the_mirror_does_not_show_is_unknown() {
    let mut pair = pair(MirroringState::Synchronized, MirroringState::Synchronized);
    let mut row = restoring();
    row.mirroring = Some(crate::step::observe::database::Mirroring {
        state: None,
        role: Some(MirroringRole::Mirror),
        partner: None,
    });
    pair.mirror = Some(partner(MIRROR, Observed::Seen(row)));
    assert_eq!(in_short(&judge(&pair)), "unknown");
}

#[test]
fn a_partner_that_is_another_instance_blocks() {
    let other = facts(
        mirrored(
            online(),
            MirroringRole::Principal,
            MirroringState::Synchronized,
            "SQL9",
        ),
        Observed::Seen(mirrored(
            restoring(),
            MirroringRole::Mirror,
            MirroringState::Synchronized,
            BACKUP,
        )),
    );
    assert_eq!(in_short(&judge(&other)), "other-partner");
    let elsewhere = facts(
        online(),
        Observed::Seen(mirrored(
            restoring(),
            MirroringRole::Mirror,
            MirroringState::Disconnected,
            "SQL9",
        )),
    );
    assert_eq!(in_short(&judge(&elsewhere)), "mirror-of-another");
}

#[test]
fn a_backup_that_is_itself_the_mirror_blocks() {
    let turned = facts(
        mirrored(
            restoring(),
            MirroringRole::Mirror,
            MirroringState::Synchronized,
            MIRROR,
        ),
        Observed::Seen(online()),
    );
    assert_eq!(in_short(&judge(&turned)), "not-principal");
}

#[test]
fn somebodys_data_on_the_backup_mirror_is_never_dropped() {
    let used = facts(online(), Observed::Seen(online()));
    assert_eq!(in_short(&judge(&used)), "mirror-in-use");
}

#[test]
fn it_is_blocked_until_the_backup_serves_in_the_full_model() {
    let simple = Database {
        recovery_model: 3,
        ..online()
    };
    for principal in [restoring(), simple] {
        let standing = judge(&facts(principal, Observed::Absent));
        assert_eq!(in_short(&standing), "backup-not-serving");
    }
}

#[test]
fn versions_editions_rights_and_stopped_endpoints_block() {
    let with = |identity: Identity| {
        let mut facts = facts(online(), Observed::Absent);
        facts.mirror.as_mut().unwrap().identity = Observed::Seen(identity);
        in_short(&judge(&facts))
    };
    let of = || identity(MIRROR);
    assert_eq!(with(Identity { major: 14, ..of() }), "versions-differ");
    assert_eq!(with(Identity { edition: 3, ..of() }), "versions-differ");
    assert_eq!(
        with(Identity {
            sysadmin: false,
            ..of()
        }),
        "not-sysadmin"
    );
    assert_eq!(with(identity(BACKUP)), "one-instance");
    let mut stopped = facts(online(), Observed::Absent);
    stopped.principal.endpoint = Observed::Seen(Endpoint {
        name: "Mirroring".to_owned(),
        started: false,
        port: 5022,
    });
    assert_eq!(in_short(&judge(&stopped)), "endpoint-stopped");
}

#[test]
fn a_topology_without_that_mirror_and_a_site_without_its_share_block() {
    for (backup_mirror, id) in [
        (Observed::Seen("sql9.dc2.x.com".to_owned()), "other-mirror"),
        (Observed::Absent, "no-mirror-in-topology"),
        (unknown(), "pending"),
    ] {
        let mut facts = facts(online(), Observed::Absent);
        facts.service = Observed::Seen(Service {
            backup_mirror,
            ..service()
        });
        assert_eq!(in_short(&judge(&facts)), id);
    }
    let mut no_share = facts(online(), Observed::Absent);
    no_share.share = None;
    assert_eq!(in_short(&judge(&no_share)), "no-mirror-share");
}

#[test]
fn without_a_mirror_in_the_site_and_the_topology_it_is_satisfied_and_says_so() {
    for (backup_mirror, standing) in [
        (Observed::Absent, "satisfied"),
        (unknown(), "satisfied"),
        (Observed::Seen("sql4".to_owned()), "mirror-not-in-site"),
    ] {
        let mut facts = facts(online(), Observed::Absent);
        facts.mirror = None;
        facts.service = Observed::Seen(Service {
            backup_mirror,
            ..service()
        });
        assert_eq!(in_short(&judge(&facts)), standing);
    }
}

#[test]
fn what_cannot_be_seen_of_the_partners_or_the_topology_is_unknown() {
    let mut no_service = facts(online(), Observed::Absent);
    no_service.service = unknown();
    let mut no_mirror = facts(online(), unknown());
    no_mirror.service = Observed::Seen(service());
    let mut nobody = facts(online(), Observed::Absent);
    nobody.mirror.as_mut().unwrap().identity = unknown();
    for facts in [no_service, no_mirror, nobody] {
        assert_eq!(in_short(&judge(&facts)), "unknown");
    }
}

#[test]
fn the_switch_that_drops_stands_in_the_command_that_sets_up_over_a_copy_only() {
    let commands = InstallMirror::commands(&site());
    assert_eq!(commands.len(), 2);
    for (key, command) in commands {
        let drops = command.text.contains(" -DropExistingDatabasesOnMirror ");
        assert_eq!(drops, key == Key::Chat { over: true });
    }
}
