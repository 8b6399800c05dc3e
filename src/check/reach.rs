//! The instances: whether each answers, and lets us look.

use futures_util::future::join_all;

use super::item::{For, Item, State};
use crate::access::Access;
use crate::model::{Direction, Instance, Place, Problem, Remedy, Role, quote};
use crate::site::{Auth, Site};
use crate::step::observe::instance::{Identity, Presence, presence};

/// Id of a right that lacks.
const NOT_SYSADMIN: &str = "not-sysadmin";

/// Looks at each instance of the site, at once: what is dead costs one limit.
/// `failed_over`: the second data center serves, and nothing is left to switch.
pub(super) async fn instances(
    site: &Site,
    access: &Access,
    direction: Direction,
    failed_over: bool,
) -> Vec<Item> {
    let looks = site
        .sql
        .instances
        .keys()
        .map(|instance| async move { (*instance, presence(access, *instance).await) });
    let mut seen = join_all(looks).await;
    // What everything rests on comes first.
    seen.sort_by_key(|(instance, _)| {
        let late = matches!(instance.role, Role::Primary | Role::PrimaryMirror);
        (late, instance.compliance, *instance)
    });
    seen.iter()
        .map(|(instance, seen)| {
            let needed = match needed_for(direction, instance.role) {
                Needed::WhenPlanned if failed_over => Needed::Sometimes,
                needed @ (Needed::Always | Needed::WhenPlanned | Needed::Sometimes) => needed,
            };
            item(site, access, direction, needed, (*instance, seen))
        })
        .collect()
}

fn item(
    site: &Site,
    access: &Access,
    direction: Direction,
    needed: Needed,
    (instance, seen): (Instance, &Presence),
) -> Item {
    let id = instance.to_string().replace(' ', "-");
    let what = format!("the {instance} answers, and lets us look");
    let item = match seen {
        Presence::Answers(identity) if identity.sysadmin => {
            let Identity {
                server_name,
                version,
                ..
            } = identity;
            let why = format!("{server_name}, version {version}, signed in as sysadmin");
            Item::ok(id, what, why)
        }
        Presence::Answers(_) => {
            let place = Place::Instance {
                instance,
                server: access.sql.server(instance).to_owned(),
            };
            Item::new(NOT_SYSADMIN, State::Blocked, what, no_right(site).at(place))
        }
        Presence::Lives(problem) => {
            let state = match needed {
                Needed::Always | Needed::WhenPlanned => State::Unknown,
                // The steps say themselves how far.
                Needed::Sometimes => State::Warning,
            };
            Item::new(id, state, what, problem.clone().with_remedy())
        }
        Presence::Dead(problem) | Presence::Unseen(problem) => {
            let state = match needed {
                // A switch that is planned begins on an instance that serves.
                Needed::WhenPlanned => State::Blocked,
                Needed::Always => State::Unknown,
                Needed::Sometimes => State::Warning,
            };
            Item::new(id, state, what, problem.clone().with_remedy())
        }
    };
    // A forced failover begins when they are gone.
    let gone = matches!(instance.role, Role::Primary | Role::PrimaryMirror);
    if direction == Direction::Failover && gone {
        item.counting_for(&[For::Planned])
    } else {
        item
    }
}

/// What needs an instance to answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needed {
    /// Both switches.
    Always,
    /// The planned one alone.
    WhenPlanned,
    /// The steps say themselves how far.
    Sometimes,
}

fn needed_for(direction: Direction, role: Role) -> Needed {
    match (direction, role) {
        (_, Role::Backup) | (Direction::Failback, Role::Primary) => Needed::Always,
        (Direction::Failover, Role::Primary) => Needed::WhenPlanned,
        (_, Role::PrimaryMirror | Role::BackupMirror) | (Direction::Fence, Role::Primary) => {
            Needed::Sometimes
        }
    }
}

/// We are not sysadmin, and the statement that mends it.
fn no_right(site: &Site) -> Problem {
    let (login, whose) = match &site.sql.auth {
        Auth::Sql { user, .. } | Auth::Windows { user, .. } => (user.as_str(), ""),
        Auth::Integrated => (
            r"DOMAIN\user",
            r", with the account that runs pchadr for DOMAIN\user",
        ),
    };
    let grant = format!(
        "ALTER SERVER ROLE [sysadmin] ADD MEMBER {};",
        quote::identifier(login)
    );
    Problem::new(
        "the login is no member of sysadmin there: rows may be hidden from it, and no step could act",
        vec![
            Remedy::to_do(format!("make it one there{whose}")),
            Remedy::Statement(grant.into()),
        ],
    )
}
