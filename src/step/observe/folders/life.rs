//! Signs of life: a log backup that was taken after the run began comes from a primary that lives.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::Serialize;

use super::chain::{is_log_of, marked};
use super::kin::print;
use super::{Folders, Holds, Kin};
use crate::site::Site;

/// Clocks of two machines may differ by so many seconds.
const SKEW: i64 = 60;

/// By so much daylight time moves a clock, seconds.
const HOUR: i64 = 3600;

/// What a file's time may lie behind the end of its set, seconds.
const WRITTEN: i64 = 180;

/// Offsets from UTC are whole quarters of an hour.
const QUARTER: i64 = 900;

/// A log backup that was finished after the run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignOfLife {
    /// Its path.
    pub path: String,
    /// `server\instance` that took it.
    pub server: String,
    /// When it was finished, that server's local time.
    pub finished: DateTime,
    /// The same, UTC.
    pub finished_utc: Timestamp,
}

/// The newest log backup of the database that was finished after the run began. Headers have the
/// local time of their server (`backup-files.md`); how far that is from UTC, the times of the files
/// tell: `None` where they do not.
pub fn sign_of_life(
    site: &Site,
    folders: &Folders,
    kin: &Kin,
    began: Timestamp,
) -> Option<SignOfLife> {
    let mut sets = Vec::new();
    let mut offsets: BTreeMap<i64, usize> = BTreeMap::new();
    for (_, file) in marked(folders) {
        let Holds::Sets(logs) = &file.holds else {
            continue;
        };
        for log in logs {
            let date = log.header.database_created;
            let ours =
                is_log_of(site, log) && kin.is_of(date) && !kin.strangers.contains_key(&print(log));
            if let (true, Some(finished)) = (ours, log.header.finished) {
                if let Some(offset) = offset(finished, file.modified) {
                    *offsets.entry(offset).or_default() += 1;
                }
                sets.push((finished, file.modified, log));
            }
        }
    }
    let (finished, modified, log) = sets.into_iter().max_by_key(|(finished, ..)| *finished)?;
    let (most, _) = offsets.into_iter().max_by_key(|(_, files)| *files)?;
    let offset = offset_of_last(most, offset(finished, modified));
    let offset = Offset::from_seconds(i32::try_from(offset).ok()?).ok()?;
    let finished_utc = offset.to_timestamp(finished).ok()?;
    (finished_utc.as_second() > began.as_second() + SKEW).then(|| SignOfLife {
        path: log.path.clone(),
        server: log.header.server.clone(),
        finished,
        finished_utc,
    })
}

/// The offset of the last set, of that of most sets and its own. Daylight time may have begun or ended
/// since most of them were written; any other offset of its own is that of a copy.
fn offset_of_last(most: i64, own: Option<i64>) -> i64 {
    own.filter(|own| (own - most).abs() == HOUR).unwrap_or(most)
}

/// Seconds by which the local time of a set lies before UTC, where the time of its file tells: a copy
/// whose time is not its source's does not.
fn offset(finished: DateTime, modified: i64) -> Option<i64> {
    let local = Offset::UTC.to_timestamp(finished).ok()?.as_second();
    let apart = local - modified;
    let offset = (apart + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
    ((apart - offset).abs() <= WRITTEN).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_time_of_a_file_tells_how_far_its_server_is_from_utc() {
        let finished = date(2026, 1, 14).at(2, 33, 0, 0);
        let utc = |hour, minute| {
            let at = date(2026, 1, 14).at(hour, minute, 10, 0);
            Offset::UTC.to_timestamp(at).map(Timestamp::as_second)
        };
        for (modified, told) in [
            (utc(2, 33), Some(0)),
            (utc(7, 33), Some(-18_000)),
            (utc(2, 3), Some(1_800)),
            (utc(2, 40), None),
        ] {
            assert_eq!(offset(finished, modified.unwrap_or_default()), told);
        }
    }

    #[test]
    fn the_hour_of_daylight_time_moves_the_last_set_and_the_time_of_a_copy_does_not() {
        let winter = -18_000;
        for (own, told) in [
            (Some(winter), winter),
            (Some(winter + HOUR), winter + HOUR),
            (Some(winter - HOUR), winter - HOUR),
            (Some(winter + 3 * HOUR), winter),
            (Some(0), winter),
            (None, winter),
        ] {
            assert_eq!(offset_of_last(winter, own), told);
        }
    }
}
