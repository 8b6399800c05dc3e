//! A record that is damaged: mended by its second copy, or refused beside a new run.

use std::fs;
use std::path::PathBuf;

use crate::bench::Lab;
use crate::drive::{Machine, end_state, failed_over, text};

const DISASTER: &[&str] = &["--state", "disaster", "--logs", "4"];

/// A failover that was killed behind F3; the two copies of its journal.
fn killed(lab: &Lab, machine: &Machine) -> [PathBuf; 2] {
    let running = machine.start(&[]);
    machine.wait_for("the end of apply-logs", |record| {
        record["event"] == "step_finished" && record["id"] == "apply-logs"
    });
    running.kill();
    let run = machine.runs().pop().unwrap();
    let mirror = lab.folder.join("shares/copy/pchadr-runs");
    let second = mirror.join(run.file_name().unwrap());
    [run, second].map(|folder| folder.join("journal.jsonl"))
}

fn flip(path: &PathBuf) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 30;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn one_bit_of_either_copy_is_put_right_by_the_other_when_the_run_goes_on() {
    for damaged in 0..2 {
        let lab = Lab::open(DISASTER);
        let machine = Machine::of(&lab);
        let copies = killed(&lab, &machine);
        flip(&copies[damaged]);
        // The run is neither out of sight nor begun a second time.
        let said = machine.failover(&[]);
        assert_eq!(said.status.code(), Some(1), "{said:?}");
        assert!(text(&said.stderr).contains("stopped part-way"), "{said:?}");
        let said = machine.failover(&["--resume"]);
        assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
        let which = ["first", "second"][damaged];
        let told = format!("note: the {which} copy of the run's record was damaged");
        assert!(text(&said.stderr).contains(&told), "{}", text(&said.stderr));
        assert_eq!(fs::read(&copies[0]).unwrap(), fs::read(&copies[1]).unwrap());
        assert_eq!(machine.run(&["runs", "verify"]).status.code(), Some(0));
        assert_eq!(end_state(&machine.status()), failed_over());
    }
}

#[test]
fn no_new_run_begins_in_silence_beside_a_record_that_is_lost_and_with_a_reason_it_does() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    let copies = killed(&lab, &machine);
    let lost = machine.runs().pop().unwrap();
    let lost = lost.file_name().unwrap().to_str().unwrap().to_owned();
    copies.iter().for_each(flip);
    let resume = format!("--resume={lost}");
    for words in [&[][..], &["--resume"], &[&resume]] {
        let said = machine.failover(words);
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(1), "{told}");
        for part in [
            &format!("run {lost} may be unfinished")[..],
            "it is whole up to record",
            "pchadr runs verify",
            "--override record-lost=REASON",
        ] {
            assert!(told.contains(part), "{words:?}: {part}: {told}");
        }
    }
    assert_eq!(machine.runs().len(), 1);

    let said = machine.failover(&["--override", "record-lost=the disk is broken"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    let consent = machine.journal().into_iter().find(|record| {
        let what = record["what"].as_str().unwrap_or_default();
        record["event"] == "consent"
            && what.starts_with("interlock record-lost: the disk is broken")
    });
    let what = consent.unwrap()["what"].as_str().unwrap().to_owned();
    assert!(
        what.contains(&lost) && what.contains("cannot be undone"),
        "{what}"
    );
    assert_eq!(end_state(&machine.status()), failed_over());
    // The run that saw to its end stands behind it: nothing is in the way any more.
    assert_eq!(machine.failover(&[]).status.code(), Some(0));
}
