//! The door over pipes to tiny servers, and over sockets to listeners that are wrong in one way each.

#![allow(clippy::unwrap_used, clippy::large_futures)]

mod handshakes;
mod listener;
mod lock;
mod reaching;
mod reading;
mod signing_in;
mod toy;
mod watching;

use std::time::Duration;

use super::*;
use crate::model::Role;

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

fn password() -> Password {
    Password::new("geheim".to_owned())
}
