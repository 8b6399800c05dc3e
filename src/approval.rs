//! A plan that was approved: saved with what the site was then, and run only while both hold
//! (`design.md` 8, "Approval").

pub mod drift;
pub mod facts;
pub mod proof;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::access::Access;
use crate::model::Document;
use crate::model::document::Unread;
use crate::plan::{Plan, hex};
use crate::run::executor::site_digest;
use crate::run::stored::StoredPlan;
use crate::runbook::{Direction, Runbook, RunbookStep, RunbookStepKind};
use crate::site::Site;
use drift::Drift;
use facts::Thing;

/// What [`Document::Approval`] holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// When the site was looked at, UTC.
    pub made: Timestamp,
    /// Name and version of the program that made it: another one may do another thing with a plan.
    pub tool: String,
    /// Of a simulated site, which says nothing of the real one.
    pub simulated: bool,
    /// The pool.
    pub pool: String,
    /// `failover` or `failback`.
    pub runbook: String,
    /// How the plan was chosen.
    #[serde(default)]
    pub chosen: Chosen,
    /// The step that the run begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The step that the run ends behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Digest of the plan.
    pub plan_digest: String,
    /// Digest of the site as it was loaded.
    pub site_digest: String,
    /// The plan.
    pub plan: StoredPlan,
    /// The site as it was loaded.
    pub site: Value,
    /// What the site was.
    pub facts: Vec<Thing>,
}

/// The options that chose a plan, beside the first and the last step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// `--runbook`: the file, whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook_file: Option<String>,
    /// `--service-first`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub service_first: bool,
    /// `--resume`: the run that goes on with this plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
}

/// An approval with the digest of the file that has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Approved {
    /// What was approved.
    pub approval: Approval,
    /// `sha256:` and the SHA-256 of the file.
    pub digest: String,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Approval {
    /// A plan with what its site is now.
    ///
    /// # Errors
    /// When a folder name of the site is no Unicode.
    pub async fn of(
        plan: &Plan,
        site: &Site,
        access: &Access,
        chosen: Chosen,
    ) -> serde_json::Result<Self> {
        Ok(Self {
            made: access.clock.now(),
            tool: tool(),
            simulated: access.clock.is_simulated(),
            pool: site.pool.fqdn.to_string(),
            runbook: plan.runbook.clone(),
            chosen,
            from: plan.from.clone(),
            until: plan.until.clone(),
            plan_digest: plan.digest.clone(),
            site_digest: site_digest(site),
            plan: StoredPlan::of(plan)?,
            site: serde_json::to_value(site)?,
            facts: Box::pin(facts::observe(site, access)).await,
        })
    }

    /// The document.
    ///
    /// # Errors
    /// None that is known: texts and numbers only.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        Document::Approval.write(self)
    }

    /// The runbook of its plan; `None` where this version has no such direction.
    pub fn to_runbook(&self) -> Option<Runbook> {
        let direction = Direction::find(&self.runbook)?;
        let steps = self.plan.steps.iter();
        Some(Runbook {
            name: self.runbook.clone(),
            direction,
            title: String::new(),
            steps: steps
                .map(|step| RunbookStep {
                    id: step.id.clone(),
                    kind: RunbookStepKind::BuiltIn,
                })
                .collect(),
        })
    }

    /// How what is to be run differs from what was approved, beside what the site is: the program, the
    /// site file, the plan. Empty where nothing does.
    pub fn differs(&self, plan: &Plan, site: &Site, simulated: bool) -> Vec<Drift> {
        let mut drift = Vec::new();
        let mut is = |of: &str, was: &str, now: &str| {
            if was != now {
                drift.push(Drift::new(of, "", was, now));
            }
        };
        let whose = |simulated: bool| if simulated { "simulated" } else { "real" };
        is("site", whose(self.simulated), whose(simulated));
        is("program", &self.tool, &tool());
        is("runbook", &self.runbook, &plan.runbook);
        let text = |id: &Option<String>| id.clone().unwrap_or_else(|| "none".to_owned());
        is("first step", &text(&self.from), &text(&plan.from));
        is("last step", &text(&self.until), &text(&plan.until));
        // A folder name that is no Unicode has no spelling; its site has no approval either.
        let now = serde_json::to_value(site).unwrap_or_default();
        let keys = drift::keys(&self.site, &now);
        let told = !keys.is_empty();
        drift.extend(keys);
        if !told && self.site_digest != site_digest(site) {
            drift.push(Drift::edited("site file"));
        }
        let changed = self.plan_differs(plan);
        let told = !changed.is_empty() || !drift.is_empty();
        drift.extend(changed);
        if !told && self.plan_digest != plan.digest {
            drift.push(Drift::edited("plan"));
        }
        drift
    }

    fn plan_differs(&self, plan: &Plan) -> Vec<Drift> {
        let mut drift = Vec::new();
        let Ok(now) = StoredPlan::of(plan) else {
            return vec![Drift::edited("plan")];
        };
        for step in &now.steps {
            let of = format!("plan: {}", step.id);
            match self.plan.step(&step.id) {
                None => drift.push(Drift::new(&of, "", "not there", "a step")),
                Some(was) => {
                    let fields = was.differing(step).into_iter();
                    drift.extend(
                        fields.map(|field| Drift::new(&of, &field, "others", "as they are")),
                    );
                }
            }
        }
        for was in &self.plan.steps {
            if now.step(&was.id).is_none() {
                drift.push(Drift::new(
                    &format!("plan: {}", was.id),
                    "",
                    "a step",
                    "not there",
                ));
            }
        }
        let ids = |plan: &StoredPlan| {
            let ids = plan.steps.iter().map(|step| step.id.as_str());
            ids.collect::<Vec<_>>().join(", ")
        };
        if drift.is_empty() && ids(&self.plan) != ids(&now) {
            drift.push(Drift::new(
                "plan: order of the steps",
                "",
                &ids(&self.plan),
                &ids(&now),
            ));
        }
        drift
    }
}

impl Approved {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is no approval, or of a later version.
    pub fn read(bytes: Vec<u8>) -> Result<Self, Unread> {
        Ok(Self {
            approval: Document::Approval.read(&bytes)?,
            digest: digest(&bytes),
            bytes,
        })
    }
}

/// `sha256:` and the SHA-256 of a file.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

fn tool() -> String {
    crate::model::document::PROGRAM.to_owned()
}
