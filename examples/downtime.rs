//! How long a failback keeps chat away, and how often the whole chat database crosses between the
//! data centers: pchadr's rehearsed run against the vendor's procedure, typed by hand into the same
//! simulated site with a chat database of 50 GB. Prints both, and the ratio.
//!
//! What is assumed, alike for both: every backup and restore of whole files at the simulated site's
//! one throughput, in whichever data center; the log-shipping share in the second data center, where
//! it outlives the first; the mirror's share beside the primary. The vendor's page forgets the
//! primary's mirror, which its own B5 needs: both set it up. The time of the person who types is not
//! counted.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use pchadr::access::powershell::Call;
use pchadr::access::sql::Query;
use pchadr::cli::rehearse::{Stage, execute_with, saved_before};
use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Role};
use pchadr::plan::Plan;
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::rehearsal::world::{Outcome, ServiceTimes};
use pchadr::report::account::Account;
use pchadr::report::downtime::{measured, whole};
use pchadr::report::read_lines;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::{Direction, FAILBACK, Runbook};
use pchadr::site::Site;
use pchadr::step::Step;
use pchadr::step::terms::Terms;
use serde_json::{Value, json};
use tokio::time::Instant;

type Any = Box<dyn Error>;

/// Size of the chat database.
const SIZE: u64 = 50_000_000_000;

const PRIMARY: Instance = Instance::chat(Role::Primary);
const BACKUP: Instance = Instance::chat(Role::Backup);

/// What was measured.
struct Measured {
    downtime: Duration,
    /// Whole copies that went from one data center to the other.
    crossed: u64,
    /// Chat messages on the primary afterwards.
    messages: u64,
}

/// The failed-over site, its chat database grown.
fn stage(site: &Site, recipe: &Recipe) -> Result<Stage, Any> {
    let stage = Stage::build(site, recipe)?;
    stage.simulated.world.with(|state| {
        for role in [Role::Backup, Role::BackupMirror] {
            let server = state.instances.get_mut(&Instance::chat(role));
            if let Some(database) = server.and_then(|it| it.database_mut("mgc")) {
                database.files[0].bytes = SIZE;
            }
        }
    });
    Ok(stage)
}

/// pchadr's own run.
async fn rehearsed(site: &Site, recipe: &Recipe) -> Result<Measured, Any> {
    let ids: Vec<&str> = Step::of(Direction::Failback)
        .iter()
        .map(|step| step.id())
        .collect();
    let runbook = Runbook::parse(FAILBACK, "failback.toml", &ids)?;
    let plan = Plan::bind(&runbook, site)?;
    let saved = saved_before(site, recipe).await?;
    let stage = stage(site, recipe)?;
    let store = MemoryStore::default();
    let terms = Terms {
        rehearsal: true,
        ..Terms::default()
    };
    let record = Box::new(store.clone());
    let saved = saved.as_ref();
    let finished = execute_with(site, &plan, &terms, &stage.access, saved, record, vec![]).await?;
    if finished.exit != 0 {
        return Err(format!("the rehearsal ended otherwise: {:?}", finished.error).into());
    }
    let account = Account::of(&read_lines(&store.bytes()).records());
    let parts = measured(&account).ok_or("no downtime was measured")?;
    judge(&stage, whole(&parts))
}

/// What an administrator types: one batch for an instance, or one cmdlet.
enum Typed {
    Sql(Role, &'static str),
    Cmdlet(&'static str, Value),
}

/// The vendor's procedure, B1 to B7.
fn procedure() -> Vec<Typed> {
    use Typed::{Cmdlet, Sql};
    let mirror = |database: &str| {
        Cmdlet(
            "Install-CsMirrorDatabase",
            json!({
                "DatabaseType": database, "SqlServerFqdn": "sql1.dc1.litwareinc.com",
                "SqlInstanceName": "chat", "FileShare": r"\\fs1\pchat-mirror", "Confirm": false,
            }),
        )
    };
    let primary_half = |role| {
        Sql(
            role,
            r"declare @job uniqueidentifier, @id uniqueidentifier
exec master.dbo.sp_add_log_shipping_primary_database 'mgc', '\\fs1\pchat-logs', '\\fs1\pchat-logs', 'LSBackup_mgc',
  @backup_job_id = @job output, @primary_id = @id output
exec msdb.dbo.sp_update_job @job_id = @job, @enabled = 1
exec master.dbo.sp_add_log_shipping_primary_secondary 'mgc', 'SQL3\chat', 'mgc'",
        )
    };
    vec![
        // B1
        Cmdlet(
            "Set-CsPersistentChatActiveServer",
            json!({"ActiveServers": null, "Confirm": false}),
        ),
        // B2
        Sql(Role::Backup, "alter database mgc set partner off"),
        // B3
        Sql(
            Role::Backup,
            r"backup database mgc to disk = '\\fs1\pchat-logs\mgc-by-hand.bak' with init, name = 'mgc-Full Database Backup'",
        ),
        // B4
        Sql(
            Role::Primary,
            r"restore database mgc from disk = '\\fs1\pchat-logs\mgc-by-hand.bak' with file = 1, replace, recovery",
        ),
        mirror("PersistentChat"),
        mirror("PersistentChatCompliance"),
        // B5: the console initializes the secondary from a full backup of its own.
        Sql(
            Role::Primary,
            r"backup database mgc to disk = '\\fs1\pchat-logs\mgc-seed.bak' with init",
        ),
        Sql(
            Role::Backup,
            r"restore database mgc from disk = '\\fs1\pchat-logs\mgc-seed.bak' with file = 1, replace, norecovery",
        ),
        primary_half(Role::Primary),
        Sql(
            Role::Backup,
            r"declare @copy uniqueidentifier, @restore uniqueidentifier, @id uniqueidentifier
exec master.dbo.sp_add_log_shipping_secondary_primary 'SQL1\chat', 'mgc', '\\fs1\pchat-logs', 'E:\pchat-copy', 'LSCopy_mgc', 'LSRestore_mgc',
  @copy_job_id = @copy output, @restore_job_id = @restore output, @secondary_id = @id output
exec master.dbo.sp_add_log_shipping_secondary_database 'mgc', 'SQL1\chat', 'mgc', @restore_delay = 0, @restore_mode = 0
exec msdb.dbo.sp_update_job @job_id = @copy, @enabled = 1
exec msdb.dbo.sp_update_job @job_id = @restore, @enabled = 1",
        ),
        // The page fails over by a cmdlet, which while the pool is FailedOver may mean the other pair.
        Sql(Role::Primary, "alter database mgc set partner failover"),
        primary_half(Role::PrimaryMirror),
        Sql(
            Role::PrimaryMirror,
            "alter database mgc set partner failover",
        ),
        // B6
        Cmdlet(
            "Set-CsPersistentChatActiveServer",
            json!({
                "ActiveServers": ["pc1.dc1.litwareinc.com", "pc2.dc1.litwareinc.com"],
                "Confirm": false,
            }),
        ),
        // B7
        Cmdlet(
            "Set-CsPersistentChatState",
            json!({
                "Identity": "service:pchat.litwareinc.com", "PoolState": "Normal", "Confirm": false,
            }),
        ),
    ]
}

async fn by_hand(site: &Site, recipe: &Recipe) -> Result<Measured, Any> {
    let stage = stage(site, recipe)?;
    // The shell is open before the work begins.
    call(&stage, "Get-CsPersistentChatState", json!({})).await?;
    let began = Instant::now();
    for typed in procedure() {
        match typed {
            Typed::Sql(role, batch) => {
                let mut session = Box::pin(stage.access.sql.open(Instance::chat(role))).await?;
                Box::pin(session.send(batch)).await?;
            }
            Typed::Cmdlet(cmdlet, parameters) => {
                call(&stage, cmdlet, parameters).await?;
                if cmdlet == "Install-CsMirrorDatabase" {
                    in_step(&stage).await?;
                }
            }
        }
    }
    while count(&stage, PRIMARY, SESSIONS).await? < 2 {
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    judge(&stage, began.elapsed())
}

/// Chat servers on the chat database.
const SESSIONS: &str = "select count(*) as n from sys.dm_exec_sessions where program_name = 'ChannelService' and database_id = db_id('mgc')";

/// Mirrors that are not in step.
const BEHIND: &str = "select count(*) as n from sys.database_mirroring where mirroring_guid is not null and mirroring_state <> 4";

async fn in_step(stage: &Stage) -> Result<(), Any> {
    while count(stage, PRIMARY, BEHIND).await? > 0 {
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    Ok(())
}

async fn count(stage: &Stage, instance: Instance, select: &str) -> Result<i64, Any> {
    let table = Box::pin(stage.access.sql.read(instance, Query::plain(select))).await?;
    let row = table.rows().next().and_then(|row| row.int("n"));
    Ok(row.ok_or("no count")?)
}

async fn call(stage: &Stage, cmdlet: &str, parameters: Value) -> Result<(), Any> {
    let Value::Object(parameters) = parameters else {
        return Err("parameters are an object".into());
    };
    let parameters: BTreeMap<&str, Value> = parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    let call = Call {
        cmdlet,
        parameters,
        properties: &[],
        limit: None,
    };
    stage.access.powershell.call(call).await?;
    Ok(())
}

/// Sees that the site is home, and counts by the world's own history.
fn judge(stage: &Stage, downtime: Duration) -> Result<Measured, Any> {
    let unknown = stage.simulated.unknown();
    if !unknown.is_empty() {
        return Err(format!("the simulated site does not know: {unknown:?}").into());
    }
    let summary = stage.simulated.world.summary();
    let database = |instance| summary.database(instance, "mgc").ok_or("no chat database");
    let (primary, backup) = (database(PRIMARY)?, database(BACKUP)?);
    if primary.state != DatabaseState::Online || backup.state != DatabaseState::Restoring {
        return Err(format!("{} and {}", primary.state, backup.state).into());
    }
    let sizes: BTreeMap<String, u64> = stage.simulated.folders.snapshot().into_iter().collect();
    let first = [Role::Primary, Role::PrimaryMirror];
    let crossed = stage.simulated.world.history();
    let crossed = crossed
        .iter()
        .filter(|batch| batch.outcome == Outcome::Done && first.contains(&batch.instance.role))
        .filter(|batch| {
            let text = batch.text.to_lowercase();
            ["backup database", "restore database", "restore verifyonly"]
                .iter()
                .any(|verb| text.contains(verb))
                && sizes.iter().any(|(path, size)| {
                    *size >= SIZE
                        && path.contains("pchat-logs")
                        && text.contains(&path.to_lowercase())
                })
        })
        .count();
    Ok(Measured {
        downtime,
        crossed: u64::try_from(crossed)?,
        messages: primary.messages,
    })
}

#[expect(clippy::print_stdout, reason = "the figures are all that it is for")]
fn main() -> Result<(), Any> {
    let site = Site::load(Path::new("runbooks/litware.toml")).map_err(|it| format!("{it:?}"))?;
    let recipe = Recipe::failed_over(Logs::Made(16));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let ours = runtime.block_on(rehearsed(&site, &recipe))?;
    let theirs = runtime.block_on(by_hand(&site, &recipe))?;
    let minutes = |measured: &Measured| measured.downtime.as_secs_f64() / 60.0;
    let throughput = ServiceTimes::REAL.throughput.unwrap_or_default() / 1_000_000;
    println!(
        "failback of 50 GB, simulated: every whole copy at {throughput} MB/s, the log-shipping share in the second data center, no time for typing"
    );
    for (who, measured) in [("pchadr", &ours), ("the vendor's procedure", &theirs)] {
        println!(
            "  {who}: {:.1} min without chat, {} GB of full copies between the data centers",
            minutes(measured),
            measured.crossed * SIZE / 1_000_000_000
        );
    }
    println!(
        "  ratio of the downtimes: {:.2}; both verified by the messages that came home: {}",
        minutes(&ours) / minutes(&theirs),
        ours.messages
    );
    assert_eq!((ours.crossed, theirs.crossed), (1, 2), "full copies");
    assert_eq!(ours.messages, theirs.messages, "messages");
    assert!(
        ours.downtime * 2 < theirs.downtime,
        "the downtime is not half as long"
    );
    Ok(())
}
