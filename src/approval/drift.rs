//! How a site differs from what was approved. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::facts::{Fact, Is, Rule, Thing};

/// One thing that is not as it was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Of what: `backup: database mgc`, `site file`.
    pub of: String,
    /// The fact, or the key; empty where the thing itself differs.
    pub fact: String,
    /// What was approved.
    pub was: String,
    /// What is.
    pub now: String,
}

/// What was not seen when it was saved, or is not seen now. It is no drift: what cannot be seen is
/// not known to differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// Of what.
    pub of: String,
    /// The fact; empty where nothing of the thing was seen.
    pub fact: String,
    /// When.
    pub when: When,
    /// Why, where that is known.
    pub why: String,
}

/// When something was not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// When it was approved.
    Then,
    /// Now.
    Now,
}

/// A site held against what was approved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// What differs.
    pub drift: Vec<Drift>,
    /// What could not be compared.
    pub unseen: Vec<Unseen>,
}

impl Drift {
    pub(super) fn new(of: &str, fact: &str, was: &str, now: &str) -> Self {
        Self {
            of: of.to_owned(),
            fact: fact.to_owned(),
            was: was.to_owned(),
            now: now.to_owned(),
        }
    }

    /// The file does not agree with itself: its words are those of now, its digest is not.
    pub(super) fn edited(of: &str) -> Self {
        Self::new(of, "digest", "that of other words", "that of these")
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.of)?;
        if !self.fact.is_empty() {
            write!(f, ": {}", self.fact)?;
        }
        write!(f, ": approved {}, now {}", self.was, self.now)
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.of)?;
        if !self.fact.is_empty() {
            write!(f, ": {}", self.fact)?;
        }
        f.write_str(match self.when {
            When::Then => ": not seen when it was saved",
            When::Now => ": not seen now",
        })?;
        if self.why.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.why)
        }
    }
}

/// Holds a site against what was approved. The rules are those of this program.
pub fn hold(approved: &[Thing], now: &[Thing]) -> Held {
    let mut held = Held::default();
    let find = |things: &[Thing], of: &str| things.iter().find(|it| it.of == of).cloned();
    for was in approved {
        match find(now, &was.of) {
            Some(is) => held.thing(was, &is),
            None => held
                .drift
                .push(Drift::new(&was.of, "", "looked at", "not looked at")),
        }
    }
    for is in now {
        if find(approved, &is.of).is_none() {
            let drift = Drift::new(&is.of, "", "not looked at", "looked at");
            held.drift.push(drift);
        }
    }
    held
}

impl Held {
    /// What could not be compared, a line each; where an instance did not say who it is, that alone.
    pub fn told(&self) -> Vec<String> {
        let unseen = self.unseen.iter();
        let silent: BTreeSet<(&str, When)> = unseen
            .filter_map(|it| Some((it.of.strip_suffix("instance")?, it.when)))
            .collect();
        let is_told = |it: &&Unseen| {
            let mut silent = silent.iter();
            let of = |(at, when): &(&str, When)| *when == it.when && it.of.starts_with(at);
            it.of.ends_with(": instance") || !silent.any(of)
        };
        let told = self.unseen.iter().filter(is_told);
        told.map(ToString::to_string).collect()
    }

    fn thing(&mut self, was: &Thing, now: &Thing) {
        let unseen = |it: &Thing, when| Unseen {
            of: it.of.clone(),
            fact: String::new(),
            when,
            why: it.why.clone().unwrap_or_default(),
        };
        match (was.is, now.is) {
            (Is::Unknown, _) => self.unseen.push(unseen(was, When::Then)),
            (Is::Seen | Is::Absent, Is::Unknown) => self.unseen.push(unseen(now, When::Now)),
            (Is::Absent, Is::Absent) => {}
            (Is::Absent, Is::Seen) => self.presence(now, "not there", "there"),
            (Is::Seen, Is::Absent) => self.presence(was, "there", "not there"),
            (Is::Seen, Is::Seen) => self.facts(was, now),
        }
    }

    /// A thing came or went; one of which nothing matters may.
    fn presence(&mut self, seen: &Thing, was: &str, now: &str) {
        if seen.facts.iter().any(|it| it.rule != Rule::Ignore) {
            self.drift.push(Drift::new(&seen.of, "", was, now));
        }
    }

    fn facts(&mut self, was: &Thing, now: &Thing) {
        let all: [BTreeMap<&str, &Fact>; 2] =
            [was, now].map(|it| it.facts.iter().map(|it| (it.name.as_str(), it)).collect());
        let names: BTreeSet<&str> = all.iter().flat_map(|it| it.keys().copied()).collect();
        let mut rows = BTreeSet::new();
        for name in names {
            let [was, is] = [all[0].get(name), all[1].get(name)];
            // A row that came or went is named once, not by each of its facts.
            if let (None, Some(fact)) | (Some(fact), None) = (was, is)
                && let Some((row, _)) = name.rsplit_once(": ")
                && !all.iter().all(|it| it.keys().any(|name| is_of(name, row)))
            {
                if fact.rule != Rule::Ignore && rows.insert(row) {
                    let there = |it: bool| if it { "there" } else { "not there" };
                    let [was, is] = [was, is].map(|it| there(it.is_some()));
                    self.drift.push(Drift::new(&now.of, row, was, is));
                }
                continue;
            }
            let unseen = |it: Option<&&Fact>| it.is_some_and(|it| it.unseen);
            let when = if unseen(was) {
                Some(When::Then)
            } else {
                unseen(is).then_some(When::Now)
            };
            if let Some(when) = when {
                self.unseen.push(Unseen {
                    of: now.of.clone(),
                    fact: name.to_owned(),
                    when,
                    why: String::new(),
                });
                continue;
            }
            let Some(rule) = is.or(was).map(|it| it.rule) else {
                continue;
            };
            let [was, is] = [was, is].map(|it| it.map(|it| &it.value));
            if !allows(rule, was, is) {
                let drift = Drift::new(&now.of, name, &spell(was), &spell(is));
                self.drift.push(drift);
            }
        }
    }
}

fn is_of(name: &str, row: &str) -> bool {
    let rest = name.strip_prefix(row);
    rest.is_some_and(|rest| rest.starts_with(": "))
}

fn allows(rule: Rule, was: Option<&Value>, now: Option<&Value>) -> bool {
    match rule {
        Rule::Ignore => true,
        Rule::MustEqual => was == now,
        Rule::MayGrow => match (was, now) {
            (None | Some(Value::Null), _) => true,
            (Some(was), Some(now)) => has_grown(was, now),
            (Some(_), None) => false,
        },
    }
}

/// Numbers by their value; an LSN and the name of a file, in which a time stands, by their length, then
/// by their text: each has a fixed length, or is a decimal number.
fn has_grown(was: &Value, now: &Value) -> bool {
    match (was, now) {
        (Value::Number(was), Value::Number(now)) => now.as_f64() >= was.as_f64(),
        (Value::String(was), Value::String(now)) => (now.len(), now) >= (was.len(), was),
        _ => was == now,
    }
}

fn spell(value: Option<&Value>) -> String {
    match value {
        None => "not there".to_owned(),
        Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "\"\"".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|it| spell(Some(it))).collect();
            items.join(", ")
        }
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_))) => other.to_string(),
    }
}

/// The keys of a site file that differ.
pub(super) fn keys(was: &Value, now: &Value) -> Vec<Drift> {
    let [was, now] = [was, now].map(|site| {
        let mut all = BTreeMap::new();
        flatten(site, String::new(), &mut all);
        all
    });
    let names: BTreeSet<&String> = was.keys().chain(now.keys()).collect();
    let differ = names
        .into_iter()
        .filter(|name| was.get(*name) != now.get(*name));
    differ
        .map(|name| {
            let [was, now] = [was.get(name), now.get(name)].map(|it| spell(it.copied()));
            Drift::new("site file", name, &was, &now)
        })
        .collect()
}

fn flatten<'v>(value: &'v Value, name: String, all: &mut BTreeMap<String, &'v Value>) {
    let Value::Object(fields) = value else {
        all.insert(name, value);
        return;
    };
    for (key, value) in fields {
        let name = if name.is_empty() {
            key.clone()
        } else {
            format!("{name}.{key}")
        };
        flatten(value, name, all);
    }
}
