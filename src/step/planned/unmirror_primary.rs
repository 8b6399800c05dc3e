//! `remove-mirroring` of a planned failover: a mirrored principal refuses to end its log WITH NORECOVERY
//! (`sql-server.md` 5, 9).

pub(in crate::step) mod undo;

use serde::Serialize;

use crate::model::{Instance, Remedy, Role, quote};
use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::{Command, Values};
use crate::step::downtime::Downtime;
use crate::step::earlier::Earlier;
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::shared::{address, is_mirror};
use crate::step::{Block, Context, Effect, Info, Kind, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Off,
}

/// It is not mirrored any more: what was wanted (`sql-server.md` 5).
const NOT_MIRRORED: u32 = 1416;

pub(in crate::step) struct UnmirrorPrimary;

/// The primary's database, and its mirror's.
#[derive(Debug, Serialize)]
pub struct Facts {
    primary: Observed<Database>,
    /// `None` where the site has no primary mirror.
    mirror: Option<Observed<Database>>,
    statement: String,
    off: String,
}

impl Kind for UnmirrorPrimary {
    type Facts = Facts;
    type Undo = undo::Facts;
    type Key = Key;

    const INFO: Info = Info {
        id: "remove-mirroring",
        vendor: None,
        title: "Remove the mirroring of the primary's chat database: its log cannot be ended while it is mirrored",
        effect: Effect::Reversible,
        checks: &[
            "the primary is the principal",
            "the primary's chat database is not mirrored, and its mirror knows that",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::StopBackupJobs]);

    fn downtime(_site: &Site, _seeded: bool) -> Option<Downtime> {
        Some(Downtime::of(0, "a statement"))
    }

    fn commands(site: &Site) -> Vec<(Key, Command)> {
        let text = format!(
            "ALTER DATABASE {} SET PARTNER OFF;",
            quote::identifier(site.database.chat.as_str())
        );
        vec![
            Command::tsql(
                Role::Primary,
                &address(site, Role::Primary),
                text,
                Vec::new(),
            )
            .when("the chat database is mirrored")
            .keyed(Key::Off),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let name = &cx.site.database.chat;
        let quoted = quote::identifier(name.as_str());
        let mirror = Instance::chat(Role::PrimaryMirror);
        Facts {
            primary: database(cx.access, Instance::chat(Role::Primary), name).await,
            mirror: if cx.access.sql.has(mirror) {
                Some(database(cx.access, mirror, name).await)
            } else {
                None
            },
            statement: format!("ALTER DATABASE {quoted} SET PARTNER FAILOVER"),
            off: format!("ALTER DATABASE {quoted} SET PARTNER OFF"),
        }
    }

    fn judge(facts: &Facts) -> Standing {
        let row = match &facts.primary {
            Observed::Unknown(why) => return Standing::unknown(why),
            Observed::Absent => {
                return Standing::Blocked {
                    blocks: vec![Block::site(
                        "no-database",
                        "the primary has no chat database",
                        "see `[sql] primary` and `[database] chat`",
                    )],
                };
            }
            Observed::Seen(row) => row,
        };
        if is_mirror(row) {
            return Standing::Blocked {
                blocks: vec![Block::site(
                    "primary-is-mirror",
                    "the primary mirror is the principal of the chat database, and the primary its mirror",
                    format!(
                        "make the primary the principal, once both are SYNCHRONIZED: `{}` on the primary mirror; chat servers follow within seconds",
                        facts.statement
                    ),
                )],
            };
        }
        if row.mirroring.is_some() {
            return Standing::pending("remove the mirroring of the primary's chat database");
        }
        judge_mirror(facts)
    }

    async fn act(cx: Context<'_>, _facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        Before::note(hands, |before| before.chat_mirrored = true)?;
        let at = Instance::chat(Role::Primary);
        match hands.send_at(cx.access, at, Key::Off, &Values::new()).await {
            Err(StepError::Sql(error)) if error.number() == Some(NOT_MIRRORED) => Ok(()),
            other => other,
        }
    }
}

/// A partner that was cut off learns of it at reconnection (`sql-server.md` 5): until then it may be a
/// mirror that a witness, or a person, makes the principal.
fn judge_mirror(facts: &Facts) -> Standing {
    let blocked = |id, what: &str, mend: Vec<Remedy>| Standing::Blocked {
        blocks: vec![Block::site(id, what, mend)],
    };
    match &facts.mirror {
        None => Standing::satisfied("not mirrored"),
        Some(Observed::Absent) => {
            Standing::satisfied("not mirrored; the primary mirror has no chat database")
        }
        Some(Observed::Unknown(why)) => Standing::unknown(
            why.about("whether the primary mirror knows that it is no mirror any more"),
        ),
        Some(Observed::Seen(row)) if row.serves() => blocked(
            "mirror-serves",
            "the chat database of the primary mirror is ONLINE: there are two writable ones",
            vec![Remedy::to_do("see who opened it and what it holds")],
        ),
        Some(Observed::Seen(row)) if row.mirroring.is_some() => blocked(
            "mirror-not-told",
            "the primary mirror still takes itself for a mirror: it was cut off when the mirroring was removed",
            vec![
                Remedy::to_do("on the primary mirror"),
                Remedy::Statement(facts.off.clone().into()),
            ],
        ),
        Some(Observed::Seen(_)) => {
            Standing::satisfied("not mirrored; the primary mirror keeps its copy, RESTORING")
        }
    }
}
