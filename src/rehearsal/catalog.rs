//! The tables, functions and variables that a SELECT finds on a simulated instance.

mod databases;
mod functions;
mod jobs;
mod msdb;
mod server;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::message::message;
use super::select::Catalog;
use super::value::{Datum, Relation, ServerError, SqlType};
use super::world::State;
use super::world::database::{Database, Mirroring, UserAccess};
use super::world::instance::{Process, SqlInstance};
use crate::model::states::{DatabaseState, MirroringRole};

/// Variables of a batch: name, upper case -> type and value.
pub type Variables = BTreeMap<String, (SqlType, Datum)>;

/// What one session sees of its instance at one moment.
pub struct View<'a> {
    /// The whole world, locked.
    pub state: &'a State,
    /// The instance.
    pub instance: &'a SqlInstance,
    /// The session that asks.
    pub me: &'a Process,
    /// The moment.
    pub now: Timestamp,
    /// `@@ROWCOUNT`, `@@ERROR`.
    pub rows: i64,
    /// Likewise.
    pub error: i64,
    /// Variables of the batch.
    pub variables: &'a Variables,
}

impl Catalog for View<'_> {
    fn table(&self, name: &[String]) -> Option<Result<Relation, ServerError>> {
        let parts: Vec<String> = name.iter().map(|p| p.to_lowercase()).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let current = self.me.database.as_str();
        let (database, schema, object) = match parts.as_slice() {
            [object] => (current, "dbo", *object),
            [schema @ ("sys" | "dbo" | "information_schema"), object] => {
                (current, *schema, *object)
            }
            [database, object] | [database, "" | "dbo", object] => (*database, "dbo", *object),
            [database, schema, object] => (*database, *schema, *object),
            _ => return None,
        };
        if schema == "sys" {
            return self.system_view(database, object);
        }
        if let Err(error) = open(self.instance, database, self.me.spid) {
            return Some(Err(error));
        }
        let held = self.instance.database(database)?;
        if held.is("msdb") {
            return self.msdb_table(object).map(Ok);
        }
        self.user_table(held, object).map(Ok)
    }

    fn function(
        &self,
        name: &str,
        arguments: &[Datum],
    ) -> Option<Result<(SqlType, Datum), ServerError>> {
        self.call(name, arguments).map(Ok)
    }

    fn variable(&self, name: &str) -> Option<(SqlType, Datum)> {
        if let Some(found) = self.variables.get(name) {
            return Some(found.clone());
        }
        self.global(name)
    }
}

impl View<'_> {
    fn system_view(&self, database: &str, object: &str) -> Option<Result<Relation, ServerError>> {
        if object == "database_principals" {
            if let Err(error) = open(self.instance, database, self.me.spid) {
                return Some(Err(error));
            }
            let held = self.instance.database(database)?;
            return Some(Ok(databases::principals(held)));
        }
        self.database_view(object)
            .or_else(|| self.server_view(object))
            .map(Ok)
    }
}

/// Says why a session cannot open a database.
///
/// # Errors
/// 911, 927, 954, 922, 942, 945, 924 (`sql-server.md` 3.1, 4).
pub fn open(instance: &SqlInstance, name: &str, spid: i64) -> Result<(), ServerError> {
    let Some(database) = instance.database(name) else {
        return Err(message(911, &[name]));
    };
    let mirror = |m: &Mirroring| m.role == MirroringRole::Mirror;
    let number = match database.state {
        DatabaseState::Online => {
            let alone = database.access == UserAccess::Single;
            if !alone || instance.users_of(name, spid).is_empty() {
                return Ok(());
            }
            924
        }
        DatabaseState::Restoring if database.mirroring.as_ref().is_some_and(mirror) => 954,
        DatabaseState::Restoring => 927,
        DatabaseState::Recovering => 922,
        DatabaseState::Offline => 942,
        _ => 945,
    };
    Err(message(number, &[&database.name]))
}

const SHORT: SqlType = SqlType::NVarChar(Some(60));
const PATH: SqlType = SqlType::NVarChar(Some(500));
const SID: SqlType = SqlType::VarBinary(Some(85));
const CHAR: SqlType = SqlType::VarChar(Some(2));

/// Which fork a database began with, as `sys.database_recovery_status` shows it: nothing before it
/// is started.
fn started(database: &Database) -> bool {
    database.state == DatabaseState::Online
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
