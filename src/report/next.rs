//! What a person does next, when everything is as the runbook wants it.

use std::io::{self, Write};

use crate::model::Direction;
use crate::model::commands::spelled;

/// What the run leaves to people (`steps.md` 5.8, 5.9; `procedure.md`, "leaves out" 9).
pub fn write_next(direction: Direction, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let next: &[&str] = match direction {
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
    writeln!(out)?;
    for (index, line) in next.iter().enumerate() {
        let label = if index == 0 { "next" } else { "" };
        writeln!(out, "{label:16}{}", spelled(line))?;
    }
    Ok(())
}
