//! An operator who knows nothing of the site, and does what is printed: the first of it that he has not
//! done yet, with every option that it names.

use std::collections::BTreeSet;
use std::ffi::OsString;

use pchadr::access::sql::LockError;
use pchadr::cli::options::RunOptions;
use pchadr::cli::rehearse::{Part, Stage};
use pchadr::cli::{self, Command};
use pchadr::model::{Problem, Role, WayOn, commands};
use pchadr::plan::Plan;
use pchadr::report::error::write_error;
use pchadr::report::terminal::Terminal;
use pchadr::run::event::{Continues, ErrorRecord, Outcome, RunFinished};
use pchadr::run::executor::Continued;
use pchadr::run::executor::undo::{NotUndone, gives_way_to_a_failover, refusal};
use pchadr::run::fold::{RunState, fold};
use pchadr::run::journal;
use pchadr::run::store::MemoryStore;
use pchadr::run::{orphaned, writer};
use pchadr::runbook::Direction;
use pchadr::step::terms::{AcceptedLoss, Terms};

use super::hands;
use crate::pasted::desk::{Paper, site_file};
use crate::pasted::printed::{Printed, printed};
use crate::site::{Drill, plan_of};

/// So many commands may be typed on the way out.
const MOST: usize = 4;

/// A run, as the archive of the program has it.
struct Run {
    id: String,
    direction: Direction,
    plan: Plan,
    store: MemoryStore,
    /// The part of a failover that it is the rest of.
    behind: Option<Continued>,
}

impl Run {
    fn state(&self) -> Option<RunState> {
        let read = journal::read(&self.store.bytes()).ok()?;
        fold(&read.records).ok()
    }

    fn is_open(&self) -> bool {
        self.state().is_some_and(|state| !state.is_finished())
    }
}

pub(crate) struct Operator<'a> {
    drill: &'a Drill,
    pub(crate) stage: Stage,
    runs: Vec<Run>,
    tried: BTreeSet<String>,
    overrides: BTreeSet<String>,
    /// What is accepted as lost, where the program named exactly that.
    accepted: Option<String>,
    /// What was printed before, the last text last.
    before: Vec<String>,
    /// All that was typed, for people.
    pub(crate) typed: Vec<String>,
    commands: usize,
    /// The step at which the program stopped last.
    pub(crate) stopped_at: String,
    pub(crate) text: String,
}

/// How it went.
pub(crate) enum Went {
    Served,
    DeadEnd(String),
}

impl<'a> Operator<'a> {
    /// Call inside the paused runtime.
    pub(crate) fn new(drill: &'a Drill) -> Self {
        commands::name_site(&site_file());
        let run = Run {
            id: "rehearsal".to_owned(),
            direction: drill.plan.direction,
            plan: drill.plan.clone(),
            store: MemoryStore::default(),
            behind: None,
        };
        Self {
            stage: drill.stage(),
            drill,
            runs: vec![run],
            tried: BTreeSet::new(),
            overrides: BTreeSet::new(),
            accepted: None,
            before: Vec::new(),
            typed: Vec::new(),
            commands: 0,
            stopped_at: "none".to_owned(),
            text: String::new(),
        }
    }

    /// The first command, which nobody printed; its way on or back.
    pub(crate) async fn execute_first(&mut self) {
        self.execute(0, Terms::default()).await;
    }

    /// It goes on elsewhere, from the second copy of its record; nobody read what was printed.
    pub(crate) fn on_another_machine(&mut self) {
        self.runs[0].store = self.runs[0].store.crash(0);
        let run = &self.runs[0];
        self.text = format!(
            "go on with it: `pchadr {}{} --resume={}`",
            run.direction,
            commands::site_option(),
            run.id
        );
    }

    /// Does what is printed until `served` says so.
    pub(crate) async fn follow(&mut self, served: impl Fn() -> Result<(), String>) -> Went {
        loop {
            let Err(missing) = served() else {
                return Went::Served;
            };
            let text = std::mem::take(&mut self.text);
            self.note_overrides(&text);
            let mut by_hand = false;
            for (role, statement) in hands::statements(&text) {
                if self.tried.insert(statement.clone()) {
                    self.typed.push(format!("by hand: {statement}"));
                    by_hand = true;
                    // Of two ways the other one may still work.
                    if let Err(why) =
                        hands::type_it(&mut self.stage, self.drill, role, &statement).await
                    {
                        self.typed.push(format!("which failed: {why}"));
                    }
                }
            }
            if by_hand && served().is_ok() {
                return Went::Served;
            }
            // What was named before and not done yet comes behind what is named now.
            self.before.push(text.clone());
            let texts: Vec<String> = self.before.iter().rev().cloned().collect();
            let goes_on = |it: &&str| it.starts_with("to go on: ");
            let first = texts.iter().flat_map(|it| it.lines().filter(goes_on));
            let first: Vec<Printed> = first.flat_map(printed).collect();
            let all = texts.iter().flat_map(|it| printed(it));
            let next = first.into_iter().chain(all).find_map(|it| match it {
                Printed::Command(words) => self.with_options(words),
                Printed::Statement(_) => None,
            });
            let Some(words) = next else {
                if by_hand {
                    self.text = text;
                    continue;
                }
                return Went::DeadEnd(format!("{missing}; nothing more is printed: {text}"));
            };
            if self.commands == MOST {
                return Went::DeadEnd(format!("{missing} after {MOST} commands: {text}"));
            }
            self.commands += 1;
            self.typed.push(words[1..].join(" "));
            self.type_command(&words).await;
        }
    }

    /// Remembers the interlocks that a text names, and the loss that is to be accepted.
    fn note_overrides(&mut self, text: &str) {
        for part in text.split("--override ").skip(1) {
            let mut of = part.split(|c: char| c.is_whitespace() || "`,;()".contains(c));
            if let Some((id, _)) = of.next().and_then(|it| it.split_once('=')) {
                self.overrides.insert(id.to_owned());
            }
        }
        for part in text.split("--accept-loss-after ").skip(1) {
            let lsn: String = part.chars().take_while(char::is_ascii_digit).collect();
            if !lsn.is_empty() {
                self.accepted = Some(lsn);
            }
        }
    }

    /// The command as it is typed, where it goes on with something and was not typed so before.
    fn with_options(&mut self, mut words: Vec<String>) -> Option<Vec<String>> {
        let verb = words.get(1).cloned().unwrap_or_default();
        if !["failover", "failback", "fence", "abort"].contains(&verb.as_str()) {
            return None;
        }
        for id in &self.overrides {
            let lift = format!("{id}=it is lost for good");
            if !words.iter().any(|it| it.starts_with(&format!("{id}="))) {
                words.extend(["--override".to_owned(), lift]);
            }
        }
        if let Some(lsn) = self.accepted.clone().filter(|_| verb == "failover") {
            words.extend(["--accept-loss-after".to_owned(), lsn]);
        }
        self.tried.insert(words.join(" ")).then_some(words)
    }

    async fn type_command(&mut self, words: &[String]) {
        let command = match cli::typed(words.iter().map(OsString::from)) {
            Ok(command) => command,
            Err(error) => panic!("{}: {error}", words.join(" ")),
        };
        match command {
            Command::Failover(options) => self.go(Direction::Failover, &options.whole()).await,
            Command::Failback(options) => self.go(Direction::Failback, &options.whole()).await,
            Command::Fence(options) => self.go(Direction::Fence, &RunOptions::from(&options)).await,
            Command::Abort(options) => {
                let mut terms = Terms::default();
                terms.overrides.extend(options.overrides.iter().cloned());
                self.abort(terms).await;
            }
            Command::Status(_)
            | Command::Logs(_)
            | Command::Runs { .. }
            | Command::Check { .. }
            | Command::Plan { .. }
            | Command::Schema(_)
            | Command::Completions(_)
            | Command::Man(_)
            | Command::Lab(_)
            | Command::Init(_)
            | Command::LabShell(_) => panic!("{}: it changes nothing", words.join(" ")),
        }
    }

    async fn go(&mut self, direction: Direction, options: &RunOptions) {
        let terms = options.rehearsal.terms();
        if let Some(id) = &options.resume {
            let is_it = |it: &Run| it.direction == direction && (id.is_empty() || it.id == *id);
            let Some(n) = self.runs.iter().rposition(is_it) else {
                panic!("there is no run {id} of a {direction}");
            };
            let back_only = self.runs[n].state().is_some_and(|it| it.goes_back_only());
            if back_only {
                "its undoing has begun: finish that with `pchadr abort`".clone_into(&mut self.text);
            } else {
                self.execute(n, terms).await;
            }
            return;
        }
        let open = self.runs.iter().filter(|it| it.is_open());
        let closes =
            |state: &RunState| direction == Direction::Failover && gives_way_to_a_failover(state);
        let mut open = open.filter_map(Run::state).filter(|state| !closes(state));
        if let Some(state) = open.next_back() {
            let config = commands::site_option();
            let back = match refusal(&state) {
                None => format!("; or undo it: `pchadr abort{config}`"),
                Some(_) => String::new(),
            };
            self.text = format!(
                "a run is not finished; go on with it: `pchadr {}{config} --resume={}`{back}",
                state.runbook, state.run
            );
            return;
        }
        let plan = plan_of(direction, &self.drill.site);
        let part = &options.part;
        let plan = plan
            .part(part.from.as_deref(), part.until.as_deref())
            .expect("such a part");
        let earlier = self.runs.iter().rfind(|it| it.direction == direction);
        let behind = earlier
            .zip(part.from.clone())
            .map(|(earlier, from)| Continued {
                line: Continues {
                    run: earlier.id.clone(),
                    from: Some(from),
                },
                saved: None,
            });
        self.runs.push(Run {
            id: format!("run{}-{direction}", self.runs.len() + 1),
            direction,
            plan,
            store: MemoryStore::default(),
            behind,
        });
        self.execute(self.runs.len() - 1, terms).await;
    }

    async fn execute(&mut self, n: usize, mut terms: Terms) {
        terms.yes = true;
        let run = &self.runs[n];
        if run.direction == Direction::Failover {
            terms.accepted = terms.accepted.or(Some(AcceptedLoss::EndOfChain));
        }
        if !self.can_be_locked().await {
            return;
        }
        let run = &self.runs[n];
        let paper = Paper::default();
        let terminal = Box::new(Terminal::piped(Box::new(paper.clone())));
        let part = self.part(run, &terms);
        let store = Box::new(run.store.clone());
        let behind = run.behind.as_ref();
        let ended = Box::pin(part.execute_behind(store, vec![terminal], behind)).await;
        let finished = ended.unwrap_or_else(|error| panic!("{}: {error}", run.id));
        let direction = run.direction;
        self.note_stop(&finished);
        let text = paper.text();
        // What stands above it was told while it ran, and is told again there where it holds.
        let end = text.rfind(&format!("\n{direction} of ")).unwrap_or(0);
        let mut shown = text[end..].to_owned();
        if finished.outcome == Outcome::Refused {
            shown = format!("{shown}\n`pchadr {}{}`", direction, commands::site_option());
        }
        self.text = shown;
    }

    async fn abort(&mut self, mut terms: Terms) {
        terms.yes = true;
        if !self.can_be_locked().await {
            return;
        }
        let Some(run) = self.runs.iter().rfind(|it| it.is_open()) else {
            "there is no run to undo".clone_into(&mut self.text);
            return;
        };
        let part = self.part(run, &terms);
        let ended = Box::pin(part.abort(Box::new(run.store.clone()))).await;
        let mut text = Vec::new();
        match ended {
            Ok(finished) => {
                if let Some(error) = &finished.error {
                    write_error(error, &mut text).expect("a text");
                }
                let mut text = String::from_utf8_lossy(&text).into_owned();
                if let Some(resume) = &finished.resume {
                    text = format!("{text}\nto go on: {resume}\n");
                }
                self.note_stop(&finished);
                self.text = text;
            }
            Err(NotUndone::Refused(problem)) => self.text = told(&problem),
            Err(error) => panic!("{error}"),
        }
    }

    fn part<'p>(&'p self, run: &'p Run, terms: &'p Terms) -> Part<'p> {
        Part {
            site: &self.drill.site,
            plan: &run.plan,
            terms,
            access: &self.stage.access,
            saved: self.drill.saved.as_ref(),
            run: &run.id,
        }
    }

    /// A run that cannot have the lock of the site does not begin, and says why.
    async fn can_be_locked(&mut self) -> bool {
        self.stage.reopen(&self.drill.site);
        let sql = &self.stage.access.sql;
        sql.write_for(&self.drill.site.pool.fqdn, None);
        match writer::lock(&self.drill.site, &self.stage.access).await {
            Ok(_) | Err(LockError::Held { .. }) => true,
            Err(error @ (LockError::Lost(_) | LockError::Sql(_) | LockError::Code { .. })) => {
                let mut problem = Problem {
                    what: format!("the lock of the site on the {}", Role::Backup),
                    ..Problem::from(&error)
                };
                let open = self.runs.iter().filter(|it| it.is_open());
                if let Some(state) = open.filter_map(Run::state).next_back() {
                    let ways = orphaned::ways(&self.drill.site, &self.stage.access, &state);
                    problem.remedies.extend(ways.await);
                }
                self.text = told(&problem);
                false
            }
        }
    }

    fn note_stop(&mut self, finished: &RunFinished) {
        if let Some(at) = &finished.stopped_at {
            self.stopped_at.clone_from(at);
        }
    }
}

fn told(problem: &Problem) -> String {
    let record = ErrorRecord::of(&problem.what, problem, WayOn::Resume);
    let mut text = Vec::new();
    write_error(&record, &mut text).expect("a text");
    String::from_utf8_lossy(&text).into_owned()
}
