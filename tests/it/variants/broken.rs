//! What somebody who owns a folder can lay there: no log is lost unnamed by it, and a run can go on.

mod names;
mod unread;

use pchadr::access::shares::Cause;
use pchadr::cli::rehearse::Stage;
use pchadr::rehearsal::backup_set::{Form, SetKind};
use pchadr::rehearsal::folders::{Folders, Op, Volume};
use pchadr::rehearsal::world::{FaultKind, LogRecipe, MadeLog, SqlFault, World};
use pchadr::run::event::Outcome;
use pchadr::run::store::MemoryStore;
use pchadr::step::terms::{AcceptedLoss, Terms};

use super::{BACKUP, Held, hold_on};
use crate::site::{disaster, litware, paused, terms};

const SHARE: &str = r"\\fs1\pchat-logs";
const COPIES: &str = r"\\sql3.dc2.litwareinc.com\pchat-copy";
const EXTRA: &str = r"\\fs2\old-logs";
const ALL: u64 = 100 + 3 * 15;

const OPAQUE: Form = Form {
    opaque: true,
    broken_off: false,
    stripe: (0, 0),
};

fn logs() -> Vec<MadeLog> {
    let last = jiff::civil::date(2026, 1, 14).at(2, 33, 0, 0);
    let mut recipe = LogRecipe::new("mgc", r"SQL1\chat", 16, last);
    recipe.bytes = 4 * 1024 * 1024;
    recipe.empty_every = 9;
    World::make_logs(&recipe)
}

fn put(folders: &Folders, path: &str, log: &MadeLog, form: Form) {
    let sets = vec![log.set.clone()];
    folders.put_formed(path, sets, 4 << 20, form).expect("laid");
}

async fn remove(stage: &Stage, name: &str) {
    for folder in [SHARE, COPIES] {
        let path = format!(r"{folder}\{name}");
        let there = stage.simulated.folders.snapshot();
        if there.iter().any(|(it, _)| *it == path) {
            stage.access.shares.remove(&path).await.expect("removed");
        }
    }
}

/// A run on a site with `[shares] extra`, which `lay` prepares.
fn met(terms: &Terms, lay: impl AsyncFnOnce(&Stage, &[MadeLog])) -> Held {
    paused(async {
        let mut site = litware();
        site.shares.extra.push(EXTRA.parse().expect("a path"));
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        let folders = &stage.simulated.folders;
        folders.add(Volume::new("extra", EXTRA, "fs2"));
        let readme = format!(r"{EXTRA}\readme.txt");
        folders.put_bytes(&readme, b"older ones").expect("laid");
        lay(&stage, &logs()).await;
        hold_on(&site, &mut stage, terms, &MemoryStore::default()).await
    })
}

/// Fails where the run recovered without that log, and nobody was asked for more than the end of the chain.
fn assert_not_silent(held: &Held, name: &str) {
    if held.finished.outcome == Outcome::Done {
        assert_eq!(
            held.chat().messages,
            ALL,
            "recovered without `{name}`, unnamed"
        );
    } else {
        let why = &held.error().why;
        assert!(why.contains(name) || why.contains("files more"), "{why}");
    }
}

#[test]
fn two_copies_that_the_instance_cannot_open_for_a_moment_do_not_hide_the_others() {
    let held = met(&terms(), async |stage, logs| {
        let folders = &stage.simulated.folders;
        for log in &logs[12..] {
            remove(stage, &log.name).await;
            put(folders, &format!(r"{COPIES}\{}", log.name), log, OPAQUE);
        }
        for log in &logs[12..14] {
            folders.fail_next(Op::Open, &log.name, Cause::InUse, 1);
        }
    });
    assert_not_silent(&held, &logs()[15].name);
}

#[test]
fn a_copy_folder_that_the_instance_may_not_read_hides_no_file() {
    let held = met(&terms(), async |stage, logs| {
        let folders = &stage.simulated.folders;
        for log in logs {
            remove(stage, &log.name).await;
            put(folders, &format!(r"{COPIES}\{}", log.name), log, OPAQUE);
        }
        folders.change("copy", |it| {
            it.denied.insert("backup".to_owned());
        });
    });
    assert_not_silent(&held, &logs()[15].name);
}

#[test]
fn a_full_backup_in_front_does_not_hide_a_log_backup_where_a_third_set_was_broken_off() {
    let held = met(&terms(), async |stage, logs| {
        let log = logs.last().expect("logs");
        remove(stage, &log.name).await;
        let mut full = log.set.clone();
        full.kind = SetKind::Full;
        let mut set = log.set.clone();
        set.position = 2;
        let form = Form {
            broken_off: true,
            ..Form::default()
        };
        let path = format!(r"{SHARE}\{}", log.name);
        stage
            .simulated
            .folders
            .put_formed(&path, vec![full, set], 4 << 20, form)
            .expect("laid");
    });
    assert_not_silent(&held, &logs()[15].name);
}

#[test]
fn a_set_that_was_broken_off_behind_whole_ones_is_named() {
    let held = met(&terms(), async |stage, logs| {
        let log = &logs[14];
        remove(stage, &log.name).await;
        remove(stage, &logs[15].name).await;
        let form = Form {
            broken_off: true,
            ..Form::default()
        };
        put(
            &stage.simulated.folders,
            &format!(r"{SHARE}\{}", log.name),
            log,
            form,
        );
    });
    assert_not_silent(&held, &logs()[14].name);
}

#[test]
fn another_file_of_the_name_does_not_excuse_one_that_cannot_be_read() {
    for folder in [EXTRA, COPIES] {
        let held = met(&terms(), async |stage, logs| {
            let log = logs.last().expect("logs");
            let folders = &stage.simulated.folders;
            remove(stage, &log.name).await;
            put(
                folders,
                &format!(r"{SHARE}\{}", log.name),
                log,
                Form::default(),
            );
            folders
                .deny(&format!(r"{SHARE}\{}", log.name), true)
                .expect("denied");
            // Of another database altogether.
            let mut other = log.clone();
            "hr".clone_into(&mut other.set.database);
            put(
                folders,
                &format!(r"{folder}\{}", log.name),
                &other,
                Form::default(),
            );
        });
        assert_not_silent(&held, &logs()[15].name);
    }
}

#[test]
fn the_partial_copy_of_a_file_that_is_gone_is_named() {
    let held = met(&terms(), async |stage, logs| {
        let log = logs.last().expect("logs");
        let folders = &stage.simulated.folders;
        remove(stage, &log.name).await;
        let path = format!(r"{COPIES}\{}.pchadr.wrk", log.name);
        put(folders, &path, log, Form::default());
        folders.truncate(&path, 1 << 20).expect("cut");
    });
    assert_not_silent(&held, &logs()[15].name.replace(".trn", ""));
}

#[test]
fn a_file_with_the_set_of_another_does_not_push_it_out() {
    let held = met(&terms(), async |stage, logs| {
        let log = logs.last().expect("logs");
        // The second copy of a mirrored backup (MIRROR TO): one set, other bytes in its media header.
        let path = format!(r"{EXTRA}\{}", log.name);
        let sets = vec![log.set.clone()];
        stage
            .simulated
            .folders
            .put_formed(&path, sets, 5 << 20, Form::default())
            .expect("laid");
    });
    assert_eq!(held.finished.outcome, Outcome::Done);
    assert_eq!(held.chat().messages, ALL);
}

/// Nothing but the copy tells, where the instance does not read the shares.
#[test]
fn two_files_of_one_set_are_copied_and_asked_for_where_the_instance_reads_no_share() {
    let held = met(&terms(), async |stage, logs| {
        let log = logs.last().expect("logs");
        let folders = &stage.simulated.folders;
        remove(stage, &log.name).await;
        for (folder, size) in [(SHARE, 4), (EXTRA, 5)] {
            let path = format!(r"{folder}\{}", log.name);
            let sets = vec![log.set.clone()];
            folders
                .put_formed(&path, sets, size << 20, Form::default())
                .expect("laid");
        }
        for share in ["backup", "extra"] {
            folders.change(share, |it| {
                it.denied.insert("backup".to_owned());
            });
        }
    });
    assert_eq!(held.finished.outcome, Outcome::Done);
    assert_eq!(held.chat().messages, ALL);
}

#[test]
fn two_stripes_of_one_set_are_left_out_and_named() {
    let held = met(&terms(), async |stage, logs| {
        let log = logs.last().expect("logs");
        remove(stage, &log.name).await;
        for (number, folder) in [(1, SHARE), (2, EXTRA)] {
            let form = Form {
                stripe: (number, 2),
                ..Form::default()
            };
            let path = format!(r"{folder}\{}", log.name);
            put(&stage.simulated.folders, &path, log, form);
        }
    });
    assert_not_silent(&held, &logs()[15].name);
}

#[test]
fn one_foreign_set_of_a_date_does_not_make_all_sets_of_that_date_foreign() {
    let held = met(&terms(), async |stage, logs| {
        let folders = &stage.simulated.folders;
        let date = jiff::civil::date(2025, 11, 3).at(4, 0, 0, 0);
        // The mirror's log: its database was created by a restore.
        for log in &logs[13..] {
            remove(stage, &log.name).await;
            let mut log = log.clone();
            log.set.database_created = date;
            put(
                folders,
                &format!(r"{SHARE}\{}", log.name),
                &log,
                Form::default(),
            );
        }
        let mut foreign = logs[15].clone();
        foreign.set.database_created = date;
        foreign.set.family = [9; 16];
        foreign.set.fork = [8; 16];
        foreign.set.first_fork = [8; 16];
        foreign.set.started = date;
        put(
            folders,
            &format!(r"{SHARE}\a.trn"),
            &foreign,
            Form::default(),
        );
    });
    assert_not_silent(&held, &logs()[15].name);
}

/// A set that begins where one begins that is still to be copied, and reaches to the end.
fn longer_than_one_to_copy(folders: &Folders, logs: &[MadeLog]) -> MadeLog {
    let log = logs.iter().find(|log| {
        let copy = format!(r"{COPIES}\{}", log.name);
        log.set.first_lsn != log.set.last_lsn
            && !folders.snapshot().iter().any(|(it, _)| *it == copy)
    });
    let mut longer = log.expect("one to copy").clone();
    longer.set.last_lsn = logs[15].set.last_lsn;
    longer
}

#[test]
fn a_longer_set_of_another_family_does_not_push_the_real_one_out() {
    let held = met(&terms(), async |stage, logs| {
        let folders = &stage.simulated.folders;
        let mut foreign = longer_than_one_to_copy(folders, logs);
        foreign.set.family = [9; 16];
        foreign.set.fork = [8; 16];
        foreign.set.first_fork = [8; 16];
        put(
            folders,
            &format!(r"{SHARE}\a.trn"),
            &foreign,
            Form::default(),
        );
    });
    assert_eq!(held.finished.outcome, Outcome::Done);
    assert_eq!(held.chat().messages, ALL);
}

#[test]
fn a_read_error_of_the_share_does_not_condemn_a_file_that_can_be_copied() {
    let held = met(&terms(), async |stage, logs| {
        let log = logs.last().expect("logs");
        let folders = &stage.simulated.folders;
        remove(stage, &log.name).await;
        put(folders, &format!(r"{SHARE}\{}", log.name), log, OPAQUE);
        stage.simulated.world.with(|state| {
            state.faults.push(SqlFault {
                instance: BACKUP,
                contains: "RESTORE HEADERONLY".to_owned(),
                nth: 1,
                kind: FaultKind::ErrorBefore(3203),
            });
        });
    });
    assert_eq!(held.finished.outcome, Outcome::Done);
    assert_eq!(held.chat().messages, ALL);
}

#[test]
fn a_foreign_file_that_cannot_be_copied_does_not_stop_the_run() {
    let held = met(&terms(), async |stage, logs| {
        let mut other = logs[15].clone();
        "hr".clone_into(&mut other.set.database);
        let folders = &stage.simulated.folders;
        folders
            .put_formed(
                &format!(r"{SHARE}\hr_full.bak"),
                vec![other.set],
                900 << 30,
                OPAQUE,
            )
            .expect("laid");
        folders.change("backup", |share| {
            share.denied.insert("backup".to_owned());
        });
    });
    assert_eq!(held.finished.outcome, Outcome::Done);
    assert_eq!(held.chat().messages, ALL);
}

/// Where the data of a file are damaged, the other copy of it is applied, or a way on is named that works.
#[test]
fn a_copy_with_damaged_data_gives_way_to_its_sound_source() {
    let held = met(&terms(), async |stage, logs| {
        let log = logs.last().expect("logs");
        let folders = &stage.simulated.folders;
        let path = format!(r"{COPIES}\{}", log.name);
        put(folders, &path, log, Form::default());
        folders.corrupt(&path).expect("damaged");
    });
    assert_eq!(held.finished.outcome, Outcome::Done);
    assert_eq!(held.chat().messages, ALL);
}

#[test]
fn the_time_of_another_database_is_not_told_as_the_end_of_the_chain() {
    let asked = Terms {
        accepted: Some(AcceptedLoss::Time(
            jiff::civil::date(2026, 1, 14).at(2, 30, 0, 0),
        )),
        yes: true,
        ..Terms::default()
    };
    let held = met(&asked, async |stage, logs| {
        let folders = &stage.simulated.folders;
        for log in logs {
            remove(stage, &log.name).await;
        }
        let mut foreign = logs[0].clone();
        foreign.set.family = [9; 16];
        foreign.set.fork = [8; 16];
        foreign.set.first_fork = [8; 16];
        foreign.set.database_created = jiff::civil::date(2026, 1, 13).at(1, 0, 0, 0);
        foreign.set.finished = jiff::civil::date(2026, 1, 14).at(2, 45, 0, 0);
        let low = pchadr::model::Lsn::new(1, 1, 1);
        foreign.set.first_lsn = low;
        foreign.set.last_lsn = pchadr::model::Lsn::new(2, 1, 1);
        put(
            folders,
            &format!(r"{SHARE}\new_mgc.trn"),
            &foreign,
            Form::default(),
        );
    });
    assert_ne!(
        held.finished.outcome,
        Outcome::Done,
        "accepted by the clock of another database"
    );
}

#[test]
fn a_file_that_the_disk_has_no_room_for_and_no_set_needs_is_named_and_stops_no_other() {
    let held = met(&terms(), async |stage, logs| {
        let mut other = logs[15].clone();
        "hr".clone_into(&mut other.set.database);
        let folders = &stage.simulated.folders;
        folders
            .put_formed(
                &format!(r"{SHARE}\hr_full.bak"),
                vec![other.set],
                900 << 30,
                OPAQUE,
            )
            .expect("laid");
        folders.change("backup", |share| {
            share.denied.insert("backup".to_owned());
        });
        folders.change("copy", |folder| folder.free = 100 << 30);
    });
    // All the log is applied; what the file may hold is named before it is given up.
    held.assert_stopped(
        "recover-database",
        &["hr_full.bak", "not copied"],
        &["--accept-loss-after"],
    );
}

#[test]
fn a_file_that_the_share_does_not_give_and_no_set_needs_is_named_and_stops_no_other() {
    let held = met(&terms(), async |stage, logs| {
        let mut other = logs[15].clone();
        "hr".clone_into(&mut other.set.database);
        let folders = &stage.simulated.folders;
        put(folders, &format!(r"{SHARE}\hr_full.bak"), &other, OPAQUE);
        folders.change("backup", |share| {
            share.denied.insert("backup".to_owned());
        });
        folders.fail_next(Op::Append, "hr_full.bak", Cause::InUse, 99);
    });
    // All the log is applied; what the file may hold is named before it is given up.
    held.assert_stopped(
        "recover-database",
        &["hr_full.bak", "not copied"],
        &["--accept-loss-after"],
    );
}

#[test]
fn a_stripe_of_another_database_holds_no_log_of_this_one() {
    let held = met(&terms(), async |stage, logs| {
        let mut other = logs[15].clone();
        "hr".clone_into(&mut other.set.database);
        other.set.kind = SetKind::Full;
        let form = Form {
            stripe: (1, 2),
            ..OPAQUE
        };
        put(
            &stage.simulated.folders,
            &format!(r"{SHARE}\hr_1.bak"),
            &other,
            form,
        );
    });
    assert_eq!(held.finished.outcome, Outcome::Done);
}

#[test]
fn a_fork_that_begins_where_the_real_log_begins_does_not_push_it_out() {
    let held = met(&terms(), async |stage, logs| {
        let folders = &stage.simulated.folders;
        let mut foreign = longer_than_one_to_copy(folders, logs);
        foreign.set.fork = [8; 16];
        foreign.set.first_fork = [8; 16];
        put(
            folders,
            &format!(r"{SHARE}\a.trn"),
            &foreign,
            Form::default(),
        );
    });
    assert_eq!(held.finished.outcome, Outcome::Done);
    assert_eq!(held.chat().messages, ALL);
}
