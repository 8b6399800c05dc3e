//! What the backup's chat database is: the table of `steps.md` 3, first row that fits from the top.

use serde::{Deserialize, Serialize};

use super::observe::Observed;
use super::observe::database::{
    Content, Database, Lineage, Restored, content, database, history, lineage,
};
use super::observe::folders::Folder;
use super::observe::pool;
use super::{Block, Context};
use crate::model::header::BackupKind;
use crate::model::states::{DatabaseState, MirroringRole, PoolState};
use crate::model::{Instance, Lsn, Role};

/// A restore older than this says nothing about now (`steps.md` 3).
const STALE_HOURS: i64 = 24;

/// What was read to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Look {
    /// O2
    pub database: Observed<Database>,
    /// O5
    pub history: Observed<Vec<Restored>>,
    /// O4, of a serving database only.
    pub lineage: Observed<Lineage>,
    /// O15, of a serving database only.
    pub content: Observed<Content>,
    /// K2, for a serving database only.
    pub pool: Observed<PoolState>,
    /// Log backups that end beyond the point where the database left its fork; unknown with the share.
    pub sets_beyond: Observed<usize>,
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
    Unknown(String),
}

/// Reads what [`classify`] needs.
pub(super) async fn look(cx: Context<'_>, share: &Observed<Folder>) -> Look {
    let access = cx.access;
    let backup = Instance::chat(Role::Backup);
    let name = &cx.site.database.chat;
    let row = database(access, backup, name).await;
    let history = history(access, backup, name).await;
    let mut look = Look {
        database: row,
        history,
        lineage: Observed::Absent,
        content: Observed::Absent,
        pool: Observed::Absent,
        sets_beyond: Observed::Absent,
    };
    if look.database.seen().is_some_and(Database::serves) {
        look.lineage = lineage(access, backup, name).await;
        look.content = content(access, backup, name).await;
        look.pool = pool_state(cx).await;
        look.sets_beyond = sets_beyond(&look, share, cx);
    }
    look
}

/// K2, by the identity of the site file or of K1.
pub(super) async fn pool_state(cx: Context<'_>) -> Observed<PoolState> {
    match identity(cx).await {
        Observed::Seen(identity) => pool::state(cx.access, &identity).await,
        Observed::Absent => Observed::Absent,
        Observed::Unknown(why) => Observed::Unknown(why),
    }
}

/// `-Identity` of the pool state cmdlets.
pub(super) async fn identity(cx: Context<'_>) -> Observed<String> {
    if let Some(identity) = &cx.site.pool.identity {
        return Observed::Seen(identity.clone());
    }
    match pool::service(cx.access, &cx.site.pool.fqdn).await {
        Observed::Seen(service) => Observed::Seen(service.identity),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(why) => Observed::Unknown(why),
    }
}

/// Log backups beyond the fork point, which is NULL when only one fork is left in the log: then the
/// newest restored log counts (`steps.md` 3). The backup's own log backups do not lie in the share.
fn sets_beyond(look: &Look, share: &Observed<Folder>, cx: Context<'_>) -> Observed<usize> {
    let point: Option<Lsn> = look
        .lineage
        .seen()
        .and_then(|lineage| lineage.fork_point)
        .or_else(|| {
            let rows = look.history.seen()?;
            rows.iter().find(|row| row.kind == "L")?.last_lsn
        });
    match (share, point) {
        (Observed::Seen(folder), Some(point)) => Observed::Seen(
            folder
                .files
                .iter()
                .filter(|file| {
                    file.header.kind == BackupKind::Log
                        && cx.site.database.chat.is(&file.header.database)
                        && file.header.last_lsn > point
                        && file.header.complete
                })
                .count(),
        ),
        (Observed::Unknown(why), _) => Observed::Unknown(why.clone()),
        _ => {
            Observed::Unknown("the point where the database left its fork is not known".to_owned())
        }
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
        DatabaseState::Restoring => match &database.mirroring {
            None => BackupDatabase::Secondary,
            Some(mirroring) if mirroring.role == Some(MirroringRole::Principal) => {
                BackupDatabase::Unclear("it is RESTORING and a principal".to_owned())
            }
            Some(_) => BackupDatabase::Mirror,
        },
        DatabaseState::Online if database.standby => BackupDatabase::Standby,
        DatabaseState::Online => serving(look),
        DatabaseState::Recovering => BackupDatabase::Starting,
        state => BackupDatabase::Unusable(state),
    }
}

fn serving(look: &Look) -> BackupDatabase {
    let history = match &look.history {
        Observed::Seen(rows) => rows.as_slice(),
        Observed::Absent => &[],
        Observed::Unknown(why) => return BackupDatabase::Unknown(why.clone()),
    };
    let restored = history.iter().any(|row| row.kind == "L" || row.kind == "D");
    let normal = look.pool.seen() == Some(&PoolState::Normal);
    if look.content.is_absent() || (normal && !restored) {
        return BackupDatabase::CreatedEmpty;
    }
    if let Some(why) = look.content.unknown() {
        return BackupDatabase::Unknown(why.to_owned());
    }
    match &look.pool {
        Observed::Seen(PoolState::FailedOver) => return BackupDatabase::InService,
        Observed::Seen(PoolState::Normal) => {}
        Observed::Unknown(why) => return BackupDatabase::Unknown(why.clone()),
        Observed::Absent => return BackupDatabase::Unknown("the pool has no state".to_owned()),
    }
    let newest_log = history.iter().find(|row| row.kind == "L");
    match &look.sets_beyond {
        Observed::Seen(0) => {}
        Observed::Seen(sets) => return BackupDatabase::RecoveredTooEarly { sets: *sets },
        Observed::Unknown(why) => {
            return BackupDatabase::Unclear(format!(
                "the share cannot be read, so it cannot be told whether it was recovered too early: {why}"
            ));
        }
        Observed::Absent => return BackupDatabase::Unclear("no log is known".to_owned()),
    }
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
        let block = |id, why: String, hint: &str| Some(Block::site(id, why, hint));
        match self {
            Self::NeverSetUp => block(
                "no-database",
                format!("the backup instance has no database `{name}`"),
                "see `[sql] backup` and `[database] chat`; without a secondary there is nothing to fail over to",
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
            Self::RecoveredTooEarly { sets } => block(
                "recovered-too-early",
                format!(
                    "`{name}` was recovered on the backup while the primary served on: {sets} log backups can never be added to it"
                ),
                "seed the secondary again from a full backup, or see what is lost",
            ),
            Self::Unclear(why) => block(
                "unclear",
                format!("it cannot be told what `{name}` on the backup is: {why}"),
                "see its restore history, and say which it is",
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
