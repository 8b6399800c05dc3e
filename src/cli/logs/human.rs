//! Tables for people.

use std::io::{self, Write};

use super::{Found, Refused, software};
use crate::model::chain::LogChain;
use crate::model::header::{BackupHeader, BackupKind};

pub(super) fn write(found: &Found, out: &mut dyn Write) -> io::Result<()> {
    if found.files.is_empty() {
        writeln!(out, "No backup header was read.")?;
    } else {
        files(found, out)?;
    }
    for (database, chain) in &found.chains {
        writeln!(out)?;
        write_chain(found, database, chain, out)?;
    }
    if !found.unreadable.is_empty() {
        writeln!(out, "\nNot readable here")?;
        reasons(&found.unreadable, out)?;
    }
    Ok(())
}

fn files(found: &Found, out: &mut dyn Write) -> io::Result<()> {
    let heading = [
        "File",
        "Server",
        "Database",
        "Type",
        "First LSN",
        "Last LSN",
        "Started",
        "Size",
    ];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(found.files.iter().map(|file| {
        let header = &file.header;
        [
            plain(&file.path),
            format!("{} ({})", plain(&header.server), software(header.software)),
            plain(&header.database),
            kind(header),
            header.first_lsn.to_string(),
            header.last_lsn.to_string(),
            header.started.to_string().replace('T', " "),
            file.size.to_string(),
        ]
    }));
    let numbers = [false, false, false, false, true, true, false, true];
    table(&rows, numbers, "", out)
}

fn kind(header: &BackupHeader) -> String {
    let kind = match header.kind {
        BackupKind::Log => "log",
        BackupKind::Full => "full",
        BackupKind::Differential => "diff",
    };
    let end = if header.complete { "" } else { ", cut off" };
    format!("{kind}{end}")
}

fn write_chain(
    found: &Found,
    database: &str,
    chain: &LogChain,
    out: &mut dyn Write,
) -> io::Result<()> {
    let empty = chain.links.len() - chain.applicable().count();
    writeln!(out, "Log chain of {}", plain(database))?;
    writeln!(out, "  from  {}", chain.from)?;
    writeln!(out, "  to    {}", chain.to)?;
    write!(out, "  sets  {}", chain.links.len())?;
    if empty > 0 {
        write!(out, ", {empty} of them empty")?;
    }
    writeln!(out)?;
    for gap in &chain.gaps {
        writeln!(out, "  GAP   {} to {} is missing", gap.after, gap.before)?;
    }
    if chain.gaps.is_empty() && !chain.is_whole() {
        let reaches = chain.reaches;
        writeln!(out, "  MORE  log up to {reaches} is in files left out")?;
    }
    let (_, left_out) = found.places(chain);
    if !left_out.is_empty() {
        writeln!(out, "  left out")?;
        reasons(&left_out, out)?;
    }
    Ok(())
}

fn reasons(refused: &[Refused], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<_> = refused
        .iter()
        .map(|it| [plain(&it.path), plain(&it.reason)])
        .collect();
    table(&rows, [false, false], "    ", out)
}

/// Writes aligned columns, `right` of them to the right.
fn table<const N: usize>(
    rows: &[[String; N]],
    right: [bool; N],
    indent: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let mut line = indent.to_owned();
        for ((cell, width), right) in row.iter().zip(widths).zip(right) {
            let cell = if right {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            };
            line.push_str(&cell);
            line.push_str("  ");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A name without what a terminal would obey.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{FFFD}")
}
