//! What the site of a rehearsal and that of a lab have in common: how their log backups are made and
//! laid, their world, their pool, their management shell.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use jiff::civil::DateTime;

use super::cmdlets::{self, Cmdlets, Pool, Witness};
use super::simulated::{Times, WorldDatabases};
use super::world::{
    Backup, Files, LogRecipe, MadeLog, Now, PrimarySide, ServiceTimes, Shared, Start, World,
    WorldOptions,
};
use crate::model::states::PoolState;
use crate::model::{Instance, Role};
use crate::site::Site;

/// Time between the last log backup and the loss of the data center.
pub(super) const SINCE_LAST_LOG: SignedDuration = SignedDuration::from_mins(7);

/// Time between the loss and the moment at which the site begins.
pub(super) const SINCE_LOSS: SignedDuration = SignedDuration::from_mins(20);

/// A site to put together.
#[derive(Clone, Copy)]
pub(super) struct Assembly<'a> {
    pub(super) site: &'a Site,
    /// How it stands.
    pub(super) start: Start,
    /// How long things take.
    pub(super) times: Times,
    /// GUIDs and LSNs follow from it.
    pub(super) seed: u64,
}

/// A site put together.
pub(super) struct Parts {
    pub(super) world: Shared,
    pub(super) pool: Arc<Mutex<Pool>>,
    pub(super) cmdlets: Arc<Cmdlets>,
}

impl Assembly<'_> {
    /// So many log backups of the chat database by its primary, the last finished at `last`.
    pub(super) fn logs(&self, count: usize, last: DateTime, bytes: u64) -> Vec<MadeLog> {
        let primary = World::server_names(self.site).remove(&Instance::chat(Role::Primary));
        let chat = self.site.database.chat.as_str();
        let mut recipe = LogRecipe::new(chat, &primary.unwrap_or_default(), count, last);
        recipe.seed = self.seed;
        recipe.bytes = bytes;
        recipe.empty_every = 9;
        recipe.make()
    }

    /// The options of its world. Of the logs the backup has restored some and copied some more; a
    /// failover has taken all.
    pub(super) fn options(
        &self,
        now: Now,
        files: Arc<dyn Files>,
        logs: Vec<MadeLog>,
        (restored, copied): (usize, usize),
    ) -> WorldOptions {
        let mut options = WorldOptions::new(now, files);
        options.start = self.start;
        options.seed = self.seed;
        options.restored = restored;
        options.copied = copied;
        options.unshipped = 5;
        options.service = match self.times {
            Times::Real => ServiceTimes::REAL,
            Times::Zero => ServiceTimes::ZERO,
        };
        if self.start == Start::FailedOver {
            options.primary = PrimarySide::Fresh;
            options.backup = Backup::Recovered;
            options.copied = logs.len();
        }
        options.logs = logs;
        options
    }

    /// Builds the world, and what stands beside it.
    pub(super) fn build(&self, options: &WorldOptions, witness: Arc<dyn Witness>) -> Parts {
        let world = World::build(self.site, options);
        let mut pool = Pool::from_site(self.site);
        match self.start {
            Start::Normal => {}
            Start::Disaster => pool.set_alive(true, false),
            Start::FailedOver => after_failover(self.site, &world, &mut pool),
        }
        let pool = Arc::new(Mutex::new(pool));
        let cmdlets = Cmdlets::new(
            Arc::clone(&pool),
            Arc::new(WorldDatabases(Arc::clone(&world))),
            witness,
            match self.times {
                Times::Real => cmdlets::ServiceTimes::real(),
                Times::Zero => cmdlets::ServiceTimes::ZERO,
            },
        );
        Parts {
            world,
            pool,
            cmdlets: Arc::new(cmdlets),
        }
    }
}

/// Lays the log backups on the share, and the first of them in the copy folder.
pub(super) fn lay_logs<E>(
    site: &Site,
    logs: &[MadeLog],
    copied: usize,
    mut lay: impl FnMut(&str, &MadeLog) -> Result<(), E>,
) -> Result<(), E> {
    for (index, log) in logs.iter().enumerate() {
        lay(&site.shares.backup.join(&log.name), log)?;
        if index < copied {
            lay(&site.shares.copy.join(&log.name), log)?;
        }
    }
    Ok(())
}

/// What F5 to F7 left: the pool, its servers, and the backup's databases mirrored.
fn after_failover(site: &Site, world: &Shared, pool: &mut Pool) {
    for compliance in [false, true] {
        if compliance && site.database.compliance.is_none() {
            continue;
        }
        let server = |role| site.server(Instance { role, compliance });
        if let (Some(backup), Some(mirror), Some(share)) = (
            server(Role::Backup),
            server(Role::BackupMirror),
            &site.shares.mirror,
        ) && let Err(why) =
            world.set_up_mirror(compliance, backup, mirror, share.as_str(), false)
        {
            // A variant without a database to mirror; the steps say so.
            world.with(|state| state.not_known(why));
        }
    }
    pool.set_state(PoolState::FailedOver);
    let active = site.pool.failed_over.iter().map(ToString::to_string);
    pool.set_active(active.collect());
    world.chat_servers_changed(pool.active(), true);
}
