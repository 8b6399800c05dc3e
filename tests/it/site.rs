//! What the proofs share: the example site, its plan, and a run on a simulated site.

use std::collections::BTreeMap;
use std::path::Path;

use pchadr::cli::rehearse::{Stage, execute_with};
use pchadr::plan::Plan;
use pchadr::rehearsal::folders::Op;
use pchadr::rehearsal::simulated::{Change, Logs, Recipe};
use pchadr::rehearsal::world::Summary;
use pchadr::run::event::{Outcome, RunFinished};
use pchadr::run::journal::JournalError;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::{Direction, FAILBACK, FAILOVER, Runbook};
use pchadr::site::Site;
use pchadr::step::Step;
use pchadr::step::saved::Saved;
use pchadr::step::terms::Terms;

/// The example site.
pub(crate) fn litware() -> Site {
    Site::load(Path::new("runbooks/litware.toml")).expect("the example site loads")
}

/// The plan of a failover at that site.
pub(crate) fn plan(site: &Site) -> Plan {
    plan_of(Direction::Failover, site)
}

/// The plan of a direction at that site.
pub(crate) fn plan_of(direction: Direction, site: &Site) -> Plan {
    let (text, name) = match direction {
        Direction::Failover => (FAILOVER, "failover.toml"),
        Direction::Failback => (FAILBACK, "failback.toml"),
    };
    let ids: Vec<&str> = Step::of(direction).iter().map(|step| step.id()).collect();
    let runbook = Runbook::parse(text, name, &ids).expect("the runbook loads");
    Plan::bind(&runbook, site).expect("the runbook fits")
}

/// A disaster with a few log backups.
pub(crate) fn disaster() -> Recipe {
    Recipe::disaster(Logs::Made(16))
}

/// What a rehearsal consents to.
pub(crate) fn terms() -> Terms {
    Terms {
        rehearsal: true,
        ..Terms::default()
    }
}

/// Holds a future in a runtime whose clock is paused.
pub(crate) fn paused<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// What is left after a run: enough to say that two runs ended alike.
#[derive(Debug, PartialEq)]
pub(crate) struct End {
    pub(crate) instances: Summary,
    pub(crate) pool: String,
    pub(crate) active: Vec<String>,
    pub(crate) files: Vec<(String, u64)>,
}

/// How a simulated site stands.
pub(crate) fn end(stage: &Stage) -> End {
    let pool = stage.simulated.pool.lock().expect("the pool");
    let mut active = pool.active().to_vec();
    active.sort();
    End {
        instances: stage.simulated.world.summary(),
        pool: pool.state().to_string(),
        active,
        // The set-up of the mirror names its files after the time.
        files: stage
            .simulated
            .folders
            .snapshot()
            .into_iter()
            .filter(|(path, _)| !path.contains("pchat-mirror"))
            .collect(),
    }
}

/// Fails when two ends differ, and shows only where.
pub(crate) fn assert_same_end(end: &End, wanted: &End, what: &str) {
    if end == wanted {
        return;
    }
    let lines =
        |end: &End| -> Vec<String> { format!("{end:#?}").lines().map(str::to_owned).collect() };
    let (end, wanted) = (lines(end), lines(wanted));
    let differing: Vec<String> = end
        .iter()
        .zip(&wanted)
        .filter(|(a, b)| a != b)
        .take(12)
        .map(|(a, b)| format!("{} | wanted {}", a.trim(), b.trim()))
        .collect();
    panic!("{what}: another end: {differing:#?}");
}

/// Every completed change that a run made, spelled so that two of a kind compare equal.
pub(crate) fn effects(stage: &Stage) -> Vec<String> {
    stage
        .simulated
        .changes
        .all()
        .iter()
        .filter_map(|change| match change {
            Change::Sql(executed) => Some(executed.text.clone()),
            Change::Cmdlet { cmdlet, parameters } => Some(format!("{cmdlet} {parameters}")),
            Change::File(effect) if effect.op == Op::Settle => {
                Some(format!("copied {}", effect.to.clone().unwrap_or_default()))
            }
            Change::File(_) => None,
        })
        .collect()
}

/// Fails when a change was made twice.
pub(crate) fn assert_once(effects: &[String], what: &str) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for effect in effects {
        *seen.entry(effect).or_default() += 1;
    }
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{what}: made more than once: {twice:?}");
}

/// Runs the plan on a stage, or goes on with what the store holds.
pub(crate) async fn run(
    site: &Site,
    plan: &Plan,
    stage: &Stage,
    store: &MemoryStore,
) -> Result<RunFinished, JournalError> {
    run_with(site, plan, stage, None, store).await
}

/// The same with a saved log-shipping configuration at hand.
pub(crate) async fn run_with(
    site: &Site,
    plan: &Plan,
    stage: &Stage,
    saved: Option<&Saved>,
    store: &MemoryStore,
) -> Result<RunFinished, JournalError> {
    execute_with(
        site,
        plan,
        &terms(),
        &stage.access,
        saved,
        Box::new(store.clone()),
        Vec::new(),
    )
    .await
}

/// An undisturbed run: its end, its changes, its journal.
pub(crate) struct Undisturbed {
    pub(crate) end: End,
    pub(crate) effects: Vec<String>,
    pub(crate) journal: Vec<u8>,
    pub(crate) seconds: f64,
}

/// Holds one.
pub(crate) fn undisturbed(site: &Site, plan: &Plan, recipe: &Recipe) -> Undisturbed {
    paused(async {
        let stage = Stage::build(site, recipe).expect("the site can be simulated");
        let store = MemoryStore::default();
        let finished = run(site, plan, &stage, &store).await.expect("a record");
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
        let effects = effects(&stage);
        assert_once(&effects, "an undisturbed run");
        Undisturbed {
            end: end(&stage),
            effects,
            journal: store.bytes(),
            seconds: finished.elapsed_seconds,
        }
    })
}
