//! `pchadr status` on the lab: where the site is, what comes next, and the exit status with its reason.

use std::fs;

use pchadr::model::Role;

use crate::bench::Lab;
use crate::drive::{Machine, Raw, text};

/// What it tells people, and its exit status.
fn status(machine: &Machine) -> (Option<i32>, String) {
    let said = machine.run(&["status"]);
    (said.status.code(), text(&said.stdout))
}

/// The lines with that label.
fn labeled<'t>(told: &'t str, label: &str) -> Vec<&'t str> {
    let label = format!("{label:15} ");
    told.lines()
        .filter_map(|line| line.strip_prefix(&label))
        .collect()
}

#[test]
fn a_site_that_is_seen_whole_ends_with_the_next_command_and_status_0() {
    let lab = Lab::open(&["--state", "normal", "--logs", "1"]);
    let machine = Machine::of(&lab);
    let (code, told) = status(&machine);
    assert_eq!(code, Some(0), "{told}");
    let config = format!("pchadr check failover --config {}", machine.site.display());
    assert!(labeled(&told, "next")[0].contains(&config), "{told}");
    assert_eq!(labeled(&told, "not seen"), Vec::<&str>::new(), "{told}");

    let lab = Lab::open(&["--state", "failed-over", "--logs", "4"]);
    let (code, told) = status(&Machine::of(&lab));
    assert_eq!(code, Some(0), "{told}");
    assert!(
        labeled(&told, "next")[0].contains("pchadr check failback"),
        "{told}"
    );
}

#[test]
fn a_disaster_is_not_seen_whole_and_what_begins_a_failover_is_named() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "16"]);
    let (code, told) = status(&Machine::of(&lab));
    assert_eq!(code, Some(3), "{told}");
    let unseen = "the primary, the primary mirror (status 3)";
    assert_eq!(labeled(&told, "not seen"), [unseen], "{told}");
    assert!(
        labeled(&told, "next")[0].contains("pchadr failover --config"),
        "{told}"
    );
    // Its jobs stood still for hours.
    let runs_out = labeled(&told, "runs out");
    assert!(runs_out[0].ends_with("files are kept for 72h"), "{told}");
}

#[test]
fn who_lives_and_lets_nobody_look_is_not_called_silent() {
    let lab = Lab::open(&["--state", "normal", "--logs", "1"]);
    fs::write(lab.folder.join("password.txt"), "wrong").unwrap();
    let (code, told) = status(&Machine::of(&lab));
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("does not let us look: error 18456"), "{told}");
    assert!(!told.contains("does not answer"), "{told}");
}

#[test]
fn a_run_that_stopped_is_told_with_the_command_that_goes_on() {
    let mut lab = Lab::open(&["--state", "disaster", "--logs", "4"]);
    let machine = Machine::of(&lab);
    lab.happen("practice cmdlet-fails");
    let said = machine.failover(&[]);
    assert_eq!(said.status.code(), Some(4), "{said:?}");
    let (_, told) = status(&machine);
    assert!(
        labeled(&told, "stopped")[0].contains("stopped part-way"),
        "{told}"
    );
    let way = labeled(&told, "")
        .into_iter()
        .find_map(|line| line.split_once("--resume="))
        .map(|(_, run)| run.split([';', ' ']).next().unwrap_or_default());
    let resume = format!("--resume={}", way.unwrap_or_else(|| panic!("{told}")));
    assert_eq!(labeled(&told, "next"), Vec::<&str>::new(), "{told}");
    let said = machine.failover(&[&resume]);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let (_, told) = status(&machine);
    assert_eq!(labeled(&told, "stopped"), Vec::<&str>::new(), "{told}");
}

#[test]
fn a_run_that_is_under_way_is_told_and_no_other_is_begun_beside_it() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "4"]);
    let machine = Machine::of(&lab);
    let resource = pchadr::access::sql::site_resource(&lab.site.pool.fqdn);
    let mut other = Raw::to(&lab, Role::Backup);
    let lock = format!(
        "DECLARE @rc int; EXEC @rc = sp_getapplock @Resource = N'{resource}', @LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = 0; SELECT CAST(@rc AS varchar(10)) AS rc"
    );
    assert_eq!(other.value(&lock), "0");
    let (_, told) = status(&machine);
    assert!(
        labeled(&told, "under way")[0].contains("another run holds the site"),
        "{told}"
    );
    assert_eq!(labeled(&told, "next"), Vec::<&str>::new(), "{told}");
    let said = machine.run(&["check", "failover"]);
    assert_eq!(said.status.code(), Some(3));
    assert!(
        text(&said.stdout).contains("site-held"),
        "{}",
        text(&said.stdout)
    );
}
