//! The mirror of the compliance database, beside that of the chat database.

use serde::Serialize;

use super::failover::install_mirror::Pair;
use crate::model::states::{DatabaseState, MirroringState};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::shared::compliance;
use crate::step::{Block, Context, Standing, Step};

/// The compliance database on both partners.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Compliance {
    principal: Observed<Database>,
    mirror: Observed<Database>,
    /// The mirror's instance has the chat database's mirror too.
    #[serde(skip)]
    beside_chat: bool,
}

/// Reads it; `None` where compliance is off or has no such mirror.
pub(in crate::step) async fn look(cx: Context<'_>, pair: &Pair) -> Option<Compliance> {
    let access = cx.access;
    let mirror = compliance(access, pair.mirror);
    match &cx.site.database.compliance {
        Some(name) if access.sql.has(mirror) => Some(Compliance {
            principal: database(access, compliance(access, pair.principal), name).await,
            mirror: database(access, mirror, name).await,
            beside_chat: !mirror.compliance,
        }),
        _ => None,
    }
}

impl Compliance {
    #[cfg(test)]
    pub(in crate::step) fn of(
        principal: Observed<Database>,
        mirror: Observed<Database>,
        beside_chat: bool,
    ) -> Self {
        Self {
            principal,
            mirror,
            beside_chat,
        }
    }

    /// True where the mirror has a copy that the set-up must drop.
    pub(in crate::step) fn is_over(&self) -> bool {
        self.mirror.seen().is_some()
    }

    /// The step of a failover that says already what is in the way: F7 of a principal that does not serve,
    /// F6 of a mirror that is silent and mirrors the chat database too.
    pub(in crate::step) fn told_by(&self) -> Option<Step> {
        if !self.principal.seen().is_some_and(Database::serves) {
            return Some(Step::SetActiveServers);
        }
        let silent = self.mirror.unknown().is_some();
        (silent && self.beside_chat).then_some(Step::InstallMirror)
    }

    /// True where the principal's is mirrored, however far.
    pub(in crate::step) fn is_mirrored(&self) -> bool {
        self.principal
            .seen()
            .is_some_and(|row| row.mirroring.is_some())
    }

    /// `None` where nothing is left to do.
    pub(in crate::step) fn judge(&self, pair: &Pair) -> Option<Standing> {
        let blocked = |id, why: String, hint: &'static str| {
            Some(Standing::Blocked {
                blocks: vec![Block::site(id, why, hint)],
            })
        };
        let (principal, mirror) = match (&self.principal, &self.mirror) {
            (Observed::Unknown(why), _) | (_, Observed::Unknown(why)) => {
                return Some(Standing::unknown(why));
            }
            (Observed::Absent, _) => {
                return blocked(
                    "no-compliance",
                    format!("the {} has no compliance database", pair.principal),
                    "install it there with Topology Builder",
                );
            }
            (Observed::Seen(principal), mirror) => (principal, mirror.seen()),
        };
        if let Some(mirroring) = &principal.mirroring {
            return match mirroring.state {
                Some(MirroringState::Synchronized) => None,
                Some(MirroringState::Suspended | MirroringState::Disconnected) => blocked(
                    "compliance-mirror-broken",
                    "the mirror of the compliance database is SUSPENDED or DISCONNECTED".to_owned(),
                    "see the error logs of both instances; endpoints, port, service accounts",
                ),
                _ => Some(Standing::underway(
                    "the mirror of the compliance database gets in step",
                )),
            };
        }
        if !principal.serves() {
            return blocked(
                "compliance-not-online",
                format!(
                    "the {}'s compliance database is {}",
                    pair.principal, principal.state
                ),
                "bring it online",
            );
        }
        match mirror {
            Some(row) if row.state != DatabaseState::Restoring || row.mirroring.is_some() => {
                blocked(
                    "compliance-mirror-in-use",
                    format!(
                        "the {} has a compliance database that is {}",
                        pair.mirror, row.state
                    ),
                    "see what it holds; drop it there, then go on",
                )
            }
            _ => Some(Standing::pending(
                "set up the mirror of the compliance database",
            )),
        }
    }
}
