//! The door over real sockets, to listeners that are wrong in one way each. Over pipes, to whole
//! instances: `tests/it/sql_live.rs`.

#![allow(clippy::unwrap_used)]

mod handshakes;
mod listener;
mod reaching;
mod signing_in;

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
