//! The executor (DESIGN 5): judges every step, then takes them one by one: observe, judge, ask,
//! record, act, observe again, record. The site is the truth: what an act returned decides nothing.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::event::{
    ClockKind, ErrorRecord, Event, FORMAT, Outcome, RunFinished, RunStarted, StepLine, StepOutcome,
};
use super::exit::Exit;
use super::journal::JournalError;
use super::ledger::RunLedger;
use super::operator::{Answer, Guard, Operator};
use super::preflight::{Checked, Verdict, is_overtaken, verdict};
use super::resume::PlanChange;
use crate::access::Access;
use crate::access::sql::Fate;
use crate::plan::Plan;
use crate::site::Site;
use crate::step::hands::{Handoff, Hands, StepError};
use crate::step::ledger::Ledger;
use crate::step::saved::{DOCUMENT, Saved};
use crate::step::terms::Terms;
use crate::step::{Context, Effect, Facts, Standing, Step};

/// Everything that an execution needs.
pub struct Execution<'a> {
    /// The site.
    pub site: &'a Site,
    /// Its digest.
    pub site_digest: String,
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
    /// The command that goes on with a stopped run, where there is one.
    pub resume_command: Option<String>,
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

/// How a step, or the run, came to a halt.
struct Halt {
    at: Step,
    exit: Exit,
    error: ErrorRecord,
}

enum Turn {
    Done,
    Halted(Box<Halt>),
}

impl Execution<'_> {
    /// Begins a run and takes it to its end.
    ///
    /// # Errors
    /// Only when the record cannot be written: then nothing more was sent.
    pub async fn start(&self) -> Result<RunFinished, JournalError> {
        let steps = self
            .plan
            .steps
            .iter()
            .map(|step| StepLine {
                id: step.id.clone(),
                vendor: step.vendor.map(str::to_owned),
                title: step.title.clone(),
                stage: step.stage,
                effect: step.effect,
            })
            .collect();
        self.ledger.record(Event::RunStarted(RunStarted {
            format: FORMAT,
            run: self.run.to_owned(),
            runbook: self.plan.runbook.clone(),
            plan_digest: self.plan.digest.clone(),
            site_digest: self.site_digest.clone(),
            pool: self.site.pool.fqdn.to_string(),
            tool: self.who.tool.clone(),
            host: self.who.host.clone(),
            user: self.who.user.clone(),
            clock: if self.access.clock.is_simulated() {
                ClockKind::Simulated
            } else {
                ClockKind::Wall
            },
            steps,
        }))?;
        self.go_on().await
    }

    /// Goes on with a run whose journal was reopened.
    ///
    /// # Errors
    /// Only when the record cannot be written: then nothing more was sent.
    pub async fn resume(&self, change: Option<PlanChange>) -> Result<RunFinished, JournalError> {
        self.ledger.record(Event::RunResumed {
            plan_digest: self.plan.digest.clone(),
            host: self.who.host.clone(),
            user: self.who.user.clone(),
        })?;
        if let Some(PlanChange { from, to, .. }) = change {
            self.ledger.record(Event::PlanChanged { from, to })?;
        }
        self.go_on().await
    }

    async fn go_on(&self) -> Result<RunFinished, JournalError> {
        let mut checked = Vec::new();
        let mut loss_seconds = None;
        for planned in &self.plan.steps {
            let Some(step) = Step::find(self.plan.direction(), &planned.id) else {
                continue;
            };
            let done = self.is_done(step);
            let standing = if done {
                Standing::Satisfied {
                    why: "recorded done".to_owned(),
                }
            } else {
                self.check(step).await?.1
            };
            checked.push(Checked {
                step,
                done,
                standing,
            });
        }
        let verdict = verdict(&checked, self.terms.consents(), self.operator.is_there());
        let halt = match verdict {
            Verdict::NothingToDo => {
                self.record_met(&checked, checked.len())?;
                None
            }
            Verdict::No { exit, at, error } => Some(Halt {
                at: checked[at].step,
                exit,
                error,
            }),
            Verdict::Go { first } => {
                self.record_met(&checked, first)?;
                self.record_terms(&checked)?;
                Box::pin(self.take_turns(&checked, first, &mut loss_seconds)).await?
            }
        };
        self.finish(halt, loss_seconds)
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

    /// Records what the options allowed, before anything rests on it.
    fn record_terms(&self, checked: &[Checked]) -> Result<(), JournalError> {
        let recovers = checked
            .iter()
            .any(|it| it.step == Step::RecoverDatabase && !it.done && !it.standing.is_satisfied());
        if recovers {
            let (what, by) = match (&self.terms.accepted, self.terms.rehearsal) {
                (Some(loss), _) => (
                    format!("what was written after {loss} is lost"),
                    format!("--accept-loss-after {loss}"),
                ),
                (None, true) => (
                    "what was written after the end of the chain is lost".to_owned(),
                    "rehearsal".to_owned(),
                ),
                (None, false) => return self.record_overrides(checked),
            };
            self.consent(Step::RecoverDatabase, what, by)?;
        }
        self.record_overrides(checked)
    }

    fn record_overrides(&self, checked: &[Checked]) -> Result<(), JournalError> {
        let Some(first) = checked.iter().find(|it| !it.done) else {
            return Ok(());
        };
        for (id, reason) in &self.terms.overrides {
            let what = format!("interlock {id}: {reason}");
            self.consent(first.step, what, "--override".to_owned())?;
        }
        Ok(())
    }

    async fn take_turns(
        &self,
        checked: &[Checked],
        first: usize,
        loss_seconds: &mut Option<i64>,
    ) -> Result<Option<Halt>, JournalError> {
        let steps = &checked[first..];
        let mut index = 0;
        while index < steps.len() {
            let it = &steps[index];
            if self.is_done(it.step) {
                index += 1;
                continue;
            }
            if is_overtaken(checked, first + index) {
                self.end(it.step, StepOutcome::Overtaken, "a later step is met")?;
                index += 1;
                continue;
            }
            if self.stop.is_cancelled() {
                return Ok(Some(stopped_by_operator(it.step)));
            }
            let pair = steps
                .get(index + 1)
                .map(|next| next.step)
                .filter(|next| self.share_a_stage(it.step, *next) && !self.is_done(*next));
            let turn = match pair {
                Some(next) => Box::pin(self.take_pair(it.step, next, loss_seconds)).await?,
                None => Box::pin(self.take(it.step, loss_seconds)).await?,
            };
            if let Turn::Halted(halt) = turn {
                return Ok(Some(*halt));
            }
            index += if pair.is_some() { 2 } else { 1 };
        }
        Ok(None)
    }

    fn share_a_stage(&self, a: Step, b: Step) -> bool {
        self.plan
            .stages
            .iter()
            .any(|stage| stage.iter().any(|id| id == a.id()) && stage.iter().any(|id| id == b.id()))
    }

    /// One step's turn.
    async fn take(&self, step: Step, loss_seconds: &mut Option<i64>) -> Result<Turn, JournalError> {
        let (facts, standing) = self.check(step).await?;
        if let Some(turn) = self.before_act(step, &standing)? {
            return Ok(turn);
        }
        if let Some(loss) = facts.loss_seconds(self.terms) {
            *loss_seconds = Some(loss);
        }
        if let Some(halt) = self.hold_and_ask(step, &standing).await? {
            return Ok(Turn::Halted(Box::new(halt)));
        }
        self.ledger.record(Event::StepStarted {
            id: step.id().to_owned(),
        })?;
        let acted = self.act(step, &facts, &standing, None).await;
        self.settle(step, acted).await
    }

    /// The turns of copy-backups and apply-logs, together: both judged, both started, both acts
    /// joined, each verified and recorded on its own. Nothing irreversible stands in a pair.
    async fn take_pair(
        &self,
        a: Step,
        b: Step,
        loss_seconds: &mut Option<i64>,
    ) -> Result<Turn, JournalError> {
        let (facts_a, standing_a) = self.check(a).await?;
        let (facts_b, standing_b) = self.check(b).await?;
        if !matches!(standing_a, Standing::Pending { .. })
            || !matches!(standing_b, Standing::Pending { .. })
        {
            // One of them is met, or in the way: then there is no pair.
            if let Turn::Halted(halt) = self.take(a, loss_seconds).await? {
                return Ok(Turn::Halted(halt));
            }
            return self.take(b, loss_seconds).await;
        }
        if self.pause
            && let Some(halt) = self.ask_to_go_on(a).await
        {
            return Ok(Turn::Halted(Box::new(halt)));
        }
        for step in [a, b] {
            self.ledger.record(Event::StepStarted {
                id: step.id().to_owned(),
            })?;
        }
        let handoff = Handoff::default();
        let (acted_a, acted_b) = tokio::join!(
            self.act(a, &facts_a, &standing_a, Some(&handoff)),
            self.act(b, &facts_b, &standing_b, Some(&handoff)),
        );
        let a = self.settle(a, acted_a).await?;
        let b = self.settle(b, acted_b).await?;
        Ok(match (a, b) {
            // What stopped the copies is the cause of what stopped behind them.
            (Turn::Halted(halt), _) | (Turn::Done, Turn::Halted(halt)) => Turn::Halted(halt),
            (Turn::Done, Turn::Done) => Turn::Done,
        })
    }

    /// What a standing means before the act; `None` = act.
    fn before_act(&self, step: Step, standing: &Standing) -> Result<Option<Turn>, JournalError> {
        let halt = |exit, why: String, hint: String| {
            Turn::Halted(Box::new(Halt {
                at: step,
                exit,
                error: ErrorRecord {
                    what: format!("step `{}`", step.id()),
                    why,
                    hint,
                    ..ErrorRecord::default()
                },
            }))
        };
        Ok(match standing {
            Standing::Pending { .. } => None,
            Standing::Satisfied { why } => {
                self.end(step, self.met(step), why)?;
                Some(Turn::Done)
            }
            Standing::Blocked { blocks } => {
                let join = |texts: Vec<&str>| texts.join("; ");
                Some(halt(
                    Exit::Blocked,
                    join(blocks.iter().map(|block| block.why.as_str()).collect()),
                    join(blocks.iter().map(|block| block.hint.as_str()).collect()),
                ))
            }
            Standing::Unknown { what } => Some(halt(
                Exit::Refused,
                format!("it cannot be told where it stands: {what}"),
                "see that what does not answer is up and reachable from here, then go on with --resume"
                    .to_owned(),
            )),
        })
    }

    /// What stands between a pending step and its act: the lock of the site and consent, where it
    /// cannot be undone; the operator's go, where every step waits for it.
    async fn hold_and_ask(
        &self,
        step: Step,
        standing: &Standing,
    ) -> Result<Option<Halt>, JournalError> {
        if step.info().effect == Effect::Irreversible {
            if let Err(error) = self.guard.check().await {
                return Ok(Some(Halt {
                    at: step,
                    exit: Exit::Held,
                    error,
                }));
            }
            return self.ask(step, standing).await;
        }
        if self.pause {
            return Ok(self.ask_to_go_on(step).await);
        }
        Ok(None)
    }

    async fn ask_to_go_on(&self, step: Step) -> Option<Halt> {
        match self.operator.ask(step.info().title, "go").await {
            Answer::Yes => None,
            Answer::No => Some(stopped_by_operator(step)),
        }
    }

    /// Consent for an irreversible step; a halt where it is refused.
    async fn ask(&self, step: Step, standing: &Standing) -> Result<Option<Halt>, JournalError> {
        let what = match standing {
            Standing::Pending { what, .. } => format!("{}: {what}", step.info().title),
            _ => step.info().title.to_owned(),
        };
        let by = if self.terms.rehearsal {
            "rehearsal"
        } else if self.terms.yes {
            "--yes"
        } else {
            match self.operator.ask(&what, self.site.pool.fqdn.as_str()).await {
                Answer::Yes => "typed",
                Answer::No => {
                    return Ok(Some(Halt {
                        at: step,
                        exit: Exit::NoConsent,
                        error: ErrorRecord {
                            what: format!("step `{}`", step.id()),
                            why: "the operator did not consent".to_owned(),
                            hint: "nothing of this step was sent; go on when you are ready"
                                .to_owned(),
                            ..ErrorRecord::default()
                        },
                    }));
                }
            }
        };
        self.consent(step, what, by.to_owned())?;
        Ok(None)
    }

    async fn act(
        &self,
        step: Step,
        facts: &Facts,
        standing: &Standing,
        handoff: Option<&Handoff>,
    ) -> Result<(), StepError> {
        if matches!(standing, Standing::Pending { underway: true, .. }) {
            return Ok(());
        }
        let commands = self
            .plan
            .step(step.id())
            .map_or(&[][..], |planned| planned.commands.as_slice());
        let hands = Hands {
            step: step.id(),
            commands,
            ledger: self.ledger,
            stop: self.stop,
            limits: &self.site.limits,
            handoff,
        };
        let saved = self.saved()?;
        let acting = Box::pin(Step::act(self.context(step, saved.as_ref()), facts, &hands));
        match step.limit(self.site) {
            None => acting.await,
            Some(limit) => tokio::time::timeout(limit, acting)
                .await
                .unwrap_or_else(|_| Err(past(limit))),
        }
    }

    /// Looks until the effect shows or the settle limit is past, and records how the step ended.
    async fn settle(&self, step: Step, acted: Result<(), StepError>) -> Result<Turn, JournalError> {
        let refused = matches!(&acted, Err(error) if !may_have_happened(error));
        let began = tokio::time::Instant::now();
        let mut limit = Duration::ZERO;
        let standing = loop {
            let (_, standing) = self.check(step).await?;
            if let Standing::Satisfied { why } = &standing {
                self.end(step, StepOutcome::Done, why)?;
                return Ok(Turn::Done);
            }
            // What is under way on the site happens, whatever the call returned.
            if !refused || matches!(standing, Standing::Pending { underway: true, .. }) {
                limit = step.settle(self.site);
            }
            if began.elapsed() >= limit {
                break standing;
            }
            tokio::time::sleep(self.site.limits.poll).await;
        };
        let outcome = match standing {
            Standing::Unknown { .. } => StepOutcome::Unknown,
            _ => StepOutcome::Stopped,
        };
        let seen = match &standing {
            Standing::Satisfied { why } => why.clone(),
            Standing::Pending { what, .. } => format!("still to do: {what}"),
            Standing::Blocked { blocks } => blocks
                .iter()
                .map(|block| block.why.as_str())
                .collect::<Vec<_>>()
                .join("; "),
            Standing::Unknown { what } => format!("whether it took effect is not known: {what}"),
        };
        let error = match &acted {
            Err(error) => {
                let mut record = error.record(step.id());
                record.why = format!("{}; {seen}", record.why);
                record
            }
            Ok(()) => ErrorRecord {
                what: format!("step `{}`", step.id()),
                why: format!(
                    "its effect did not show within {} s; {seen}",
                    limit.as_secs()
                ),
                hint: "see the site with `pchadr status`, then go on with --resume".to_owned(),
                ..ErrorRecord::default()
            },
        };
        self.end(step, outcome, &error.why)?;
        Ok(Turn::Halted(Box::new(Halt {
            at: step,
            exit: Exit::Stopped,
            error,
        })))
    }

    async fn check(&self, step: Step) -> Result<(Facts, Standing), JournalError> {
        let saved = self.saved().unwrap_or(None);
        // On the heap: the futures of ten steps are too large for a small stack.
        let facts = Box::pin(step.observe(self.context(step, saved.as_ref()))).await;
        let standing = facts.judge();
        self.ledger.record(Event::StepChecked {
            id: step.id().to_owned(),
            standing: standing.clone(),
            facts: serde_json::to_value(&facts).unwrap_or_default(),
        })?;
        Ok((facts, standing))
    }

    fn context<'c>(&'c self, step: Step, saved: Option<&'c Saved>) -> Context<'c> {
        Context {
            site: self.site,
            access: self.access,
            terms: self.terms,
            saved,
            run: self.run,
            started: self.has_started(step),
        }
    }

    /// The configuration that this run kept, else the one that the site file names.
    fn saved(&self) -> Result<Option<Saved>, StepError> {
        let Some(bytes) = self.ledger.kept(DOCUMENT)? else {
            return Ok(self.saved_elsewhere.cloned());
        };
        Saved::read(&bytes)
            .map(Some)
            .map_err(|why| StepError::Other {
                why: format!("`{DOCUMENT}` of this run cannot be read: {why}"),
                hint: "put back its second copy".to_owned(),
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

    fn end(&self, step: Step, outcome: StepOutcome, note: &str) -> Result<(), JournalError> {
        self.ledger.record(Event::StepFinished {
            id: step.id().to_owned(),
            outcome,
            note: note.to_owned(),
        })
    }

    fn consent(&self, step: Step, what: String, by: String) -> Result<(), JournalError> {
        self.ledger.record(Event::Consent {
            step: step.id().to_owned(),
            what,
            by,
        })
    }

    fn finish(
        &self,
        halt: Option<Halt>,
        loss_seconds: Option<i64>,
    ) -> Result<RunFinished, JournalError> {
        let state = self.ledger.state();
        let acted = state.as_ref().is_some_and(super::fold::RunState::has_acted);
        let (outcome, exit) = match &halt {
            None => (Outcome::Done, Exit::Done),
            Some(_) if acted => (Outcome::Stopped, Exit::Stopped),
            Some(halt) if halt.exit == Exit::Stopped => (Outcome::Refused, Exit::Refused),
            Some(halt) => (Outcome::Refused, halt.exit),
        };
        if let Some(halt) = halt.as_ref().filter(|_| acted) {
            self.ledger.record(Event::RunStopped {
                stopped_at: halt.at.id().to_owned(),
                error: halt.error.clone(),
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
            stopped_at: halt.as_ref().map(|halt| halt.at.id().to_owned()),
            error: halt.map(|halt| halt.error),
            resume: (outcome == Outcome::Stopped)
                .then(|| self.resume_command.clone())
                .flatten(),
            loss_seconds,
            elapsed_seconds: self.access.clock.elapsed().as_secs_f64(),
            wall_seconds: self.access.clock.wall_elapsed().as_secs_f64(),
        };
        self.ledger.record(Event::RunFinished(finished.clone()))?;
        Ok(finished)
    }
}

/// Whether an act that failed may have taken effect, now or soon. A plain refusal has not.
fn may_have_happened(error: &StepError) -> bool {
    match error {
        StepError::Sql(error) => error.fate == Fate::Unknown,
        StepError::Cmdlet(error) => error.fate == Fate::Unknown,
        StepError::Other { .. } => true,
        _ => false,
    }
}

fn past(limit: Duration) -> StepError {
    StepError::Other {
        why: format!("it did not end within its limit of {} s", limit.as_secs()),
        hint: "see what the site is waiting for, then go on with --resume".to_owned(),
    }
}

fn stopped_by_operator(step: Step) -> Halt {
    Halt {
        at: step,
        exit: Exit::Stopped,
        error: StepError::Stopped.record(step.id()),
    }
}
