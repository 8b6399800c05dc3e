//! Failback: the plan, and runs that bring everything home.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pchadr::cli::rehearse::{self, Stage};
use pchadr::model::{Instance, Lsn, Role};
use pchadr::plan::PlannedStep;
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::rehearsal::world::{PrimarySide, Start, Summary};
use pchadr::run::event::{Outcome, RunFinished};
use pchadr::run::store::MemoryStore;
use pchadr::runbook::Direction;
use pchadr::step::Effect;
use pchadr::step::command::Kind;
use pchadr::step::saved::Saved;
use pchadr::step::terms::Terms;

use crate::site::{
    Drill, effects, end, litware, paused, plan, plan_of, primary_mirror_is_principal, run, run_with,
};

/// What a parser says of a text: nothing where it is valid.
fn lint(program: &str, arguments: &[&str], text: &str) -> String {
    let name = format!("pchadr-lint-{}-{}", std::process::id(), text.len());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, text).expect("a file to read");
    let output = Command::new(program)
        .args(arguments)
        .arg(&file)
        .output()
        .expect("the parser starts");
    std::fs::remove_file(&file).expect("the file goes");
    if output.status.success() {
        String::new()
    } else {
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    }
}

#[test]
fn every_sample_of_the_plan_is_valid_from_2012_to_2019() {
    let parser = "../shared/tools/tsql-lint";
    if !Path::new(parser).exists() {
        return;
    }
    let plan = plan_of(Direction::Failback, &litware());
    let mut batches = String::new();
    let mut commands = 0;
    for command in plan.steps.iter().flat_map(PlannedStep::all_commands) {
        assert!(
            !command.sample.contains('{') || command.sample.contains("@{"),
            "{}",
            command.sample
        );
        match command.kind {
            Kind::Tsql { .. } => {
                commands += 1;
                batches.push_str(&command.sample);
                batches.push_str("\nGO\n");
            }
            Kind::Powershell { .. } => {
                let told = lint(
                    "../shared/tools/pwsh/pwsh",
                    &["--lint-3.0"],
                    &command.sample,
                );
                assert!(told.is_empty(), "{}: {told}", command.sample);
            }
            Kind::Copy { .. } => {}
        }
    }
    assert!(commands > 30, "{commands} batches are no plan");
    let told = lint(parser, &["--version", "2012,2014,2016,2019"], &batches);
    assert!(told.is_empty(), "{told}");
}

/// Runs a drill and says how it ended.
fn held(drill: &Drill) -> (RunFinished, Stage) {
    paused(async {
        let stage = drill.stage();
        let finished = drill
            .run(&stage, &MemoryStore::default())
            .await
            .expect("a record");
        assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
        (finished, stage)
    })
}

fn assert_done(finished: &RunFinished) {
    assert_eq!(
        finished.outcome,
        Outcome::Done,
        "{:?} {:?}",
        finished.error,
        finished.steps
    );
}

#[test]
fn the_plan_of_a_failback_has_its_point_of_no_return_where_chat_is_written_on_the_primary() {
    let plan = plan_of(Direction::Failback, &litware());
    let of = |is: fn(&PlannedStep) -> bool| -> Vec<&str> {
        let steps = plan.steps.iter().filter(|step| is(step));
        steps.map(|step| step.id.as_str()).collect()
    };
    assert_eq!(of(|it| it.point_of_no_return), ["set-active-servers"]);
    assert_eq!(
        of(|it| it.effect == Effect::Irreversible),
        [
            "retire-old-primary",
            "seed-primary",
            "restore-database",
            "set-active-servers"
        ]
    );
    // Both directions have a step of that id, and it means another one in each.
    let failover = plan_of(Direction::Failover, &litware());
    for id in ["set-active-servers", "set-pool-state"] {
        assert_ne!(
            plan.step(id).map(|step| &step.commands),
            failover.step(id).map(|step| &step.commands)
        );
    }
    assert_eq!(plan, plan_of(Direction::Failback, &litware()));
}

#[test]
fn a_rehearsal_holds_a_failback_from_its_beginning_to_its_end() {
    let site = litware();
    let plan = plan_of(Direction::Failback, &site);
    let mut status = Vec::new();
    let finished = rehearse::run(
        &site,
        &plan,
        Terms::default(),
        &Recipe::failed_over(Logs::Made(16)),
        Box::new(MemoryStore::default()),
        Vec::new(),
        &mut status,
    );
    assert_done(&finished.expect("it can be held"));
    assert!(!status.is_empty(), "where the site stands");
}

#[test]
fn a_failback_of_a_rebuilt_data_center_is_done() {
    let (finished, _) = held(&Drill::failback(litware()));
    assert_done(&finished);
}

/// The file that keeps what an instance of the old primary side held.
fn archived(stage: &Stage) -> Vec<String> {
    stage
        .simulated
        .folders
        .snapshot()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.contains("pchat-archive"))
        .collect()
}

#[test]
fn what_a_data_center_that_was_only_powered_off_still_holds_is_kept() {
    let (finished, stage) = held(&Drill::powered_off(litware()));
    assert_done(&finished);
    let kept = archived(&stage);
    assert_eq!(kept.len(), 1, "{kept:?}");
    let view = stage
        .simulated
        .folders
        .open("primary", &kept[0])
        .expect("the archive");
    let set = view.sets.first().expect("one set");
    let backup = messages(&stage, Role::Backup);
    // Five messages were written and never shipped; the backup went on without them.
    assert!(set.copy_only && set.checksums);
    assert_eq!(set.messages, backup + 5);
    assert_eq!(messages(&stage, Role::Primary), backup);
}

#[test]
fn what_only_the_old_primary_has_is_told_in_rooms_and_messages_before_it_is_written_over() {
    let drill = Drill::powered_off(litware());
    let store = MemoryStore::default();
    paused(async {
        let stage = drill.stage();
        let finished = drill.run(&stage, &store).await.expect("a record");
        assert_done(&finished);
    });
    let journal = String::from_utf8(store.bytes()).expect("text");
    let consent = journal
        .lines()
        .find(|line| line.contains(r#""event":"consent"#) && line.contains("retire-old-primary"))
        .expect("a consent");
    // Five messages in three rooms were written and never shipped.
    let told = "only there: at least 5 messages in 3 rooms whose numbers go further by up to 6";
    assert!(consent.contains(told), "{consent}");
}

#[test]
fn an_old_primary_is_not_touched_while_there_is_no_folder_to_keep_it_in() {
    let mut drill = Drill::powered_off(litware());
    drill.site.shares.archive = None;
    drill.plan = plan_of(Direction::Failback, &drill.site);
    let (finished, stage) = held(&drill);
    assert_eq!(finished.outcome, Outcome::Refused);
    assert_eq!(finished.exit, 3);
    assert!(effects(&stage).is_empty(), "{:?}", effects(&stage));
}

#[test]
fn the_primary_mirror_may_have_been_the_principal_when_the_data_center_was_lost() {
    let mut drill = Drill::powered_off(litware());
    drill.prepare = primary_mirror_is_principal;
    let (finished, stage) = held(&drill);
    assert_done(&finished);
    assert_eq!(archived(&stage).len(), 1);
}

#[test]
fn the_backup_mirror_may_be_the_principal_in_the_second_data_center() {
    let mut drill = Drill::failback(litware());
    drill.site.limits.poll = Duration::from_secs(5);
    drill.prepare = |stage, site| {
        let mirror = site.chat(Role::BackupMirror).expect("a mirror");
        let world = &stage.simulated.world;
        world.synchronize();
        world.fail_over(false, mirror, false).expect("in step");
        world.write_messages(Instance::chat(Role::BackupMirror), 9);
    };
    let whole = held(&drill);
    assert_done(&whole.0);
    let (finished, _) = held(&Drill::failback(litware()));
    assert_done(&finished);
    let plain = held(&Drill::failback(litware())).1;
    assert_eq!(
        messages(&whole.1, Role::Primary),
        messages(&plain, Role::Primary) + 9
    );
}

#[test]
fn topology_builder_may_have_mirrored_the_fresh_database_already() {
    let mut drill = Drill::failback(litware());
    drill.prepare = |stage, site| {
        let (primary, mirror) = (site.chat(Role::Primary), site.chat(Role::PrimaryMirror));
        let world = &stage.simulated.world;
        let (primary, mirror) = (primary.expect("one"), mirror.expect("one"));
        world
            .set_up_mirror(false, primary, mirror, r"\\fs1\pchat-mirror", false)
            .expect("a mirror");
    };
    let (finished, stage) = held(&drill);
    assert_done(&finished);
    assert!(archived(&stage).is_empty(), "nothing was there to keep");
}

#[test]
fn a_site_without_mirrors_and_compliance_fails_back_too() {
    let mut site = litware();
    site.database.compliance = None;
    for role in [Role::PrimaryMirror, Role::BackupMirror] {
        site.sql.instances.remove(&Instance::chat(role));
    }
    let (finished, _) = held(&Drill::failback(site));
    assert_done(&finished);
}

#[test]
fn the_mirror_of_the_compliance_database_that_a_failover_set_up_is_removed() {
    let drill = Drill::failback(litware());
    let (finished, stage) = held(&drill);
    assert_done(&finished);
    let mirrored = |role| {
        stage.simulated.world.with(|state| {
            let server = state.instances.get(&Instance::chat(role));
            let row = server.and_then(|it| it.database("mgccomp"));
            row.expect("mgccomp").mirroring.is_some()
        })
    };
    assert!(!mirrored(Role::Backup));
    assert!(mirrored(Role::Primary));
}

#[test]
fn without_a_saved_configuration_nothing_is_changed() {
    let mut drill = Drill::failback(litware());
    drill.saved = None;
    let (finished, stage) = held(&drill);
    assert_eq!((finished.outcome, finished.exit), (Outcome::Refused, 3));
    let why = finished.error.expect("a reason").why;
    assert!(why.contains("was not saved"), "{why}");
    assert!(effects(&stage).is_empty());
}

#[test]
fn where_only_the_backups_half_was_saved_the_primarys_is_as_the_console_makes_it() {
    let mut drill = Drill::failback(litware());
    let saved = drill.saved.as_mut().expect("a configuration");
    (saved.primary, saved.primary_mirror) = (None, None);
    let (finished, stage) = held(&drill);
    assert_done(&finished);
    let whole = held(&Drill::failback(litware())).1;
    for role in [Role::Primary, Role::PrimaryMirror, Role::Backup] {
        let shipping = |stage: &Stage| {
            let summary = stage.simulated.world.summary();
            summary.instances[&Instance::chat(role)].shipping.clone()
        };
        assert_eq!(shipping(&stage), shipping(&whole), "{role}");
    }
}

#[test]
fn compliance_events_that_wait_stop_a_failback_before_anything_is_changed() {
    let mut drill = Drill::failback(litware());
    drill.recipe.vary = |options| options.waiting = 3;
    let (finished, stage) = held(&drill);
    assert_eq!((finished.outcome, finished.exit), (Outcome::Refused, 3));
    assert!(effects(&stage).is_empty());
}

#[test]
fn a_failback_at_a_site_in_its_normal_state_has_nothing_to_do() {
    let mut drill = Drill::failback(litware());
    drill.recipe = normal();
    let (finished, stage) = held(&drill);
    assert_done(&finished);
    assert!(effects(&stage).is_empty(), "{:?}", effects(&stage));
}

#[test]
fn a_failback_while_the_first_data_center_is_still_lost_changes_nothing() {
    let mut drill = Drill::failback(litware());
    drill.recipe.vary = |options| options.primary = PrimarySide::Down;
    let (finished, stage) = held(&drill);
    assert_eq!(finished.outcome, Outcome::Refused);
    assert!(effects(&stage).is_empty());
}

#[test]
fn a_second_failback_has_nothing_to_do() {
    let drill = Drill::failback(litware());
    paused(async {
        let mut stage = drill.stage();
        let finished = drill.run(&stage, &MemoryStore::default()).await;
        assert_done(&finished.expect("a record"));
        let made = effects(&stage).len();
        stage.reopen(&drill.site);
        let finished = drill.run(&stage, &MemoryStore::default()).await;
        assert_done(&finished.expect("a record"));
        assert_eq!(effects(&stage).len(), made);
    });
}

/// A site in its normal state.
fn normal() -> Recipe {
    Recipe {
        start: Start::Normal,
        ..Recipe::disaster(Logs::Made(16))
    }
}

/// All that must be as it was: everything but LSNs, and messages, which are counted apart.
fn comparable(stage: &Stage) -> (Summary, String, Vec<String>) {
    let end = end(stage);
    let mut instances = end.instances;
    for server in instances.instances.values_mut() {
        for database in server.databases.values_mut() {
            database.lsn = Lsn::ZERO;
            database.messages = 0;
        }
    }
    (instances, end.pool, end.active)
}

fn messages(stage: &Stage, role: Role) -> u64 {
    stage
        .simulated
        .world
        .summary()
        .database(Instance::chat(role), "mgc")
        .expect("the chat database")
        .messages
}

#[test]
fn failed_over_rebuilt_and_failed_back_the_world_is_as_it_was() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &normal()).expect("a site");
        let before = comparable(&stage);
        let saved = Saved::observe(&site, &stage.access, "before", |_| true).await;
        assert!(saved.is_some(), "the normal site ships its log");

        stage.simulated.world.down(Role::Primary);
        stage.simulated.world.down(Role::PrimaryMirror);
        stage
            .simulated
            .pool
            .lock()
            .expect("the pool")
            .set_alive(true, false);
        let plan = plan(&site);
        let store = MemoryStore::default();
        let finished = run(&site, &plan, &stage, &store).await.expect("a record");
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        stage
            .simulated
            .world
            .write_messages(Instance::chat(Role::Backup), 40);
        let shipped = messages(&stage, Role::Backup);

        stage.simulated.world.rebuild();
        stage
            .simulated
            .pool
            .lock()
            .expect("the pool")
            .set_alive(true, true);
        stage.reopen(&site);
        let plan = plan_of(Direction::Failback, &site);
        let store = MemoryStore::default();
        let finished = run_with(&site, &plan, &stage, saved.as_ref(), &store)
            .await
            .expect("a record");
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(stage.simulated.unknown(), Vec::<String>::new());

        for role in [Role::Primary, Role::PrimaryMirror, Role::Backup] {
            assert_eq!(messages(&stage, role), shipped, "messages on the {role}");
        }
        let (mut after, pool, active) = comparable(&stage);
        // A named remainder: the copies that mirroring left on the backup mirror (`sql-server.md` 5).
        for name in ["mgc", "mgccomp"] {
            let left = after
                .instances
                .get_mut(&Instance::chat(Role::BackupMirror))
                .and_then(|server| server.databases.remove(name))
                .expect("what F6 made");
            assert_eq!(left.mirroring, None);
        }
        let shown = |it: &Summary| format!("{it:#?}");
        let (was, is) = (shown(&before.0), shown(&after));
        let differing: Vec<(&str, &str)> = was
            .lines()
            .zip(is.lines())
            .filter(|(was, is)| was != is)
            .collect();
        assert!(differing.is_empty(), "was | is: {differing:#?}");
        assert_eq!((was, pool, active), (is, before.1, before.2));
    });
}
