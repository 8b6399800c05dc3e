//! Leaving STANDBY (`steps.md` 5.5): whoever holds the database, or takes its single slot first, is ended,
//! and the same batch is sent again.

use serde_json::json;

use super::{Key, NOBODY_ELSE};
use crate::access::sql::{Session, SqlError};
use crate::model::states::DatabaseState;
use crate::model::{Instance, Problem, Role};
use crate::step::Context;
use crate::step::command::Values;
use crate::step::hands::{Hands, StepError};
use crate::step::ledger::Unit;
use crate::step::observe::Observed;
use crate::step::observe::database::database;
use crate::step::observe::sessions::{Holder, RunningRestore, restores, sessions};

/// How often the batch is sent.
const TRIES: usize = 8;

/// Somebody uses the database: of RESTORE, and of ALTER DATABASE where the single slot is taken
/// (`sql-server.md` 2.5).
const IN_USE: [u32; 2] = [3101, 5064];

/// The session is gone already (`sql-server.md` 3.1).
const NOT_ACTIVE: u32 = 6106;

/// Makes a STANDBY database RESTORING; never touches one that is ONLINE by now.
pub(super) async fn leave_standby(
    cx: Context<'_>,
    hands: &Hands<'_, Key>,
    session: &mut Session<'_>,
) -> Result<(), StepError> {
    let mut held = None;
    for _ in 0..TRIES {
        hands.check_stop()?;
        if is_left(cx).await? {
            return Ok(());
        }
        match hands.send(session, Key::LeaveStandby, &Values::new()).await {
            Err(StepError::Sql(error)) if is_in_use(&error) => {
                let by = end_holders(cx, hands, session).await?;
                held = Some(still_held(&error, &by));
            }
            other => return other.map(|_| ()),
        }
        // A session that is ended goes when its work is rolled back.
        tokio::time::sleep(cx.site.limits.poll).await;
    }
    match held {
        Some(problem) if !is_left(cx).await? => Err(StepError::Refused(problem)),
        Some(_) | None => Ok(()),
    }
}

fn is_in_use(error: &SqlError) -> bool {
    error
        .number()
        .is_some_and(|number| IN_USE.contains(&number))
}

async fn is_left(cx: Context<'_>) -> Result<bool, StepError> {
    match database(
        cx.access,
        Instance::chat(Role::Backup),
        &cx.site.database.chat,
    )
    .await
    {
        Observed::Seen(row) if row.standby => Ok(false),
        Observed::Seen(row) if row.state == DatabaseState::Restoring => Ok(true),
        Observed::Unknown(why) => Err(StepError::other(why, "")),
        Observed::Seen(_) | Observed::Absent => Err(StepError::other(
            "the database is no longer in STANDBY",
            "see who changed it",
        )),
    }
}

/// Who held the database, and why a session of them was not ended.
struct Held {
    holders: Vec<Holder>,
    refused: Option<SqlError>,
}

/// Ends the sessions that hold the database now.
async fn end_holders(
    cx: Context<'_>,
    hands: &Hands<'_, Key>,
    session: &mut Session<'_>,
) -> Result<Held, StepError> {
    let backup = Instance::chat(Role::Backup);
    let name = &cx.site.database.chat;
    let there = sessions(cx.access, backup, name).await;
    let restores = restores(cx.access, backup, name).await;
    if let Some(why) = there.unknown().or(restores.unknown()) {
        return Err(StepError::other(why, ""));
    }
    let holders = to_end(
        there.seen().map_or(&[], Vec::as_slice),
        restores.seen().map_or(&[], Vec::as_slice),
        &cx.access.sql.writer(),
    );
    let mut held = Held {
        holders,
        refused: None,
    };
    let each: Vec<Values> = held.holders.iter().map(values).collect();
    if each.is_empty() {
        return Ok(held);
    }
    hands.announce_each(Key::Kill, &each)?;
    for (values, holder) in each.iter().zip(&held.holders) {
        hands.check_stop()?;
        let told = format!(
            "ends session {}, which holds the database",
            holder.describe()
        );
        hands.progress(0, 0, Unit::Waiting, told);
        match hands.send_announced(session, Key::Kill, values).await {
            Err(StepError::Sql(error)) if error.number() == Some(NOT_ACTIVE) => {}
            // No right to, or no user's session: it may leave by itself.
            Err(StepError::Sql(error)) if error.number().is_some() => held.refused = Some(error),
            other => {
                other?;
            }
        }
    }
    Ok(held)
}

/// Sessions that run a RESTORE are never ended, nor are those of this execution.
fn to_end(there: &[Holder], restores: &[RunningRestore], writer: &str) -> Vec<Holder> {
    let is_ours = |holder: &Holder| {
        let program = holder.program.as_deref().unwrap_or_default();
        program.trim_end().ends_with(writer)
    };
    let restores = |holder: &Holder| restores.iter().any(|it| it.by.session == holder.session);
    there
        .iter()
        .filter(|holder| !is_ours(holder) && !restores(holder))
        .cloned()
        .collect()
}

fn values(holder: &Holder) -> Values {
    Values::from([
        ("session_id".to_owned(), json!(holder.session)),
        ("login_time".to_owned(), json!(holder.login_time)),
        ("who".to_owned(), json!(holder.describe())),
    ])
}

/// What SQL Server said, and who is in the way.
fn still_held(error: &SqlError, by: &Held) -> Problem {
    let problem = Problem::from(error);
    let why = &problem.why;
    let (who, hint) = if let Some(refused) = &by.refused {
        let who = names(&by.holders);
        (
            format!("{who} hold it and could not be ended: {refused}"),
            "end them there as a member of sysadmin".to_owned(),
        )
    } else if by.holders.is_empty() {
        (
            "no session of a user is listed that holds it".to_owned(),
            NOBODY_ELSE.to_owned(),
        )
    } else {
        (
            format!(
                "ended, and it comes again each time: {}",
                names(&by.holders)
            ),
            "stop that program, or disable its login until the database is RESTORING".to_owned(),
        )
    };
    Problem {
        why: format!("{why}; {who}"),
        remedies: Vec::new(),
        ..problem
    }
    .or(hint)
    .then_go_on()
}

fn names(holders: &[Holder]) -> String {
    let names: Vec<String> = holders.iter().map(Holder::describe).collect();
    names.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::step::Kind;
    use crate::step::failover::apply_logs::ApplyLogs;
    use crate::step::sample::{holder, restore, site};

    #[test]
    fn who_signed_in_since_under_the_same_id_is_spared() {
        let commands = ApplyLogs::commands(&site());
        let (_, kill) = commands.iter().find(|(key, _)| *key == Key::Kill).unwrap();
        let batch = kill.bind(&values(&holder(57, "reports"))).unwrap();
        let (condition, then) = batch.rsplit_once(") KILL").unwrap();
        assert!(condition.contains("session_id = 57"), "{batch}");
        assert!(condition.contains("login_time, 126) = N'2026-11-24T03:00:00'"));
        assert_eq!(then, " 57;");
    }

    #[test]
    fn who_restores_is_not_ended_and_nobody_of_this_execution() {
        let mut ours = holder(53, "adm1");
        ours.program = Some("pchadr pchat-8cfa73a6 20261128T011743Z-failover 0badcafe".to_owned());
        let there = [holder(51, "reports"), restore(52).by, ours];
        let writer = "20261128T011743Z-failover 0badcafe";
        let ended = to_end(&there, &[restore(52)], writer);
        assert_eq!(ended, [holder(51, "reports")]);
        let another = to_end(&there, &[], "20261128T011743Z-failover 00000001");
        assert_eq!(another.len(), 3);
    }
}
