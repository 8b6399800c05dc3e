//! Who may sign in to the lab: one login with one password, and nobody else of this machine.

use std::sync::Arc;

use crate::rehearsal::message::message;
use crate::rehearsal::tds::{Login, Server, Session};
use crate::rehearsal::value::ServerError;

/// An instance that knows one SQL login.
pub(super) struct Guarded {
    server: Arc<dyn Server>,
    user: String,
    password: String,
}

impl Guarded {
    pub(super) fn new(server: Arc<dyn Server>, user: &str, password: &str) -> Self {
        Self {
            server,
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }
}

impl Server for Guarded {
    fn name(&self) -> String {
        self.server.name()
    }

    fn login(&self, login: &Login) -> Result<Box<dyn Session>, ServerError> {
        // Integrated sign-in comes without a user; the lab cannot check it.
        if login.user.eq_ignore_ascii_case(&self.user) && login.password == self.password {
            self.server.login(login)
        } else {
            Err(message(18456, &[&login.user]))
        }
    }
}
