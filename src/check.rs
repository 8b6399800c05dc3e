//! Whether a site is ready to be switched: the preflight without a run (`design.md` 8, `check`). Reads
//! only; as if the first data center were lost now, where a failover is asked about.

// A wildcard once took a primary that lives for a silent one.
#![warn(clippy::wildcard_enum_match_arm)]

mod item;
mod look;
mod place;
mod reach;
mod shipping;
mod write;

use serde::Serialize;

pub use item::{For, Item, State};
pub use look::Look;
pub use shipping::what_runs_out;

/// What a check says of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is in the way.
    Ready,
    /// Nothing but what would be lost.
    ReadyWithLoss,
    /// Something is in the way, or has to be overridden.
    NotReady,
    /// Something that could be in the way was not seen.
    Unknown,
}

/// Both verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Ready for a planned switch.
    pub planned: Verdict,
    /// Ready for a forced one, were the first data center lost now; a failback is never forced.
    pub forced: Option<Verdict>,
}

/// Every check, in the order of harm.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Version of this format.
    pub version: u32,
    /// `failover`, `failback`.
    pub runbook: String,
    /// What they add up to.
    pub verdicts: Verdicts,
    /// Seconds of chat that a forced switch would lose; `None` where that is not known, or nothing is
    /// recovered any more.
    pub loss_seconds: Option<i64>,
    /// The checks.
    pub checks: Vec<Item>,
    /// True where a run would find every step met.
    #[serde(skip)]
    pub nothing_to_do: bool,
}

impl Check {
    /// Adds up. `forced` says whether a forced switch is asked about at all.
    pub(crate) fn of(
        runbook: &str,
        forced: bool,
        loss_seconds: Option<i64>,
        mut checks: Vec<Item>,
    ) -> Self {
        item::find_causes(&mut checks);
        Self {
            version: 1,
            runbook: runbook.to_owned(),
            verdicts: Verdicts {
                // What a planned failover would lose is sent before it.
                planned: verdict(&checks, For::Planned, !forced),
                forced: forced.then(|| verdict(&checks, For::Forced, true)),
            },
            loss_seconds,
            checks,
            nothing_to_do: false,
        }
    }

    /// The verdict that the exit status follows: the forced one, with `planned` and in a failback the
    /// other.
    pub fn asked(&self, planned: bool) -> Verdict {
        let forced = self.verdicts.forced.filter(|_| !planned);
        forced.unwrap_or(self.verdicts.planned)
    }

    /// True where nobody has to be told anything: ready, and no check, of whichever verdict, says anything
    /// but what a forced switch always loses.
    pub fn is_well(&self, planned: bool) -> bool {
        self.asked(planned).is_ready()
            && self
                .checks
                .iter()
                .all(|it| it.is_well() || it.id == item::LOSS)
    }
}

impl Verdict {
    /// Whether the switch could begin.
    pub fn is_ready(self) -> bool {
        match self {
            Self::Ready | Self::ReadyWithLoss => true,
            Self::NotReady | Self::Unknown => false,
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::ReadyWithLoss => "ready, with loss",
            Self::NotReady => "not ready",
            Self::Unknown => "unknown",
        }
    }
}

/// The worst of what counts: something in the way, then what was not seen, then a loss.
fn verdict(checks: &[Item], of: For, loses: bool) -> Verdict {
    let counting = || checks.iter().filter(|it| it.counts_for.contains(&of));
    let any = |states: &[State]| counting().any(|it| states.contains(&it.state));
    if any(&[State::Blocked, State::Interlock]) {
        Verdict::NotReady
    } else if any(&[State::Unknown]) {
        Verdict::Unknown
    } else if loses && counting().any(|it| it.loses) {
        Verdict::ReadyWithLoss
    } else {
        Verdict::Ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(states: &[State], of: For) -> Verdict {
        let items = states.iter().map(|state| Item {
            loses: *state == State::Warning,
            ..Item::new("it", *state, "it", "as it is")
        });
        verdict(&items.collect::<Vec<_>>(), of, of == For::Forced)
    }

    #[test]
    fn what_is_in_the_way_beats_what_is_not_seen_and_that_beats_a_loss_and_nothing_untried_counts()
    {
        use State::{Blocked, Interlock, Ok, Unknown, Untried, Warning};
        for (states, forced, planned) in [
            (&[][..], Verdict::Ready, Verdict::Ready),
            (&[Ok, Untried], Verdict::Ready, Verdict::Ready),
            (&[Ok, Warning], Verdict::ReadyWithLoss, Verdict::Ready),
            (&[Warning, Unknown], Verdict::Unknown, Verdict::Unknown),
            (&[Unknown, Interlock], Verdict::NotReady, Verdict::NotReady),
            (&[Blocked, Unknown], Verdict::NotReady, Verdict::NotReady),
        ] {
            assert_eq!(of(states, For::Forced), forced, "{states:?}");
            assert_eq!(of(states, For::Planned), planned, "{states:?}");
        }
    }

    #[test]
    fn a_check_counts_only_for_the_verdicts_that_it_names() {
        let item = Item::new("it", State::Blocked, "it", "as it is").counting_for(&[For::Planned]);
        let check = Check::of("failover", true, None, vec![item]);
        assert_eq!(check.verdicts.planned, Verdict::NotReady);
        assert_eq!(check.verdicts.forced, Some(Verdict::Ready));
        assert_eq!(check.asked(true), Verdict::NotReady);
        assert_eq!(check.asked(false), Verdict::Ready);
    }

    #[test]
    fn only_what_a_forced_switch_always_loses_is_not_worth_a_word() {
        for (id, state, well) in [
            (item::LOSS, State::Warning, true),
            ("loss-unclear", State::Warning, false),
            ("log-age", State::Warning, false),
            ("primary", State::Unknown, false),
            ("primary-serves", State::Blocked, false),
            ("write-copy", State::Untried, true),
        ] {
            let item = Item::new(id, state, "it", "as it is").counting_for(&[For::Planned]);
            let check = Check::of("failover", true, None, vec![item]);
            assert_eq!(check.is_well(false), well, "{id}");
        }
    }
}
