//! Files with several sets, of which each counts by itself, and sets that cannot be applied.

use pchadr::cli::rehearse::Stage;
use pchadr::model::Lsn;
use pchadr::rehearsal::backup_set::{BackupSet, Form};
use pchadr::rehearsal::world::{FaultKind, SqlFault};
use pchadr::run::store::MemoryStore;
use pchadr::step::terms::AcceptedLoss;

use super::super::BACKUP;
use super::kinds::{other_database, put};
use super::{COPIES, Held, SHARE, accepting, hold_on, logs};
use crate::site::{disaster, litware, paused, terms};

/// What is changed of a set.
type Changes<'a> = dyn Fn(&mut BackupSet) + 'a;

/// The last log backup with another set beside it, in one file with a fixed name.
async fn beside(other: impl Fn(&mut BackupSet), first: bool) -> Held {
    let site = litware();
    let mut stage = Stage::build(&site, &disaster()).expect("the site");
    let mut sets = vec![logs()[15].set.clone(); 2];
    let (other_at, own) = if first { (0, 1) } else { (1, 0) };
    other(&mut sets[other_at]);
    sets[other_at].set_guid = [7; 16];
    sets[own].position = if first { 2 } else { 1 };
    sets[other_at].position = if first { 1 } else { 2 };
    replace_last(&stage, "mgc.trn", sets).await;
    hold_on(&site, &mut stage, &terms(), &MemoryStore::default()).await
}

/// Lays a file in the share in place of the last log backup.
async fn replace_last(stage: &Stage, name: &str, sets: Vec<BackupSet>) {
    let path = format!(r"{SHARE}\{}", logs()[15].name);
    stage.access.shares.remove(&path).await.expect("removed");
    let folders = &stage.simulated.folders;
    put(folders, &format!(r"{SHARE}\{name}"), sets, Form::default());
}

#[test]
#[expect(clippy::print_stdout, reason = "which case it was that failed")]
fn a_set_is_applied_whatever_else_its_file_holds() {
    let ahead = |set: &mut BackupSet| {
        other_database(set);
        set.first_lsn = Lsn::new(77, 1, 1);
        set.last_lsn = Lsn::new(77, 9, 1);
    };
    // Told by its family alone, and longer than the one that is needed.
    let competing = |set: &mut BackupSet| {
        set.family = [9; 16];
        set.last_lsn = Lsn::new(77, 9, 1);
    };
    let others: [(&str, &Changes); 3] = [
        ("older", &other_database),
        ("ahead", &ahead),
        ("competing", &competing),
    ];
    for (name, other) in others {
        for first in [true, false] {
            println!("{name}, first: {first}");
            paused(async {
                let held = beside(other, first).await;
                held.assert_done();
                held.assert_has_all_messages();
            });
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_though_one_of_its_name_is_sound_and_older() {
    paused(async {
        let site = litware();
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        // A job that writes WITH INIT gives one name to every hour.
        let sound = vec![logs()[0].set.clone()];
        let folders = stage.simulated.folders.clone();
        put(
            &folders,
            &format!(r"{COPIES}\mgc.trn"),
            sound,
            Form::default(),
        );
        let last = logs()[15].set.clone();
        replace_last(&stage, "mgc.trn", vec![last]).await;
        let path = format!(r"{SHARE}\mgc.trn");
        folders.truncate(&path, 1 << 20).expect("cut");
        let store = MemoryStore::default();
        let held = hold_on(&site, &mut stage, &terms(), &store).await;
        held.assert_refused(
            5,
            "recover-database",
            &[&path, "without its end"],
            &["--accept-loss-after"],
        );
    });
}

/// The site with the copy of the last log backup, and that on the share where `both`, damaged; the
/// instance tells damage by that number.
async fn damaged(number: u32, both: bool) -> (Stage, MemoryStore, Held) {
    let site = litware();
    let mut stage = Stage::build(&site, &disaster()).expect("the site");
    let last = &logs()[15];
    let folders = stage.simulated.folders.clone();
    let copy = format!(r"{COPIES}\{}", last.name);
    put(&folders, &copy, vec![last.set.clone()], Form::default());
    folders.corrupt(&copy).expect("damaged");
    if both {
        let source = format!(r"{SHARE}\{}", last.name);
        folders.corrupt(&source).expect("damaged");
    }
    stage.simulated.world.with(|state| state.damage = number);
    let store = MemoryStore::default();
    let held = hold_on(&site, &mut stage, &terms(), &store).await;
    (stage, store, held)
}

#[test]
#[expect(clippy::print_stdout, reason = "which case it was that failed")]
fn whatever_number_tells_the_damage_the_sound_original_is_applied_or_the_loss_is_asked_for() {
    for number in [3183, 3189, 3203, 3208, 3241, 3256, 3271, 9004, 11801, 9100] {
        println!("{number}");
        paused(async {
            let (_, _, held) = damaged(number, false).await;
            held.assert_done();
            held.assert_has_all_messages();
            let (mut stage, store, held) = damaged(number, true).await;
            let last = &logs()[15];
            held.assert_stopped(
                "recover-database",
                &[&last.name, &number.to_string()],
                &["--accept-loss-after"],
            );
            let exact = accepting(AcceptedLoss::Lsn(logs()[14].set.last_lsn));
            let held = hold_on(&litware(), &mut stage, &exact, &store).await;
            held.assert_done();
            assert_eq!(held.chat().messages, 100 + 3 * 14);
        });
    }
}

/// A run whose RESTORE LOG of the last log backup fails so often with that number.
async fn failing(number: u32, times: usize) -> (Stage, MemoryStore, Held) {
    let site = litware();
    let mut stage = Stage::build(&site, &disaster()).expect("the site");
    stage.simulated.world.with(|state| {
        for _ in 0..times {
            state.faults.push(SqlFault {
                instance: BACKUP,
                contains: format!(
                    r"RESTORE LOG [mgc] FROM DISK = N'E:\pchat-copy\{}",
                    logs()[15].name
                ),
                nth: 1,
                kind: FaultKind::ErrorBefore(number),
            });
        }
    });
    let store = MemoryStore::default();
    let held = hold_on(&site, &mut stage, &terms(), &store).await;
    (stage, store, held)
}

#[test]
fn an_error_that_passes_is_tried_again_and_one_that_stays_costs_one_copy_of_the_file() {
    paused(async {
        // A read that failed without a word of the system, and a number that nobody knows.
        for number in [3203, 3271, 9100] {
            for (times, copies) in [(1, 1), (2, 2)] {
                let (stage, _, held) = failing(number, times).await;
                held.assert_done();
                held.assert_has_all_messages();
                let stem = logs()[15].name.replace(".trn", "");
                let there = stage.simulated.folders.snapshot();
                let of_it = |path: &str| path.starts_with(COPIES) && path.contains(&stem);
                let found = there.iter().filter(|(path, _)| of_it(path)).count();
                assert_eq!(found, copies, "{number}, {times}");
            }
        }
    });
}

#[test]
fn an_error_of_the_database_its_disk_or_the_session_is_never_taken_for_one_of_the_file() {
    paused(async {
        for number in [9002, 3110, 3101, 3201, 1205] {
            let (mut stage, store, held) = failing(number, 2).await;
            held.assert_stopped("apply-logs", &[&number.to_string()], &[]);
            assert_eq!(held.count("WITH RECOVERY"), 0);
            let held = loop {
                let held = hold_on(&litware(), &mut stage, &terms(), &store).await;
                if held.finished.exit == 0 {
                    break held;
                }
            };
            held.assert_has_all_messages();
        }
    });
}

/// The site where all log that is not applied lies in one set, changed.
async fn one_set(change: impl Fn(&mut BackupSet)) -> (Stage, MemoryStore, Held) {
    let site = litware();
    let mut stage = Stage::build(&site, &disaster()).expect("the site");
    let logs = logs();
    for log in &logs[2..] {
        for folder in [SHARE, COPIES] {
            let path = format!(r"{folder}\{}", log.name);
            // Few of them are copied.
            drop(stage.access.shares.remove(&path).await);
        }
    }
    let mut set = logs[15].set.clone();
    set.first_lsn = logs[1].set.first_lsn;
    change(&mut set);
    let folders = stage.simulated.folders.clone();
    let path = format!(r"{SHARE}\{}", logs[15].name);
    put(&folders, &path, vec![set], Form::default());
    let store = MemoryStore::default();
    let held = hold_on(&site, &mut stage, &terms(), &store).await;
    (stage, store, held)
}

#[test]
fn a_set_in_which_the_fork_changes_behind_redo_start_is_applied() {
    let redo = logs()[1].set.last_lsn;
    let before = logs()[1].set.first_lsn;
    let after = logs()[15].set.first_lsn;
    for point in [redo, after] {
        paused(async {
            let (_, _, held) = one_set(|set| {
                set.fork = [8; 16];
                set.fork_point = Some(point);
            })
            .await;
            held.assert_done();
            held.assert_has_all_messages();
        });
    }
    // On the other fork already.
    paused(async {
        let (_, _, held) = one_set(|set| {
            set.first_fork = [8; 16];
            set.fork_point = Some(before);
        })
        .await;
        held.assert_done();
        held.assert_has_all_messages();
    });
}

#[test]
fn a_set_that_can_never_be_applied_is_named_and_asks_for_exactly_its_loss() {
    let before = logs()[1].set.first_lsn;
    let forked = |set: &mut BackupSet| {
        set.fork = [8; 16];
        set.fork_point = Some(before);
    };
    let foreign = |set: &mut BackupSet| {
        set.first_lsn = logs()[1].set.last_lsn;
        set.family = [9; 16];
    };
    let cases: [(&Changes, &str); 2] = [(&forked, "recovery fork"), (&foreign, "family")];
    for (change, word) in cases {
        paused(async {
            let (mut stage, store, held) = one_set(change).await;
            let redo = logs()[1].set.last_lsn;
            held.assert_refused(
                5,
                "recover-database",
                &[&logs()[15].name, word],
                &[&format!("--accept-loss-after {redo}")],
            );
            let exact = accepting(AcceptedLoss::Lsn(redo));
            let held = hold_on(&litware(), &mut stage, &exact, &store).await;
            held.assert_done();
            assert_eq!(held.chat().messages, logs()[1].set.messages);
            assert_eq!(held.count("RESTORE LOG"), 0);
        });
    }
}

#[test]
fn a_set_of_another_fork_makes_a_gap_that_names_it() {
    paused(async {
        let site = litware();
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        let logs = logs();
        let folders = stage.simulated.folders.clone();
        let mut set = logs[2].set.clone();
        set.first_lsn = logs[1].set.first_lsn;
        set.fork = [8; 16];
        set.fork_point = Some(logs[1].set.first_lsn);
        for folder in [SHARE, COPIES] {
            let path = format!(r"{folder}\{}", logs[2].name);
            put(&folders, &path, vec![set.clone()], Form::default());
        }
        let store = MemoryStore::default();
        let held = hold_on(&site, &mut stage, &terms(), &store).await;
        let redo = logs[1].set.last_lsn;
        held.assert_refused(
            5,
            "apply-logs",
            &[&logs[2].name, "recovery fork"],
            &[&format!("--accept-loss-after {redo}")],
        );
        let exact = accepting(AcceptedLoss::Lsn(redo));
        let held = hold_on(&site, &mut stage, &exact, &store).await;
        held.assert_done();
        assert_eq!(held.chat().messages, logs[1].set.messages);
    });
}
