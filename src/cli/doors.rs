//! The doors of the real site, made of what its site file says.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;

use super::error::refused;
use super::runs::note;
use crate::access::files::Files;
use crate::access::patient::Patient;
use crate::access::powershell::{PowerShellDoor, Process};
use crate::access::secret::password_of;
use crate::access::sql::SqlDoor;
use crate::access::{Access, Clock};
use crate::model::Instance;
use crate::site::{Auth, Secret, Site};

/// What the doors are made of, before there is a runtime.
pub(super) struct Doors {
    sql: SqlDoor,
    powershell: PowerShellDoor,
    shares: Patient<Files>,
}

impl Doors {
    /// The doors. Call inside a runtime.
    pub(super) fn open(self) -> Access {
        Access {
            sql: Arc::new(self.sql),
            powershell: Arc::new(self.powershell),
            shares: Arc::new(self.shares),
            headers: Arc::default(),
            clock: Clock::wall(),
        }
    }
}

/// Gets the password and makes the live doors; connects to nothing. `ports` are those at which named
/// instances were last seen.
pub(super) fn doors(site: &Site, ports: BTreeMap<Instance, u16>) -> anyhow::Result<Doors> {
    let password = password_of(&site.sql.auth, |user| {
        if !io::stdin().is_terminal() {
            return Err(io::Error::other("standard input is no terminal"));
        }
        rpassword::prompt_password(format!("password of {user}: "))
    })
    .map_err(|error| {
        refused(
            "the password of `[sql.auth]`",
            &error.to_string(),
            error.hint(),
        )
    })?;
    if let Auth::Sql { password, .. } | Auth::Windows { password, .. } = &site.sql.auth
        && let Secret::File(path) = password
        && is_open(path)
    {
        note()(&format!(
            "others may read the password file `{}`: leave it to the operator alone, as with chmod 600",
            path.display()
        ));
    }
    let sql = SqlDoor::live(site, password, ports).map_err(|error| {
        refused(
            "the sign-in of `[sql.auth]`",
            &error.to_string(),
            error.hint(),
        )
    })?;
    let mut process = Process::new(
        site.powershell.program.clone(),
        site.powershell.arguments.clone(),
    );
    if let Auth::Sql {
        password: Secret::Env(variable),
        ..
    } = &site.sql.auth
    {
        process = process.hiding(variable);
    }
    let nonce = getrandom::u64().map_err(|error| {
        refused(
            "a random number",
            &error.to_string(),
            "see the system's random source",
        )
    })?;
    let execution = getrandom::u64().map_err(|error| {
        refused(
            "a random number",
            &error.to_string(),
            "see the system's random source",
        )
    })?;
    Ok(Doors {
        sql: sql.of_execution(execution),
        shares: Patient::new(Files, &site.limits),
        powershell: PowerShellDoor::new(
            Arc::new(process),
            &site.powershell.module,
            site.limits.powershell,
            nonce,
        ),
    })
}

/// Whether others than its owner may read a file, where its mode says so.
#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = std::fs::metadata(path).map(|it| it.permissions().mode());
    mode.is_ok_and(|mode| mode & 0o044 != 0)
}

/// Windows has lists of rights instead, which are not read.
#[cfg(not(unix))]
fn is_open(_: &Path) -> bool {
    false
}
