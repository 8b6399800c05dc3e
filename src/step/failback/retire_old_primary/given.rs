//! What a planned failover left: the primary closed by the end of its log, which the backup was given
//! before it was recovered (`steps.md` 6.8). Nothing of it is only there.

use crate::model::states::DatabaseState;
use crate::model::{Instance, Role};
use crate::step::Context;
use crate::step::observe::Observed;
use crate::step::observe::backups::log_backups;
use crate::step::observe::database::{Database, RedoStart, Restored, history, redo_start};

/// Whether what stands there, RESTORING, is a primary whose log ended where the last set that was restored
/// on the backup does; or, on its mirror, the copy that it left. `family`: that of the backup.
pub(super) async fn was_given(
    cx: Context<'_>,
    role: Role,
    database: &Observed<Database>,
    family: Option<&str>,
) -> bool {
    let rests = |row: &Database| row.state == DatabaseState::Restoring && row.mirroring.is_none();
    if !database.seen().is_some_and(rests) {
        return false;
    }
    let (access, name) = (cx.access, &cx.site.database.chat);
    let [primary, backup] = [Role::Primary, Role::Backup].map(Instance::chat);
    let ended = redo_start(access, primary, name).await;
    let given = history(access, backup, name).await;
    let (Some(ended), Some(family)) = (ended.seen(), family) else {
        return false;
    };
    let last = given.seen().and_then(|rows| rows.first());
    if !last.is_some_and(|set| is_the_end(ended, set, family)) {
        return false;
    }
    // The mirror was no principal since: it took no log backup beyond that end.
    let here = Instance::chat(role);
    let own = log_backups(access, here, name).await;
    let within = own
        .seen()
        .map(|logs| logs.iter().all(|log| log.last_lsn <= ended.lsn));
    own.is_absent() || within == Some(true)
}

/// Whether that set is what a log ended with.
fn is_the_end(ended: &RedoStart, set: &Restored, family: &str) -> bool {
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let of_family = set.family.as_deref().is_some_and(|it| same(it, family));
    let forks = ended.fork.as_deref().zip(set.fork.as_deref());
    let on_fork = forks.is_none_or(|(one, other)| same(one, other));
    set.kind.trim() == "L" && set.last_lsn == Some(ended.lsn) && of_family && on_fork
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::Lsn;

    #[test]
    fn only_the_last_set_that_the_backup_was_given_says_that_it_has_all_of_the_primary() {
        let ended = RedoStart {
            lsn: Lsn::new(40, 20, 1),
            fork: Some("FORK".to_owned()),
        };
        let set = || Restored {
            kind: "L".to_owned(),
            recovered: false,
            first_lsn: Some(Lsn::new(40, 10, 1)),
            last_lsn: Some(Lsn::new(40, 20, 1)),
            family: Some("FAMILY".to_owned()),
            fork: Some("fork".to_owned()),
            created: None,
            finished: None,
            restored_at: None,
            hours_ago: None,
        };
        assert!(is_the_end(&ended, &set(), "family"));
        let last_lsn = Some(Lsn::new(40, 19, 1));
        for other in [
            Restored { last_lsn, ..set() },
            Restored {
                last_lsn: None,
                ..set()
            },
            Restored {
                kind: "D".to_owned(),
                ..set()
            },
            Restored {
                family: None,
                ..set()
            },
            Restored {
                fork: Some("OTHER".to_owned()),
                ..set()
            },
        ] {
            assert!(!is_the_end(&ended, &other, "family"), "{other:?}");
        }
        assert!(!is_the_end(&ended, &set(), "another"));
    }
}
