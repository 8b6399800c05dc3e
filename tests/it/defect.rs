//! What a panic looks like: this test binary runs itself to see one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::process::Command;

const ASKED: &str = "PCHADR_TEST_PANICS";

#[test]
fn panics_when_asked() {
    if std::env::var_os(ASKED).is_some() {
        pchadr::cli::defect::exit_on_panic();
        // On a thread of its own: the exit must not depend on who waits for it.
        let _ = std::thread::spawn(|| panic!("a rule was broken")).join();
        unreachable!("the hook ends the program");
    }
}

#[test]
fn a_panic_on_any_thread_ends_with_status_70_and_says_what_to_keep() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "defect::panics_when_asked"])
        .env(ASKED, "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(70));
    let err = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 3, "{err}");
    assert!(lines[0].starts_with("error: a defect of pchadr "), "{err}");
    assert!(lines[0].contains("defect.rs:"), "{err}");
    assert_eq!(lines[1], "  why:        a rule was broken");
    assert!(lines[2].contains("keep the run folder"), "{err}");
}
