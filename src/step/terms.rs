//! What the operator allowed before the run: consent options and the accepted loss.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use serde::Serialize;

use crate::model::Lsn;

/// What the operator accepts to lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptedLoss {
    /// What was written after the last log backup of a whole chain on a reachable share.
    EndOfChain,
    /// What was written at and after that LSN.
    Lsn(Lsn),
    /// What was written after that moment, in the time that the log backups show.
    Time(DateTime),
}

impl fmt::Display for AcceptedLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndOfChain => f.write_str("end-of-chain"),
            Self::Lsn(lsn) => lsn.fmt(f),
            Self::Time(time) => time.fmt(f),
        }
    }
}

/// Interlock: an instance of the first data center is lost for good.
pub const PRIMARY_LOST: &str = "primary-lost";

/// Every interlock that `--override` takes, and what the operator says with it (`design.md` 8).
pub const INTERLOCKS: [(&str, &str); 19] = [
    ("rows-stay", "the log-shipping rows may stay behind"),
    (
        "share-lost",
        "the share of the log backups is lost for good",
    ),
    (
        "other-folder",
        "log shipping's row names another folder; both are read",
    ),
    (
        "unclear",
        "the backup's database was recovered for this failover",
    ),
    (
        "fresh-primary",
        "the primary serves a fresh, empty database",
    ),
    ("mirror-alive", "the primary's mirror is out of use"),
    ("no-mirror", "the run goes on without a mirror"),
    (
        PRIMARY_LOST,
        "an instance of the first data center is lost for good again",
    ),
    (
        "no-log-backups",
        "nothing takes log backups after the failover",
    ),
    (
        "primary-unseen",
        "an instance of the first data center that is not seen is dead",
    ),
    (
        "primary-answers",
        "what answers in the first data center serves nothing",
    ),
    (
        "record-lost",
        "a run whose record tells nobody where it stands is left behind",
    ),
    (
        "stale-sender",
        "an older run's session on a silent instance is gone",
    ),
    (
        "old-database-unreadable",
        "the old primary's database may be written over",
    ),
    ("share-room", "the room on a share is enough"),
    ("disk-room", "the room on a volume is enough"),
    ("compliance-waiting", "compliance events may stay"),
    ("certificate", "the certificate is on the primary"),
    (
        "services-stopped",
        "services that do not start may stay stopped",
    ),
];

/// Reads a time that a person types. The clock is that of the servers that took the log backups: their
/// files carry no offset, and a server that is lost cannot be asked for its own. So a time of another
/// clock is not converted but refused (`steps.md` 1.7).
///
/// # Errors
/// Why it is none, and what to type: a sentence without its subject.
pub fn time(text: &str) -> Result<DateTime, String> {
    const EXAMPLE: &str = "as in 2026-11-24T03:15:00";
    let pieces = Pieces::parse(text).map_err(|_| format!("is no time {EXAMPLE}"))?;
    let zone = pieces.time_zone_annotation().is_some();
    let time = pieces
        .time()
        .ok_or_else(|| format!("has no time of day, {EXAMPLE}"))?;
    let local = pieces.date().to_datetime(time);
    let Some(offset) = pieces.to_numeric_offset() else {
        return if zone {
            Err(format!("names a time zone: {AS_SHOWN}"))
        } else {
            Ok(local)
        };
    };
    let moment = offset.to_timestamp(local).map_or_else(
        |_| "no moment at all".to_owned(),
        |moment| moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    );
    Err(format!("has an offset, and is {moment}: {AS_SHOWN}"))
}

/// What to type instead of a time of another clock.
const AS_SHOWN: &str = "type what the clock of the primary's server showed then, without offset or zone; what that clock is ahead of UTC is not known here";

/// Says that a text is no accepted loss.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoLoss {
    /// It looks like a time.
    #[error("`{0}` {1}")]
    Time(String, String),
    /// It looks like nothing.
    #[error(
        "`{0}` is neither `end-of-chain`, nor an LSN in decimal notation, nor a time as in 2026-11-24T03:15:00"
    )]
    Nothing(String),
}

impl std::str::FromStr for AcceptedLoss {
    type Err = NoLoss;

    fn from_str(text: &str) -> Result<Self, NoLoss> {
        if text == "end-of-chain" {
            return Ok(Self::EndOfChain);
        }
        if let Ok(lsn) = text.parse() {
            return Ok(Self::Lsn(lsn));
        }
        match time(text) {
            Ok(time) => Ok(Self::Time(time)),
            // A year, a month and a day were meant for one.
            Err(why) if Pieces::parse(text).is_ok() => Err(NoLoss::Time(text.to_owned(), why)),
            Err(_) => Err(NoLoss::Nothing(text.to_owned())),
        }
    }
}

/// What the operator allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// A rehearsal: it consents by itself, and records that.
    pub rehearsal: bool,
    /// Every consent but loss and interlocks.
    pub yes: bool,
    /// Accepted loss.
    pub accepted: Option<AcceptedLoss>,
    /// Overridden interlocks, with the reasons.
    pub overrides: BTreeMap<String, String>,
    /// When the primary data center was lost, in the time that the log backups show.
    pub disaster_at: Option<DateTime>,
    /// Digest of the approval of the plan, where only an approved one may be run.
    pub approved: Option<String>,
}

impl Terms {
    /// Whether that interlock is overridden.
    pub fn overrides(&self, id: &str) -> bool {
        self.overrides.contains_key(id)
    }

    /// Whether sessions may be ended and the point of no return be passed without asking.
    pub fn consents(&self) -> bool {
        self.yes || self.rehearsal
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_loss_is_the_end_of_the_chain_an_lsn_or_a_time() {
        assert_eq!("end-of-chain".parse(), Ok(AcceptedLoss::EndOfChain));
        assert_eq!(
            "36000000016800037".parse(),
            Ok(AcceptedLoss::Lsn(Lsn::new(36, 168, 37)))
        );
        let time: AcceptedLoss = "2026-11-24T03:15:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-24T03:15:00");
        for (text, why) in [
            ("", "is neither"),
            ("everything", "is neither"),
            ("-5", "is neither"),
            ("2026-11-24", "no time of day"),
            ("2026-02-30T03:15:00", "is neither"),
            ("2026-11-24T25:15:00", "is neither"),
            ("2026-11-24T03:15:00Z", "is 2026-11-24 03:15:00 UTC: type"),
            (
                "2026-11-24T03:15:00-05:00",
                "is 2026-11-24 08:15:00 UTC: type",
            ),
            ("2026-11-24T03:15:00+01", "is 2026-11-24 02:15:00 UTC: type"),
            (
                "2026-11-24T03:15:00[Europe/Berlin]",
                "names a time zone: type",
            ),
            (
                "2026-11-24T03:15:00+01:00[Europe/Berlin]",
                "is 2026-11-24 02:15:00 UTC: type",
            ),
        ] {
            let told = text.parse::<AcceptedLoss>().unwrap_err().to_string();
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
