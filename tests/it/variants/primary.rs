//! What answers on the primary side (`design.md` 3, rule 2).

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::world::{PrimarySide, WorldOptions};
use pchadr::run::store::MemoryStore;

use super::database::EVERY_INTERLOCK;
use super::{hold, hold_on, overriding, vary};
use crate::site::{disaster, litware, paused, terms};

const MIRROR: Instance = Instance::chat(Role::PrimaryMirror);

#[test]
fn a_primary_that_serves_is_refused_and_nothing_overrides_that() {
    let recipe = vary(|options| options.primary = PrimarySide::Alive);
    for terms in [terms(), overriding(EVERY_INTERLOCK)] {
        let held = hold(&litware(), &recipe, &terms, async |_| ());
        held.assert_refused(
            3,
            "recover-database",
            &[
                "the primary answers and its chat database is ONLINE",
                "two writable",
            ],
            &[
                "fenced",
                "type `ALTER DATABASE [mgc] SET PARTNER OFF`; type `BACKUP LOG [mgc] TO DISK",
                "cannot be overridden",
            ],
        );
    }
}

/// No row is no proof: the login may not be shown one (`sql-server.md` 4).
#[test]
fn a_primary_that_hides_its_databases_from_our_login_is_refused_and_nothing_overrides_that() {
    let recipe = vary(|options| options.primary = PrimarySide::Alive);
    for terms in [terms(), overriding(EVERY_INTERLOCK)] {
        let held = hold(&litware(), &recipe, &terms, async |stage| {
            stage.simulated.world.with(|state| {
                for role in [Role::Primary, Role::PrimaryMirror] {
                    let server = state.instances.get_mut(&Instance::chat(role)).unwrap();
                    server.sysadmin = false;
                    server.sees_databases = false;
                }
            });
        });
        held.assert_refused(
            3,
            "recover-database",
            &[
                "whether its database serves cannot be seen",
                "not shown every database",
            ],
            &["Stop-Service"],
        );
    }
}

#[test]
fn a_fresh_and_empty_primary_is_an_interlock() {
    let recipe = vary(|options| options.primary = PrimarySide::Fresh);
    let held = hold(&litware(), &recipe, &terms(), async |_| ());
    held.assert_refused(
        3,
        "recover-database",
        &["the primary serves a fresh, empty chat database"],
        &["--override fresh-primary=REASON"],
    );
    let held = hold(
        &litware(),
        &recipe,
        &overriding(&["fresh-primary"]),
        async |_| (),
    );
    held.assert_done();
    held.assert_has_all_messages();
}

#[test]
fn a_primary_of_another_family_that_holds_messages_is_refused_whatever_is_overridden() {
    let recipe = vary(|options| options.primary = PrimarySide::Fresh);
    let held = hold(
        &litware(),
        &recipe,
        &overriding(EVERY_INTERLOCK),
        async |stage| {
            stage
                .simulated
                .world
                .write_messages(Instance::chat(Role::Primary), 1);
        },
    );
    held.assert_refused(
        3,
        "recover-database",
        &["its chat database is ONLINE"],
        &["cannot be overridden"],
    );
}

#[test]
fn a_primary_mirror_that_is_alive_is_an_interlock() {
    let mirror_is_up = async |stage: &mut Stage| stage.simulated.world.up(Role::PrimaryMirror);
    let held = hold(&litware(), &disaster(), &terms(), mirror_is_up);
    held.assert_refused(
        3,
        "recover-database",
        &["the primary mirror is alive as a mirror", "may hold more"],
        &[
            "fail over inside the first data center",
            "--override mirror-alive=REASON",
        ],
    );
    let held = hold(
        &litware(),
        &disaster(),
        &overriding(&["mirror-alive"]),
        mirror_is_up,
    );
    held.assert_done();
}

#[test]
fn a_primary_mirror_that_serves_is_refused() {
    let held = hold(
        &litware(),
        &disaster(),
        &overriding(EVERY_INTERLOCK),
        async |stage| {
            stage.simulated.world.up(Role::PrimaryMirror);
            stage.simulated.world.with(|state| {
                let server = state.instances.get_mut(&MIRROR).expect("the mirror");
                let chat = server.database_mut("mgc").expect("mgc");
                chat.state = DatabaseState::Online;
                chat.mirroring = None;
            });
        },
    );
    held.assert_refused(
        3,
        "recover-database",
        &["the primary mirror answers and its chat database is ONLINE"],
        &["fenced"],
    );
}

#[test]
fn a_primary_that_is_starting_is_waited_for() {
    let recipe = vary(|options| options.primary = PrimarySide::Alive);
    let held = hold(&litware(), &recipe, &terms(), async |stage| {
        stage.simulated.world.with(|state| {
            let server = state.instances.get_mut(&Instance::chat(Role::Primary));
            let chat = server.expect("the primary").database_mut("mgc");
            chat.expect("mgc").state = DatabaseState::Recovering;
        });
    });
    held.assert_refused(3, "recover-database", &["RECOVERING"], &["wait"]);
}

/// What no log backup holds is accepted as lost, but the tail of a database that cannot start may
/// still be read.
#[test]
fn a_primary_whose_database_is_damaged_is_named_before_its_tail_is_given_up() {
    let recipe = vary(|options: &mut WorldOptions| options.primary = PrimarySide::Alive);
    let mut strict = terms();
    strict.rehearsal = false;
    strict.yes = true;
    let held = hold(&litware(), &recipe, &strict, async |stage| {
        stage.simulated.world.with(|state| {
            let server = state.instances.get_mut(&Instance::chat(Role::Primary));
            let chat = server.expect("the primary").database_mut("mgc");
            let chat = chat.expect("mgc");
            chat.state = DatabaseState::Suspect;
            chat.mirroring = None;
        });
    });
    held.assert_refused(
        5,
        "recover-database",
        &[
            "the primary answers",
            "may still give its tail",
            "NO_TRUNCATE",
        ],
        &["--accept-loss-after end-of-chain"],
    );
}

/// The primary comes back between preflight and the point of no return.
#[test]
fn a_primary_that_comes_back_during_the_run_stops_it_before_the_point_of_no_return() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        let world = std::sync::Arc::clone(&stage.simulated.world);
        let changes = stage.simulated.changes.clone();
        let comes_back = tokio::spawn(async move {
            loop {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                let restores = format!("{:?}", changes.all());
                if restores.contains("RESTORE LOG") {
                    world.up(Role::Primary);
                    return;
                }
            }
        });
        let held = hold_on(&site, &mut stage, &terms(), &MemoryStore::default()).await;
        comes_back.await.expect("it came back");
        held.assert_stopped(
            "recover-database",
            &["the primary answers and its chat database is ONLINE"],
            &["fenced"],
        );
        assert_eq!(held.count("WITH RECOVERY"), 0);
        assert_eq!(held.chat().state, DatabaseState::Restoring);
    });
}
