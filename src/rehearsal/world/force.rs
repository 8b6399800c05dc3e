//! A mirror that serves without its principal (`sql-server.md` 5).

use super::State;
use crate::model::Instance;
use crate::model::states::{DatabaseState, MirroringRole, MirroringState};

impl State {
    /// `SET PARTNER FORCE_SERVICE_ALLOW_DATA_LOSS`: a mirror whose principal is down serves with what it
    /// has (`sql-server.md` 5).
    ///
    /// # Errors
    /// 1416, 1455.
    pub(in crate::rehearsal) fn partner_force(
        &mut self,
        instance: Instance,
        name: &str,
    ) -> Result<(), u32> {
        let server = self.instances.get(&instance);
        let database = server.and_then(|it| it.database(name));
        let session = database
            .and_then(|it| it.mirroring.clone())
            .ok_or(1416_u32)?;
        let lives = self.instances.get(&session.partner).is_some_and(|it| it.up);
        if lives || session.role == MirroringRole::Principal {
            return Err(1455);
        }
        self.serve_alone(instance, name);
        Ok(())
    }

    pub(super) fn serve_alone(&mut self, instance: Instance, name: &str) {
        let server = self.instances.get_mut(&instance);
        if let Some(database) = server.and_then(|it| it.database_mut(name)) {
            database.state = DatabaseState::Online;
            if let Some(mirroring) = &mut database.mirroring {
                mirroring.role = MirroringRole::Principal;
                mirroring.state = MirroringState::Disconnected;
            }
        }
    }
}
