//! `pchadr status`: where everything stands.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Environment;
use super::configuration;
use super::doors::doors;
use super::error::output;
use super::now;
use super::options::{LogsOutput, StatusOptions};
use super::ports;
use super::runs;
use crate::model::commands::spelled;
use crate::report::{many_lines, plain_json};
use crate::run::archive::Archive;
use crate::run::exit::Exit;
use crate::site::Site;
use crate::status::Status;

/// Looks at the site and prints. What was not seen is said, and the status is that of a check that blocks.
///
/// # Errors
/// Those of the site file and of the sign-in; that `out` takes nothing.
pub fn command(
    options: &StatusOptions,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let site = Site::load(&environment.site_file(options.config.as_deref())?)?;
    // What is kept is not waited for: a share that is gone would keep us from looking.
    let doors = doors(&site, BTreeMap::new())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let archive = runs::archive(&site, environment);
    let shown = runtime.block_on(async {
        let access = doors.open();
        let status = Box::pin(Status::observe(&site, &access)).await;
        // First what was asked for: a share that is gone keeps whoever writes there waiting.
        write(&status, options.form.output, out)
            .and_then(|()| out.flush())
            .map_err(output)?;
        let kept = match &archive {
            Ok(archive) => configuration::keep(&site, &access, &status, archive).await,
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        if let Err(error) = kept {
            runs::note()(&configuration::not_kept(&error));
        }
        if let Ok(archive) = &archive
            && let Err(error) = ports::keep(&site, &access, archive)
        {
            runs::note()(&ports::not_kept(&error));
        }
        match (options.form.output, &archive) {
            (LogsOutput::Human, archive) => {
                configuration::tell(&site, archive.as_ref().ok(), out).map_err(output)?;
                tell_part(&site, archive.as_ref().ok(), out).map_err(output)?;
                let config = options.config.as_deref();
                Box::pin(now::tell(
                    &site,
                    &access,
                    &status,
                    archive.as_ref(),
                    config,
                    out,
                ))
                .await?;
            }
            (LogsOutput::Json, Ok(archive)) => {
                runs::tell_unreadable(&configuration::newest(&site, archive).unreadable);
            }
            (LogsOutput::Json, Err(_)) => {}
        }
        let all_is_seen = status.two.is_none() && status.not_seen().is_empty();
        Ok(if all_is_seen {
            Exit::Done
        } else {
            Exit::Blocked
        })
    });
    // A share that hangs must not keep the program.
    runtime.shutdown_background();
    shown
}

/// Tells of a failover of which a part was taken, and what takes the rest.
fn tell_part(site: &Site, archive: Option<&Archive>, out: &mut dyn Write) -> io::Result<()> {
    let Some(found) = archive.and_then(|archive| runs::parted(site, archive)) else {
        return Ok(());
    };
    let rest = found.state.left_to_later().map_or("", |step| &step.id);
    let (run, command) = (&found.run, runs::from("failover", "", rest));
    writeln!(
        out,
        "taken in part   run {run} is done as far as it was to go; the rest: {}",
        spelled(&command)
    )
}

/// Writes what was seen; names of servers and files cannot steer a terminal.
fn write(status: &Status, form: LogsOutput, out: &mut dyn Write) -> io::Result<()> {
    let mut bytes = Vec::new();
    match form {
        LogsOutput::Human => status.write_human(&mut bytes)?,
        LogsOutput::Json => status.write_json(&mut bytes)?,
    }
    let text = String::from_utf8_lossy(&bytes);
    let plain = match form {
        LogsOutput::Human => many_lines(&text),
        LogsOutput::Json => plain_json(&text),
    };
    out.write_all(plain.as_bytes())
}
