//! `pchadr init`: a new site file, the example with every key explained.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use super::error::{output, refused};
use super::options::InitOptions;
use crate::run::exit::Exit;

/// The example site.
const EXAMPLE: &str = include_str!("../../runbooks/litware.toml");

/// Writes the example. A file that is there is never written over.
///
/// # Errors
/// When the file is there, or cannot be written; that `out` takes nothing.
pub fn command(options: &InitOptions, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let path = options.file.display();
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&options.file);
    let written = opened.and_then(|mut file| {
        file.write_all(EXAMPLE.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AlreadyExists => "name another file, or move that one away",
            _ => "name a file in a folder that you may write",
        };
        refused(
            &format!("no site file `{path}` was made"),
            &error.to_string(),
            hint,
        )
    })?;
    writeln!(
        out,
        "`{path}` describes an example site: put your own names in their place, then see what it \
         leads to with pchadr failover --config {path} --dry-run"
    )
    .map_err(output)?;
    Ok(Exit::Done)
}
