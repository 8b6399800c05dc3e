//! Trouble that is practiced in a lab, as a rehearsal practices it.

use std::net::TcpStream;
use std::time::Instant;

use pchadr::model::Role;

use crate::bench::{LONG, Lab};
use crate::drive::{Machine, Raw, outcomes, text};

const DISASTER: &[&str] = &["--state", "disaster", "--logs", "4"];

#[test]
fn trouble_that_is_practiced_in_a_lab_strikes_a_run_there() {
    let mut lab = Lab::open(DISASTER);
    let said = lab.happen("practice mirror-full");
    assert_eq!(said, "practice mirror-full: done");
    // What needs another beginning, and what nobody knows, is no event of a lab.
    for kind in ["standby-reader", "rain"] {
        let said = lab.happen(&format!("practice {kind}"));
        assert!(said.contains("is no event"), "{said}");
    }
    let machine = Machine::of(&lab);
    let said = machine.failover(&[]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(3), "{told}");
    assert!(told.contains("has room for 0 bytes"), "{told}");
    let said = machine.failover(&["--override", "no-mirror=the disk comes tomorrow"]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    assert!(told.contains("done, without a mirror"), "{told}");
    assert_eq!(outcomes(&machine.journal())["install-mirror"], "left");
}

#[test]
fn an_instance_that_comes_back_behind_a_statement_listens_again() {
    let mut lab = Lab::open(DISASTER);
    let port = lab.port(Role::Primary);
    let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    lab.happen("practice primary-at-once");
    assert!(!listens());
    let mut backup = Raw::to(&lab, Role::Backup);
    backup.value("Restore Database [mgc] With Recovery");
    let end = Instant::now() + LONG;
    while !listens() {
        assert!(Instant::now() < end, "it never comes back");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
