//! What the backup needs, and whether it is there.

use crate::access::Access;
use crate::model::chain::LogFile;
use crate::model::problem::WayOn;
use crate::model::{Instance, LogChain, Lsn, Problem, Role};
use crate::run::event::ErrorRecord;
use crate::site::Site;
use crate::step::observe::Observed;
use crate::step::observe::database::{database, history, redo_start};

/// What the backup says that its database needs.
#[derive(Debug)]
pub(super) struct Need {
    pub(super) server: String,
    pub(super) database: String,
    pub(super) start: Result<Start, Problem>,
}

/// Where the next log must begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// At this LSN.
    At(Lsn),
    /// Nowhere: the database serves.
    Serves,
}

impl Need {
    /// Asks the backup instance. Of a STANDBY database whose files do not say it, the last log of its
    /// history counts (`sql-server.md` 2.2).
    pub(super) async fn ask(site: &Site, access: &Access) -> Self {
        let backup = Instance::chat(Role::Backup);
        Self {
            server: access.sql.server(backup).to_owned(),
            database: site.database.chat.to_string(),
            start: start(site, access, backup).await,
        }
    }
}

async fn start(site: &Site, access: &Access, backup: Instance) -> Result<Start, Problem> {
    let name = &site.database.chat;
    let standby = match database(access, backup, name).await {
        Observed::Seen(row) if row.serves() => return Ok(Start::Serves),
        Observed::Seen(row) => row.standby,
        Observed::Absent => {
            return Err(Problem::new(
                "it has no such database",
                "see `[sql] backup` and `[database] chat` in the site file",
            ));
        }
        Observed::Unknown(why) => return Err(why),
    };
    match redo_start(access, backup, name).await {
        Observed::Seen(redo) => return Ok(Start::At(redo.lsn)),
        Observed::Unknown(why) => return Err(why),
        Observed::Absent => {}
    }
    let last = match history(access, backup, name).await {
        Observed::Seen(rows) => rows.iter().find_map(|row| row.last_lsn),
        Observed::Absent => None,
        Observed::Unknown(why) => return Err(why),
    };
    last.filter(|_| standby).map(Start::At).ok_or_else(|| {
        Problem::new(
            "neither sys.master_files nor the restore history says where the next log must begin",
            "see the state of the database there",
        )
    })
}

/// The chain of what the backup needs.
#[derive(Debug)]
pub(super) struct Against {
    pub(super) need: Need,
    /// From the LSN on that it needs; `None` where it needs none, or does not tell.
    pub(super) chain: Option<LogChain>,
}

impl Against {
    pub(super) fn new(need: Need, files: &[LogFile]) -> Self {
        let chain = match need.start {
            Ok(Start::At(redo)) => Some(LogChain::build(files, &need.database, redo)),
            Ok(Start::Serves) | Err(_) => None,
        };
        Self { need, chain }
    }

    /// True where log that is needed is missing.
    pub(super) fn is_incomplete(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| !chain.is_whole())
    }

    /// Why it is not known what is needed.
    pub(super) fn not_told(&self) -> Option<ErrorRecord> {
        let why = self.need.start.as_ref().err()?.clone().with_remedy();
        Some(ErrorRecord {
            what: format!(
                "what `{}` needs on {} is not known",
                self.need.database, self.need.server
            ),
            why: why.reason(),
            hint: why.hint(WayOn::Resume),
            ..ErrorRecord::default()
        })
    }
}
