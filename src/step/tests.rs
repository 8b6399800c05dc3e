//! What holds for every step, whatever it does.

use super::sample::site;
use super::*;
use command::Kind as Sent;

#[test]
fn a_step_is_found_by_its_id_and_by_no_other() {
    for direction in Direction::ALL {
        for step in Step::of(direction) {
            assert_eq!(Step::find(direction, step.id()), Some(*step));
        }
        assert_eq!(Step::find(direction, "retire"), None);
    }
}

#[test]
fn every_step_stands_behind_those_that_it_must_come_after() {
    for direction in Direction::ALL {
        let list = Step::of(direction);
        for (place, step) in list.iter().enumerate() {
            for before in step.after() {
                assert!(list[..place].contains(before), "{}", step.id());
            }
        }
    }
}

#[test]
fn only_the_point_of_no_return_overtakes_and_only_what_comes_before_it() {
    for step in Step::of(Direction::Failover) {
        assert_eq!(step.is_point_of_no_return(), !step.overtakes().is_empty());
        assert!(step.overtakes().iter().all(|it| step.after().contains(it)));
    }
}

#[test]
fn the_steps_that_cannot_be_undone_are_those_of_the_design() {
    let of = |direction, effect| -> Vec<&str> {
        let steps = Step::of(direction).iter();
        steps
            .filter(|step| step.info().effect == effect)
            .map(|step| step.id())
            .collect()
    };
    let (out, home) = (Direction::Failover, Direction::Failback);
    assert_eq!(
        of(out, Effect::Irreversible),
        ["end-connections", "recover-database"]
    );
    assert_eq!(
        of(home, Effect::Irreversible),
        [
            "retire-old-primary",
            "seed-primary",
            "restore-database",
            "set-active-servers"
        ]
    );
    assert_eq!(of(out, Effect::ReadOnly), ["save-log-shipping"]);
}

#[test]
fn every_sample_has_its_holes_filled() {
    for command in Step::ALL.iter().flat_map(|step| step.commands(&site())) {
        for hole in &command.holes {
            let mark = format!("{{{}}}", hole.name);
            assert!(command.text.contains(&mark), "{}", command.text);
            assert!(!command.sample.contains(&mark), "{}", command.sample);
        }
    }
}

#[test]
fn no_restore_of_a_log_ends_the_chain() {
    for command in Step::ALL.iter().flat_map(|step| step.commands(&site())) {
        if command.text.starts_with("RESTORE LOG") {
            assert!(command.text.contains(", NORECOVERY"), "{}", command.text);
        }
    }
}

#[test]
fn a_cmdlet_is_never_left_to_ask() {
    for command in Step::ALL.iter().flat_map(|step| step.commands(&site())) {
        if let Sent::Powershell { parameters, .. } = &command.kind {
            assert_eq!(parameters["Confirm"], serde_json::json!(false));
        }
    }
}

#[test]
fn a_backup_or_a_restore_is_long_whatever_else_is_sent_and_whatever_its_values_say() {
    for step in Step::ALL {
        let own = step.commands(&site());
        for command in own.iter().chain(&step.undo_commands(&site())) {
            let moves = ["RESTORE ", "BACKUP "]
                .iter()
                .any(|verb| command.text.contains(verb));
            assert_eq!(command.is_long, moves, "{}: {}", step.id(), command.text);
        }
    }
}
