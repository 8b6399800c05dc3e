//! Tables for people.

use std::io::{self, Write};

use super::against::{Against, Start};
use super::found::{Found, Hole, Refused, is_work_file};
use super::software;
use crate::model::chain::{LogChain, LogFile};
use crate::model::header::BackupKind;
use crate::report::one_line;

/// Files named under one gap; more of them are counted, and stand below.
const NAMED: usize = 20;

pub(super) fn write(
    found: &Found,
    against: Option<&Against>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if found.files.is_empty() {
        writeln!(out, "No backup header was read.")?;
    } else {
        files(found, out)?;
    }
    for (database, chain) in &found.chains {
        writeln!(out)?;
        write_chain(found, database, chain, out)?;
    }
    if let Some(against) = against {
        writeln!(out)?;
        write_against(found, against, out)?;
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
        "Finished",
        "Size",
    ];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(found.order.iter().map(|file| {
        let file = &found.files[*file];
        let header = &file.header;
        let time = |time: jiff::civil::DateTime| time.to_string().replace('T', " ");
        [
            plain(&file.path),
            format!("{} ({})", plain(&header.server), software(header.software)),
            plain(&header.database),
            kind(file),
            header.first_lsn.to_string(),
            header.last_lsn.to_string(),
            time(header.started),
            header.finished.map(time).unwrap_or_default(),
            file.size.to_string(),
        ]
    }));
    let numbers = [false, false, false, false, true, true, false, false, true];
    table(&rows, numbers, "", out)
}

fn kind(file: &LogFile) -> String {
    let kind = match file.header.kind {
        BackupKind::Log => "log",
        BackupKind::Full => "full",
        BackupKind::Differential => "diff",
    };
    let end = if file.header.complete {
        ""
    } else {
        ", cut off"
    };
    let work = if is_work_file(&file.path) {
        ", .wrk"
    } else {
        ""
    };
    format!("{kind}{end}{work}")
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
    holes(&found.holes(database, chain), out)?;
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

/// A gap, or what only an instance can tell to be one.
fn holes(holes: &[Hole<'_>], out: &mut dyn Write) -> io::Result<()> {
    for hole in holes {
        let (after, before) = (hole.gap.after, hole.gap.before);
        if hole.may_fill.iter().any(|it| it.ask_instance) {
            writeln!(
                out,
                "  OPEN  {after} to {before} is in no header read here; an instance can tell whether it is in"
            )?;
        } else if hole.may_fill.is_empty() {
            writeln!(out, "  GAP   {after} to {before} is missing")?;
        } else {
            writeln!(
                out,
                "  GAP   {after} to {before} is missing; it may have been in"
            )?;
        }
        let named = hole.may_fill.iter().take(NAMED);
        let rows: Vec<_> = named
            .map(|it| [plain(it.path), plain(&it.reason)])
            .collect();
        table(&rows, [false, false], "          ", out)?;
        let more = hole.may_fill.len().saturating_sub(NAMED);
        if more > 0 {
            writeln!(out, "          and {more} more")?;
        }
    }
    Ok(())
}

fn write_against(found: &Found, against: &Against, out: &mut dyn Write) -> io::Result<()> {
    let need = &against.need;
    let (database, server) = (plain(&need.database), plain(&need.server));
    let redo = match &need.start {
        Err(why) => {
            return writeln!(
                out,
                "What {database} on {server} needs is not known: {}",
                plain(&why.to_string())
            );
        }
        Ok(Start::Serves) => {
            return writeln!(out, "{database} on {server} serves: it needs no log");
        }
        Ok(Start::At(redo)) => redo,
    };
    writeln!(out, "Log that {database} on {server} needs, from {redo} on")?;
    let Some(chain) = &against.chain else {
        return Ok(());
    };
    let sets = chain.applicable().count();
    if sets > 0 {
        writeln!(out, "  there {} to {} in {sets} sets", chain.from, chain.to)?;
    }
    holes(&found.holes(&need.database, chain), out)?;
    if chain.is_whole() && sets == 0 {
        writeln!(out, "  none  it has all the log that was read here")?;
    } else if chain.is_whole() {
        writeln!(
            out,
            "  all   what is needed of the log that was read here is there"
        )?;
    } else if chain.gaps.is_empty() {
        writeln!(
            out,
            "  MORE  log up to {} is in files left out",
            chain.reaches
        )?;
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
    one_line(text).into_owned()
}
