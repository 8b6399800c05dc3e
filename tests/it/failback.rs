//! Failback: the plan, and runs that bring everything home.

use std::path::Path;
use std::process::Command;

use pchadr::cli::rehearse::{Stage, saved_before};
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::run::event::Outcome;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::Direction;
use pchadr::step::command::Kind;

use crate::site::{litware, paused, plan_of, run_with};

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
