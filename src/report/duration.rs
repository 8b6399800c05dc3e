//! Durations in words.

use std::time::Duration;

/// A duration for people, to the nearest second, and from an hour on to the minute below:
/// `12 s`, `3 min 20 s`, `2 h 05 min`, `3 d 04 h`.
pub fn humanize(duration: Duration) -> String {
    let seconds = duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_millis() >= 500));
    if seconds == 0 && !duration.is_zero() {
        return "under 1 s".to_owned();
    }
    words(seconds)
}

/// A duration that must not be understated: rounded up to what is shown.
pub fn humanize_at_most(duration: Duration) -> String {
    let seconds = duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0));
    let step = match seconds {
        0..HOUR => 1,
        HOUR..DAY => MINUTE,
        DAY.. => HOUR,
    };
    words(seconds.div_ceil(step).saturating_mul(step))
}

/// Seconds of a record; nothing where they are no duration.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn words(seconds: u64) -> String {
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min {:02} s", seconds / MINUTE, seconds % MINUTE),
        HOUR..DAY => format!("{} h {:02} min", seconds / HOUR, seconds % HOUR / MINUTE),
        DAY.. => format!("{} d {:02} h", seconds / DAY, seconds % DAY / HOUR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_its_two_largest_units() {
        let cases = [
            (0, "0 s"),
            (1, "under 1 s"),
            (499, "under 1 s"),
            (500, "1 s"),
            (12_000, "12 s"),
            (59_499, "59 s"),
            (59_500, "1 min 00 s"),
            (200_000, "3 min 20 s"),
            (3_599_600, "1 h 00 min"),
            (7_559_000, "2 h 05 min"),
            (86_400_000, "1 d 00 h"),
            (273_600_000, "3 d 04 h"),
        ];
        for (millis, told) in cases {
            assert_eq!(humanize(Duration::from_millis(millis)), told, "{millis}");
        }
    }

    #[test]
    fn a_loss_is_never_understated() {
        let cases = [
            (252_000, "4 min 12 s"),
            (252_001, "4 min 13 s"),
            (7_559_000, "2 h 06 min"),
            (86_399_000, "1 d 00 h"),
            (90_001_000, "1 d 02 h"),
        ];
        for (millis, told) in cases {
            let duration = Duration::from_millis(millis);
            assert_eq!(humanize_at_most(duration), told, "{millis}");
        }
    }

    #[test]
    fn no_number_of_a_record_is_too_much() {
        for number in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(humanize(seconds(number)), "0 s");
        }
        assert!(humanize(Duration::MAX).ends_with(" h"));
        assert!(humanize_at_most(Duration::MAX).ends_with(" h"));
    }
}
