//! Field by field: what is there against what was saved.

use super::Facts;
use super::wanted::remote_monitor;
use crate::model::Role;
use crate::step::observe::log_shipping::{Primary, Secondary};
use crate::step::{Block, Step};

/// Rows under the same names that are another configuration's.
pub(super) fn foreign_rows(facts: &Facts) -> Vec<Block> {
    let Some(wanted) = &facts.wanted else {
        return Vec::new();
    };
    let foreign = |what: String| {
        Block::site(
            "foreign-rows",
            what,
            "see sp_help_log_shipping_primary_database and sp_help_log_shipping_secondary_primary there; remove the configuration that is out of use",
        )
    };
    let mut blocks = Vec::new();
    for role in [Role::Primary, Role::PrimaryMirror] {
        let rows = facts.half(role).and_then(|half| half.rows.seen());
        let own = facts.server_name(role).unwrap_or_default();
        if let Some(row) = rows.and_then(|rows| rows.first()) {
            let differing = primary_differs(row, &wanted.half(role).row, own);
            if !differing.is_empty() {
                let mut block = foreign(format!(
                    "the {role} has log shipping of the chat database with another {}",
                    differing.join(", ")
                ));
                if !facts.started {
                    block = block.cleared_by(Step::RetireOldPrimary);
                }
                blocks.push(block);
            }
        }
    }
    let own = facts.server_name(Role::Backup).unwrap_or_default();
    for row in facts.secondary.seen().into_iter().flatten() {
        let differing = secondary_differs(row, &wanted.backup.row, own);
        if !differing.is_empty() {
            blocks.push(foreign(format!(
                "the backup has log shipping from {} with another {}",
                row.primary_server,
                differing.join(", ")
            )));
        }
    }
    blocks
}

/// A folder, comparable.
pub(super) fn path(text: &str) -> String {
    text.trim_end_matches(['\\', '/']).to_lowercase()
}

/// Names of the fields that differ.
fn primary_differs(row: &Primary, wanted: &Primary, own: &str) -> Vec<&'static str> {
    let share = |row: &Primary| path(row.share.as_ref().unwrap_or(&row.directory));
    let monitor = |row: &Primary| remote_monitor(row.monitor.as_ref(), own).map(str::to_lowercase);
    [
        (
            "backup_directory",
            path(&row.directory) == path(&wanted.directory),
        ),
        ("backup_share", share(row) == share(wanted)),
        ("backup_retention_period", row.retention == wanted.retention),
        ("backup_compression", row.compression == wanted.compression),
        ("monitor_server", monitor(row) == monitor(wanted)),
        (
            "backup_threshold",
            row.backup_threshold == wanted.backup_threshold,
        ),
        (
            "threshold_alert_enabled",
            row.alert_enabled == wanted.alert_enabled,
        ),
        (
            "history_retention_period",
            row.history_retention == wanted.history_retention,
        ),
    ]
    .into_iter()
    .filter_map(|(name, same)| (!same).then_some(name))
    .collect()
}

/// Names of the fields that differ; a row without its database yet has no fields of the database.
fn secondary_differs(row: &Secondary, wanted: &Secondary, own: &str) -> Vec<&'static str> {
    let same_text = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
    let monitor =
        |row: &Secondary| remote_monitor(row.monitor.as_ref(), own).map(str::to_lowercase);
    let mut fields = vec![
        (
            "primary_server",
            same_text(&row.primary_server, &wanted.primary_server),
        ),
        (
            "primary_database",
            same_text(&row.primary_database, &wanted.primary_database),
        ),
        (
            "backup_source_directory",
            path(&row.source) == path(&wanted.source),
        ),
        (
            "backup_destination_directory",
            path(&row.destination) == path(&wanted.destination),
        ),
        (
            "file_retention_period",
            row.file_retention == wanted.file_retention,
        ),
        ("monitor_server", monitor(row) == monitor(wanted)),
    ];
    if let Some(database) = &row.database {
        let wanted_database = wanted.database.as_deref().unwrap_or_default();
        fields.extend([
            ("secondary_database", same_text(database, wanted_database)),
            ("restore_delay", row.restore_delay == wanted.restore_delay),
            ("restore_all", row.restore_all == wanted.restore_all),
            ("restore_mode", row.standby_mode == wanted.standby_mode),
            (
                "disconnect_users",
                row.disconnect_users == wanted.disconnect_users,
            ),
            (
                "restore_threshold",
                row.restore_threshold == wanted.restore_threshold,
            ),
            (
                "threshold_alert_enabled",
                row.alert_enabled == wanted.alert_enabled,
            ),
            (
                "history_retention_period",
                row.history_retention == wanted.history_retention,
            ),
        ]);
    }
    fields
        .into_iter()
        .filter_map(|(name, same)| (!same).then_some(name))
        .collect()
}
