//! What waits for its moment in a world: trouble that is practiced comes when something was done.

use std::time::Duration;

use jiff::Timestamp;

use super::events::Event;
use super::files::FileView;
use super::history::{Executed, Outcome};
use super::msdb::JobKind;
use super::{MadeLog, State, World, after};
use crate::model::{Instance, Role};
use crate::rehearsal::backup_set::Guid;

/// What happens as soon as an instance has executed a batch that contains a text.
pub(super) struct Waiting {
    pub(super) instance: Instance,
    /// In upper case; the batch may have it in any.
    pub(super) contains: &'static str,
    pub(super) event: Event,
    /// So much later.
    pub(super) later: Duration,
}

impl World {
    /// The instances of a role are up again, as they were, so much later than an instance has executed a
    /// batch that contains a text.
    pub fn returns_behind(
        &self,
        role: Role,
        instance: Instance,
        contains: &'static str,
        later: Duration,
    ) {
        let event = Event::Returns(role);
        self.with(|state| {
            state.waiting.push(Waiting {
                instance,
                contains,
                event,
                later,
            });
        });
    }

    /// The jobs of that kind run, where their Agent does.
    pub fn run_jobs(&self, role: Role, kinds: &[JobKind]) {
        let (instance, now) = (Instance::chat(role), self.now());
        self.with(|state| {
            let server = state
                .instances
                .get(&instance)
                .filter(|it| it.up && it.agent);
            let jobs = server.map(|it| it.msdb.jobs.as_slice()).unwrap_or_default();
            let idle: Vec<Guid> = jobs
                .iter()
                .filter(|it| kinds.contains(&it.kind) && !it.is_running())
                .map(|it| it.id)
                .collect();
            for job in idle {
                state.start_job(instance, &job, now);
            }
        });
    }
}

impl State {
    /// What waits for this batch happens.
    pub(super) fn wake(&mut self, executed: &Executed, now: Timestamp) {
        if executed.outcome != Outcome::Done {
            return;
        }
        let text = executed.text.to_uppercase();
        let (ready, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|it| it.instance == executed.instance && text.contains(it.contains));
        self.waiting = waiting;
        for Waiting { event, later, .. } in ready {
            self.later(after(now, later), event);
        }
    }

    /// A log backup arrives on the share as whoever copied it there left it.
    pub(super) fn land(&mut self, log: MadeLog, path: &str) {
        let view = FileView {
            form: log.form,
            ..FileView::of(vec![log.set.clone()], log.size)
        };
        match self
            .files
            .write_backup(Role::Primary.key(), path, view, true)
        {
            Ok(()) => self.logs.push(log),
            Err(number) => self.not_known(format!("a log backup cannot land at {path}: {number}")),
        }
    }

    /// `sp_start_job` signals the Agent and returns: the run begins as late as this world's do.
    pub(in crate::rehearsal) fn ask_to_start(
        &mut self,
        instance: Instance,
        id: Guid,
        at: Timestamp,
    ) {
        if self.jobs_late.is_zero() {
            self.start_job(instance, &id, at);
        } else {
            self.later(after(at, self.jobs_late), Event::Started(instance, id));
        }
    }
}
