//! A schedule in plain words.

use std::fmt;

use pchadr::rehearsal::lab::Target;
use pchadr::rehearsal::manner::Manner;
use pchadr::run::executor::Way;
use pchadr::run::store::Disk;

use super::schedule::{Beside, Consents, Fault, Moment, Next, Schedule, Wakes, Which};
use super::setting::SETTINGS;

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", SETTINGS[self.setting].1)?;
        f.write_str(match self.consents {
            Consents::All => ", consented to as a rehearsal",
            Consents::Options => ", with --yes and the loss accepted",
            Consents::YesAlone => ", with --yes alone",
        })?;
        for fault in &self.faults {
            write!(f, "\n  - {fault}")?;
        }
        if self.turns_back {
            f.write_str("\n  - what is left is undone where it can be")?;
        }
        if self.ends_elsewhere {
            f.write_str("\n  - at last it is gone on with on a machine without a copy")?;
        }
        Ok(())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(n) => write!(f, "at record {n}"),
            Self::Batch(n) => write!(f, "at batch {n}"),
        }
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.way {
            Way::On => "it is resumed",
            Way::Back => "it is aborted",
        })?;
        f.write_str(if self.elsewhere {
            " elsewhere"
        } else {
            " there"
        })
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "a new run begins beside it",
            Self::Same(Way::On) => "it is resumed beside itself",
            Self::Same(Way::Back) => "it is aborted beside itself",
        })
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "the first copy",
            Self::Second => "the second copy",
        })
    }
}

fn lock(keeps: bool) -> &'static str {
    if keeps {
        "the lock stays"
    } else {
        "the lock is lost"
    }
}

fn named(what: Target) -> String {
    match what {
        Target::DataCenter { primary: true } => "the first data center".to_owned(),
        Target::DataCenter { primary: false } => "the second data center".to_owned(),
        Target::Instance(role) => format!("the instance of the {role}"),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill {
                at,
                torn,
                both,
                next,
            } => {
                let copies = if *both { "both copies" } else { "its copy" };
                write!(
                    f,
                    "{at} it is killed, {torn} bytes of what {copies} had not synced are left; {next}"
                )
            }
            Self::Sleep {
                at,
                keeps_lock,
                beside,
                wakes,
            } => {
                let lock = lock(*keeps_lock);
                let wakes = match wakes {
                    Wakes::After(records) => format!("{records} records later"),
                    Wakes::WhenAlone => "when nothing else is under way".to_owned(),
                    Wakes::Last => "when all is over".to_owned(),
                };
                write!(
                    f,
                    "{at} it falls asleep, {lock}; {beside}; it wakes up {wakes}"
                )
            }
            Self::Late { statement, after } => {
                write!(f, "statement {statement} is held back, and delivered ")?;
                match after {
                    Some(records) => write!(f, "{records} records later"),
                    None => f.write_str("at the end"),
                }
            }
            Self::Number { at } => write!(f, "{at} another takes a number past the lock"),
            Self::StateBack { at } => write!(
                f,
                "{at} it is killed, somebody sets the state of the pool back, and it is resumed"
            ),
            Self::DropLock { at } => write!(f, "{at} the session with the lock is ended"),
            Self::Down { at, what, seconds } => {
                write!(f, "{at} {} goes down for {seconds} s", named(*what))
            }
            Self::Returns { at } => write!(f, "{at} the first data center comes back"),
            Self::Answers {
                at,
                role,
                manner,
                seconds,
            } => {
                let way = Manner::OTHERS.iter().find(|it| it.0 == *manner);
                let way = way.map_or("well", |it| it.2);
                write!(f, "{at} for {seconds} s of the {role}: {way}")
            }
            Self::Statement { statement, kind } => write!(f, "statement {statement}: {kind:?}"),
            Self::Cmdlet { nth, kind } => write!(f, "cmdlet {nth}: {kind:?}"),
            Self::Disk {
                at,
                which,
                disk,
                room,
            } => {
                let disk = match disk {
                    Disk::Full => "full",
                    Disk::Frozen => "frozen",
                };
                write!(
                    f,
                    "{at} the disk of {which} is {disk} behind {room} bytes more"
                )
            }
            Self::Flip {
                which,
                permille,
                bit,
            } => write!(
                f,
                "between two executions bit {bit:#04x} of the byte at {permille}/1000 of {which} is flipped"
            ),
            Self::Second {
                at,
                beside,
                keeps_lock,
            } => {
                write!(f, "{at} {beside}, {}", lock(*keeps_lock))
            }
        }
    }
}
