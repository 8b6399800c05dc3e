//! What does not travel with a restore: owner, TRUSTWORTHY, Service Broker, users (`sql-server.md`
//! 6.4). Mended where it is known how it was, else told.

use serde::Serialize;
use serde_json::json;

use super::{Facts, Key};
use crate::step::command::Values;
use crate::step::observe::database::Database;
use crate::step::saved::Saved;
use crate::step::{Block, Lift};

/// Interlock: the certificate of an encrypted database was put on the primary.
const CERTIFICATE: &str = "certificate";

/// How the primary's database was, as it was kept.
#[derive(Debug, Serialize)]
pub(super) struct Wanted {
    row: Option<Database>,
    certificate_is_there: bool,
}

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mend {
    MultiUser,
    Owner(String),
    Trustworthy,
    Broker,
    /// A user, and the login of the same name.
    User(String, String),
}

impl Wanted {
    pub(super) fn of(saved: Option<&Saved>) -> Self {
        Self {
            row: saved
                .and_then(|saved| saved.primary.as_ref())
                .and_then(|half| half.database.clone()),
            certificate_is_there: false,
        }
    }

    pub(super) fn describe(&self) -> String {
        match &self.row {
            Some(row) => format!(
                "then owner {}, TRUSTWORTHY {}, Service Broker {}, and users by their logins",
                row.owner.as_deref().unwrap_or("?"),
                if row.trustworthy { "on" } else { "off" },
                if row.broker { "on" } else { "off" }
            ),
            None => {
                "owner, TRUSTWORTHY and Service Broker are not known as they were: see them afterwards"
                    .to_owned()
            }
        }
    }

    pub(super) fn certificate_block(&self, thumbprint: &str, without: &[String]) -> Option<Block> {
        (!self.certificate_is_there).then(|| {
            Block::site(
                CERTIFICATE,
                format!(
                    "the chat database or its backup is encrypted by the certificate {thumbprint}, which is not seen on {}: nothing can be restored there (33111)",
                    without.join(" and on ")
                ),
                format!("put it there with its private key (sys.certificates); or say with --override {CERTIFICATE}=REASON that it is there"),
            )
            .lifted_by(Lift::Override)
        })
    }

    pub(super) fn certificate_is_there(mut self, there: bool) -> Self {
        self.certificate_is_there = there;
        self
    }
}

/// Id of the interlock.
pub(super) fn certificate() -> &'static str {
    CERTIFICATE
}

/// The next thing to mend on a database that serves.
pub(super) fn next(facts: &Facts) -> Option<Mend> {
    let row = facts
        .row()
        .filter(|row| row.serves() && row.collation.is_some())?;
    if row.user_access != 0 {
        return Some(Mend::MultiUser);
    }
    let logins = facts.logins.seen()?;
    let login = |name: &str| {
        logins
            .iter()
            .find(|it| it.eq_ignore_ascii_case(name))
            .cloned()
    };
    if let Some(wanted) = &facts.wanted.row {
        let owner = wanted.owner.as_deref().and_then(login);
        let same = |owner: &String| {
            row.owner
                .as_ref()
                .is_some_and(|own| own.eq_ignore_ascii_case(owner))
        };
        if let Some(owner) = owner.filter(|owner| !same(owner)) {
            return Some(Mend::Owner(owner));
        }
        if wanted.trustworthy && !row.trustworthy {
            return Some(Mend::Trustworthy);
        }
        // A mirrored database takes no change of its broker (1468).
        if wanted.broker && !row.broker && row.mirroring.is_none() {
            return Some(Mend::Broker);
        }
    }
    let orphans = facts.orphans.seen()?;
    orphans
        .iter()
        .find_map(|user| Some(Mend::User(user.clone(), login(user)?)))
}

/// What is another than it was, and stays so.
pub(super) fn left_over(facts: &Facts) -> Vec<String> {
    let mut left = Vec::new();
    let Some(row) = facts.row() else {
        return left;
    };
    if let Some(users) = facts.orphans.seen().filter(|users| !users.is_empty()) {
        left.push(format!("users without a login here: {}", users.join(", ")));
    }
    match &facts.wanted.row {
        None => left.push(format!(
            "how it was is not known; now its owner is {}, TRUSTWORTHY is {}, Service Broker is {}",
            row.owner.as_deref().unwrap_or("?"),
            if row.trustworthy { "on" } else { "off" },
            if row.broker { "on" } else { "off" }
        )),
        Some(wanted) => {
            let unlike = match (&wanted.owner, &row.owner) {
                (Some(wanted), Some(own)) => !wanted.eq_ignore_ascii_case(own),
                (wanted, _) => wanted.is_some(),
            };
            if unlike {
                left.push(format!(
                    "its owner is {}, it was {}",
                    row.owner.as_deref().unwrap_or("?"),
                    wanted.owner.as_deref().unwrap_or("?")
                ));
            }
            if wanted.broker && !row.broker {
                left.push("Service Broker is off, it was on".to_owned());
            }
        }
    }
    left
}

impl Mend {
    /// The command, and its values.
    pub(super) fn command(&self) -> (Key, Values) {
        let text = |name: &str, value: &str| (name.to_owned(), json!(value));
        match self {
            Self::MultiUser => (Key::MultiUser, Values::new()),
            Self::Owner(owner) => (Key::Owner, Values::from([text("owner", owner)])),
            Self::Trustworthy => (Key::Trustworthy, Values::new()),
            Self::Broker => (Key::Broker, Values::new()),
            Self::User(user, login) => (
                Key::User,
                Values::from([text("user", user), text("login", login)]),
            ),
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::MultiUser => "make it MULTI_USER".to_owned(),
            Self::Owner(owner) => format!("make {owner} its owner, as it was"),
            Self::Trustworthy => "turn TRUSTWORTHY on, as it was".to_owned(),
            Self::Broker => "enable its Service Broker, as it was".to_owned(),
            Self::User(user, _) => format!("give the user {user} its login"),
        }
    }
}
