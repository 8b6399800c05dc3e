//! What nobody can open is named, whatever lies beside it.

use super::super::{hold, overriding, vary};
use super::*;

#[test]
fn a_folder_of_log_shipping_that_is_no_path_here_is_named_before_consent() {
    let mut asked = overriding(&["other-folder"]);
    asked.rehearsal = true;
    let recipe = vary(|options| options.source = Some("Logs".to_owned()));
    let held = hold(&litware(), &recipe, &asked, async |_| ());
    assert!(
        held.finished.outcome != Outcome::Done,
        "nobody read `Logs`, and nobody said so"
    );
}

#[test]
fn a_copy_that_the_instance_cannot_open_and_its_source_do_not_excuse_one_another() {
    let held = met(&terms(), async |stage, logs| {
        let log = logs.last().expect("logs");
        let folders = &stage.simulated.folders;
        remove(stage, &log.name).await;
        for folder in [SHARE, COPIES] {
            put(folders, &format!(r"{folder}\{}", log.name), log, OPAQUE);
        }
        folders.change("backup", |share| {
            share.denied.insert("backup".to_owned());
        });
        folders.fail_next(Op::Open, &log.name, Cause::InUse, 999);
    });
    assert_not_silent(&held, &logs()[15].name);
}

#[test]
fn copies_of_other_databases_that_the_instance_cannot_open_hide_no_log_of_this_one() {
    let held = met(&terms(), async |stage, logs| {
        let folders = &stage.simulated.folders;
        let log = &logs[15];
        remove(stage, &log.name).await;
        put(folders, &format!(r"{COPIES}\{}", log.name), log, OPAQUE);
        // Two that were given up as partial copies, before it by name.
        for name in ["a.pchadr.wrk", "b.pchadr.wrk"] {
            put(folders, &format!(r"{COPIES}\{name}"), log, OPAQUE);
            folders
                .truncate(&format!(r"{COPIES}\{name}"), 1 << 20)
                .expect("cut");
            folders.fail_next(Op::Open, name, Cause::InUse, 999);
        }
    });
    // All the log is applied; what the two may hold is named.
    held.assert_refused(
        5,
        "recover-database",
        &["a.pchadr.wrk", "b.pchadr.wrk"],
        &["--accept-loss-after"],
    );
}
