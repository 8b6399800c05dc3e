//! Dates as text, and text as dates.

use jiff::civil::{Date, DateTime, Time};

use crate::rehearsal::message::{message, syntax};
use crate::rehearsal::value::SqlType;

use super::error::Outcome;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment as CONVERT's style shows it; the default is 0 for datetime, 121 for datetime2.
///
/// Style 126 leaves a fraction of zero out, as the documentation of CONVERT says; otherwise a
/// datetime has three digits of it and a datetime2 seven.
pub(super) fn show(moment: DateTime, from: SqlType, style: Option<i64>) -> Outcome<String> {
    let wide = from == SqlType::DateTime2;
    let date = format!(
        "{:04}-{:02}-{:02}",
        moment.year(),
        moment.month(),
        moment.day()
    );
    let clock = format!(
        "{:02}:{:02}:{:02}",
        moment.hour(),
        moment.minute(),
        moment.second()
    );
    let nanos = moment.subsec_nanosecond();
    let fraction = if wide {
        format!(".{:07}", nanos / 100)
    } else {
        format!(".{:03}", nanos / 1_000_000)
    };
    let style = style.unwrap_or(if wide { 121 } else { 0 });
    Ok(match style {
        0 | 100 => {
            let month = MONTHS
                .get(usize::from(moment.month().unsigned_abs()).wrapping_sub(1))
                .unwrap_or(&"");
            let (hour, half) = match moment.hour() {
                0 => (12, "AM"),
                hour @ 1..12 => (hour, "AM"),
                12 => (12, "PM"),
                hour => (hour - 12, "PM"),
            };
            format!(
                "{month} {:>2} {:04} {hour:>2}:{:02}{half}",
                moment.day(),
                moment.year(),
                moment.minute()
            )
        }
        8 | 24 | 108 => clock,
        23 => date,
        112 => date.replace('-', ""),
        20 | 120 => format!("{date} {clock}"),
        21 | 25 | 121 => format!("{date} {clock}{fraction}"),
        126 if fraction.bytes().all(|byte| matches!(byte, b'.' | b'0')) => {
            format!("{date}T{clock}")
        }
        126 => format!("{date}T{clock}{fraction}"),
        other => return Err(syntax(other)),
    })
}

/// Reads the forms that mean the same under every language setting: `yyyymmdd`, `yyyy-mm-dd`, with
/// a time after a blank or a `T`; anything else is error 241.
pub(super) fn parse(text: &str, to: SqlType) -> Outcome<DateTime> {
    let text = text.trim_matches(' ');
    if text.is_empty() {
        return Ok(Date::constant(1900, 1, 1).at(0, 0, 0, 0));
    }
    let read = || {
        let (date, time) = match text.split_once([' ', 'T', 't']) {
            Some((date, time)) => (date, Some(time.trim_start_matches(' '))),
            None => (text, None),
        };
        Some((parse_date(date)?, parse_time(time)?))
    };
    let (date, time) = read().ok_or_else(|| message(241, &[]))?;
    fit(date.to_datetime(time), SqlType::DateTime2, to)
}

fn parse_date(text: &str) -> Option<Date> {
    let (year, month, day) = match text.split('-').collect::<Vec<_>>()[..] {
        [year, month, day] if year.len() == 4 => (year, month, day),
        [all] if all.len() == 8 && all.is_ascii() => (&all[..4], &all[4..6], &all[6..]),
        _ => return None,
    };
    let year = i16::try_from(digits(year, 4)?).ok()?;
    let month = i8::try_from(digits(month, 2)?).ok()?;
    Date::new(year, month, i8::try_from(digits(day, 2)?).ok()?).ok()
}

fn parse_time(text: Option<&str>) -> Option<Time> {
    let Some(text) = text else {
        return Some(Time::midnight());
    };
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, fraction),
        None => (text, "0"),
    };
    let (hour, minute, second) = match clock.split(':').collect::<Vec<_>>()[..] {
        [hour, minute] => (hour, minute, "0"),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    if fraction.len() > 7 {
        return None;
    }
    let nanos = digits(&format!("{fraction:0<9}"), 9).filter(|_| !fraction.is_empty())?;
    let part = |text| i8::try_from(digits(text, 2)?).ok();
    Time::new(
        part(hour)?,
        part(minute)?,
        part(second)?,
        i32::try_from(nanos).ok()?,
    )
    .ok()
}

/// A number of one to `most` digits.
fn digits(text: &str, most: usize) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Brings a moment to what a type holds: a datetime counts in three hundredths of a second from
/// 1753 on, a datetime2 in tenths of a microsecond from year 1 on.
pub(super) fn fit(moment: DateTime, from: SqlType, to: SqlType) -> Outcome<DateTime> {
    if from == to {
        return Ok(moment);
    }
    let nanos = i64::from(moment.subsec_nanosecond());
    let rounded = if to == SqlType::DateTime {
        if moment.year() < 1753 {
            return Err(message(242, &[]));
        }
        let ticks = (nanos * 3 + 5_000_000) / 10_000_000;
        // A tick is shown as .000, .003 or .007.
        (ticks * 10 + 1) / 3 * 1_000_000
    } else {
        if moment.year() < 1 {
            return Err(message(241, &[]));
        }
        nanos / 100 * 100
    };
    let base = moment
        .with()
        .subsec_nanosecond(0)
        .build()
        .map_err(|_| message(242, &[]))?;
    base.checked_add(jiff::SignedDuration::from_nanos(rounded))
        .map_err(|_| message(242, &[]))
}
