//! Every kind of file that can lie where log backups lie, in the share and in the copy folder, needed
//! and not needed: it is applied, or left out for a reason that can be checked, or named before
//! anything is given up (`design.md` 3, rule 15).

use pchadr::cli::rehearse::Stage;
use pchadr::model::Lsn;
use pchadr::rehearsal::backup_set::{BackupSet, Form, SetKind};
use pchadr::rehearsal::folders::Folders;
use pchadr::rehearsal::world::{LogRecipe, MadeLog, World};
use pchadr::run::event::Outcome;
use pchadr::run::store::MemoryStore;
use pchadr::step::terms::{AcceptedLoss, Terms};

use super::{Held, hold_on};
use crate::site::{disaster, litware, paused, terms};

const SHARE: &str = r"\\fs1\pchat-logs";
const COPIES: &str = r"\\sql3.dc2.litwareinc.com\pchat-copy";

/// How a run ends that meets the file where its set is needed.
enum Needed {
    /// All log is applied.
    Applied,
    /// Refused before anything is touched, with these words; accepted, the run is done without it.
    Named(&'static [&'static str]),
    /// The same, once it was copied and the instance could tell: stopped before recovery.
    NamedLate(&'static [&'static str]),
}
use Needed::{Applied, Named, NamedLate};

/// One kind: what it is called, how it ends where it is needed (in the share, in the copy folder),
/// and how it is laid under a path.
struct Kind {
    name: &'static str,
    in_share: Needed,
    in_copy: Needed,
    lay: fn(&Folders, &str, &MadeLog),
}

const OPAQUE: Form = Form {
    opaque: true,
    broken_off: false,
    stripe: (0, 0),
};

fn put(folders: &Folders, path: &str, sets: Vec<BackupSet>, form: Form) {
    folders.put_formed(path, sets, 4 << 20, form).expect("laid");
}

fn renamed(path: &str, ending: &str) -> String {
    format!("{}{ending}", path.trim_end_matches(".trn"))
}

fn log(folders: &Folders, path: &str, log: &MadeLog) {
    put(folders, path, vec![log.set.clone()], Form::default());
}

/// The set, changed.
fn changed(folders: &Folders, path: &str, log: &MadeLog, change: impl Fn(&mut BackupSet)) {
    let mut set = log.set.clone();
    change(&mut set);
    put(folders, path, vec![set], Form::default());
}

fn other_database(set: &mut BackupSet) {
    set.family = [9; 16];
    set.fork = [8; 16];
    set.first_fork = [8; 16];
    set.database_created = set.started.saturating_sub(jiff::Span::new().hours(9));
}

const UNSEEN: &[&str] = &["is lost"];

fn kinds() -> Vec<Kind> {
    let kind = |name, in_share, in_copy, lay| Kind {
        name,
        in_share,
        in_copy,
        lay,
    };
    vec![
        kind("a sound log backup", Applied, Applied, log),
        kind("a whole work file", Applied, Applied, |f, path, it| {
            log(f, &renamed(path, ".wrk"), it);
        }),
        kind("an ending in capitals", Applied, Applied, |f, path, it| {
            log(f, &renamed(path, ".TRN"), it);
        }),
        kind("another ending", Applied, Applied, |f, path, it| {
            log(f, &renamed(path, ".bak"), it);
        }),
        kind("no ending", Applied, Applied, |f, path, it| {
            log(f, &renamed(path, ""), it);
        }),
        kind("compressed", Applied, Applied, |f, path, it| {
            put(f, path, vec![it.set.clone()], OPAQUE);
        }),
        kind(
            "compressed, a work file",
            Applied,
            Applied,
            |f, path, it| {
                put(f, &renamed(path, ".wrk"), vec![it.set.clone()], OPAQUE);
            },
        ),
        kind(
            "an appended set broken off",
            Applied,
            Applied,
            |f, path, it| {
                let form = Form {
                    broken_off: true,
                    ..Form::default()
                };
                put(f, path, vec![it.set.clone()], form);
            },
        ),
        kind(
            "a further set of another kind",
            Applied,
            Applied,
            |f, path, it| {
                let mut full = it.set.clone();
                full.kind = SetKind::Full;
                full.position = 2;
                put(f, path, vec![it.set.clone(), full], Form::default());
            },
        ),
        kind(
            "compressed, several sets",
            Applied,
            Applied,
            |f, path, it| {
                let mut full = it.set.clone();
                full.kind = SetKind::Differential;
                full.position = 2;
                put(f, path, vec![it.set.clone(), full], OPAQUE);
            },
        ),
        kind(
            "one of two stripes",
            Named(&["stripe", "media set"]),
            Named(&["stripe", "media set"]),
            |f, path, it| {
                let form = Form {
                    stripe: (1, 2),
                    ..OPAQUE
                };
                put(f, path, vec![it.set.clone()], form);
            },
        ),
        kind(
            "cut off",
            Named(&["without its end"]),
            Named(&["without its end"]),
            |f, path, it| {
                log(f, path, it);
                f.truncate(path, 1 << 20).expect("cut");
            },
        ),
        kind(
            "cut off, compressed",
            Named(&["finds no whole backup"]),
            Named(&["finds no whole backup"]),
            |f, path, it| {
                put(f, path, vec![it.set.clone()], OPAQUE);
                f.truncate(path, 1 << 20).expect("cut");
            },
        ),
        kind(
            "cut off in its header",
            Named(&["truncated, or still being written"]),
            Named(&["truncated, or still being written"]),
            |f, path, it| {
                log(f, path, it);
                f.truncate(path, 3000).expect("cut");
            },
        ),
        kind(
            "a cut work file",
            Named(&["without its end"]),
            Named(&["without its end"]),
            |f, path, it| {
                let path = renamed(path, ".wrk");
                log(f, &path, it);
                f.truncate(&path, 1 << 20).expect("cut");
            },
        ),
        kind(
            "a damaged header",
            Named(&["damaged"]),
            Named(&["damaged"]),
            |f, path, it| {
                log(f, path, it);
                f.corrupt_header(path).expect("damaged");
            },
        ),
        kind(
            "empty",
            Named(&["the file is empty"]),
            Named(&["the file is empty"]),
            |f, path, _| f.put_bytes(path, b"").expect("laid"),
        ),
        kind(
            "a text",
            Named(&["no backup"]),
            Named(&["no backup"]),
            |f, path, _| f.put_bytes(path, b"see the other folder").expect("laid"),
        ),
        kind(
            "a text that is called one",
            Named(UNSEEN),
            Named(UNSEEN),
            |f, path, _| {
                let path = renamed(path, ".txt");
                f.put_bytes(&path, b"see the other folder").expect("laid");
            },
        ),
        kind(
            "denied",
            Named(&["access denied"]),
            Named(&["access denied"]),
            |f, path, it| {
                log(f, path, it);
                f.deny(path, true).expect("denied");
            },
        ),
        kind(
            "denied, with another ending",
            Named(&["access denied"]),
            Named(&["access denied"]),
            |f, path, it| {
                let path = renamed(path, ".old");
                log(f, &path, it);
                f.deny(&path, true).expect("denied");
            },
        ),
        kind(
            "in use",
            Named(&["in use by another program"]),
            Named(&["in use by another program"]),
            |f, path, it| {
                log(f, path, it);
                f.hold(path, true).expect("held");
            },
        ),
        kind(
            "a link to nothing",
            Named(&["a link that leads nowhere"]),
            Named(&["a link that leads nowhere"]),
            |f, path, _| {
                f.put_special(path, "a link that leads nowhere")
                    .expect("laid")
            },
        ),
        kind(
            "a pipe",
            Named(&["a pipe"]),
            Named(&["a pipe"]),
            |f, path, _| {
                f.put_special(path, "a pipe").expect("laid");
            },
        ),
        kind(
            "a socket",
            Named(&["a socket"]),
            Named(&["a socket"]),
            |f, path, _| {
                f.put_special(path, "a socket").expect("laid");
            },
        ),
        kind(
            "a device",
            Named(&["a device"]),
            Named(&["a device"]),
            |f, path, _| {
                f.put_special(path, "a device").expect("laid");
            },
        ),
        kind(
            "a name that is no Unicode",
            Named(&["no Unicode text"]),
            Named(&["no Unicode text"]),
            |f, path, _| {
                f.put_special(path, "its name is no Unicode text")
                    .expect("laid");
            },
        ),
        kind(
            "a folder that is called one",
            Named(&["a folder"]),
            Named(&["a folder"]),
            |f, path, _| f.make_folder(path).expect("made"),
        ),
        kind(
            "another folder",
            Named(UNSEEN),
            Named(UNSEEN),
            |f, path, _| {
                f.make_folder(&renamed(path, "")).expect("made");
            },
        ),
        kind(
            "an undo file",
            Named(UNSEEN),
            Named(UNSEEN),
            |f, path, it| {
                log(f, &renamed(path, ".tuf"), it);
            },
        ),
        kind(
            "a full backup",
            Named(UNSEEN),
            Named(UNSEEN),
            |f, path, it| {
                changed(f, path, it, |set| set.kind = SetKind::Full);
            },
        ),
        kind(
            "a differential one",
            Named(UNSEEN),
            Named(UNSEEN),
            |f, path, it| {
                changed(f, path, it, |set| set.kind = SetKind::Differential);
            },
        ),
        kind(
            "another database",
            Named(UNSEEN),
            Named(UNSEEN),
            |f, path, it| {
                changed(f, path, it, |set| "hr".clone_into(&mut set.database));
            },
        ),
        kind(
            "another one of the name",
            Named(UNSEEN),
            Named(UNSEEN),
            |f, path, it| {
                changed(f, path, it, other_database);
            },
        ),
        kind(
            "another one of the name, ahead",
            Named(UNSEEN),
            Named(UNSEEN),
            |f, path, it| {
                changed(f, path, it, |set| {
                    other_database(set);
                    set.first_lsn = Lsn::new(77, 1, 1);
                    set.last_lsn = Lsn::new(77, 9, 1);
                });
            },
        ),
        kind(
            "damaged data",
            NamedLate(&["3183"]),
            NamedLate(&["3183"]),
            |f, path, it| {
                log(f, path, it);
                f.corrupt(path).expect("damaged");
            },
        ),
        kind(
            "LSNs that run backwards",
            Named(&["damaged"]),
            Named(&["damaged"]),
            |f, path, it| {
                changed(f, path, it, |set| {
                    std::mem::swap(&mut set.first_lsn, &mut set.last_lsn);
                });
            },
        ),
    ]
}

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
                assert_eq!(held.chat().messages, 100 + 3 * 14, "{case}");
            });
        }
    }
}

#[test]
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
