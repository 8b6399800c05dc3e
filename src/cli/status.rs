//! `pchadr status`: where everything stands.

use std::io::Write;

use super::Environment;
use super::doors::doors;
use super::error::output;
use super::options::{LogsOutput, StatusOptions};
use crate::run::exit::Exit;
use crate::site::Site;
use crate::status::Status;

/// Looks at the site and prints. What does not answer is said so; that is no failure.
///
/// # Errors
/// Those of the site file and of the sign-in; that `out` takes nothing.
pub fn command(
    options: &StatusOptions,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let site = Site::load(&environment.site_file(options.config.as_deref())?)?;
    let doors = doors(&site)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let status = runtime.block_on(async { Box::pin(Status::observe(&site, &doors.open())).await });
    match options.output {
        LogsOutput::Human => status.write_human(out),
        LogsOutput::Json => status.write_json(out),
    }
    .map_err(output)?;
    Ok(Exit::Done)
}
