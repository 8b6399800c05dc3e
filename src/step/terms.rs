//! What the operator allowed before the run: consent options and the accepted loss.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::DateTime;
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

/// Says that a text is no accepted loss.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither `end-of-chain`, nor an LSN in decimal notation, nor a time as in 2026-11-24T03:15:00"
)]
pub struct NoLoss(pub String);

impl std::str::FromStr for AcceptedLoss {
    type Err = NoLoss;

    fn from_str(text: &str) -> Result<Self, NoLoss> {
        if text == "end-of-chain" {
            return Ok(Self::EndOfChain);
        }
        if let Ok(lsn) = text.parse() {
            return Ok(Self::Lsn(lsn));
        }
        // With a zone it would be another clock than that of the log backups.
        text.parse()
            .map(Self::Time)
            .map_err(|_| NoLoss(text.to_owned()))
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
        for text in ["", "everything", "2026-11-24T03:15:00Z", "-5"] {
            assert!(text.parse::<AcceptedLoss>().is_err(), "{text}");
        }
    }
}
