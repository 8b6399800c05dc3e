//! What is lost for good, and what is left of a site then.

use std::fmt;
use std::sync::{Arc, Mutex};

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::PoolState;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::backup_set::SetKind;
use pchadr::rehearsal::cmdlets::{Cmdlets, Pool};
use pchadr::rehearsal::folders::Folders;
use pchadr::rehearsal::lab::Target;
use pchadr::rehearsal::simulated::Change;
use pchadr::rehearsal::world::Shared;
use pchadr::runbook::Direction;

use crate::site::Drill;

/// What is lost. Nothing of it ever comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    Nothing,
    Instance(Role),
    DataCenter {
        primary: bool,
    },
    /// By the name that the simulated site has for it.
    Share(&'static str),
    /// PowerShell on the machine of the program; elsewhere there is one.
    PowerShell,
    /// The machine of the program, with its copy of the record.
    Machine,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Instance(role) => write!(f, "{role}"),
            Self::DataCenter { primary: true } => f.write_str("first data center"),
            Self::DataCenter { primary: false } => f.write_str("second data center"),
            Self::Share(name) => write!(f, "share: {name}"),
            Self::PowerShell => f.write_str("PowerShell"),
            Self::Machine => f.write_str("this machine"),
        }
    }
}

impl Loss {
    /// All that can be lost in a run of that direction. In a failover the first data center is lost.
    pub(crate) fn all(direction: Direction) -> Vec<Self> {
        let mut all = vec![Self::Nothing];
        if direction == Direction::Failback {
            all.extend([Role::Primary, Role::PrimaryMirror].map(Self::Instance));
            all.push(Self::DataCenter { primary: true });
        }
        all.extend([Role::Backup, Role::BackupMirror].map(Self::Instance));
        all.push(Self::DataCenter { primary: false });
        all.extend(["backup", "copy", "mirror", "archive"].map(Self::Share));
        all.extend([Self::PowerShell, Self::Machine]);
        all
    }

    pub(crate) fn strike(self, ground: &Ground) {
        match self {
            Self::Nothing | Self::Machine => {}
            Self::Instance(role) => ground.world.down(role),
            Self::DataCenter { primary } => {
                let mut pool = ground.pool.lock().expect("the pool");
                pool.set_alive(primary, false);
                drop(pool);
                for role in (Target::DataCenter { primary }).roles() {
                    ground.world.down(*role);
                }
            }
            Self::Share(name) => {
                assert!(ground.folders.set_reachable(name, false), "{name}");
            }
            Self::PowerShell => ground.cmdlets.remove(),
        }
    }
}

/// A simulated site, also while a run is under way there.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) world: Shared,
    folders: Folders,
    pool: Arc<Mutex<Pool>>,
    pub(crate) cmdlets: Arc<Cmdlets>,
}

impl Ground {
    pub(crate) fn of(stage: &Stage) -> Self {
        let simulated = &stage.simulated;
        Self {
            world: Arc::clone(&simulated.world),
            folders: simulated.folders.clone(),
            pool: Arc::clone(&simulated.pool),
            cmdlets: Arc::clone(&simulated.cmdlets),
        }
    }
}

const CHAT: [Role; 4] = Role::ALL;

/// The messages that the chat database of a role has, where its instance lives.
fn messages(ground: &Ground, role: Role) -> Option<u64> {
    let at = Instance::chat(role);
    ground.world.with(|state| {
        let name = state.chat_name().to_owned();
        let server = state.instances.get(&at).filter(|it| it.up)?;
        server.database(&name).map(|it| it.messages)
    })
}

/// What must not be lost: of a failback all that chat has; of a failover what the chain brings.
pub(crate) fn agreed(drill: &Drill, whole: &Ground, begins: &Ground) -> u64 {
    let of = match drill.plan.direction {
        Direction::Failover => whole,
        Direction::Failback | Direction::Fence => begins,
    };
    messages(of, Role::Backup).expect("the backup has a chat database")
}

/// Where a share of the logs is lost, no more is agreed to than what the backup has by then.
pub(crate) fn agreed_after(loss: Loss, direction: Direction, ground: &Ground, agreed: u64) -> u64 {
    let shares = matches!(loss, Loss::Share("backup" | "copy"));
    if direction == Direction::Failover && shares {
        return messages(ground, Role::Backup).unwrap_or(agreed);
    }
    agreed
}

/// Whether anything lives that has it all: a database, or this run's full backup on its share. The
/// backup of a failover has it once the chain is applied.
pub(crate) fn is_anything_left(ground: &Ground, direction: Direction, agreed: u64) -> bool {
    let has = |role: Role| messages(ground, role).is_some_and(|it| it >= agreed);
    let failover = direction == Direction::Failover && messages(ground, Role::Backup).is_some();
    failover || CHAT.into_iter().any(has) || has_full_backup(ground, agreed)
}

fn has_full_backup(ground: &Ground, agreed: u64) -> bool {
    let folders = &ground.folders;
    let reader = Role::Primary.key();
    let is_there = |path: &str| {
        folders.open(reader, path).is_ok_and(|file| {
            let mut sets = file.sets.iter();
            !file.damaged && sets.any(|set| set.kind == SetKind::Full && set.messages >= agreed)
        })
    };
    messages(ground, Role::Primary).is_some()
        && folders.snapshot().iter().any(|(path, _)| is_there(path))
}

/// Whether chat is served: an active server lives, and the database of the data center that the pool
/// uses serves all that was agreed. What is missing, in words.
pub(crate) fn served(ground: &Ground, agreed: u64) -> Result<(), String> {
    let (state, living) = {
        let pool = ground.pool.lock().expect("the pool");
        let lives = |name: &&String| {
            let server = pool.server(name);
            server.is_some_and(|it| it.alive && it.chat_service)
        };
        (pool.state(), pool.active().iter().filter(lives).count())
    };
    if living == 0 {
        return Err("no active server lives".to_owned());
    }
    let roles = match state {
        PoolState::Normal => [Role::Primary, Role::PrimaryMirror],
        PoolState::FailedOver => [Role::Backup, Role::BackupMirror],
    };
    let serves = |role: &Role| {
        ground.world.with(|state| {
            let name = state.chat_name().to_owned();
            let server = state.instances.get(&Instance::chat(*role));
            let server = server.filter(|it| it.up);
            let database = server.and_then(|it| it.database(&name));
            database.is_some_and(|it| it.serves() && it.messages >= agreed)
        })
    };
    if roles.iter().any(serves) {
        Ok(())
    } else {
        Err(format!("the pool is {state}, and no database serves there"))
    }
}

/// The changes at which a run can be struck: files are copied by hundreds, and one is as the other.
pub(crate) fn is_point(change: &Change) -> bool {
    match change {
        Change::Sql(executed) => !crate::site::makes_sole(&executed.text),
        Change::Cmdlet { .. } => true,
        Change::File(_) => false,
    }
}
