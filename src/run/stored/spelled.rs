//! The commands of a stored plan as they were sent: for people, long after the run, whatever version of
//! the program made the plan.

use serde_json::Value;

use super::{StoredCommand, StoredPlan, StoredStep};
use crate::step::command::{HoleType, Values, fill_stored};

/// A command with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelled {
    /// Where it went.
    pub target: Target,
    /// Its text, once for each set of values.
    pub texts: Vec<String>,
}

/// Where a command went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An instance: its role and its address.
    Tsql {
        /// Role.
        instance: String,
        /// Address.
        server: String,
    },
    /// The management shell.
    Powershell,
    /// A file was copied.
    Copy,
}

impl StoredPlan {
    /// Digest of the plan.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The step with that id.
    pub fn step(&self, id: &str) -> Option<&StoredStep> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The command `n` of a step, bound to each of these sets of values. `None` where the plan has no
    /// such command, or its holes are others.
    pub fn spell(&self, step: &str, n: usize, sets: &[&Value]) -> Option<Spelled> {
        let step = self.step(step)?;
        let mut commands = step.commands.iter().chain(&step.undo);
        let command = commands.find(|command| command.n == n)?;
        let target = match command.kind.as_str() {
            "tsql" => Target::Tsql {
                instance: command.instance.clone()?,
                server: command.server.clone()?,
            },
            "powershell" => Target::Powershell,
            "copy" => Target::Copy,
            _ => return None,
        };
        let texts: Option<Vec<String>> = sets.iter().map(|set| command.spell(set)).collect();
        Some(Spelled {
            target,
            texts: texts?,
        })
    }
}

impl StoredCommand {
    fn spell(&self, values: &Value) -> Option<String> {
        let values: Values = match values {
            Value::Object(map) => map.clone().into_iter().collect(),
            Value::Null => Values::new(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => return None,
        };
        let holes: Option<Vec<(&str, HoleType)>> = self
            .holes
            .iter()
            .map(|hole| {
                let named = Value::String(hole.hole_type.clone());
                let hole_type = serde_json::from_value(named).ok()?;
                Some((hole.name.as_str(), hole_type))
            })
            .collect();
        let holes = holes?;
        let filled = |text: &str| fill_stored(text, &holes, &values, self.kind == "powershell");
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => Some(format!("copy {} to {}", filled(from)?, filled(to)?)),
            _ => filled(&self.text),
        }
    }
}
