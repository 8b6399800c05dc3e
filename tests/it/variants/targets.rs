//! What the failover goes to is of no use: found before anything is touched.

use pchadr::cli::rehearse::Stage;
use pchadr::model::Instance;
use pchadr::run::event::StepOutcome;

use super::{BACKUP, BACKUP_MIRROR, Held, hold, overriding};
use crate::site::{disaster, litware, terms};

/// The chat service of a wanted server does not run.
fn stop(stage: &Stage) {
    let mut pool = stage.simulated.pool.lock().expect("the pool");
    let servers = pool.servers.iter_mut();
    let mut wanted = servers.filter(|it| it.fqdn.starts_with("pc5."));
    wanted.next().expect("a wanted server").chat_service = false;
}

#[test]
fn a_wanted_server_whose_chat_service_does_not_run_is_found_and_may_be_started_later() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| stop(stage));
    held.assert_refused(
        3,
        "set-active-servers",
        &["does not run on pc5.dc2.litwareinc.com"],
        &["--override services-stopped=REASON"],
    );
    let accepted = overriding(&["services-stopped"]);
    let held = hold(&litware(), &disaster(), &accepted, async |stage| {
        stop(stage);
    });
    // Nobody started it: the pool and the list are set all the same.
    held.assert_stopped("set-active-servers", &["pc5.dc2.litwareinc.com"], &[]);
    assert_eq!(held.step("set-pool-state"), StepOutcome::Done);
}

fn change(
    stage: &Stage,
    instance: Instance,
    change: impl FnOnce(&mut pchadr::rehearsal::world::instance::SqlInstance),
) {
    stage.simulated.world.with(|state| {
        change(state.instances.get_mut(&instance).expect("an instance"));
    });
}

/// The chat database is of fifty gigabytes, and the backup mirror has room for thirty.
fn narrow(stage: &Stage) {
    change(stage, BACKUP, |it| {
        it.database_mut("mgc").expect("the chat database").files[0].bytes = 50 << 30;
    });
    change(stage, BACKUP_MIRROR, |it| {
        for volume in &mut it.volumes {
            volume.free = 30 << 30;
        }
    });
}

#[test]
fn a_backup_mirror_without_room_is_found_and_a_failover_without_a_mirror_goes_on() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        narrow(stage);
    });
    held.assert_refused(
        3,
        "install-mirror",
        &[r"the volume `E:\` of the backup mirror has room for 30.0 GiB"],
        &["make room there", "--override no-mirror=REASON"],
    );
    let without = overriding(&["no-mirror"]);
    let held = hold(&litware(), &disaster(), &without, async |stage| {
        narrow(stage);
    });
    assert_eq!(held.finished.exit, 0, "{:?}", held.finished.error);
}

#[test]
fn volumes_of_the_backup_mirror_that_are_not_told_of_are_named_and_stop_nobody() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        change(stage, BACKUP_MIRROR, |it| it.volumes.clear());
    });
    held.assert_done();
    let journal = String::from_utf8(held.store.bytes()).expect("text");
    assert!(journal.contains("cannot be seen: room on the backup mirror"));
}

#[test]
fn a_backup_mirror_without_the_certificate_of_an_encrypted_database_is_found() {
    let encrypt = |stage: &Stage, on_mirror: bool| {
        change(stage, BACKUP, |it| {
            it.certificates.push(vec![0xAB; 20]);
            it.database_mut("mgc").expect("the chat database").encrypted = Some(vec![0xAB; 20]);
        });
        if on_mirror {
            change(stage, BACKUP_MIRROR, |it| {
                it.certificates.push(vec![0xAB; 20]);
            });
        }
    };
    let run = |on_mirror| -> Held {
        hold(&litware(), &disaster(), &terms(), async |stage| {
            encrypt(stage, on_mirror);
        })
    };
    run(false).assert_refused(
        3,
        "install-mirror",
        &["the backup mirror lacks its certificate"],
        &["restore that certificate", "--override no-mirror=REASON"],
    );
    run(true).assert_done();
}

#[test]
fn a_copy_folder_without_room_for_what_it_lacks_is_found() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        let folders = &stage.simulated.folders;
        folders.change("copy", |folder| folder.free = 1 << 10);
    });
    held.assert_refused(
        3,
        "copy-backups",
        &["the copy folder has 1.0 KiB free"],
        &["make room there", "--override share-room=REASON"],
    );
}

#[test]
fn a_share_in_the_first_data_center_is_named_with_what_is_kept() {
    let mut site = litware();
    let journal = |site: &pchadr::site::Site| {
        let held = hold(site, &disaster(), &terms(), async |_| ());
        held.assert_done();
        String::from_utf8(held.store.bytes()).expect("text")
    };
    let there = "stands in the first data center";
    assert!(!journal(&site).contains(there));
    site.shares.hosts_in_primary = vec!["fs1.dc1.litwareinc.com".parse().expect("a name")];
    assert!(journal(&site).contains(there));
}
