//! A PowerShell that goes on although the execution that sent to it was killed: its cmdlet is heard out
//! before anything is looked at, so that it is never sent a second time beside it.

use std::time::Duration;

use super::turn::stopped_by_operator;
use super::{Execution, Halt};
use crate::access::powershell::ProcessId;
use crate::model::{Place, Problem, Remedy};
use crate::run::event::{Event, ProcessIs};
use crate::run::exit::Exit;
use crate::run::fold::PowerShellAt;
use crate::run::journal::JournalError;
use crate::step::Step;
use crate::step::ledger::{LOOK, Ledger as _, Progress, Unit};

/// Between two looks at it.
const POLL: Duration = Duration::from_secs(1);

/// How long one that was made to end may take for it.
const LAST: u32 = 10;

impl Execution<'_> {
    /// Waits until the PowerShell of an execution that was killed on this machine has ended, at most as
    /// long as that execution would have waited for it, then ends it.
    pub(super) async fn hear_out(&self) -> Result<Option<Halt>, JournalError> {
        let (Some(state), Some(step)) = (self.ledger.state(), self.under_way()) else {
            return Ok(None);
        };
        let Some(PowerShellAt { process, .. }) = state
            .powershell()
            .filter(|it| !it.is_ours && it.host == self.who.host)
        else {
            return Ok(None);
        };
        let is_there = || self.access.powershell.is_there(process);
        let limits = &self.site.limits;
        let limit = step.limit(self.site).unwrap_or(limits.powershell);
        let began = tokio::time::Instant::now();
        while is_there() && began.elapsed() < limit {
            if self.stop.is_cancelled() {
                return Ok(Some(stopped_by_operator(step)));
            }
            self.show_outlived(process);
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = self.stop.cancelled() => {}
            }
        }
        let mut is = ProcessIs::Gone;
        if is_there() {
            self.access.powershell.end(process);
            is = ProcessIs::Ended;
        }
        for _ in 0..LAST {
            if !is_there() {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        if is_there() {
            return Ok(Some(does_not_end(step, process)));
        }
        self.ledger.record(Event::PowerShell {
            process: process.number,
            since: process.since.clone(),
            is,
        })?;
        Ok(None)
    }

    fn show_outlived(&self, process: &ProcessId) {
        self.ledger.progress(Progress {
            step: LOOK.to_owned(),
            done: 0,
            total: 0,
            unit: Unit::Waiting,
            detail: format!(
                "a cmdlet of the execution before is still running, process {}",
                process.number
            ),
        });
    }
}

fn does_not_end(step: Step, process: &ProcessId) -> Halt {
    let number = process.number;
    let problem = Problem::new(
        format!("PowerShell process {number} of the execution before does not end"),
        vec![
            Remedy::to_do(format!("end process {number} on this machine")),
            Remedy::GoOn,
        ],
    );
    Halt::of_look(step, Exit::Stopped, problem.at(Place::ThisMachine))
}
