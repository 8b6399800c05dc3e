//! A backup mirror that dies: users do not wait for it (`design.md` 3, rule 18).

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::{DatabaseState, MirroringState};
use pchadr::model::{Direction, Instance, Role};
use pchadr::rehearsal::world::Shared;
use pchadr::run::event::{Event, Outcome, Record, StepOutcome};
use pchadr::run::recorder::Sink;
use pchadr::run::store::MemoryStore;

use super::{BACKUP, BACKUP_MIRROR, Held, hold, hold_on, hold_shown, overriding, vary};
use crate::site::{disaster, litware, paused, terms};

/// Takes the backup mirror down at a record.
struct Death {
    world: Shared,
    at: fn(&Event, &str) -> bool,
    step: &'static str,
    happened: bool,
}

impl Sink for Death {
    fn record(&mut self, record: &Record) {
        if !self.happened && (self.at)(&record.event, self.step) {
            self.happened = true;
            self.world.down(Role::BackupMirror);
        }
    }
}

fn turn_of(event: &Event, step: &str) -> bool {
    matches!(event, Event::StepStarted { id } | Event::StepFinished { id, .. } if id == step)
}

fn end_of(event: &Event, step: &str) -> bool {
    matches!(event, Event::StepFinished { id, .. } if id == step)
}

fn command_of(event: &Event, step: &str) -> bool {
    matches!(event, Event::Command { step: of, .. } if of == step)
}

/// A failover in which the mirror dies there, and one that makes it up once it is back.
fn die(at: fn(&Event, &str) -> bool, step: &'static str) -> (Held, Held) {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        let death = Death {
            world: stage.simulated.world.clone(),
            at,
            step,
            happened: false,
        };
        let store = MemoryStore::default();
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(death)];
        let first = hold_shown(&site, &mut stage, &terms(), &store, sinks).await;
        stage.simulated.world.up(Role::BackupMirror);
        let later = hold_on(&site, &mut stage, &terms(), &MemoryStore::default()).await;
        (first, later)
    })
}

const STEPS: [&str; 10] = [
    "save-log-shipping",
    "stop-log-shipping-jobs",
    "drop-log-shipping",
    "copy-backups",
    "apply-logs",
    "end-connections",
    "recover-database",
    "set-pool-state",
    "install-mirror",
    "set-active-servers",
];

#[test]
fn users_are_served_whenever_the_backup_mirror_dies_and_a_later_failover_makes_it_up() {
    for step in STEPS {
        let (first, later) = die(turn_of, step);
        assert_eq!(
            (first.finished.outcome, first.finished.exit),
            (Outcome::Done, 0),
            "{step}: {:?}",
            first.finished.error
        );
        first.assert_users_served();
        later.assert_done();
    }
}

#[test]
fn a_mirror_that_dies_while_it_is_set_up_and_behind_that_holds_nobody_back() {
    for (at, step) in [
        (command_of as fn(&Event, &str) -> bool, "install-mirror"),
        (end_of, "install-mirror"),
        (command_of, "set-active-servers"),
        (end_of, "set-active-servers"),
    ] {
        let (first, later) = die(at, step);
        assert_eq!(
            (first.finished.outcome, first.finished.exit),
            (Outcome::Done, 0),
            "{step}: {:?}",
            first.finished.error
        );
        first.assert_users_served();
        later.assert_done();
    }
}

#[test]
fn a_backup_mirror_that_is_down_is_an_interlock_before_anything_is_changed() {
    let down = async |stage: &mut Stage| stage.simulated.world.down(Role::BackupMirror);
    let held = hold(&litware(), &disaster(), &terms(), down);
    held.assert_refused(
        3,
        "install-mirror",
        &["the backup mirror is, is not known", "no answer"],
        &["--override no-mirror=REASON"],
    );
    let without = hold(&litware(), &disaster(), &overriding(&["no-mirror"]), down);
    assert_eq!(
        (without.finished.outcome, without.finished.exit),
        (Outcome::Done, 0)
    );
    without.assert_users_served();
    assert_eq!(without.step("install-mirror"), StepOutcome::Left);
    let agreed = |event: &Event| matches!(event, Event::Consent { what, .. } if what.contains("interlock no-mirror"));
    assert!(without.events().iter().any(agreed));
}

#[test]
fn a_failover_that_has_only_the_mirror_to_make_up_says_why_it_cannot() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        stage.simulated.world.down(Role::BackupMirror);
        let terms = overriding(&["no-mirror"]);
        hold_on(&site, &mut stage, &terms, &MemoryStore::default()).await;
        let later = hold_on(
            &site,
            &mut stage,
            &crate::site::terms(),
            &MemoryStore::default(),
        )
        .await;
        later.assert_refused(3, "install-mirror", &["no answer"], &["no-mirror"]);
    });
}

#[test]
fn users_do_not_wait_until_a_mirror_is_in_step() {
    let recipe = vary(|options| options.mirror_stalls = true);
    let held = hold(&litware(), &recipe, &terms(), async |_| ());
    assert_eq!(
        (held.finished.outcome, held.finished.exit),
        (Outcome::Done, 0)
    );
    held.assert_users_served();
    assert_eq!(held.step("install-mirror"), StepOutcome::Left);
    let events = held.events();
    let end = |step: &str| events.iter().position(|event| end_of(event, step));
    let sent = events
        .iter()
        .position(|event| command_of(event, "install-mirror"));
    assert!(sent < end("set-active-servers"));
    assert!(end("set-active-servers") < end("install-mirror"));
    let noted = |event: &Event| matches!(event, Event::StepFinished { id, note, .. } if id == "install-mirror" && note.contains("SYNCHRONIZING"));
    assert!(events.iter().any(noted));
}

/// A database of an instance: its state, and that of its mirroring.
fn stands(
    stage: &Stage,
    instance: Instance,
    name: &str,
) -> Option<(DatabaseState, Option<MirroringState>)> {
    stage.simulated.world.with(|state| {
        let server = state.instances.get(&instance)?;
        let row = server.database(name)?;
        Some((row.state, row.mirroring.as_ref().map(|it| it.state)))
    })
}

/// Of `mgc` and `mgccomp` on the backup.
type Mirrors = [Option<MirroringState>; 2];

/// Holds a failover, the site changed first: the run, what it went on without, and the mirrors.
fn hold_with_compliance(
    overrides: &[&str],
    change: impl FnOnce(&mut Stage),
) -> (Held, Vec<String>, Mirrors) {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        change(&mut stage);
        let store = MemoryStore::default();
        let held = hold_on(&site, &mut stage, &overriding(overrides), &store).await;
        let without = held.finished.without(Direction::Failover);
        let without = without.iter().map(ToString::to_string).collect();
        let of = |name| stands(&stage, BACKUP, name).and_then(|(_, mirror)| mirror);
        (held, without, [of("mgc"), of("mgccomp")])
    })
}

/// What is changed first, what is overridden, and why there is no mirror.
type Trial = (fn(&mut Stage), &'static [&'static str], &'static str);

/// Somebody's `mgccomp` serves on the backup mirror.
fn in_use(stage: &mut Stage) {
    stage.simulated.world.with(|state| {
        let server = state.instances.get(&BACKUP).expect("the backup");
        let mut row = server.database("mgccomp").expect("mgccomp").clone();
        row.waiting = 0;
        let mirror = state.instances.get_mut(&BACKUP_MIRROR).expect("its mirror");
        mirror.databases.push(row);
    });
}

#[test]
fn a_failover_mirrors_the_compliance_database_too() {
    let (held, without, mirrors) = hold_with_compliance(&[], |_| ());
    held.assert_done();
    assert_eq!(without, Vec::<String>::new());
    assert_eq!(mirrors, [Some(MirroringState::Synchronized); 2]);
}

#[test]
fn a_compliance_database_that_cannot_be_mirrored_is_an_interlock_before_anything_is_changed() {
    let (held, ..) = hold_with_compliance(&[], in_use);
    held.assert_refused(
        3,
        "mirror-compliance",
        &["has a compliance database that is ONLINE"],
        &["a mirror of the compliance database: --override no-mirror=REASON"],
    );
}

#[test]
fn a_backup_mirror_that_is_down_is_one_cause_and_said_once() {
    let down = |stage: &mut Stage| stage.simulated.world.down(Role::BackupMirror);
    let (held, ..) = hold_with_compliance(&[], down);
    held.assert_refused(3, "install-mirror", &[], &["--override no-mirror=REASON"]);
    let error = held.finished.error.as_ref().expect("an error");
    assert!(!format!("{error:?}").contains("compliance"), "{error:?}");
    // Both are left then, and named; nothing of them is made up while it is still down.
    let (held, without, _) = hold_with_compliance(&["no-mirror"], down);
    assert_eq!(held.finished.outcome, Outcome::Done);
    assert_eq!(without, ["a mirror", "a mirror of the compliance database"]);
}

#[test]
fn two_mirrors_that_cannot_be_made_up_are_no_work_for_one_another() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        stage.simulated.world.down(Role::BackupMirror);
        let store = MemoryStore::default();
        hold_on(&site, &mut stage, &overriding(&["no-mirror"]), &store).await;
        let later = hold_on(&site, &mut stage, &terms(), &MemoryStore::default()).await;
        later.assert_refused(3, "install-mirror", &[], &["--override no-mirror=REASON"]);
    });
}

#[test]
fn a_compliance_database_that_cannot_be_mirrored_holds_back_neither_users_nor_the_chat_mirror() {
    // Known before, or refused by the cmdlet.
    let refused = |stage: &mut Stage| {
        stage.simulated.world.with(|state| {
            let server = state.instances.get_mut(&BACKUP).expect("the backup");
            server.database_mut("mgccomp").expect("mgccomp").model = 3;
        });
    };
    let changes: [Trial; 2] = [
        (in_use, &["no-mirror"], "is ONLINE"),
        (refused, &[], "not in FULL recovery"),
    ];
    for (change, overrides, why) in changes {
        let (held, without, mirrors) = hold_with_compliance(overrides, change);
        assert_eq!(
            (held.finished.outcome, held.finished.exit),
            (Outcome::Done, 0),
            "{why}: {:?}",
            held.finished.error
        );
        held.assert_users_served();
        assert_eq!(held.step("mirror-compliance"), StepOutcome::Left, "{why}");
        assert_eq!(without, ["a mirror of the compliance database"], "{why}");
        assert_eq!(mirrors, [Some(MirroringState::Synchronized), None], "{why}");
        // Nothing is waited for that was not sent: the limit is hours.
        let took = held.finished.elapsed_seconds;
        assert!(took < 3600.0, "{why}: {took} s");
        let noted = |event: &Event| matches!(event, Event::StepFinished { id, note, .. } if id == "mirror-compliance" && note.contains(why));
        assert!(held.events().iter().any(noted), "{why}");
    }
}

#[test]
fn a_failover_that_has_only_the_mirror_of_compliance_to_make_up_sends_nothing_else() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        in_use(&mut stage);
        let terms = overriding(&["no-mirror"]);
        hold_on(&site, &mut stage, &terms, &MemoryStore::default()).await;
        stage.simulated.world.with(|state| {
            let mirror = state.instances.get_mut(&BACKUP_MIRROR).expect("its mirror");
            mirror.databases.retain(|row| row.name != "mgccomp");
        });
        let terms = crate::site::terms();
        let later = hold_on(&site, &mut stage, &terms, &MemoryStore::default()).await;
        later.assert_done();
        let sent: Vec<String> = later
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Command { step, n, .. } => Some(format!("{step} {n}")),
                _ => None,
            })
            .collect();
        assert_eq!(sent, ["mirror-compliance 1"]);
        assert_eq!(
            stands(&stage, BACKUP_MIRROR, "mgccomp"),
            Some((DatabaseState::Restoring, Some(MirroringState::Synchronized)))
        );
    });
}
