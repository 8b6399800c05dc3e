//! Commands that may still be on their way: a network can hold back what a run sent that is no more
//! (`design.md` 3, rule 17).

use std::collections::BTreeMap;

/// What was sent, and where it was seen that nothing can arrive any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Of steps that are neither done nor undone: how many commands there had been, step, number.
    open: Vec<(usize, String, usize)>,
    commands: usize,
    /// How many commands there had been when no other run's session was left on an instance.
    gone: BTreeMap<String, usize>,
}

impl Sent {
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
