//! What a person does next, when everything is as the runbook wants it.

use std::io::{self, Write};

use crate::model::Direction;
use crate::model::commands::spelled;
use crate::plan::Plan;

/// What the run leaves to people (`steps.md` 5.8, 5.9; `procedure.md`, "leaves out" 9).
///
/// `without`: what the run went on without, and `again`: the command that makes it up.
pub fn write_next(
    plan: &Plan,
    without: &[&str],
    again: &str,
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    let next: &[&str] = match plan.direction {
        _ if plan.beyond().is_some() && plan.taken().iter().any(|it| it.point_of_no_return) => {
            &["take the rest as soon as it can be taken: users are not served before"]
        }
        _ if plan.beyond().is_some() => &[
            "take the rest as soon as it can be taken: users are not served before",
            "or undo what was done so far: pchadr abort",
        ],
        Direction::Failover => &[
            "take log backups of the new primary, to a folder that is not the log-shipping share",
            "see that users reach chat: their Front End pool must live, and the file store must open",
            "when the first data center comes back, keep its old backup job out of the share",
        ],
        Direction::Failback => &[
            "see that users reach chat, and that the next log backups arrive on the backup",
            "remove the backup files of this run when nobody needs them any more",
        ],
        Direction::Fence => &[
            "go on with the run that stopped for it, where one did: pchadr failover --resume",
            "what was closed keeps all that it holds: copy its database files before a failback writes over it, which wants --override old-database-unreadable=REASON",
        ],
    };
    let made_up: Vec<String> = without
        .iter()
        .map(|what| format!("users are served without {what}: once it can be set up, {again}"))
        .collect();
    writeln!(out)?;
    let next = made_up
        .iter()
        .map(String::as_str)
        .chain(next.iter().copied());
    for (index, line) in next.enumerate() {
        let label = if index == 0 { "next" } else { "" };
        writeln!(out, "{label:16}{}", spelled(line))?;
    }
    Ok(())
}
