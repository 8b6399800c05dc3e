//! Share, copy folder and chain (`design.md` 3, rule 3: unreachable is never empty).

use pchadr::cli::rehearse::Stage;
use pchadr::model::Lsn;
use pchadr::model::states::DatabaseState;
use pchadr::rehearsal::folders::TOOL;
use pchadr::rehearsal::world::{LogRecipe, MadeLog, World, WorldOptions};
use pchadr::run::event::{Event, Record};
use pchadr::run::recorder::Sink;
use pchadr::run::store::MemoryStore;
use pchadr::step::terms::{AcceptedLoss, Terms};

use super::{Held, hold, hold_on, hold_shown, hold_varied, overriding, vary};
use crate::site::{disaster, litware, paused, terms};

fn accepting(mut terms: Terms, loss: AcceptedLoss) -> Terms {
    terms.accepted = Some(loss);
    terms
}

/// Where the chain of the last check of a step ended, by the journal.
fn chain_end(held: &Held, step: &str) -> Lsn {
    let facts = held
        .events()
        .into_iter()
        .rev()
        .find_map(|event| match event {
            Event::StepChecked { id, facts, .. } if id == step => Some(facts),
            _ => None,
        });
    let facts = facts.expect("it was checked");
    let to = &facts.pointer("/files/chain/to").expect("a chain");
    let text = to.as_str().map_or_else(|| to.to_string(), str::to_owned);
    text.parse().expect("an LSN")
}

/// Log backups of the share, in LSN order, by path.
fn on_share(stage: &Stage) -> Vec<String> {
    let mut paths: Vec<String> = stage
        .simulated
        .folders
        .snapshot()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.contains("pchat-logs"))
        .collect();
    paths.sort();
    paths
}

async fn remove(stage: &Stage, path: &str) {
    let shares = &stage.access.shares;
    shares.remove(path).await.expect("removed");
}

async fn lose_share(stage: &mut Stage) {
    assert!(stage.simulated.folders.set_reachable("backup", false));
}

#[test]
fn a_lost_share_is_blocked_until_it_is_called_lost_and_the_loss_is_accepted() {
    let site = litware();
    let held = hold(&site, &disaster(), &terms(), lose_share);
    held.assert_refused(
        3,
        "copy-backups",
        &["the share of the log backups cannot be read", "53"],
        &["--override share-lost=REASON", "--accept-loss-after"],
    );
    // Called lost is not yet accepted, and the end of a chain that nobody sees is not named.
    for terms in [
        overriding(&["share-lost"]),
        accepting(overriding(&["share-lost"]), AcceptedLoss::EndOfChain),
    ] {
        let held = hold(&site, &disaster(), &terms, lose_share);
        held.assert_refused(
            5,
            "recover-database",
            &["is lost"],
            &["accept exactly that with --accept-loss-after"],
        );
        let end = chain_end(&held, "recover-database");
        assert!(held.error().hint.contains(&end.to_string()));
        // Less than what is lost is not enough.
        let too_little = AcceptedLoss::Lsn(Lsn::new(end.vlf, end.block + 1, 1));
        let terms = accepting(overriding(&["share-lost"]), too_little);
        let held = hold(&site, &disaster(), &terms, lose_share);
        held.assert_refused(5, "recover-database", &["accepted was only"], &["exactly"]);
        let terms = accepting(overriding(&["share-lost"]), AcceptedLoss::Lsn(end));
        let held = hold(&site, &disaster(), &terms, lose_share);
        held.assert_done();
        // Two restored, two more in the copy folder.
        assert_eq!(held.count("RESTORE LOG"), 2);
        assert_eq!(held.chat().messages, 100 + 3 * 4);
    }
    // An accepted loss alone does not call the share lost.
    let terms = accepting(terms(), AcceptedLoss::Lsn(Lsn::new(1, 1, 1)));
    let held = hold(&site, &disaster(), &terms, lose_share);
    held.assert_refused(3, "copy-backups", &["cannot be read"], &["share-lost"]);
}

#[test]
fn a_share_that_may_not_be_read_is_not_an_empty_one() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        stage.simulated.folders.change("backup", |volume| {
            volume.denied.insert(TOOL.to_owned());
        });
    });
    held.assert_refused(
        3,
        "copy-backups",
        &["the share of the log backups cannot be read"],
        &["--override share-lost=REASON"],
    );
}

#[test]
fn an_empty_share_is_taken_for_one_that_cannot_be_read() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        for path in on_share(stage) {
            remove(stage, &path).await;
        }
    });
    held.assert_refused(
        3,
        "copy-backups",
        &["looks empty"],
        &["--override share-lost=REASON"],
    );
}

#[test]
fn a_share_and_a_copy_folder_that_both_look_empty_prove_nothing() {
    let held = hold(
        &litware(),
        &vary(|options| options.copied = 0),
        &overriding(&["share-lost"]),
        lose_share,
    );
    held.assert_refused(1, "copy-backups", &["looks empty"], &["reachable"]);
}

#[test]
fn a_copy_folder_that_cannot_be_read_is_refused() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        assert!(stage.simulated.folders.set_reachable("copy", false));
    });
    held.assert_refused(1, "copy-backups", &["pchat-copy"], &["reachable"]);
}

async fn lose_one_in_the_middle(stage: &mut Stage) {
    let paths = on_share(stage);
    remove(stage, &paths[10]).await;
}

#[test]
fn a_gap_is_blocked_and_only_its_exact_loss_can_be_accepted() {
    let site = litware();
    let held = hold(&site, &disaster(), &terms(), lose_one_in_the_middle);
    held.assert_refused(
        5,
        "apply-logs",
        &["a log backup is missing", "goes on at LSN"],
        &["mirror share", "--accept-loss-after"],
    );
    let end = chain_end(&held, "apply-logs");
    assert!(held.error().why.contains(&format!("ends at LSN {end}")));

    let terms_for = |loss| accepting(terms(), loss);
    let plain = terms_for(AcceptedLoss::EndOfChain);
    let held = hold(&site, &disaster(), &plain, lose_one_in_the_middle);
    held.assert_refused(5, "apply-logs", &["missing"], &[&end.to_string()]);
    let beyond = terms_for(AcceptedLoss::Lsn(Lsn::new(end.vlf, end.block + 1, 1)));
    let held = hold(&site, &disaster(), &beyond, lose_one_in_the_middle);
    held.assert_refused(5, "apply-logs", &["missing"], &[&end.to_string()]);

    let exact = terms_for(AcceptedLoss::Lsn(end));
    let held = hold(&site, &disaster(), &exact, lose_one_in_the_middle);
    held.assert_done();
    // Of the ten before it two were restored and one is empty.
    assert_eq!(held.count("RESTORE LOG"), 7);
    assert_eq!(held.chat().messages, 100 + 3 * 9);
}

#[test]
fn a_gap_that_the_copy_folder_closes_is_none() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        let paths = on_share(stage);
        // The first four lie in the copy folder.
        remove(stage, &paths[3]).await;
    });
    held.assert_done();
    held.assert_has_all_messages();
}

#[test]
fn a_last_log_whose_data_is_damaged_is_named_and_lost_only_when_that_is_accepted() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        let last = on_share(&stage).pop().expect("logs");
        let folders = stage.simulated.folders.clone();
        folders.corrupt(&last).expect("damaged");
        let store = MemoryStore::default();
        let held = hold_on(&site, &mut stage, &terms(), &store).await;
        held.assert_stopped(
            "recover-database",
            &["3183", "may hold more of it", &last],
            &["--accept-loss-after"],
        );
        assert_eq!(held.chat().state, DatabaseState::Restoring);
        assert_eq!(held.count("WITH RECOVERY"), 0);
        // Once copied anew, in vain, and not a third time.
        let end = chain_end(&held, "recover-database");
        let exact = accepting(terms(), AcceptedLoss::Lsn(end));
        let resumed = hold_on(&site, &mut stage, &exact, &store).await;
        resumed.assert_done();
        let name = last.rsplit('\\').next().expect("a name");
        let copies = folders.snapshot();
        let copies = copies
            .iter()
            .filter(|(path, _)| path.contains(name.trim_end_matches(".trn")));
        assert_eq!(copies.count(), 3);
        assert_eq!(resumed.chat().messages, 100 + 3 * 14);
    });
}

fn in_copy_folder(on_share: &str) -> String {
    on_share.replace(r"\\fs1\pchat-logs", r"\\sql3.dc2.litwareinc.com\pchat-copy")
}

#[test]
fn a_damaged_copy_of_a_sound_log_gives_way_to_a_new_one() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        // Copied by the job, not restored.
        let copy = in_copy_folder(&on_share(&stage)[2]);
        stage.simulated.folders.corrupt(&copy).expect("damaged");
        let store = MemoryStore::default();
        let held = hold_on(&site, &mut stage, &terms(), &store).await;
        held.assert_done();
        held.assert_has_all_messages();
        // The damaged one is not touched.
        let copies = stage.simulated.folders.snapshot();
        let name = copy.trim_end_matches(".trn");
        let of_it = copies.iter().filter(|(path, _)| path.starts_with(name));
        assert_eq!(of_it.count(), 2);
    });
}

async fn copy_by_hand(stage: &Stage, from: &str, to: &str) {
    let shares = &stage.access.shares;
    shares.create(to).await.expect("made");
    let mut offset = 0;
    loop {
        let moved = shares.append_from(from, offset, 1 << 20, to).await;
        let moved = moved.expect("copied");
        offset += moved;
        if moved == 0 {
            return;
        }
    }
}

async fn cut_off_the_last(stage: &mut Stage) {
    let paths = on_share(stage);
    let last = paths.last().expect("logs");
    stage
        .simulated
        .folders
        .truncate(last, 1024 * 1024)
        .expect("cut off");
}

#[test]
fn a_last_log_that_was_still_being_written_is_lost_only_when_exactly_that_is_accepted() {
    let site = litware();
    let held = hold(&site, &disaster(), &terms(), cut_off_the_last);
    held.assert_refused(
        5,
        "recover-database",
        &["is lost"],
        &["accept exactly that with --accept-loss-after"],
    );
    let end = chain_end(&held, "recover-database");
    let exact = accepting(terms(), AcceptedLoss::Lsn(end));
    let held = hold(&site, &disaster(), &exact, cut_off_the_last);
    held.assert_done();
    assert_eq!(held.chat().messages, 100 + 3 * 14);
    assert_eq!(held.count("RESTORE LOG"), 12);
}

#[test]
fn a_last_log_with_a_damaged_header_is_lost_only_when_exactly_that_is_accepted() {
    let damage = async |stage: &mut Stage| {
        let paths = on_share(stage);
        stage
            .simulated
            .folders
            .corrupt_header(paths.last().expect("logs"))
            .expect("damaged");
        let last = paths.last().expect("logs");
        stage
            .simulated
            .folders
            .truncate(last, 1 << 20)
            .expect("cut");
    };
    let site = litware();
    let held = hold(&site, &disaster(), &terms(), damage);
    held.assert_refused(
        5,
        "recover-database",
        &[
            "finds no whole backup",
            "not read, and may hold more of it",
            "mgc_20260114023259.trn",
            "LastLSN before FirstLSN",
        ],
        &["accept exactly that with --accept-loss-after"],
    );
    let end = chain_end(&held, "recover-database");
    let exact = accepting(terms(), AcceptedLoss::Lsn(end));
    let held = hold(&site, &disaster(), &exact, damage);
    held.assert_done();
    assert_eq!(held.chat().messages, 100 + 3 * 14);
}

/// A log backup arrives while the run is under way: it is applied, or nothing is recovered.
async fn arrives_at(mark: &'static str) -> (Stage, Held, MemoryStore, String) {
    let site = litware();
    let mut stage = Stage::build(&site, &disaster()).expect("the site");
    let last = on_share(&stage).pop().expect("logs");
    let aside = last.replace("pchat-logs", "pchat-archive");
    copy_by_hand(&stage, &last, &aside).await;
    remove(&stage, &last).await;
    let changes = stage.simulated.changes.clone();
    let shares = stage.access.shares.clone();
    let path = last.clone();
    let arrives = tokio::spawn(async move {
        while !format!("{:?}", changes.all()).contains(mark) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        shares.create(&path).await.expect("made");
        let mut offset = 0;
        loop {
            let moved = shares.append_from(&aside, offset, 1 << 20, &path).await;
            let moved = moved.expect("copied");
            offset += moved;
            if moved == 0 {
                return;
            }
        }
    });
    let store = MemoryStore::default();
    let held = hold_on(&site, &mut stage, &terms(), &store).await;
    arrives.await.expect("it arrived");
    (stage, held, store, last)
}

#[test]
fn a_log_backup_that_arrives_while_others_are_applied_is_never_left_out() {
    let site = litware();
    paused(async {
        let (mut stage, mut held, store, _) = arrives_at("RESTORE LOG").await;
        if held.finished.exit == 4 {
            assert_eq!(held.chat().state, DatabaseState::Restoring);
            held = hold_on(&site, &mut stage, &terms(), &store).await;
        }
        held.assert_done();
        held.assert_has_all_messages();
    });
}

#[test]
fn the_recovery_point_of_empty_last_logs_is_theirs() {
    fn all_empty(options: &mut WorldOptions) {
        options.restored = options.logs.len();
        options.copied = options.logs.len();
    }
    let held = hold_varied(all_empty);
    held.assert_done();
    assert_eq!(held.count("RESTORE LOG"), 0);
}

/// Lays a log backup on the share when a record is written that holds a text.
struct Latecomer {
    mark: &'static str,
    finished: (i8, i8),
    folders: pchadr::rehearsal::folders::Folders,
}

/// The log backup that followed the last of the site, finished at that hour and minute.
fn late_log((hour, minute): (i8, i8)) -> MadeLog {
    let mut recipe = LogRecipe::new(
        "mgc",
        r"SQL1\chat",
        17,
        jiff::civil::date(2026, 1, 14).at(hour, minute, 0, 0),
    );
    recipe.bytes = 4 * 1024 * 1024;
    recipe.empty_every = 9;
    World::make_logs(&recipe).pop().expect("17 logs")
}

impl Sink for Latecomer {
    fn record(&mut self, record: &Record) {
        let text = serde_json::to_string(record).expect("JSON");
        if text.contains(self.mark) {
            let log = late_log(self.finished);
            let path = format!(r"\\fs1\pchat-logs\{}", log.name);
            self.folders
                .put_backup(&path, vec![log.set], log.size)
                .expect("laid");
        }
    }
}

const APPLIED: &str = r#""event":"step_finished","id":"apply-logs""#;
const RECOVERING: &str = r#""event":"step_started","id":"recover-database""#;

/// A failover to which a log backup lands late, finished at that time, when that is recorded.
async fn landing(mark: &'static str, finished: (i8, i8)) -> (Stage, MemoryStore, Held) {
    let site = litware();
    let mut stage = Stage::build(&site, &disaster()).expect("the site");
    let store = MemoryStore::default();
    let latecomer = Latecomer {
        mark,
        finished,
        folders: stage.simulated.folders.clone(),
    };
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(latecomer)];
    let held = hold_shown(&site, &mut stage, &terms(), &store, sinks).await;
    (stage, store, held)
}

fn reopened(held: &Held) -> Vec<String> {
    let reopened = held.events().into_iter().filter_map(|event| match event {
        Event::StepReopened { id, .. } => Some(id),
        _ => None,
    });
    reopened.collect()
}

#[test]
fn a_log_backup_that_lands_behind_apply_logs_is_copied_and_applied_by_the_same_run() {
    paused(async {
        let (_, _, held) = landing(APPLIED, (2, 48)).await;
        held.assert_done();
        assert_eq!(held.chat().messages, 100 + 3 * 16);
        assert_eq!(reopened(&held), ["copy-backups", "apply-logs"]);
    });
}

#[test]
fn a_log_backup_that_lands_between_consent_and_recovery_stops_it_and_is_applied_on_resume() {
    paused(async {
        let (mut stage, store, held) = landing(RECOVERING, (2, 48)).await;
        held.assert_stopped(
            "recover-database",
            &["the site changed meanwhile: 1 file to copy"],
            &["--resume"],
        );
        assert_eq!(held.count("WITH RECOVERY"), 0);
        let held = hold_on(&litware(), &mut stage, &terms(), &store).await;
        held.assert_done();
        assert_eq!(held.chat().messages, 100 + 3 * 16);
        assert_eq!(reopened(&held), ["copy-backups", "apply-logs"]);
    });
}

#[test]
fn a_log_backup_that_was_finished_after_the_run_began_is_a_sign_that_the_primary_lives() {
    paused(async {
        let (mut stage, store, held) = landing(APPLIED, (9, 48)).await;
        held.assert_stopped(
            "recover-database",
            &["2026-01-14T09:48:00", "SQL1", "after this run began"],
            &["--override primary-answers=REASON"],
        );
        assert_eq!(held.count("WITH RECOVERY"), 0);
        // It is applied all the same: log that is applied is never lost.
        let overriding = overriding(&["primary-answers"]);
        let held = hold_on(&litware(), &mut stage, &overriding, &store).await;
        held.assert_done();
        assert_eq!(held.chat().messages, 100 + 3 * 16);
    });
}
