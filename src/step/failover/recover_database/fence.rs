//! What an operator does to a primary side that lives, spelled for pasting.

use jiff::Timestamp;
use serde::Serialize;

use super::primary::PrimarySide;
use crate::model::quote::{identifier, literal, powershell};
use crate::model::{DatabaseName, Fqdn, Remedy, SqlServer};
use crate::site::Site;

/// What the words need of the site.
#[derive(Debug, Serialize)]
pub(super) struct Fence {
    pub pool: Fqdn,
    pub database: DatabaseName,
    /// Where the tail of a primary that serves would go: a new file.
    pub tail: String,
}

impl Fence {
    pub(super) fn of(site: &Site, now: Timestamp) -> Self {
        let database = site.database.chat.clone();
        let tail = format!("{database}_tail_{}.trn", now.strftime("%Y%m%d%H%M%S"));
        Self {
            pool: site.pool.fqdn.clone(),
            database,
            tail: site.shares.backup.join(&tail),
        }
    }
}

/// Silences an instance that does not show whether it serves: its service, its power, its port.
pub(super) fn silence(side: &PrimarySide) -> Vec<Remedy> {
    let server = &side.server;
    let host = &server.host;
    let mut remedies = match (service(server), server.port) {
        (Some(service), _) => vec![
            Remedy::to_do(format!(
                "silence it: on {host} stop its service, in PowerShell as an administrator"
            )),
            Remedy::Statement(format!("Stop-Service -Force -Name {service}").into()),
        ],
        (None, port) => vec![Remedy::to_do(format!(
            "silence it: on {host} stop the SQL Server service that listens on port {}: SQL Server \
             Configuration Manager shows which one does, under TCP/IP",
            port.unwrap_or(DEFAULT_PORT)
        ))],
    };
    remedies.push(Remedy::to_do(format!(
        "or power {host} off, or block its port there"
    )));
    remedies.push(match server.port {
        Some(port) => Remedy::Statement(
            format!(
                "New-NetFirewallRule -DisplayName 'pchadr fence' -Direction Inbound -Action Block -Protocol TCP -LocalPort {port}"
            )
            .into(),
        ),
        None if server.instance.is_none() => Remedy::Statement(
            "New-NetFirewallRule -DisplayName 'pchadr fence' -Direction Inbound -Action Block -Protocol TCP -LocalPort 1433".into(),
        ),
        None => Remedy::to_do(
            "(its number stands in SQL Server Configuration Manager under TCP/IP, and in its error log)",
        ),
    });
    remedies
}

/// Where the default instance listens, if nobody changed that.
const DEFAULT_PORT: u16 = 1433;

/// Name of an instance's Windows service (`sql-server.md` 7); `None` where only a port is known that any
/// instance may have.
fn service(server: &SqlServer) -> Option<String> {
    match (&server.instance, server.port) {
        (Some(name), _) => Some(powershell(&format!("MSSQL${name}"))),
        (None, None | Some(DEFAULT_PORT)) => Some("MSSQLSERVER".to_owned()),
        (None, Some(_)) => None,
    }
}

/// The tail of a primary that serves: mirrored, it refuses that until its mirroring is removed
/// (`steps.md` 6.8).
pub(super) fn tail(fence: &Fence, mirrored: bool) -> Vec<Remedy> {
    let name = fence.database.as_str();
    let mut remedies = Vec::new();
    if mirrored {
        let off = format!("ALTER DATABASE {} SET PARTNER OFF", identifier(name));
        remedies.push(Remedy::Statement(off.into()));
    }
    let backup = format!(
        "BACKUP LOG {} TO DISK = {} WITH CHECKSUM, NORECOVERY",
        identifier(name),
        literal(&fence.tail)
    );
    remedies.push(Remedy::Statement(backup.into()));
    remedies
}

/// Failing over inside the first data center, where only the mirror lives (`steps.md` 6.8,
/// `skype-powershell.md` 1.7).
pub(super) fn fail_over_inside(fence: &Fence) -> Vec<Remedy> {
    let command = format!(
        "Invoke-CsDatabaseFailover -PoolFqdn {} -DatabaseType PersistentChat -NewPrincipal Mirror -Force",
        fence.pool
    );
    vec![
        Remedy::to_do("fail over inside the first data center, in the management shell"),
        Remedy::Statement(command.into()),
    ]
}
