//! `pchadr logs`: the log chains of folders, read from the files alone; with `--against` beside
//! what the backup needs.

mod against;
mod found;
mod human;
mod json;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Write;

use super::Environment;
use super::doors::doors;
use super::options::{LogsOptions, LogsOutput};
use crate::access::files::Files;
use crate::access::headers::Headers;
use crate::access::patient::Patient;
use crate::access::shares::{Cause, ShareError, Shares};
use crate::report::error::write_error;
use crate::report::one_line;
use crate::run::event::ErrorRecord;
use crate::run::exit::Exit;
use crate::site::{Limits, Site};
use against::{Against, Need};
use anyhow::Context;
use found::Found;

/// Shows the log chains of the folders that are named, else of the site's two shares. A folder that
/// cannot be read is told on `err` and makes the status 1, as does a backup that does not tell what it
/// needs; the others are shown all the same. A gap, or a file that may hold log and is not read,
/// makes it 3.
///
/// # Errors
/// Those of the site file, where no folder is named or one is given to compare with; those of the
/// sign-in; that `out` takes nothing.
pub fn command(
    options: &LogsOptions,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let against = match &options.against {
        Some(file) => {
            let site = Site::load(file)?;
            // Only the backup is asked, and it is up.
            let doors = doors(&site, BTreeMap::new())?;
            Some((site, doors))
        }
        None => None,
    };
    let shares_of = |site: &Site| {
        let shares = &site.shares;
        let sources = std::iter::once(&shares.backup).chain(&shares.extra);
        sources
            .chain(std::iter::once(&shares.copy))
            .map(|share| share.as_str().to_owned())
            .collect()
    };
    let dirs = match &against {
        _ if !options.dirs.is_empty() => options.dirs.clone(),
        Some((site, _)) => shares_of(site),
        None => shares_of(&Site::load(
            &environment.site_file(options.config.as_deref())?,
        )?),
    };
    let json = options.form.output == LogsOutput::Json;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let aside = runtime.block_on(async {
        let need = match against {
            Some((site, doors)) => Some(Box::pin(Need::ask(&site, &doors.open())).await),
            None => None,
        };
        let files = Patient::new(Files, &Limits::default());
        run(&dirs, need, json, &files, out).await
    });
    // A share that hangs must not keep the program.
    runtime.shutdown_background();
    let aside = aside?;
    // The data comes first, also where both go to one terminal.
    out.flush().map_err(super::error::output)?;
    // The data is out: what `err` does not take changes nothing.
    for note in &aside.notes {
        let _ = writeln!(err, "note: {}", one_line(note));
    }
    let failures = aside.failures.iter().map(describe);
    for failure in failures.chain(aside.not_told.clone()) {
        let _ = write_error(&failure, err);
    }
    Ok(if !aside.failures.is_empty() || aside.not_told.is_some() {
        Exit::Refused
    } else if aside.incomplete {
        Exit::Blocked
    } else {
        Exit::Done
    })
}

fn describe(failure: &ShareError) -> ErrorRecord {
    let hint = match failure.cause {
        Cause::NotFound => "check the path",
        Cause::Denied => "run pchadr as a user who may read the folder",
        Cause::Unreachable => "check the file server and the way to it",
        Cause::InUse | Cause::Full | Cause::Exists | Cause::Other => {
            "look at the folder with the system's own tools"
        }
    };
    ErrorRecord {
        what: format!("the folder `{}` cannot be read", failure.path),
        why: failure.text.clone(),
        hint: hint.to_owned(),
        ..ErrorRecord::default()
    }
}

/// What [`run`] has to say beside its data, for stderr.
#[derive(Debug, Default, PartialEq, Eq)]
struct Aside {
    /// Files that were not looked at, and why; one sentence each.
    pub notes: Vec<String>,
    /// Folders that could not be read; the data names them among the unreadable too.
    pub failures: Vec<ShareError>,
    /// A gap, or a file that may hold log and is not read.
    pub incomplete: bool,
    /// Why the backup does not tell what it needs, where it was asked.
    pub not_told: Option<ErrorRecord>,
}

/// Reads every file of the folders, whatever its name, and writes to `out` what they are and the
/// log chains they make: tables, or the JSON of `design.md` 8; beside them what the backup needs,
/// where it was asked. Folders and the undo files of a standby (`.tuf`) are noted, not read. Nothing
/// is changed. An error is one of `out`.
async fn run(
    dirs: &[String],
    need: Option<Need>,
    json: bool,
    shares: &dyn Shares,
    out: &mut dyn Write,
) -> anyhow::Result<Aside> {
    let mut aside = Aside::default();
    let mut found = Found::default();
    let headers = Headers::default();
    for (n, dir) in dirs.iter().enumerate() {
        if dirs[..n].contains(dir) {
            continue;
        }
        match headers.folder(shares, dir, |name| join(dir, name)).await {
            Ok(files) => files
                .into_iter()
                .for_each(|file| found.add(file, &mut aside.notes)),
            Err(failure) => aside.failures.push(failure),
        }
    }
    drop(headers);
    found.add_lost(&aside.failures);
    found.finish(shares).await;
    let against = need.map(|need| Against::new(need, &found.files));
    aside.incomplete = found.is_doubtful()
        || match &against {
            Some(against) => against.is_incomplete(),
            None => found.chains.iter().any(|(_, chain)| !chain.is_whole()),
        };
    aside.not_told = against.as_ref().and_then(Against::not_told);
    let written = if json {
        json::write(&found, against.as_ref(), out)
    } else {
        human::write(&found, against.as_ref(), out)
    };
    written.context("cannot write the log chains")?;
    Ok(aside)
}

/// Path of a file of a folder: the folder as given, a separator in its own manner, the name.
fn join(dir: &str, name: &str) -> String {
    let windows = dir.starts_with(r"\\") || dir.get(1..3) == Some(r":\");
    if dir.ends_with('/') || windows && dir.ends_with('\\') {
        format!("{dir}{name}")
    } else {
        format!("{dir}{}{name}", if windows { '\\' } else { '/' })
    }
}

/// Version as `RESTORE HEADERONLY` users know it: `10.50.4042`.
fn software((major, minor, build): (u8, u8, u16)) -> String {
    format!("{major}.{minor}.{build}")
}
