//! The SQL Server door over pipes: to a tiny instance that misbehaves as told, and to a simulated one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod lock;
mod reading;
mod simulated;
mod toy;
mod watching;

use std::time::Duration;

use pchadr::access::sql::DoorLimits;
use pchadr::model::{Instance, Role};

const BACKUP: Instance = Instance::chat(Role::Backup);

const SECOND: Duration = Duration::from_secs(1);

/// The limits of a site file that names none.
fn limits() -> DoorLimits {
    DoorLimits {
        connect: 5 * SECOND,
        login: 15 * SECOND,
        query: 60 * SECOND,
    }
}
