//! The sites and runs that schedules disturb, and how they go undisturbed.

use std::path::Path;
use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::simulated::{Change, Logs};
use pchadr::rehearsal::world::{Backup, Executed};
use pchadr::run::store::MemoryStore;
use pchadr::runbook::Direction;
use pchadr::site::Site;

use crate::site::{Drill, Undisturbed, end, litware, makes_sole, paused};

/// How often of all, in words, and how it is made.
type Made = (usize, &'static str, fn() -> Drill);

/// Those that a schedule is drawn from.
pub(crate) const SETTINGS: &[Made] = &[
    (10, "a failover", || Drill::failover(patient(litware()))),
    (8, "a failover without mirrors", || {
        Drill::failover(patient(small()))
    }),
    (2, "a failover of a backup in STANDBY", || {
        let mut drill = Drill::failover(patient(litware()));
        drill.recipe.vary = |options| options.backup = Backup::Standby;
        drill
    }),
    (2, "a failback", || Drill::failback(patient(litware()))),
    (2, "a failback without mirrors", || {
        Drill::failback(patient(small()))
    }),
    (1, "a failback over an old primary", || {
        Drill::powered_off(patient(litware()))
    }),
];

/// Looks less often than a person would like, and waits for nothing without an end.
fn patient(mut site: Site) -> Site {
    site.limits.poll = Duration::from_secs(20);
    site.limits.restore = Some(Duration::from_hours(1));
    site
}

fn small() -> Site {
    Site::load(Path::new("tests/it/no-mirrors.toml")).expect("the small site loads")
}

/// How many chat databases with messages serve.
fn serving(stage: &Stage) -> usize {
    stage.simulated.world.with(|state| {
        let name = state.chat_name().to_owned();
        let up = state.instances.values().filter(|it| it.up);
        let chat = up.filter_map(|it| it.database(&name));
        chat.filter(|it| it.serves() && it.messages > 0).count()
    })
}

/// One of them.
pub(crate) struct Setting {
    pub(crate) drill: Drill,
    pub(crate) whole: Undisturbed,
    /// The statements with effects that an undisturbed run sends.
    pub(crate) statements: Vec<Executed>,
    pub(crate) cmdlets: usize,
    pub(crate) records: usize,
    pub(crate) batches: usize,
    begins_with_two: bool,
    /// The roles that the site has.
    pub(crate) roles: Vec<Role>,
    /// Those of them that answer when it begins.
    pub(crate) living: Vec<Role>,
}

impl Setting {
    pub(crate) fn new(make: fn() -> Drill) -> Self {
        let mut drill = make();
        drill.recipe.logs = Logs::Made(8);
        let (whole, batches, living, serving) = paused(async {
            let stage = drill.stage();
            let serving = serving(&stage);
            let living = |role: &Role| stage.simulated.world.is_up(Instance::chat(*role));
            let living: Vec<Role> = Role::ALL.into_iter().filter(living).collect();
            let store = MemoryStore::default();
            let finished = drill.run(&stage, &store).await.expect("a record");
            assert_eq!(finished.exit, 0, "{:?}", finished.error);
            let whole = Undisturbed {
                end: end(&stage),
                effects: crate::site::effects(&stage),
                changes: stage.simulated.changes.all(),
                journal: store.bytes(),
                seconds: finished.elapsed_seconds,
            };
            let batches = stage.simulated.world.history().len();
            (whole, batches, living, serving)
        });
        let statements = whole.changes.iter().filter_map(|change| match change {
            Change::Sql(executed) if !makes_sole(&executed.text) => Some(executed.clone()),
            Change::Sql(_) | Change::Cmdlet { .. } | Change::File(_) => None,
        });
        let is_cmdlet = |change: &&Change| matches!(change, Change::Cmdlet { .. });
        let roles = drill.site.sql.instances.keys();
        let mut roles: Vec<Role> = roles.map(|it| it.role).collect();
        roles.sort();
        roles.dedup();
        Self {
            statements: statements.collect(),
            cmdlets: whole.changes.iter().filter(is_cmdlet).count(),
            records: whole.journal.split(|it| *it == b'\n').count() - 1,
            batches,
            begins_with_two: serving > 1,
            living: living.into_iter().filter(|it| roles.contains(it)).collect(),
            roles,
            whole,
            drill,
        }
    }

    /// Whether the old primary and the backup both serve before anything is done.
    pub(crate) fn begins_with_two(&self) -> bool {
        self.begins_with_two
    }

    pub(crate) fn is_failover(&self) -> bool {
        self.drill.plan.direction == Direction::Failover
    }
}
