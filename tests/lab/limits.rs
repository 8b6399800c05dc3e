//! Nothing is waited for without an end: whatever hangs, the program goes on or ends.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::Lab;
use crate::drive::{CONSENT, Machine, text};

fn pipe(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// Its output is taken by nobody, so that the thread that writes it hangs.
#[test]
fn two_stops_end_a_run_that_hangs_within_two_seconds() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "60"]);
    let machine = Machine::of(&lab);
    let mut words = vec!["failover", "--output", "json"];
    words.extend(CONSENT);
    let mut run = machine
        .command(&words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It hangs when its record does not grow any more: longer than a step waits between two looks.
    let length = || {
        machine.runs().first().map_or(0, |run| {
            fs::metadata(run.join("journal.jsonl")).map_or(0, |it| it.len())
        })
    };
    let (mut before, mut still) = (0, 0);
    let end = Instant::now() + Duration::from_mins(1);
    while still < 80 {
        assert!(Instant::now() < end && run.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(100));
        let now = length();
        still = if now > 0 && now == before {
            still + 1
        } else {
            0
        };
        before = now;
    }
    let stop = || {
        let kill = Command::new("kill")
            .arg("-INT")
            .arg(run.id().to_string())
            .status();
        assert!(kill.unwrap().success());
    };
    stop();
    std::thread::sleep(Duration::from_millis(200));
    let asked = Instant::now();
    stop();
    let ended = loop {
        if let Some(ended) = run.try_wait().unwrap() {
            break ended;
        }
        if asked.elapsed() > Duration::from_secs(2) {
            run.kill().unwrap();
            run.wait().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(ended.code(), Some(4));
    // Its record goes on.
    let said = machine.failover(&["--resume"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
}

#[test]
fn a_second_copy_that_is_a_pipe_is_not_waited_for_and_is_named_as_a_run_that_nobody_can_tell_of() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "4"]);
    let machine = Machine::of(&lab);
    let copies = lab.folder.join("shares/copy/pchadr-runs");
    pipe(&copies.join("20260101T000000Z-failover-000000/journal.jsonl"));
    let began = Instant::now();
    let said = machine.failover(&[]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(1), "{told}");
    assert!(told.contains("it is no file, or a link"), "{told}");
    let said = machine.failover(&["--override", "record-lost=laid by somebody else"]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    assert!(
        began.elapsed() < Duration::from_secs(45),
        "{:?}",
        began.elapsed()
    );
    let status = machine.run(&["status"]);
    let told = text(&status.stdout);
    assert!(
        told.contains("not seen        the primary, the primary mirror (status 3)"),
        "{told}"
    );
    assert_eq!(status.status.code(), Some(3), "{}", text(&status.stderr));
}
