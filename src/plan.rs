//! The plan: a runbook bound to a site, every command spelled out (DESIGN 5, 8). Pure: same site,
//! same runbook, same bytes everywhere.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::step::Effect;
use crate::step::command::Command;

/// A runbook bound to a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Version of this format.
    pub version: u32,
    /// `failover` or `failback`.
    pub runbook: String,
    /// `sha256:` and the SHA-256 of the plan's compact JSON without this field, in hex.
    pub digest: String,
    /// Ids of the steps of each stage, in order.
    pub stages: Vec<Vec<String>>,
    /// The steps in order.
    pub steps: Vec<PlannedStep>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// Its id.
    pub id: String,
    /// Number in the vendor's procedure (`F1`), where it has one.
    pub vendor: Option<&'static str>,
    /// One line that says what it does.
    pub title: String,
    /// Number of its stage, from 1.
    pub stage: usize,
    /// How far it can be undone.
    pub effect: Effect,
    /// True for the step behind which there is no way back.
    pub point_of_no_return: bool,
    /// What is looked at before and after, a sentence each.
    pub checks: Vec<String>,
    /// What it may send, in order.
    pub commands: Vec<Command>,
}

impl Plan {
    /// Completes a plan: numbers the commands and takes the digest.
    pub(crate) fn seal(
        runbook: String,
        stages: Vec<Vec<String>>,
        mut steps: Vec<PlannedStep>,
    ) -> Self {
        for step in &mut steps {
            for (index, command) in step.commands.iter_mut().enumerate() {
                command.n = index + 1;
            }
        }
        let mut plan = Self {
            version: 1,
            runbook,
            digest: String::new(),
            stages,
            steps,
        };
        plan.digest = plan.compute_digest();
        plan
    }

    fn compute_digest(&self) -> String {
        #[derive(Serialize)]
        struct Undigested<'a> {
            version: u32,
            runbook: &'a str,
            stages: &'a [Vec<String>],
            steps: &'a [PlannedStep],
        }
        let undigested = Undigested {
            version: self.version,
            runbook: &self.runbook,
            stages: &self.stages,
            steps: &self.steps,
        };
        // Texts and numbers only: nothing here can fail to serialize.
        let json = serde_json::to_vec(&undigested).unwrap_or_default();
        format!("sha256:{}", hex(&Sha256::digest(json)))
    }

    /// The step with that id.
    pub fn step(&self, id: &str) -> Option<&PlannedStep> {
        self.steps.iter().find(|step| step.id == id)
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}
