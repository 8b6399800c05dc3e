//! Undoes `install-primary-mirror`: the mirroring of the primary side's chat database is removed,
//! wherever its principal is now. The other partner keeps its copy RESTORING (`sql-server.md` 5).

use serde::Serialize;

use crate::model::states::DatabaseState;
use crate::model::{Instance, Problem, Role, quote};
use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::Command;
use crate::step::compliance_mirror::{self as compliance, Compliance};
use crate::step::failback::install_primary_mirror::PRIMARY_SIDE;
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
    compliance: Option<Compliance>,
}

/// The chat instances of the first data center that a site has.
pub(in crate::step) fn roles(site: &Site) -> impl Iterator<Item = Role> {
    let both = [Role::Primary, Role::PrimaryMirror].into_iter();
    both.filter(|role| site.chat(*role).is_some())
}

/// True for a database of the second data center that is open: nothing is left to lift of the fence,
/// and a primary side that is lost for good must not keep chat down.
pub(in crate::step) fn serves_alone(backup: &Observed<Database>) -> bool {
    backup.seen().is_some_and(Database::serves)
}

/// What is said of an instance that is then left alone.
pub(in crate::step) fn not_asked(role: Role, why: &Problem) -> String {
    format!(
        "the {role} cannot be asked ({why}): when it is back, see first that its chat database is not ONLINE, for the backup's serves"
    )
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
        Self {
            sides,
            backup_serves: serves_alone(
                &database(cx.access, Instance::chat(Role::Backup), name).await,
            ),
            compliance: compliance::look(cx, &PRIMARY_SIDE).await,
        }
    }

    fn next(&self) -> Result<Next<Role>, Standing> {
        for (role, seen) in &self.sides {
            if let Some(why) = seen.unknown().filter(|_| !self.backup_serves) {
                return Err(Standing::unknown(why.about(format!("the {role}"))));
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
