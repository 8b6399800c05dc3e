//! Undoes `restore-database`: what was restored on the primary side is taken OFFLINE, so that nobody
//! can write there when the backup serves again (`design.md` 3, rule 2). What was there before the run is
//! left alone; a database that is RESTORING cannot be written to.

use serde::Serialize;

use crate::model::states::DatabaseState;
use crate::model::{Instance, Role, quote};
use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::Command;
use crate::step::failback::install_primary_mirror::undo::{not_asked, roles, serves_alone};
use crate::step::next::Next;
use crate::step::observe::Observed;
use crate::step::observe::backups::is_copy_of;
use crate::step::observe::database::{Database, database};
use crate::step::observe::sessions::{RunningRestore, restores};
use crate::step::shared::address;
use crate::step::undo::Back;
use crate::step::{Block, Context, Standing};

/// What is looked at.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Facts {
    sides: Vec<Side>,
    /// The backup serves by itself: somebody opened it, and nothing is lifted that this would guard.
    backup_serves: bool,
}

#[derive(Debug, Serialize)]
struct Side {
    role: Role,
    /// What is being restored there at this moment.
    restores: Observed<Vec<RunningRestore>>,
    database: Observed<Database>,
    /// Whether it was restored from a backup that the backup took, or mirrored from what was.
    copy: Observed<bool>,
}

impl Back for Facts {
    /// The instance that it goes to.
    type Key = Role;

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        let database = quote::identifier(site.database.chat.as_str());
        roles(site)
            .map(|role| {
                let text =
                    format!("ALTER DATABASE {database} SET OFFLINE WITH ROLLBACK IMMEDIATE;");
                Command::tsql(role, &address(site, role), text, Vec::new())
                    .when(format!("the {role} serves what this run restored"))
                    .keyed(role)
            })
            .collect()
    }

    async fn observe(cx: Context<'_>, _before: Option<&Before>) -> Self {
        let name = &cx.site.database.chat;
        let mut sides = Vec::new();
        for role in roles(cx.site) {
            let at = Instance::chat(role);
            let source = if role == Role::Primary {
                Role::Backup
            } else {
                Role::Primary
            };
            sides.push(Side {
                role,
                // First: what ends in between shows in the database.
                restores: restores(cx.access, at, name).await,
                database: database(cx.access, at, name).await,
                copy: is_copy_of(cx.access, at, Instance::chat(source), name).await,
            });
        }
        let backup = database(cx.access, Instance::chat(Role::Backup), name).await;
        Self {
            sides,
            backup_serves: serves_alone(&backup),
        }
    }

    fn next(&self) -> Result<Next<Role>, Standing> {
        let mut words = Vec::new();
        for side in &self.sides {
            let role = side.role;
            let row = match &side.database {
                Observed::Unknown(why) if self.backup_serves => {
                    words.push(not_asked(role, why));
                    continue;
                }
                Observed::Unknown(why) => {
                    return Err(Standing::unknown(why.about(format!("the {role}"))));
                }
                Observed::Absent => continue,
                Observed::Seen(row) => row,
            };
            match &side.restores {
                Observed::Unknown(why) => {
                    return Err(Standing::unknown(
                        why.about(format!("what runs on the {role}")),
                    ));
                }
                Observed::Seen(running) => {
                    if let Some(restore) = running.first() {
                        return Ok(Next::Wait(format!(
                            "a {} runs on the {role}: session {}",
                            restore.command,
                            restore.by.describe()
                        )));
                    }
                }
                Observed::Absent => {}
            }
            if row.mirroring.is_some() {
                return Err(Standing::Blocked {
                    blocks: vec![Block::site(
                        "mirrored",
                        format!(
                            "the {role}'s chat database is mirrored: it cannot be taken OFFLINE (1468)"
                        ),
                        "see who mirrored it; remove that mirroring (SET PARTNER OFF)",
                    )],
                });
            }
            match (row.state, &side.copy) {
                (DatabaseState::Online, Observed::Unknown(why)) => {
                    return Err(Standing::unknown(why.about(format!("whether the {role} serves what this run restored"))));
                }
                (DatabaseState::Online, Observed::Seen(true)) => {
                    let what = format!("take the {role}'s chat database OFFLINE");
                    return Ok(Next::sql(Instance::chat(role), role, what));
                }
                (DatabaseState::Online, _) => words.push(format!(
                    "the {role}'s chat database is the one that was there before, and is left alone"
                )),
                (DatabaseState::Recovering, _) => {
                    return Ok(Next::Wait(format!("recovery runs on the {role}")));
                }
                (DatabaseState::Offline, Observed::Seen(true)) if role == Role::PrimaryMirror => {
                    words.push(format!(
                        "what the {role} served is OFFLINE: drop it there, with its files, before the next failback"
                    ));
                }
                (
                    state @ (DatabaseState::Restoring | DatabaseState::Offline),
                    Observed::Seen(true),
                ) => words.push(format!(
                    "what was restored or mirrored on the {role} is {state}: the next failback writes over it without asking, for the backup has all of it"
                )),
                (DatabaseState::Offline, _) => words.push(format!(
                    "the {role}'s chat database is OFFLINE, and not what this run restored: the next failback asks for --override old-database-unreadable=REASON before it writes over it"
                )),
                (state, _) => words.push(format!("the {role}'s chat database is {state}")),
            }
        }
        Ok(Next::Nothing(if words.is_empty() {
            "the primary side has no chat database".to_owned()
        } else {
            words.join("; ")
        }))
    }
}
