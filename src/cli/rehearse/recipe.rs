//! What a rehearsal is held on: the simulated site that its options describe.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::super::error::Failure;
use super::super::options::{RehearsalLogs, RehearsalOptions};
use crate::model::header::END_BYTES;
use crate::plan::Plan;
use crate::rehearsal::simulated::{Logs, RealLog, Recipe};
use crate::rehearsal::trouble::Trouble;
use crate::run::exit::Exit;
use crate::runbook::Direction;

/// Log backups of a rehearsal that names none.
pub(in crate::cli) const LOGS: usize = 24;

/// The site that these options describe, as a run of that plan finds it.
///
/// # Errors
/// When its log backups cannot be read, or the runbook never meets the trouble.
pub(in crate::cli) fn recipe(plan: &Plan, options: &RehearsalOptions) -> anyhow::Result<Recipe> {
    let logs = match &options.rehearse_logs {
        None => Logs::Made(LOGS),
        Some(RehearsalLogs::Simulated(count)) => Logs::Made(usize::try_from(*count)?),
        Some(RehearsalLogs::Folder(folder)) => {
            Logs::Real(real_logs(Path::new(folder)).map_err(|cause| {
                Failure::new(
                    Exit::Usage,
                    format!("the log backups of `{folder}` cannot be rehearsed"),
                    cause.to_string(),
                    "name a folder that holds log backups and that you may read".to_owned(),
                )
            })?)
        }
    };
    let mut recipe = match plan.direction {
        Direction::Failover if plan.is_planned() => Recipe::in_step(logs),
        Direction::Failover => Recipe::disaster(logs),
        Direction::Failback => Recipe::failed_over(logs),
        Direction::Fence => Recipe::returned(logs),
    };
    recipe.seed = options.seed.unwrap_or(recipe.seed);
    for trouble in &options.with {
        if !trouble.runbooks.contains(&plan.direction) {
            return Err(elsewhere(trouble, plan.direction).into());
        }
    }
    recipe.with.clone_from(&options.with);
    Ok(recipe)
}

/// Trouble that a runbook never meets.
fn elsewhere(trouble: &Trouble, direction: Direction) -> Failure {
    let known: Vec<&str> = Trouble::of(direction).map(|it| it.name).collect();
    Failure::new(
        Exit::Usage,
        format!("`--with {}`", trouble.name),
        format!("that is no trouble of a {direction}"),
        format!("name one of: {}", known.join(", ")),
    )
}

/// The two ends of every file of a folder, for a rehearsal with real log backups.
///
/// # Errors
/// When the folder or one of its files cannot be read.
pub fn real_logs(folder: &Path) -> std::io::Result<Vec<RealLog>> {
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let size = entry.metadata()?.len();
        if !entry.file_type()?.is_file() {
            continue;
        }
        let file = std::fs::File::open(entry.path())?;
        let length = size.min(END_BYTES as u64);
        let end = |from: SeekFrom| {
            (&file).seek(from)?;
            let mut bytes = Vec::new();
            (&file).take(length).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        let head = end(SeekFrom::Start(0))?;
        let tail = end(SeekFrom::Start(size - length))?;
        logs.push(RealLog {
            name: entry.file_name().to_string_lossy().into_owned(),
            head,
            tail,
            size,
        });
    }
    logs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(logs)
}
