//! `datetime` and `datetime2` as they go over the wire.

use jiff::Span;
use jiff::civil::{Date, DateTime, Time};

/// Day 0 of `datetime`.
const DAY_OF_DATETIME: Date = Date::constant(1900, 1, 1);
/// Day 0 of `datetime2`.
const DAY_OF_DATETIME2: Date = Date::constant(1, 1, 1);
/// First year that `datetime` holds.
const FIRST_YEAR: i16 = 1753;

const NANOSECONDS: i64 = 1_000_000_000;
/// `datetime` counts a second in 300 ticks.
const TICKS: i64 = 300;
const DAY: i64 = 86_400;

fn days_since(day: Date, date: Date) -> Option<i32> {
    day.until(date).ok().map(|span| span.get_days())
}

fn day_after(day: Date, days: i64) -> Option<Date> {
    day.checked_add(Span::new().try_days(days).ok()?).ok()
}

fn nanoseconds(time: Time) -> i64 {
    let seconds =
        (i64::from(time.hour()) * 60 + i64::from(time.minute())) * 60 + i64::from(time.second());
    seconds * NANOSECONDS + i64::from(time.subsec_nanosecond())
}

fn time_of(nanoseconds: i64) -> Option<Time> {
    let seconds = nanoseconds / NANOSECONDS;
    Time::new(
        i8::try_from(seconds / 3600).ok()?,
        i8::try_from(seconds / 60 % 60).ok()?,
        i8::try_from(seconds % 60).ok()?,
        i32::try_from(nanoseconds % NANOSECONDS).ok()?,
    )
    .ok()
}

/// Days since 1900 and ticks of 1/300 s since midnight; `None` for a year that `datetime` lacks.
pub(super) fn to_datetime(value: DateTime) -> Option<(i32, u32)> {
    if value.year() < FIRST_YEAR {
        return None;
    }
    let days = days_since(DAY_OF_DATETIME, value.date())?;
    let ticks = (nanoseconds(value.time()) * TICKS + NANOSECONDS / 2) / NANOSECONDS;
    // The last sixth of a hundredth of a second rounds into the next day.
    let (days, ticks) = match ticks {
        ticks if ticks < DAY * TICKS => (days, ticks),
        _ => (days.checked_add(1)?, 0),
    };
    Some((days, u32::try_from(ticks).ok()?))
}

/// The reverse of [`to_datetime`]; `None` for what is no time.
pub(super) fn from_datetime(days: i32, ticks: u32) -> Option<DateTime> {
    let date = day_after(DAY_OF_DATETIME, days.into())?;
    let nanoseconds = (i64::from(ticks) * NANOSECONDS + TICKS / 2) / TICKS;
    Some(DateTime::from_parts(date, time_of(nanoseconds)?))
}

/// Days since the year 1 and units of 100 ns since midnight; `None` for a year before.
pub(super) fn to_datetime2(value: DateTime) -> Option<(u32, u64)> {
    let days = u32::try_from(days_since(DAY_OF_DATETIME2, value.date())?).ok()?;
    let units = u64::try_from(nanoseconds(value.time()) / 100).ok()?;
    Some((days, units))
}

/// The reverse, from units of 10^-`scale` s.
pub(super) fn from_datetime2(days: u32, units: u64, scale: u8) -> Option<DateTime> {
    let date = day_after(DAY_OF_DATETIME2, days.into())?;
    let factor = 10_u64.checked_pow(9_u32.checked_sub(scale.into())?)?;
    let nanoseconds = i64::try_from(units.checked_mul(factor)?).ok()?;
    Some(DateTime::from_parts(date, time_of(nanoseconds)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn datetime_rounds_to_the_nearest_three_hundredth_of_a_second() {
        let noon = |nanosecond| {
            let value = DateTime::new(2016, 2, 29, 12, 0, 0, nanosecond).unwrap();
            let (days, ticks) = to_datetime(value).unwrap();
            from_datetime(days, ticks).unwrap().subsec_nanosecond()
        };
        assert_eq!(noon(0), 0);
        assert_eq!(noon(1_600_000), 0);
        assert_eq!(noon(1_700_000), 3_333_333);
        assert_eq!(noon(333_333_333), 333_333_333);
        assert_eq!(noon(998_300_000), 996_666_667);
    }

    #[test]
    fn datetime_rounds_up_into_the_next_day() {
        let (days, ticks) =
            to_datetime(DateTime::constant(2015, 12, 31, 23, 59, 59, 999_000_000)).unwrap();
        assert_eq!(
            from_datetime(days, ticks),
            Some(DateTime::constant(2016, 1, 1, 0, 0, 0, 0))
        );
    }

    #[test]
    fn every_tick_of_datetime_survives_both_ways() {
        for ticks in (0..86_400 * 300).step_by(997) {
            let value = from_datetime(-53_690, ticks).unwrap();
            assert_eq!(to_datetime(value), Some((-53_690, ticks)));
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        assert_eq!(
            to_datetime(DateTime::constant(1752, 12, 31, 0, 0, 0, 0)),
            None
        );
        assert_eq!(
            to_datetime2(DateTime::constant(0, 12, 31, 0, 0, 0, 0)),
            None
        );
        assert_eq!(from_datetime(i32::MAX, 0), None);
        assert_eq!(from_datetime(0, u32::MAX), None);
        assert_eq!(from_datetime2(u32::MAX, 0, 7), None);
        assert_eq!(from_datetime2(0, u64::MAX, 7), None);
        assert_eq!(from_datetime2(0, 0, 200), None);
    }
}
