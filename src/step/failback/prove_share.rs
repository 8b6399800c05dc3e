//! `prove-share`: a small backup that the backup writes, and that the primary and its mirror read
//! (`steps.md` 6.1). It lies where the full backup will lie, which is written over it. And whether
//! there is room for what comes after it.

mod room;

use serde::Serialize;
use serde_json::json;

use crate::model::{Instance, Role};
use crate::site::Site;
use crate::step::command::{Command, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::instance::{Service, agent_account, services};
use crate::step::observe::sets::{SetHeader, sets};
use crate::step::shared::file_hole;
use crate::step::shared::{address, full_path};
use crate::step::undo::Nothing;
use crate::step::without_mirror::primary_side;
use crate::step::{Block, Context, Effect, Info, Kind, Standing};
use room::Room;

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Probe,
}

pub(in crate::step) struct ProveShare;

/// The probe as each instance sees it, and the room for what comes.
#[derive(Debug, Serialize)]
pub struct Facts {
    path: String,
    seen: Vec<(Role, Observed<Vec<SetHeader>>)>,
    /// O12 of the same instances.
    services: Vec<(Role, Observed<Vec<Service>>)>,
    room: Room,
    /// The copy folder, as the backup sees it.
    copy: String,
}

impl Facts {
    fn services(&self, role: Role) -> Option<&Observed<Vec<Service>>> {
        let (_, services) = self.services.iter().find(|(it, _)| *it == role)?;
        Some(services)
    }

    /// Account that an instance's engine runs as.
    fn account(&self, role: Role) -> Option<&str> {
        let engine = self
            .services(role)?
            .seen()?
            .iter()
            .find(|service| service.is_engine)?;
        engine.account.as_deref()
    }

    /// What the probe does not prove: who copies log backups, and room that cannot be seen.
    fn remarks(&self) -> String {
        // Its copy job is the first that proves it, in B5 (`steps.md` 7).
        let mut remarks = self
            .services(Role::Backup)
            .and_then(agent_account)
            .map_or_else(Vec::new, |account| {
                vec![format!(
                    "the backup's Agent, {account}, must read this share and write to `{}`",
                    self.copy
                )]
            });
        let unseen = self.room.unseen();
        if !unseen.is_empty() {
            remarks.push(format!("cannot be seen: {}", unseen.join("; ")));
        }
        remarks.insert(0, String::new());
        remarks.join("; ")
    }
}

impl Kind for ProveShare {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "prove-share",
        vendor: None,
        title: "Write a small backup to the log-shipping share, and have the primary and its mirror read it; see that there is room",
        effect: Effect::Reversible,
        checks: &[
            "the backup, the primary and the primary mirror each read it (RESTORE HEADERONLY)",
            "the full backup will be written over it",
            "room: on the shares for the backups, on the primary's and its mirror's volumes for the files; what cannot be seen is named",
        ],
    };

    fn why_nothing(cx: Context<'_>) -> String {
        format!("nothing to undo: `{}` stays", full_path(cx))
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        vec![
            Command::tsql(
                Role::Backup,
                &address(site, Role::Backup),
                "BACKUP DATABASE [model] TO DISK = {file} WITH COPY_ONLY, INIT;",
                vec![file_hole(site, "full")],
            )
            .long()
            .keyed(Key::Probe),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let path = full_path(cx);
        let (mut seen, mut of) = (Vec::new(), Vec::new());
        let sides = primary_side(cx).await;
        for role in std::iter::once(Role::Backup).chain(sides) {
            let instance = Instance::chat(role);
            seen.push((role, sets(cx.access, instance, &path).await));
            of.push((role, services(cx.access, instance).await));
        }
        Facts {
            path,
            seen,
            services: of,
            room: Room::look(cx).await,
            copy: cx.site.shares.copy_local.to_string(),
        }
    }

    fn judge(facts: &Facts) -> Standing {
        let mut blocks: Vec<Block> = facts
            .seen
            .iter()
            .filter_map(|(role, seen)| Some((role, seen.unknown()?)))
            .map(|(role, why)| {
                Block::site(
                    "share-not-reached",
                    why.about(format!("the {role} cannot look at `{}`", facts.path)),
                    format!(
                        "give {} its rights on the share; see `[shares] backup`",
                        facts.account(*role).map_or_else(
                            || "the service account of that instance".to_owned(),
                            |account| format!("{account}, which that instance runs as,")
                        )
                    ),
                )
            })
            .collect();
        blocks.extend(facts.room.blocks());
        Standing::unless(blocks, || {
            let reads =
                |seen: &Observed<Vec<SetHeader>>| seen.seen().is_some_and(|sets| !sets.is_empty());
            if facts.seen.iter().all(|(_, seen)| reads(seen)) {
                Standing::satisfied(format!(
                    "written by the backup, read by the primary side{}",
                    facts.remarks()
                ))
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
                Standing::pending(format!(
                    "write a small backup to the share{}",
                    facts.remarks()
                ))
            }
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let values = Values::from([("file".to_owned(), json!(facts.path))]);
        let mut session = Box::pin(cx.access.sql.open(Instance::chat(Role::Backup))).await?;
        hands.send(&mut session, Key::Probe, &values).await?;
        Ok(())
    }
}
