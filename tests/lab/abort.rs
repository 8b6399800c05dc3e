//! A failover that was cut off is undone by the program, on the lab.

use crate::bench::Lab;
use crate::drive::{Machine, end_state, failed_over, outcomes, text};

const DISASTER: &[&str] = &["--state", "disaster"];

/// Starts a failover and kills it when that event of that step is recorded.
fn killed_at(machine: &Machine, event: &str, step: &str) {
    let running = machine.start(&[]);
    machine.wait_for(step, |record| {
        record["event"] == event && (record["id"] == step || record["step"] == step)
    });
    running.kill();
}

/// Where the backup's log shipping and its database stand, and the pool.
fn stands(machine: &Machine) -> serde_json::Value {
    let mut status = machine.status();
    let shipping = &mut status["instances"]["backup"]["log_shipping"];
    for moving in ["last_copied", "last_restored"] {
        shipping.as_object_mut().unwrap().remove(moving);
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
    assert!(told.contains("pchadr failover --resume="), "{told}");
}
