//! The rules of `design.md` 3 that no other file proves, each by its number.

mod ends;
mod plan;
mod record;
mod spy;
mod truth;

use pchadr::cli::rehearse::Stage;
use pchadr::plan::Plan;
use pchadr::run::event::{Event, Record};
use pchadr::run::journal;
use pchadr::run::recorder::Sink;
use pchadr::run::store::MemoryStore;
use pchadr::site::Site;
use pchadr::step::command::{Kind, Values};

use crate::site::{plan, run};
use spy::{Left, Spy};

/// A command as the journal announced it, its holes bound as the plan binds them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bound {
    Sql(String),
    /// Name, and parameters as JSON.
    Cmdlet(String, String),
    Copy(String, String),
}

/// Every announced command, with the length of the journal up to the end of its record.
pub(crate) fn announced(plan: &Plan, bytes: &[u8]) -> Vec<(usize, Bound)> {
    let records = journal::read(bytes).expect("a sound journal").records;
    let mut bound = Vec::new();
    let mut end = 0;
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    for (record, line) in records.iter().zip(lines) {
        end += line.len();
        if let Event::FenceTaken {
            number,
            writer,
            instances,
        } = &record.event
        {
            let values = Values::from([
                ("number".to_owned(), (*number).into()),
                ("run".to_owned(), writer.clone().into()),
            ]);
            let all = plan.fence.instances.iter().zip(&plan.fence.commands);
            let named = all.filter(|(it, _)| instances.contains(&it.to_string()));
            bound.extend(named.map(|(_, command)| {
                let text = command.bind(&values).expect("bound");
                (end, Bound::Sql(text))
            }));
        }
        if let Event::Command { step, n, values } = &record.event {
            let each = match values {
                serde_json::Value::Array(each) => each.clone(),
                one => vec![one.clone()],
            };
            for values in each {
                bound.push((end, bind(plan, step, *n, &values)));
            }
        }
    }
    bound
}

fn bind(plan: &Plan, step: &str, n: usize, values: &serde_json::Value) -> Bound {
    let step = plan.step(step).expect("a step of the plan");
    let command = &step.commands[n - 1];
    let values: Values = values
        .as_object()
        .expect("values")
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    match &command.kind {
        Kind::Tsql { .. } => Bound::Sql(command.bind(&values).expect("bound")),
        Kind::Powershell { .. } => {
            let bound = command.bind_parameters(&values).expect("bound");
            let (cmdlet, parameters) = bound.expect("a cmdlet");
            let parameters = serde_json::to_string(&parameters).expect("JSON");
            Bound::Cmdlet(cmdlet.to_owned(), parameters)
        }
        Kind::Copy { .. } => {
            let (from, to) = command.bind_copy(&values).expect("bound").expect("a copy");
            Bound::Copy(from, to)
        }
    }
}

/// Holds one run with a spy in every door.
pub(crate) async fn spied(site: &Site, stage: &mut Stage, store: &MemoryStore) -> Spy {
    let spy = Spy::new(store);
    stage.access = spy.doors(site, stage);
    run(site, &plan(site), stage, store)
        .await
        .expect("a record");
    spy
}

/// What has left of a command, if this is it.
pub(crate) fn is_of(left: &Left, bound: &Bound) -> bool {
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|it| it == part);
    match (left, bound) {
        (Left::Bytes(bytes), Bound::Sql(text)) => {
            let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            holds(bytes, &text)
        }
        (Left::Bytes(bytes), Bound::Cmdlet(cmdlet, parameters)) => {
            let part = format!("\"cmdlet\":\"{cmdlet}\",\"parameters\":{parameters}");
            holds(bytes, part.as_bytes())
        }
        (Left::Changed(path), Bound::Copy(_, to)) => path.starts_with(to.trim_end_matches(".trn")),
        (Left::Copied { from, .. }, Bound::Copy(source, _)) => from == source,
        _ => false,
    }
}

/// Does something when a record is written that holds a text.
pub(crate) struct When<F: FnMut() + Send>(pub(crate) &'static str, pub(crate) F);

impl<F: FnMut() + Send> Sink for When<F> {
    fn record(&mut self, record: &Record) {
        let text = serde_json::to_string(record).expect("JSON");
        if text.contains(self.0) {
            (self.1)();
        }
    }
}
