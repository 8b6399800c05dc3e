//! `recover-database`, F4: the point of no return. Looks at everything once more before it
//! (`steps.md` 3, 4; `sql-server.md` 4).

use serde::Serialize;
use serde_json::json;

use super::backup_database::{BackupDatabase, classify};
use super::command::{Command, Hole, HoleType, Values};
use super::copy_backups;
use super::hands::{Hands, StepError};
use super::ledger::Unit;
use super::observe::Observed;
use super::observe::database::{Content, Database, content, database, lineage, orphans};
use super::observe::folders::{Chain, SetFacts, set_facts};
use super::observe::instance::{agent_runs, identity, services};
use super::observe::log_shipping::{Job, JobIds, jobs, secondary};
use super::observe::sessions::{Holder, RunningRestore, restores, sessions};
use super::save_log_shipping::count;
use super::saved::Saved;
use super::stop_log_shipping_jobs::backup;
use super::terms::{AcceptedLoss, Terms};
use super::{Block, Context, Effect, Info, Kind, Lift, Standing, Step};
use crate::model::states::{DatabaseState, MirroringRole};
use crate::model::{Instance, Role, quote};
use crate::site::Site;

const RECOVER: usize = 1;
const MULTI_USER: usize = 2;
const OWNER: usize = 3;

/// The database is recovered already (`sql-server.md` 4).
const ALREADY_RECOVERED: u32 = 3153;

/// Interlock: a fresh, empty chat database on the primary side.
const FRESH_PRIMARY: &str = "fresh-primary";

/// Interlock: the primary's mirror is alive, and may hold more than the share.
const MIRROR_ALIVE: &str = "mirror-alive";

pub(super) struct RecoverDatabase;

/// One instance of the primary side.
#[derive(Debug, Serialize)]
pub(super) struct PrimarySide {
    role: Role,
    answers: bool,
    database: Observed<Database>,
    family: Option<String>,
    content: Observed<Content>,
}

/// Everything that is looked at before the point of no return.
#[derive(Debug, Serialize)]
pub struct Facts {
    files: copy_backups::Facts,
    /// What the instance says of the last set of the chain.
    last_set: Observed<SetFacts>,
    jobs: Observed<Vec<Job>>,
    agent_runs: Option<bool>,
    restores: Observed<Vec<RunningRestore>>,
    sessions: Observed<Vec<Holder>>,
    primary_side: Vec<PrimarySide>,
    accepted: Option<String>,
    loss_is_accepted: bool,
    overrides: Vec<String>,
    /// True once this run has begun to recover it.
    ours: bool,
    /// What the primary's database had for an owner, where it is known.
    wanted_owner: Option<String>,
    orphans: Observed<Vec<String>>,
    major: Option<u32>,
}

/// Whether what lies beyond the chain's end is accepted as lost (DESIGN 3, rule 3). `end-of-chain`
/// is no answer to a gap, to files that cannot be read, or to a share that is unknown.
pub(super) fn accepts(terms: &Terms, chain: &Chain) -> bool {
    let rehearsed = terms.rehearsal.then_some(AcceptedLoss::EndOfChain);
    match terms.accepted.or(rehearsed) {
        None => false,
        Some(AcceptedLoss::EndOfChain) => {
            chain.whole && chain.unreadable.is_empty() && !terms.overrides(copy_backups::SHARE_LOST)
        }
        Some(AcceptedLoss::Lsn(lsn)) => chain.to >= lsn,
        Some(AcceptedLoss::Time(time)) => {
            chain.last_finished.is_some_and(|finished| finished >= time)
        }
    }
}

impl Facts {
    fn class(&self) -> BackupDatabase {
        let class = classify(self.files.look());
        match class {
            // What this run recovered needs no history to tell it from a drill.
            BackupDatabase::Unclear(_)
            | BackupDatabase::CreatedEmpty
            | BackupDatabase::RecoveredTooEarly { .. }
                if self.ours && self.row().is_some_and(Database::serves) =>
            {
                BackupDatabase::Recovered
            }
            other => other,
        }
    }

    fn row(&self) -> Option<&Database> {
        self.files.look().database.seen()
    }

    /// True where nothing was written after the last set.
    fn nothing_is_lost(&self) -> bool {
        self.files.chain().is_some_and(|chain| {
            chain.whole
                && chain.unreadable.is_empty()
                && self.last_set.seen().is_some_and(|set| set.force_offline)
        })
    }

    /// Seconds of chat that are lost: from the end of the last set to the moment of the disaster,
    /// never to the present (`steps.md` 2); `None` where one of them is not known.
    pub(super) fn loss_seconds(&self, terms: &Terms) -> Option<i64> {
        if self.nothing_is_lost() {
            return Some(0);
        }
        let end = self.files.chain()?.last_finished?;
        let lost = terms.disaster_at?.duration_since(end);
        Some(lost.as_secs().max(0))
    }

    fn owner_differs(&self) -> bool {
        match (&self.wanted_owner, self.row().map(|row| &row.owner)) {
            (Some(wanted), Some(owner)) => owner
                .as_ref()
                .is_none_or(|owner| !owner.eq_ignore_ascii_case(wanted)),
            _ => false,
        }
    }
}

impl Kind for RecoverDatabase {
    type Facts = Facts;

    const INFO: Info = Info {
        id: "recover-database",
        vendor: Some("F4"),
        title: "Bring the backup's chat database online: from here no log can be added",
        effect: Effect::Irreversible,
        checks: &[
            "share and copy folder anew: no set of the chain is left to apply",
            "what the chain does not have is accepted as lost",
            "no primary-side database of this family, or holding messages, serves",
            "jobs disabled and idle, no RESTORE, no session",
            "ONLINE, MULTI_USER, read-write, FULL, with a collation",
        ],
    };

    fn commands(site: &Site) -> Vec<Command> {
        let database = quote::identifier(site.database.chat.as_str());
        let server = backup(site);
        vec![
            Command::tsql(
                Role::Backup,
                &server,
                format!("RESTORE DATABASE {database} WITH RECOVERY;"),
                Vec::new(),
            )
            .when("the database is RESTORING"),
            Command::tsql(
                Role::Backup,
                &server,
                format!("ALTER DATABASE {database} SET MULTI_USER;"),
                Vec::new(),
            )
            .when("it is not MULTI_USER after recovery"),
            Command::tsql(
                Role::Backup,
                &server,
                format!("ALTER AUTHORIZATION ON DATABASE::{database} TO {{owner}};"),
                vec![Hole::new(
                    "owner",
                    HoleType::Identifier,
                    "owner of the primary's database, as it was kept",
                    r"LITWARE\svc-chat",
                )],
            )
            .when("the primary's owner is known, and this one is another"),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        let files = copy_backups::observe(cx).await;
        let last_set = match files.chain().and_then(|chain| chain.last_path.as_ref()) {
            Some((path, position)) => set_facts(access, path, *position).await,
            None => Observed::Absent,
        };
        let rows = secondary(access, backup, name).await;
        let ids = rows
            .seen()
            .and_then(|rows| rows.first())
            .map(JobIds::from)
            .or_else(|| cx.saved.and_then(Saved::job_ids));
        let jobs = match (&ids, rows.unknown()) {
            (Some(ids), _) => jobs(access, backup, ids).await,
            (None, Some(why)) => Observed::Unknown(why.to_owned()),
            (None, None) => Observed::Absent,
        };
        let mut primary_side = Vec::new();
        for role in [Role::Primary, Role::PrimaryMirror] {
            if access.sql.has(Instance::chat(role)) {
                primary_side.push(look_at_primary(cx, role).await);
            }
        }
        let loss_is_accepted = files.chain().is_some_and(|chain| accepts(cx.terms, chain));
        let serves = files
            .look()
            .database
            .seen()
            .is_some_and(|row| row.serves() && row.collation.is_some());
        let wanted_owner = cx
            .saved
            .and_then(|saved| saved.primary.as_ref())
            .and_then(|half| half.database.as_ref())
            .and_then(|row| row.owner.clone());
        Facts {
            last_set,
            jobs,
            agent_runs: agent_runs(&services(access, backup).await),
            restores: restores(access, backup, name).await,
            sessions: sessions(access, backup, name).await,
            primary_side,
            accepted: cx.terms.accepted.map(|loss| loss.to_string()),
            loss_is_accepted,
            overrides: cx.terms.overrides.keys().cloned().collect(),
            ours: cx.started,
            wanted_owner,
            orphans: if serves {
                orphans(access, backup, name).await
            } else {
                Observed::Absent
            },
            major: identity(access, backup).await.seen().map(|it| it.major),
            files,
        }
    }

    fn judge(facts: &Facts) -> Standing {
        let class = facts.class();
        if let Some(block) = class.block("the chat database") {
            return Standing::Blocked {
                blocks: vec![block],
            };
        }
        match &class {
            BackupDatabase::Unknown(why) => return Standing::unknown(why),
            BackupDatabase::Starting => return Standing::underway("recovery runs"),
            class if class.is_recovered() => return judge_recovered(facts),
            _ => {}
        }
        let (Some(chain), Some(restores), Some(sessions)) = (
            facts.files.chain(),
            facts.restores.seen(),
            facts.sessions.seen(),
        ) else {
            let why = facts
                .files
                .redo()
                .unknown()
                .or(facts.restores.unknown())
                .or(facts.sessions.unknown());
            return Standing::unknown(why.unwrap_or("where the chain begins"));
        };
        if let Some(why) = facts.jobs.unknown() {
            return Standing::unknown(why);
        }
        let mut blocks: Vec<Block> = facts.files.share_block().into_iter().collect();
        if !chain.sets.is_empty() {
            blocks.push(
                Block::site(
                    "logs-left",
                    format!(
                        "{} of the chain still to apply, up to LSN {}",
                        count(chain.sets.len(), "log backup"),
                        chain.to
                    ),
                    "run `apply-logs` first",
                )
                .cleared_by(Step::ApplyLogs),
            );
        }
        if !facts.nothing_is_lost() && !facts.loss_is_accepted {
            blocks.push(loss_block(facts, chain));
        }
        for side in &facts.primary_side {
            blocks.extend(primary_block(facts, side));
        }
        let agent = facts.agent_runs != Some(false);
        if facts
            .jobs
            .seen()
            .into_iter()
            .flatten()
            .any(|job| job.enabled || (agent && job.started_and_not_stopped))
        {
            blocks.push(
                Block::site(
                    "jobs-not-idle",
                    "a copy or restore job is enabled or runs",
                    "run `stop-log-shipping-jobs` first",
                )
                .cleared_by(Step::StopLogShippingJobs),
            );
        }
        blocks.extend(restores.iter().map(|restore| {
            Block::site(
                "restore-runs",
                format!(
                    "a {} holds the database: session {}",
                    restore.command,
                    restore.by.describe()
                ),
                "wait until it ends",
            )
            .cleared_by(Step::StopLogShippingJobs)
        }));
        if restores.is_empty() && !sessions.is_empty() {
            blocks.push(
                Block::site(
                    "sessions",
                    format!("{} hold the database", count(sessions.len(), "session")),
                    "run `end-connections` first",
                )
                .cleared_by(Step::EndConnections),
            );
        }
        Standing::unless(blocks, || {
            let upgrade = match (facts.major, facts.last_set.seen().and_then(|set| set.major)) {
                (Some(major), Some(wrote)) if i64::from(major) > wrote => {
                    "; it is upgraded to this version, and cannot go back to the primary (3169)"
                }
                _ => "",
            };
            Standing::pending(format!("recover it at LSN {}{upgrade}", chain.to))
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_>) -> Result<(), StepError> {
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        let mut session = cx.access.sql.open(backup).await?;
        if !facts.class().is_recovered() {
            match hands.send(&mut session, RECOVER, &Values::new()).await {
                Err(StepError::Sql(error)) if error.number() == Some(ALREADY_RECOVERED) => {}
                other => {
                    other?;
                }
            }
        }
        let row = loop {
            match database(cx.access, backup, name).await {
                Observed::Seen(row) if row.serves() && row.collation.is_some() => break row,
                Observed::Seen(row) if row.state == DatabaseState::Recovering => {}
                // The next observation says what it is.
                _ => return Ok(()),
            }
            hands.progress(0, 0, Unit::Waiting, "recovery runs");
            tokio::time::sleep(cx.site.limits.poll).await;
        };
        if row.user_access != 0 {
            hands.send(&mut session, MULTI_USER, &Values::new()).await?;
        }
        let owner_differs = facts.wanted_owner.as_ref().is_some_and(|wanted| {
            row.owner
                .as_ref()
                .is_none_or(|owner| !owner.eq_ignore_ascii_case(wanted))
        });
        if let (true, Some(owner)) = (owner_differs, &facts.wanted_owner) {
            let values = Values::from([("owner".to_owned(), json!(owner))]);
            hands.send(&mut session, OWNER, &values).await?;
        }
        Ok(())
    }
}

async fn look_at_primary(cx: Context<'_>, role: Role) -> PrimarySide {
    let access = cx.access;
    let instance = Instance::chat(role);
    let name = &cx.site.database.chat;
    let answers = identity(access, instance).await.seen().is_some();
    let mut side = PrimarySide {
        role,
        answers,
        database: Observed::Unknown("does not answer".to_owned()),
        family: None,
        content: Observed::Absent,
    };
    if !answers {
        return side;
    }
    side.database = database(access, instance, name).await;
    if side.database.seen().is_some_and(Database::serves) {
        side.family = lineage(access, instance, name)
            .await
            .seen()
            .and_then(|lineage| lineage.family.clone());
        side.content = content(access, instance, name).await;
    }
    side
}

/// Never two writable databases (DESIGN 3, rule 2). An instance that does not answer is what a
/// disaster looks like; one that answers and hides its database is not.
fn primary_block(facts: &Facts, side: &PrimarySide) -> Option<Block> {
    if !side.answers {
        return None;
    }
    let row = match &side.database {
        Observed::Absent => return None,
        Observed::Unknown(why) => {
            return Some(Block::site(
                "primary-unclear",
                format!(
                    "the {} answers, but its database cannot be seen: {why}",
                    side.role
                ),
                "sign in as a member of sysadmin there",
            ));
        }
        Observed::Seen(row) => row,
    };
    if row.serves() {
        let ours = facts
            .files
            .look()
            .history
            .seen()
            .and_then(|rows| rows.iter().find_map(|row| row.family.clone()));
        let other_family = side
            .family
            .as_ref()
            .zip(ours.as_ref())
            .is_some_and(|(a, b)| !a.eq_ignore_ascii_case(b));
        if other_family && side.content.is_absent() {
            return (!facts.overrides.iter().any(|id| id == FRESH_PRIMARY)).then(|| {
                Block::site(
                    FRESH_PRIMARY,
                    format!("the {} serves a fresh, empty chat database", side.role),
                    format!(
                        "if it is a new installation, say so with --override {FRESH_PRIMARY}=REASON"
                    ),
                )
                .lifted_by(Lift::Override)
            });
        }
        return Some(Block::site(
            "primary-serves",
            format!(
                "the {} answers and its chat database is ONLINE: there would be two writable ones",
                side.role
            ),
            "it can be fenced: clear the active servers, then BACKUP LOG … WITH NORECOVERY there, into the share; this cannot be overridden",
        ));
    }
    let is_mirror = row
        .mirroring
        .as_ref()
        .is_some_and(|mirroring| mirroring.role == Some(MirroringRole::Mirror));
    (is_mirror && !facts.overrides.iter().any(|id| id == MIRROR_ALIVE)).then(|| {
        Block::site(
            MIRROR_ALIVE,
            format!(
                "the {} is alive as a mirror and may hold more than the share does",
                side.role
            ),
            format!(
                "fail over inside the first data center, or say with --override {MIRROR_ALIVE}=REASON that it is out of use"
            ),
        )
        .lifted_by(Lift::Override)
    })
}

fn loss_block(facts: &Facts, chain: &Chain) -> Block {
    let end = chain.last_finished.map_or_else(String::new, |time| {
        format!(", {time} by the clock of its server")
    });
    let mut why = format!(
        "what was written after the end of the chain, LSN {}{end}, is lost",
        chain.to
    );
    if !chain.whole {
        why.push_str("; there is log beyond it that cannot be applied");
    }
    if !chain.unreadable.is_empty() {
        why = format!(
            "{why}; {} could not be read",
            count(chain.unreadable.len(), "file")
        );
    }
    if let Some(accepted) = &facts.accepted {
        why = format!("{why}; accepted was only: {accepted}");
    }
    let plain = chain.whole && chain.unreadable.is_empty() && facts.files.share_block().is_none();
    let hint = if plain {
        "accept it with --accept-loss-after end-of-chain".to_owned()
    } else {
        format!("accept exactly that with --accept-loss-after {}", chain.to)
    };
    Block::site("loss", why, hint).lifted_by(Lift::Loss)
}

fn judge_recovered(facts: &Facts) -> Standing {
    let Some(row) = facts.row() else {
        return Standing::unknown("the database");
    };
    if row.user_access != 0 || facts.owner_differs() {
        return Standing::pending("make it MULTI_USER, with the owner that the primary had");
    }
    if !row.is_sound() {
        if row.collation.is_none() {
            return Standing::underway("it takes no connections yet");
        }
        return Standing::Blocked {
            blocks: vec![Block::site(
                "unsound",
                format!("it is ONLINE, but {}", row.unsound().join(", ")),
                "mend that with ALTER DATABASE, then go on",
            )],
        };
    }
    let mut why = match classify(facts.files.look()) {
        BackupDatabase::InService => "in service: the pool uses it".to_owned(),
        _ => "ONLINE, recovered at the end of the chain".to_owned(),
    };
    if let Some(orphans) = facts.orphans.seen().filter(|names| !names.is_empty()) {
        why = format!("{why}; users without a login here: {}", orphans.join(", "));
    }
    Standing::satisfied(why)
}
