//! What is wrong, why, and what mends it: one shape for errors, for what blocks a step and for what
//! could not be seen.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Instance;

/// Something that is wrong.
///
/// Displays as one clause: what it is about, where, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What was not done or could not be seen because of it, outermost first; empty where `what`
    /// says it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<String>,
    /// What failed: the first line of a statement, a cmdlet, a path; empty where `why` says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// Where; `None` where no place is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// SQL Server's error number, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// Why.
    pub why: String,
    /// What was seen that says so, a line each; empty where the words above say all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// What to do, in order; empty where nothing is known that would mend it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
}

/// Where something went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// An instance of SQL Server.
    Instance {
        /// What it is to the site.
        instance: Instance,
        /// Its address.
        server: String,
    },
    /// A share or a folder.
    Share {
        /// The file or folder that was asked for.
        path: String,
    },
    /// PowerShell, and the Skype cmdlets in it.
    PowerShell,
    /// The machine that pchadr runs on.
    ThisMachine,
}

/// One thing to do about a problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "text", rename_all = "snake_case")]
pub enum Remedy {
    /// In words: an imperative clause without a full stop.
    Do(Cow<'static, str>),
    /// A command of pchadr, as it is typed.
    Command(Cow<'static, str>),
    /// T-SQL or PowerShell to be typed by hand, whole.
    Statement(Cow<'static, str>),
    /// Go on with what was stopped: the run, or its undoing.
    GoOn,
}

/// What a stopped execution goes on with: how [`Remedy::GoOn`] is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayOn {
    /// `--resume`: the run itself stopped.
    Resume,
    /// `pchadr abort` again: the undoing stopped.
    Abort,
}

impl fmt::Display for WayOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resume => "go on with --resume",
            Self::Abort => "abort again",
        })
    }
}

impl Remedy {
    /// In words.
    pub fn to_do(words: impl Into<Cow<'static, str>>) -> Self {
        Self::Do(words.into())
    }

    fn spell(&self, way_on: WayOn) -> Cow<'_, str> {
        match self {
            Self::Do(words) => Cow::Borrowed(words),
            Self::Command(command) => Cow::Owned(format!("run `{command}`")),
            Self::Statement(statement) => Cow::Owned(format!("type `{statement}`")),
            Self::GoOn => Cow::Owned(way_on.to_string()),
        }
    }
}

/// Joins remedies to one clause for people: `see to it; then go on with --resume`.
pub fn spell(remedies: &[Remedy], way_on: WayOn) -> String {
    let mut text = String::new();
    for remedy in remedies {
        if !text.is_empty() {
            let then = matches!(remedy, Remedy::GoOn);
            text.push_str(if then { ", then " } else { "; " });
        }
        text.push_str(&remedy.spell(way_on));
    }
    text
}

/// What mends a problem: words, one remedy or several.
pub trait IntoRemedies {
    /// The list.
    fn into_remedies(self) -> Vec<Remedy>;
}

impl IntoRemedies for &'static str {
    /// No words are no remedy.
    fn into_remedies(self) -> Vec<Remedy> {
        if self.is_empty() {
            Vec::new()
        } else {
            vec![Remedy::to_do(self)]
        }
    }
}

impl IntoRemedies for String {
    fn into_remedies(self) -> Vec<Remedy> {
        vec![Remedy::to_do(self)]
    }
}

impl IntoRemedies for Remedy {
    fn into_remedies(self) -> Vec<Remedy> {
        vec![self]
    }
}

impl IntoRemedies for Vec<Remedy> {
    fn into_remedies(self) -> Vec<Remedy> {
        self
    }
}

impl Problem {
    /// Why something is wrong, and what mends it.
    pub fn new(why: impl Into<String>, remedies: impl IntoRemedies) -> Self {
        Self {
            why: why.into(),
            remedies: remedies.into_remedies(),
            ..Self::default()
        }
    }

    /// Its place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same, told as the reason for something else: place, number and remedies stay.
    #[must_use]
    pub fn about(&self, about: impl Into<String>) -> Self {
        let mut problem = self.clone();
        problem.about.insert(0, about.into());
        problem
    }

    /// Something else that helps, behind what is known.
    #[must_use]
    pub fn or(mut self, mend: impl IntoRemedies) -> Self {
        self.remedies.extend(mend.into_remedies());
        self
    }

    /// To be mended, and then what stopped goes on.
    #[must_use]
    pub fn then_go_on(mut self) -> Self {
        // Last, whatever was added behind it since.
        self.remedies.retain(|it| *it != Remedy::GoOn);
        self.remedies.push(Remedy::GoOn);
        self
    }

    /// To be mended, and then begun anew: nothing stopped, so that nothing can go on.
    #[must_use]
    pub fn then_begin(mut self) -> Self {
        self.remedies.retain(|it| *it != Remedy::GoOn);
        if self.remedies.is_empty() {
            self.remedies
                .push(Remedy::to_do("give the command again when you are ready"));
        }
        self
    }

    /// With its remedies; where none is known, with the general one for its kind and place.
    #[must_use]
    pub fn with_remedy(mut self) -> Self {
        if self.remedies.is_empty() {
            self.remedies = vec![Remedy::to_do(match (&self.place, self.number) {
                (_, Some(_)) => "see the message and the SQL Server error log there",
                (Some(Place::PowerShell), None) => {
                    "see the message; run the command in the management shell to see more"
                }
                (Some(Place::ThisMachine), None) => "see the message, and this machine",
                (Some(Place::Instance { .. } | Place::Share { .. }) | None, None) => {
                    "see that what does not answer is up and reachable from here"
                }
            })];
        }
        self
    }

    /// As it displays, without its instance: for whoever tells that by itself.
    pub fn reason(&self) -> String {
        let place = match &self.place {
            Some(Place::Instance { .. }) => None,
            Some(Place::Share { .. } | Place::PowerShell | Place::ThisMachine) | None => {
                self.place.clone()
            }
        };
        let problem = Self {
            place,
            ..self.clone()
        };
        problem.to_string()
    }

    /// What to do, as one clause; empty where nothing is known.
    pub fn hint(&self, way_on: WayOn) -> String {
        spell(&self.remedies, way_on)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for about in &self.about {
            write!(f, "{about}: ")?;
        }
        match &self.place {
            Some(place @ Place::Instance { .. }) => write!(f, "{place}: ")?,
            Some(Place::Share { path }) => write!(f, "`{path}`: ")?,
            Some(Place::PowerShell) if !self.what.is_empty() => write!(f, "`{}`: ", self.what)?,
            Some(Place::PowerShell | Place::ThisMachine) | None => {}
        }
        f.write_str(&self.why)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance { instance, server } => write!(f, "{instance} ({server})"),
            Self::Share { path } => f.write_str(path),
            Self::PowerShell => f.write_str("PowerShell"),
            Self::ThisMachine => f.write_str("this machine"),
        }
    }
}

impl From<String> for Problem {
    /// A reason that nothing is known to mend.
    fn from(why: String) -> Self {
        Self::new(why, Vec::new())
    }
}

impl From<&str> for Problem {
    fn from(why: &str) -> Self {
        Self::new(why, Vec::new())
    }
}

impl From<&Problem> for Problem {
    fn from(problem: &Problem) -> Self {
        problem.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Problem {
        Problem {
            what: "SELECT 1".to_owned(),
            number: Some(229),
            ..Problem::new(
                "error 229: no right",
                "sign in as a member of sysadmin on that instance",
            )
        }
        .at(Place::Instance {
            instance: Instance::chat(crate::model::Role::Backup),
            server: "sql3".to_owned(),
        })
    }

    #[test]
    fn a_problem_told_as_the_reason_for_another_keeps_its_place_number_and_remedies() {
        let told = refused().about("the pool's state cannot be seen");
        assert_eq!(
            told.to_string(),
            "the pool's state cannot be seen: backup (sql3): error 229: no right"
        );
        assert_eq!(
            told.reason(),
            "the pool's state cannot be seen: error 229: no right"
        );
        assert_eq!(told.number, Some(229));
        assert_eq!(told.place, refused().place);
        assert_eq!(told.remedies, refused().remedies);
    }

    #[test]
    fn going_on_is_spelled_for_what_stopped() {
        let hint = |way_on| refused().then_go_on().hint(way_on);
        assert!(hint(WayOn::Resume).ends_with("that instance, then go on with --resume"));
        assert!(hint(WayOn::Abort).ends_with("that instance, then abort again"));
        let remedies = [
            Remedy::to_do("wait"),
            Remedy::Command("pchadr status".into()),
        ];
        assert_eq!(spell(&remedies, WayOn::Resume), "wait; run `pchadr status`");
    }
}
