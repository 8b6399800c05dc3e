//! One instance of the first data center: what its chat database is (`steps.md` 6.3).

use serde::Serialize;

use super::given::was_given;
use super::only_here::OnlyHere;

use crate::model::states::DatabaseState;
use crate::model::{Instance, Problem, Role};
use crate::step::observe::Observed;
use crate::step::observe::backups::{is_copy_of, log_backups, verified};
use crate::step::observe::database::{Content, Database, content, database, lineage};
use crate::step::observe::instance::{Presence, agent_runs, presence, services};
use crate::step::observe::log_shipping::{
    Job, JobIds, Primary, Schedule, all_jobs, all_schedules, primary,
};
use crate::step::observe::sets::{SetHeader, sets};
use crate::step::shared::{Holders, file_name, is_mirror, only_set};
use crate::step::without_mirror::interlock;
use crate::step::{Block, Context, Lift};

/// What keeps a database that is OFFLINE, as a fence leaves it: its files are closed and whole.
const KEEP_FILES: &str = "copy its files elsewhere while it is OFFLINE, for they hold what users wrote there (`SELECT physical_name FROM sys.master_files` names them), and say with the override that they are kept";

/// Interlock: a database that can be neither read nor backed up.
const UNREADABLE: &str = "old-database-unreadable";

/// What an instance's chat database is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Holds {
    /// There is none.
    Nothing,
    /// Of another family, without messages: Topology Builder made it.
    Fresh,
    /// The old database, or one that holds messages.
    Old { same_family: bool },
    /// The copy of a mirror.
    Mirror,
    /// What a removed mirroring left: RESTORING.
    Leftover,
    /// What an earlier failback restored there, and was undone: the backup has had all of it ever
    /// since.
    Returned,
    /// What a planned failover left, closed: the backup has all of it.
    Given,
    /// Its state could not be determined.
    Unknown(Problem),
}

#[derive(Debug, Serialize)]
pub(super) struct Side {
    pub(super) role: Role,
    pub(super) presence: Presence,
    pub(super) database: Observed<Database>,
    pub(super) content: Observed<Content>,
    pub(super) holds: Holds,
    /// What of it the second data center lacks; of an old database only.
    pub(super) only_here: Option<OnlyHere>,
    holders: Holders,
    pub(super) rows: Observed<Vec<Primary>>,
    pub(super) jobs: Observed<Vec<Job>>,
    pub(super) schedules: Observed<Vec<Schedule>>,
    agent: Option<bool>,
    pub(super) archive_path: Option<String>,
    archived: Observed<Vec<SetHeader>>,
    /// Whether the archive file is whole and sound; of an old database only.
    pub(super) verified: Observed<()>,
    unreadable_is_accepted: bool,
}

/// Where what an instance holds is kept.
pub(super) fn archive_path(cx: Context<'_>, role: Role) -> String {
    cx.site
        .shares
        .archive
        .as_ref()
        .map(|archive| archive.join(&file_name(cx, role.key())))
        .unwrap_or_default()
}

pub(super) async fn look(cx: Context<'_>, role: Role, family: Option<&str>) -> Side {
    let access = cx.access;
    let instance = Instance::chat(role);
    let name = &cx.site.database.chat;
    let database = database(access, instance, name).await;
    let serves = database.seen().is_some_and(Database::serves);
    let (lineage, content) = if serves {
        (
            lineage(access, instance, name).await,
            content(access, instance, name).await,
        )
    } else {
        (Observed::Absent, Observed::Absent)
    };
    let theirs = lineage.seen().and_then(|it| it.family.as_deref());
    let holds = match classify(&database, &content, theirs, family) {
        Holds::Leftover | Holds::Unknown(_) if was_returned(cx, role, &database).await => {
            Holds::Returned
        }
        Holds::Leftover if was_given(cx, role, &database, family).await => Holds::Given,
        holds @ (Holds::Nothing
        | Holds::Fresh
        | Holds::Old { .. }
        | Holds::Mirror
        | Holds::Leftover
        | Holds::Returned
        | Holds::Given
        | Holds::Unknown(_)) => holds,
    };
    let rows = primary(access, instance, name).await;
    let ids = JobIds::of(rows.seen().into_iter().flatten());
    let archive_path = cx
        .site
        .shares
        .archive
        .as_ref()
        .map(|_| archive_path(cx, role));
    let mut side = Side {
        role,
        presence: presence(access, instance).await,
        holders: Holders::of(cx, instance).await,
        jobs: all_jobs(access, instance, &ids).await,
        schedules: all_schedules(access, instance, &ids).await,
        agent: agent_runs(&services(access, instance).await),
        archived: Observed::Absent,
        verified: Observed::Absent,
        unreadable_is_accepted: cx.terms.overrides(UNREADABLE),
        database,
        content,
        holds,
        only_here: None,
        rows,
        archive_path,
    };
    if let (Holds::Old { .. }, Some(path)) = (&side.holds, &side.archive_path) {
        side.archived = sets(access, instance, path).await;
        if only_set(&side.archived, 1, name.as_str())
            .is_some_and(|set| set.copy_only && set.checksums)
        {
            side.verified = verified(access, instance, path).await;
        }
    }
    side
}

/// Whether what stands there, RESTORING or OFFLINE, is what an earlier failback restored: from a
/// backup that the backup took itself, and has held ever since; or, on the mirror, what was mirrored
/// from that. No log was backed up there since but by the set-up of a mirror: it never shipped its
/// log, as it does in service.
async fn was_returned(cx: Context<'_>, role: Role, database: &Observed<Database>) -> bool {
    let rests = database.seen().is_some_and(|row| {
        matches!(row.state, DatabaseState::Restoring | DatabaseState::Offline)
            && row.mirroring.is_none()
    });
    if !rests {
        return false;
    }
    let name = &cx.site.database.chat;
    let [primary, backup] = [Role::Primary, Role::Backup].map(Instance::chat);
    let here = Instance::chat(role);
    let mut copies = vec![(primary, backup)];
    if here != primary {
        copies.push((here, primary));
    }
    for (copy, source) in copies {
        if is_copy_of(cx.access, copy, source, name).await != Observed::Seen(true) {
            return false;
        }
    }
    let Observed::Seen(logs) = log_backups(cx.access, here, name).await else {
        return false;
    };
    logs.iter().all(|log| {
        let share = cx.site.shares.mirror.as_ref();
        share.is_some_and(|share| is_below(&log.device, share.as_str()))
    })
}

fn is_below(file: &str, folder: &str) -> bool {
    let plain = |path: &str| path.replace('/', "\\").to_lowercase();
    let folder = plain(folder);
    plain(file)
        .strip_prefix(folder.trim_end_matches('\\'))
        .is_some_and(|rest| rest.starts_with('\\'))
}

fn classify(
    database: &Observed<Database>,
    content: &Observed<Content>,
    theirs: Option<&str>,
    ours: Option<&str>,
) -> Holds {
    let row = match database {
        Observed::Absent => return Holds::Nothing,
        Observed::Unknown(why) => return Holds::Unknown(why.clone()),
        Observed::Seen(row) => row,
    };
    if is_mirror(row) {
        return Holds::Mirror;
    }
    if row.state == DatabaseState::Restoring {
        return Holds::Leftover;
    }
    if !row.serves() {
        return Holds::Unknown(format!("its chat database is {}", row.state).into());
    }
    let same = match (theirs, ours) {
        (Some(theirs), Some(ours)) => theirs.eq_ignore_ascii_case(ours),
        _ => {
            return Holds::Unknown(
                "whether its chat database is of the backup's family cannot be seen".into(),
            );
        }
    };
    match content {
        Observed::Absent if !same => Holds::Fresh,
        Observed::Unknown(why) => Holds::Unknown(why.clone()),
        Observed::Seen(_) | Observed::Absent => Holds::Old { same_family: same },
    }
}

impl Side {
    pub(super) fn enabled_job(&self) -> Option<&Job> {
        self.jobs.seen()?.iter().find(|job| job.enabled)
    }

    pub(super) fn running_job(&self) -> Option<&Job> {
        let agent = self.agent != Some(false);
        self.jobs
            .seen()?
            .iter()
            .find(|job| agent && job.started_and_not_stopped)
    }

    pub(super) fn is_mirrored(&self) -> bool {
        self.database
            .seen()
            .is_some_and(|row| row.mirroring.is_some())
    }

    /// What cannot be seen and has no block of its own.
    pub(super) fn unknown(&self) -> Option<Problem> {
        let of = |why: &Problem| Some(why.about(self.role.to_string()));
        let unseen = self.rows.unknown().or(self.jobs.unknown());
        let unseen = unseen.or(self.holders.all.unknown());
        if let Some(why) = unseen
            .or(self.archived.unknown())
            .or(self.verified.unknown())
        {
            return of(why);
        }
        match &self.holds {
            Holds::Unknown(why) if !self.unreadable_is_accepted => of(why),
            Holds::Unknown(_)
            | Holds::Nothing
            | Holds::Fresh
            | Holds::Old { .. }
            | Holds::Mirror
            | Holds::Leftover
            | Holds::Returned
            | Holds::Given => None,
        }
    }

    pub(super) fn blocks(&self, archive: Option<&str>) -> Vec<Block> {
        let role = self.role;
        match &self.presence {
            Presence::Answers(_) => {}
            Presence::Unseen(why) | Presence::Dead(why) if role == Role::PrimaryMirror => {
                let why = why.about(format!("the {role} does not answer"));
                return vec![interlock(why)];
            }
            Presence::Lives(why) | Presence::Unseen(why) | Presence::Dead(why) => {
                return vec![Block::site(
                    "primary-not-there",
                    why.about(format!("the {role} does not answer")),
                    "failback needs the first data center back: its instances up, the chat database installed there",
                )];
            }
        }
        let mut blocks = Vec::new();
        // These users write into a database that is about to be written over (`steps.md` 6.4).
        blocks.extend(self.holders.blocks().into_iter().map(|block| {
            Block::site(
                "old-sessions",
                format!("on the {role}, {}", block.why()),
                "see that the change of the pool's state has reached that server (Get-CsManagementStoreReplicationStatus); stop its chat service",
            )
        }));
        if matches!(self.holds, Holds::Old { .. }) {
            if archive.is_none() {
                blocks.push(Block::site(
                    "no-archive",
                    format!("the {role} holds the old chat database, and the site file names no folder to keep it in"),
                    "add `[shares] archive`: a folder that is neither the log-shipping share nor the copy folder",
                ));
            }
            if role == Role::PrimaryMirror && !self.is_mirrored() {
                blocks.push(Block::site(
                    "old-mirror-serves",
                    "the primary mirror serves a chat database that holds messages and is not mirrored",
                    "keep what it holds (BACKUP DATABASE … WITH COPY_ONLY) and drop it there",
                ));
            }
        }
        if let Observed::Seen(row) = &self.database
            && self.holds != Holds::Returned
            && matches!(
                row.state,
                DatabaseState::RecoveryPending
                    | DatabaseState::Suspect
                    | DatabaseState::Emergency
                    | DatabaseState::Offline
            )
        {
            let keep = match row.state {
                DatabaseState::Offline => KEEP_FILES,
                DatabaseState::Online
                | DatabaseState::Restoring
                | DatabaseState::Recovering
                | DatabaseState::RecoveryPending
                | DatabaseState::Suspect
                | DatabaseState::Emergency => "mend it",
            };
            blocks.extend(self.cannot_be_kept(&row.state.to_string(), keep));
        }
        blocks
    }

    /// What it holds can be neither read nor backed up; unless a person says that it may go.
    pub(super) fn unreadable(&self, what: &str) -> Option<Block> {
        self.cannot_be_kept(what, "mend it")
    }

    fn cannot_be_kept(&self, what: &str, keep: &str) -> Option<Block> {
        (!self.unreadable_is_accepted).then(|| {
            Block::site(
                UNREADABLE,
                format!(
                    "the chat database of the {} is {what}: what it holds cannot be backed up",
                    self.role
                ),
                format!(
                    "{keep}; or say with --override {UNREADABLE}=REASON that it may be written over"
                ),
            )
            .lifted_by(Lift::Override)
        })
    }
}
