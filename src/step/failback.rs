//! The steps of the failback, and what undoes them (`steps.md` 4).

pub(super) mod back_up_database;
pub(super) mod clear_active_servers;
pub(super) mod configure_log_shipping;
pub(super) mod fence_backup;
pub(super) mod install_primary_mirror;
pub(super) mod prove_share;
pub(super) mod remove_mirroring;
pub(super) mod restore_database;
pub(super) mod retire_old_primary;
pub(super) mod return_active_servers;
pub(super) mod return_pool_state;
pub(super) mod seed_primary;
pub(super) mod ship_log;
pub(super) mod stop_log_backups;
