//! The JSON of `design.md` 8.

use std::io::{self, Write};

use serde::Serialize;

use super::against::{Against, Start};
use super::found::{Found, Hole, Refused, is_work_file};
use super::software;
use crate::model::Lsn;
use crate::model::header::BackupKind;
use crate::report::plain_json;

#[derive(Serialize)]
struct Document<'a> {
    version: u8,
    files: Vec<File<'a>>,
    unreadable: &'a [Refused],
    chains: Vec<Chain<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    folders: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Needed<'a>>,
}

#[derive(Serialize)]
struct Needed<'a> {
    server: &'a str,
    database: &'a str,
    /// Whether all of it is there; `None` where it is not known what is needed.
    whole: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    redo_start: Option<Lsn>,
    to: Option<Lsn>,
    files: Vec<&'a str>,
    gaps: Vec<Hole<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    size: u64,
    server: &'a str,
    database: &'a str,
    r#type: BackupKind,
    position: u16,
    first_lsn: Lsn,
    last_lsn: Lsn,
    checkpoint_lsn: Lsn,
    database_backup_lsn: Lsn,
    started: String,
    finished: Option<String>,
    software: String,
    complete: bool,
    #[serde(rename = "work_file", skip_serializing_if = "std::ops::Not::not")]
    wrk: bool,
}

#[derive(Serialize)]
struct Chain<'a> {
    database: &'a str,
    from: Lsn,
    to: Lsn,
    files: Vec<&'a str>,
    left_out: Vec<Refused>,
    gaps: Vec<Hole<'a>>,
}

pub(super) fn write(
    found: &Found,
    against: Option<&Against>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let files = found.order.iter().map(|file| {
        let file = &found.files[*file];
        let header = &file.header;
        File {
            path: &file.path,
            size: file.size,
            server: &header.server,
            database: &header.database,
            r#type: header.kind,
            position: header.position,
            first_lsn: header.first_lsn,
            last_lsn: header.last_lsn,
            checkpoint_lsn: header.checkpoint_lsn,
            database_backup_lsn: header.database_backup_lsn,
            started: header.started.to_string(),
            finished: header.finished.map(|time| time.to_string()),
            software: software(header.software),
            complete: header.complete,
            wrk: is_work_file(&file.path),
        }
    });
    let chains = found.chains.iter().map(|(database, chain)| {
        let (files, left_out) = found.places(chain);
        Chain {
            database,
            from: chain.from,
            to: chain.to,
            files,
            left_out,
            gaps: found.holes(database, chain),
        }
    });
    let document = Document {
        version: 1,
        files: files.collect(),
        unreadable: &found.unreadable,
        chains: chains.collect(),
        folders: &found.folders,
        against: against.map(|it| needed(found, it)),
    };
    let json = serde_json::to_string_pretty(&document)?;
    writeln!(out, "{}", plain_json(&json))
}

fn needed<'a>(found: &'a Found, against: &'a Against) -> Needed<'a> {
    let need = &against.need;
    let chain = against.chain.as_ref();
    Needed {
        server: &need.server,
        database: &need.database,
        whole: match need.start {
            Ok(Start::Serves) => Some(true),
            Ok(Start::At(_)) => chain.map(crate::model::LogChain::is_whole),
            Err(_) => None,
        },
        error: need.start.as_ref().err().map(ToString::to_string),
        redo_start: chain.map(|chain| chain.from),
        to: chain.map(|chain| chain.to),
        files: chain.map_or_else(Vec::new, |chain| found.places(chain).0),
        gaps: chain.map_or_else(Vec::new, |chain| found.holes(&need.database, chain)),
    }
}
