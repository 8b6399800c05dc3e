//! What a person does next, when everything is as the runbook wants it.

use std::io::{self, Write};

use crate::model::commands::spelled;
use crate::model::{DatabaseName, Direction, SharePath};
use crate::plan::Plan;
use crate::step::Step;

/// What a run leaves to people (`steps.md` 5.8, 5.9; `procedure.md`, "leaves out" 9).
#[derive(Clone, Copy, Debug)]
pub struct Next<'a> {
    direction: Direction,
    /// The compliance database, where compliance is on.
    compliance: Option<&'a DatabaseName>,
    /// Where log backups go, where the run has set them up.
    log_backups: Option<&'a SharePath>,
    /// The first data center lives, and its log shipping waits for the way home.
    planned: bool,
    reached: Reached,
}

/// Where nothing else takes them.
const TAKE_LOG_BACKUPS: &str =
    "take log backups of the new primary, to a folder that is not the log-shipping share";

/// How far the run was to go.
#[derive(Clone, Copy, Debug)]
enum Reached {
    All,
    /// A part, which can be undone.
    Part,
    /// A part, behind the point of no return.
    NoReturn,
    /// A part, and users are served.
    Served,
}

impl<'a> Next<'a> {
    /// Of a run of that plan; `compliance`: the compliance database, where compliance is on;
    /// `log_backups`: where log backups go by the site file.
    pub fn of(
        plan: &Plan,
        compliance: Option<&'a DatabaseName>,
        log_backups: Option<&'a SharePath>,
    ) -> Self {
        let taken = plan.taken();
        let recovers = taken.iter().any(|it| it.point_of_no_return);
        let serves = taken.iter().any(|it| it.step == Step::SetActiveServers);
        Self {
            direction: plan.direction,
            compliance,
            log_backups: plan.of(Step::StartLogBackups).and(log_backups),
            planned: plan.is_planned(),
            reached: match (plan.beyond(), recovers, serves) {
                (None, _, _) => Reached::All,
                (Some(_), false, _) => Reached::Part,
                (Some(_), true, false) => Reached::NoReturn,
                (Some(_), true, true) => Reached::Served,
            },
        }
    }

    /// Writes it. `without`: what the run went on without, and `again`: the command that makes it up.
    ///
    /// # Errors
    /// That `out` takes nothing.
    pub fn write(
        self,
        without: &[&str],
        again: &str,
        out: &mut (impl Write + ?Sized),
    ) -> io::Result<()> {
        let next: &[&str] = match (self.reached, self.direction) {
            (Reached::NoReturn, _) => {
                &["take the rest as soon as it can be taken: users are not served before"]
            }
            (Reached::Served, _) => &[
                "take the rest as soon as it can be taken: users are served, and it is still to do",
            ],
            (Reached::Part, _) => &[
                "take the rest as soon as it can be taken: users are not served before",
                "or undo what was done so far: pchadr abort",
            ],
            (Reached::All, Direction::Failover) if self.planned => &[
                "see that users reach chat: their Front End pool must live, and the file store must open",
                "leave the log-shipping jobs of the first data center disabled, and its chat database RESTORING; the way home is pchadr failback",
            ],
            (Reached::All, Direction::Failover) => &[
                "see that users reach chat: their Front End pool must live, and the file store must open",
                "when the first data center comes back, keep its old backup job out of the share",
            ],
            (Reached::All, Direction::Failback) => &[
                "see that users reach chat, and that the next log backups arrive on the backup",
                "remove the backup files of this run when nobody needs them any more",
            ],
            (Reached::All, Direction::Fence) => &[
                "go on with the run that stopped for it, where one did: pchadr failover --resume",
                "what was closed keeps all that it holds: copy its database files before a failback writes over it, which wants --override old-database-unreadable=REASON",
            ],
        };
        let ended = matches!(
            (self.reached, self.direction),
            (Reached::All, Direction::Failover)
        );
        let log = ended.then(|| match self.log_backups {
            None => TAKE_LOG_BACKUPS.to_owned(),
            Some(folder) => format!(
                "see that log backups of the new primary go on arriving in {folder}, and that its disk does not fill: nothing there is deleted"
            ),
        });
        let made_up: Vec<String> = without
            .iter()
            .map(|what| format!("users are served without {what}: once it can be set up, {again}"))
            .collect();
        // The vendor leaves it to the administrator (`procedure.md`, Failover).
        let adapter = self
        .compliance
        .filter(|_| ended)
        .map(|name| {
            format!("see to the output of the compliance adapter: {name} is not failed over, and what the adapter had not written out yet stayed in the first data center")
        });
        writeln!(out)?;
        let next = made_up
            .iter()
            .map(String::as_str)
            .chain(log.as_deref())
            .chain(next.iter().copied())
            .chain(adapter.as_deref());
        for (index, line) in next.enumerate() {
            let label = if index == 0 { "next" } else { "" };
            writeln!(out, "{label:16}{}", spelled(line))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn said(direction: Direction, compliance: Option<&str>) -> String {
        let name = compliance.map(|name| name.parse().unwrap());
        let next = Next {
            direction,
            compliance: name.as_ref(),
            log_backups: None,
            planned: false,
            reached: Reached::All,
        };
        let mut out = Vec::new();
        next.write(&[], "pchadr failover", &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_failover_with_compliance_leaves_the_output_of_the_adapter_to_the_operator() {
        let said = said(Direction::Failover, Some("mgccomp"));
        assert!(
            said.contains("compliance adapter: mgccomp is not"),
            "{said}"
        );
    }

    #[test]
    fn log_backups_are_left_to_the_operator_or_watched_where_a_job_takes_them() {
        let by_hand = said(Direction::Failover, None);
        assert!(
            by_hand.contains("next            take log backups of"),
            "{by_hand}"
        );
        let folder = r"D:\own".parse().unwrap();
        let next = Next {
            direction: Direction::Failover,
            compliance: None,
            log_backups: Some(&folder),
            planned: false,
            reached: Reached::All,
        };
        let mut out = Vec::new();
        next.write(&[], "pchadr failover", &mut out).unwrap();
        let watched = String::from_utf8(out).unwrap();
        assert!(!watched.contains("take log backups"), "{watched}");
        assert!(watched.contains(r"go on arriving in D:\own"), "{watched}");
    }

    #[test]
    fn nobody_without_compliance_and_no_way_home_is_sent_to_the_adapter() {
        let all = [
            said(Direction::Failover, None),
            said(Direction::Failback, Some("mgccomp")),
            said(Direction::Fence, Some("mgccomp")),
        ];
        for said in all {
            assert!(!said.contains("adapter"), "{said}");
        }
    }
}
