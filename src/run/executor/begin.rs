//! How an execution begins: a run from its first record, from where it stopped, or backwards.

use std::io;

use serde_json::to_vec;
use sha2::{Digest as _, Sha256};

use super::halt::Halt;
use super::undo::NotUndone;
use super::{Execution, Way};
use crate::model::{Document, Place, Problem};
use crate::plan::hex;
use crate::run::event::{
    ClockKind, Continues, Event, FORMAT, Outcome, RunFinished, RunStarted, StepOutcome,
};
use crate::run::exit::Exit;
use crate::run::fold::StepState;
use crate::run::journal::JournalError;
use crate::run::resume::{PlanChange, lines_of};
use crate::site::Site;
use crate::step::saved::Saved;
use crate::step::{Standing, Step};

/// The part of a failover that a run continues.
#[derive(Clone, Debug)]
pub struct Continued {
    /// As it is recorded.
    pub line: Continues,
    /// The log-shipping configuration that it kept.
    pub saved: Option<Saved>,
}

impl Execution<'_> {
    /// Takes the run of the record forth or back; begins it where nothing is recorded yet. `change`
    /// says how its plan differs from the one that it began with.
    ///
    /// # Errors
    /// When the record cannot be written; of an undoing also when there is no way back.
    pub async fn take_way(
        &self,
        way: Way,
        change: Option<PlanChange>,
    ) -> Result<RunFinished, NotUndone> {
        Ok(match way {
            Way::Back => self.abort(change).await?,
            Way::On if self.ledger.state().is_none() => self.start().await?,
            Way::On => self.resume(change).await?,
        })
    }

    /// Begins a run and takes it to its end.
    ///
    /// # Errors
    /// Only when the record cannot be written: then nothing more was sent.
    pub async fn start(&self) -> Result<RunFinished, JournalError> {
        // First, so that whoever goes on with the run finds it.
        self.adopt()?;
        self.ledger.record(Event::RunStarted(RunStarted {
            format: FORMAT,
            run: self.run.to_owned(),
            runbook: self.plan.runbook.clone(),
            plan_digest: self.plan.digest.clone(),
            site_digest: site_digest(self.site),
            pool: self.site.pool.fqdn.to_string(),
            tool: self.who.tool.clone(),
            host: self.who.host.clone(),
            user: self.who.user.clone(),
            clock: if self.access.clock.is_simulated() {
                ClockKind::Simulated
            } else {
                ClockKind::Wall
            },
            steps: lines_of(self.plan),
            until: self.plan.until.clone(),
            continues: self.continued.map(|it| it.line.clone()),
            approved: self.terms.approved.clone(),
        }))?;
        self.ended(self.go_on().await, Outcome::Done)
    }

    /// Keeps what the part before this one kept: it saw log shipping before its jobs were disabled.
    fn adopt(&self) -> Result<(), JournalError> {
        let saved = self.continued.and_then(|it| it.saved.clone());
        let Some(saved) = saved else {
            return Ok(());
        };
        let saved = Saved {
            run: self.run.to_owned(),
            ..saved
        };
        let kept = saved
            .to_json()
            .map_err(io::Error::other)
            .and_then(|json| self.ledger.keep_of_run(Document::LogShipping, &json));
        kept.map_err(|source| JournalError::Store {
            action: "keep the configuration that the part before kept",
            source,
        })
    }

    /// Takes the operator's word, and the record of the part before this one, for a step that cannot be
    /// seen any more and comes before what is taken now.
    pub(super) fn take_word_for(
        &self,
        step: Step,
        standing: &Standing,
    ) -> Result<bool, JournalError> {
        let (Some(from), Some(continued)) = (&self.plan.from, self.continued) else {
            return Ok(false);
        };
        let mut before = self.plan.ids().take_while(|id| id != from);
        let unseen = matches!(standing, Standing::Unknown(_));
        if !unseen || !before.any(|id| id == step.id()) {
            return Ok(false);
        }
        let note = format!("done by run {}; it cannot be seen now", continued.line.run);
        self.end(step, StepOutcome::DoneBefore, &note)?;
        Ok(true)
    }

    /// Goes on with a run whose journal was reopened.
    ///
    /// # Errors
    /// Only when the record cannot be written: then nothing more was sent.
    pub async fn resume(&self, change: Option<PlanChange>) -> Result<RunFinished, JournalError> {
        self.record_resumed(change)?;
        let ended = match self.hear_out().await {
            Ok(None) => self.go_on().await,
            Ok(Some(halt)) => self.finish(Some(halt), None, Outcome::Done),
            Err(error) => Err(error),
        };
        self.ended(ended, Outcome::Done)
    }

    /// Where the disk of the record is full, the end of the run is written into the room that was
    /// kept for it: it stopped, and goes on when there is room. `whole` is how it would have ended.
    pub(super) fn ended(
        &self,
        ended: Result<RunFinished, JournalError>,
        whole: Outcome,
    ) -> Result<RunFinished, JournalError> {
        match (ended, self.under_way()) {
            (Err(JournalError::Full { why }), Some(at)) => {
                self.finish(Some(no_room(at, &why)), None, whole)
            }
            (ended, _) => ended,
        }
    }

    /// The step that is under way, else the one that comes next.
    pub(super) fn under_way(&self) -> Option<Step> {
        let state = self.ledger.state()?;
        let mut steps = state.steps.iter();
        let started = steps.find(|entry| entry.state == StepState::Started);
        let entry = started.or_else(|| state.next()).or(state.steps.last())?;
        self.plan.step(&entry.id).map(|planned| planned.step)
    }

    pub(super) fn record_resumed(&self, change: Option<PlanChange>) -> Result<(), JournalError> {
        self.ledger.record(Event::RunResumed {
            plan_digest: self.plan.digest.clone(),
            host: self.who.host.clone(),
            user: self.who.user.clone(),
            tool: Some(self.who.tool.clone()),
        })?;
        match change {
            Some(PlanChange {
                from, to, steps, ..
            }) => self.ledger.record(Event::PlanChanged {
                from,
                to,
                steps,
                approved: self.terms.approved.clone(),
            }),
            None => Ok(()),
        }
    }
}

fn no_room(at: Step, why: &str) -> Halt {
    let why = format!("there is no room left for the record of the run: {why}");
    let problem = Problem::new(why, "make room on the disk of the state folder");
    Halt::new(at, Exit::Stopped, problem.at(Place::ThisMachine))
}

/// `sha256:` and the SHA-256 of the site as loaded.
pub fn site_digest(site: &Site) -> String {
    // A folder name that is no Unicode is the only thing that could fail; it then has no digest.
    let json = to_vec(site).unwrap_or_default();
    format!("sha256:{}", hex(&Sha256::digest(json)))
}
