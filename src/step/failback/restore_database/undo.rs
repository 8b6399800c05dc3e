//! Undoes `restore-database`: what was restored on the primary side is taken OFFLINE, so that nobody
//! can write there when the backup serves again (`design.md` 3, rule 2). What was there before the run is
//! left alone; a database that is RESTORING cannot be written to.

use serde::Serialize;

use crate::model::states::DatabaseState;
use crate::model::{Instance, Role, quote};
use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::Command;
use crate::step::lost::{Lost, not_asked, roles, serves_alone};
use crate::step::next::Next;
use crate::step::observe::Observed;
use crate::step::observe::backups::{is_copy_of, is_restored_from};
use crate::step::observe::database::{Database, database};
use crate::step::observe::sessions::{RunningRestore, restores};
use crate::step::shared::{address, full_path, tail_path};
use crate::step::undo::Back;
use crate::step::{Block, Context, Standing};

use OfSide::{Offline, Said, Waits};

/// What is looked at.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Facts {
    sides: Vec<Side>,
    /// Where it serves by itself, somebody opened it, and nothing is lifted that this would guard.
    backup: Observed<Database>,
    lost: Lost,
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

/// Whether a role has what this run restored, or what was mirrored from that.
async fn is_copy(cx: Context<'_>, role: Role) -> Observed<bool> {
    let (access, name) = (cx.access, &cx.site.database.chat);
    let [primary, backup] = [Role::Primary, Role::Backup].map(Instance::chat);
    if role != Role::Primary {
        return is_copy_of(access, Instance::chat(role), primary, name).await;
    }
    // Once the backup has followed the primary, the order of its sets tells nothing any more.
    let files = [tail_path(cx), full_path(cx)];
    match is_restored_from(access, primary, backup, name, &files).await {
        Observed::Seen(true) => Observed::Seen(true),
        Observed::Seen(false) | Observed::Absent | Observed::Unknown(_) => {
            is_copy_of(access, primary, backup, name).await
        }
    }
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
            sides.push(Side {
                role,
                // First: what ends in between shows in the database.
                restores: restores(cx.access, at, name).await,
                database: database(cx.access, at, name).await,
                copy: is_copy(cx, role).await,
            });
        }
        let silent = sides.iter().filter(|it| it.database.unknown().is_some());
        let lost = Lost::look(cx, silent.map(|it| it.role).collect()).await;
        for side in &mut sides {
            // The primary, which alone could tell, is lost; before the run this one was no principal.
            let of_lost = side.role == Role::PrimaryMirror && cx.mirror_begun;
            if of_lost && lost.has(Role::Primary) && side.copy.unknown().is_some() {
                side.copy = Observed::Seen(true);
            }
        }
        Self {
            lost,
            sides,
            backup: database(cx.access, Instance::chat(Role::Backup), name).await,
        }
    }

    fn next(&self) -> Result<Next<Role>, Standing> {
        // Every role is judged before anything goes OFFLINE: an undoing that cannot be whole must not
        // leave chat without a database that serves.
        if let Some(why) = self.backup.unknown() {
            return Err(Standing::unknown(why.about("the backup")));
        }
        for side in &self.sides {
            self.judge(side)?;
        }
        let mut words = Vec::new();
        for side in &self.sides {
            match side.next() {
                Said(what) => words.extend(what),
                Waits(what) => return Ok(Next::Wait(what)),
                Offline(what) => {
                    return Ok(Next::sql(Instance::chat(side.role), side.role, what));
                }
            }
        }
        Ok(Next::Nothing(if words.is_empty() {
            "the primary side has no chat database".to_owned()
        } else {
            words.join("; ")
        }))
    }
}

/// What is to do on one side.
enum OfSide {
    /// Nothing, and why.
    Said(Option<String>),
    Waits(String),
    /// It serves what this run restored.
    Offline(String),
}

impl Facts {
    /// What keeps this undoing from being whole.
    fn judge(&self, side: &Side) -> Result<(), Standing> {
        let role = side.role;
        let row = match &side.database {
            Observed::Unknown(_) if serves_alone(&self.backup) || self.lost.has(role) => {
                return Ok(());
            }
            Observed::Unknown(why) => return Err(self.lost.standing(role, why)),
            Observed::Absent => return Ok(()),
            Observed::Seen(row) => row,
        };
        if let Some(why) = side.restores.unknown() {
            return Err(Standing::unknown(
                why.about(format!("what runs on the {role}")),
            ));
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
        match (row.state, side.copy.unknown()) {
            (DatabaseState::Online, Some(why)) => Err(Standing::unknown(
                why.about(format!("whether the {role} serves what this run restored")),
            )),
            _ => Ok(()),
        }
    }
}

impl Side {
    /// What is to do here, where nothing is in the way.
    fn next(&self) -> OfSide {
        let role = self.role;
        let row = match &self.database {
            Observed::Unknown(why) => return Said(Some(not_asked(role, why))),
            Observed::Absent => return Said(None),
            Observed::Seen(row) => row,
        };
        if let Some(restore) = self.restores.seen().and_then(|all| all.first()) {
            return Waits(format!(
                "a {} runs on the {role}: session {}",
                restore.command,
                restore.by.describe()
            ));
        }
        let is_copy = matches!(self.copy, Observed::Seen(true));
        Said(Some(match (row.state, is_copy) {
            (DatabaseState::Online, true) => {
                return Offline(format!("take the {role}'s chat database OFFLINE"));
            }
            (DatabaseState::Online, false) => {
                format!(
                    "the {role}'s chat database is the one that was there before, and is left alone"
                )
            }
            (DatabaseState::Recovering, _) => return Waits(format!("recovery runs on the {role}")),
            (DatabaseState::Offline, true) if role == Role::PrimaryMirror => format!(
                "what the {role} served is OFFLINE: drop it there, with its files, before the next failback"
            ),
            (state @ (DatabaseState::Restoring | DatabaseState::Offline), true) => format!(
                "what was restored or mirrored on the {role} is {state}: the backup has all of it, and the next failback writes over it (where log shipping was set up before, it asks for --override old-database-unreadable=REASON)"
            ),
            (DatabaseState::Offline, false) => format!(
                "the {role}'s chat database is OFFLINE, and not what this run restored: the next failback asks for --override old-database-unreadable=REASON before it writes over it"
            ),
            (state, _) => format!("the {role}'s chat database is {state}"),
        }))
    }
}
