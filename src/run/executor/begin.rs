//! How an execution begins: a run from its first record, from where it stopped, or backwards.

use serde_json::to_vec;
use sha2::{Digest as _, Sha256};

use super::undo::NotUndone;
use super::{Execution, Way};
use crate::plan::hex;
use crate::run::event::{ClockKind, Event, FORMAT, RunFinished, RunStarted, StepLine};
use crate::run::journal::JournalError;
use crate::run::resume::PlanChange;
use crate::site::Site;

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
        let steps = self
            .plan
            .steps
            .iter()
            .map(|step| StepLine {
                id: step.id.clone(),
                vendor: step.vendor.map(str::to_owned),
                title: step.title.clone(),
                stage: step.stage,
                effect: step.effect.into(),
            })
            .collect();
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
            steps,
        }))?;
        self.go_on().await
    }

    /// Goes on with a run whose journal was reopened.
    ///
    /// # Errors
    /// Only when the record cannot be written: then nothing more was sent.
    pub async fn resume(&self, change: Option<PlanChange>) -> Result<RunFinished, JournalError> {
        self.record_resumed(change)?;
        self.go_on().await
    }

    pub(super) fn record_resumed(&self, change: Option<PlanChange>) -> Result<(), JournalError> {
        self.ledger.record(Event::RunResumed {
            plan_digest: self.plan.digest.clone(),
            host: self.who.host.clone(),
            user: self.who.user.clone(),
            tool: Some(self.who.tool.clone()),
        })?;
        match change {
            Some(PlanChange { from, to, .. }) => {
                self.ledger.record(Event::PlanChanged { from, to })
            }
            None => Ok(()),
        }
    }
}

/// `sha256:` and the SHA-256 of the site as loaded.
fn site_digest(site: &Site) -> String {
    // A folder name that is no Unicode is the only thing that could fail; it then has no digest.
    let json = to_vec(site).unwrap_or_default();
    format!("sha256:{}", hex(&Sha256::digest(json)))
}
