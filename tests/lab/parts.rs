//! A failover in parts, on the lab: what needs no Skype is done while the Central Management Store is dead,
//! the rest when it answers; and both are undone.

use std::path::Path;

use crate::abort::stands;
use crate::bench::Lab;
use crate::drive::{CONSENT, Machine, end_state, failed_over, outcomes, text};

const DISASTER: &[&str] = &["--state", "disaster", "--logs", "6"];

/// The command in a text that begins so, up to the end of its line, or of what it stands in.
fn printed<'t>(told: &'t str, begins: &str) -> &'t str {
    let at = told
        .find(begins)
        .unwrap_or_else(|| panic!("{begins}: {told}"));
    told[at..]
        .split(['\n', '`'])
        .next()
        .unwrap_or_default()
        .trim()
}

/// The words behind `pchadr`, without the site file, which the machine adds.
fn words(machine: &Machine, command: &str) -> Vec<String> {
    let config = format!("--config {}", machine.site.display());
    assert!(command.contains(&config), "{command}");
    let rest = command.replace(&config, "");
    rest.split_whitespace().skip(1).map(str::to_owned).collect()
}

fn say(machine: &Machine, words: &[String], more: &[&str]) -> (Option<i32>, String, String) {
    let mut all: Vec<&str> = words.iter().map(String::as_str).collect();
    all.extend(more);
    let said = machine.run(&all);
    (said.status.code(), text(&said.stdout), text(&said.stderr))
}

#[test]
fn while_the_store_is_dead_the_database_is_recovered_and_users_are_served_when_it_answers() {
    let mut lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    lab.happen("down store");
    let said = machine.failover(&[]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(3), "{told}");
    let config = format!("pchadr failover --config {}", machine.site.display());
    let until = printed(&told, &format!("{config} --until")).to_owned();

    let (status, _, told) = say(&machine, &words(&machine, &until), &CONSENT);
    assert_eq!(status, Some(0), "{told}");
    assert!(
        told.contains("done as far as it was to go: 4 steps not reached"),
        "{told}"
    );
    let first = outcomes(&machine.journal());
    assert_eq!(first["recover-database"], "done");
    let end = machine.journal();
    let steps = &end.last().unwrap()["steps"];
    for step in ["set-pool-state", "install-mirror", "set-active-servers"] {
        assert_eq!(steps[step], "not_reached", "{steps}");
    }
    let from = printed(&told, &format!("{config} --from")).to_owned();

    let said = machine.run(&["runs", "list"]);
    let list = text(&said.stdout);
    assert!(list.contains("done as far as it was to go"), "{list}");
    assert_eq!(printed(&list, &format!("{config} --from")), from);

    // It is closed: there is nothing to resume, and behind recovery nothing to undo.
    let closed = machine.runs().pop().unwrap();
    let resume = format!("--resume={}", closed.file_name().unwrap().to_str().unwrap());
    let said = machine.run(&["failover", &resume, "--yes"]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(1), "{told}");
    assert_eq!(printed(&told, &format!("{config} --from")), from);
    let said = machine.run(&["abort", "--yes"]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(1), "{told}");
    assert_eq!(printed(&told, &format!("{config} --from")), from);

    // What is not done is not left out.
    let said = machine.run(&["failover", "--from", "set-active-servers", "--yes"]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(1), "{told}");
    assert!(told.contains("--from set-pool-state"), "{told}");

    lab.happen("up store");
    let (status, _, told) = say(&machine, &words(&machine, &from), &["--yes"]);
    assert_eq!(status, Some(0), "{told}");
    assert_eq!(end_state(&machine.status()), failed_over());
    let journal = machine.journal();
    let runs = machine.runs();
    // The first of them was refused.
    assert_eq!(runs.len(), 3);
    let first = runs[1].file_name().unwrap().to_str().unwrap();
    assert_eq!(journal[0]["continues"]["run"], first, "{}", journal[0]);
    let ends = outcomes(&journal);
    assert_eq!(ends["apply-logs"], "done_before");
    assert_eq!(ends["set-active-servers"], "done");

    // The rest is taken: it is not taken twice.
    let (status, _, told) = say(&machine, &words(&machine, &from), &["--yes"]);
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("leave out --from"), "{told}");
}

#[test]
fn a_failover_in_parts_is_undone_whole() {
    let once = ["--until", "apply-logs"];
    let (drop, copy) = ("drop-log-shipping", "copy-backups");
    for parts in [
        &[&once[..]][..],
        &[
            &once,
            &["--from", "end-connections", "--until", "end-connections"],
        ],
        &[
            &["--until", "stop-log-shipping-jobs"],
            &["--from", drop, "--until", drop],
            &["--from", copy, "--until", "apply-logs"],
        ],
        // The second is told nothing of the first.
        &[&["--until", drop], &once],
    ] {
        let lab = Lab::open(DISASTER);
        let machine = Machine::of(&lab);
        let before = stands(&machine);
        for part in parts {
            let said = machine.failover(part);
            assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
            assert_ne!(stands(&machine), before);
        }
        let said = machine.run(&["abort", "--yes"]);
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(0), "{told}");
        assert_eq!(stands(&machine), before, "{parts:?}: {told}");
        let said = machine.run(&["abort", "--yes"]);
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(1), "{told}");
        assert!(told.contains("there is no run to undo"), "{told}");

        // Users first, in two parts: the second has the order of the first.
        let said = machine.failover(&["--service-first", "--until", "set-active-servers"]);
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(0), "{told}");
        assert!(told.contains("exists on one instance only"), "{told}");
        let next = text(&said.stdout);
        assert!(next.contains("users are served, and it is still"), "{next}");
        let said = machine.failover(&["--from", "install-mirror"]);
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(0), "{told}");
        assert_eq!(end_state(&machine.status()), failed_over());
    }
}

#[test]
fn a_run_goes_on_with_a_runbook_that_differs_in_steps_that_have_not_begun() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    let running = machine.start(&[]);
    machine.wait_for("apply-logs", |record| {
        record["event"] == "step_started" && record["id"] == "apply-logs"
    });
    running.kill();
    let built_in =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/failover-service-first.toml");
    let text_of = std::fs::read_to_string(&built_in).unwrap();

    let gone = lab.folder.join("gone.toml");
    let without = text_of.replace("[[step]]\nid = \"stop-log-shipping-jobs\"\n", "");
    assert_ne!(without, text_of);
    std::fs::write(&gone, without).unwrap();
    let said = machine.failover(&["--resume", "--runbook", gone.to_str().unwrap()]);
    let told = text(&said.stderr);
    assert!(matches!(said.status.code(), Some(1 | 2)), "{told}");

    let said = machine.failover(&["--resume", "--runbook", built_in.to_str().unwrap()]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    assert!(told.contains("to come: "), "{told}");
    assert_eq!(end_state(&machine.status()), failed_over());
    let journal = machine.journal();
    let at = |event: &str, id: &str| {
        let place = journal
            .iter()
            .position(|it| it["event"] == event && it["id"] == id);
        place.unwrap_or_else(|| panic!("{event} of {id}"))
    };
    assert!(at("step_finished", "set-active-servers") < at("step_started", "install-mirror"));
    let said = machine.run(&["runs", "verify"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stdout));
    let run = machine.runs().pop().unwrap();
    let plan = std::fs::read_to_string(run.join("plan.json")).unwrap();
    assert!(plan.contains("set-active-servers"));
}

#[test]
fn a_run_that_continues_a_part_goes_on_under_its_own_plan() {
    for from in [&[][..], &["--from", "copy-backups"]] {
        let lab = Lab::open(DISASTER);
        let machine = Machine::of(&lab);
        let said = machine.failover(&["--until", "drop-log-shipping"]);
        assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
        let running = machine.start(from);
        machine.wait_for("apply-logs", |record| {
            record["event"] == "step_started" && record["id"] == "apply-logs"
        });
        running.kill();
        let continues = &machine.journal()[0]["continues"];
        assert!(continues["run"].is_string(), "{continues}");
        assert_eq!(
            continues["from"].is_string(),
            !from.is_empty(),
            "{continues}"
        );
        let said = machine.failover(&["--resume"]);
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(0), "{told}");
        assert!(!told.contains("the plan is not the one"), "{told}");
        assert_eq!(end_state(&machine.status()), failed_over());
    }
}
