//! What the failback's steps have in common: a run's two backup files, who holds the databases, where
//! a command goes.

use serde::Serialize;

use super::command::{Hole, HoleType};
use super::observe::Observed;
use super::observe::backups::restored_sets;
use super::observe::database::Database;
use super::observe::pool::Service;
use super::observe::sessions::{Holder, sessions};
use super::observe::sessions::{is_from, machine};
use super::observe::sets::{SetHeader, sets};
use super::{Block, Context, Step};
use crate::access::Access;
use crate::model::states::MirroringRole;
use crate::model::{Instance, Problem, Role};
use crate::site::Site;

/// Address of a chat instance, for commands.
pub(super) fn address(site: &Site, role: Role) -> String {
    site.chat(role)
        .map_or_else(|| "?".to_owned(), ToString::to_string)
}

/// Where the compliance database of a role is.
pub(super) fn compliance(access: &Access, role: Role) -> Instance {
    let own = Instance::compliance(role);
    if access.sql.has(own) {
        own
    } else {
        Instance::chat(role)
    }
}

/// The full backup of this run, on the log-shipping share.
pub(super) fn full_path(cx: Context<'_>) -> String {
    cx.site.shares.backup.join(&file_name(cx, "full"))
}

/// The log that follows it while chat serves.
pub(super) fn log_path(cx: Context<'_>) -> String {
    cx.site.shares.backup.join(&file_name(cx, "log"))
}

/// The end of the log that closes the backup's database.
pub(super) fn tail_path(cx: Context<'_>) -> String {
    cx.site.shares.backup.join(&file_name(cx, "tail"))
}

/// `mgc-failback-<run>-<what>.bak`: no name that a log-shipping job takes for its own.
pub(super) fn file_name(cx: Context<'_>, what: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_alphanumeric() || c == '-' {
                    c
                } else {
                    '_'
                }
            })
            .collect()
    };
    format!(
        "{}-failback-{}-{what}.bak",
        plain(cx.site.database.chat.as_str()),
        plain(cx.run)
    )
}

/// Sample of such a path, for the plan.
pub(super) fn sample_path(site: &Site, what: &str) -> String {
    site.shares
        .backup
        .join(&format!("mgc-failback-20261124-0315-{what}.bak"))
}

/// The one set of a file, where it has exactly one and of that kind.
pub(super) fn only_set<'a>(
    seen: &'a Observed<Vec<SetHeader>>,
    kind: i64,
    database: &str,
) -> Option<&'a SetHeader> {
    match seen.seen().map(Vec::as_slice) {
        Some([set])
            if set.kind == kind
                && set.database.to_lowercase() == database.to_lowercase()
                && !set.damaged =>
        {
            Some(set)
        }
        _ => None,
    }
}

/// Sessions that hold a database, and which of them are chat servers'.
#[derive(Debug, Serialize)]
pub(super) struct Holders {
    pub(super) all: Observed<Vec<Holder>>,
    /// Names of the chat servers, as sessions show them.
    hosts: Vec<String>,
}

impl Holders {
    /// Nobody holds it.
    #[cfg(test)]
    pub(super) fn nobody() -> Self {
        Self {
            all: Observed::Seen(Vec::new()),
            hosts: Vec::new(),
        }
    }

    /// O11, with the pool's servers by the site file.
    pub(super) async fn of(cx: Context<'_>, instance: Instance) -> Self {
        Self {
            all: sessions(cx.access, instance, &cx.site.database.chat).await,
            hosts: chat_hosts(cx.site, None),
        }
    }

    fn split(&self) -> (Vec<String>, Vec<String>) {
        let (chat, others): (Vec<&Holder>, Vec<&Holder>) = self
            .all
            .seen()
            .into_iter()
            .flatten()
            .partition(|holder| is_from(holder, &self.hosts));
        let names = |holders: Vec<&Holder>| holders.into_iter().map(Holder::describe).collect();
        (names(chat), names(others))
    }

    /// Why the database may not be taken: its sessions.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let (chat, others) = self.split();
        let mut blocks = Vec::new();
        if !chat.is_empty() {
            blocks.push(
                Block::site(
                    "chat-sessions",
                    format!("chat servers hold the database: {}", chat.join(", ")),
                    "run `clear-active-servers` first; what stays belongs to a chat service: stop it on that server",
                )
                .cleared_by(Step::ClearActiveServers),
            );
        }
        if !others.is_empty() {
            blocks.push(Block::site(
                "sessions",
                format!("sessions hold the database: {}", others.join(", ")),
                "have them closed; they would be cut off, and keep the database busy",
            ));
        }
        blocks
    }
}

/// Names, as sessions show them, of every chat server: the site file's, and those that the topology
/// names.
pub(super) fn chat_hosts(site: &Site, computers: Option<&[String]>) -> Vec<String> {
    let mut hosts: Vec<String> = site
        .chat_servers()
        .map(|server| machine(server.as_str()))
        .chain(computers.into_iter().flatten().map(|name| machine(name)))
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// Somebody is on the active list still.
pub(super) fn active_block(service: &Observed<Service>) -> Option<Block> {
    let active = service.seen()?.active_servers.as_ref()?;
    (!active.is_empty()).then(|| {
        Block::site(
            "active-servers",
            format!("chat servers are active: {}", active.join(", ")),
            "run `clear-active-servers` first",
        )
        .cleared_by(Step::ClearActiveServers)
    })
}

/// Mirroring that B2 removes.
pub(super) fn mirrored_block(database: &Database) -> Option<Block> {
    database.mirroring.as_ref().map(|_| {
        Block::site(
            "mirrored",
            "the backup's chat database is mirrored",
            "run `remove-mirroring` first",
        )
        .cleared_by(Step::RemoveMirroring)
    })
}

/// The backup is the mirror at the moment: it cannot be backed up (3059, `sql-server.md` 5).
pub(super) fn mirror_block(database: &Database) -> Option<Block> {
    is_mirror(database).then(|| {
        Block::site(
            "backup-is-mirror",
            "the backup mirror is the principal of the chat database, and the backup its mirror: it cannot be backed up there",
            "make the backup the principal: ALTER DATABASE … SET PARTNER FAILOVER on the backup mirror, once both are SYNCHRONIZED; chat servers follow within seconds",
        )
    })
}

/// True for the mirror's part of a session.
pub(super) fn is_mirror(database: &Database) -> bool {
    database
        .mirroring
        .as_ref()
        .is_some_and(|mirroring| mirroring.role == Some(MirroringRole::Mirror))
}

/// True for the principal's part.
pub(super) fn is_principal(database: &Database) -> bool {
    database
        .mirroring
        .as_ref()
        .is_some_and(|mirroring| mirroring.role == Some(MirroringRole::Principal))
}

/// Whether the primary's chat database comes from this run's two files: the newest set that was
/// restored there is the end of the log.
pub(super) async fn is_restored(cx: Context<'_>) -> Observed<bool> {
    let primary = Instance::chat(Role::Primary);
    let name = &cx.site.database.chat;
    let tail = sets(cx.access, primary, &tail_path(cx)).await;
    let restored = restored_sets(cx.access, primary, name).await;
    match (tail, restored) {
        (Observed::Unknown(why), _) | (_, Observed::Unknown(why)) => Observed::Unknown(why),
        (tail, restored) => {
            let wanted = only_set(&tail, 2, name.as_str()).and_then(|set| set.set.clone());
            let newest = restored.seen().and_then(|rows| rows.first());
            Observed::Seen(
                wanted
                    .zip(newest)
                    .is_some_and(|(wanted, newest)| wanted.eq_ignore_ascii_case(newest)),
            )
        }
    }
}

/// The primary's chat database is not what `restore-database` leaves.
pub(super) fn not_restored(
    restored: &Observed<bool>,
    database: &Observed<Database>,
) -> Option<Block> {
    let why: Problem = match (restored, database) {
        (Observed::Seen(true), Observed::Seen(row)) if is_mirror(row) || row.is_sound() => {
            return None;
        }
        (Observed::Seen(true), Observed::Seen(row)) if row.serves() => format!(
            "the primary's chat database serves, but {}",
            row.unsound().join(", ")
        )
        .into(),
        (Observed::Seen(true), Observed::Seen(row)) => {
            format!("the primary's chat database is {}", row.state).into()
        }
        (Observed::Unknown(why), _) | (_, Observed::Unknown(why)) => {
            why.about("whether the primary's chat database is restored cannot be seen")
        }
        (Observed::Seen(_) | Observed::Absent, Observed::Seen(_) | Observed::Absent) => {
            "the primary's chat database does not come from this run's backup".into()
        }
    };
    Some(
        Block::site("not-restored", why, "run `restore-database` first")
            .cleared_by(Step::RestoreDatabase),
    )
}

/// Id of the block of two roles that one instance answers for.
pub(in crate::step) const ONE_INSTANCE: &str = "one-instance";

/// Two roles with one name of their server are one instance: an alias or a DNS name was moved, and
/// nothing may be done (`steps.md` 1.4).
pub(in crate::step) fn one_instance<'a>(
    names: impl IntoIterator<Item = (Role, &'a str)>,
) -> Option<Block> {
    let mut seen: Vec<(Role, &str)> = Vec::new();
    for (role, name) in names {
        if let Some((other, _)) = seen.iter().find(|(_, it)| it.eq_ignore_ascii_case(name)) {
            return Some(Block::site(
                ONE_INSTANCE,
                format!("the {other} and the {role} are one instance, `{name}`"),
                "see `[sql]`, and where its host names lead: an alias may have been moved",
            ));
        }
        seen.push((role, name));
    }
    None
}

/// The hole of a file of this run.
pub(in crate::step) fn file_hole(site: &Site, what: &'static str) -> Hole {
    Hole::new(
        match what {
            "full" => "file",
            other => other,
        },
        HoleType::Text,
        format!(
            "<database>-failback-<run id>-{what}.bak on the log-shipping share, `{}`",
            site.shares.backup
        ),
        sample_path(site, what),
    )
}
