//! Every kind of file that can lie where log backups lie, in the share and in the copy folder, needed
//! and not needed: it is applied, or left out for a reason that can be checked, or named before
//! anything is given up (`design.md` 3, rule 15).

mod kinds;
mod sets;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use jiff::Timestamp;
use pchadr::access::shares::Cause;
use pchadr::cli::rehearse::{Stage, execute_with};
use pchadr::rehearsal::folders::{Op, Volume};
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::rehearsal::world::{LogRecipe, MadeLog, World};
use pchadr::run::event::{LOOK, Outcome, Progress, Record};
use pchadr::run::recorder::Sink;
use pchadr::run::store::MemoryStore;
use pchadr::site::Site;
use pchadr::step::terms::{AcceptedLoss, Terms};

use super::{Held, hold, hold_on, overriding, vary};
use crate::site::{disaster, litware, paused, plan, terms};
use kinds::Needed::{Applied, Kept, Named, NamedLate};
use kinds::{Kind, OPAQUE, UNSEEN, kinds, other_database, put, renamed};

const SHARE: &str = r"\\fs1\pchat-logs";
const COPIES: &str = r"\\sql3.dc2.litwareinc.com\pchat-copy";

/// The log backups of the site, as [`disaster`] makes them.
fn logs() -> Vec<MadeLog> {
    let last = jiff::civil::date(2026, 1, 14).at(2, 33, 0, 0);
    let mut recipe = LogRecipe::new("mgc", r"SQL1\chat", 16, last);
    recipe.bytes = 4 * 1024 * 1024;
    recipe.empty_every = 9;
    World::make_logs(&recipe)
}

fn accepting(loss: AcceptedLoss) -> Terms {
    Terms {
        accepted: Some(loss),
        ..terms()
    }
}

/// The run that met the file in place of that log.
async fn meet(kind: &Kind, folder: &str, log: &MadeLog) -> (Stage, MemoryStore, Held) {
    let site = litware();
    let mut stage = Stage::build(&site, &disaster()).expect("the site");
    let folders = &stage.simulated.folders;
    let names = folders.snapshot();
    let there = |folder: &str| format!(r"{folder}\{}", log.name);
    let needed = !names.iter().any(|(path, _)| *path == there(COPIES));
    // Where it is needed it is all that there is of that log.
    for place in [SHARE, COPIES] {
        let is_there = names.iter().any(|(path, _)| *path == there(place));
        if is_there && (needed || place == folder) {
            stage
                .access
                .shares
                .remove(&there(place))
                .await
                .expect("removed");
        }
    }
    (kind.lay)(folders, &there(folder), log);
    let store = MemoryStore::default();
    let held = hold_on(&site, &mut stage, &terms(), &store).await;
    (stage, store, held)
}

#[test]
#[expect(clippy::print_stdout, reason = "which case it was that failed")]
fn the_last_log_backup_is_applied_or_named_whatever_kind_of_file_it_is() {
    let logs = logs();
    let last = logs.last().expect("logs");
    let before = logs[14].set.last_lsn;
    let kinds = kinds();
    assert!(kinds.len() >= 30);
    for kind in &kinds {
        for (folder, needed) in [(SHARE, &kind.in_share), (COPIES, &kind.in_copy)] {
            let case = format!("{} in {folder}", kind.name);
            println!("{case}");
            paused(async {
                let (mut stage, store, held) = meet(kind, folder, last).await;
                let mut applied = 14;
                let words = match needed {
                    Applied => {
                        held.assert_done();
                        assert_eq!(held.chat().messages, 100 + 3 * 15, "{case}");
                        return;
                    }
                    Named(words) => {
                        if *words == UNSEEN {
                            // It holds no log of this database, so nothing tells of the last one.
                            held.assert_done();
                            assert_eq!(held.chat().messages, 100 + 3 * 14, "{case}");
                            return;
                        }
                        held.assert_refused(5, "recover-database", words, &["--accept-loss-after"]);
                        words
                    }
                    Kept(words) => {
                        held.assert_refused(5, "recover-database", words, &["--accept-loss-after"]);
                        applied = 15;
                        words
                    }
                    NamedLate(words) => {
                        assert_eq!(held.finished.outcome, Outcome::Stopped, "{case}");
                        held.assert_words(words, &[]);
                        return;
                    }
                };
                let name = renamed(&last.name, "");
                assert!(held.error().why.contains(&name), "{case}: {words:?}");
                let accepted = accepting(AcceptedLoss::Lsn(before));
                let held = hold_on(&litware(), &mut stage, &accepted, &store).await;
                held.assert_done();
                assert_eq!(held.chat().messages, 100 + 3 * applied, "{case}");
            });
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "which case it was that failed")]
fn no_kind_of_file_disturbs_where_its_log_is_applied_already() {
    let logs = logs();
    for kind in &kinds() {
        for folder in [SHARE, COPIES] {
            println!("{} in {folder}", kind.name);
            paused(async {
                let (_, _, held) = meet(kind, folder, &logs[0]).await;
                if kind.name == "denied, with another ending" {
                    // Nothing tells that it is the one that is applied.
                    held.assert_refused(5, "recover-database", &["access denied"], &[]);
                    return;
                }
                held.assert_done();
                held.assert_has_all_messages();
            });
        }
    }
}

#[test]
fn what_only_the_instance_can_read_and_not_on_the_share_is_copied_first_and_then_asked_for() {
    paused(async {
        let site = litware();
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        let folders = &stage.simulated.folders;
        for log in logs() {
            let path = format!(r"{SHARE}\{}", log.name);
            let copied = format!(r"{COPIES}\{}", log.name);
            let is_copied = folders.snapshot().iter().any(|(it, _)| *it == copied);
            for path in [Some(path), is_copied.then_some(copied)]
                .into_iter()
                .flatten()
            {
                put(folders, &path, vec![log.set.clone()], OPAQUE);
            }
        }
        folders.change("backup", |share| {
            share.denied.insert("backup".to_owned());
        });
        // A time says nothing before they are copied, and what can be had is named as not known yet.
        let asked = Terms {
            yes: true,
            accepted: Some(AcceptedLoss::Time(
                jiff::civil::date(2026, 1, 14).at(2, 0, 0, 0),
            )),
            ..Terms::default()
        };
        let store = MemoryStore::default();
        let held = hold_on(&site, &mut stage, &asked, &store).await;
        held.assert_refused(
            5,
            "recover-database",
            &[
                "is known when `copy-backups` is done",
                "compressed or encrypted",
            ],
            &["--accept-loss-after end-of-chain"],
        );
        let asked = Terms {
            accepted: Some(AcceptedLoss::EndOfChain),
            ..asked
        };
        let held = hold_on(&site, &mut stage, &asked, &store).await;
        held.assert_done();
        held.assert_has_all_messages();
    });
}

/// A site of so many log backups, compressed.
fn compressed(site: &Site, logs: usize) -> Stage {
    let stage = Stage::build(site, &Recipe::disaster(Logs::Made(logs))).expect("the site");
    let folders = &stage.simulated.folders;
    for (path, size) in folders.snapshot() {
        if !path.contains(".trn") {
            continue;
        }
        let sets = folders.open("backup", &path).map(|view| view.sets);
        let sets = sets.or_else(|_| {
            let name = path.rsplit('\\').next().unwrap_or_default();
            folders
                .open("backup", &format!(r"E:\pchat-copy\{name}"))
                .map(|view| view.sets)
        });
        let sets = sets.expect("a backup");
        folders.put_formed(&path, sets, size, OPAQUE).expect("laid");
    }
    stage
}

/// What is shown of a look.
#[derive(Clone, Default)]
struct Looks(Arc<Mutex<Vec<(u64, u64)>>>);

impl Sink for Looks {
    fn record(&mut self, _record: &Record) {}

    fn progress(&mut self, progress: &Progress, _now: Timestamp) {
        if progress.step == LOOK {
            let mut shown = self.0.lock().expect("whole");
            shown.push((progress.done, progress.total));
        }
    }
}

#[test]
fn while_the_instance_is_asked_about_many_files_it_is_shown_how_far_it_is() {
    paused(async {
        let site = litware();
        let stage = compressed(&site, 400);
        let plan = plan(&site);
        let (shown, store) = (Looks::default(), Box::new(MemoryStore::default()));
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(shown.clone())];
        let run = execute_with(&site, &plan, &terms(), &stage.access, None, store, sinks).await;
        assert_eq!(run.expect("a run").exit, 0);
        let shown = shown.0.lock().expect("whole");
        let grows = |pair: &[(u64, u64)]| pair[0].1 != pair[1].1 || pair[0].0 <= pair[1].0;
        assert!(shown.len() > 2 && shown.windows(2).all(grows), "{shown:?}");
        assert!(shown.iter().all(|(done, total)| done <= total));
    });
}

#[test]
fn of_compressed_files_each_header_is_asked_for_once_in_a_whole_failover() {
    paused(async {
        let site = litware();
        let mut stage = compressed(&site, 400);
        let folders = &stage.simulated.folders;
        // One that is no backup and one that cannot be opened do not have the others asked for again.
        for (name, held) in [("a1.trn", false), ("a2.trn", true)] {
            let path = format!(r"{SHARE}\{name}");
            put(folders, &path, vec![logs()[15].set.clone()], OPAQUE);
            folders.truncate(&path, 1 << 20).expect("cut");
            if held {
                folders.fail_next(Op::Open, name, Cause::InUse, 9);
            }
        }
        let before = stage.simulated.world.history().len();
        let store = MemoryStore::default();
        let held = hold_on(&site, &mut stage, &terms(), &store).await;
        held.assert_refused(5, "recover-database", &["a1.trn", "a2.trn"], &[]);
        let hint = held.error().hint.clone();
        let end = hint.rsplit(' ').next().and_then(|lsn| lsn.parse().ok());
        let exact = accepting(AcceptedLoss::Lsn(end.expect("an LSN")));
        let world = stage.simulated.world.clone();
        let asked = |world: &World| world.with(|state| state.headers_asked);
        let refused = asked(&world);
        let held = hold_on(&site, &mut stage, &exact, &store).await;
        held.assert_done();
        for asked in [refused, asked(&world) - refused] {
            assert!((300..=402).contains(&asked), "{asked} headers");
        }
        let sessions: BTreeSet<i64> = stage.simulated.world.history()[before..]
            .iter()
            .filter(|it| it.text.contains("RESTORE HEADERONLY"))
            .map(|it| it.spid)
            .collect();
        assert!((2..=4).contains(&sessions.len()), "{sessions:?}");
    });
}

#[test]
fn the_folder_that_log_shipping_names_is_read_and_must_be_named_before_anything_is_touched() {
    let site = litware();
    let real = r"\\fs1\real-logs";
    let recipe = vary(|options| options.source = Some(r"\\fs1\real-logs".to_owned()));
    let prepare = async |stage: &mut Stage| {
        let folders = &stage.simulated.folders;
        folders.add(Volume::new("real", real, "fs1"));
        for log in &logs()[8..] {
            let path = format!(r"{real}\{}", log.name);
            put(
                folders,
                &path,
                vec![log.set.clone()],
                pchadr::rehearsal::backup_set::Form::default(),
            );
        }
        for (path, _) in folders.snapshot() {
            let later = logs()[8..]
                .iter()
                .any(|log| path == format!(r"{SHARE}\{}", log.name));
            if later {
                stage.access.shares.remove(&path).await.expect("removed");
            }
        }
    };
    let held = hold(&site, &recipe, &terms(), prepare);
    held.assert_refused(
        3,
        "save-log-shipping",
        &[real, SHARE],
        &[
            "`[shares] backup` or `extra`",
            "--override other-folder=REASON",
        ],
    );
    let held = hold(&site, &recipe, &overriding(&["other-folder"]), prepare);
    held.assert_done();
    held.assert_has_all_messages();
    let mut site = litware();
    site.shares.extra.push(real.parse().expect("a path"));
    let held = hold(&site, &recipe, &terms(), prepare);
    held.assert_done();
    held.assert_has_all_messages();
}

/// What lies in place of a log backup in the property below.
#[derive(Clone, Copy, Debug)]
enum Lies {
    Sound,
    Work,
    Opaque,
    Extra,
    Cut,
    Denied,
    Foreign,
    Gone,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// The instance could reach the end of the sets that lie there whole, one after another; the run
    /// reaches it too, or names what stands between.
    #[test]
    fn what_is_reached_is_all_that_can_be_reached_or_the_consent_names_what_stands_between(
        lies in proptest::collection::vec(
            prop_oneof![
                5 => Just(Lies::Sound), 2 => Just(Lies::Work), 2 => Just(Lies::Opaque), 2 => Just(Lies::Extra),
                1 => Just(Lies::Cut), 1 => Just(Lies::Denied), 1 => Just(Lies::Foreign), 1 => Just(Lies::Gone),
            ],
            8,
        ),
        closed in any::<bool>(),
    ) {
        let logs = logs();
        let first = logs.len() - lies.len();
        let extra = r"\\fs2\old-logs";
        let mut site = litware();
        site.shares.extra.push(extra.parse().expect("a path"));
        let whole = |it: &Lies| matches!(it, Lies::Sound | Lies::Work | Lies::Opaque | Lies::Extra);
        // One of them is of an idle quarter of an hour: it holds no log that could be missed.
        let idle = |index: usize| logs[index].set.first_lsn == logs[index].set.last_lsn;
        let joined = lies.iter().zip(first..);
        let reached = first + joined.take_while(|(it, index)| whole(it) || idle(*index)).count();
        let messages = logs[..reached].last().expect("logs").set.messages;
        let beyond = &lies[reached - first..];
        // A set that is simply gone, and everything behind it too, leaves no trace.
        let traces = beyond.iter().any(|it| !matches!(it, Lies::Gone | Lies::Foreign))
            || lies.iter().any(|it| matches!(it, Lies::Denied));
        paused(async {
            let mut stage = Stage::build(&site, &disaster()).expect("the site");
            let folders = &stage.simulated.folders;
            folders.add(Volume::new("extra", extra, "fs2"));
            folders.put_bytes(&format!(r"{extra}\readme.txt"), b"older ones").expect("laid");
            let formed = pchadr::rehearsal::backup_set::Form::default();
            for (log, lies) in logs[first..].iter().zip(&lies) {
                let path = format!(r"{SHARE}\{}", log.name);
                stage.access.shares.remove(&path).await.expect("removed");
                let sets = vec![log.set.clone()];
                match lies {
                    Lies::Sound => put(folders, &path, sets, formed),
                    Lies::Work => put(folders, &renamed(&path, ".wrk"), sets, formed),
                    Lies::Opaque => put(folders, &path, sets, OPAQUE),
                    Lies::Extra => put(folders, &format!(r"{extra}\{}", log.name), sets, formed),
                    Lies::Cut => {
                        put(folders, &path, sets, formed);
                        folders.truncate(&path, 1 << 20).expect("cut");
                    }
                    Lies::Denied => {
                        put(folders, &path, sets, formed);
                        folders.deny(&path, true).expect("denied");
                    }
                    Lies::Foreign => {
                        let mut set = log.set.clone();
                        other_database(&mut set);
                        put(folders, &path, vec![set], formed);
                    }
                    Lies::Gone => {}
                }
            }
            if closed {
                for share in ["backup", "extra"] {
                    folders.change(share, |it| {
                        it.denied.insert("backup".to_owned());
                    });
                }
            }
            let store = MemoryStore::default();
            let held = hold_on(&site, &mut stage, &terms(), &store).await;
            if traces {
                assert_ne!(held.finished.outcome, Outcome::Done, "{lies:?}");
                let why = &held.error().why;
                // What lies behind the first hole is lost with it.
                let between = beyond.iter().take_while(|it| !whole(it));
                for (log, lies) in logs[reached..].iter().zip(between) {
                    if matches!(lies, Lies::Cut | Lies::Denied) {
                        assert!(why.contains(&renamed(&log.name, "")) || why.contains("more"), "{lies:?}: {why}");
                    }
                }
                let end = AcceptedLoss::Lsn(logs[reached - 1].set.last_lsn);
                let held = hold_on(&site, &mut stage, &accepting(end), &store).await;
                held.assert_done();
                assert_eq!(held.chat().messages, messages, "{lies:?}");
            } else {
                held.assert_done();
                assert_eq!(held.chat().messages, messages, "{lies:?}");
            }
        });
    }
}
