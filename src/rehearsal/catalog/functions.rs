//! Functions and variables that ask the server.

use super::server::DROP_SECONDARY;
use super::{NAME, View, maybe, number, text};
use crate::model::states::DatabaseState;
use crate::rehearsal::value::{Datum, SqlType};
use crate::rehearsal::world::database::UserAccess;
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
                (SqlType::SmallInt, maybe(found, |d| number(d.id)))
            }
            "DB_NAME" => {
                let found = match arguments {
                    [] => self.instance.database(&me.database),
                    [Datum::Int(id), ..] => self.instance.databases.iter().find(|d| d.id == *id),
                    _ => None,
                };
                (NAME, maybe(found, |d| text(&d.name)))
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
                (NAME, maybe(found, text))
            }
            "SUSER_SID" => {
                let login = argument(arguments, 0).unwrap_or(&me.login_name);
                (super::SID, Datum::Bytes(SqlInstance::sid(login)))
            }
            "ORIGINAL_LOGIN" => (NAME, text(&me.login_name)),
            "USER_NAME" | "SCHEMA_NAME" => (NAME, text("dbo")),
            "HOST_NAME" => (NAME, text(&me.host_name)),
            "APP_NAME" => (NAME, text(&me.program_name)),
            "IS_SRVROLEMEMBER" => {
                let role = argument(arguments, 0).map(str::to_lowercase);
                let value = match role.as_deref() {
                    Some("public") => number(1),
                    Some(
                        "sysadmin" | "serveradmin" | "securityadmin" | "processadmin"
                        | "setupadmin" | "bulkadmin" | "diskadmin" | "dbcreator",
                    ) => number(i64::from(self.instance.sysadmin)),
                    _ => Datum::Null,
                };
                (SqlType::Int, value)
            }
            "HAS_PERMS_BY_NAME" => (SqlType::Int, number(i64::from(self.instance.sysadmin))),
            "HAS_DBACCESS" => {
                let name = argument(arguments, 0)?;
                let open = super::open(self.instance, name, me.spid).is_ok();
                (SqlType::Int, number(i64::from(open)))
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
                    text(if held { "Exclusive" } else { "NoLock" }),
                )
            }
            "APPLOCK_TEST" => {
                let free = argument(arguments, 1).is_none_or(|resource| {
                    self.instance
                        .locks
                        .get(&(me.database.to_lowercase(), resource.to_owned()))
                        .is_none_or(|(spid, _)| *spid == me.spid)
                });
                (SqlType::SmallInt, number(i64::from(free)))
            }
            _ => return None,
        })
    }

    fn object_id(&self, name: &str) -> Datum {
        let lower = name.to_lowercase().replace(['[', ']'], "");
        if lower.ends_with("sp_delete_log_shipping_secondary_database") {
            return number(DROP_SECONDARY);
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
            number(hash)
        } else {
            Datum::Null
        }
    }

    fn server_property(&self, property: &str) -> Datum {
        let server = self.instance;
        let (major, minor, build) = server.version;
        let machine = server.server_name.split('\\').next().unwrap_or_default();
        match property.to_lowercase().as_str() {
            "servername" => text(&server.server_name),
            "machinename" | "computernamephysicalnetbios" => text(machine),
            "instancename" => maybe(server.instance_name.as_ref(), text),
            "edition" => text("Standard Edition (64-bit)"),
            "editionid" => number(-1_534_726_760),
            "engineedition" => number(2),
            "productversion" => text(format!("{major}.{minor}.{build}.0")),
            "productmajorversion" => text(major.to_string()),
            "productlevel" => text("SP2"),
            "collation" => text(&server.collation),
            "isclustered" | "ishadrenabled" | "issingleuser" | "isintegratedsecurityonly" => {
                number(0)
            }
            "isfulltextinstalled" => number(0),
            "instancedefaultdatapath" => text("E:\\SQLData\\"),
            "instancedefaultlogpath" => text("E:\\SQLLog\\"),
            "processid" => number(4711),
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
            "status" if database.state == DatabaseState::Recovering => text("ONLINE"),
            "status" => text(database.state.to_string()),
            "collation" if online => text(&self.instance.collation),
            "updateability" => text(if database.standby || !online {
                "READ_ONLY"
            } else {
                "READ_WRITE"
            }),
            "useraccess" => text(match database.access {
                UserAccess::Multi => "MULTI_USER",
                UserAccess::Single => "SINGLE_USER",
                UserAccess::Restricted => "RESTRICTED_USER",
            }),
            "recovery" => text(match database.model {
                1 => "FULL",
                2 => "BULK_LOGGED",
                _ => "SIMPLE",
            }),
            "isinstandby" => number(i64::from(database.standby)),
            "version" if online => number(i64::from(database.version)),
            _ => Datum::Null,
        }
    }

    /// `@@NAME`; `None`: unknown.
    pub(super) fn global(&self, name: &str) -> Option<(SqlType, Datum)> {
        let (major, minor, build) = self.instance.version;
        Some(match name {
            "@@SERVERNAME" => (NAME, maybe(self.instance.at_servername(), text)),
            "@@SERVICENAME" => (
                NAME,
                text(
                    self.instance
                        .instance_name
                        .as_deref()
                        .unwrap_or("MSSQLSERVER"),
                ),
            ),
            "@@SPID" => (SqlType::SmallInt, number(self.me.spid)),
            "@@VERSION" => (
                SqlType::NVarChar(Some(300)),
                text(format!(
                    "Microsoft SQL Server 2016 (simulated) - {major}.{minor}.{build}.0 (X64)"
                )),
            ),
            "@@MICROSOFTVERSION" => (
                SqlType::Int,
                number((i64::from(major) << 24) + (i64::from(minor) << 16) + i64::from(build)),
            ),
            "@@TRANCOUNT" => (SqlType::Int, number(self.me.transactions)),
            "@@ROWCOUNT" => (SqlType::Int, number(self.rows)),
            "@@ERROR" => (SqlType::Int, number(self.error)),
            "@@MAX_PRECISION" => (SqlType::TinyInt, number(38)),
            "@@LOCK_TIMEOUT" | "@@TEXTSIZE" => (SqlType::Int, number(-1)),
            "@@LANGUAGE" => (NAME, text("us_english")),
            "@@LANGID" => (SqlType::SmallInt, number(0)),
            "@@DATEFIRST" => (SqlType::TinyInt, number(7)),
            "@@OPTIONS" => (SqlType::Int, number(5432)),
            _ => return None,
        })
    }
}
