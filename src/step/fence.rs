//! The steps of the fence: what came back in the first data center is closed (`design.md` 4, 8).

pub(super) mod close_database;
pub(super) mod disable_backup_jobs;
mod survivor;
