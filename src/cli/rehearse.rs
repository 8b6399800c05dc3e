//! `--rehearse`: the same executor and drivers over the simulated site (DESIGN 10).

use std::io::Write;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::access::powershell::PowerShellDoor;
use crate::access::sql::{DoorLimits, SignIn, SqlDoor};
use crate::access::{Access, Clock};
use crate::plan::{Plan, hex};
use crate::rehearsal::simulated::{NoSite, Recipe, SimulatedSite, addresses};
use crate::rehearsal::world::Start;
use crate::run::event::RunFinished;
use crate::run::executor::{Execution, Who};
use crate::run::journal::{Journal, JournalError};
use crate::run::ledger::RunLedger;
use crate::run::operator::Nobody;
use crate::run::recorder::{Recorder, Sink};
use crate::run::store::Store;
use crate::site::Site;
use crate::status::Status;
use crate::step::saved::Saved;
use crate::step::terms::Terms;

/// Why a rehearsal could not be held, or cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The site cannot be simulated.
    #[error(transparent)]
    NoSite(#[from] NoSite),
    /// The record could not be kept, in memory.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The simulation was asked what it does not know: what it showed proves nothing.
    #[error("the simulated site was asked what it does not know: {}", .0.join("; "))]
    Unknown(Vec<String>),
    /// No runtime.
    #[error("no runtime for the rehearsal: {0}")]
    Runtime(#[from] std::io::Error),
}

/// A simulated site with its doors: all that an execution needs of a rehearsal.
pub struct Stage {
    /// The site.
    pub simulated: SimulatedSite,
    /// The doors to it.
    pub access: Access,
}

impl Stage {
    /// Builds the simulated site and opens its doors. Call inside a paused runtime.
    ///
    /// # Errors
    /// When the site cannot be simulated.
    pub fn build(site: &Site, recipe: &Recipe) -> Result<Self, NoSite> {
        let simulated = SimulatedSite::build(site, recipe)?;
        let access = doors(site, &simulated);
        Ok(Self { simulated, access })
    }

    /// Opens fresh doors to the same site: what a second process has.
    pub fn reopen(&mut self, site: &Site) {
        self.access = Access {
            clock: self.access.clock,
            ..doors(site, &self.simulated)
        };
    }
}

fn doors(site: &Site, simulated: &SimulatedSite) -> Access {
    let sign_in = SignIn {
        user: "pchadr".to_owned(),
        // The simulated site asks for no secret, and none is read for it.
        password: "rehearsal".to_owned(),
    };
    let limits = DoorLimits {
        connect: site.limits.connect,
        login: site.limits.login,
        query: site.limits.query,
    };
    Access {
        sql: Arc::new(SqlDoor::new(
            simulated.dial(),
            addresses(site),
            sign_in,
            limits,
        )),
        powershell: Arc::new(PowerShellDoor::new(
            simulated.launch(),
            &site.powershell.module,
            site.limits.powershell,
            0x7265_6865_6172_7365,
        )),
        shares: Arc::new(simulated.folders.clone()),
        headers: Arc::default(),
        clock: Clock::simulated(simulated.begins),
    }
}

/// The log-shipping configuration that the simulated site had before the failover, as a check would
/// have kept it: read from the same site in its normal state. Call inside a paused runtime.
///
/// # Errors
/// When the site cannot be simulated.
pub async fn saved_before(site: &Site, recipe: &Recipe) -> Result<Option<Saved>, NoSite> {
    let normal = Recipe {
        start: Start::Normal,
        vary: |_| (),
        ..recipe.clone()
    };
    let stage = Stage::build(site, &normal)?;
    Ok(Saved::observe(site, &stage.access, "before").await)
}

/// Runs a plan on a stage.
///
/// # Errors
/// When the record cannot be written.
pub async fn execute(
    site: &Site,
    plan: &Plan,
    terms: &Terms,
    access: &Access,
    store: Box<dyn Store>,
    sinks: Vec<Box<dyn Sink>>,
) -> Result<RunFinished, JournalError> {
    execute_with(site, plan, terms, access, None, store, sinks).await
}

/// The same with a saved log-shipping configuration at hand: what a failback rebuilds from.
///
/// # Errors
/// When the record cannot be written.
pub async fn execute_with(
    site: &Site,
    plan: &Plan,
    terms: &Terms,
    access: &Access,
    saved: Option<&Saved>,
    store: Box<dyn Store>,
    sinks: Vec<Box<dyn Sink>>,
) -> Result<RunFinished, JournalError> {
    let stop = CancellationToken::new();
    let (journal, records) = Journal::reopen(store)?;
    let resumed = !records.is_empty();
    let recorder = if resumed {
        Recorder::resume(journal, &records, access.clock, sinks).map_err(|error| {
            JournalError::Damaged {
                line: 0,
                reason: error.to_string(),
            }
        })?
    } else {
        Recorder::new(journal, access.clock, sinks)
    };
    let ledger = RunLedger::new(recorder);
    let execution = Execution {
        site,
        site_digest: site_digest(site),
        plan,
        access,
        terms,
        operator: &Nobody,
        ledger: &ledger,
        stop: &stop,
        run: "rehearsal",
        who: Who {
            tool: format!("pchadr {}", env!("CARGO_PKG_VERSION")),
            host: "simulated".to_owned(),
            user: "simulated".to_owned(),
        },
        saved_elsewhere: saved,
        resume_command: None,
    };
    if resumed {
        execution.resume().await
    } else {
        execution.start().await
    }
}

/// `sha256:` and the SHA-256 of the site as loaded.
pub fn site_digest(site: &Site) -> String {
    use sha2::{Digest as _, Sha256};
    // A folder name that is no Unicode is the only thing that could fail; it then has no digest.
    let json = serde_json::to_vec(site).unwrap_or_default();
    format!("sha256:{}", hex(&Sha256::digest(json)))
}

/// Holds a rehearsal from its beginning to its end, and writes where the site stands after it.
///
/// # Errors
/// When it cannot be held, or when it asked what the simulation does not know.
pub fn run(
    site: &Site,
    plan: &Plan,
    mut terms: Terms,
    recipe: &Recipe,
    store: Box<dyn Store>,
    sinks: Vec<Box<dyn Sink>>,
    end: &mut dyn Write,
) -> Result<RunFinished, RehearsalError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(async {
        let saved = if recipe.start == Start::FailedOver {
            saved_before(site, recipe).await?
        } else {
            None
        };
        let stage = Stage::build(site, recipe)?;
        terms.rehearsal = true;
        terms.disaster_at = terms.disaster_at.or(Some(stage.simulated.lost_at));
        let access = &stage.access;
        let finished =
            execute_with(site, plan, &terms, access, saved.as_ref(), store, sinks).await?;
        let status = Status::observe(site, &stage.access).await;
        status.write_human(end)?;
        let unknown = stage.simulated.unknown();
        if unknown.is_empty() {
            Ok(finished)
        } else {
            Err(RehearsalError::Unknown(unknown))
        }
    })
}
