//! What the proofs share: the example site, its plan, and a run on a simulated site.

use std::collections::BTreeMap;
use std::path::Path;

use pchadr::cli::rehearse::{Part, Stage, saved_before};
use pchadr::model::Role;
use pchadr::plan::Plan;
use pchadr::rehearsal::folders::Op;
use pchadr::rehearsal::simulated::{Change, Logs, Recipe};
use pchadr::rehearsal::world::{PrimarySide, Summary};
use pchadr::run::event::{Outcome, RunFinished};
use pchadr::run::executor::undo::NotUndone;
use pchadr::run::journal::JournalError;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::{Direction, FAILBACK_SERVICE_FIRST, FAILBACK_VENDOR_ORDER, Runbook};
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
    plan_by(direction.built_in(), direction, site)
}

/// The plan of a built-in runbook at that site.
pub(crate) fn plan_by(text: &str, direction: Direction, site: &Site) -> Plan {
    let name = direction.key();
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
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    pub(crate) instances: Summary,
    pub(crate) pool: String,
    pub(crate) active: Vec<String>,
    pub(crate) files: Vec<(String, u64)>,
}

/// How a simulated site stands once its chat servers know what they were told: a run that took longer
/// saw them come sooner.
pub(crate) fn end(stage: &Stage) -> End {
    stage.simulated.world.replicate();
    let pool = stage.simulated.pool.lock().expect("the pool");
    let begins = stage.simulated.begins.strftime("%Y%m%d%H%M%S").to_string();
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
            .map(|(path, size)| (undated(&path, &begins), size))
            .collect(),
    }
}

/// The path of a log backup that was taken during the run, without its time.
fn undated(path: &str, begins: &str) -> String {
    let time = path
        .strip_suffix(".trn")
        .and_then(|stem| stem.rsplit_once('_'));
    match time {
        Some((stem, time)) if time.len() == begins.len() && time >= begins => {
            format!("{stem}_….trn")
        }
        _ => path.to_owned(),
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

/// Every completed change that a run made, spelled so that two of a kind compare equal: jobs by their
/// names, files that are named after the time without it.
pub(crate) fn effects(stage: &Stage) -> Vec<String> {
    let jobs: Vec<(String, String)> = stage.simulated.world.with(|state| {
        let jobs = state.instances.values().flat_map(|it| &it.msdb.jobs);
        jobs.map(|job| (guid_text(&job.id), job.name.clone()))
            .collect()
    });
    let plain = |text: &str| {
        let named = jobs.iter().fold(text.to_owned(), |text, (id, name)| {
            text.replace(id.as_str(), name)
        });
        without_time(&named)
    };
    stage
        .simulated
        .changes
        .all()
        .iter()
        .filter_map(|change| match change {
            Change::Sql(executed) if makes_sole(&executed.text) => None,
            Change::Sql(executed) => {
                Some(format!("{}: {}", executed.instance, plain(&executed.text)))
            }
            Change::Cmdlet { cmdlet, parameters } => Some(format!("{cmdlet} {parameters}")),
            Change::File(effect) if effect.op == Op::Settle => {
                Some(format!("copied {}", effect.to.clone().unwrap_or_default()))
            }
            Change::File(_) => None,
        })
        .collect()
}

/// Every change but those that make an execution the only one that writes.
pub(crate) fn changes(stage: &Stage) -> Vec<Change> {
    let mut all = stage.simulated.changes.all();
    all.retain(|change| !matches!(change, Change::Sql(executed) if makes_sole(&executed.text)));
    all
}

/// What makes an execution the only one that writes: each takes a number of its own, and ends the
/// sessions of others.
pub(crate) fn makes_sole(text: &str) -> bool {
    text.contains("pchadr_fence") || text.contains("AND program_name = N'pchadr ")
}

fn guid_text(guid: &[u8; 16]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (n, byte) in guid.iter().enumerate() {
        if matches!(n, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02X}").expect("a text grows");
    }
    text
}

/// A file that the set-up of a mirror made, without the time in its name.
fn without_time(text: &str) -> String {
    const SHARE: &str = r"\pchat-mirror\mgc_";
    match text.split_once(&SHARE.replace(r"\\", r"\")) {
        Some((before, after)) => format!("{before}{SHARE}…{}", after.get(14..).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Fails when two runs made other changes, and shows only these.
pub(crate) fn assert_same_effects(made: &[String], wanted: &[String], what: &str) {
    let without = |these: &[String], others: &[String]| -> Vec<String> {
        let mut left = others.to_vec();
        these
            .iter()
            .filter(|it| match left.iter().position(|other| other == *it) {
                Some(at) => {
                    left.remove(at);
                    false
                }
                None => true,
            })
            .cloned()
            .collect()
    };
    let (more, missing) = (without(made, wanted), without(wanted, made));
    assert!(
        more.is_empty() && missing.is_empty(),
        "{what}: other changes: made {more:#?}, missing {missing:#?}"
    );
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
    let part = Part {
        site,
        plan,
        terms: &terms(),
        access: &stage.access,
        saved,
        run: "rehearsal",
    };
    let ended = part.execute(Box::new(store.clone()), Vec::new()).await;
    assert_one_writable(stage);
    ended
}

/// Fails when a chat database became writable while another of its family was.
pub(crate) fn assert_one_writable(stage: &Stage) {
    assert_eq!(stage.simulated.world.two_writable(), Vec::<String>::new());
}

/// A site, what happens there, and what is run on it: what a sweep sweeps over.
pub(crate) struct Drill {
    pub(crate) site: Site,
    pub(crate) plan: Plan,
    pub(crate) recipe: Recipe,
    pub(crate) saved: Option<Saved>,
    pub(crate) terms: Terms,
    /// A variant that no recipe makes.
    pub(crate) prepare: fn(&Stage, &Site),
}

impl Drill {
    /// A failover after a disaster.
    pub(crate) fn failover(site: Site) -> Self {
        Self {
            plan: plan_of(Direction::Failover, &site),
            site,
            recipe: disaster(),
            saved: None,
            terms: terms(),
            prepare: |_, _| (),
        }
    }

    /// A failback to a rebuilt data center, the configuration of the normal state at hand.
    pub(crate) fn failback(site: Site) -> Self {
        let recipe = Recipe::failed_over(Logs::Made(16));
        let saved = paused(async { saved_before(&site, &recipe).await.expect("a site") });
        Self {
            plan: plan_of(Direction::Failback, &site),
            site,
            recipe,
            saved,
            terms: terms(),
            prepare: |_, _| (),
        }
    }

    /// A fence of a data center that came back as it was.
    pub(crate) fn fence(site: Site) -> Self {
        Self {
            plan: plan_of(Direction::Fence, &site),
            recipe: Recipe::returned(Logs::Made(16)),
            prepare: |stage, _| stage.simulated.world.synchronize(),
            ..Self::failover(site)
        }
    }

    /// A failback to a data center that was only powered off: it holds messages that were never
    /// shipped.
    pub(crate) fn powered_off(site: Site) -> Self {
        let mut drill = Self::failback(site);
        drill.recipe.vary = |options| options.primary = PrimarySide::Unchanged;
        drill
    }

    /// The failback in the vendor's order: the whole database is moved behind B1.
    pub(crate) fn in_vendor_order(mut self) -> Self {
        self.plan = plan_by(FAILBACK_VENDOR_ORDER, Direction::Failback, &self.site);
        self
    }

    /// The failback that serves users before the primary's mirror and log shipping.
    pub(crate) fn users_first(mut self) -> Self {
        self.plan = plan_by(FAILBACK_SERVICE_FIRST, Direction::Failback, &self.site);
        self
    }

    /// Builds the stage. Call inside the paused runtime.
    pub(crate) fn stage(&self) -> Stage {
        let stage = Stage::build(&self.site, &self.recipe).expect("the site can be simulated");
        (self.prepare)(&stage, &self.site);
        stage
    }

    /// Runs the plan on a stage, or goes on with what the store holds.
    pub(crate) async fn run(
        &self,
        stage: &Stage,
        store: &MemoryStore,
    ) -> Result<RunFinished, JournalError> {
        let store = Box::new(store.clone());
        let ended = self
            .part(stage, "rehearsal")
            .execute(store, Vec::new())
            .await;
        assert_one_writable(stage);
        ended
    }

    /// The same as another run than the first.
    pub(crate) async fn run_again(&self, stage: &Stage) -> RunFinished {
        let store = Box::new(MemoryStore::default());
        let part = self.part(stage, "second");
        let ended = part.execute(store, Vec::new()).await;
        assert_one_writable(stage);
        ended.expect("a record")
    }

    /// Undoes what the run in the store changed.
    pub(crate) async fn abort(
        &self,
        stage: &Stage,
        store: &MemoryStore,
    ) -> Result<RunFinished, NotUndone> {
        let ended = self
            .part(stage, "rehearsal")
            .abort(Box::new(store.clone()))
            .await;
        assert_one_writable(stage);
        ended
    }

    /// A run of that id on a stage.
    pub(crate) fn part<'a>(&'a self, stage: &'a Stage, run: &'a str) -> Part<'a> {
        Part {
            site: &self.site,
            plan: &self.plan,
            terms: &self.terms,
            access: &stage.access,
            saved: self.saved.as_ref(),
            run,
        }
    }

    /// Holds one undisturbed run.
    pub(crate) fn undisturbed(&self) -> Undisturbed {
        paused(self.undisturbed_here())
    }

    /// The same inside a paused runtime.
    pub(crate) async fn undisturbed_here(&self) -> Undisturbed {
        let stage = self.stage();
        let store = MemoryStore::default();
        let finished = self.run(&stage, &store).await.expect("a record");
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
        let effects = effects(&stage);
        assert_once(&effects, "an undisturbed run");
        Undisturbed {
            end: end(&stage),
            effects,
            changes: stage.simulated.changes.all(),
            journal: store.bytes(),
            seconds: finished.elapsed_seconds,
        }
    }
}

/// In the primary data center the mirror has been the principal.
pub(crate) fn primary_mirror_is_principal(stage: &Stage, site: &Site) {
    let mirror = site.chat(Role::PrimaryMirror).expect("a mirror");
    let world = &stage.simulated.world;
    world.fail_over(false, mirror, false).expect("in step");
}

/// An undisturbed run: its end, its changes, its journal.
pub(crate) struct Undisturbed {
    pub(crate) end: End,
    pub(crate) effects: Vec<String>,
    pub(crate) changes: Vec<Change>,
    pub(crate) journal: Vec<u8>,
    pub(crate) seconds: f64,
}
