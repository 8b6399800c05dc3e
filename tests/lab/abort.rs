//! A failover that was cut off is undone by the program, on the lab.

use crate::bench::Lab;
use crate::drive::{Machine, Running, commands, end_state, failed_over, outcomes, text};

const DISASTER: &[&str] = &["--state", "disaster"];

/// Starts a failover and kills it when that event of that step is recorded.
fn killed_at(machine: &Machine, event: &str, step: &str) {
    kill_at(machine, machine.start(&[]), event, step);
}

fn kill_at(machine: &Machine, running: Running, event: &str, step: &str) {
    machine.wait_for(step, |record| {
        record["event"] == event && (record["id"] == step || record["step"] == step)
    });
    running.kill();
}

/// Where the backup's log shipping and its database stand, and the pool.
pub(crate) fn stands(machine: &Machine) -> serde_json::Value {
    let mut status = machine.status();
    let shipping = &mut status["instances"]["backup"]["log_shipping"];
    // Without log shipping there are none.
    for moving in ["last_copied", "last_restored"] {
        shipping.as_object_mut().and_then(|it| it.remove(moving));
    }
    status
}

#[test]
fn a_failover_that_is_killed_before_the_point_of_no_return_is_undone_and_can_begin_anew() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    let before = stands(&machine);
    killed_at(&machine, "step_started", "copy-backups");
    assert_ne!(machine.status(), before);

    let asked = machine.run(&["abort"]);
    let told = text(&asked.stderr);
    assert_eq!(asked.status.code(), Some(5), "{told}");
    assert!(
        told.contains("sp_add_log_shipping_secondary_database"),
        "{told}"
    );
    assert!(told.contains("--yes"), "{told}");
    let recorded = machine.journal().len();

    let said = machine.run(&["abort", "--yes"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    assert_eq!(stands(&machine), before);
    let journal = machine.journal();
    assert!(journal.len() > recorded);
    assert_eq!(journal.last().unwrap()["outcome"], "undone");
    assert_eq!(outcomes(&journal)["drop-log-shipping"], "undone");
    assert_eq!(machine.runs().len(), 1);

    let again = machine.run(&["abort", "--yes"]);
    let told = text(&again.stderr);
    assert_eq!(again.status.code(), Some(1), "{told}");
    assert!(told.contains("there is no run to undo"), "{told}");

    let said = machine.failover(&[]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    assert_eq!(end_state(&machine.status()), failed_over());
}

#[test]
fn behind_the_point_of_no_return_abort_names_the_command_that_goes_on() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    killed_at(&machine, "command", "recover-database");
    let said = machine.run(&["abort", "--yes"]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(1), "{told}");
    assert!(told.contains("there is no way back"), "{told}");
    let config = machine.site.display();
    let on = format!("pchadr failover --config {config} --resume=");
    assert!(told.contains(&on), "{told}");
}

const FAILED_OVER: &[&str] = &["--state", "failed-over", "--logs", "24"];

/// State of the chat database of an instance.
fn chat(machine: &Machine, role: &str) -> String {
    let state = &machine.status()["instances"][role]["databases"]["mgc"]["state"];
    state.as_str().unwrap_or_default().to_owned()
}

/// The second data center, and the pool.
fn second(machine: &Machine) -> serde_json::Value {
    let mut status = end_state(&machine.status());
    for role in ["primary", "primary_mirror"] {
        status["instances"].as_object_mut().unwrap().remove(role);
    }
    status
}

#[test]
fn a_failback_that_is_killed_with_the_backup_closed_is_undone_and_can_begin_anew() {
    for (event, step) in [
        // Nothing was restored yet, or all of it.
        ("step_finished", "fence-backup"),
        ("step_started", "install-primary-mirror"),
    ] {
        let lab = Lab::open(FAILED_OVER);
        let machine = Machine::of(&lab);
        let before = second(&machine);
        kill_at(&machine, machine.start_failback(), event, step);
        assert_eq!(chat(&machine, "backup"), "RESTORING", "{step}");
        let asked = machine.run(&["abort"]);
        let told = text(&asked.stderr);
        assert_eq!(asked.status.code(), Some(5), "{told}");
        let place = |words: &str| {
            told.find(words)
                .unwrap_or_else(|| panic!("{words}: {told}"))
        };
        assert!(place("WITH RECOVERY") < place("Add="), "{told}");
        assert!(place("Add=") < place("Install-CsMirrorDatabase"), "{told}");
        assert_eq!(chat(&machine, "backup"), "RESTORING", "{step}");

        let said = machine.run(&["abort", "--yes"]);
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(0), "{told}");
        assert!(told.contains("undone: chat is served as before"), "{told}");
        assert_eq!(second(&machine), before, "{step}");
        // The copy, which waits for the log still or was taken OFFLINE.
        assert_ne!(chat(&machine, "primary"), "ONLINE", "{step}");
        assert_eq!(machine.journal().last().unwrap()["outcome"], "undone");

        let again = machine.run(&["abort", "--yes"]);
        assert_eq!(again.status.code(), Some(1), "{}", text(&again.stderr));
        let said = machine.run(&["failback", "--yes"]);
        assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
        assert_eq!(machine.status()["pool"]["state"], "Normal");
        assert_eq!(chat(&machine, "primary"), "ONLINE");
    }
}

#[test]
fn a_failback_whose_undoing_was_cut_off_goes_no_other_way_than_back() {
    let lab = Lab::open(FAILED_OVER);
    let machine = Machine::of(&lab);
    let before = second(&machine);
    kill_at(
        &machine,
        machine.start_failback(),
        "step_finished",
        "fence-backup",
    );
    // Whatever stood before it is undone by then.
    kill_at(
        &machine,
        machine.start_abort(),
        "undo_started",
        "clear-active-servers",
    );

    let sent = commands(&machine.journal());
    for words in [
        ["failback", "--yes", "--resume"].as_slice(),
        &["failback", "--yes"],
    ] {
        let said = machine.run(words);
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(1), "{told}");
        assert!(told.contains("pchadr abort"), "{told}");
    }
    assert_eq!(commands(&machine.journal()), sent);

    let said = machine.run(&["abort", "--yes"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    assert_eq!(second(&machine), before);
}

#[test]
fn a_backup_mirror_that_is_lost_keeps_no_undoing_from_its_end_and_a_failover_sets_it_up() {
    let mut lab = Lab::open(FAILED_OVER);
    let machine = Machine::of(&lab);
    let before = second(&machine);
    kill_at(
        &machine,
        machine.start_failback(),
        "step_finished",
        "remove-mirroring",
    );
    lab.happen("down instance backup_mirror");
    let said = machine.run(&["abort", "--yes"]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    assert!(told.contains("not mirrored again"), "{told}");
    let active = |status: &serde_json::Value| status["pool"]["active_servers"].clone();
    assert_eq!(active(&machine.status()), active(&before));

    lab.happen("up instance backup_mirror");
    let said = machine.run(&["failover", "--yes"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    assert!(
        commands(&machine.journal())
            .iter()
            .all(|sent| sent.starts_with("install-mirror") || sent.starts_with("mirror-compliance")),
        "{:?}",
        commands(&machine.journal())
    );
    assert_eq!(second(&machine), before);
}
