//! What a door said reaches the operator whole: number, instance and the exact remedy, also from a
//! read before the run (`design.md` 3, rule 14).

use pchadr::rehearsal::world::{FaultKind, SqlFault};

use super::{BACKUP, hold};
use crate::site::{disaster, litware, terms};

#[test]
fn the_number_the_instance_and_the_remedy_of_a_refused_read_reach_the_operator() {
    for (number, remedy) in [
        (229, "sign in as a member of sysadmin on that instance"),
        (921, "the database is still starting: wait"),
        (
            15281,
            "turn on the component that the message names (sp_configure)",
        ),
        (
            18461,
            "the instance is in single-user mode; end the other connection first",
        ),
        // Of an error that nobody foresaw at least this much is true.
        (8623, "see the message and the SQL Server error log there"),
    ] {
        let held = hold(&litware(), &disaster(), &terms(), async |stage| {
            stage.simulated.world.with(|state| {
                state.faults.push(SqlFault {
                    instance: BACKUP,
                    contains: "log_shipping_secondary".to_owned(),
                    nth: 1,
                    kind: FaultKind::ErrorBefore(number),
                });
            });
        });
        held.assert_refused(
            1,
            "save-log-shipping",
            &[&format!("error {number}")],
            &[remedy],
        );
        let error = held.error();
        assert_eq!(error.number, Some(number));
        let instance = error.instance.as_deref().unwrap_or_default();
        assert!(instance.starts_with("backup (sql3"), "{instance}");
        assert_eq!(error.hint, remedy, "one cause, one remedy");
        assert_eq!(error.remedies.len(), 1);
        // Nothing stopped, so there is nothing to resume.
        assert!(!error.hint.contains("--resume"), "{}", error.hint);
    }
}
