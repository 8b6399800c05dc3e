//! The executor (`design.md` 5): judges every step, then takes them one by one. The site is the truth:
//! what an act returned decides nothing.

mod begin;
mod consents;
mod end;
mod halt;
mod leave;
mod look;
mod outlived;
mod sent;
mod turn;
pub mod undo;
mod watch;
mod ways;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::event::{Event, Outcome, RunFinished, StepOutcome};
use super::exit::Exit;
use super::journal::JournalError;
use super::ledger::RunLedger;
use super::operator::{Guard, Operator};
use super::preflight::{Checked, Verdict, is_overtaken, verdict};
use crate::access::Access;
use crate::model::{Document, Problem, WayOn};
use crate::plan::{Plan, PlannedStep};
use crate::site::Site;
use crate::step::hands::StepError;
use crate::step::ledger::Ledger as _;
use crate::step::saved::Saved;
use crate::step::terms::Terms;
use crate::step::{Context, Facts, Standing, Step};
pub use begin::{Continued, site_digest};
use halt::Halt;
use turn::stopped_by_operator;

/// Everything that an execution needs.
pub struct Execution<'a> {
    /// The site.
    pub site: &'a Site,
    /// The plan.
    pub plan: &'a Plan,
    /// The doors.
    pub access: &'a Access,
    /// What the operator allowed.
    pub terms: &'a Terms,
    /// Whom to ask.
    pub operator: &'a dyn Operator,
    /// What holds the site for this run.
    pub guard: &'a dyn Guard,
    /// True: the operator is asked before every step.
    pub pause: bool,
    /// The record.
    pub ledger: &'a RunLedger,
    /// The operator's stop.
    pub stop: &'a CancellationToken,
    /// Run id.
    pub run: &'a str,
    /// Who runs it where.
    pub who: Who,
    /// The saved configuration that the site file names.
    pub saved_elsewhere: Option<&'a Saved>,
    /// What was kept of it elsewhere and cannot be read, a sentence each.
    pub unreadable: &'a [String],
    /// The command that goes on with a stopped run, where there is one.
    pub resume_command: Option<String>,
    /// The one that goes on with the run itself: what is not undone in part can still go on.
    pub forth_command: Option<String>,
    /// The part of a failover that this run continues.
    pub continued: Option<&'a Continued>,
    /// The command that takes what this run leaves to a later one.
    pub rest_command: Option<String>,
}

/// Whether a run goes on, or is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It begins, or goes on.
    On,
    /// It is undone.
    Back,
}

/// Who runs what, where.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// Program and version.
    pub tool: String,
    /// Machine.
    pub host: String,
    /// User.
    pub user: String,
}

/// How often a run goes back to what has work again.
const ROUNDS: usize = 3;

enum Turn {
    Done,
    /// It was sent, and its effect is waited for behind the step that serves users; how the act ended.
    Later(Result<(), StepError>),
    Halted(Box<Halt>),
    /// Something holds on, as these facts show; with consent the step goes on.
    HeldUp(Box<Facts>, String),
    /// A step before it has work again, and why.
    Back(Step, String),
}

impl Execution<'_> {
    async fn go_on(&self) -> Result<RunFinished, JournalError> {
        let mut checked = Vec::new();
        let mut loss_seconds = None;
        let round = self.access.sql.round();
        let deadline = Instant::now() + self.site.limits.preflight;
        for planned in self.plan.taken() {
            let step = planned.step;
            let mut done = self.is_done(step);
            let (standing, back_to, end) = if done {
                let why = "recorded done".to_owned();
                (Standing::Satisfied { why }, None, None)
            } else {
                let seen = self.check_until(step, deadline).await?;
                done = self.take_word_for(step, &seen.0)?;
                seen
            };
            checked.push(Checked {
                step,
                done,
                standing,
                back_to,
                end,
                may_leave: false,
            });
        }
        drop(round);
        self.see_what_may_be_left(&mut checked);
        let verdict = verdict(&checked, self.terms.consents(), self.operator.is_there());
        let mut halt = match verdict {
            Verdict::NothingToDo => {
                self.record_overrides(&checked)?;
                self.record_met(&checked, checked.len())?;
                None
            }
            Verdict::No(mut no) => match self.until_the_pool_answers(&checked) {
                // There is no way back, and none to begin a part: what needs no pool is done.
                Some((first, _)) if self.has_started(Step::RecoverDatabase) => {
                    self.record_met(&checked, first)?;
                    self.record_terms(&checked)?;
                    Box::pin(self.take_turns(&checked, first, &mut loss_seconds)).await?
                }
                part => {
                    let ways = part.into_iter().flat_map(|(_, ways)| ways);
                    no.problem.remedies.extend(ways);
                    Some(no.into())
                }
            },
            Verdict::Go { first } => {
                self.record_met(&checked, first)?;
                self.record_terms(&checked)?;
                if let Some(problem) = self.guard.unseen().await {
                    let halt = Halt::of_look(checked[first].step, Exit::Blocked, problem);
                    return self.finish(Some(halt), None, Outcome::Done);
                }
                Box::pin(self.take_turns(&checked, first, &mut loss_seconds)).await?
            }
        };
        if halt.is_none() {
            halt = Box::pin(self.look_back(&checked, &mut loss_seconds)).await?;
        }
        if halt.is_none() {
            halt = self.two_at_end().await?;
        }
        if let Some(halt) = &mut halt {
            self.name_cmdlets(halt, Way::On, &checked).await;
        }
        self.finish(halt, loss_seconds, Outcome::Done)
    }

    /// Records the steps before `first` as met before this run.
    fn record_met(&self, checked: &[Checked], first: usize) -> Result<(), JournalError> {
        for (index, it) in checked.iter().enumerate().take(first) {
            if it.done {
                continue;
            }
            if is_overtaken(checked, index) && !it.standing.is_satisfied() {
                self.end(it.step, StepOutcome::Overtaken, "a later step is met")?;
            } else if let Standing::Satisfied { why } = &it.standing {
                self.end(it.step, self.met(it.step), why)?;
            }
        }
        Ok(())
    }

    /// A step that is met without acting now: this run's own work where it had started it.
    fn met(&self, step: Step) -> StepOutcome {
        if self.has_started(step) {
            StepOutcome::Done
        } else {
            StepOutcome::DoneBefore
        }
    }

    async fn take_turns(
        &self,
        checked: &[Checked],
        first: usize,
        loss_seconds: &mut Option<i64>,
    ) -> Result<Option<Halt>, JournalError> {
        let mut index = first;
        let mut rounds = 0;
        let mut later = Vec::new();
        while index < checked.len() {
            let it = &checked[index];
            if self.is_done(it.step) {
                index += 1;
                continue;
            }
            if is_overtaken(checked, index) {
                self.end(it.step, StepOutcome::Overtaken, "a later step is met")?;
                index += 1;
                continue;
            }
            if self.stop.is_cancelled() {
                return Ok(Some(stopped_by_operator(it.step)));
            }
            // The checks before the run are old by now, and blind to what the steps since have laid
            // open; from this step on every minute of looking is one without chat.
            if it.step.begins_downtime()
                && index > 0
                && !self.has_started(it.step)
                && let Some(halt) = self.look_ahead(&ahead(checked, index)).await?
            {
                return Ok(Some(halt));
            }
            let pair = checked
                .get(index + 1)
                .map(|next| next.step)
                .filter(|next| self.share_a_stage(it.step, *next) && !self.is_done(*next));
            let turn = match pair {
                Some(next) => Box::pin(self.take_pair(it.step, next, loss_seconds)).await?,
                None => Box::pin(self.take(it.step, loss_seconds)).await?,
            };
            match turn {
                Turn::Halted(halt) => {
                    self.end_what_shows(&later).await?;
                    return Ok(Some(*halt));
                }
                Turn::Back(to, why) => {
                    rounds += 1;
                    if rounds > ROUNDS {
                        return Ok(Some(gone_back_too_often(it.step, &why)));
                    }
                    // In a pair the second sends back to the first.
                    let before = index + usize::from(pair.is_some());
                    index = self.go_back(&checked[..before], to, &why)?;
                }
                Turn::Later(acted) => {
                    later.push((it.step, acted));
                    index += 1;
                }
                // What it gave is the last to be copied and applied.
                Turn::Done if it.step == Step::ClosePrimary => {
                    let why = "the end of the log is on the share";
                    index = self.go_back(&checked[..index], Step::CopyBackups, why)?;
                }
                // Nothing holds up a step whose turn is over.
                Turn::Done | Turn::HeldUp(..) => index += if pair.is_some() { 2 } else { 1 },
            }
        }
        let halt = self.wait_for(later).await?;
        if halt.is_some() {
            return Ok(halt);
        }
        Ok(self.see_that_it_serves().await)
    }

    /// Reopens a step, and with it the one that goes with it; the index of the first. What was done behind
    /// them stays done: a primary that was closed since is the reason to go back.
    fn go_back(&self, before: &[Checked], to: Step, why: &str) -> Result<usize, JournalError> {
        let at = before
            .iter()
            .position(|it| it.step == to)
            .unwrap_or(before.len());
        for it in &before[at..] {
            let goes_along = it.step == to || it.step.alongside() == Some(to);
            if goes_along && self.is_done(it.step) {
                self.ledger.record(Event::StepReopened {
                    id: it.step.id().to_owned(),
                    why: why.to_owned(),
                })?;
            }
        }
        Ok(at)
    }

    /// Judges these steps once more, as before the run.
    async fn look_ahead(&self, steps: &[Checked]) -> Result<Option<Halt>, JournalError> {
        let mut checked = Vec::new();
        let _round = self.access.sql.round();
        for it in steps {
            checked.push(Checked {
                standing: self.check(it.step).await?.1,
                ..it.clone()
            });
        }
        let verdict = verdict(&checked, self.terms.consents(), self.operator.is_there());
        Ok(match verdict {
            Verdict::No(no) => Some(no.into()),
            Verdict::NothingToDo | Verdict::Go { .. } => None,
        })
    }

    fn share_a_stage(&self, a: Step, b: Step) -> bool {
        let stage = |step| self.plan.of(step).map(|planned| planned.stage);
        stage(a).is_some() && stage(a) == stage(b)
    }

    /// What the plan has of a step.
    fn planned(&self, step: Step) -> Result<&PlannedStep, StepError> {
        self.plan.of(step).ok_or_else(|| {
            StepError::other(
                format!("the plan has no step `{}`", step.id()),
                "this is a defect of pchadr; keep the run folder",
            )
        })
    }

    fn context<'c>(&'c self, step: Step, saved: Option<&'c Saved>) -> Context<'c> {
        Context {
            site: self.site,
            access: self.access,
            terms: self.terms,
            saved,
            unreadable: self.unreadable,
            run: self.run,
            started: self.has_started(step),
            mirror_begun: self.has_ever_begun(Step::InstallPrimaryMirror),
            began: self.ledger.began(),
            seeded: self.plan.is_seeded(),
            planned: self.plan.is_planned(),
        }
    }

    /// The configuration that this run kept, else the one that the site file names.
    fn saved(&self) -> Result<Option<Saved>, StepError> {
        let document = Document::LogShipping;
        let Some(bytes) = self.ledger.kept(document)? else {
            return Ok(self.saved_elsewhere.cloned());
        };
        Saved::read(&bytes).map(Some).map_err(|unread| {
            StepError::other(
                format!("`{}` of this run cannot be read: {unread}", document.name()),
                unread.remedy(),
            )
        })
    }

    fn is_done(&self, step: Step) -> bool {
        self.ledger
            .state()
            .is_some_and(|state| state.is_done(step.id()))
    }

    fn has_started(&self, step: Step) -> bool {
        self.ledger
            .state()
            .and_then(|state| state.step(step.id()).map(|entry| entry.started))
            .unwrap_or(false)
    }

    /// True for a step that began to act, also where it was undone since.
    fn has_ever_begun(&self, step: Step) -> bool {
        let undone = super::fold::StepState::Ended(StepOutcome::Undone);
        self.ledger.state().is_some_and(|state| {
            let entry = state.step(step.id());
            entry.is_some_and(|it| it.started || it.state == undone)
        })
    }

    fn end(&self, step: Step, outcome: StepOutcome, note: &str) -> Result<(), JournalError> {
        self.ledger.record(Event::StepFinished {
            id: step.id().to_owned(),
            outcome,
            note: note.to_owned(),
        })
    }

    /// The command that goes on with a run that stopped. An undoing that has undone nothing yet names
    /// the one that goes on with the run.
    fn way_on(&self, whole: Outcome) -> Option<&String> {
        let state = self.ledger.state();
        let turned_back = state.is_some_and(|state| state.turned_back());
        match whole {
            Outcome::Undone if !turned_back => self.forth_command.as_ref(),
            Outcome::Undone | Outcome::Done | Outcome::Refused | Outcome::Stopped => {
                self.resume_command.as_ref()
            }
        }
    }

    /// `whole` is how the run ends where nothing halted it.
    fn finish(
        &self,
        halt: Option<Halt>,
        loss_seconds: Option<i64>,
        whole: Outcome,
    ) -> Result<RunFinished, JournalError> {
        let state = self.ledger.state();
        // An undoing that is not whole stopped, also where nothing of the run is left.
        let acted = whole == Outcome::Undone
            || state.as_ref().is_some_and(super::fold::RunState::has_acted);
        let (outcome, exit) = match &halt {
            None => (whole, Exit::Done),
            Some(_) if acted => (Outcome::Stopped, Exit::Stopped),
            Some(halt) if halt.exit == Exit::Stopped => (Outcome::Refused, Exit::Refused),
            Some(halt) => (Outcome::Refused, halt.exit),
        };
        let way_on = match whole {
            Outcome::Undone => WayOn::Abort,
            Outcome::Done | Outcome::Refused | Outcome::Stopped => WayOn::Resume,
        };
        let stopped_at = halt.as_ref().map(|halt| halt.at.id().to_owned());
        let ways = self.other_ways(outcome, whole);
        let down = self.ledger.down_since();
        let error = halt.map(|halt| halt.record(outcome, way_on, down, ways));
        if let (Some(stopped_at), Some(error), true) = (&stopped_at, &error, acted) {
            self.ledger.record(Event::RunStopped {
                stopped_at: stopped_at.clone(),
                error: error.clone(),
            })?;
        }
        let steps = state
            .iter()
            .flat_map(|state| &state.steps)
            .map(|entry| {
                let outcome = match entry.state {
                    super::fold::StepState::Ended(outcome) => outcome,
                    super::fold::StepState::Started => StepOutcome::Unknown,
                    super::fold::StepState::Untouched => StepOutcome::NotReached,
                };
                (entry.id.clone(), outcome)
            })
            .collect();
        let finished = RunFinished {
            run: self.run.to_owned(),
            digest: self.plan.digest.clone(),
            outcome,
            exit: exit.code(),
            steps,
            stopped_at,
            error,
            resume: match outcome {
                Outcome::Stopped => self.way_on(whole).cloned(),
                Outcome::Done => self.rest_command.clone(),
                Outcome::Undone | Outcome::Refused => None,
            },
            loss_seconds,
            elapsed_seconds: self.access.clock.elapsed().as_secs_f64(),
            wall_seconds: self.access.clock.wall_elapsed().as_secs_f64(),
        };
        self.ledger.record(Event::RunFinished(finished.clone()))?;
        Ok(finished)
    }
}

/// What is found again and again comes from somebody who goes on writing.
fn gone_back_too_often(step: Step, why: &str) -> Halt {
    Halt::new(
        step,
        Exit::Blocked,
        Problem::new(
            format!("{why}; this run has gone back for that {ROUNDS} times"),
            "see who writes there; when nobody does any more, go on",
        ),
    )
}

/// The steps that are still to come, and the proof before them: a run may go on days after it.
fn ahead(checked: &[Checked], index: usize) -> Vec<Checked> {
    let (before, coming) = checked.split_at(index);
    let proof = before.iter().filter(|it| it.step == Step::ProveShare);
    let mut steps: Vec<Checked> = proof.chain(coming).cloned().collect();
    for it in &mut steps {
        it.done = false;
    }
    steps
}
