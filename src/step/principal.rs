//! The backup mirror may be the principal of the chat database when a failback begins: it is failed over
//! to the backup first (`steps.md` 6, B2; `sql-server.md` 5).

use super::command::{Command, Key, Values};
use super::hands::{Hands, StepError};
use super::ledger::Unit;
use super::observe::Observed;
use super::observe::database::{Database, database};
use super::shared::{address, is_mirror};
use super::{Block, Context, Standing};
use crate::model::states::MirroringState;
use crate::model::{Instance, Role, quote};
use crate::site::Site;

/// What makes the backup the principal, of a backup mirror that is it.
pub(in crate::step) fn fail_over(site: &Site) -> Command {
    Command::tsql(
        Role::BackupMirror,
        &address(site, Role::BackupMirror),
        format!(
            "ALTER DATABASE {} SET PARTNER FAILOVER;",
            quote::identifier(site.database.chat.as_str())
        ),
        Vec::new(),
    )
}

/// Makes the backup the principal, and waits until it serves.
pub(in crate::step) async fn become_principal<K: Key>(
    cx: Context<'_>,
    hands: &Hands<'_, K>,
    fail_over: K,
) -> Result<Database, StepError> {
    let principal = Instance::chat(Role::BackupMirror);
    hands
        .send_at(cx.access, principal, fail_over, &Values::new())
        .await?;
    loop {
        let backup = Instance::chat(Role::Backup);
        let row = database(cx.access, backup, &cx.site.database.chat).await;
        if let Some(row) = row.seen().filter(|row| !is_mirror(row) && row.serves()) {
            return Ok(row.clone());
        }
        hands.check_stop()?;
        hands.progress(0, 0, Unit::Waiting, "the backup becomes the principal");
        tokio::time::sleep(cx.site.limits.poll).await;
    }
}

/// The backup is the mirror: its partner holds the data.
pub(in crate::step) fn judge_mirror(mirror: Option<&Observed<Database>>, what: &str) -> Standing {
    let principal = match mirror {
        Some(Observed::Seen(row)) => row,
        Some(Observed::Unknown(why)) => return Standing::unknown(why),
        None | Some(Observed::Absent) => {
            return Standing::unknown("the principal of the backup's chat database");
        }
    };
    match principal.mirroring.as_ref().and_then(|it| it.state) {
        Some(MirroringState::Synchronized) => Standing::pending(what),
        state => Standing::Blocked {
            blocks: vec![Block::site(
                "mirror-not-in-step",
                format!(
                    "the backup mirror is the principal and holds the data, and the backup is {}",
                    state.map_or_else(|| "in no known state".to_owned(), |state| state.to_string())
                ),
                "wait until both are SYNCHRONIZED; see the error logs of both instances",
            )],
        },
    }
}
