//! Undoes `disable-backup-jobs`: the jobs are enabled again, but those that were kept as disabled.

use serde::Serialize;

use super::{Side, send, update};
use crate::model::Role;
use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::Command;
use crate::step::lost::roles;
use crate::step::next::Next;
use crate::step::undo::Back;
use crate::step::{Context, Standing};

/// What is looked at.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Facts {
    sides: Vec<Side>,
    /// Ids of jobs that were off when log shipping was last seen whole.
    off_before: Vec<String>,
}

impl Back for Facts {
    type Key = Role;

    fn commands(site: &Site) -> Vec<(Role, Command)> {
        let enable = |role| {
            let command = update(site, role, true);
            let each =
                format!("disabled log-shipping backup job of the {role}, unless it was kept so");
            command.each(each).keyed(role)
        };
        roles(site).map(enable).collect()
    }

    async fn observe(cx: Context<'_>, _before: Option<&Before>) -> Self {
        let mut sides = Vec::new();
        for role in roles(cx.site) {
            sides.push(Side::look(cx, role).await);
        }
        let saved = cx.saved.into_iter();
        let halves = saved.flat_map(|it| [&it.primary, &it.primary_mirror]);
        let jobs = halves.flatten().flat_map(|half| &half.jobs);
        Self {
            sides,
            off_before: jobs
                .filter(|job| !job.enabled)
                .map(|job| job.id.clone())
                .collect(),
        }
    }

    fn next(&self) -> Result<Next<Role>, Standing> {
        for side in &self.sides {
            if let Some(why) = side.jobs.unknown() {
                let about = format!("the backup jobs of the {}", side.role);
                return Err(Standing::unknown(why.about(about)));
            }
            let was_on = |id: &str| !self.off_before.iter().any(|it| it.eq_ignore_ascii_case(id));
            let mut jobs = side.jobs();
            if let Some(job) = jobs.find(|job| !job.enabled && was_on(&job.id)) {
                return Ok(send(side.role, job, "enable"));
            }
        }
        let silent = self.sides.iter().filter(|side| side.silent().is_some());
        let mut words = vec!["the backup jobs are enabled as before".to_owned()];
        words.extend(silent.map(|side| {
            format!(
                "the {} cannot be asked: its backup job may be off still",
                side.role
            )
        }));
        Ok(Next::Nothing(words.join("; ")))
    }
}
