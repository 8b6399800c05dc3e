//! Undoes `fence-backup`: the backup's database is recovered and serves again (`steps.md` 6.2). The
//! one command of an undoing that can make a second writable database: it looks at every other one at
//! once before, and unknown is never "no" (`design.md` 3, rule 2).

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::model::states::DatabaseState;
use crate::model::{Instance, Problem, Role, quote};
use crate::site::{Limits, Site};
use crate::step::before::Before;
use crate::step::center::Center;
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::lost::Lost;
use crate::step::next::{Door, Next, Sending};
use crate::step::observe::Observed;
use crate::step::observe::backups::logins;
use crate::step::observe::database::{Database, Lineage, database, history, lineage};
use crate::step::observe::instance::{Identity, identity};
use crate::step::observe::sessions::{RunningRestore, restores};
use crate::step::observe::sets::sets;
use crate::step::shared::one_instance;
use crate::step::shared::{address, full_path, only_set, tail_path};
use crate::step::undo::Back;
use crate::step::{Block, Context, Standing};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Recover,
    MultiUser,
    Owner,
    Trustworthy,
    Broker,
}

/// What is looked at.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Facts {
    /// Whose log was ended.
    #[serde(skip)]
    at: Role,
    backup: Observed<Database>,
    /// How it was before it was closed.
    before: Option<Database>,
    /// Whether this run wrote down how the site was before.
    kept: bool,
    /// Who answers for each role: two roles of one name are one instance (`steps.md` 1.4).
    names: Vec<(Role, Observed<Identity>)>,
    /// Its family, by what was restored there, or by what this run backed up.
    family: Option<String>,
    logins: Observed<Vec<String>>,
    others: Vec<Other>,
    lost: Lost,
}

/// Another instance that may have a chat database of the same family.
#[derive(Debug, Serialize)]
struct Other {
    role: Role,
    database: Observed<Database>,
    /// Of a serving database only.
    lineage: Observed<Lineage>,
    /// What is being restored there at this moment.
    restores: Observed<Vec<RunningRestore>>,
}

impl Back for Facts {
    type Key = Key;

    fn limit(limits: &Limits) -> Option<Duration> {
        limits.restore
    }

    fn settle(limits: &Limits) -> Duration {
        limits.step
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        commands(site, Role::Backup)
    }

    async fn observe(cx: Context<'_>, before: Option<&Before>) -> Self {
        let files = [(full_path(cx), 1), (tail_path(cx), 2)];
        look(cx, before, Role::Backup, &files).await
    }

    fn next(&self) -> Result<Next<Key>, Standing> {
        let row = match &self.backup {
            Observed::Unknown(why) => return Err(Standing::unknown(why)),
            Observed::Absent => {
                return Err(blocked(
                    "no-database",
                    format!("the {} has no chat database", self.at),
                    "see `[sql]` and `[database] chat`",
                ));
            }
            Observed::Seen(row) => row,
        };
        match row.state {
            DatabaseState::Online if row.standby => {}
            DatabaseState::Online if row.collation.is_none() => {
                return Ok(Next::Wait("it takes no connections yet".to_owned()));
            }
            DatabaseState::Online => return self.mend(row),
            DatabaseState::Recovering => return Ok(Next::Wait("recovery runs".to_owned())),
            DatabaseState::Restoring if row.mirroring.is_none() => {
                self.nothing_else_is_writable()?;
                self.each_is_itself()?;
                let what = format!("recover the {}'s chat database: it serves again", self.at);
                return Ok(Next::sql(Instance::chat(self.at), Key::Recover, what));
            }
            DatabaseState::Restoring
            | DatabaseState::RecoveryPending
            | DatabaseState::Suspect
            | DatabaseState::Emergency
            | DatabaseState::Offline => {}
        }
        Err(blocked(
            "not-closed-by-this-run",
            format!(
                "the {}'s chat database is {}{}: this run does not leave it so",
                self.at,
                row.state,
                if row.mirroring.is_some() {
                    ", a mirror"
                } else {
                    ""
                }
            ),
            "see the SQL Server error log of that instance, and who changed it",
        ))
    }
}

/// What is sent to an instance whose log was ended.
pub(in crate::step) fn commands(site: &Site, at: Role) -> Vec<(Key, Command)> {
    let database = quote::identifier(site.database.chat.as_str());
    let send = |text: String, holes: Vec<Hole>| Command::tsql(at, &address(site, at), text, holes);
    let set = |option: &str| send(format!("ALTER DATABASE {database} SET {option};"), vec![]);
    let owner = Hole::new(
        "owner",
        HoleType::Identifier,
        format!("owner of the {at}'s database before it was closed"),
        r"LITWARE\svc-chat",
    );
    vec![
        send(format!("RESTORE DATABASE {database} WITH RECOVERY;"), vec![])
            .when(format!("the {at}'s database is closed, and no other of its family is writable or could become so")).long().keyed(Key::Recover),
        set("MULTI_USER").when("it is not MULTI_USER after recovery, and was").keyed(Key::MultiUser),
        send(
            format!("ALTER AUTHORIZATION ON DATABASE::{database} TO {{owner}};"),
            vec![owner],
        )
        .when("its owner is another than before").keyed(Key::Owner),
        set("TRUSTWORTHY ON").when("it was on before it was closed").keyed(Key::Trustworthy),
        set("ENABLE_BROKER WITH ROLLBACK IMMEDIATE").when("it was enabled before it was closed").keyed(Key::Broker),
    ]
}

/// Looks at it, and at every other one; `files` say its family, of a kind each.
pub(in crate::step) async fn look(
    cx: Context<'_>,
    before: Option<&Before>,
    at: Role,
    files: &[(String, i64)],
) -> Facts {
    let access = cx.access;
    let own = Instance::chat(at);
    let name = &cx.site.database.chat;
    // A backup that is closed tells nothing of itself; what was restored there before does.
    let past = history(access, own, name).await;
    let mut family = past
        .seen()
        .and_then(|rows| rows.iter().find_map(|row| row.family.clone()));
    for (path, kind) in files {
        if family.is_some() {
            break;
        }
        let sets = sets(access, own, path).await;
        let set = only_set(&sets, *kind, name.as_str());
        family = set.and_then(|set| set.family.clone());
    }
    let mut names = vec![(at, identity(access, own).await)];
    let mut others = Vec::new();
    for role in Role::ALL.into_iter().filter(|role| *role != at) {
        let other = Instance::chat(role);
        if !access.sql.has(other) {
            continue;
        }
        names.push((role, identity(access, other).await));
        // In this order: what ends in between shows in the database.
        let restores = restores(access, other, name).await;
        let database = database(access, other, name).await;
        others.push(Other {
            role,
            lineage: match database.seen() {
                Some(row) if row.serves() => lineage(access, other, name).await,
                Some(_) | None => Observed::Absent,
            },
            restores,
            database,
        });
    }
    let silent = others.iter().filter(|it| it.database.unknown().is_some());
    let silent = silent.map(|it| it.role);
    // Only the first data center is ever said to be lost for good.
    let may_be_lost =
        |role: &Role| Center::of(at) == Center::Second && !is_left_restoring(at, *role);
    let silent = silent.filter(may_be_lost).collect();
    let lost = Lost::look(cx, silent).await;
    Facts {
        at,
        lost,
        // The last look before it: the others were looked at for it, and it changes nothing in them.
        backup: database(access, own, name).await,
        before: before.and_then(|before| before.chat.clone()),
        kept: before.is_some(),
        names,
        family,
        logins: logins(access, own).await,
        others,
    }
}

/// An instance that only mirrored what was closed, or would: a copy that is RESTORING there, which nothing
/// of a switch wakes; chat does not wait for it.
fn is_left_restoring(at: Role, role: Role) -> bool {
    match Center::of(at) {
        Center::First => matches!(role, Role::PrimaryMirror | Role::BackupMirror),
        Center::Second => role == Role::BackupMirror,
    }
}

impl Facts {
    /// It serves. What recovery turned off is turned on again (`sql-server.md` 6.4).
    fn mend(&self, row: &Database) -> Result<Next<Key>, Standing> {
        let send = |key: Key, what: &str| Ok(Next::sql(Instance::chat(self.at), key, what));
        let Some(before) = &self.before else {
            let words = if self.kept {
                "was never closed"
            } else {
                "serves; how it was before was not kept: see its owner, TRUSTWORTHY and Service Broker"
            };
            let words = format!("the {}'s chat database {words}", self.at);
            return Ok(Next::Nothing(words));
        };
        if row.user_access != 0 && before.user_access == 0 {
            return send(Key::MultiUser, "make it MULTI_USER");
        }
        let mut words = format!("the {}'s chat database serves", self.at);
        let differs = |owner: &&String| {
            let now = row.owner.as_ref();
            !now.is_some_and(|now| now.eq_ignore_ascii_case(owner))
        };
        if let Some(owner) = before.owner.as_ref().filter(differs) {
            let logins = match &self.logins {
                Observed::Unknown(why) => return Err(Standing::unknown(why)),
                logins @ (Observed::Seen(_) | Observed::Absent) => {
                    logins.seen().map_or(&[][..], Vec::as_slice)
                }
            };
            if logins.iter().any(|name| name.eq_ignore_ascii_case(owner)) {
                return Ok(Next::Send(Sending {
                    what: format!("make {owner} its owner, as before"),
                    to: Door::Sql(Instance::chat(self.at)),
                    key: Key::Owner,
                    values: Values::from([("owner".to_owned(), json!(owner))]),
                }));
            }
            words = format!("{words}; {owner}, who owned it, has no login here any more");
        }
        if before.trustworthy && !row.trustworthy {
            return send(Key::Trustworthy, "turn TRUSTWORTHY on, as before");
        }
        // A mirrored database takes no change of its broker (1468).
        if before.broker && !row.broker && row.mirroring.is_none() {
            return send(Key::Broker, "enable its Service Broker, as before");
        }
        Ok(Next::Nothing(words))
    }

    /// No role is answered for by the instance of another one.
    fn each_is_itself(&self) -> Result<(), Standing> {
        for (role, identity) in &self.names {
            let waits = !is_left_restoring(self.at, *role) && !self.lost.has(*role);
            if let Some(why) = identity.unknown().filter(|_| waits) {
                return Err(Standing::unknown(why.about(format!("who the {role} is"))));
            }
        }
        let names = self.names.iter();
        let seen = names.filter_map(|(role, it)| Some((*role, it.seen()?.server_name.as_str())));
        match one_instance(seen) {
            Some(block) => Err(Standing::Blocked {
                blocks: vec![block],
            }),
            None => Ok(()),
        }
    }

    /// No other database of the family is writable, or could become so by itself.
    fn nothing_else_is_writable(&self) -> Result<(), Standing> {
        let mut blocks = Vec::new();
        for other in &self.others {
            match self.could_be_written(other) {
                Ok(block) => blocks.extend(block),
                Err(_)
                    if is_left_restoring(self.at, other.role)
                        && other.database.unknown().is_some() => {}
                Err(_) if other.database.unknown().is_some() && self.lost.has(other.role) => {}
                Err(why) if other.database.unknown().is_some() => {
                    return Err(self.lost.standing(other.role, &why));
                }
                Err(why) => {
                    return Err(Standing::unknown(why.about(format!(
                        "whether the chat database of the {} can be written to",
                        other.role
                    ))));
                }
            }
        }
        if blocks.is_empty() {
            Ok(())
        } else {
            Err(Standing::Blocked { blocks })
        }
    }

    fn could_be_written(&self, other: &Other) -> Result<Option<Block>, Problem> {
        let role = other.role;
        let row = match &other.database {
            Observed::Unknown(why) => return Err(why.clone()),
            Observed::Absent => return Ok(None),
            Observed::Seen(row) => row,
        };
        match &other.restores {
            Observed::Unknown(why) => return Err(why.clone()),
            Observed::Seen(running) => {
                if let Some(restore) = running.first() {
                    return Ok(Some(Block::site(
                        "restore-runs",
                        format!(
                            "a {} of the {role}'s chat database runs: session {}",
                            restore.command,
                            restore.by.describe()
                        ),
                        "wait until it ends, or end it (KILL)",
                    )));
                }
            }
            Observed::Absent => {}
        }
        let what = match row.state {
            DatabaseState::Online if !row.standby => {
                let theirs = match &other.lineage {
                    Observed::Unknown(why) => return Err(why.clone()),
                    seen @ (Observed::Seen(_) | Observed::Absent) => {
                        seen.seen().and_then(|it| it.family.as_deref())
                    }
                };
                match (self.family.as_deref(), theirs) {
                    (Some(ours), Some(theirs)) if !ours.eq_ignore_ascii_case(theirs) => {
                        return Ok(None);
                    }
                    (Some(_), Some(_)) => format!("is ONLINE and of the {}'s family", self.at),
                    (Some(_), None) | (None, _) => {
                        let why = format!("its family, or the {}'s, cannot be seen", self.at);
                        return Err(why.into());
                    }
                }
            }
            DatabaseState::Restoring | DatabaseState::Offline if row.mirroring.is_none() => {
                return Ok(None);
            }
            state @ (DatabaseState::Online
            | DatabaseState::Restoring
            | DatabaseState::Recovering
            | DatabaseState::RecoveryPending
            | DatabaseState::Suspect
            | DatabaseState::Emergency
            | DatabaseState::Offline)
                if row.mirroring.is_some() =>
            {
                format!("is {state}, a mirror, and could become ONLINE")
            }
            state @ (DatabaseState::Online
            | DatabaseState::Restoring
            | DatabaseState::Recovering
            | DatabaseState::RecoveryPending
            | DatabaseState::Suspect
            | DatabaseState::Emergency
            | DatabaseState::Offline) => format!("is {state}, and could become ONLINE"),
        };
        Ok(Some(Block::site(
            "two-writable",
            format!("the {role}'s chat database {what}: there would be two writable ones"),
            "keep what only it holds, take it OFFLINE there (ALTER DATABASE … SET PARTNER OFF, SET OFFLINE WITH ROLLBACK IMMEDIATE); over an old database that is OFFLINE the next failback asks for --override old-database-unreadable=REASON",
        )))
    }
}

fn blocked(id: &str, why: String, hint: &'static str) -> Standing {
    Standing::Blocked {
        blocks: vec![Block::site(id, why, hint)],
    }
}
