//! A first data center that comes back after a failover, on real sockets: told, closed, gone on from.

use pchadr::model::Role;
use serde_json::Value;

use crate::bench::Lab;
use crate::drive::{Machine, Raw, text};

fn status(machine: &Machine) -> (Option<i32>, Value) {
    let said = machine.run(&["status", "--output", "json"]);
    let value = serde_json::from_slice(&said.stdout).unwrap();
    (said.status.code(), value)
}

#[test]
fn what_came_back_is_told_by_status_and_by_a_failover_and_closed_by_the_fence() {
    let mut lab = Lab::open(&["--state", "disaster", "--logs", "4"]);
    let machine = Machine::of(&lab);
    let said = machine.failover(&[]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    let (exit, before) = status(&machine);
    // The first data center is not seen.
    assert_eq!((exit, &before["two_writable"]), (Some(3), &Value::Null));
    let idle = machine.run(&["fence", "--yes"]);
    assert_eq!(idle.status.code(), Some(0), "there is nothing to close");

    lab.happen("up primary");
    let (exit, told) = status(&machine);
    assert_eq!(exit, Some(3), "{told}");
    assert_eq!(
        told["two_writable"]["roles"],
        serde_json::json!(["primary", "backup"])
    );
    let people = machine.run(&["status"]);
    let first = text(&people.stdout);
    assert!(
        first.starts_with("TWO WRITABLE chat databases of one family"),
        "{first}"
    );
    assert!(first.contains("pchadr fence"), "{first}");
    let again = machine.failover(&[]);
    let words = text(&again.stderr);
    assert_eq!(again.status.code(), Some(3), "{words}");
    assert!(words.contains("TWO WRITABLE"), "{words}");

    let nobody = machine.run(&["fence"]);
    assert_eq!(nobody.status.code(), Some(5), "{}", text(&nobody.stderr));
    let closed = machine.run(&["fence", "--yes"]);
    assert_eq!(closed.status.code(), Some(0), "{}", text(&closed.stderr));
    let mut primary = Raw::to(&lab, Role::Primary);
    let state = primary.value("select state_desc from sys.databases where name = 'mgc'");
    assert_eq!(state, "OFFLINE");
    let jobs = primary
        .value("select name from msdb.dbo.sysjobs where enabled = 1 and name like 'LSBackup%'");
    assert_eq!(jobs, "");
    let (exit, after) = status(&machine);
    assert_eq!(exit, Some(0), "{after}");
    let done = machine.failover(&[]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
}

#[test]
fn a_failover_that_stopped_for_it_goes_on_when_it_is_closed() {
    let mut lab = Lab::open(&["--state", "disaster", "--logs", "4"]);
    let machine = Machine::of(&lab);
    let run = machine.start(&[]);
    machine.wait_for("recovery", |record| {
        record["event"] == "step_finished" && record["id"] == "recover-database"
    });
    run.kill();
    lab.happen("up primary");
    let stopped = machine.failover(&["--resume"]);
    let told = text(&stopped.stderr);
    assert_eq!(stopped.status.code(), Some(4), "{told}");
    let fence = format!(
        "run `pchadr fence --config {}`, then go on",
        machine.site.display()
    );
    assert!(told.contains(&fence), "{told}");
    let begun = machine.failover(&[]);
    assert_eq!(begun.status.code(), Some(1), "{}", text(&begun.stderr));

    // A fence may begin beside it, and nothing else.
    let failback = machine.run(&["failback", "--yes"]);
    let told = text(&failback.stderr);
    assert_eq!(failback.status.code(), Some(1), "{told}");
    assert!(
        told.contains("go on with it: pchadr failover --config"),
        "{told}"
    );
    let fence = machine.run(&["fence", "--yes"]);
    assert_eq!(fence.status.code(), Some(0), "{}", text(&fence.stderr));
    let done = machine.failover(&["--resume"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(status(&machine).0, Some(0));
}
