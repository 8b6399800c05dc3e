//! Commands that may still be on their way: a network can hold back what a run sent that is no more
//! (`design.md` 3, rule 17).

use std::collections::BTreeMap;

use super::RunState;
use crate::access::powershell::ProcessId;
use crate::run::event::ProcessIs;

/// What was sent, and where it was seen that nothing can arrive any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Of steps that are neither done nor undone: how many commands there had been, step, number.
    open: Vec<(usize, String, usize)>,
    commands: usize,
    /// How many commands there had been when no other run's session was left on an instance.
    gone: BTreeMap<String, usize>,
    /// The machine of the execution that is under way.
    host: String,
    powershell: Option<PowerShellAt>,
}

/// A PowerShell process on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerShellAt {
    /// The machine.
    pub host: String,
    /// The process.
    pub process: ProcessId,
    /// True where the execution that is under way started it.
    pub is_ours: bool,
}

impl RunState {
    /// The PowerShell to which cmdlets were sent last, unless it was seen to end.
    pub fn powershell(&self) -> Option<&PowerShellAt> {
        self.sent.powershell.as_ref()
    }

    /// What is to be said, on `host`, of a PowerShell that may go on on another machine.
    pub fn powershell_elsewhere(&self, host: &str) -> Option<String> {
        let it = self.powershell().filter(|it| it.host != host)?;
        Some(format!(
            "a cmdlet of the execution before may still be running on `{}`, in process {}: it is not seen from here; see that the process has ended, or that the machine is off",
            it.host, it.process.number
        ))
    }

    /// Commands that an execution sent, or was about to, and that may still be on their way to an
    /// instance: step and number.
    pub fn on_their_way(&self, instance: &str) -> impl Iterator<Item = (&str, usize)> {
        self.sent.to(instance)
    }
}

impl Sent {
    pub(super) fn by(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            ..Self::default()
        }
    }

    /// Another execution begins.
    pub(super) fn go_on_by(&mut self, host: &str) {
        host.clone_into(&mut self.host);
        if let Some(powershell) = &mut self.powershell {
            powershell.is_ours = false;
        }
    }

    /// An execution ends by itself, and with it what it started.
    pub(super) fn end(&mut self) {
        self.powershell = None;
    }

    pub(super) fn powershell(&mut self, number: u32, since: &str, is: ProcessIs) {
        self.powershell = match is {
            ProcessIs::Sending => Some(PowerShellAt {
                host: self.host.clone(),
                process: ProcessId {
                    number,
                    since: since.to_owned(),
                },
                is_ours: true,
            }),
            ProcessIs::Gone | ProcessIs::Ended => None,
        };
    }

    pub(super) fn send(&mut self, step: &str, n: usize) {
        self.commands += 1;
        self.open.push((self.commands, step.to_owned(), n));
    }

    /// The effect of a step was seen, or undone.
    pub(super) fn close(&mut self, step: &str) {
        self.open.retain(|(_, open, _)| open != step);
    }

    pub(super) fn senders_gone(&mut self, instance: &str) {
        self.gone.insert(instance.to_owned(), self.commands);
    }

    /// Step and number of each that may still arrive on an instance.
    pub(super) fn to(&self, instance: &str) -> impl Iterator<Item = (&str, usize)> {
        let gone = self.gone.get(instance).copied().unwrap_or(0);
        let open = self.open.iter().filter(move |(at, ..)| *at > gone);
        open.map(|(_, step, n)| (step.as_str(), *n))
    }
}
