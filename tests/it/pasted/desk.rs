//! The desk of an operator who types what he is told to, at a simulated site.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pchadr::cli::options::RunOptions;
use pchadr::cli::rehearse::{Part, Stage};
use pchadr::cli::{self, Command};
use pchadr::model::commands;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::lab::{Event, Target};
use pchadr::rehearsal::manner::Manner;
use pchadr::rehearsal::world::SqlFault;
use pchadr::report::error::write_error;
use pchadr::report::next::Next;
use pchadr::report::terminal::Terminal;
use pchadr::run::event::{Outcome, RunFinished};
use pchadr::run::fold::fold;
use pchadr::run::journal;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::Direction;
use pchadr::status::Status;
use pchadr::step::terms::{AcceptedLoss, Terms};

use super::printed::{Printed, printed};
use crate::site::{Drill, assert_one_writable, plan_of};

/// What was typed, by kind, and how often.
pub(crate) type Counts = Mutex<BTreeMap<String, usize>>;

/// An operator answers every question with yes; what is lost he has accepted.
fn agreed() -> Terms {
    Terms {
        yes: true,
        accepted: Some(AcceptedLoss::EndOfChain),
        ..Terms::default()
    }
}

struct Run {
    id: String,
    store: MemoryStore,
    ended: Option<Outcome>,
    /// The step that it ends behind.
    until: Option<String>,
}

pub(crate) struct Desk<'a> {
    pub(crate) drill: &'a Drill,
    pub(crate) stage: Stage,
    counts: &'a Counts,
    runs: BTreeMap<&'static str, Run>,
    last: Direction,
    begun: usize,
    what: String,
}

/// Where the site file is said to be: in a folder that must be quoted.
pub(crate) fn site_file() -> PathBuf {
    std::env::temp_dir()
        .join("the operator's desk")
        .join("site of chat.toml")
}

impl<'a> Desk<'a> {
    /// Call inside the paused runtime.
    pub(crate) fn new(drill: &'a Drill, counts: &'a Counts, what: &str) -> Self {
        commands::name_site(&site_file());
        Self {
            stage: drill.stage(),
            last: drill.plan.direction,
            drill,
            counts,
            runs: BTreeMap::new(),
            begun: 0,
            what: what.to_owned(),
        }
    }

    /// The first command, which nobody printed; then all that is printed, until it has an end.
    pub(crate) async fn work(&mut self) {
        let begun = self.begin(self.last, agreed(), None).await;
        self.follow(begun).await;
    }

    /// The same of a run that stops, and is then undone, which that strikes.
    pub(crate) async fn turn_back(&mut self, fault: SqlFault) {
        let (finished, text) = self.begin(self.last, agreed(), None).await;
        assert_eq!(finished.outcome, Outcome::Stopped, "{}: {text}", self.what);
        let world = Arc::clone(&self.stage.simulated.world);
        world.with(|state| state.faults.push(fault));
        let undone = self.abort().await;
        self.follow(undone).await;
    }

    /// Types all that is printed, until it has an end.
    async fn follow(&mut self, (mut finished, mut text): (RunFinished, String)) {
        const ROUNDS: usize = 7;
        for _ in 0..ROUNDS {
            self.assert_all_can_be_typed(&text);
            // What stands above it was told while it ran, and is told again here where it holds.
            let end = text.rfind(&format!("\n{} of ", self.last)).unwrap_or(0);
            let mut typed = printed(&text[end..]);
            match finished.outcome {
                Outcome::Done | Outcome::Undone if typed.is_empty() => return,
                Outcome::Done | Outcome::Undone => {}
                Outcome::Stopped => assert!(
                    typed.iter().any(|it| matches!(it, Printed::Command(_))),
                    "{}: it stops without a command: {text}",
                    self.what
                ),
                Outcome::Refused => {
                    if let Some(again) = self.type_options(&finished, &typed, &text).await {
                        (finished, text) = again;
                        continue;
                    }
                    self.count("words alone, with a refusal");
                    return;
                }
            }
            if text.contains("once it can be set up") {
                self.mend_mirror();
            }
            if text.contains("take the rest as soon as it can be taken") {
                self.stage.simulated.happen(Event::Store { up: true });
            }
            // Going on and going back are two ways: the first is taken where both are named.
            let is = |it: &Printed, word: &str| matches!(it, Printed::Command(words) if words.iter().any(|it| it.starts_with(word)));
            if typed.iter().any(|it| is(it, "--resume")) {
                typed.retain(|it| !is(it, "abort"));
            }
            let was_done = finished.outcome == Outcome::Done;
            let mut went_on = None;
            for it in &typed {
                match it {
                    Printed::Statement(statement) => self.by_hand(statement).await,
                    Printed::Command(words) => {
                        if let Some(ended) = self.paste(words, &text).await {
                            self.assert_all_can_be_typed(&ended.1);
                            went_on = Some(ended);
                        }
                    }
                }
            }
            match went_on {
                Some(ended) => (finished, text) = ended,
                // Nothing goes on with what is done.
                None if was_done => return,
                None => panic!("{}: nothing printed goes on with it: {text}", self.what),
            }
        }
        panic!(
            "{}: what is printed never comes to an end: {text}",
            self.what
        );
    }

    fn assert_all_can_be_typed(&self, text: &str) {
        for it in printed(text) {
            if let Printed::Command(words) = it {
                let typed = cli::typed(words.iter().map(OsString::from));
                assert!(typed.is_ok(), "{}: {words:?}: {text}", self.what);
            }
        }
    }

    /// The backup mirror can be set up again.
    fn mend_mirror(&self) {
        let mirror = Role::BackupMirror;
        let simulated = &self.stage.simulated;
        simulated.happen(Event::Up(Target::Instance(mirror)));
        simulated.world.with(|state| {
            let server = state.instances.get_mut(&Instance::chat(mirror));
            for volume in server.into_iter().flat_map(|it| &mut it.volumes) {
                volume.free = volume.total;
            }
        });
    }

    /// A refused run is begun again as its error says: statements first, then the same command with
    /// the options that are named.
    async fn type_options(
        &mut self,
        finished: &RunFinished,
        typed: &[Printed],
        text: &str,
    ) -> Option<(RunFinished, String)> {
        let hint = finished.error.as_ref().map_or("", |it| it.hint.as_str());
        let mut words: Vec<String> = vec!["pchadr".into(), self.last.key().into()];
        words.extend(["--config".to_owned(), site_file().display().to_string()]);
        let plain = words.len();
        for part in hint.split("--").skip(1) {
            let part = part.trim_start_matches("--");
            let mut of = part.split(|c: char| c.is_whitespace() || "`,;()".contains(c));
            if let (Some(option @ ("override" | "accept-loss-after")), Some(value)) =
                (of.next(), of.next())
                && !value.is_empty()
            {
                let value = value.replace("REASON", "it was practiced");
                // What two checks name is typed once.
                if !words.contains(&value) {
                    words.extend([format!("--{option}"), value]);
                }
            }
        }
        let mut went_on = None;
        for it in typed {
            match it {
                Printed::Statement(statement) => self.by_hand(statement).await,
                Printed::Command(words) => went_on = self.paste(words, text).await.or(went_on),
            }
        }
        if went_on.is_some() {
            return went_on;
        }
        if typed.is_empty() && words.len() == plain {
            return None;
        }
        self.paste(&words, text).await
    }

    /// Types a command. Gives how a run of it ended, and all that it printed.
    async fn paste(&mut self, words: &[String], text: &str) -> Option<(RunFinished, String)> {
        let told = || format!("{}: `{}`, printed in: {text}", self.what, words.join(" "));
        let command = cli::typed(words.iter().map(OsString::from))
            .unwrap_or_else(|error| panic!("{}: {error}", told()));
        match command {
            Command::Failover(options) => {
                let options = options.whole();
                self.go(Direction::Failover, &options, text).await
            }
            Command::Failback(options) => {
                self.go(Direction::Failback, &options.whole(), text).await
            }
            Command::Fence(options) => {
                self.go(Direction::Fence, &RunOptions::from(&options), text)
                    .await
            }
            Command::Abort(options) => {
                self.assert_site(options.config.as_deref(), text);
                self.count("abort");
                Some(self.abort().await)
            }
            Command::Status(options) => {
                self.assert_site(options.config.as_deref(), text);
                self.count("status");
                self.stage.reopen(&self.drill.site);
                let status = Status::observe(&self.drill.site, &self.stage.access).await;
                let mut shown = Vec::new();
                status.write_human(&mut shown).expect("a text");
                let shown = String::from_utf8_lossy(&shown).into_owned();
                self.assert_all_can_be_typed(&shown);
                None
            }
            other @ (Command::Logs(_)
            | Command::Runs { .. }
            | Command::Check { .. }
            | Command::Plan { .. }
            | Command::Lab(_)
            | Command::Init(_)
            | Command::Schema(_)
            | Command::Completions(_)
            | Command::Man(_)
            | Command::LabShell(_)) => {
                panic!("{}: nothing here does what it says: {other:?}", told())
            }
        }
    }

    fn assert_site(&self, config: Option<&Path>, text: &str) {
        assert_eq!(config, Some(site_file().as_path()), "{}: {text}", self.what);
    }

    async fn go(
        &mut self,
        direction: Direction,
        options: &RunOptions,
        text: &str,
    ) -> Option<(RunFinished, String)> {
        self.assert_site(options.config.as_deref(), text);
        assert!(!options.dry_run && !options.rehearsal.rehearse, "{text}");
        // `planned.rs` takes that way.
        if options.part.planned {
            return None;
        }
        let mut terms = options.rehearsal.terms();
        // Questions are answered.
        terms.yes = true;
        let Some(id) = &options.resume else {
            let with = if terms.overrides.is_empty() && terms.accepted.is_none() {
                ""
            } else {
                ", with what it names"
            };
            self.count(&format!("{direction}{with}"));
            terms.accepted = terms.accepted.or(agreed().accepted);
            if let Some(from) = &options.part.from {
                let earlier = self.runs.get(direction.key());
                let until = earlier.and_then(|it| it.until.as_ref());
                assert!(until.is_some(), "{}: no run ended before {from}", self.what);
                self.count(&format!("{direction} --from"));
            }
            if options.part.until.is_some() {
                self.count(&format!("{direction} --until"));
            }
            let until = options.part.until.as_deref();
            return Some(self.begin(direction, terms, until).await);
        };
        let named = if id.is_empty() { "" } else { "=RUN" };
        self.count(&format!("{direction} --resume{named}"));
        let open = self.runs.get(direction.key());
        let open = open.filter(|it| matches!(it.ended, None | Some(Outcome::Stopped)));
        let Some(run) = open else {
            assert!(
                text.contains("where one did") && id.is_empty(),
                "{}: there is no run to go on with: {text}",
                self.what
            );
            return None;
        };
        assert!(id.is_empty() || *id == run.id, "{}: {id}", self.what);
        // What was agreed to stays agreed to, as in the program.
        let read = journal::read(&run.store.bytes()).expect("a journal");
        let state = fold(&read.records).ok();
        let end = state.and_then(|it| it.accepted_end());
        terms.accepted = terms.accepted.or(end.map(AcceptedLoss::Lsn));
        Some(self.execute(direction, terms).await)
    }

    async fn begin(
        &mut self,
        direction: Direction,
        terms: Terms,
        until: Option<&str>,
    ) -> (RunFinished, String) {
        self.begun += 1;
        // The first has the name that it had where it was undisturbed: some statements hold it.
        let id = if self.begun == 1 {
            "rehearsal".to_owned()
        } else {
            format!("run{}-{direction}", self.begun)
        };
        let open = self.runs.get(direction.key());
        let open = open.is_some_and(|it| it.ended == Some(Outcome::Stopped));
        assert!(!open, "{}: a run that stopped is in the way", self.what);
        let store = MemoryStore::default();
        let run = Run {
            id,
            store,
            ended: None,
            until: until.map(str::to_owned),
        };
        self.runs.insert(direction.key(), run);
        self.execute(direction, terms).await
    }

    async fn execute(&mut self, direction: Direction, terms: Terms) -> (RunFinished, String) {
        self.last = direction;
        self.stage.reopen(&self.drill.site);
        let run = &self.runs[direction.key()];
        let plan = plan_of(direction, &self.drill.site);
        let plan = plan.part(None, run.until.as_deref()).expect("such a step");
        let part = Part {
            site: &self.drill.site,
            plan: &plan,
            terms: &terms,
            access: &self.stage.access,
            saved: self.drill.saved.as_ref(),
            run: &run.id,
        };
        let paper = Paper::default();
        let terminal = Box::new(Terminal::piped(Box::new(paper.clone())));
        let store = Box::new(run.store.clone());
        let ended = Box::pin(part.execute(store, vec![terminal])).await;
        let finished = ended.unwrap_or_else(|error| panic!("{}: {error}", self.what));
        assert_one_writable_unless_returned(&self.stage, &self.what);
        let mut text = paper.text();
        if finished.outcome == Outcome::Done {
            let again = format!("pchadr failover{}", commands::site_option());
            let mut next = Vec::new();
            let without = finished.without(direction);
            let left = Next::of(
                &plan,
                self.drill.site.database.compliance.as_ref(),
                self.drill.site.log_backups_to(),
            );
            left.write(&without, &again, &mut next).expect("a text");
            text.push_str(&String::from_utf8_lossy(&next));
        }
        self.end(direction, finished.outcome);
        (finished, text)
    }

    async fn abort(&mut self) -> (RunFinished, String) {
        let direction = self.last;
        self.stage.reopen(&self.drill.site);
        let run = &self.runs[direction.key()];
        let plan = plan_of(direction, &self.drill.site);
        let part = Part {
            site: &self.drill.site,
            plan: &plan,
            terms: &agreed(),
            access: &self.stage.access,
            saved: self.drill.saved.as_ref(),
            run: &run.id,
        };
        let ended = Box::pin(part.abort(Box::new(run.store.clone()))).await;
        let finished = ended.unwrap_or_else(|error| panic!("{}: {error}", self.what));
        let mut text = Vec::new();
        if let Some(error) = &finished.error {
            write_error(error, &mut text).expect("a text");
        }
        let mut text = String::from_utf8_lossy(&text).into_owned();
        if let Some(resume) = &finished.resume {
            text = format!("{text}\nto go on: {resume}\n");
        }
        self.end(direction, finished.outcome);
        (finished, text)
    }

    fn end(&mut self, direction: Direction, outcome: Outcome) {
        if let Some(run) = self.runs.get_mut(direction.key()) {
            run.ended = Some(outcome);
        }
    }

    /// Types a statement where it is meant: T-SQL on the instance of the first data center that lives,
    /// PowerShell on its host.
    async fn by_hand(&mut self, statement: &str) {
        let begins = statement.split(' ').next().unwrap_or_default();
        self.count(&format!("by hand: {begins}"));
        let up = |role: &Role| self.stage.simulated.world.is_up(Instance::chat(*role));
        let living: Vec<Role> = [Role::Primary, Role::PrimaryMirror]
            .into_iter()
            .filter(up)
            .collect();
        let role = living.first().copied();
        let role = role.unwrap_or_else(|| panic!("{}: nobody takes `{statement}`", self.what));
        match begins {
            "ALTER" | "BACKUP" => {
                self.stage.reopen(&self.drill.site);
                let at = Instance::chat(role);
                let mut session = self.stage.access.sql.open(at).await.expect("a session");
                if let Err(error) = session.send(statement).await {
                    panic!("{}: `{statement}`: {error}", self.what);
                }
            }
            "Stop-Service" => {
                assert!(statement.contains(" -Name "), "{statement}");
                self.stage
                    .simulated
                    .happen(Event::Down(Target::Instance(role)));
            }
            "New-NetFirewallRule" => {
                assert!(statement.contains(" -Action Block "), "{statement}");
                let manners = &self.stage.simulated.manners;
                manners.set(Instance::chat(role), Manner::NoAnswer);
            }
            _ => panic!("{}: nothing here takes `{statement}`", self.what),
        }
    }

    fn count(&self, kind: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(kind.to_owned()).or_default() += 1;
    }
}

/// Where the first data center came back by itself, nobody but a fence can help it.
fn assert_one_writable_unless_returned(stage: &Stage, what: &str) {
    if !["primary-returns", "primary-at-once"].contains(&what) {
        assert_one_writable(stage);
    }
}

/// What a terminal shows.
#[derive(Clone, Default)]
pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut paper = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paper.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
