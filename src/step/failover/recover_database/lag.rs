//! How far behind log shipping is, and the room on the backup's disks: nothing here decides, and whoever
//! consents should know.

use jiff::SignedDuration;
use serde::Serialize;

use super::Facts;
use crate::access::Access;
use crate::model::Instance;
use crate::model::words::size;
use crate::step::observe::Observed;
use crate::step::observe::log_shipping::Secondary;
use crate::step::observe::space::{Volume, volumes};

/// What is told of it.
#[derive(Debug, Serialize)]
pub(super) struct Lag {
    /// Minutes for which log shipping keeps files; `None` where no row tells.
    retention: Option<i64>,
    volumes: Observed<Vec<Volume>>,
}

impl Lag {
    /// `rows` are those of log shipping, as they are or were kept.
    pub(super) async fn look(access: &Access, backup: Instance, rows: &[Secondary]) -> Self {
        Self {
            retention: rows.iter().find_map(|row| row.file_retention),
            volumes: volumes(access, backup).await,
        }
    }

    /// Nothing is told.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self {
            retention: None,
            volumes: Observed::Absent,
        }
    }
}

/// A line each; none of what is not known.
pub(super) fn lines(facts: &Facts) -> Vec<String> {
    let mut lines: Vec<String> = age(facts).into_iter().collect();
    lines.push(match &facts.lag.volumes {
        Observed::Seen(volumes) if !volumes.is_empty() => {
            let each = volumes.iter();
            let each = each.map(|it| format!("{} {}", it.mount, size(it.free)));
            let each: Vec<String> = each.collect();
            format!("free on the backup's volumes: {}", each.join(", "))
        }
        Observed::Unknown(why) => format!("free on the backup's volumes: not seen: {why}"),
        Observed::Seen(_) | Observed::Absent => "free on the backup's volumes: not told".to_owned(),
    });
    lines
}

/// How old the end of the chain is, against how long files are kept.
fn age(facts: &Facts) -> Option<String> {
    let end = facts.files.chain.as_ref()?.last_finished?;
    let now = facts.times.clock()?;
    // The clocks of two servers differ a little.
    let age = now.duration_since(end).max(SignedDuration::ZERO);
    let age = SignedDuration::from_secs(age.as_secs());
    let mut line = format!(
        "the last log backup of the chain was finished {end}, {age:#} before now by the clock of the backup's server"
    );
    if let Some(minutes) = facts.lag.retention {
        let kept = SignedDuration::from_mins(minutes);
        line = format!("{line}; the copy folder keeps files for {kept:#}");
        if age > kept {
            line.push_str(
                ": it stood still for longer than that, and what was never copied may be deleted",
            );
        }
    }
    Some(line)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::facts;
    use super::super::times::Times;
    use super::*;

    #[test]
    fn the_age_of_the_last_log_backup_is_a_line_of_its_own_with_how_long_files_are_kept() {
        let mut facts = facts();
        assert_eq!(age(&facts), None, "no clock, no age");
        let last = facts.files.chain.as_ref().unwrap().last_finished.unwrap();
        facts.times = Times::at(last + SignedDuration::from_hours(2));
        assert!(age(&facts).unwrap().contains("2h before now"));
        facts.lag.retention = Some(72 * 60);
        let line = age(&facts).unwrap();
        assert!(line.ends_with("keeps files for 72h"), "{line}");
        facts.times = Times::at(last + SignedDuration::from_hours(24 * 21));
        let line = age(&facts).unwrap();
        assert!(line.contains("may be deleted"), "{line}");
        facts.times = Times::at(last - SignedDuration::from_secs(3));
        assert!(age(&facts).unwrap().contains("0s before now"));
    }

    #[test]
    fn room_on_the_backups_volumes_is_told_or_that_it_is_not_seen() {
        let mut facts = facts();
        assert!(lines(&facts).concat().contains("not told"));
        facts.lag.volumes = Observed::Seen(vec![Volume {
            mount: r"E:\".to_owned(),
            free: 3 << 30,
        }]);
        assert!(lines(&facts).concat().ends_with(r"E:\ 3.0 GiB"));
        facts.lag.volumes = Observed::unseen("denied");
        assert!(lines(&facts).concat().ends_with("not seen: denied"));
    }
}
