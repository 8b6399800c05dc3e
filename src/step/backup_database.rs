//! What the backup's chat database is: the table of `steps.md` 3, first row that fits from the top.

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use serde::Serialize;

use super::observe::Observed;
use super::observe::database::{
    Content, Database, Lineage, Restored, content, database, history, lineage,
};
use super::observe::folders::{Folders, folders};
use super::observe::log_shipping::secondary;
use super::observe::pool;
use super::observe::sets::{SetHeader, set_facts};
use super::pool::identity_and_state;
use super::terms::AcceptedLoss;
use super::{Block, Context, Lift};
use crate::model::header::BackupKind;
use crate::model::states::{DatabaseState, PoolState};
use crate::model::{Instance, Lsn, Problem, Role};

/// A restore older than this says nothing about now (`steps.md` 3).
const STALE_HOURS: i64 = 24;

/// Interlock: a person says that the database was recovered for this failover.
pub(super) const UNCLEAR: &str = "unclear";

/// What was read to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Look {
    /// O2
    pub database: Observed<Database>,
    /// O5
    pub history: Observed<Vec<Restored>>,
    /// O6, where O5 shows no log; absent where there is no row, and this run removed none.
    pub log_shipping: Observed<()>,
    /// O4, of a serving database only.
    pub lineage: Observed<Lineage>,
    /// O15, of a serving database only.
    pub content: Observed<Content>,
    /// K2, for a serving database only.
    pub pool: Observed<PoolState>,
    /// Log backups that end beyond the point where the database left its fork; unknown with the share.
    pub sets_beyond: Observed<usize>,
    /// Whether the loss of these is accepted.
    pub loss_is_accepted: bool,
    /// Whether a person says that it was recovered for this failover.
    pub called_recovered: bool,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BackupDatabase {
    /// No such database.
    NeverSetUp,
    /// RESTORING and not mirrored: a log-shipping secondary, or what is left of one.
    Secondary,
    /// A secondary in STANDBY.
    Standby,
    /// RESTORING, and nothing tells that it ever was a secondary.
    Stray,
    /// A mirror.
    Mirror,
    /// ONLINE, made by Topology Builder, without a message.
    CreatedEmpty,
    /// ONLINE, and the pool uses it.
    InService,
    /// ONLINE, recovered at the end of the chain; the pool does not use it yet.
    Recovered,
    /// ONLINE, recovered while the primary served on.
    RecoveredTooEarly {
        /// Sets that can never be applied.
        sets: usize,
    },
    /// ONLINE, and it cannot be told which of these.
    Unclear(String),
    /// Recovery runs.
    Starting,
    /// It cannot be used.
    Unusable(DatabaseState),
    /// It could not be looked at.
    Unknown(Problem),
}

/// Reads what [`classify`] needs. The folders count for a serving database only: `None` reads them
/// then.
pub(super) async fn look(cx: Context<'_>, seen: Option<&Folders>) -> Look {
    let access = cx.access;
    let backup = Instance::chat(Role::Backup);
    let name = &cx.site.database.chat;
    let mut look = Look {
        database: database(access, backup, name).await,
        history: history(access, backup, name).await,
        log_shipping: Observed::Absent,
        lineage: Observed::Absent,
        content: Observed::Absent,
        pool: Observed::Absent,
        sets_beyond: Observed::Absent,
        loss_is_accepted: false,
        called_recovered: cx.terms.overrides(UNCLEAR),
    };
    let Some(row) = look.database.seen() else {
        return look;
    };
    if row.state == DatabaseState::Restoring && !look.restored(&["L"]) {
        // The row that this run removed was there.
        let removed = cx
            .saved
            .is_some_and(|saved| saved.run == cx.run && !saved.backup.rows.is_empty());
        look.log_shipping = match secondary(access, backup, name).await {
            Observed::Seen(rows) if rows.is_empty() && removed => Observed::Seen(()),
            Observed::Seen(rows) if rows.is_empty() => Observed::Absent,
            Observed::Seen(_) => Observed::Seen(()),
            other @ (Observed::Absent | Observed::Unknown(_)) => other.map(|_| ()),
        };
    }
    if row.serves() {
        look.lineage = lineage(access, backup, name).await;
        look.content = content(access, backup, name).await;
        let service = pool::service(access, &cx.site.pool.fqdn).await;
        look.pool = identity_and_state(cx, &service).await.1;
        let read;
        let seen = if let Some(seen) = seen {
            seen
        } else {
            read = folders(access, cx.site, cx.saved_rows()).await;
            &read
        };
        (look.sets_beyond, look.loss_is_accepted) = sets_beyond(cx, &look, seen).await;
    }
    look
}

/// Log backups beyond the fork point, which is NULL when only one fork is left in the log: then the
/// newest restored log counts (`steps.md` 3). Those of the backup's own new fork and of another
/// family do not count. And whether the operator accepts to lose the others.
async fn sets_beyond(cx: Context<'_>, look: &Look, seen: &Folders) -> (Observed<usize>, bool) {
    let log = look
        .history
        .seen()
        .and_then(|rows| rows.iter().find(|row| row.kind == "L"));
    let lineage = look.lineage.seen();
    let point: Option<Lsn> = lineage
        .and_then(|lineage| lineage.fork_point)
        .or_else(|| log?.last_lsn);
    let Some(point) = point else {
        let why = "the point where the database left its fork is not known";
        return (Observed::unseen(why), false);
    };
    let share = seen.sources.first().map(|(_, folder)| folder);
    match share {
        Some(Observed::Seen(_)) => {}
        Some(Observed::Unknown(why)) => return (Observed::unseen(why), false),
        Some(Observed::Absent) | None => return (Observed::unseen("the share"), false),
    }
    let sources = seen.sources.iter().filter_map(|(_, folder)| folder.seen());
    let mut beyond: Vec<_> = sources
        .flat_map(|folder| folder.sets().map(move |(_, set)| (&folder.engine, set)))
        .filter(|(_, file)| {
            file.header.kind == BackupKind::Log
                && cx.site.database.chat.is(&file.header.database)
                && file.header.last_lsn > point
        })
        .collect();
    beyond.sort_by_key(|(_, file)| (file.header.first_lsn, file.fingerprint));
    beyond.dedup_by_key(|(_, file)| (file.header.first_lsn, file.fingerprint));
    // Sets of one database have one creation date: what one of them says holds for all.
    let mut dates = std::collections::BTreeMap::new();
    let mut count = 0;
    for (folder, file) in &beyond {
        let date = file.header.database_created;
        let foreign = if let Some(foreign) = dates.get(&date) {
            *foreign
        } else {
            let name = file.path.rsplit(['\\', '/']).next().unwrap_or(&file.path);
            let path = folder.join(name);
            let position = file.header.position;
            let set = set_facts(cx.access, &path, file.fingerprint, position).await;
            *dates.entry(date).or_insert(is_foreign(&set, lineage))
        };
        count += usize::from(!foreign);
    }
    let accepted = match cx.terms.accepted {
        Some(AcceptedLoss::Lsn(lsn)) => point >= lsn,
        Some(AcceptedLoss::Time(time)) => log
            .and_then(|row| row.finished)
            .is_some_and(|end| end >= time),
        // There is more log than the end that it was recovered at.
        Some(AcceptedLoss::EndOfChain) | None => false,
    };
    (Observed::Seen(count), accepted)
}

/// True for a set that the instance knows to be of its own new fork, or of another family.
fn is_foreign(set: &Observed<SetHeader>, lineage: Option<&Lineage>) -> bool {
    let (Some(set), Some(lineage)) = (set.seen(), lineage) else {
        return false;
    };
    let both = |one: &Option<String>, other: &Option<String>| {
        Some(one.as_ref()?.eq_ignore_ascii_case(other.as_ref()?))
    };
    both(&set.fork, &lineage.fork) == Some(true)
        || both(&set.family, &lineage.family) == Some(false)
}

impl Look {
    /// Whether a restore of one of these kinds is recorded; false also where that is unknown.
    fn restored(&self, kinds: &[&str]) -> bool {
        self.history
            .seen()
            .into_iter()
            .flatten()
            .any(|row| kinds.contains(&row.kind.as_str()))
    }
}

/// Decides, from the top of the table.
pub(super) fn classify(look: &Look) -> BackupDatabase {
    let database = match &look.database {
        Observed::Absent => return BackupDatabase::NeverSetUp,
        Observed::Unknown(why) => return BackupDatabase::Unknown(why.clone()),
        Observed::Seen(database) => database,
    };
    match database.state {
        DatabaseState::Restoring if database.mirroring.is_some() => BackupDatabase::Mirror,
        DatabaseState::Restoring => restoring(look),
        DatabaseState::Online if database.standby => BackupDatabase::Standby,
        DatabaseState::Online => match serving(look) {
            BackupDatabase::RecoveredTooEarly { .. } if look.loss_is_accepted => {
                BackupDatabase::Recovered
            }
            BackupDatabase::Unclear(_) if look.called_recovered => BackupDatabase::Recovered,
            class @ (BackupDatabase::NeverSetUp
            | BackupDatabase::Secondary
            | BackupDatabase::Standby
            | BackupDatabase::Stray
            | BackupDatabase::Mirror
            | BackupDatabase::CreatedEmpty
            | BackupDatabase::InService
            | BackupDatabase::Recovered
            | BackupDatabase::RecoveredTooEarly { .. }
            | BackupDatabase::Unclear(_)
            | BackupDatabase::Starting
            | BackupDatabase::Unusable(_)
            | BackupDatabase::Unknown(_)) => class,
        },
        DatabaseState::Recovering => BackupDatabase::Starting,
        state @ (DatabaseState::RecoveryPending
        | DatabaseState::Suspect
        | DatabaseState::Emergency
        | DatabaseState::Offline) => BackupDatabase::Unusable(state),
    }
}

fn restoring(look: &Look) -> BackupDatabase {
    if look.restored(&["L"]) || look.log_shipping.seen().is_some() {
        return BackupDatabase::Secondary;
    }
    match look.history.unknown().or(look.log_shipping.unknown()) {
        Some(why) => BackupDatabase::Unknown(why.clone()),
        None => BackupDatabase::Stray,
    }
}

fn serving(look: &Look) -> BackupDatabase {
    let normal = look.pool.seen() == Some(&PoolState::Normal);
    let never_restored = look.history.unknown().is_none() && !look.restored(&["D", "L"]);
    if look.content.is_absent() || (normal && never_restored) {
        return BackupDatabase::CreatedEmpty;
    }
    if let Some(why) = look.content.unknown() {
        return BackupDatabase::Unknown(why.clone());
    }
    match &look.pool {
        Observed::Seen(PoolState::FailedOver) => return BackupDatabase::InService,
        Observed::Seen(PoolState::Normal) => {}
        Observed::Unknown(why) => return BackupDatabase::Unknown(why.clone()),
        Observed::Absent => return BackupDatabase::Unknown("the pool has no state".into()),
    }
    let history = match &look.history {
        Observed::Seen(rows) => rows.as_slice(),
        Observed::Absent => &[],
        Observed::Unknown(why) => return BackupDatabase::Unknown(why.clone()),
    };
    match &look.sets_beyond {
        Observed::Seen(0) => {}
        Observed::Seen(sets) => return BackupDatabase::RecoveredTooEarly { sets: *sets },
        Observed::Unknown(why) => {
            return BackupDatabase::Unclear(format!(
                "whether it was recovered too early is not known: {why}"
            ));
        }
        Observed::Absent => return BackupDatabase::Unclear("no log is known".to_owned()),
    }
    let newest_log = history.iter().find(|row| row.kind == "L");
    match newest_log.and_then(|row| row.hours_ago) {
        Some(hours) if hours < STALE_HOURS => BackupDatabase::Recovered,
        Some(hours) => BackupDatabase::Unclear(format!(
            "its newest log was restored {hours} hours ago: a drill may have left it"
        )),
        None => BackupDatabase::Unclear("no restore of a log is recorded".to_owned()),
    }
}

impl BackupDatabase {
    /// Why no failover may go on with it; `None` where it may.
    pub(super) fn block(&self, name: &str) -> Option<Block> {
        let block = |id, why: String, hint: &'static str| Some(Block::site(id, why, hint));
        match self {
            Self::NeverSetUp => block(
                "no-database",
                format!("the backup instance has no database `{name}`"),
                "see `[sql] backup` and `[database] chat`; without a secondary there is nothing to fail over to",
            ),
            Self::Stray => block(
                "never-a-secondary",
                format!(
                    "`{name}` on the backup instance is RESTORING, and neither log shipping nor a restored log is recorded"
                ),
                "see its restore history; a former mirror, or one that was fenced, looks like this",
            ),
            Self::Mirror => block(
                "is-mirror",
                format!(
                    "`{name}` on the backup instance is a mirror, not a log-shipping secondary"
                ),
                "see `[sql]`: the backup mirror may have been taken for the backup",
            ),
            Self::CreatedEmpty => block(
                "created-empty",
                format!(
                    "`{name}` on the backup instance was never a secondary and is empty: after a failover users would see an empty chat"
                ),
                "drop it and seed log shipping from a full backup; this cannot be overridden",
            ),
            Self::RecoveredTooEarly { sets } => Some(
                Block::site(
                    "recovered-too-early",
                    format!(
                        "`{name}` was recovered on the backup while the primary served on: {sets} log backups can never be added to it"
                    ),
                    "seed the secondary again from a full backup; or accept what they hold as lost, with --accept-loss-after and the LSN or the time of the last log restored",
                )
                .lifted_by(Lift::Loss),
            ),
            Self::Unclear(why) => Some(
                Block::site(
                    UNCLEAR,
                    format!("it cannot be told what `{name}` on the backup is: {why}"),
                    format!(
                        "see its restore history; if it was recovered for this failover, say so with --override {UNCLEAR}=REASON"
                    ),
                )
                .lifted_by(Lift::Override),
            ),
            Self::Unusable(state) => block(
                "unusable",
                format!("`{name}` on the backup instance is {state}"),
                "see the SQL Server error log of that instance",
            ),
            Self::Secondary
            | Self::Standby
            | Self::InService
            | Self::Recovered
            | Self::Starting
            | Self::Unknown(_) => None,
        }
    }

    /// True where it was recovered: what comes before that is moot.
    pub(super) fn is_recovered(&self) -> bool {
        matches!(self, Self::InService | Self::Recovered)
    }
}
