//! The plan: a runbook bound to a site, every command spelled out (`design.md` 5, 8). Pure: same site,
//! same runbook, same bytes everywhere.

use std::io::{BufWriter, Write as _};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::runbook::{Direction, Runbook, RunbookStepKind};
use crate::site::Site;
use crate::step::command::Command;
use crate::step::downtime::Downtime;
use crate::step::fencing::Fence;
use crate::step::{Effect, Step};

/// A runbook bound to a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Version of this format.
    pub version: u32,
    /// Which way it moves the pool.
    #[serde(skip)]
    pub direction: Direction,
    /// `failover` or `failback`.
    pub runbook: String,
    /// What is at risk in this order of the steps, where users are served before it is made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<&'static str>,
    /// The step that a run begins with; those before it were done by an earlier run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The step that a run ends behind; those behind it are for a later run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// `sha256:` and the SHA-256 of the plan's compact JSON without this field, in hex.
    pub digest: String,
    /// What keeps an older run from writing.
    pub fence: Fence,
    /// Ids of the steps of each stage, in order.
    pub stages: Vec<Vec<String>>,
    /// The steps in order.
    pub steps: Vec<PlannedStep>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// The step.
    #[serde(skip)]
    pub step: Step,
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
    /// What it adds to the time without chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime: Option<Downtime>,
    /// What is looked at before and after, a sentence each.
    pub checks: Vec<String>,
    /// What it may send, in order.
    pub commands: Vec<Command>,
    /// What `abort` may send to undo it, in order; numbered behind the commands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Command>,
}

impl PlannedStep {
    /// All that may be sent, to do it and to undo it, in the order of its numbers.
    pub fn all_commands(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter().chain(&self.undo)
    }

    /// The command with that number.
    pub fn command(&self, n: usize) -> Option<&Command> {
        self.all_commands().find(|command| command.n == n)
    }
}

/// Why a runbook cannot be bound to a site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    /// A step stands before one that it rests on.
    #[error("the runbook has `{step}` before `{first}`, and it rests on it; move it behind")]
    Order {
        /// The step.
        step: &'static str,
        /// What must come first.
        first: &'static str,
    },
    /// A step is missing without which another must not run.
    #[error("the runbook has `{step}` without `{first}`; add it before")]
    Missing {
        /// The step.
        step: &'static str,
        /// What it cannot do without.
        first: &'static str,
    },
    /// The step is of another version, or of the other direction.
    #[error("this version of pchadr has no step `{id}` of a {direction}")]
    Unknown {
        /// Its id.
        id: String,
        /// Where it was looked for.
        direction: Direction,
    },
    /// A part of a plan begins with, or ends behind, a step that it does not have.
    #[error("the runbook has no step `{id}`; it has {known}")]
    NoStep {
        /// Its id.
        id: String,
        /// Those that there are.
        known: String,
    },
    /// A part of a plan ends before it begins.
    #[error("`{until}` comes before `{from}`: nothing would be left to do")]
    Empty {
        /// Where it begins.
        from: String,
        /// Where it ends.
        until: String,
    },
    /// Steps that the operator does are not run by this version.
    #[error("`{0}` is a manual step; this version runs built-in steps only")]
    Manual(String),
}

impl Plan {
    /// Binds a runbook to a site.
    ///
    /// # Errors
    /// When the order of the runbook breaks what a step rests on: see [`Step::after`].
    pub fn bind(runbook: &Runbook, site: &Site) -> Result<Self, NoPlan> {
        let mut steps = Vec::new();
        for entry in &runbook.steps {
            let RunbookStepKind::BuiltIn = entry.kind else {
                return Err(NoPlan::Manual(entry.id.clone()));
            };
            let unknown = || NoPlan::Unknown {
                id: entry.id.clone(),
                direction: runbook.direction,
            };
            let step = Step::find(runbook.direction, &entry.id).ok_or_else(unknown)?;
            if step.is_wanted(site) {
                steps.push(step);
            }
        }
        for (index, step) in steps.iter().enumerate() {
            for first in step.after().iter().filter(|it| it.is_wanted(site)) {
                let (step, first) = (step.id(), *first);
                if steps[index..].contains(&first) {
                    return Err(NoPlan::Order {
                        step,
                        first: first.id(),
                    });
                }
                let may_lack = SEEDS.contains(&first) || PLANNED.contains(&first);
                if !steps.contains(&first) && !may_lack {
                    return Err(NoPlan::Missing {
                        step,
                        first: first.id(),
                    });
                }
            }
        }
        see_seeding(&steps)?;
        see_shipping(&steps)?;
        see_planned(&steps)?;
        let seeded = steps.contains(&Step::SeedPrimary);
        let planned_switch = steps.contains(&Step::ClosePrimary);
        let stages = stages(&steps, site.copy.overlap);
        let stage_of = |step: Step| {
            stages
                .iter()
                .position(|stage| stage.iter().any(|id| id == step.id()))
                .map_or(0, |index| index + 1)
        };
        // What stands behind the step that serves takes nothing from users.
        let served = steps.iter().position(|step| *step == Step::ReturnPoolState);
        let planned: Vec<PlannedStep> = steps
            .iter()
            .enumerate()
            .map(|(index, step)| {
                let info = step.info();
                PlannedStep {
                    step: *step,
                    id: info.id.to_owned(),
                    vendor: info.vendor,
                    title: info.title.to_owned(),
                    stage: stage_of(*step),
                    effect: info.effect,
                    point_of_no_return: step.is_point_of_no_return(),
                    downtime: if planned_switch {
                        step.planned_downtime(site)
                            .filter(|_| stands_in_outage(&steps, *step))
                    } else {
                        step.downtime(site, seeded)
                            .filter(|_| served.is_none_or(|served| index <= served))
                    },
                    checks: info
                        .checks
                        .iter()
                        .map(|check| (*check).to_owned())
                        .collect(),
                    commands: step.commands(site),
                    undo: step.undo_commands(site),
                }
            })
            .collect();
        let fence = Fence::of(site, planned.iter().flat_map(PlannedStep::all_commands));
        let mut plan = Self::seal(runbook.direction, fence, stages, planned);
        plan.risk = risk(&steps);
        if plan.risk.is_some() {
            plan.digest = plan.compute_digest();
        }
        Ok(plan)
    }

    /// The same plan, of which a run takes the steps from that one on, until that one.
    ///
    /// # Errors
    /// When it has no such step, or nothing is left.
    pub fn part(mut self, from: Option<&str>, until: Option<&str>) -> Result<Self, NoPlan> {
        let place = |id: Option<&str>| {
            let Some(id) = id else { return Ok(None) };
            let place = self.steps.iter().position(|step| step.id == id);
            place.map(Some).ok_or_else(|| NoPlan::NoStep {
                id: id.to_owned(),
                known: self.ids().collect::<Vec<_>>().join(", "),
            })
        };
        if let (Some(begins), Some(ends)) = (place(from)?, place(until)?)
            && ends < begins
        {
            return Err(NoPlan::Empty {
                from: self.steps[begins].id.clone(),
                until: self.steps[ends].id.clone(),
            });
        }
        if from.is_some() || until.is_some() {
            self.from = from.map(str::to_owned);
            self.until = until.map(str::to_owned);
            self.digest = self.compute_digest();
        }
        Ok(self)
    }

    /// The ids of all its steps, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.id.as_str())
    }

    /// The steps that a run takes: all, or those up to the one that it ends behind. Those before the
    /// one that it begins with are among them: they are looked at too.
    pub fn taken(&self) -> &[PlannedStep] {
        let last = self.until.as_ref();
        let last = last.and_then(|id| self.steps.iter().position(|step| step.id == *id));
        &self.steps[..last.map_or(self.steps.len(), |index| index + 1)]
    }

    /// The first of the steps that a run of it does not reach.
    pub fn beyond(&self) -> Option<&PlannedStep> {
        self.steps.get(self.taken().len())
    }

    /// Completes a plan: numbers the commands and takes the digest.
    pub(crate) fn seal(
        direction: Direction,
        fence: Fence,
        stages: Vec<Vec<String>>,
        mut steps: Vec<PlannedStep>,
    ) -> Self {
        for step in &mut steps {
            for (index, command) in step.commands.iter_mut().chain(&mut step.undo).enumerate() {
                command.n = index + 1;
            }
        }
        let mut plan = Self {
            version: 1,
            direction,
            runbook: direction.key().to_owned(),
            risk: None,
            from: None,
            until: None,
            digest: String::new(),
            fence,
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
            #[serde(skip_serializing_if = "Option::is_none")]
            risk: Option<&'static str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            from: &'a Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            until: &'a Option<String>,
            fence: &'a Fence,
            stages: &'a [Vec<String>],
            steps: &'a [PlannedStep],
        }
        let undigested = Undigested {
            version: self.version,
            runbook: &self.runbook,
            risk: self.risk,
            from: &self.from,
            until: &self.until,
            fence: &self.fence,
            stages: &self.stages,
            steps: &self.steps,
        };
        let mut json = BufWriter::new(Sha256::new());
        // Texts and numbers only: nothing here can fail to serialize, and a digest takes every byte.
        let _ = serde_json::to_writer(&mut json, &undigested);
        let _ = json.flush();
        format!("sha256:{}", hex(&json.get_ref().clone().finalize()))
    }

    /// Whether it seeds the primary while chat serves.
    pub fn is_seeded(&self) -> bool {
        self.of(Step::SeedPrimary).is_some()
    }

    /// Whether it is a planned switch: the primary lives, and gives the end of its log.
    pub fn is_planned(&self) -> bool {
        self.of(Step::ClosePrimary).is_some()
    }

    /// What it has of a step.
    pub fn of(&self, step: Step) -> Option<&PlannedStep> {
        self.steps.iter().find(|planned| planned.step == step)
    }

    /// The step with that id.
    pub fn step(&self, id: &str) -> Option<&PlannedStep> {
        self.steps.iter().find(|step| step.id == id)
    }
}

/// What only a plan has that seeds the primary while chat serves; one in the vendor's order is whole
/// without it.
const SEEDS: [Step; 2] = [Step::SeedPrimary, Step::ShipLog];

/// A failback has one of two orders (`steps.md` 6.10): the copy on the primary is made before B1, with the
/// log that follows it; or, in the vendor's order, it is taken behind B2 of a database that nobody uses.
fn see_seeding(steps: &[Step]) -> Result<(), NoPlan> {
    let place = |step: Step| steps.iter().position(|it| *it == step);
    let behind = |step: Step, first: Step| match (place(step), place(first)) {
        (Some(own), Some(other)) if own < other => Err(NoPlan::Order {
            step: step.id(),
            first: first.id(),
        }),
        (Some(_), None) => Err(NoPlan::Missing {
            step: step.id(),
            first: first.id(),
        }),
        _ => Ok(()),
    };
    if !steps.iter().any(|step| SEEDS.contains(step)) {
        return behind(Step::BackUpDatabase, Step::RemoveMirroring);
    }
    behind(Step::ShipLog, Step::SeedPrimary)?;
    behind(Step::SeedPrimary, Step::BackUpDatabase)?;
    behind(Step::ClearActiveServers, Step::ShipLog)
}

/// What only a planned failover has, in this order: all of it, or nothing.
const PLANNED: [Step; 4] = [
    Step::StandDown,
    Step::StopBackupJobs,
    Step::UnmirrorPrimary,
    Step::ClosePrimary,
];

/// A planned failover takes all of its own steps.
fn see_planned(steps: &[Step]) -> Result<(), NoPlan> {
    if !steps.iter().any(|step| PLANNED.contains(step)) {
        return Ok(());
    }
    match PLANNED.iter().find(|first| !steps.contains(first)) {
        Some(first) => Err(NoPlan::Missing {
            step: Step::RecoverDatabase.id(),
            first: first.id(),
        }),
        None => Ok(()),
    }
}

/// Whether chat is down while a planned failover takes that step.
fn stands_in_outage(steps: &[Step], step: Step) -> bool {
    let place = |wanted: Step| steps.iter().position(|it| *it == wanted);
    let ends = place(Step::SetActiveServers);
    place(step) >= place(Step::StandDown) && (ends.is_none() || place(step) <= ends)
}

/// One step a stage, or the pair that copies and applies at the same time (`design.md` 5).
fn stages(steps: &[Step], overlap: bool) -> Vec<Vec<String>> {
    let mut stages: Vec<Vec<String>> = Vec::new();
    let mut before = None;
    for step in steps {
        let pair = before.is_some() && step.alongside() == before;
        match stages.last_mut() {
            Some(stage) if pair && overlap => stage.push(step.id().to_owned()),
            _ => stages.push(vec![step.id().to_owned()]),
        }
        before = Some(*step);
    }
    stages
}

/// Users may be served before the primary's mirror and log shipping are set up, and not without them.
fn see_shipping(steps: &[Step]) -> Result<(), NoPlan> {
    let serves = steps.contains(&Step::ReturnActiveServers);
    let needed = [Step::InstallPrimaryMirror, Step::ConfigureLogShipping];
    match needed.into_iter().find(|it| serves && !steps.contains(it)) {
        None => Ok(()),
        Some(missing) => Err(NoPlan::Missing {
            step: Step::ReturnActiveServers.id(),
            first: missing.id(),
        }),
    }
}

/// What users are served without for a while, by the order of the steps.
fn risk(steps: &[Step]) -> Option<&'static str> {
    steps.iter().enumerate().find_map(|(index, step)| {
        let optional = step.optional()?;
        let served = steps[..index].contains(&optional.serves);
        optional.risk.filter(|_| served)
    })
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::runbook::RunbookStep;

    #[test]
    fn a_step_that_this_version_does_not_have_is_named_and_is_no_manual_one() {
        let text = include_str!("../runbooks/litware.toml");
        let site = Site::parse(text, "litware.toml", Path::new("/conf")).unwrap();
        let step = RunbookStep {
            id: "prove-share".to_owned(),
            kind: RunbookStepKind::BuiltIn,
        };
        let runbook = Runbook {
            name: "failover".to_owned(),
            direction: Direction::Failover,
            title: String::new(),
            steps: vec![step],
        };
        let error = Plan::bind(&runbook, &site).unwrap_err().to_string();
        assert_eq!(
            error,
            "this version of pchadr has no step `prove-share` of a failover"
        );
    }
}
