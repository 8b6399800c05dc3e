//! One step's turn: observe, judge, ask, record, act, observe again, record.

use std::time::Duration;

use serde_json::json;

use super::halt::{Halt, blocked, not_met};
use super::leave::left;
use super::sent::Sent;
use super::{Execution, ROUNDS, Turn};
use crate::access::copy::CopyError;
use crate::access::sql::Fate;
use crate::model::{Problem, Remedy};
use crate::run::event::{Event, StepOutcome};
use crate::run::exit::Exit;
use crate::run::journal::JournalError;
use crate::run::operator::Answer;
use crate::step::handoff::Handoff;
use crate::step::hands::{Means, StepError};
use crate::step::ledger::{Ledger as _, Progress, Unit};
use crate::step::{Effect, Facts, Standing, Step};

impl Execution<'_> {
    /// One step's turn.
    pub(super) async fn take(
        &self,
        step: Step,
        loss_seconds: &mut Option<i64>,
    ) -> Result<Turn, JournalError> {
        // At once: a data center that stays dead costs users no time.
        let (checked, two) = tokio::join!(self.check(step), self.two_before(step));
        if let Some(halt) = two? {
            return Ok(Turn::Halted(Box::new(halt)));
        }
        let (facts, standing) = checked?;
        if !standing.is_satisfied()
            && let Some((to, why)) = facts.back_to()
            && self.is_done(to)
        {
            return Ok(Turn::Back(to, why));
        }
        if let Some(turn) = self.before_act(step, &standing)? {
            return self.or_leave(step, turn);
        }
        if let Some(loss) = facts.loss_seconds(self.terms) {
            *loss_seconds = Some(loss);
        }
        if let Some(halt) = self.hold_and_ask(step, &facts, &standing).await? {
            return Ok(Turn::Halted(Box::new(halt)));
        }
        // Between the answer and this nothing may be asked to stop and not be heard.
        if self.stop.is_cancelled() {
            return Ok(Turn::Halted(Box::new(stopped_by_operator(step))));
        }
        self.ledger.record(Event::StepStarted {
            id: step.id().to_owned(),
        })?;
        let acted = self.act(step, &facts, &standing, None).await;
        match self.settle(step, acted, StepOutcome::Done).await? {
            Turn::HeldUp(facts, what) => self.go_on_with_consent(step, &facts, what).await,
            turn @ (Turn::Done | Turn::Later(_) | Turn::Halted(_) | Turn::Back(..)) => Ok(turn),
        }
    }

    /// The second half of a step that something holds up: once, and with consent only.
    async fn go_on_with_consent(
        &self,
        step: Step,
        facts: &Facts,
        what: String,
    ) -> Result<Turn, JournalError> {
        let pending = Standing::Pending {
            what: what.clone(),
            underway: false,
        };
        let halted = |exit, why: String| {
            Halt::new(
                step,
                exit,
                Problem::new(why, "see to it by hand, or consent"),
            )
        };
        let halt = if self.ask(step, facts, &pending).await?.is_some() {
            halted(
                Exit::NoConsent,
                format!("it is held up, and the operator did not consent to this: {what}"),
            )
        } else {
            let acted = self.act(step, facts, &pending, None).await;
            match self.settle(step, acted, StepOutcome::Done).await? {
                Turn::HeldUp(_, what) => halted(
                    Exit::Stopped,
                    format!("it is held up, though this was sent: {what}"),
                ),
                turn @ (Turn::Done | Turn::Later(_) | Turn::Halted(_) | Turn::Back(..)) => {
                    return Ok(turn);
                }
            }
        };
        self.end(step, StepOutcome::Stopped, &halt.problem.to_string())?;
        Ok(Turn::Halted(Box::new(halt)))
    }

    /// The turns of copy-backups and apply-logs, together: both judged, both started, both acts
    /// joined, each verified and recorded on its own. Nothing irreversible stands in a pair.
    pub(super) async fn take_pair(
        &self,
        a: Step,
        b: Step,
        loss_seconds: &mut Option<i64>,
    ) -> Result<Turn, JournalError> {
        let (mut facts_a, mut standing_a) = self.check(a).await?;
        let (mut facts_b, mut standing_b) = self.check(b).await?;
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
        let mut rounds = 0;
        let (acted_a, acted_b) = loop {
            let handoff = Handoff::default();
            let acted = tokio::join!(
                self.act(a, &facts_a, &standing_a, Some(&handoff)),
                self.act(b, &facts_b, &standing_b, Some(&handoff)),
            );
            rounds += 1;
            if acted.0.is_err() || acted.1.is_err() || rounds > ROUNDS {
                break acted;
            }
            // What the second found out may be more to do for both.
            (facts_b, standing_b) = self.check(b).await?;
            if !matches!(
                standing_b,
                Standing::Pending {
                    underway: false,
                    ..
                }
            ) {
                break acted;
            }
            (facts_a, standing_a) = self.check(a).await?;
        };
        let a = self.settle(a, acted_a, StepOutcome::Done).await?;
        let b = self.settle(b, acted_b, StepOutcome::Done).await?;
        Ok(match (a, b) {
            // What stopped the copies is the cause of what stopped behind them.
            (Turn::Halted(halt), _) | (_, Turn::Halted(halt)) => Turn::Halted(halt),
            (_, back @ Turn::Back(..)) | (back @ Turn::Back(..), _) => back,
            // Nothing holds up a step of a pair, and none is waited for later.
            (
                Turn::Done | Turn::Later(_) | Turn::HeldUp(..),
                Turn::Done | Turn::Later(_) | Turn::HeldUp(..),
            ) => Turn::Done,
        })
    }

    /// What a standing means before the act; `None` = act.
    fn before_act(&self, step: Step, standing: &Standing) -> Result<Option<Turn>, JournalError> {
        if let Standing::Satisfied { why } = standing {
            self.end(step, self.met(step), why)?;
            return Ok(Some(Turn::Done));
        }
        Ok(held_up(step, standing).map(|halt| Turn::Halted(Box::new(halt))))
    }

    /// What stands between a pending step and its act: the lock of the site and consent, where it
    /// cannot be undone; the operator's go, where every step waits for it.
    async fn hold_and_ask(
        &self,
        step: Step,
        facts: &Facts,
        standing: &Standing,
    ) -> Result<Option<Halt>, JournalError> {
        if step.info().effect == Effect::Irreversible || step.begins_downtime() {
            if let Err(problem) = self.guard.check().await {
                return Ok(Some(Halt::new(step, Exit::Held, problem)));
            }
            return self.ask(step, facts, standing).await;
        }
        if self.pause {
            return Ok(self.ask_to_go_on(step).await);
        }
        Ok(None)
    }

    /// What the operator answers; the stop is a no.
    pub(super) async fn answer(&self, question: &str, word: &str) -> Answer {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Answer::No,
            answer = self.operator.ask(question, word) => answer,
        }
    }

    async fn ask_to_go_on(&self, step: Step) -> Option<Halt> {
        match self.answer(step.info().title, "go").await {
            Answer::Yes => None,
            Answer::No => Some(stopped_by_operator(step)),
        }
    }

    /// Consent for an irreversible step; a halt where it is refused.
    async fn ask(
        &self,
        step: Step,
        facts: &Facts,
        standing: &Standing,
    ) -> Result<Option<Halt>, JournalError> {
        let mut what = match standing {
            Standing::Pending { what, .. } => format!("{}: {what}", step.info().title),
            Standing::Satisfied { .. } | Standing::Blocked { .. } | Standing::Unknown(_) => {
                step.info().title.to_owned()
            }
        };
        if step.begins_downtime() && !self.has_started(step) {
            what = format!("{what}; {}", self.downtime());
        }
        let is_all = step.is_point_of_no_return() || step.begins_downtime();
        if let Some(risk) = self.plan.risk.filter(|_| is_all) {
            what = format!("{what}; {risk}");
        }
        let by = if self.terms.rehearsal {
            "rehearsal"
        } else if self.is_agreed_to_with_the_outage(step) {
            "the consent to the downtime"
        } else if self.terms.yes {
            "--yes"
        } else {
            // In the record it stands in the check before this.
            let mut question = what.clone();
            for line in facts.evidence() {
                question.push_str("\n  seen: ");
                question.push_str(&line);
            }
            let word = self.site.pool.fqdn.as_str();
            match self.answer(&question, word).await {
                Answer::Yes => "typed",
                Answer::No => {
                    return Ok(Some(Halt::new(
                        step,
                        Exit::NoConsent,
                        Problem::new(
                            "the operator did not consent: nothing of this step was sent",
                            "",
                        ),
                    )));
                }
            }
        };
        self.consent(step, what, by.to_owned(), facts.end_of_chain())?;
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
        let sent = Sent::through(self.ledger);
        let means = Means {
            step: step.id(),
            commands: &self.planned(step)?.commands,
            ledger: &sent,
            guard: self.guard,
            stop: self.stop,
            limits: &self.site.limits,
            handoff,
        };
        let saved = self.saved()?;
        let acting = Box::pin(Step::act(self.context(step, saved.as_ref()), facts, &means));
        let acted = self.within_limit(step.limit(self.site), acting).await;
        sent.judge(acted)
    }

    pub(super) async fn within_limit(
        &self,
        limit: Option<Duration>,
        acting: impl Future<Output = Result<(), StepError>>,
    ) -> Result<(), StepError> {
        match limit {
            None => acting.await,
            Some(limit) => tokio::time::timeout(limit, acting)
                .await
                .unwrap_or_else(|_| Err(past(limit))),
        }
    }

    /// Shows what is waited for, and until when at most.
    fn show_wait(&self, step: Step, standing: &Standing, left: Duration) {
        if let Standing::Pending {
            what,
            underway: true,
        } = standing
        {
            let now = self.access.clock.now();
            let until = now.saturating_add(left).unwrap_or(now);
            self.ledger.progress(Progress {
                step: step.id().to_owned(),
                done: 0,
                total: 0,
                unit: Unit::Waiting,
                detail: format!("until {} at most: {what}", until.strftime("%H:%M:%S UTC")),
            });
        }
    }

    /// What the cmdlets of a step said that reported no error.
    fn said(&self, step: Step) -> Option<Problem> {
        let state = self.ledger.state()?;
        let said = state.step(step.id())?.said.join("; ");
        let why = format!("its effect does not show, and the cmdlet said: {said}");
        (!said.is_empty()).then(|| Problem::new(why, "see the site with `pchadr status`"))
    }

    /// Looks until the effect shows or the settle limit is past, and records how the step ended:
    /// `wanted` is done, or undone.
    pub(super) async fn settle(
        &self,
        step: Step,
        acted: Result<(), StepError>,
        wanted: StepOutcome,
    ) -> Result<Turn, JournalError> {
        let refused = matches!(&acted, Err(error) if !may_have_happened(error));
        let exit = match &acted {
            Err(StepError::NotHeld(_) | StepError::Copy(CopyError::NotHeld(_))) => Exit::Held,
            Ok(()) | Err(_) => Exit::Stopped,
        };
        let began = tokio::time::Instant::now();
        let mut limit = Duration::ZERO;
        let mut recorded = None;
        let (held_up, standing) = loop {
            let (facts, held_up, standing) = if wanted == StepOutcome::Undone {
                let (facts, standing) = self.look_undo(step).await;
                (facts, None, standing)
            } else {
                let (facts, standing) = self.look(step).await;
                if acted.is_ok()
                    && !standing.is_satisfied()
                    && let Some((to, why)) = facts.back_to()
                    && self.is_done(to)
                {
                    self.end(step, StepOutcome::Stopped, &why)?;
                    return Ok(Turn::Back(to, why));
                }
                // Blocked, or not seen whole: then nothing more is asked for.
                let by = matches!(standing, Standing::Pending { underway: true, .. })
                    .then(|| facts.held_up_by())
                    .flatten();
                (json!(facts), by.map(|by| (facts, by)), standing)
            };
            // What is under way on the site happens, whatever the call returned.
            if !refused || matches!(standing, Standing::Pending { underway: true, .. }) {
                limit = if wanted == StepOutcome::Undone {
                    step.undo_settle(self.site)
                } else {
                    step.settle(self.site)
                };
            }
            // A person who wants to leave is not kept waiting: a resume looks again.
            let is_last = began.elapsed() >= limit || self.stop.is_cancelled();
            // A record does not grow while nothing happens.
            if is_last || recorded.as_ref() != Some(&standing) {
                self.record_checked(step, &standing, &facts)?;
                recorded = Some(standing.clone());
            }
            if let Standing::Satisfied { why } = &standing {
                self.end(step, wanted, why)?;
                return Ok(Turn::Done);
            }
            // Who comes back between the last look and the statement is told at once, and first: no
            // wait mends it, and users may write into both (`design.md` 3, rule 2).
            if wanted == StepOutcome::Done
                && step.is_point_of_no_return()
                && matches!(standing, Standing::Blocked { .. })
                && let Some(halt) = self.two_writable(step).await?
            {
                self.end(step, StepOutcome::Stopped, &halt.problem.reason())?;
                return Ok(Turn::Halted(Box::new(halt)));
            }
            if is_last {
                break (held_up, standing);
            }
            self.show_wait(step, &standing, limit.saturating_sub(began.elapsed()));
            if wanted == StepOutcome::Done && self.waits_behind(step) {
                return Ok(Turn::Later(acted));
            }
            tokio::time::sleep(self.site.limits.poll).await;
        };
        if let (Some((facts, by)), Ok(()), false) = (held_up, &acted, self.stop.is_cancelled()) {
            return Ok(Turn::HeldUp(Box::new(facts), by));
        }
        let leaves = wanted == StepOutcome::Done && exit == Exit::Stopped && self.leaves(step);
        let outcome = if leaves {
            StepOutcome::Left
        } else {
            stopped(&standing)
        };
        let said = match &acted {
            Err(error) => Some(error.problem()),
            Ok(()) if self.stop.is_cancelled() => Some(Problem::new(
                "stopped by the operator before its effect showed",
                Remedy::GoOn,
            )),
            Ok(()) => self.said(step),
        };
        let mut problem = not_met(said, limit, &standing);
        if let Some(optional) = step.optional().filter(|_| wanted == StepOutcome::Done) {
            let (without, interlock) = (optional.without, optional.interlock);
            let lift = format!("or go on without {without}: --override {interlock}=REASON");
            let is_told = problem
                .remedies
                .iter()
                .any(|it| *it == Remedy::to_do(lift.clone()));
            if !is_told {
                problem = problem.or(lift);
            }
        }
        let note = if leaves {
            left(&problem)
        } else {
            problem.reason()
        };
        self.end(step, outcome, &note)?;
        if leaves {
            return Ok(Turn::Done);
        }
        Ok(Turn::Halted(Box::new(Halt::new(step, exit, problem))))
    }
}

/// Whether an act that failed may have taken effect, now or soon. A plain refusal has not.
fn may_have_happened(error: &StepError) -> bool {
    match error {
        StepError::Sql(error) => error.fate == Fate::Unknown,
        StepError::Cmdlet(error) => error.fate == Fate::Unknown,
        StepError::Other(_) => true,
        StepError::Copy(_)
        | StepError::Share(_)
        | StepError::Unbound(_)
        | StepError::Ledger(_)
        | StepError::NotSent(_)
        | StepError::Refused(_)
        | StepError::NotHeld(_)
        | StepError::Stopped => false,
    }
}

/// What keeps a step, or its undoing, from acting.
pub(super) fn held_up(step: Step, standing: &Standing) -> Option<Halt> {
    match standing {
        Standing::Pending { .. } | Standing::Satisfied { .. } => None,
        Standing::Blocked { blocks } => Some(Halt::of_look(step, Exit::Blocked, blocked(blocks))),
        Standing::Unknown(problem) => {
            let problem = problem.about("its state could not be determined");
            Some(Halt::of_look(step, Exit::Refused, problem.with_remedy()))
        }
    }
}

/// How a step ended that is not met.
pub(super) fn stopped(standing: &Standing) -> StepOutcome {
    match standing {
        Standing::Unknown(_) => StepOutcome::Unknown,
        Standing::Satisfied { .. } | Standing::Pending { .. } | Standing::Blocked { .. } => {
            StepOutcome::Stopped
        }
    }
}

fn past(limit: Duration) -> StepError {
    StepError::Other(Problem::new(
        format!("it did not end within its limit of {} s", limit.as_secs()),
        "see what the site is waiting for",
    ))
}

pub(super) fn stopped_by_operator(step: Step) -> Halt {
    Halt::new(step, Exit::Stopped, StepError::Stopped.problem())
}
