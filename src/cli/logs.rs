//! `pchadr logs`: the log chains of folders, read from the files alone.

mod human;
mod json;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;

use super::Environment;
use super::options::{LogsOptions, LogsOutput};
use crate::access::files::Files;
use crate::access::headers::{FolderFile, Headers, NotRead};
use crate::access::shares::{Cause, ShareError, Shares};
use crate::model::chain::{LogChain, LogFile, survey};
use crate::report::error::write_error;
use crate::report::one_line;
use crate::run::event::ErrorRecord;
use crate::run::exit::Exit;
use crate::site::Site;
use anyhow::Context;

/// Shows the log chains of the folders that are named, else of the site's two shares. A folder that
/// cannot be read is told on `err` and makes the status 1; the others are shown all the same.
///
/// # Errors
/// Those of the site file, where no folder is named; that `out` takes nothing.
pub fn command(
    options: &LogsOptions,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let dirs = if options.dirs.is_empty() {
        let site = Site::load(&environment.site_file(options.config.as_deref())?)?;
        [&site.shares.backup, &site.shares.copy]
            .map(|share| share.as_str().to_owned())
            .into()
    } else {
        options.dirs.clone()
    };
    let json = options.form.output == LogsOutput::Json;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .context("cannot start")?;
    let aside = runtime.block_on(run(&dirs, json, &Files, out))?;
    // The data comes first, also where both go to one terminal.
    out.flush().map_err(super::error::output)?;
    // The data is out: what `err` does not take changes nothing.
    for note in &aside.notes {
        let _ = writeln!(err, "note: {}", one_line(note));
    }
    for failure in &aside.failures {
        let _ = write_error(&describe(failure), err);
    }
    Ok(if aside.failures.is_empty() {
        Exit::Done
    } else {
        Exit::Refused
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
pub struct Aside {
    /// Files that were not looked at, and why; one sentence each.
    pub notes: Vec<String>,
    /// Folders that could not be read; the data names them among the unreadable too.
    pub failures: Vec<ShareError>,
}

/// A file whose header was not readable, or a folder: one that cannot be read is not empty.
#[derive(Debug, serde::Serialize)]
struct Refused {
    path: String,
    reason: String,
}

/// All that was found.
#[derive(Debug, Default)]
struct Found {
    files: Vec<LogFile>,
    unreadable: Vec<Refused>,
    chains: Vec<(String, LogChain)>,
}

/// Reads every file of the folders, whatever its name, and writes to `out` what they are and the
/// log chains they make: tables, or the JSON of `design.md` 8. Folders and the undo files of a standby
/// (`.tuf`) are noted, not read. Nothing is changed.
///
/// Exit status of the command: 0 when all folders could be read, whatever was in them; 1 when
/// [`Aside::failures`] names one (the others were read and written all the same). An error is one
/// of `out`.
pub async fn run(
    dirs: &[String],
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
            Err(failure) => {
                let reason = format!("{}: {}", failure.cause, failure.text);
                found.unreadable.push(Refused {
                    path: dir.clone(),
                    reason,
                });
                aside.failures.push(failure);
            }
        }
    }
    found.chains = survey(&found.files);
    let written = if json {
        json::write(&found, out)
    } else {
        human::write(&found, out)
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

impl Found {
    /// Takes up one name of a folder.
    fn add(&mut self, file: FolderFile, notes: &mut Vec<String>) {
        match file.read {
            Ok(read) => self.files.push(Arc::unwrap_or_clone(read)),
            Err(why @ (NotRead::Undo | NotRead::Folder)) => {
                notes.push(format!("{}: not read: {why}", file.path));
            }
            Err(why @ (NotRead::Header(_) | NotRead::Share(_) | NotRead::NoFile(_))) => {
                self.unreadable.push(Refused {
                    path: file.path,
                    reason: why.to_string(),
                });
            }
        }
    }

    /// The one file of each link that stands for its copies, and what is in no chain, each with its
    /// reason, copies too.
    fn places<'a>(&'a self, chain: &'a LogChain) -> (Vec<&'a str>, Vec<Refused>) {
        let path = |file: &usize| self.files[*file].path.as_str();
        let mut first = Vec::with_capacity(chain.links.len());
        let mut left: Vec<(usize, String)> = chain
            .left_out
            .iter()
            .map(|it| (it.file, it.reason.clone()))
            .collect();
        for link in &chain.links {
            let Some((one, copies)) = link.files.split_first() else {
                continue;
            };
            first.push(path(one));
            let reason = format!("a copy of `{}`", path(one));
            left.extend(copies.iter().map(|copy| (*copy, reason.clone())));
        }
        left.sort();
        let left = left.into_iter().map(|(file, reason)| Refused {
            path: path(&file).to_owned(),
            reason,
        });
        (first, left.collect())
    }
}

/// Version as `RESTORE HEADERONLY` users know it: `10.50.4042`.
fn software((major, minor, build): (u8, u8, u16)) -> String {
    format!("{major}.{minor}.{build}")
}
