//! Undoes `clear-active-servers`: those that were active are active again, one documented call each
//! (`skype-powershell.md` 1.2), as F7 does it. Only while the chat database of the second data center
//! serves.

use serde::Serialize;
use serde_json::json;

use super::{Back, Door, Next, Sending};
use crate::model::{Instance, Role};
use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::{Command, Values};
use crate::step::failback::is_mirror;
use crate::step::observe::database::database;
use crate::step::set_active_servers::{self, SetActiveServers, changes};
use crate::step::{Block, Context, Kind, Standing};

/// What is looked at.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// Whether this run kept the list; else it is the site file's.
    kept: bool,
    /// The instance that has the chat database.
    principal: Role,
    list: set_active_servers::Facts,
}

impl Back for Facts {
    fn commands(site: &Site) -> Vec<Command> {
        let mut add = changes(site, &[], &site.pool.failed_over);
        add.remove(0);
        let told =
            |command: Command| command.each("server that was active before the run and is not now");
        add.into_iter().map(told).collect()
    }

    async fn observe(cx: Context<'_>, before: Option<&Before>) -> Self {
        let kept = before.and_then(|before| before.active_servers.clone());
        let site = cx.site.pool.failed_over.iter().map(ToString::to_string);
        let backup = Instance::chat(Role::Backup);
        let row = database(cx.access, backup, &cx.site.database.chat).await;
        // Its mirror has it where the run was cut off before it could change that.
        let principal = if row.seen().is_some_and(is_mirror) {
            Role::BackupMirror
        } else {
            Role::Backup
        };
        Self {
            kept: kept.is_some(),
            principal,
            list: set_active_servers::look(cx, kept.unwrap_or_else(|| site.collect()), principal)
                .await
                .with_those_active(),
        }
    }

    fn next(&self) -> Result<Next, Standing> {
        if let Some(state) = self.list.not_serving() {
            return Err(Standing::Blocked {
                blocks: vec![Block::site(
                    "not-serving",
                    format!(
                        "the {}'s chat database is {state}: nobody is made active before it serves",
                        self.principal
                    ),
                    "see `pchadr status`, then abort again",
                )],
            });
        }
        match SetActiveServers::judge(&self.list) {
            Standing::Satisfied { why } if self.kept => Ok(Next::Nothing(why)),
            Standing::Satisfied { why } => Ok(Next::Nothing(format!(
                "{why}; who was active before was not kept: these are `[pool.active_servers] failed_over` of the site file"
            ))),
            Standing::Pending {
                what,
                underway: false,
            } => match self.list.to_add().next() {
                Some(server) => Ok(Next::Send(Sending {
                    what,
                    to: Door::Cmdlet(None),
                    n: 1,
                    values: Values::from([("server".to_owned(), json!(server))]),
                })),
                None => Err(Standing::unknown("who is to be active")),
            },
            other => Err(other),
        }
    }
}
