//! ALTER DATABASE, ALTER AUTHORIZATION, ALTER USER, DROP DATABASE, KILL (`sql-server.md` 3, 5).

use super::batch::{Batch, Failure};
use crate::model::states::DatabaseState;
use crate::rehearsal::message::message;
use crate::rehearsal::tsql::{Setting, Statement};
use crate::rehearsal::value::ServerError;
use crate::rehearsal::world::database::UserAccess;
use crate::rehearsal::world::instance::{Process, SqlInstance};

impl Batch<'_> {
    pub(super) fn alter(&mut self, statement: &Statement) -> Result<(), Failure> {
        match statement {
            Statement::AlterDatabase {
                database,
                setting,
                rollback,
            } => self
                .set(database, *setting, *rollback)
                .map_err(|error| match error.number {
                    // A mirroring option that fails has no 5069 behind it.
                    1416 | 1422 | 226 => vec![error],
                    _ => vec![error, message(5069, &[])],
                }),
            Statement::AlterAuthorization { database, login } => self.with_server(|server| {
                let known = known_login(server, login)?;
                let Some(found) = server.database_mut(database) else {
                    return Err(message(15151, &["database", database]));
                };
                if !found.serves() {
                    return Err(message(15151, &["database", database]));
                }
                found.owner = Some(known);
                Ok(())
            }),
            Statement::AlterUser { user, login } => self.with_server(|server| {
                let known = known_login(server, login)?;
                let spid = self.spid;
                let current = server
                    .processes
                    .get(&spid)
                    .map(|p| p.database.clone())
                    .unwrap_or_default();
                let found = server.database_mut(&current).and_then(|d| {
                    d.users
                        .iter_mut()
                        .find(|u| u.name.eq_ignore_ascii_case(user))
                });
                let Some(found) = found else {
                    return Err(message(15151, &["user", user]));
                };
                found.sid = SqlInstance::sid(&known);
                Ok(())
            }),
            Statement::DropDatabase(name) => self.with_server(|server| {
                let Some(database) = server.database(name) else {
                    return Err(message(3701, &[name]));
                };
                if database.mirroring.is_some() {
                    return Err(message(3743, &[name]));
                }
                if database.id <= 4 || !server.users_of(name, 0).is_empty() {
                    return Err(message(3702, &[name]));
                }
                server.databases.retain(|d| !d.is(name));
                Ok(())
            }),
            _ => Ok(()),
        }
    }

    fn set(&mut self, name: &str, setting: Setting, rollback: bool) -> Result<(), ServerError> {
        let (instance, spid, now) = (self.instance, self.spid, self.world.now());
        self.world.with(|state| {
            let server = state.instance(instance)?;
            if server
                .processes
                .get(&spid)
                .is_some_and(|p| p.transactions > 0)
            {
                return Err(message(226, &["ALTER DATABASE"]));
            }
            let Some(database) = server.database(name) else {
                return Err(message(5011, &[name]));
            };
            let name = database.name.clone();
            let held = database.state;
            match setting {
                Setting::PartnerOff => {
                    return if state.partner_off(instance, &name) {
                        Ok(())
                    } else {
                        Err(message(1416, &[&name]))
                    };
                }
                Setting::PartnerFailover => {
                    return state
                        .partner_failover(instance, &name)
                        .map_err(|number| message(number, &[&name]));
                }
                Setting::PartnerForce => {
                    return state
                        .partner_force(instance, &name)
                        .map_err(|number| message(number, &[&name]));
                }
                _ => {}
            }
            if setting == Setting::Online && held == DatabaseState::Offline {
                if let Some(database) = server.database_mut(&name) {
                    database.state = DatabaseState::Online;
                }
                return Ok(());
            }
            // SET is refused for a RESTORING database (`sql-server.md` 3.1).
            if held != DatabaseState::Online {
                return Err(message(5052, &[&held.to_string()]));
            }
            if database.mirroring.is_some()
                && matches!(
                    setting,
                    Setting::SingleUser
                        | Setting::Offline
                        | Setting::Broker(_)
                        | Setting::Recovery(_)
                )
            {
                return Err(message(1468, &[&name]));
            }
            let thrown_out = alone_if_needed(server, &name, spid, setting, rollback)?;
            if let Some(database) = server.database_mut(&name) {
                match setting {
                    Setting::MultiUser => database.access = UserAccess::Multi,
                    Setting::SingleUser => database.access = UserAccess::Single,
                    Setting::RestrictedUser => database.access = UserAccess::Restricted,
                    Setting::Offline => database.state = DatabaseState::Offline,
                    Setting::Trustworthy(on) => database.trustworthy = on,
                    Setting::Broker(on) => database.broker = on,
                    Setting::Recovery(model) => database.model = i64::from(model),
                    Setting::Online
                    | Setting::PartnerOff
                    | Setting::PartnerFailover
                    | Setting::PartnerForce => {}
                }
            }
            state.come_again(instance, &name, thrown_out, now);
            Ok(())
        })
    }

    /// KILL (`sql-server.md` 3.1). Errors: 6101, 6104, 6106, 6107, 6115, 6120.
    pub(super) fn kill(&mut self, session: i64, status_only: bool) -> Result<(), Failure> {
        let (own, instance, now) = (self.spid, self.instance, self.world.now());
        let ended = self.with_server(|server| {
            let shown = session.to_string();
            if !(1..=32_767).contains(&session) {
                return Err(message(6101, &[&shown]));
            }
            if server
                .processes
                .get(&own)
                .is_some_and(|p| p.transactions > 0)
            {
                return Err(message(6115, &[]));
            }
            if session == own {
                return Err(message(6104, &[]));
            }
            if session <= 50 {
                return Err(message(6107, &[]));
            }
            if !server.processes.contains_key(&session) {
                return Err(message(6106, &[&shown]));
            }
            if status_only {
                return Err(message(6120, &[&shown]));
            }
            let ended = server.processes.get(&session).cloned();
            server.kill(session);
            Ok(ended)
        })?;
        self.world.with(|state| {
            if let Some(process) = ended {
                let database = process.database.clone();
                state.come_again(instance, &database, vec![process], now);
            }
        });
        Ok(())
    }
}

fn known_login(server: &SqlInstance, login: &str) -> Result<String, ServerError> {
    server
        .logins
        .iter()
        .find(|l| l.eq_ignore_ascii_case(login))
        .cloned()
        .ok_or_else(|| message(15151, &["principal", login]))
}

/// For an option that needs the database alone: throws the others out, whom it gives, or refuses (5064,
/// 5070). Who holds the single slot is not thrown out (`sql-server.md` 2.5).
fn alone_if_needed(
    server: &mut SqlInstance,
    name: &str,
    spid: i64,
    setting: Setting,
    rollback: bool,
) -> Result<Vec<Process>, ServerError> {
    let others = server.users_of(name, spid);
    let single = server
        .database(name)
        .is_some_and(|d| d.access == UserAccess::Single);
    if others.is_empty() {
        return Ok(Vec::new());
    }
    if single {
        return Err(message(5064, &[name]));
    }
    let needs = matches!(
        setting,
        Setting::SingleUser | Setting::Offline | Setting::RestrictedUser | Setting::Broker(_)
    );
    if !needs {
        return Ok(Vec::new());
    }
    if !rollback {
        return Err(message(5070, &[name]));
    }
    let mut thrown_out = Vec::new();
    for other in others {
        thrown_out.extend(server.processes.get(&other).cloned());
        server.kill(other);
        // Thrown out at once: the statement returns when they are gone.
        server.end(other);
    }
    Ok(thrown_out)
}
