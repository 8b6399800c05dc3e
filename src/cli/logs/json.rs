//! The JSON of `design.md` 8.

use std::io::{self, Write};

use serde::Serialize;

use super::{Found, Refused, software};
use crate::model::Lsn;
use crate::model::chain::Gap;
use crate::model::header::BackupKind;

#[derive(Serialize)]
struct Document<'a> {
    version: u8,
    files: Vec<File<'a>>,
    unreadable: &'a [Refused],
    chains: Vec<Chain<'a>>,
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
    software: String,
    complete: bool,
}

#[derive(Serialize)]
struct Chain<'a> {
    database: &'a str,
    from: Lsn,
    to: Lsn,
    files: Vec<&'a str>,
    left_out: Vec<Refused>,
    gaps: &'a [Gap],
}

pub(super) fn write(found: &Found, out: &mut dyn Write) -> io::Result<()> {
    let files = found.files.iter().map(|file| {
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
            software: software(header.software),
            complete: header.complete,
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
            gaps: &chain.gaps,
        }
    });
    let document = Document {
        version: 1,
        files: files.collect(),
        unreadable: &found.unreadable,
        chains: chains.collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
