//! The times that the operator typed, against the clocks that they are of (`steps.md` 1.7).

use jiff::SignedDuration;
use jiff::civil::DateTime;
use serde::Serialize;

use crate::access::Access;
use crate::model::Instance;
use crate::step::Block;
use crate::step::observe::Observed;
use crate::step::observe::instance::clock;
use crate::step::terms::{AcceptedLoss, Terms};

/// Older than that is a slip: whoever fails over a year later has another problem.
const OLDEST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Two servers may keep the time of any two places, and each its summer time.
const ANYWHERE: SignedDuration = SignedDuration::from_hours(26);

/// The hour that comes twice in autumn.
const TWICE: SignedDuration = SignedDuration::from_hours(1);

/// What was typed, and the clock of the backup's server. That of the first data center cannot be asked
/// once it is lost.
#[derive(Debug, Serialize)]
pub(super) struct Times {
    disaster_at: Option<DateTime>,
    accepted_after: Option<DateTime>,
    clock: Observed<DateTime>,
}

impl Times {
    /// Nothing was typed.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self {
            disaster_at: None,
            accepted_after: None,
            clock: Observed::Absent,
        }
    }

    /// The same, and what the clock shows.
    #[cfg(test)]
    pub(super) fn at(now: DateTime) -> Self {
        Self {
            clock: Observed::Seen(now),
            ..Self::none()
        }
    }

    /// What the clock of the backup's server shows; `None` where that is not known.
    pub(super) fn clock(&self) -> Option<DateTime> {
        self.clock.seen().copied()
    }

    pub(super) async fn look(access: &Access, terms: &Terms, backup: Instance) -> Self {
        let accepted_after = match terms.accepted {
            Some(AcceptedLoss::Time(time)) => Some(time),
            Some(AcceptedLoss::EndOfChain | AcceptedLoss::Lsn(_)) | None => None,
        };
        Self {
            disaster_at: terms.disaster_at,
            accepted_after,
            clock: clock(access, backup).await,
        }
    }

    /// What cannot be true of them. `last` is when the last log backup of the chain was finished.
    pub(super) fn blocks(&self, last: Option<DateTime>) -> Vec<Block> {
        let now = self.clock();
        let disaster = self.disaster_at.and_then(|time| {
            let why = wrong_disaster(time, now, last)?;
            Some(block(
                format!("--disaster-at {time} {why}"),
                "type when the first data center was lost, by the clock of its servers; where that is another than the backup's, or is not known, leave --disaster-at out: nothing but the figure of the loss rests on it",
            ))
        });
        let accepted = self.accepted_after.and_then(|time| {
            let why = out_of_reach(time, now)?;
            Some(block(
                format!("--accept-loss-after {time} {why}"),
                "type a time by the clock of the primary's server, an LSN, or end-of-chain",
            ))
        });
        disaster.into_iter().chain(accepted).collect()
    }
}

fn block(why: String, hint: &'static str) -> Block {
    Block::site("typed-time", why, hint)
}

/// Why the first data center was not lost then; `None` where it may have been.
fn wrong_disaster(time: DateTime, now: Option<DateTime>, last: Option<DateTime>) -> Option<String> {
    let early = last.filter(|last| last.duration_since(time) > TWICE);
    early
        .map(|last| {
            format!("is before {last}, when the primary finished the last log backup that is here: it lived then")
        })
        .or_else(|| out_of_reach(time, now))
}

/// Why it is a slip of the pen; `None` where it is none.
fn out_of_reach(time: DateTime, now: Option<DateTime>) -> Option<String> {
    let now = now?;
    if time.duration_since(now) > ANYWHERE {
        Some(format!(
            "is in the future: by the clock of the backup's server it is {now}"
        ))
    } else if now.duration_since(time) > OLDEST {
        Some(format!(
            "is more than a year ago: by the clock of the backup's server it is {now}"
        ))
    } else {
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_time_that_cannot_be_is_refused_with_its_reason() {
        let time = |text: &str| text.parse::<DateTime>().unwrap();
        let (now, last) = ("2026-11-24T04:00:00", "2026-11-24T03:15:00");
        for (disaster, accepted, now, last, told) in [
            (Some("2026-11-24T03:20:00"), None, Some(now), Some(last), ""),
            (Some("2026-11-24T03:15:00"), None, Some(now), Some(last), ""),
            (Some(now), None, Some(now), Some(last), ""),
            (
                Some("2026-11-25T06:00:01"),
                None,
                Some(now),
                Some(last),
                "future",
            ),
            (Some("2030-11-24T03:20:00"), None, Some(now), None, "future"),
            (
                Some("2026-11-24T02:14:59"),
                None,
                Some(now),
                Some(last),
                "it lived then",
            ),
            (
                Some("2020-11-24T03:20:00"),
                None,
                Some(now),
                Some(last),
                "it lived then",
            ),
            (
                Some("2025-11-22T03:20:00"),
                None,
                Some(now),
                None,
                "a year ago",
            ),
            (Some("2025-11-24T03:20:00"), None, Some(now), None, ""),
            // No clock: the log backup still tells.
            (Some("2030-11-24T03:20:00"), None, None, Some(last), ""),
            (
                Some("2026-11-24T02:00:00"),
                None,
                None,
                Some(last),
                "it lived then",
            ),
            // A time is accepted that lies before the end of the chain.
            (None, Some("2026-11-24T03:00:00"), Some(now), Some(last), ""),
            (
                None,
                Some("2016-11-24T03:00:00"),
                Some(now),
                Some(last),
                "a year ago",
            ),
            (
                None,
                Some("2027-11-24T03:00:00"),
                Some(now),
                Some(last),
                "future",
            ),
        ] {
            let times = Times {
                disaster_at: disaster.map(time),
                accepted_after: accepted.map(time),
                clock: now.map_or(Observed::Absent, |it| Observed::Seen(time(it))),
            };
            let found = times.blocks(last.map(time));
            let whys: Vec<String> = found.iter().map(Block::why).collect();
            let case = format!("{disaster:?} {accepted:?}: {whys:?}");
            assert_eq!(whys.len(), usize::from(!told.is_empty()), "{case}");
            assert!(whys.iter().all(|why| why.contains(told)), "{case}");
        }
    }
}
