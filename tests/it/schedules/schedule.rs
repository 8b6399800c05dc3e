//! A schedule: what goes wrong in a run, when, and who goes on then. Data, drawn by a seed, and told in
//! plain words.

use std::time::Duration;

use pchadr::model::{Instance, Role};
use pchadr::rehearsal::cmdlets::FaultKind as CmdletFault;
use pchadr::rehearsal::lab::Target;
use pchadr::rehearsal::manner::Manner;
use pchadr::rehearsal::world::FaultKind;
use pchadr::run::executor::Way;
use pchadr::run::store::Disk;

use super::setting::{SETTINGS, Setting};
use crate::sweep::Draw;

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So many records were written, by whomever.
    Record(usize),
    /// The instances have executed so many batches.
    Batch(usize),
}

/// Who goes on, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    /// A machine that has no copy of its own.
    pub(crate) elsewhere: bool,
    pub(crate) way: Way,
}

/// What a second run beside the first is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// A new one, on a machine that does not see the record of the first.
    New,
    /// The same on another machine, this way.
    Same(Way),
}

/// When a run that sleeps wakes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wakes {
    /// After so many records of others.
    After(usize),
    /// When no other is under way.
    WhenAlone,
    /// When all is over.
    Last,
}

/// Which copy of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    First,
    Second,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    Kill {
        at: Moment,
        torn: usize,
        /// The second copy loses its unsynced tail too.
        both: bool,
        next: Next,
    },
    Sleep {
        at: Moment,
        keeps_lock: bool,
        beside: Beside,
        wakes: Wakes,
    },
    /// Another run takes a number on the backup, past the lock.
    Number {
        at: Moment,
    },
    /// It is killed, and before it is resumed somebody sets the state of the pool back.
    StateBack {
        at: Moment,
    },
    /// A statement is held back; delivered after so many records, or at the end.
    Late {
        statement: usize,
        after: Option<usize>,
    },
    DropLock {
        at: Moment,
    },
    Down {
        at: Moment,
        what: Target,
        seconds: u64,
    },
    /// What the disaster took comes back.
    Returns {
        at: Moment,
    },
    Answers {
        at: Moment,
        role: Role,
        manner: Manner,
        seconds: u64,
    },
    Statement {
        statement: usize,
        kind: FaultKind,
    },
    Cmdlet {
        nth: usize,
        kind: CmdletFault,
    },
    Disk {
        at: Moment,
        which: Which,
        disk: Disk,
        room: usize,
    },
    /// Between two executions.
    Flip {
        which: Which,
        permille: usize,
        bit: u8,
    },
    Second {
        at: Moment,
        beside: Beside,
        keeps_lock: bool,
    },
}

/// What is consented to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consents {
    /// To all, as in a rehearsal.
    All,
    /// `--yes --accept-loss-after end-of-chain`.
    Options,
    /// `--yes` alone.
    YesAlone,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schedule {
    /// Index of [`SETTINGS`].
    pub(crate) setting: usize,
    pub(crate) consents: Consents,
    pub(crate) faults: Vec<Fault>,
    /// What is left is undone, where it can be.
    pub(crate) turns_back: bool,
    /// The last executions are held on a machine that has no copy of its own.
    pub(crate) ends_elsewhere: bool,
}

impl Schedule {
    /// The one of that seed.
    pub(crate) fn of(seed: u64, settings: &[Setting]) -> Self {
        let mut draw = Draw::new(seed);
        let setting = draw.among(SETTINGS);
        let it = &settings[setting];
        let consents = match draw.below(16) {
            0 => Consents::YesAlone,
            1..=3 => Consents::Options,
            _ => Consents::All,
        };
        let count = 1 + draw.below(5);
        Self {
            setting,
            consents,
            faults: (0..count).map(|_| fault(&mut draw, it)).collect(),
            turns_back: draw.below(6) == 0,
            ends_elsewhere: draw.below(4) == 0,
        }
    }

    /// The same without one of its faults.
    pub(crate) fn without(&self, fault: usize) -> Self {
        let mut fewer = self.clone();
        fewer.faults.remove(fault);
        fewer
    }

    /// Whether there is a fault of which that is true.
    pub(crate) fn has(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.faults.iter().any(is)
    }
}

fn fault(draw: &mut Draw, setting: &Setting) -> Fault {
    match draw.below(27) {
        0..=3 => Fault::Kill {
            at: moment(draw, setting),
            torn: [0, 1, 37, 400][draw.below(4)],
            both: draw.toss(),
            next: next(draw),
        },
        4..=6 => Fault::Sleep {
            at: moment(draw, setting),
            keeps_lock: draw.below(4) == 0,
            beside: beside(draw),
            wakes: match draw.below(3) {
                0 => Wakes::After(draw.below(40)),
                1 => Wakes::WhenAlone,
                _ => Wakes::Last,
            },
        },
        7 | 8 => Fault::Late {
            statement: draw.below(setting.statements.len()),
            after: draw.toss().then(|| draw.below(40)),
        },
        9 => Fault::DropLock {
            at: moment(draw, setting),
        },
        10 | 11 => Fault::Down {
            at: moment(draw, setting),
            what: target(draw, setting),
            seconds: seconds(draw),
        },
        12 if setting.is_failover() => Fault::Returns {
            at: moment(draw, setting),
        },
        12 | 13 => Fault::Answers {
            at: moment(draw, setting),
            role: setting.roles[draw.below(setting.roles.len())],
            manner: Manner::OTHERS[draw.below(Manner::OTHERS.len())].0,
            seconds: seconds(draw),
        },
        14 | 15 => Fault::Statement {
            statement: draw.below(setting.statements.len()),
            kind: [
                FaultKind::ErrorBefore(5000),
                FaultKind::ErrorAfter(5000),
                FaultKind::CutBefore,
                FaultKind::CutAfter,
                FaultKind::SilenceBefore,
                FaultKind::SilenceAfter,
            ][draw.below(6)],
        },
        16 => Fault::Cmdlet {
            nth: 1 + draw.below(setting.cmdlets),
            kind: [
                CmdletFault::ErrorBefore,
                CmdletFault::ErrorAfter,
                CmdletFault::CutBefore,
                CmdletFault::CutAfter,
                CmdletFault::SilenceBefore,
                CmdletFault::SilenceAfter,
            ][draw.below(6)],
        },
        17 | 18 => Fault::Disk {
            at: moment(draw, setting),
            which: which(draw),
            disk: [Disk::Full, Disk::Frozen][draw.below(2)],
            room: draw.below(1_000),
        },
        19 | 20 => Fault::Flip {
            which: which(draw),
            permille: draw.below(1_000),
            bit: 1 << draw.below(8),
        },
        21 | 22 => Fault::Number {
            at: moment(draw, setting),
        },
        // Its last step is done by then, and nothing says so but its record.
        23 => Fault::StateBack {
            at: Moment::Record(setting.records - 1),
        },
        _ => Fault::Second {
            at: moment(draw, setting),
            beside: beside(draw),
            keeps_lock: draw.below(4) == 0,
        },
    }
}

fn moment(draw: &mut Draw, setting: &Setting) -> Moment {
    if draw.toss() {
        Moment::Record(1 + draw.below(setting.records))
    } else {
        Moment::Batch(1 + draw.below(setting.batches))
    }
}

fn next(draw: &mut Draw) -> Next {
    Next {
        elsewhere: draw.below(3) == 0,
        way: if draw.below(4) == 0 {
            Way::Back
        } else {
            Way::On
        },
    }
}

fn beside(draw: &mut Draw) -> Beside {
    match draw.below(4) {
        0 => Beside::New,
        1 | 2 => Beside::Same(Way::On),
        _ => Beside::Same(Way::Back),
    }
}

fn which(draw: &mut Draw) -> Which {
    if draw.toss() {
        Which::First
    } else {
        Which::Second
    }
}

fn target(draw: &mut Draw, setting: &Setting) -> Target {
    match draw.below(3) {
        0 => Target::DataCenter {
            primary: !setting.is_failover() && draw.toss(),
        },
        _ => Target::Instance(setting.living[draw.below(setting.living.len())]),
    }
}

fn seconds(draw: &mut Draw) -> u64 {
    [2, 45, 300, 3_600][draw.below(4)]
}

/// How long something lasts.
pub(crate) fn lasting(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The chat instance of a role, and that of compliance.
pub(crate) fn instances(role: Role) -> [Instance; 2] {
    [Instance::chat(role), Instance::compliance(role)]
}
