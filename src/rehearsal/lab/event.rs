//! What can happen to a lab while it is open.

use std::str::FromStr;

use crate::model::Role;
use crate::rehearsal::manner::Manner;
use crate::rehearsal::trouble::Trouble;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is lost: connections break, new ones are refused.
    Down(Target),
    /// It is back as it was.
    Up(Target),
    /// The engines may no longer read the share of the log backups, or may again: the Agent copies,
    /// and log shipping needs no more (`sql-server.md` 7).
    Share {
        /// Whether they may.
        open: bool,
    },
    /// The Central Management Store dies, or is failed over and answers again: all cmdlets of the pool
    /// need it (`skype-powershell.md` 0).
    Store {
        /// Whether it answers.
        up: bool,
    },
    /// The first data center is there again as it was installed: its databases empty, nothing
    /// mirrored, nothing shipped.
    RebuildPrimary,
    /// The instances of a role answer in that manner.
    Answer(Role, Manner),
    /// Trouble that a rehearsal practices too.
    Practice(&'static Trouble),
}

/// What it happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A data center: its instances and its chat servers.
    DataCenter {
        /// True for the first one.
        primary: bool,
    },
    /// The instances of a role alone.
    Instance(Role),
}

impl Target {
    /// Roles whose instances it has.
    pub fn roles(self) -> &'static [Role] {
        let roles = &Role::ALL;
        match self {
            Self::DataCenter { primary: true } => &roles[..2],
            Self::DataCenter { primary: false } => &roles[2..],
            Self::Instance(role) => {
                let at = roles.iter().position(|r| *r == role).unwrap_or_default();
                &roles[at..=at]
            }
        }
    }
}

/// Says that a line is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no event: `help` lists them")]
pub struct UnknownEvent(pub String);

impl Event {
    /// All events, for people: how each is written, and what it does.
    pub const HELP: &[(&str, &str)] = &[
        ("down primary", "lose the first data center"),
        ("up primary", "bring it back as it was"),
        (
            "rebuild primary",
            "bring it back as a fresh installation, its databases empty",
        ),
        ("down backup", "lose the second data center"),
        ("up backup", "bring it back as it was"),
        (
            "down instance ROLE",
            "lose one instance: primary, primary_mirror, backup, backup_mirror",
        ),
        ("up instance ROLE", "bring it back as it was"),
        (
            "down store",
            "lose the Central Management Store: no cmdlet of the pool works",
        ),
        ("up store", "let it answer again"),
        (
            "close share",
            "let no instance read the share of the log backups",
        ),
        ("open share", "let them read it again"),
        (
            "answer ROLE WAY",
            "let one instance answer badly: mute, closes, garbage, expired, self-signed, other-name, old-tls, no-encryption, sign-in-refused, sign-in-hangs, query-hangs, cuts; or well again",
        ),
        (
            "practice KIND",
            "let happen what `--rehearse --with KIND` practices, one of these:",
        ),
    ];
}

impl FromStr for Event {
    type Err = UnknownEvent;

    fn from_str(line: &str) -> Result<Self, UnknownEvent> {
        let no_event = || UnknownEvent(line.trim().to_owned());
        let words: Vec<String> = line.split_whitespace().map(str::to_lowercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let target = match words.as_slice() {
            ["rebuild", "primary"] => return Ok(Self::RebuildPrimary),
            ["practice", kind] => {
                let trouble = Trouble::named(kind).filter(|it| it.in_lab());
                return trouble.map(Self::Practice).ok_or_else(no_event);
            }
            ["down", "store"] => return Ok(Self::Store { up: false }),
            ["up", "store"] => return Ok(Self::Store { up: true }),
            ["close", "share"] => return Ok(Self::Share { open: false }),
            ["open", "share"] => return Ok(Self::Share { open: true }),
            ["answer", role, way] => {
                let role = Role::ALL.into_iter().find(|r| r.key() == *role);
                // Who takes no connection is `down`; no lab has a network of its own.
                let way = Manner::named(way).filter(|it| it.takes_connections());
                return role
                    .zip(way)
                    .map(|(role, way)| Self::Answer(role, way))
                    .ok_or_else(no_event);
            }
            [_, "primary"] => Target::DataCenter { primary: true },
            [_, "backup"] => Target::DataCenter { primary: false },
            [_, "instance", role] => {
                let role = Role::ALL.into_iter().find(|r| r.key() == *role);
                Target::Instance(role.ok_or_else(no_event)?)
            }
            _ => return Err(no_event()),
        };
        match words.first() {
            Some(&"down") => Ok(Self::Down(target)),
            Some(&"up") => Ok(Self::Up(target)),
            _ => Err(no_event()),
        }
    }
}
