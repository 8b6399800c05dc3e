//! Failback: the plan, and runs that bring everything home.

use std::path::Path;
use std::process::Command;

use pchadr::cli::rehearse::{Stage, saved_before};
use pchadr::model::{Instance, Lsn, Role};
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::rehearsal::world::{Start, Summary};
use pchadr::run::event::Outcome;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::Direction;
use pchadr::step::command::Kind;
use pchadr::step::saved::Saved;

use crate::site::{end, litware, paused, plan, plan_of, run, run_with};

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
    for command in plan.steps.iter().flat_map(|step| &step.commands) {
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

/// Failed over, the primary data center rebuilt, the configuration at hand.
fn failed_over() -> Recipe {
    Recipe::failed_over(Logs::Made(16))
}

#[test]
fn a_failback_of_a_rebuilt_data_center_is_done() {
    let site = litware();
    let plan = plan_of(Direction::Failback, &site);
    paused(async {
        let saved = saved_before(&site, &failed_over()).await.expect("a site");
        let stage = Stage::build(&site, &failed_over()).expect("a site");
        let finished = run_with(
            &site,
            &plan,
            &stage,
            saved.as_ref(),
            &MemoryStore::default(),
        )
        .await
        .expect("a record");
        assert_eq!(
            finished.outcome,
            Outcome::Done,
            "{:?} {:?}",
            finished.error,
            finished.steps
        );
        assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
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
        let saved = Saved::observe(&site, &stage.access, "before").await;
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
        // A named remainder: the copy that mirroring left on the backup mirror (`sql-server.md` 5).
        let left = after
            .instances
            .get_mut(&Instance::chat(Role::BackupMirror))
            .and_then(|server| server.databases.remove("mgc"))
            .expect("what F6 made");
        assert_eq!(left.mirroring, None);
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
