//! What an error of RESTORE LOG says of the file (`sql-server.md` 2.5). Numbers decide, never texts.

use crate::access::sql::SqlError;
use crate::step::fencing::TAKEN_OVER;
use crate::step::observe::sets::{is_content, system_error};

/// What is to be done about a set that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The file is damaged: another copy of it may be sound.
    Damaged,
    /// It may pass, or be the file's: once more. Where it comes again, the file cannot be applied.
    Again,
    /// It is not about the file.
    Other,
}

/// The read of the file failed: damage where the system says that it is its content.
const READ_FAILED: u32 = 3203;

/// Errors of the statement, the session, the database, its disk or the instance.
const OTHER: &[u32] = &[
    102, 207, 208, 226, 229, 262, 297, 300, 596, 701, 802, 911, 916, 921, 922, 924, 927, 942, 952,
    1105, 1204, 1205, 1222, 2812, 3021, 3023, 3101, 3102, 3104, 3110, 3117, 3118, 3201, 3257, 4060,
    4319, 5149, 6005, 9002, 17142, 18401, 18456, TAKEN_OVER,
];

pub(super) fn refusal(error: &SqlError) -> Refusal {
    match error.number() {
        // It did not get to say one: the connection, or the limit.
        None => Refusal::Other,
        Some(READ_FAILED) if is_content(system_error(error)) => Refusal::Damaged,
        Some(3182..=3186 | 3189 | 3208 | 3241..=3243 | 3254..=3256 | 9004 | 11801) => {
            Refusal::Damaged
        }
        Some(number) if OTHER.contains(&number) => Refusal::Other,
        Some(_) => Refusal::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::sample::refused;

    #[test]
    fn the_number_decides_and_that_of_the_system_where_a_read_failed() {
        let read = |system: &str| refused(READ_FAILED, &format!("Read on \"x\" failed: {system}"));
        for (error, told) in [
            (read("13(The data is invalid.)"), Refusal::Damaged),
            (read("23(Datenfehler (CRC-Prüfung).)"), Refusal::Damaged),
            (read("38(Reached the end of the file.)"), Refusal::Damaged),
            (
                read("64(The specified network name is no longer available.)"),
                Refusal::Again,
            ),
            (
                read("1117(The request could not be performed.)"),
                Refusal::Again,
            ),
            (read("no number, though 13 stands here"), Refusal::Again),
            (refused(3183, ""), Refusal::Damaged),
            (refused(11801, ""), Refusal::Damaged),
            (refused(9004, ""), Refusal::Damaged),
            (refused(3271, ""), Refusal::Again),
            (refused(4330, ""), Refusal::Again),
            (refused(3154, ""), Refusal::Again),
            (refused(9002, ""), Refusal::Other),
            (refused(3101, ""), Refusal::Other),
            (refused(TAKEN_OVER, ""), Refusal::Other),
        ] {
            assert_eq!(refusal(&error), told, "{error}");
        }
        assert!(OTHER.is_sorted());
    }
}
