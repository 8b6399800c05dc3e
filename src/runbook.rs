//! Runbooks: which steps a failover or a failback takes, in which order (`design.md` 4).

use serde::Serialize;

pub use crate::model::Direction;
use crate::problem::toml::{Field, Reported, Table, listed, read};
use crate::problem::{Problems, nearest};

/// The built-in failover: the vendor's order.
pub const FAILOVER: &str = include_str!("../runbooks/failover.toml");

/// The built-in failover that serves users before it sets up the mirror.
pub const FAILOVER_SERVICE_FIRST: &str = include_str!("../runbooks/failover-service-first.toml");

/// The built-in planned failover: the primary lives, and nothing is lost.
pub const FAILOVER_PLANNED: &str = include_str!("../runbooks/planned.toml");

/// The built-in failback: the primary is seeded while chat serves, the rest is in the vendor's order.
pub const FAILBACK: &str = include_str!("../runbooks/failback.toml");

/// The same failback that serves users before it sets up the primary's mirror and log shipping.
pub const FAILBACK_SERVICE_FIRST: &str = include_str!("../runbooks/failback-service-first.toml");

/// The failback in the vendor's order: users wait for the whole database.
pub const FAILBACK_VENDOR_ORDER: &str = include_str!("../runbooks/failback-vendor-order.toml");

/// The built-in fence.
pub const FENCE: &str = include_str!("../runbooks/fence.toml");

/// What a runbook may hold, as JSON Schema (draft 07, which editors of TOML know). A test compares its
/// keys with those that [`Runbook::parse`] knows.
pub const SCHEMA: &str = include_str!("runbook/schema.json");

impl Direction {
    /// Its built-in runbook.
    pub fn built_in(self) -> &'static str {
        match self {
            Self::Failover => FAILOVER,
            Self::Failback => FAILBACK,
            Self::Fence => FENCE,
        }
    }
}

/// Ordered steps, as a runbook file chooses them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Runbook {
    /// What the file says that it is: the word of its direction.
    pub name: String,
    /// Which way it moves the pool.
    pub direction: Direction,
    /// One line for people.
    pub title: String,
    /// At least one; each id once.
    pub steps: Vec<RunbookStep>,
}

/// One step of a runbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunbookStep {
    /// Its id: lowercase words joined by `-`.
    pub id: String,
    /// Who does it.
    pub kind: RunbookStepKind,
}

/// Who does a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunbookStepKind {
    /// The program.
    BuiltIn,
    /// The operator, who types what was seen.
    Manual {
        /// One line; made from the id where the file has none.
        title: String,
        /// What the operator is to do.
        instruction: String,
        /// What the operator is to type afterwards, in words; `None`: anything.
        expect: Option<String>,
    },
}

/// The only version of runbook files that there is.
const VERSION: usize = 1;

impl Runbook {
    /// Checks the text of a runbook file.
    ///
    /// `file_name` is the name that problems carry; `known` are the ids of the built-in steps of
    /// the direction that the caller expects. Whether an order makes sense is the caller's to say.
    pub fn parse(text: &str, file_name: &str, known: &[&str]) -> Result<Self, Problems> {
        read(text.as_bytes(), file_name, |root| runbook(root, known))
    }

    /// The ids of the steps, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.id.as_str())
    }
}

fn runbook(mut root: Table<'_>, known: &[&str]) -> Result<Runbook, Reported> {
    let version = root.required("version", "version = 1", |field| {
        if field.number(0, usize::MAX)? == VERSION {
            Ok(())
        } else {
            Err(field.problem("is not known to this program", "write `version = 1`"))
        }
    });
    let words = Direction::ALL.map(|d| (d.key(), d));
    let direction = root.required("runbook", "runbook = \"failover\"", |f| f.choice(&words));
    let title = root.required("title", "title = \"…\"", |f| f.text().map(str::to_owned));
    let steps = root.required("step", "[[step]], and below it `id = \"…\"`", |f| {
        steps(f, known)
    });
    root.finish();
    version?;
    let direction = direction?;
    Ok(Runbook {
        name: direction.key().to_owned(),
        direction,
        title: title?,
        steps: steps?,
    })
}

fn steps(field: &Field<'_>, known: &[&str]) -> Result<Vec<RunbookStep>, Reported> {
    let items = field.list()?;
    if items.is_empty() {
        return Err(field.problem(
            "is an empty list",
            "add a step: [[step]], and below it its id",
        ));
    }
    let read: Vec<_> = items.iter().map(|item| step(item, known)).collect();
    for (n, later) in read.iter().enumerate() {
        let Ok((later, place)) = later else { continue };
        let same = |(step, _): &&(RunbookStep, Field<'_>)| step.id == later.id;
        if let Some((_, first)) = read.iter().take(n).flatten().find(same) {
            place.problem(
                &format!("`{}` is there already (line {})", later.id, first.line()),
                "each step runs once; a manual step that is repeated needs another id",
            );
        }
    }
    let read: Result<Vec<_>, Reported> = read.into_iter().collect();
    Ok(read?.into_iter().map(|(step, _)| step).collect())
}

/// Reads one step, and where its id stands.
fn step<'a>(item: &Field<'a>, known: &[&str]) -> Result<(RunbookStep, Field<'a>), Reported> {
    let mut table = item.table()?;
    let is_manual = table.has("manual");
    let id = table.required("id", "id = \"…\"", |field| {
        let id = field.text()?;
        check_id(field, id, is_manual, known).map(|()| (id.to_owned(), field.clone()))
    });
    let text = |field: &Field<'_>| field.text().map(str::to_owned);
    let manual = table.optional("manual", |f| f.prose().map(str::to_owned));
    let of_manual = |field: &Field<'_>| {
        if is_manual {
            text(field)
        } else {
            Err(field.problem(
                "belongs to manual steps only",
                "remove it, or write the instruction as `manual = \"…\"`",
            ))
        }
    };
    let title = table.optional("title", of_manual);
    let expect = table.optional("expect", of_manual);
    table.finish();
    let (id, place) = id?;
    let (title, expect) = (title?, expect?);
    let kind = match manual? {
        None => RunbookStepKind::BuiltIn,
        Some(instruction) => RunbookStepKind::Manual {
            title: title.unwrap_or_else(|| title_of(&id)),
            instruction,
            expect,
        },
    };
    Ok((RunbookStep { id, kind }, place))
}

fn check_id(field: &Field<'_>, id: &str, is_manual: bool, known: &[&str]) -> Result<(), Reported> {
    let is_built_in = known.contains(&id);
    if is_manual && is_built_in {
        return Err(field.problem(
            &format!("`{id}` is a step of the program"),
            "give the manual step another id, or remove `manual`",
        ));
    }
    if is_manual && !is_id(id) {
        return Err(field.problem(
            &format!("`{id}` is no id"),
            "write lowercase letters and digits joined by `-`, 64 at most, a letter first",
        ));
    }
    if is_manual || is_built_in {
        return Ok(());
    }
    let hint = match nearest(id, known) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!(
            "write one of {}; or add `manual = \"…\"` for a step that the operator does",
            listed(known)
        ),
    };
    Err(field.problem(&format!("there is no step `{id}` in this direction"), &hint))
}

fn is_id(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.split('-').all(|word| {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            !word.is_empty() && word.chars().all(is_plain)
        })
}

/// `call-the-network-team` -> `Call the network team`.
fn title_of(id: &str) -> String {
    let mut words = id.replace('-', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

#[cfg(test)]
mod tests;
