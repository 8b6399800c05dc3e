//! What an instance that refused to read a file says of it (`sql-server.md` 2.5). Numbers decide.

use super::Observed;
use crate::access::sql::{Failure, SqlError};

/// The instance cannot open the file.
const CANNOT_OPEN: u32 = 3201;

/// The file is no backup, or not a whole one (`sql-server.md` 2.5).
const NO_BACKUP: [u32; 9] = [3241, 3242, 3243, 3254, 3255, 3256, 3266, 3208, 3203];

/// A read of the file failed.
const READ_FAILED: u32 = 3203;

/// A file that cannot be opened because it is not there is absent; every other refusal is unknown.
pub(in crate::step::observe) fn refused<T: Default>(error: &SqlError) -> Observed<T> {
    // 3, a folder that is not there, is another matter: somebody has to look at the path.
    match error.number() {
        Some(CANNOT_OPEN) if system_error(error) == Some(NOT_THERE) => Observed::Absent,
        Some(_) if is_no_backup(error) => Observed::Seen(T::default()),
        _ => Observed::unseen(error),
    }
}

/// The file is no backup, or not a whole one. A read that failed says that only where the system
/// calls its content damaged.
pub(in crate::step::observe) fn is_no_backup(error: &SqlError) -> bool {
    match error.number() {
        Some(READ_FAILED) => is_content(system_error(error)),
        Some(number) => NO_BACKUP.contains(&number),
        None => false,
    }
}

/// The operating system's error: the file is not there.
const NOT_THERE: u32 = 2;

/// Whether an error of the operating system is one of what the file holds: data invalid, CRC, end of
/// file. Others are of network and disk, and pass (`sql-server.md` 2.5).
pub(in crate::step) fn is_content(system: Option<u32>) -> bool {
    matches!(system, Some(13 | 23 | 38))
}

/// The operating system's error that a message quotes; only the text has it. Its digits stand right
/// before a bracket, in every language. A path before it may hold brackets too: the last one counts.
///
/// | error | its end |
/// |---|---|
/// | 3201 | `Operating system error 2(The system cannot find the file specified.).` |
/// | 3203 | `failed: 13(The data is invalid.)` |
pub(in crate::step) fn system_error(error: &SqlError) -> Option<u32> {
    let Failure::Server { number, text, .. } = &error.failure else {
        return None;
    };
    if ![CANNOT_OPEN, READ_FAILED].contains(number) {
        return None;
    }
    let before = text.rmatch_indices('(').map(|(at, _)| &text[..at]);
    let mut numbers = before.filter_map(|it| {
        let rest = it.trim_end_matches(|c: char| c.is_ascii_digit());
        it[rest.len()..].parse().ok()
    });
    numbers.next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::sample::refused as refusal;

    #[test]
    fn the_number_of_the_system_is_read_in_every_language_and_nowhere_else() {
        let absent = "Cannot open backup device 'E:\\13(1).trn'. Operating system error 2(The system cannot find the file specified.).";
        let chinese = "无法打开备份设备 'E:\\a.trn'。出现操作系统错误 5(拒绝访问。)。";
        let french = "Échec de la lecture sur « E:\\a.trn » : 23(Erreur de données (contrôle de redondance cyclique).)";
        for (number, text, system) in [
            (3201, absent, Some(2)),
            (3201, chinese, Some(5)),
            (3203, french, Some(23)),
            (
                3203,
                "Read on \"E:\\a.trn\" failed: 1117 without a bracket",
                None,
            ),
            (3241, "the media family on 'E:\\13(1).trn'", None),
        ] {
            assert_eq!(system_error(&refusal(number, text)), system, "{text}");
        }
    }

    #[test]
    fn a_read_that_failed_is_no_answer_unless_its_content_is_damaged() {
        let told = |number, text: &str| refused::<Vec<u8>>(&refusal(number, text));
        let absent = told(
            3201,
            "Operating system error 2(Das System kann die Datei nicht finden.).",
        );
        assert_eq!(absent, Observed::Absent);
        let content = told(3203, "Read on \"x\" failed: 13(The data is invalid.)");
        assert_eq!(content, Observed::Seen(Vec::new()));
        for (number, text) in [
            (
                3203,
                "Read on \"x\" failed: 64(The specified network name is no longer available.)",
            ),
            (3203, ""),
            (
                3201,
                "Operating system error 3(The system cannot find the path specified.).",
            ),
        ] {
            assert!(told(number, text).unknown().is_some(), "{text}");
        }
    }
}
