//! A backup mirror that dies: users do not wait for it (`design.md` 3, rule 18).

use pchadr::cli::rehearse::Stage;
use pchadr::model::Role;
use pchadr::rehearsal::world::Shared;
use pchadr::run::event::{Event, Outcome, Record, StepOutcome};
use pchadr::run::recorder::Sink;
use pchadr::run::store::MemoryStore;

use super::{Held, hold, hold_on, hold_shown, overriding, vary};
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
