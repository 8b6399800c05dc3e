//! The simulated site in each variant: how the run ends, what it says, and what it changed.

mod broken;
pub(crate) mod database;
mod files;
mod language;
mod log_shipping;
mod mirror;
mod pool;
mod presence;
mod primary;
mod remedies;
mod share;
mod targets;
mod times;

use pchadr::cli::rehearse::{Stage, execute};
use pchadr::model::states::{DatabaseState, MirroringRole, MirroringState, PoolState};
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::simulated::{Change, Recipe};
use pchadr::rehearsal::world::WorldOptions;
use pchadr::rehearsal::world::summary::{DatabaseSummary, InstanceSummary};
use pchadr::run::event::{ErrorRecord, Event, Outcome, RunFinished, StepOutcome};
use pchadr::run::journal;
use pchadr::run::recorder::Sink;
use pchadr::run::store::MemoryStore;
use pchadr::site::Site;
use pchadr::step::terms::Terms;

use crate::site::{End, changes, disaster, end, litware, paused, plan, terms};

/// The instance that fails over.
pub(crate) const BACKUP: Instance = Instance::chat(Role::Backup);

/// Its mirror to be.
pub(crate) const BACKUP_MIRROR: Instance = Instance::chat(Role::BackupMirror);

/// A run that was held to its end.
pub(crate) struct Held {
    pub(crate) finished: RunFinished,
    pub(crate) end: End,
    /// What the run changed.
    pub(crate) changes: Vec<Change>,
    pub(crate) store: MemoryStore,
    /// Hosts of the sessions on the backup's chat database, when it began.
    sessions_before: Vec<String>,
}

/// The disaster of the example site, with other options.
pub(crate) fn vary(vary: fn(&mut WorldOptions)) -> Recipe {
    Recipe { vary, ..disaster() }
}

/// What a rehearsal consents to, with interlocks overridden.
pub(crate) fn overriding(ids: &[&str]) -> Terms {
    let mut terms = terms();
    for id in ids {
        terms
            .overrides
            .insert((*id).to_owned(), "as agreed by telephone".to_owned());
    }
    terms
}

/// Builds a site, prepares it, and holds one run on it.
pub(crate) fn hold(
    site: &Site,
    recipe: &Recipe,
    terms: &Terms,
    prepare: impl AsyncFnOnce(&mut Stage),
) -> Held {
    paused(async {
        let mut stage = Stage::build(site, recipe).expect("the site can be simulated");
        prepare(&mut stage).await;
        hold_on(site, &mut stage, terms, &MemoryStore::default()).await
    })
}

/// Holds a run on a stage, with fresh doors; one that the store holds goes on.
pub(crate) async fn hold_on(
    site: &Site,
    stage: &mut Stage,
    terms: &Terms,
    store: &MemoryStore,
) -> Held {
    hold_shown(site, stage, terms, store, Vec::new()).await
}

/// The same, shown to sinks.
pub(crate) async fn hold_shown(
    site: &Site,
    stage: &mut Stage,
    terms: &Terms,
    store: &MemoryStore,
    sinks: Vec<Box<dyn Sink>>,
) -> Held {
    stage.reopen(site);
    let before = changes(stage).len();
    let sessions_before = chat_sessions(stage);
    let finished = execute(
        site,
        &plan(site),
        terms,
        &stage.access,
        Box::new(store.clone()),
        sinks,
    )
    .await
    .expect("a record");
    assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
    Held {
        finished,
        end: end(stage),
        changes: changes(stage).split_off(before),
        store: store.clone(),
        sessions_before,
    }
}

/// The example site and its disaster, nothing else.
pub(crate) fn hold_varied(options: fn(&mut WorldOptions)) -> Held {
    hold(&litware(), &vary(options), &terms(), async |_| ())
}

fn chat_sessions(stage: &Stage) -> Vec<String> {
    let instances = stage.simulated.world.summary().instances;
    let chat = &instances[&BACKUP].chat;
    chat.iter().map(|(host, _)| host.clone()).collect()
}

/// What the journal holds.
pub(crate) fn events(store: &MemoryStore) -> Vec<Event> {
    journal::read(&store.bytes())
        .expect("a sound journal")
        .records
        .into_iter()
        .map(|record| record.event)
        .collect()
}

/// Statements of these changes, in order.
pub(crate) fn statements(changes: &[Change]) -> Vec<&str> {
    changes
        .iter()
        .filter_map(|change| match change {
            Change::Sql(executed) => Some(executed.text.as_str()),
            _ => None,
        })
        .collect()
}

impl Held {
    pub(crate) fn error(&self) -> &ErrorRecord {
        self.finished.error.as_ref().expect("an error")
    }

    pub(crate) fn step(&self, id: &str) -> StepOutcome {
        self.finished.steps[id]
    }

    pub(crate) fn backup(&self) -> &InstanceSummary {
        &self.end.instances.instances[&BACKUP]
    }

    pub(crate) fn chat(&self) -> &DatabaseSummary {
        &self.backup().databases["mgc"]
    }

    /// Statements that took effect, in order.
    pub(crate) fn statements(&self) -> Vec<&str> {
        statements(&self.changes)
    }

    pub(crate) fn count(&self, part: &str) -> usize {
        self.statements()
            .iter()
            .filter(|text| text.contains(part))
            .count()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        events(&self.store)
    }

    /// Fails unless the run refused before anything was changed, at that step, with those words in
    /// its cause and its remedy.
    pub(crate) fn assert_refused(&self, exit: u8, step: &str, why: &[&str], hint: &[&str]) {
        let finished = &self.finished;
        assert_eq!(
            (
                finished.outcome,
                finished.exit,
                finished.stopped_at.as_deref()
            ),
            (Outcome::Refused, exit, Some(step)),
            "{:?}",
            finished.error
        );
        self.assert_words(why, hint);
        assert_eq!(self.changes, [], "something was changed");
        assert_eq!(finished.resume, None);
        let events = self.events();
        assert!(
            !events
                .iter()
                .any(|event| matches!(event, Event::Command { .. } | Event::StepStarted { .. })),
            "a step began"
        );
    }

    /// Fails unless the run stopped part-way at that step, with those words.
    pub(crate) fn assert_stopped(&self, step: &str, why: &[&str], hint: &[&str]) {
        let finished = &self.finished;
        assert_eq!(
            (
                finished.outcome,
                finished.exit,
                finished.stopped_at.as_deref()
            ),
            (Outcome::Stopped, 4, Some(step)),
            "{:?}",
            finished.error
        );
        self.assert_words(why, hint);
    }

    pub(crate) fn assert_words(&self, why: &[&str], hint: &[&str]) {
        let error = self.error();
        for word in why {
            assert!(error.why.contains(word), "no `{word}` in cause {error:?}");
        }
        for word in hint {
            assert!(error.hint.contains(word), "no `{word}` in remedy {error:?}");
        }
        assert!(!error.hint.is_empty(), "no remedy in {error:?}");
    }

    /// Fails unless the run is done and chat is back: database, mirror, pool, sessions.
    pub(crate) fn assert_done(&self) {
        self.assert_done_without_mirror();
        let mirroring = |instance: Instance| {
            let database = self.end.instances.database(instance, "mgc");
            database.and_then(|it| it.mirroring.as_ref().map(|it| (it.0, it.1)))
        };
        assert_eq!(
            [mirroring(BACKUP), mirroring(BACKUP_MIRROR)],
            [MirroringRole::Principal, MirroringRole::Mirror]
                .map(|role| Some((role, MirroringState::Synchronized)))
        );
    }

    pub(crate) fn assert_done_without_mirror(&self) {
        let finished = &self.finished;
        assert_eq!(
            (finished.outcome, finished.exit),
            (Outcome::Done, 0),
            "{:?}",
            finished.error
        );
        assert!(
            finished.steps.values().all(|step| step.is_done()),
            "{:?}",
            finished.steps
        );
        self.assert_users_served();
    }

    /// The backup's database serves, and the servers for the failed-over state are on it.
    pub(crate) fn assert_users_served(&self) {
        let chat = self.chat();
        assert_eq!(
            (chat.state, chat.standby, chat.access, chat.interrupted),
            (DatabaseState::Online, false, 0, false)
        );
        assert_eq!(self.end.pool, PoolState::FailedOver.to_string());
        assert_eq!(
            self.end.active,
            ["pc5.dc2.litwareinc.com", "pc6.dc2.litwareinc.com"]
        );
        let jobs = &self.backup().jobs;
        assert!(!jobs.values().any(|enabled| *enabled), "{jobs:?}");
        let hosts: Vec<&str> = self.backup().chat.iter().map(|it| it.0.as_str()).collect();
        assert!(
            hosts.contains(&"pc5") && hosts.contains(&"pc6"),
            "nobody chats: {hosts:?}"
        );
    }

    /// Messages that the site's log backups hold.
    pub(crate) fn assert_has_all_messages(&self) {
        assert_eq!(
            self.chat().messages,
            100 + 3 * 15,
            "of 16 logs one is empty"
        );
    }
}
