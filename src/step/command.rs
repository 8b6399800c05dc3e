//! Commands: the only way in which a step changes the site. A plan shows them with their holes; a
//! run binds the holes and sends the result, byte for byte (`design.md` 3, rule 9).

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Role, quote};

/// How the value of a hole is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoleType {
    /// Digits.
    Integer,
    /// A Unicode literal, `N'…'`; in PowerShell a single-quoted text.
    Text,
    /// An identifier, `[…]`.
    Identifier,
    /// A part of a path, as it is: a file name, or a folder with its separator.
    Name,
    /// `MOVE N'…' TO N'…'` for each pair of texts of a list, joined by commas.
    Moves,
}

/// A value that the run finds, by a rule that the plan states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hole {
    /// Its mark in the text is `{name}`.
    pub name: &'static str,
    /// How its value is spelled.
    #[serde(rename = "type")]
    pub hole_type: HoleType,
    /// How the run finds it.
    pub rule: String,
    /// A plausible value, for the sample.
    #[serde(skip)]
    pub sample: Value,
}

impl Hole {
    /// Makes one.
    pub fn new(
        name: &'static str,
        hole_type: HoleType,
        rule: impl Into<String>,
        sample: impl Into<Value>,
    ) -> Self {
        Self {
            name,
            hole_type,
            rule: rule.into(),
            sample: sample.into(),
        }
    }
}

/// Commands without what their step calls them.
pub(super) fn unkeyed<K>(commands: Vec<(K, Command)>) -> Vec<Command> {
    commands.into_iter().map(|(_, command)| command).collect()
}

/// Where a command goes, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Kind {
    /// A T-SQL batch.
    Tsql {
        /// Role of the instance it is sent to.
        instance: Role,
        /// Its address.
        server: String,
    },
    /// A Skype cmdlet.
    Powershell {
        /// Its name.
        cmdlet: &'static str,
        /// Its parameters; a text `{name}` stands for the value of that hole.
        parameters: BTreeMap<&'static str, Value>,
    },
    /// A copy of one file.
    Copy {
        /// Path of the source, with holes.
        from: String,
        /// Path of the copy, with holes.
        to: String,
    },
}

/// One command of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Number inside its step, from 1.
    pub n: usize,
    /// Where it goes.
    #[serde(flatten)]
    pub kind: Kind,
    /// Sent only when this is so; `None` = always.
    pub when: Option<String>,
    /// Sent once for each of these; `None` = once.
    pub each: Option<String>,
    /// True for a batch that may take hours: a backup, a restore.
    #[serde(skip)]
    pub is_long: bool,
    /// Its holes.
    pub holes: Vec<Hole>,
    /// The text with `{name}` marks.
    pub text: String,
    /// The text with plausible values.
    pub sample: String,
}

/// What a step calls one of its commands.
pub(super) trait Key: Copy + PartialEq + fmt::Debug + Send + Sync + 'static {}

impl<K: Copy + PartialEq + fmt::Debug + Send + Sync + 'static> Key for K {}

/// A cmdlet and its parameters.
pub type Cmdlet = (&'static str, BTreeMap<&'static str, Value>);

/// Values of the holes of one sending, by name.
pub type Values = BTreeMap<String, Value>;

/// Says that a command cannot be bound: a defect of a step, never of the site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("command `{text}` cannot be bound: hole `{hole}` {why}")]
pub struct Unbound {
    /// The text with its marks.
    pub text: String,
    /// The hole.
    pub hole: String,
    /// What is wrong with its value.
    pub why: &'static str,
}

impl Command {
    /// A T-SQL batch for the instance that plays `instance`.
    pub fn tsql(instance: Role, server: &str, text: impl Into<String>, holes: Vec<Hole>) -> Self {
        let kind = Kind::Tsql {
            instance,
            server: server.to_owned(),
        };
        Self::new(kind, text.into(), holes)
    }

    /// A cmdlet; its text is what a person would paste into the management shell.
    pub fn powershell(
        cmdlet: &'static str,
        parameters: Vec<(&'static str, Value)>,
        holes: Vec<Hole>,
    ) -> Self {
        let mut text = cmdlet.to_owned();
        for (name, value) in &parameters {
            text.push_str(&spell_parameter(name, value));
        }
        let kind = Kind::Powershell {
            cmdlet,
            parameters: parameters.into_iter().collect(),
        };
        Self::new(kind, text, holes)
    }

    /// A copy.
    pub fn copy(from: String, to: String, holes: Vec<Hole>) -> Self {
        let text = format!("copy {from} to {to}");
        Self::new(Kind::Copy { from, to }, text, holes)
    }

    fn new(kind: Kind, text: String, holes: Vec<Hole>) -> Self {
        let mut command = Self {
            n: 0,
            kind,
            when: None,
            each: None,
            is_long: false,
            holes,
            text,
            sample: String::new(),
        };
        let values = command
            .holes
            .iter()
            .map(|hole| (hole.name.to_owned(), hole.sample.clone()))
            .collect();
        // The samples are ours; a hole without a usable one shows as its mark and fails the plan's test.
        command.sample = command
            .bind(&values)
            .unwrap_or_else(|_| command.text.clone());
        command
    }

    /// Sent only when `rule` holds.
    #[must_use]
    pub fn when(mut self, rule: impl Into<String>) -> Self {
        self.when = Some(rule.into());
        self
    }

    /// Sent once for each of `rule`.
    #[must_use]
    pub fn each(mut self, rule: impl Into<String>) -> Self {
        self.each = Some(rule.into());
        self
    }

    /// A backup or a restore, which may take hours; what else there is to send ends soon.
    #[must_use]
    pub fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    /// The command with what its step calls it.
    pub(super) fn keyed<K: Key>(self, key: K) -> (K, Self) {
        (key, self)
    }

    /// The text with its holes bound: for T-SQL, what is sent.
    pub fn bind(&self, values: &Values) -> Result<String, Unbound> {
        let powershell = matches!(self.kind, Kind::Powershell { .. });
        self.fill(&self.text, values, |hole_type, value| {
            spell(hole_type, value, powershell)
        })
    }

    /// Source and target of a copy with their holes bound.
    pub fn bind_copy(&self, values: &Values) -> Result<Option<(String, String)>, Unbound> {
        let Kind::Copy { from, to } = &self.kind else {
            return Ok(None);
        };
        let plain = |hole_type, value: &Value| spell(hole_type, value, false);
        Ok(Some((
            self.fill(from, values, plain)?,
            self.fill(to, values, plain)?,
        )))
    }

    /// Parameters of a cmdlet with their holes bound: what is sent.
    pub fn bind_parameters(&self, values: &Values) -> Result<Option<Cmdlet>, Unbound> {
        let Kind::Powershell { cmdlet, parameters } = &self.kind else {
            return Ok(None);
        };
        let mut bound = BTreeMap::new();
        for (name, value) in parameters {
            bound.insert(*name, self.fill_value(value, values)?);
        }
        Ok(Some((cmdlet, bound)))
    }

    fn fill_value(&self, value: &Value, values: &Values) -> Result<Value, Unbound> {
        Ok(match value {
            Value::String(text) => {
                let mark = self
                    .holes
                    .iter()
                    .find(|hole| text == &format!("{{{}}}", hole.name));
                match mark {
                    Some(hole) => self.value(hole.name, values)?.clone(),
                    None => value.clone(),
                }
            }
            Value::Object(map) => Value::Object(
                map.iter()
                    .map(|(key, inner)| Ok((key.clone(), self.fill_value(inner, values)?)))
                    .collect::<Result<_, Unbound>>()?,
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.clone(),
        })
    }

    fn value<'a>(&self, hole: &str, values: &'a Values) -> Result<&'a Value, Unbound> {
        values
            .get(hole)
            .ok_or_else(|| self.unbound(hole, "has no value"))
    }

    fn unbound(&self, hole: &str, why: &'static str) -> Unbound {
        Unbound {
            text: self.text.clone(),
            hole: hole.to_owned(),
            why,
        }
    }

    fn fill(
        &self,
        template: &str,
        values: &Values,
        spell: impl Fn(HoleType, &Value) -> Option<String>,
    ) -> Result<String, Unbound> {
        let names: Vec<&str> = self.holes.iter().map(|hole| hole.name).collect();
        fill_marks(template, &names, |index| {
            let hole = &self.holes[index];
            let value = self.value(hole.name, values)?;
            spell(hole.hole_type, value)
                .ok_or_else(|| self.unbound(hole.name, "has a value of another type"))
        })
    }
}

/// A text with its holes bound, each named with its type: of a command that was stored. `None` where a
/// value is missing or of another type.
pub fn fill_stored(
    template: &str,
    holes: &[(&str, HoleType)],
    values: &Values,
    powershell: bool,
) -> Option<String> {
    let names: Vec<&str> = holes.iter().map(|(name, _)| *name).collect();
    let filled = fill_marks(template, &names, |index| {
        let (name, hole_type) = holes[index];
        let value = values.get(name).ok_or(())?;
        spell(hole_type, value, powershell).ok_or(())
    });
    filled.ok()
}

/// Replaces every mark in one pass, so that a value that looks like a mark stays a value.
fn fill_marks<E>(
    template: &str,
    names: &[&str],
    mut spelled: impl FnMut(usize) -> Result<String, E>,
) -> Result<String, E> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        text.push_str(&rest[..open]);
        rest = &rest[open..];
        let hole = names.iter().position(|name| {
            rest[1..].starts_with(name) && rest[1 + name.len()..].starts_with('}')
        });
        if let Some(index) = hole {
            text.push_str(&spelled(index)?);
            rest = &rest[names[index].len() + 2..];
        } else {
            text.push('{');
            rest = &rest[1..];
        }
    }
    text.push_str(rest);
    Ok(text)
}

fn spell(hole_type: HoleType, value: &Value, powershell: bool) -> Option<String> {
    Some(match (hole_type, value) {
        (HoleType::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => {
            number.to_string()
        }
        (HoleType::Text, Value::String(text)) if powershell => quote::powershell(text),
        (HoleType::Text, Value::String(text)) => quote::literal(text),
        (HoleType::Identifier, Value::String(text)) => quote::identifier(text),
        (HoleType::Name, Value::String(text)) => text.clone(),
        (HoleType::Moves, Value::Array(pairs)) if !pairs.is_empty() => pairs
            .iter()
            .map(|pair| match pair.as_array().map(Vec::as_slice) {
                Some([Value::String(from), Value::String(to)]) => Some(format!(
                    "MOVE {} TO {}",
                    quote::literal(from),
                    quote::literal(to)
                )),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()?
            .join(", "),
        _ => return None,
    })
}

/// ` -Name value` for people. A hole stays a mark: binding quotes it.
fn spell_parameter(name: &str, value: &Value) -> String {
    let text = |text: &str| {
        if text.starts_with('{') && text.ends_with('}') {
            text.to_owned()
        } else {
            quote::powershell(text)
        }
    };
    match value {
        Value::Bool(true) => format!(" -{name}"),
        Value::Bool(false) => format!(" -{name}:$false"),
        Value::Null => format!(" -{name} $null"),
        Value::String(value) => format!(" -{name} {}", text(value)),
        Value::Object(map) => {
            let mut spelled = format!(" -{name} @{{");
            for (index, (key, inner)) in map.iter().enumerate() {
                let inner = inner.as_str().map_or_else(|| inner.to_string(), text);
                // Writing to a String cannot fail.
                let _ = write!(
                    spelled,
                    "{}{key}={inner}",
                    if index > 0 { "; " } else { "" }
                );
            }
            spelled.push('}');
            spelled
        }
        Value::Number(_) | Value::Array(_) => format!(" -{name} {value}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn restore() -> Command {
        Command::tsql(
            Role::Backup,
            "sql3",
            "RESTORE LOG [mgc] FROM DISK = {file} WITH FILE = {position}, NORECOVERY;",
            vec![
                Hole::new("file", HoleType::Text, "the set's file", r"E:\a.trn"),
                Hole::new("position", HoleType::Integer, "its place in the file", 1),
            ],
        )
    }

    #[test]
    fn a_sample_is_the_text_with_plausible_values() {
        assert_eq!(
            restore().sample,
            r"RESTORE LOG [mgc] FROM DISK = N'E:\a.trn' WITH FILE = 1, NORECOVERY;"
        );
    }

    #[test]
    fn a_hole_without_a_value_or_with_one_of_another_type_is_refused() {
        let values = Values::from([("file".to_owned(), json!("a"))]);
        assert_eq!(restore().bind(&values).unwrap_err().hole, "position");
        let values = Values::from([
            ("file".to_owned(), json!("a")),
            ("position".to_owned(), json!("1; DROP DATABASE mgc")),
        ]);
        assert_eq!(restore().bind(&values).unwrap_err().hole, "position");
    }

    #[test]
    fn a_cmdlet_is_spelled_for_people_and_sent_as_data() {
        let command = Command::powershell(
            "Set-CsPersistentChatActiveServer",
            vec![
                ("ActiveServers", json!({"Remove": "{server}"})),
                ("Confirm", json!(false)),
            ],
            vec![Hole::new("server", HoleType::Text, "each", "pc1.x.com")],
        );
        assert_eq!(
            command.sample,
            "Set-CsPersistentChatActiveServer -ActiveServers @{Remove='pc1.x.com'} -Confirm:$false"
        );
        let values = Values::from([("server".to_owned(), json!("o'hare"))]);
        let (_, parameters) = command.bind_parameters(&values).unwrap().unwrap();
        assert_eq!(parameters["ActiveServers"], json!({"Remove": "o'hare"}));
    }

    proptest! {
        #[test]
        fn a_value_never_becomes_code_whatever_it_holds(file in any::<String>()) {
            let values = Values::from([
                ("file".to_owned(), json!(file)),
                ("position".to_owned(), json!(1)),
            ]);
            let bound = restore().bind(&values).unwrap();
            let inner = bound
                .strip_prefix("RESTORE LOG [mgc] FROM DISK = N'").unwrap()
                .strip_suffix("' WITH FILE = 1, NORECOVERY;").unwrap();
            prop_assert_eq!(inner.replace("''", ""), file.replace('\'', ""));
            prop_assert_eq!(inner.matches('\'').count(), 2 * file.matches('\'').count());
        }
    }
}
