//! Files with several sets, of which each counts by itself, and sets that cannot be applied.

use pchadr::cli::rehearse::Stage;
use pchadr::model::Lsn;
use pchadr::rehearsal::backup_set::{BackupSet, Form};
use pchadr::run::store::MemoryStore;

use super::kinds::{other_database, put};
use super::{COPIES, Held, SHARE, hold_on, logs};
use crate::site::{disaster, litware, paused, terms};

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
    let others: [(&str, &dyn Fn(&mut BackupSet)); 3] = [
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
