//! Undoes `install-primary-mirror`: the mirroring of the primary side's chat database is removed,
//! wherever its principal is now. The other partner keeps its copy RESTORING (`sql-server.md` 5).

use serde::Serialize;

use crate::model::states::{DatabaseState, MirroringState};
use crate::model::{Instance, Role, quote};
use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::Command;
use crate::step::compliance_mirror::{self as compliance, Compliance};
use crate::step::failback::install_primary_mirror::PRIMARY_SIDE;
use crate::step::lost::{Lost, not_asked, roles, serves_alone};
use crate::step::next::Next;
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::shared::{address, is_principal};
use crate::step::undo::Back;
use crate::step::{Context, Standing};

/// Both partners.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Facts {
    sides: Vec<(Role, Observed<Database>)>,
    /// The backup serves by itself: somebody opened it.
    backup_serves: bool,
    lost: Lost,
    compliance: Option<Compliance>,
}

/// True for a partner that hears its other one (`steps.md` 6.8).
fn is_in_touch(database: &Database) -> bool {
    let state = database.mirroring.as_ref().and_then(|it| it.state);
    state.is_some_and(|state| match state {
        MirroringState::Synchronizing
        | MirroringState::Synchronized
        | MirroringState::PendingFailover => true,
        MirroringState::Suspended
        | MirroringState::Disconnected
        | MirroringState::Unsynchronized => false,
    })
}

impl Back for Facts {
    /// The instance that it goes to.
    type Key = Role;

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        let database = quote::identifier(site.database.chat.as_str());
        roles(site)
            .map(|role| {
                let text = format!("ALTER DATABASE {database} SET PARTNER OFF;");
                Command::tsql(role, &address(site, role), text, Vec::new())
                    .when(format!(
                        "the {role} is the principal, or knows a partner that does not know it"
                    ))
                    .keyed(role)
            })
            .collect()
    }

    async fn observe(cx: Context<'_>, _before: Option<&Before>) -> Self {
        let name = &cx.site.database.chat;
        let mut sides = Vec::new();
        for role in roles(cx.site) {
            let at = Instance::chat(role);
            sides.push((role, database(cx.access, at, name).await));
        }
        let silent = sides.iter().filter(|(_, seen)| seen.unknown().is_some());
        let mut lost = Lost::look(cx, silent.map(|(role, _)| *role).collect()).await;
        for (role, seen) in &sides {
            if seen.seen().is_some_and(is_in_touch) {
                lost.is_in_touch(match role {
                    Role::Primary => Role::PrimaryMirror,
                    Role::PrimaryMirror | Role::Backup | Role::BackupMirror => Role::Primary,
                });
            }
        }
        Self {
            lost,
            sides,
            backup_serves: serves_alone(
                &database(cx.access, Instance::chat(Role::Backup), name).await,
            ),
            compliance: compliance::look(cx, &PRIMARY_SIDE).await,
        }
    }

    fn next(&self) -> Result<Next<Role>, Standing> {
        for (role, seen) in &self.sides {
            let waits = !self.backup_serves && !self.lost.has(*role);
            if let Some(why) = seen.unknown().filter(|_| waits) {
                return Err(self.lost.standing(*role, why));
            }
        }
        let at = |is: &dyn Fn(&Database) -> bool| {
            let mut sides = self.sides.iter();
            sides.position(|(_, seen)| seen.seen().is_some_and(is))
        };
        // The principal first: it tells its partner.
        if let Some(at) = at(&is_principal).or(at(&|row| row.mirroring.is_some())) {
            let role = self.sides[at].0;
            let what = format!("remove the mirroring of the {role}'s chat database");
            return Ok(Next::sql(Instance::chat(role), role, what));
        }
        let mut words = "the primary side's chat database is not mirrored".to_owned();
        for (role, seen) in &self.sides {
            if let Some(why) = seen.unknown() {
                words = format!("{words}, as far as is seen; {}", not_asked(*role, why));
            }
            let left = seen.seen().map(|row| row.state) == Some(DatabaseState::Restoring);
            if left && *role == Role::PrimaryMirror {
                words.push_str("; the primary mirror keeps its copy, RESTORING");
            }
        }
        if self
            .compliance
            .as_ref()
            .is_some_and(Compliance::is_mirrored)
        {
            words.push_str("; the mirror of the compliance database stays: it is wanted again, and serves nobody");
        }
        Ok(Next::Nothing(words))
    }
}
