//! The proof, from the record alone, that each command that a run sent is one that was approved. Pure.

use serde_json::Value;

use super::{Approved, digest};
use crate::run::event::{Event, Record};

/// What a record proves of the commands of its run. Consents, and who lives, are no part of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Digest of the approval that the run began under.
    pub approval: String,
    /// How many commands were sent that are of the approved plan.
    pub commands: usize,
    /// How many were sent before under an earlier approval, whose digest is recorded and whose file is
    /// with whoever approved it.
    pub earlier: usize,
    /// Why it is no proof; `None` where it is.
    pub why: Option<String>,
}

/// What the record proves; `None` of a run that began without an approval. `kept` is the approval that
/// the run kept: the one of its plan now.
pub fn of(records: &[Record], kept: Option<&[u8]>) -> Option<Proof> {
    let Some(Event::RunStarted(started)) = records.first().map(|record| &record.event) else {
        return None;
    };
    let approval = started.approved.clone()?;
    let mut proof = Proof {
        approval: approval.clone(),
        commands: 0,
        earlier: 0,
        why: None,
    };
    proof.why = proof
        .see(records, &approval, &started.plan_digest, kept)
        .err();
    Some(proof)
}

impl Proof {
    fn see(
        &mut self,
        records: &[Record],
        approval: &str,
        plan: &str,
        kept: Option<&[u8]>,
    ) -> Result<(), String> {
        let kept = kept.ok_or("the approval was not kept with the record")?;
        let changes = records.iter().filter_map(|record| match &record.event {
            Event::PlanChanged { to, approved, .. } => Some((to, approved)),
            _ => None,
        });
        let mut now = (approval.to_owned(), plan.to_owned());
        for (to, approved) in changes {
            let why = || "the plan changed under way without a new approval".to_owned();
            now = (approved.clone().ok_or_else(why)?, to.clone());
        }
        if digest(kept) != now.0 {
            return Err("the approval that was kept is not the one that was recorded".to_owned());
        }
        let kept = Approved::read(kept.to_vec()).map_err(|error| error.to_string())?;
        if kept.approval.plan_digest != now.1 || kept.approval.plan.digest() != now.1 {
            return Err("the plan that ran is not the one of the approval".to_owned());
        }
        let is_change = |record: &Record| matches!(record.event, Event::PlanChanged { .. });
        let under = records.iter().rposition(is_change).map_or(0, |at| at + 1);
        let sent = |record: &&Record| matches!(record.event, Event::Command { .. });
        self.earlier = records[..under].iter().filter(sent).count();
        for record in &records[under..] {
            let Event::Command { step, n, values } = &record.event else {
                continue;
            };
            let sets: Vec<&Value> = match values {
                Value::Array(sets) => sets.iter().collect(),
                one => vec![one],
            };
            if kept.approval.plan.spell(step, *n, &sets).is_none() {
                let seq = record.seq;
                let why =
                    format!("record {seq}: command {n} of `{step}` is not in the approved plan");
                return Err(why);
            }
            self.commands += 1;
        }
        Ok(())
    }
}
