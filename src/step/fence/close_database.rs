//! `close-database`: mirroring off and OFFLINE, so that nobody can write into what came back. Nothing of
//! it is dropped or written over (`design.md` 3, rules 2 and 4).

mod undo;

use serde::Serialize;
use tokio::time::Instant;

use super::survivor::Survivor;
use crate::model::states::DatabaseState;
use crate::model::{Instance, Role, quote};
use crate::site::Site;
use crate::step::command::Command;
use crate::step::hands::{Hands, StepError};
use crate::step::lost::roles;
use crate::step::next::{Next, Patience, send_by_looks};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, content, database};
use crate::step::observe::instance::{Presence, presence};
use crate::step::observe::writable::Writable;
use crate::step::shared::{address, is_principal};
use crate::step::{Context, Effect, Info, Kind, Standing};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    PartnerOff(Role),
    Offline(Role),
}

pub(in crate::step) struct CloseDatabase;

/// Both instances of the first data center, and what serves in the second.
#[derive(Debug, Serialize)]
pub struct Facts {
    sides: Vec<Side>,
    survivor: Survivor,
    /// True once this run has begun to close them.
    started: bool,
}

/// The chat database of an instance.
#[derive(Debug, Serialize)]
struct Side {
    role: Role,
    presence: Presence,
    database: Observed<Database>,
    serves: Option<Writable>,
}

impl Side {
    async fn look(cx: Context<'_>, role: Role) -> Self {
        let at = Instance::chat(role);
        let name = &cx.site.database.chat;
        let presence = presence(cx.access, at).await;
        let database = match presence {
            Presence::Answers(_) => database(cx.access, at, name).await,
            Presence::Dead(_) | Presence::Lives(_) | Presence::Unseen(_) => Observed::Absent,
        };
        let serves = match database.seen() {
            Some(row) => Writable::of(cx.site, cx.access, role, row).await,
            None => None,
        };
        Self {
            role,
            presence,
            database,
            serves,
        }
    }

    fn is(&self, is: impl Fn(&Database) -> bool) -> bool {
        self.database.seen().is_some_and(is)
    }

    fn is_starting(&self) -> bool {
        self.is(|row| row.state == DatabaseState::Recovering)
    }

    /// Where it stands, in a few words.
    fn describe(&self) -> Option<String> {
        let role = self.role;
        Some(match (&self.presence, &self.database) {
            (Presence::Answers(_), Observed::Seen(row)) => match (&self.serves, &row.mirroring) {
                (Some(_), _) => format!("the {role} serves a fresh, empty installation"),
                (None, Some(_)) => format!("the {role} holds the copy of a mirror, {}", row.state),
                (None, None) => format!("the chat database of the {role} is {}", row.state),
            },
            (Presence::Answers(_), Observed::Absent | Observed::Unknown(_)) => return None,
            (Presence::Dead(_) | Presence::Lives(_) | Presence::Unseen(_), _) => {
                format!("the {role} does not answer: fence again when it does")
            }
        })
    }
}

impl Kind for CloseDatabase {
    type Facts = Facts;
    type Undo = undo::Facts;
    type Key = Key;

    const INFO: Info = Info {
        id: "close-database",
        vendor: None,
        title: "Remove the mirroring of the first data center's chat database and take it OFFLINE",
        effect: Effect::Irreversible,
        checks: &[
            "a chat database of the same family serves in the second data center: nothing overrides that",
            "no role is answered for by the instance of another one",
            "no chat database of the family serves on the primary or its mirror, and what answers there shows that",
        ],
    };

    fn commands(site: &Site) -> Vec<(Key, Command)> {
        let database = quote::identifier(site.database.chat.as_str());
        let send = |role: Role, option: &str| {
            let text = format!("ALTER DATABASE {database} SET {option};");
            Command::tsql(role, &address(site, role), text, Vec::new())
        };
        let off = |role| {
            send(role, "PARTNER OFF")
                .when(format!(
                    "the {role}'s chat database is mirrored, and one of the two serves"
                ))
                .keyed(Key::PartnerOff(role))
        };
        let offline = |role| {
            send(role, "OFFLINE WITH ROLLBACK IMMEDIATE")
                .when(format!(
                    "the {role} serves a chat database of the family that serves in the second data center"
                ))
                .keyed(Key::Offline(role))
        };
        let all = roles(site).map(off);
        all.chain(roles(site).map(offline)).collect()
    }

    async fn observe(cx: Context<'_>) -> Facts {
        observe(cx).await
    }

    fn judge(facts: &Facts) -> Standing {
        match facts.next(Patient::Yes) {
            Err(standing) => standing,
            Ok(Next::Nothing(why)) => Standing::satisfied(why),
            // It is to be closed as soon as it can be.
            Ok(Next::Wait(what)) => Standing::pending(what),
            Ok(Next::Send(_)) => Standing::pending(
                "close it: whoever is connected there is cut off; what it holds stays in its files",
            ),
        }
    }

    async fn act(cx: Context<'_>, _facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let patience = Patience {
            not_shown: "see the SQL Server error log of that instance",
            wait: None,
            shows: None,
        };
        let began = Instant::now();
        let half = cx.site.limits.step / 2;
        send_by_looks(cx, hands, patience, || async {
            let patient = if began.elapsed() < half {
                Patient::Yes
            } else {
                Patient::NoMore
            };
            observe(cx).await.next(patient)
        })
        .await
    }
}

async fn observe(cx: Context<'_>) -> Facts {
    let survivor = Survivor::look(cx).await;
    let mut sides = Vec::new();
    for role in roles(cx.site) {
        let mut side = Side::look(cx, role).await;
        if let Some(it) = &mut side.serves
            && survivor.block(it).is_some()
        {
            let messages = content(cx.access, Instance::chat(role), &cx.site.database.chat).await;
            it.empty = messages.is_absent();
        }
        sides.push(side);
    }
    Facts {
        sides,
        survivor,
        started: cx.started,
    }
}

/// Whether a database that is starting is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patient {
    Yes,
    /// A principal without quorum stays RECOVERING until its mirroring is gone (`sql-server.md` 4).
    NoMore,
}

impl Facts {
    fn next(&self, patient: Patient) -> Result<Next<Key>, Standing> {
        let sides = self.sides.iter();
        let serving = sides.clone().filter_map(|side| side.serves.as_ref());
        let to_close: Vec<&Writable> = serving.filter(|it| !self.survivor.is_fresh(it)).collect();
        let starting = sides.clone().find(|side| side.is_starting());
        let is_mirrored = |row: &Database| row.mirroring.is_some();
        let mirrored = || sides.clone().filter(|side| side.is(is_mirrored));
        let begun = self.started && mirrored().next().is_some();
        if to_close.is_empty() && starting.is_none() && !begun {
            return self.nothing_serves();
        }
        let mut blocks = self.survivor.blocks();
        blocks.extend(to_close.iter().filter_map(|it| self.survivor.block(it)));
        if !blocks.is_empty() {
            return Err(Standing::Blocked { blocks });
        }
        // A mirrored database cannot be taken OFFLINE (1468). The principal first: it tells its partner.
        let ready =
            || mirrored().filter(move |side| patient == Patient::NoMore || !side.is_starting());
        if let Some(side) = ready()
            .find(|side| side.is(is_principal))
            .or_else(|| ready().next())
        {
            let role = side.role;
            let what = format!("remove the mirroring of the {role}'s chat database");
            return Ok(Next::sql(Instance::chat(role), Key::PartnerOff(role), what));
        }
        if let Some(it) = to_close.first() {
            let role = it.role;
            let what = format!("take the {role}'s chat database OFFLINE");
            return Ok(Next::sql(Instance::chat(role), Key::Offline(role), what));
        }
        Ok(Next::Wait(
            "the chat database is RECOVERING: it is closed as soon as it is ONLINE".to_owned(),
        ))
    }

    /// Nothing that is seen serves: then whatever lives must be seen.
    fn nothing_serves(&self) -> Result<Next<Key>, Standing> {
        for side in &self.sides {
            let why = match (&side.presence, &side.database) {
                (Presence::Lives(why), _) | (Presence::Answers(_), Observed::Unknown(why)) => why,
                (
                    Presence::Answers(_) | Presence::Dead(_) | Presence::Unseen(_),
                    Observed::Seen(_) | Observed::Absent | Observed::Unknown(_),
                ) => continue,
            };
            let about = format!("whether the {} serves a chat database", side.role);
            return Err(Standing::unknown(why.about(about)));
        }
        let words: Vec<String> = self.sides.iter().filter_map(Side::describe).collect();
        Ok(Next::Nothing(if words.is_empty() {
            "the first data center has no chat database".to_owned()
        } else {
            words.join("; ")
        }))
    }
}
