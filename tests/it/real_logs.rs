//! A rehearsal fed with real log backups applies what their chain says.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pchadr::cli::rehearse::real_logs;
use pchadr::model::chain::{LogChain, LogFile, survey};
use pchadr::model::states::DatabaseState;
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::run::event::Event;
use pchadr::site::Site;

use crate::site::{litware, terms};
use crate::variants::{BACKUP, Held, hold};

const DATABASE: &str = "RestoreTimeClean";

/// A folder of real files, or `None`, said loudly, where this checkout has none beside it.
fn fixtures(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/backups");
    let folder = folder.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    // Not `eprintln!`: the test runner would swallow it.
    let _ = writeln!(io::stderr(), "SKIPPED: {} is not there", folder.display());
    None
}

fn site() -> Site {
    let mut site = litware();
    site.database.chat = DATABASE.parse().expect("a name");
    site
}

/// Real log backups, but those of these names.
fn recipe(folder: &Path, without: &[&str]) -> Recipe {
    let mut logs = real_logs(folder).expect("readable");
    logs.retain(|log| !without.contains(&log.name.as_str()));
    let mut recipe = Recipe::disaster(Logs::Real(logs));
    // No instance reads what a later one wrote.
    recipe.vary = |options| options.version = (15, 0, 4375);
    recipe
}

/// The chain that the files give by themselves.
fn chain(folder: &Path) -> (Vec<LogFile>, LogChain) {
    let files: Vec<LogFile> = real_logs(folder)
        .expect("readable")
        .into_iter()
        .map(|log| LogFile::read(log.name, &log.head, &log.tail, log.size).expect("a header"))
        .collect();
    let chain = survey(&files).remove(0).1;
    (files, chain)
}

/// Files in the order in which they were restored.
fn applied(held: &Held) -> Vec<String> {
    held.statements()
        .iter()
        .filter_map(|text| {
            let path = text
                .strip_prefix(r"RESTORE LOG [RestoreTimeClean] FROM DISK = N'E:\pchat-copy\")?
                .strip_suffix("' WITH FILE = 1, NORECOVERY;")?;
            Some(path.to_owned())
        })
        .collect()
}

#[test]
fn six_real_log_backups_of_one_server_are_applied_as_their_chain_says() {
    for name in ["sql2016", "sql2008r2"] {
        let Some(folder) = fixtures(name) else { return };
        let (files, chain) = chain(&folder);
        let wanted: Vec<String> = chain
            .applicable()
            .map(|link| files[link.files[0]].path.clone())
            .collect();
        assert_eq!(chain.links.len(), 6, "{name}");
        let held = hold(&site(), &recipe(&folder, &[]), &terms(), async |_| ());
        assert_eq!(
            (held.finished.exit, &held.finished.error),
            (0, &None),
            "{name}"
        );
        assert_eq!(applied(&held), wanted, "{name}");
        let note = held.events().into_iter().find_map(|event| match event {
            Event::StepFinished { id, note, .. } if id == "apply-logs" => Some(note),
            _ => None,
        });
        let note = note.expect("it ended");
        let end = format!("applied up to LSN {}", chain.to);
        assert!(note.starts_with(&end), "{name}: {note}");
        let database = held.end.instances.database(BACKUP, DATABASE);
        let database = database.expect("the database");
        assert_eq!(database.state, DatabaseState::Online, "{name}");
        assert!(database.lsn >= chain.to, "{name}: {}", database.lsn);
    }
}

#[test]
fn a_real_log_backup_that_is_missing_is_a_gap_that_blocks() {
    let Some(folder) = fixtures("sql2016") else {
        return;
    };
    let (files, chain) = chain(&folder);
    let third = &files[chain.links[2].files[0]];
    let recipe = recipe(&folder, &[&third.path]);
    let held = hold(&site(), &recipe, &terms(), async |_| ());
    let header = &third.header;
    let why = format!("the chain ends at LSN {}, 2019-05-02T21:", header.first_lsn);
    let goes_on = format!("goes on at LSN {}", header.last_lsn);
    held.assert_refused(5, "apply-logs", &[&why, &goes_on], &["--accept-loss-after"]);
}
