//! Functions and variables that ask the server.

use super::View;
use super::server::DROP_SECONDARY;
use crate::model::states::DatabaseState;
use crate::rehearsal::value::{Datum, NAME, SqlType};
use crate::rehearsal::world::instance::SqlInstance;
use crate::rehearsal::world::utc;

fn argument(arguments: &[Datum], n: usize) -> Option<&str> {
    match arguments.get(n) {
        Some(Datum::Text(text)) => Some(text),
        _ => None,
    }
}

impl View<'_> {
    /// A function by its name in upper case; `None`: unknown.
    pub(super) fn call(&self, name: &str, arguments: &[Datum]) -> Option<(SqlType, Datum)> {
        let me = &self.me;
        Some(match name {
            "SERVERPROPERTY" => (
                SqlType::Variant,
                argument(arguments, 0).map_or(Datum::Null, |p| self.server_property(p)),
            ),
            "DATABASEPROPERTYEX" => (
                SqlType::Variant,
                match (argument(arguments, 0), argument(arguments, 1)) {
                    (Some(database), Some(property)) => self.database_property(database, property),
                    _ => Datum::Null,
                },
            ),
            "DB_ID" => {
                let name = match arguments {
                    [] => Some(me.database.as_str()),
                    _ => argument(arguments, 0),
                };
                let found = name.and_then(|n| self.instance.database(n));
                (SqlType::SmallInt, Datum::from(found.map(|d| d.id)))
            }
            "DB_NAME" => {
                let found = match arguments {
                    [] => self.instance.database(&me.database),
                    [Datum::Int(id), ..] => self.instance.databases.iter().find(|d| d.id == *id),
                    _ => None,
                };
                (NAME, Datum::from(found.map(|d| &d.name)))
            }
            "OBJECT_ID" => (
                SqlType::Int,
                argument(arguments, 0).map_or(Datum::Null, |name| self.object_id(name)),
            ),
            "SUSER_SNAME" | "SUSER_NAME" => {
                let found = match arguments {
                    [] => Some(me.login_name.clone()),
                    [Datum::Bytes(sid), ..] => self
                        .instance
                        .logins
                        .iter()
                        .find(|login| SqlInstance::sid(login) == *sid)
                        .cloned(),
                    _ => None,
                };
                (NAME, Datum::from(found))
            }
            "SUSER_SID" => {
                let login = argument(arguments, 0).unwrap_or(&me.login_name);
                (super::SID, Datum::Bytes(SqlInstance::sid(login)))
            }
            "ORIGINAL_LOGIN" => (NAME, Datum::from(&me.login_name)),
            "USER_NAME" | "SCHEMA_NAME" => (NAME, Datum::from("dbo")),
            "HOST_NAME" => (NAME, Datum::from(&me.host_name)),
            "APP_NAME" => (NAME, Datum::from(&me.program_name)),
            "IS_SRVROLEMEMBER" => {
                let role = argument(arguments, 0).map(str::to_lowercase);
                let value = match role.as_deref() {
                    Some("public") => Datum::from(1),
                    Some(
                        "sysadmin" | "serveradmin" | "securityadmin" | "processadmin"
                        | "setupadmin" | "bulkadmin" | "diskadmin" | "dbcreator",
                    ) => Datum::from(self.instance.sysadmin),
                    _ => Datum::Null,
                };
                (SqlType::Int, value)
            }
            "HAS_PERMS_BY_NAME" => {
                let permission = argument(arguments, 2).map(str::to_uppercase);
                let has = match permission.as_deref() {
                    Some("VIEW ANY DATABASE") => self.sees_databases(),
                    _ => self.instance.sysadmin,
                };
                (SqlType::Int, Datum::from(has))
            }
            "HAS_DBACCESS" => {
                let name = argument(arguments, 0)?;
                let open = super::open(self.instance, name, me.spid).is_ok();
                (SqlType::Int, Datum::from(open))
            }
            "GETDATE" | "GETUTCDATE" => (SqlType::DateTime, Datum::DateTime(utc(self.now))),
            "SYSUTCDATETIME" | "SYSDATETIME" => {
                (SqlType::DateTime2, Datum::DateTime(utc(self.now)))
            }
            "APPLOCK_MODE" => {
                let held = argument(arguments, 1).is_some_and(|resource| {
                    self.instance
                        .locks
                        .get(&(me.database.to_lowercase(), resource.to_owned()))
                        .is_some_and(|(spid, _)| *spid == me.spid)
                });
                (
                    SqlType::NVarChar(Some(32)),
                    Datum::from(if held { "Exclusive" } else { "NoLock" }),
                )
            }
            "APPLOCK_TEST" => {
                let free = argument(arguments, 1).is_none_or(|resource| {
                    self.instance
                        .locks
                        .get(&(me.database.to_lowercase(), resource.to_owned()))
                        .is_none_or(|(spid, _)| *spid == me.spid)
                });
                (SqlType::SmallInt, Datum::from(free))
            }
            _ => return None,
        })
    }

    fn object_id(&self, name: &str) -> Datum {
        let lower = name.to_lowercase().replace(['[', ']'], "");
        if lower.ends_with("sp_delete_log_shipping_secondary_database") {
            return Datum::from(DROP_SECONDARY);
        }
        let parts: Vec<&str> = lower.split('.').collect();
        let (database, object) = match parts.as_slice() {
            [database, _, object] => (*database, *object),
            [_, object] | [object] => (self.me.database.as_str(), *object),
            _ => return Datum::Null,
        };
        let there = self
            .instance
            .database(database)
            .filter(|d| d.state == DatabaseState::Online)
            .is_some_and(|d| {
                self.user_table(d, object).is_some()
                    || d.is("msdb") && self.msdb_table(object).is_some()
            });
        if there {
            let hash = object
                .bytes()
                .fold(17_i64, |h, b| (h * 31 + i64::from(b)) % 2_000_000_000);
            Datum::from(hash)
        } else {
            Datum::Null
        }
    }

    fn server_property(&self, property: &str) -> Datum {
        let server = self.instance;
        let (major, minor, build) = server.version;
        let machine = server.server_name.split('\\').next().unwrap_or_default();
        match property.to_lowercase().as_str() {
            "servername" => Datum::from(&server.server_name),
            "machinename" | "computernamephysicalnetbios" => Datum::from(machine),
            "instancename" => Datum::from(server.instance_name.as_ref()),
            "edition" => Datum::from("Standard Edition (64-bit)"),
            "editionid" => Datum::from(-1_534_726_760),
            "engineedition" => Datum::from(2),
            "productversion" => Datum::from(format!("{major}.{minor}.{build}.0")),
            "productmajorversion" => Datum::from(major.to_string()),
            "productlevel" => Datum::from("SP2"),
            "collation" => Datum::from(&server.collation),
            "isclustered" | "ishadrenabled" | "issingleuser" | "isintegratedsecurityonly" => {
                Datum::from(0)
            }
            "isfulltextinstalled" => Datum::from(0),
            "instancedefaultdatapath" => Datum::from("E:\\SQLData\\"),
            "instancedefaultlogpath" => Datum::from("E:\\SQLLog\\"),
            "processid" => Datum::from(4711),
            _ => Datum::Null,
        }
    }

    fn database_property(&self, name: &str, property: &str) -> Datum {
        let Some(database) = self.instance.database(name) else {
            return Datum::Null;
        };
        let online = database.state == DatabaseState::Online;
        match property.to_lowercase().as_str() {
            // May already say ONLINE before recovery is over (`sql-server.md` 4).
            "status" if database.state == DatabaseState::Recovering => Datum::from("ONLINE"),
            "status" => Datum::from(database.state.to_string()),
            "collation" if online => Datum::from(&self.instance.collation),
            "updateability" => Datum::from(if database.standby || !online {
                "READ_ONLY"
            } else {
                "READ_WRITE"
            }),
            "useraccess" => database.access.word().into(),
            "recovery" => database.model_word().into(),
            "isinstandby" => Datum::from(database.standby),
            "version" if online => Datum::from(database.version),
            _ => Datum::Null,
        }
    }

    /// `@@NAME`; `None`: unknown.
    pub(super) fn global(&self, name: &str) -> Option<(SqlType, Datum)> {
        let (major, minor, build) = self.instance.version;
        Some(match name {
            "@@SERVERNAME" => (NAME, Datum::from(self.instance.at_servername())),
            "@@SERVICENAME" => (
                NAME,
                Datum::from(
                    self.instance
                        .instance_name
                        .as_deref()
                        .unwrap_or("MSSQLSERVER"),
                ),
            ),
            "@@SPID" => (SqlType::SmallInt, Datum::from(self.me.spid)),
            "@@VERSION" => (
                SqlType::NVarChar(Some(300)),
                Datum::from(format!(
                    "Microsoft SQL Server 2016 (simulated) - {major}.{minor}.{build}.0 (X64)"
                )),
            ),
            "@@MICROSOFTVERSION" => (
                SqlType::Int,
                Datum::from((i64::from(major) << 24) + (i64::from(minor) << 16) + i64::from(build)),
            ),
            "@@TRANCOUNT" => (SqlType::Int, Datum::from(self.me.transactions)),
            "@@ROWCOUNT" => (SqlType::Int, Datum::from(self.rows)),
            "@@ERROR" => (SqlType::Int, Datum::from(self.error)),
            "@@MAX_PRECISION" => (SqlType::TinyInt, Datum::from(38)),
            "@@LOCK_TIMEOUT" | "@@TEXTSIZE" => (SqlType::Int, Datum::from(-1)),
            "@@LANGUAGE" if self.me.german => (NAME, Datum::from("Deutsch")),
            "@@LANGUAGE" => (NAME, Datum::from("us_english")),
            "@@LANGID" => (SqlType::SmallInt, Datum::from(i64::from(self.me.german))),
            "@@DATEFIRST" => (SqlType::TinyInt, Datum::from(7)),
            "@@OPTIONS" => (SqlType::Int, Datum::from(5432)),
            _ => return None,
        })
    }
}
