//! Two writable databases of one family (`design.md` 3, rule 2): what was given up for dead comes back as
//! it was.

use serde::Serialize;

use super::Observed;
use super::database::{Database, content, database, lineage};
use crate::access::Access;
use crate::model::{Instance, Problem, Remedy, Role};
use crate::site::Site;

/// A chat database that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Writable {
    /// Where.
    pub role: Role,
    /// Its address.
    pub server: String,
    /// Its family; `None` where it cannot be seen.
    pub family: Option<String>,
    /// True where it is known to hold no message; not asked of one whose family is that of all.
    pub empty: bool,
}

/// Two of them, where there must be one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Two(Writable, Writable);

impl Writable {
    /// What a row shows, where it serves.
    pub async fn of(site: &Site, access: &Access, role: Role, row: &Database) -> Option<Self> {
        let at = Instance::chat(role);
        if !row.serves() || row.read_only {
            return None;
        }
        let lineage = lineage(access, at, &site.database.chat).await;
        Some(Self {
            role,
            server: access.sql.server(at).to_owned(),
            family: lineage.seen().and_then(|it| it.family.clone()),
            empty: false,
        })
    }

    /// What serves on the instance of a role; `None` also where that cannot be seen.
    pub async fn at(site: &Site, access: &Access, role: Role) -> Option<Self> {
        let at = Instance::chat(role);
        if !access.sql.has(at) {
            return None;
        }
        let row = database(access, at, &site.database.chat).await;
        Self::of(site, access, role, row.seen()?).await
    }

    /// Whether both are known to be of one family.
    pub fn is_kin(&self, other: &Self) -> bool {
        let both = self.family.as_deref().zip(other.family.as_deref());
        both.is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
    }
}

/// All that serve, each asked at once: what is dead costs one limit.
pub async fn everywhere(site: &Site, access: &Access) -> Vec<Writable> {
    let [primary, mirror, backup, backup_mirror] =
        Role::ALL.map(|role| Box::pin(Writable::at(site, access, role)));
    let seen = tokio::join!(primary, mirror, backup, backup_mirror);
    let seen = [seen.0, seen.1, seen.2, seen.3];
    seen.into_iter().flatten().collect()
}

/// The first two that must not serve both: of one family, or of two and each with messages. A fresh,
/// empty one is an installation.
pub async fn two(site: &Site, access: &Access, mut all: Vec<Writable>) -> Option<Two> {
    let [first, rest @ ..] = all.as_slice() else {
        return None;
    };
    if !rest.iter().all(|other| first.is_kin(other)) {
        for it in &mut all {
            // Minutes on a large database, and few sites ever come here.
            let messages = content(access, Instance::chat(it.role), &site.database.chat).await;
            it.empty = matches!(messages, Observed::Absent);
        }
    }
    let pairs = |at: usize| all[at + 1..].iter().map(move |other| (at, other));
    let (one, other) = (0..all.len())
        .flat_map(pairs)
        .find(|(at, other)| all[*at].is_kin(other) || !(all[*at].empty || other.empty))?;
    Some(Two(all[one].clone(), other.clone()))
}

impl Two {
    /// Roles of the two.
    pub fn roles(&self) -> [Role; 2] {
        [self.0.role, self.1.role]
    }

    /// What is wrong, and what closes the one that came back.
    pub fn problem(&self) -> Problem {
        let Self(one, other) = self;
        let family = if one.is_kin(other) {
            "of one family"
        } else {
            "and each holds messages"
        };
        let why = format!(
            "TWO WRITABLE chat databases {family}: the {} ({}) serves one, the {} ({}) the other, and what users write into one is missing in the other",
            one.role, one.server, other.role, other.server
        );
        let first = |role| matches!(role, Role::Primary | Role::PrimaryMirror);
        let mend = if first(one.role) && !first(other.role) {
            vec![
                Remedy::to_do(
                    "close the one that came back in the first data center (a failback does that too, once the failover is done, and keeps what only it holds)",
                ),
                Remedy::Command("pchadr fence".into()),
            ]
        } else {
            vec![Remedy::to_do(format!(
                "see which of the two the pool uses; keep what only the other holds, and take that OFFLINE: the {} or the {}",
                one.role, other.role
            ))]
        };
        Problem::new(why, mend)
    }
}
