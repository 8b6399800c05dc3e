//! The steps of the failover, in the vendor's order (`steps.md` 3).

pub(super) use super::planned::{close_primary, stand_down, stop_backup_jobs, unmirror_primary};

pub(super) mod apply_logs;
pub(super) mod copy_backups;
pub(super) mod drop_log_shipping;
pub(super) mod end_connections;
pub(super) mod install_mirror;
pub(super) mod mirror_compliance;
pub(super) mod recover_database;
pub(super) mod save_log_shipping;
pub(super) mod set_active_servers;
pub(super) mod set_pool_state;
pub(super) mod start_log_backups;
pub(super) mod stop_log_shipping_jobs;
