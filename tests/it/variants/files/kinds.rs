//! The kinds of files.

use pchadr::model::Lsn;
use pchadr::rehearsal::backup_set::{BackupSet, Form, SetKind};
use pchadr::rehearsal::folders::Folders;
use pchadr::rehearsal::world::MadeLog;

/// How a run ends that meets the file where its set is needed.
pub(super) enum Needed {
    /// All log is applied.
    Applied,
    /// Refused before anything is touched, with these words; accepted, the run is done without it.
    Named(&'static [&'static str]),
    /// Named, and all the log that it holds is applied.
    Kept(&'static [&'static str]),
    /// The same, once it was copied and the instance could tell: stopped before recovery.
    NamedLate(&'static [&'static str]),
}
use Needed::{Applied, Kept, Named, NamedLate};

/// One kind: what it is called, how it ends where it is needed (in the share, in the copy folder),
/// and how it is laid under a path.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) in_share: Needed,
    pub(super) in_copy: Needed,
    pub(super) lay: fn(&Folders, &str, &MadeLog),
}

pub(super) const OPAQUE: Form = Form {
    opaque: true,
    broken_off: false,
    stripe: (0, 0),
};

pub(super) fn put(folders: &Folders, path: &str, sets: Vec<BackupSet>, form: Form) {
    folders.put_formed(path, sets, 4 << 20, form).expect("laid");
}

pub(super) fn renamed(path: &str, ending: &str) -> String {
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

pub(super) fn other_database(set: &mut BackupSet) {
    set.family = [9; 16];
    set.fork = [8; 16];
    set.first_fork = [8; 16];
    set.database_created = set.started.saturating_sub(jiff::Span::new().hours(9));
}

pub(super) const UNSEEN: &[&str] = &["is lost"];

pub(super) fn kinds() -> Vec<Kind> {
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
            Kept(&["begun, and broken off"]),
            Kept(&["begun, and broken off"]),
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
            "a header that only the instance can read",
            Applied,
            Applied,
            |f, path, it| {
                log(f, path, it);
                f.corrupt_header(path).expect("damaged");
            },
        ),
        kind(
            "a damaged header",
            Named(&["damaged", "finds no whole backup"]),
            Named(&["damaged", "finds no whole backup"]),
            |f, path, it| {
                log(f, path, it);
                f.corrupt_header(path).expect("damaged");
                f.truncate(path, 3 << 20).expect("cut");
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
                    .expect("laid");
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
