//! Undoes `close-database`: what was closed serves again, unless anything could be written in the second
//! data center; unknown is never "no" (`design.md` 3, rule 2).

use serde::Serialize;

use super::Side;
use crate::model::states::DatabaseState;
use crate::model::{Instance, Remedy, Role, quote};
use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::Command;
use crate::step::failback::install_primary_mirror::PRIMARY_SIDE;
use crate::step::failover::install_mirror::installs;
use crate::step::lost::roles;
use crate::step::next::Next;
use crate::step::observe::Observed;
use crate::step::observe::instance::Presence;
use crate::step::shared::address;
use crate::step::undo::Back;
use crate::step::{Block, Context, Standing};

/// What is looked at.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Facts {
    sides: Vec<Side>,
    /// The second data center.
    others: Vec<Side>,
    /// What sets the mirror up again.
    mirror: Option<String>,
}

impl Back for Facts {
    /// The instance that it goes to.
    type Key = Role;

    fn commands(site: &Site) -> Vec<(Role, Command)> {
        let database = quote::identifier(site.database.chat.as_str());
        roles(site)
            .map(|role| {
                let text = format!("ALTER DATABASE {database} SET ONLINE;");
                Command::tsql(role, &address(site, role), text, Vec::new())
                    .when(format!("the {role}'s chat database is OFFLINE, and nothing of the second data center is writable or could become so"))
                    .keyed(role)
            })
            .collect()
    }

    async fn observe(cx: Context<'_>, _before: Option<&Before>) -> Self {
        let (mut sides, mut others) = (Vec::new(), Vec::new());
        for role in Role::ALL {
            if !cx.access.sql.has(Instance::chat(role)) {
                continue;
            }
            let side = Side::look(cx, role).await;
            match role {
                Role::Primary | Role::PrimaryMirror => sides.push(side),
                Role::Backup | Role::BackupMirror => others.push(side),
            }
        }
        let has_mirror = cx.site.chat(Role::PrimaryMirror).is_some();
        let over = installs(cx.site, &PRIMARY_SIDE, false).pop();
        Self {
            sides,
            others,
            mirror: over
                .filter(|_| has_mirror)
                .map(|(_, command)| command.sample),
        }
    }

    fn next(&self) -> Result<Next<Role>, Standing> {
        for side in &self.sides {
            if let Some(why) = side.database.unknown() {
                let about = format!("the chat database of the {}", side.role);
                return Err(Standing::unknown(why.about(about)));
            }
        }
        let is = |state| {
            let mut sides = self.sides.iter();
            sides.find(move |side| side.is(|row| row.state == state))
        };
        if let Some(side) = is(DatabaseState::Recovering) {
            return Ok(Next::Wait(format!("recovery runs on the {}", side.role)));
        }
        let serving = self.sides.iter().find(|side| side.serves.is_some());
        if let (Some(side), None) = (is(DatabaseState::Offline), serving) {
            let role = side.role;
            self.nothing_else_is_writable()?;
            let what = format!("bring the {role}'s chat database ONLINE");
            return Ok(Next::sql(Instance::chat(role), role, what));
        }
        let mut words = match serving {
            Some(side) => format!("the {}'s chat database serves", side.role),
            None => "nothing of it was closed".to_owned(),
        };
        let lost = |side: &Side| {
            side.role == Role::PrimaryMirror
                && side.is(|row| row.state == DatabaseState::Restoring && row.mirroring.is_none())
        };
        if let Some(install) = &self.mirror
            && self.sides.iter().any(lost)
        {
            words = format!("{words}; it is not mirrored any more: `{install}` sets that up again");
        }
        Ok(Next::Nothing(words))
    }
}

impl Facts {
    fn nothing_else_is_writable(&self) -> Result<(), Standing> {
        let mut blocks = Vec::new();
        for other in &self.others {
            let role = other.role;
            let unknown = |why: &crate::model::Problem| {
                let about = format!("whether the chat database of the {role} can be written to");
                Err(Standing::unknown(why.about(about)))
            };
            let row = match (&other.presence, &other.database) {
                (Presence::Lives(why) | Presence::Unseen(why), _)
                | (Presence::Answers(_), Observed::Unknown(why)) => return unknown(why),
                (Presence::Dead(_), _) | (Presence::Answers(_), Observed::Absent) => continue,
                (Presence::Answers(_), Observed::Seen(row)) => row,
            };
            let rests = matches!(row.state, DatabaseState::Restoring | DatabaseState::Offline)
                && row.mirroring.is_none();
            if !rests {
                blocks.push(Block::site(
                    "two-writable",
                    format!(
                        "the {role}'s chat database is {}: there would be two writable ones",
                        row.state
                    ),
                    vec![
                        Remedy::to_do("leave it closed, and go on with the fence"),
                        Remedy::Command("pchadr fence --resume".into()),
                    ],
                ));
            }
        }
        if blocks.is_empty() {
            Ok(())
        } else {
            Err(Standing::Blocked { blocks })
        }
    }
}
