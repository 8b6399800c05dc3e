//! `prove-share`: a small backup that the backup writes, and that the primary and its mirror read
//! (`steps.md` 6.1). It lies where the full backup will lie, which is written over it.

use serde::Serialize;
use serde_json::json;

use super::command::{Command, Hole, HoleType, Values};
use super::failback::{address, full_path, sample_path};
use super::hands::{Hands, StepError};
use super::observe::Observed;
use super::observe::backups::{SetHeader, sets};
use super::{Block, Context, Effect, Info, Kind, Standing};
use crate::model::{Instance, Role};
use crate::site::Site;

const PROBE: usize = 1;

pub(super) struct ProveShare;

/// The probe as each instance sees it.
#[derive(Debug, Serialize)]
pub struct Facts {
    path: String,
    seen: Vec<(Role, Observed<Vec<SetHeader>>)>,
}

impl Kind for ProveShare {
    type Facts = Facts;

    const INFO: Info = Info {
        id: "prove-share",
        vendor: None,
        title: "Write a small backup to the log-shipping share, and have the primary and its mirror read it",
        effect: Effect::Reversible,
        checks: &[
            "the backup, the primary and the primary mirror each read it (RESTORE HEADERONLY)",
            "the full backup will be written over it",
        ],
    };

    fn commands(site: &Site) -> Vec<Command> {
        vec![Command::tsql(
            Role::Backup,
            &address(site, Role::Backup),
            "BACKUP DATABASE [model] TO DISK = {file} WITH COPY_ONLY, INIT;",
            vec![file_hole(site, "full")],
        )]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let path = full_path(cx);
        let mut seen = Vec::new();
        for role in [Role::Backup, Role::Primary, Role::PrimaryMirror] {
            let instance = Instance::chat(role);
            if cx.access.sql.has(instance) {
                seen.push((role, sets(cx.access, instance, &path).await));
            }
        }
        Facts { path, seen }
    }

    fn judge(facts: &Facts) -> Standing {
        let blocks: Vec<Block> = facts
            .seen
            .iter()
            .filter_map(|(role, seen)| Some((role, seen.unknown()?)))
            .map(|(role, why)| {
                Block::site(
                    "share-not-reached",
                    format!("the {role} cannot look at `{}`: {why}", facts.path),
                    "give the service account of that instance its rights on the share; see `[shares] backup`",
                )
            })
            .collect();
        Standing::unless(blocks, || {
            let reads =
                |seen: &Observed<Vec<SetHeader>>| seen.seen().is_some_and(|sets| !sets.is_empty());
            if facts.seen.iter().all(|(_, seen)| reads(seen)) {
                Standing::satisfied("written by the backup, read by the primary side")
            } else if facts
                .seen
                .iter()
                .any(|(role, seen)| *role == Role::Backup && reads(seen))
            {
                let missing: Vec<String> = facts
                    .seen
                    .iter()
                    .filter(|(_, seen)| !reads(seen))
                    .map(|(role, _)| role.to_string())
                    .collect();
                // It is there for the one that wrote it: another share, or a copy of it.
                Standing::pending(format!(
                    "the {} does not see it yet",
                    missing.join(", the ")
                ))
            } else {
                Standing::pending("write a small backup to the share")
            }
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_>) -> Result<(), StepError> {
        let values = Values::from([("file".to_owned(), json!(facts.path))]);
        let mut session = Box::pin(cx.access.sql.open(Instance::chat(Role::Backup))).await?;
        hands.send(&mut session, PROBE, &values).await?;
        Ok(())
    }
}

/// The hole of a file of this run.
pub(super) fn file_hole(site: &Site, what: &'static str) -> Hole {
    Hole::new(
        if what == "tail" { "tail" } else { "file" },
        HoleType::Text,
        format!(
            "<database>-failback-<run id>-{what}.bak on the log-shipping share, `{}`",
            site.shares.backup
        ),
        sample_path(site, what),
    )
}
