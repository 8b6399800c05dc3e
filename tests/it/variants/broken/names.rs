//! Names that somebody gives to files.

use super::*;

#[test]
fn names_with_braces_and_quotes_are_copied_and_applied() {
    for name in [
        "{target}.trn",
        "{folder}{source}.trn",
        "o'hara --.trn",
        "{file}.trn",
        "a]b.trn",
        "[x].trn",
        "100%.trn",
        "@P1.trn",
    ] {
        let held = met(&terms(), async |stage, logs| {
            let log = logs.last().expect("logs");
            remove(stage, &log.name).await;
            put(
                &stage.simulated.folders,
                &format!(r"{SHARE}\{name}"),
                log,
                OPAQUE,
            );
        });
        assert_eq!(held.finished.outcome, Outcome::Done);
        assert_eq!(held.chat().messages, ALL);
    }
}

#[test]
fn a_name_that_is_taken_twice_overwrites_nothing_and_does_not_stop_the_run() {
    let held = met(&terms(), async |stage, logs| {
        let log = logs.last().expect("logs");
        let folders = &stage.simulated.folders;
        let stem = log.name.trim_end_matches(".trn");
        let mut other = log.clone();
        "hr".clone_into(&mut other.set.database);
        put(
            folders,
            &format!(r"{COPIES}\{}", log.name),
            &other,
            Form::default(),
        );
        let marked = format!(r"{COPIES}\{stem}_{}.trn", log.set.first_lsn);
        put(folders, &marked, &other, Form::default());
    });
    assert_eq!(held.finished.outcome, Outcome::Done);
    assert_eq!(held.chat().messages, ALL);
}

#[test]
fn names_that_differ_in_their_ending_only_grow_as_two_copies() {
    let held = met(&terms(), async |stage, logs| {
        let folders = &stage.simulated.folders;
        for (log, name) in logs[14..].iter().zip(["x", "x.trn"]) {
            remove(stage, &log.name).await;
            put(folders, &format!(r"{SHARE}\{name}"), log, Form::default());
        }
    });
    assert_eq!(held.finished.outcome, Outcome::Done);
    assert_eq!(held.chat().messages, ALL);
}

#[test]
fn a_name_as_long_as_names_can_be_is_copied_and_applied() {
    for (name, taken) in [("x", false), ("\u{e4}", false), ("x", true)] {
        let name = format!("{}.trn", name.repeat(251));
        let held = met(&terms(), async |stage, logs| {
            let log = logs.last().expect("logs");
            let folders = &stage.simulated.folders;
            remove(stage, &log.name).await;
            put(folders, &format!(r"{SHARE}\{name}"), log, Form::default());
            if taken {
                let mut other = log.clone();
                "hr".clone_into(&mut other.set.database);
                let path = format!(r"{COPIES}\{name}");
                put(folders, &path, &other, Form::default());
            }
        });
        assert_eq!(held.finished.outcome, Outcome::Done, "{name}");
        assert_eq!(held.chat().messages, ALL);
    }
}

#[test]
fn two_folders_with_one_name_and_two_needed_sets_give_both() {
    let held = met(&terms(), async |stage, logs| {
        let folders = &stage.simulated.folders;
        for log in &logs[14..] {
            remove(stage, &log.name).await;
        }
        put(
            folders,
            &format!(r"{SHARE}\x.trn"),
            &logs[14],
            Form::default(),
        );
        put(
            folders,
            &format!(r"{EXTRA}\X.TRN"),
            &logs[15],
            Form::default(),
        );
    });
    assert_eq!(held.finished.outcome, Outcome::Done);
    assert_eq!(held.chat().messages, ALL);
}
