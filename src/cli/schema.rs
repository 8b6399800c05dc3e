//! `pchadr schema`: what editors complete keys from, as JSON Schema.

use std::io::Write;

use serde_json::{Value, json};

use super::error::output;
use super::options::{SchemaOf, SchemaOptions};
use crate::model::Direction;
use crate::run::exit::Exit;
use crate::step::Step;
use crate::{runbook, site};

/// Prints a schema.
///
/// # Errors
/// That `out` takes nothing.
pub fn command(options: &SchemaOptions, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let schema = match options.of {
        SchemaOf::Site => serde_json::from_str(site::SCHEMA)?,
        SchemaOf::Runbook => of_runbook()?,
    };
    serde_json::to_writer_pretty(&mut *out, &schema).map_err(|error| output(error.into()))?;
    writeln!(out).map_err(output)?;
    Ok(Exit::Done)
}

/// That of a runbook, with the ids of every step that there is.
fn of_runbook() -> serde_json::Result<Value> {
    let mut schema: Value = serde_json::from_str(runbook::SCHEMA)?;
    let mut ids: Vec<&str> = Vec::new();
    for step in Direction::ALL.into_iter().flat_map(Step::of) {
        // Both directions have steps of one name.
        if !ids.contains(&step.id()) {
            ids.push(step.id());
        }
    }
    if let Some(id) = schema.pointer_mut("/properties/step/items/properties/id") {
        id["anyOf"] = json!([
            {"enum": ids},
            {"pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$"},
        ]);
    }
    Ok(schema)
}
