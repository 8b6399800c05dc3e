//! `back-up-database`, B3: one full backup on the log-shipping share, verified (`steps.md` 6).

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::model::{Instance, Role, quote};
use crate::site::{Limits, Site};
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::downtime::Downtime;
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::backups::verified;
use crate::step::observe::database::{Database, Lineage, database, lineage};
use crate::step::observe::pool::{self, Service};
use crate::step::observe::sets::{SetHeader, sets};
use crate::step::principal::{become_principal, fail_over, judge_mirror};
use crate::step::shared::file_hole;
use crate::step::shared::{
    Holders, active_block, address, full_path, is_mirror, mirrored_block, only_set, tail_path,
};
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Effect, Info, Kind, Standing};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    FailOver,
    BackUp,
}

pub(in crate::step) struct BackUpDatabase;

/// The database, and this run's file.
#[derive(Debug, Serialize)]
pub struct Facts {
    name: String,
    path: String,
    /// It is taken while chat serves: its copy waits on the primary for the log that follows.
    seeded: bool,
    database: Observed<Database>,
    /// Where the backup is the mirror, and chat serves: the principal.
    principal: Option<Observed<Database>>,
    lineage: Observed<Lineage>,
    holders: Holders,
    service: Observed<Service>,
    sets: Observed<Vec<SetHeader>>,
    /// Whether the primary reads it too; of a right file only.
    primary_sets: Observed<Vec<SetHeader>>,
    /// Whether its data is sound; of a right file only.
    verified: Observed<()>,
}

impl Facts {
    /// The set, where the file is what this step leaves.
    fn whole(&self) -> Option<&SetHeader> {
        let set = only_set(&self.sets, 1, &self.name)?;
        let family = self.lineage.seen().and_then(|it| it.family.as_deref());
        let ours = family
            .zip(set.family.as_deref())
            .is_none_or(|(one, other)| one.eq_ignore_ascii_case(other));
        (set.checksums && ours).then_some(set)
    }
}

impl Kind for BackUpDatabase {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "back-up-database",
        vendor: Some("B3"),
        title: "Back the chat database up to the log-shipping share",
        effect: Effect::Reversible,
        checks: &[
            "the backup's chat database serves, as the principal where it is mirrored; behind B1 it is not mirrored, and nobody holds it",
            "the file holds one full backup of this database and family, with checksums",
            "RESTORE VERIFYONLY finds it sound, and the primary reads it",
        ],
    };

    fn limit(limits: &Limits) -> Option<Duration> {
        limits.restore
    }

    fn downtime(_site: &Site, seeded: bool) -> Option<Downtime> {
        (!seeded).then(|| Downtime::of(2, "the full backup is written, then verified"))
    }

    fn why_nothing(cx: Context<'_>) -> String {
        format!(
            "nothing to undo: `{}` stays, and `{}` where it was written",
            full_path(cx),
            tail_path(cx)
        )
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        let name = &site.database.chat;
        let mut commands = Vec::new();
        if site.chat(Role::BackupMirror).is_some() {
            commands.push(
                fail_over(site)
                    .when("chat serves, and the backup mirror is the principal, SYNCHRONIZED")
                    .keyed(Key::FailOver),
            );
        }
        commands.push(Command::tsql(
            Role::Backup,
            &address(site, Role::Backup),
            format!(
                "BACKUP DATABASE {} TO DISK = {{file}} WITH INIT, CHECKSUM, NAME = {{name}}, STATS = 5;",
                quote::identifier(name.as_str())
            ),
            vec![
                file_hole(site, "full"),
                Hole::new(
                    "name",
                    HoleType::Text,
                    "`pchadr failback <run id>`",
                    "pchadr failback 20261124-0315",
                ),
            ],
        ).long().keyed(Key::BackUp));
        commands
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        let path = full_path(cx);
        let row = database(access, backup, name).await;
        let serves = row.seen().is_some_and(Database::serves);
        let mut facts = Facts {
            name: name.to_string(),
            seeded: cx.seeded,
            principal: match row.seen() {
                Some(row) if cx.seeded && is_mirror(row) => {
                    let mirror = Instance::chat(Role::BackupMirror);
                    Some(database(access, mirror, name).await)
                }
                Some(_) | None => None,
            },
            database: row,
            lineage: if serves {
                lineage(access, backup, name).await
            } else {
                Observed::Absent
            },
            holders: Holders::of(cx, backup).await,
            service: pool::service(access, &cx.site.pool.fqdn).await,
            sets: sets(access, backup, &path).await,
            primary_sets: Observed::Absent,
            verified: Observed::Absent,
            path,
        };
        if facts.whole().is_some() {
            let primary = Instance::chat(Role::Primary);
            facts.primary_sets = sets(access, primary, &facts.path).await;
            facts.verified = verified(access, backup, &facts.path).await;
        }
        facts
    }

    fn judge(facts: &Facts) -> Standing {
        let unknown = facts.database.unknown().or(facts.sets.unknown());
        if let Some(why) = unknown {
            return Standing::unknown(why);
        }
        if let Some(set) = facts.whole() {
            if let Some(why) = facts.verified.unknown().or(facts.primary_sets.unknown()) {
                return Standing::unknown(why);
            }
            if facts.primary_sets.seen() != facts.sets.seen() {
                return Standing::Blocked {
                    blocks: vec![Block::site(
                        "primary-does-not-read",
                        format!("the primary does not see the same file at `{}`", facts.path),
                        "see `[shares] backup`, and where that path leads on the primary",
                    )],
                };
            }
            if facts.verified.seen().is_some() {
                return Standing::satisfied(format!(
                    "`{}`, up to LSN {}, verified",
                    facts.path, set.last_lsn
                ));
            }
        }
        let mut blocks = Vec::new();
        match facts.database.seen() {
            None => blocks.push(Block::site(
                "no-database",
                "the backup has no chat database",
                "see `[sql] backup` and `[database] chat`",
            )),
            Some(row) => {
                if let Some(principal) = &facts.principal {
                    return judge_mirror(
                        Some(principal),
                        "the backup mirror is the principal: fail it over to the backup, which chat servers follow within seconds, then back it up",
                    );
                }
                let mirrored = mirrored_block(row).filter(|_| !facts.seeded);
                if mirrored.is_none() && !row.is_sound() {
                    blocks.push(Block::site(
                        "backup-not-serving",
                        format!(
                            "the backup's chat database is {}{}",
                            row.state,
                            if row.serves() {
                                format!(", but {}", row.unsound().join(", "))
                            } else {
                                String::new()
                            }
                        ),
                        "see `pchadr status`; a run that was stopped goes on with --resume",
                    ));
                }
                blocks.extend(mirrored);
            }
        }
        if !facts.seeded {
            if let Some(why) = facts.holders.all.unknown().or(facts.service.unknown()) {
                return Standing::unknown(why);
            }
            blocks.extend(facts.holders.blocks());
            blocks.extend(active_block(&facts.service));
        }
        Standing::unless(blocks, || {
            Standing::pending(format!(
                "back it up to `{}`, and verify the file",
                facts.path
            ))
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        if facts.principal.is_some() {
            become_principal(cx, hands, Key::FailOver).await?;
        }
        let values = Values::from([
            ("file".to_owned(), json!(facts.path)),
            (
                "name".to_owned(),
                json!(format!("pchadr failback {}", cx.run)),
            ),
        ]);
        hands
            .send_at(
                cx.access,
                Instance::chat(Role::Backup),
                Key::BackUp,
                &values,
            )
            .await
    }
}
