//! Trouble that an operator practices: `--rehearse --with KIND`, and `practice KIND` of the lab.
//!
//! One table says of each kind what it is, in which runbooks it can come, and what it does to the
//! simulated site. What the lab has an event for is that event here too.

use std::time::Duration;

use super::cmdlets::{Cmdlets, FaultKind as CmdletFault, PowerShellFault};
use super::folders::Folders;
use super::lab::{Event, Target};
use super::manner::Manner;
use super::simulated::SimulatedSite;
use super::world::msdb::JobKind;
use super::world::{Backup, FaultKind, Shared, SqlFault, WorldOptions};
use crate::model::{Direction, Instance, Role};

/// A kind of trouble.
#[derive(Debug)]
pub struct Trouble {
    /// What is typed.
    pub name: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// The runbooks in which it can come.
    pub runbooks: &'static [Direction],
    does: &'static [Does],
}

/// What a kind of trouble does.
#[derive(Debug)]
enum Does {
    /// Something that a lab knows as an event.
    Event(Event),
    /// The world begins otherwise.
    Build(fn(&mut WorldOptions)),
    /// Something in what every simulated site has, in memory or on sockets.
    Act(fn(&Scene<'_>)),
    /// Something in the folders in memory; in a lab folders are real, and people change them.
    Folders(fn(&Folders)),
    /// The rehearsal's PowerShell; in a lab it is a program of this machine.
    Shell(fn(&Cmdlets)),
}

/// What every simulated site has.
pub(super) struct Scene<'a> {
    pub(super) world: &'a Shared,
    pub(super) cmdlets: &'a Cmdlets,
}

const OVER: &[Direction] = &[Direction::Failover];
const BACK: &[Direction] = &[Direction::Failback];
const BOTH: &[Direction] = &[Direction::Failover, Direction::Failback];

/// The backup's chat instance.
const BACKUP: Instance = Instance::chat(Role::Backup);

/// Every kind.
pub const TROUBLES: &[Trouble] = &[
    Trouble {
        name: "mirror-down",
        what: "the backup mirror is down from the beginning",
        runbooks: BOTH,
        does: &[Does::Event(Event::Down(Target::Instance(
            Role::BackupMirror,
        )))],
    },
    Trouble {
        name: "mirror-full",
        what: "the disks of the backup mirror are full",
        runbooks: OVER,
        does: &[Does::Act(|scene| {
            scene.world.with(|state| {
                let mirror = state.instances.get_mut(&Instance::chat(Role::BackupMirror));
                for volume in mirror.into_iter().flat_map(|it| &mut it.volumes) {
                    volume.free = 0;
                }
            });
        })],
    },
    Trouble {
        name: "monitor-dead",
        what: "the monitor of log shipping is dead, and its linked server says so (7412, 53)",
        runbooks: OVER,
        does: &[Does::Act(|scene| {
            scene.world.with(|state| {
                let Some(backup) = state.instances.get_mut(&BACKUP) else {
                    return;
                };
                backup.monitor_dead = Some(53);
                for secondary in &mut backup.msdb.secondaries {
                    "MONITOR1".clone_into(&mut secondary.monitor_server);
                }
            });
        })],
    },
    Trouble {
        name: "standby-reader",
        what: "the backup's database is STANDBY, and a reader comes back whenever it is ended (5064)",
        runbooks: OVER,
        does: &[Does::Build(|options| {
            options.backup = Backup::Standby;
            options.chat_sessions = vec!["reports".to_owned()];
            options.readers_return = 2;
        })],
    },
    Trouble {
        name: "chat-late",
        what: "the chat servers learn of a change of the pool five minutes later",
        runbooks: BOTH,
        does: &[Does::Act(|scene| {
            scene
                .world
                .with(|state| state.replication = Duration::from_mins(5));
        })],
    },
    Trouble {
        name: "job-late",
        what: "the Agent starts a job 20 seconds after it is asked",
        runbooks: BACK,
        does: &[Does::Act(|scene| {
            scene
                .world
                .with(|state| state.jobs_late = Duration::from_secs(20));
        })],
    },
    Trouble {
        name: "job-running",
        what: "the copy job and the restore job of the backup are in the middle of a run",
        runbooks: OVER,
        does: &[Does::Act(|scene| {
            let kinds = [JobKind::Copy, JobKind::Restore];
            scene.world.run_jobs(Role::Backup, &kinds);
        })],
    },
    Trouble {
        name: "cmdlet-warns",
        what: "the cmdlet that sets the pool's state does it with warnings",
        runbooks: BOTH,
        does: &[Does::Act(|scene| {
            set_state(scene, CmdletFault::WarningAfter);
        })],
    },
    Trouble {
        name: "cmdlet-errs",
        what: "the cmdlet that sets the pool's state does it, and says errors that do not end it",
        runbooks: BOTH,
        does: &[Does::Act(|scene| {
            set_state(scene, CmdletFault::ErrorAfter);
        })],
    },
    Trouble {
        name: "cmdlet-fails",
        what: "the cmdlet that sets the pool's state says an error, and does nothing",
        runbooks: BOTH,
        does: &[Does::Act(|scene| {
            set_state(scene, CmdletFault::ErrorBefore);
        })],
    },
    Trouble {
        name: "store-dead",
        what: "the Central Management Store died with the first data center",
        runbooks: BOTH,
        does: &[Does::Event(Event::Store { up: false })],
    },
    Trouble {
        name: "powershell-missing",
        what: "PowerShell cannot be started on this machine",
        runbooks: BOTH,
        does: &[Does::Shell(Cmdlets::remove)],
    },
    Trouble {
        name: "log-damaged",
        what: "a log backup that only the share has is damaged",
        runbooks: OVER,
        does: &[Does::Build(|options| {
            if let Some(at) = on_the_share(options) {
                options.logs[at].set.damaged = true;
            }
        })],
    },
    Trouble {
        name: "log-gap",
        what: "a log backup in the middle of the chain is nowhere",
        runbooks: OVER,
        does: &[Does::Build(|options| {
            if let Some(at) = on_the_share(options) {
                options.logs.remove(at);
            }
        })],
    },
    Trouble {
        name: "log-late",
        what: "the last log backup lands on the share while the others are applied",
        runbooks: OVER,
        does: &[Does::Build(|options| {
            if on_the_share(options).is_some() {
                options.late = options.logs.pop();
            }
        })],
    },
    Trouble {
        name: "share-gone",
        what: "nobody reaches the share of the log backups",
        runbooks: OVER,
        does: &[Does::Folders(|folders| {
            folders.set_reachable("backup", false);
        })],
    },
    Trouble {
        name: "share-closed",
        what: "no instance may read the share of the log backups, as where only the Agents may",
        runbooks: OVER,
        does: &[Does::Event(Event::Share { open: false })],
    },
    Trouble {
        name: "restore-cut",
        what: "the connection to the backup is cut in the middle of a RESTORE",
        runbooks: OVER,
        does: &[Does::Act(|scene| {
            let fault = SqlFault {
                instance: BACKUP,
                contains: "RESTORE LOG".to_owned(),
                nth: 3,
                kind: FaultKind::CutAmid,
            };
            scene.world.with(|state| state.faults.push(fault));
        })],
    },
    Trouble {
        name: "primary-garbage",
        what: "the primary is there, and answers what is no SQL Server",
        runbooks: OVER,
        does: &[
            Does::Event(Event::Up(Target::Instance(Role::Primary))),
            Does::Event(Event::Answer(Role::Primary, Manner::Garbage)),
        ],
    },
    Trouble {
        name: "primary-serves",
        what: "the primary was never lost: it serves",
        runbooks: OVER,
        does: &[Does::Event(Event::Up(Target::Instance(Role::Primary)))],
    },
    Trouble {
        name: "primary-at-once",
        what: "the first data center comes back as it was while the backup recovers",
        runbooks: OVER,
        does: &[Does::Act(|scene| {
            returns(scene, Duration::ZERO);
        })],
    },
    Trouble {
        name: "primary-returns",
        what: "the first data center comes back as it was, half a minute behind recovery",
        runbooks: OVER,
        does: &[Does::Act(|scene| {
            returns(scene, Duration::from_secs(30));
        })],
    },
];

impl PartialEq for Trouble {
    /// A name stands in the table once.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Trouble {}

impl Trouble {
    /// The kind of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TROUBLES.iter().find(|it| it.name == name)
    }

    /// The kinds of a runbook.
    pub fn of(direction: Direction) -> impl Iterator<Item = &'static Self> {
        TROUBLES
            .iter()
            .filter(move |it| it.runbooks.contains(&direction))
    }

    /// True where it can happen in a lab that is open.
    pub fn in_lab(&self) -> bool {
        self.does.iter().all(|it| match it {
            Does::Event(_) | Does::Act(_) => true,
            Does::Build(_) | Does::Folders(_) | Does::Shell(_) => false,
        })
    }

    /// Changes how a world begins.
    pub(super) fn build(&self, options: &mut WorldOptions) {
        for does in self.does {
            if let Does::Build(build) = does {
                build(options);
            }
        }
    }

    /// Begins in a site in memory.
    pub(super) fn begin(&self, site: &SimulatedSite) {
        let scene = Scene {
            world: &site.world,
            cmdlets: &site.cmdlets,
        };
        for does in self.does {
            match does {
                Does::Event(event) => site.happen(*event),
                Does::Act(act) => act(&scene),
                Does::Folders(change) => change(&site.folders),
                Does::Shell(change) => change(&site.cmdlets),
                Does::Build(_) => {}
            }
        }
    }

    /// Begins in a lab, and gives what that has events for.
    pub(super) fn begin_in_lab(&self, scene: &Scene<'_>) -> Vec<Event> {
        let mut events = Vec::new();
        for does in self.does {
            match does {
                Does::Event(event) => events.push(*event),
                Does::Act(act) => act(scene),
                Does::Build(_) | Does::Folders(_) | Does::Shell(_) => {}
            }
        }
        events
    }
}

/// A log backup in the middle of those that only the share has; the last one is none of them.
fn on_the_share(options: &WorldOptions) -> Option<usize> {
    let (from, to) = (options.copied, options.logs.len().checked_sub(1)?);
    (from < to).then(|| from + (to - from) / 2)
}

/// The first data center comes back, so much behind the statement that recovers.
fn returns(scene: &Scene<'_>, later: Duration) {
    for role in [Role::Primary, Role::PrimaryMirror] {
        scene
            .world
            .returns_behind(role, BACKUP, "WITH RECOVERY", later);
    }
}

fn set_state(scene: &Scene<'_>, kind: CmdletFault) {
    scene.cmdlets.fail(PowerShellFault {
        cmdlet: "Set-CsPersistentChatState".to_owned(),
        nth: 1,
        kind,
    });
}
