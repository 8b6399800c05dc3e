//! Why log shipping must not be set up.

use super::Facts;
use super::compare::foreign_rows;
use crate::model::Role;
use crate::model::states::DatabaseState;
use crate::step::shared::not_restored;
use crate::step::{Block, Step};

/// Every reason at once.
pub(super) fn blocks(facts: &Facts) -> Vec<Block> {
    let mut blocks = Vec::new();
    if facts.wanted.is_none()
        && facts.halves.iter().all(|half| {
            half.identity
                .seen()
                .is_some_and(|it| it.at_servername.is_some())
        })
    {
        blocks.push(if facts.unreadable.is_empty() {
            Block::site(
            "nothing-saved",
            "the log-shipping configuration of the backup was not saved: its folders, jobs and schedules are not known",
            "name the log-shipping.json of the failover's run as `[log_shipping] saved`",
        )
        } else {
            Block::site(
                "saved-unreadable",
                format!(
                    "the log-shipping configuration of the backup was saved, but {}",
                    facts.unreadable.join("; ")
                ),
                "put back a copy that can be read, or name one as `[log_shipping] saved`",
            )
        });
    }
    for half in &facts.halves {
        let role = half.role;
        if let Some(identity) = half.identity.seen()
            && !identity.name_is_sound()
        {
            blocks.push(Block::site(
                "server-name",
                format!(
                    "@@SERVERNAME of the {role} is {}, its server is {}: log-shipping rows join on that name",
                    identity.at_servername.as_deref().unwrap_or("NULL"),
                    identity.server_name
                ),
                "sp_dropserver, sp_addserver … 'local' there, restart it",
            ));
        }
        if half.agent == Some(false) {
            blocks.push(Block::site(
                "agent-stopped",
                format!(
                    "the SQL Server Agent of the {role}{} does not run",
                    half.agent_account
                        .as_ref()
                        .map_or_else(String::new, |account| format!(" ({account})"))
                ),
                "start it, and let it start by itself",
            ));
        }
    }
    if let Some(wanted) = &facts.wanted {
        let sql_login = [&wanted.primary.row, &wanted.primary_mirror.row]
            .into_iter()
            .any(|row| row.monitor_security == Some(0))
            || wanted.backup.row.monitor_security == Some(0);
        if sql_login {
            blocks.push(Block::site(
                "monitor-login",
                "the saved configuration has a monitor server with a SQL login, whose password is not known",
                "have the monitor take Windows sign-in, or edit monitor_security in a copy of the saved configuration and name it as `[log_shipping] saved`",
            ));
        }
    }
    let primary = facts.half(Role::Primary);
    if let Some(half) = primary {
        blocks.extend(not_restored(&facts.restored, &half.database));
        if facts.half(Role::PrimaryMirror).is_some()
            && half
                .database
                .seen()
                .is_some_and(|row| row.mirroring.is_none())
        {
            blocks.push(
                Block::site(
                    "primary-not-mirrored",
                    "the primary's chat database has no mirror, and log shipping has a half for it",
                    "run `install-primary-mirror` first",
                )
                .cleared_by(Step::InstallPrimaryMirror),
            );
        }
    }
    if let Some(row) = facts
        .half(Role::Backup)
        .and_then(|half| half.database.seen())
        && (row.state != DatabaseState::Restoring || row.mirroring.is_some())
        && !row.standby
    {
        blocks.push(
            Block::site(
                "backup-not-closed",
                "the backup's chat database is not RESTORING: what it holds would be written over",
                "run `fence-backup` first",
            )
            .cleared_by(Step::FenceBackup),
        );
    }
    blocks.extend(foreign_rows(facts));
    blocks
}
