//! Hands: what a step acts with. Every command is one of the plan, and is recorded, durably,
//! before it is sent (DESIGN 3, rules 5 and 9).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::command::{Command, Unbound, Values};
use super::ledger::{Ledger, Progress, Unit, Unwritable};
use crate::access::Access;
use crate::access::copy::CopyError;
use crate::access::powershell::{Call, CmdletError};
use crate::access::shares::ShareError;
use crate::access::sql::{Session, SqlError, Table};
use crate::model::{IntoRemedies, Place, Problem};
use crate::site::Limits;

/// Why an act ended early. It decides nothing: the next observation does.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// SQL Server.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A cmdlet.
    #[error(transparent)]
    Cmdlet(#[from] CmdletError),
    /// A copy.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A share.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A defect: the command has no such hole, or no such number.
    #[error(transparent)]
    Unbound(#[from] Unbound),
    /// The journal cannot be written.
    #[error(transparent)]
    Ledger(#[from] Unwritable),
    /// The operator's stop.
    #[error("stopped by the operator")]
    Stopped,
    /// Anything else.
    #[error("{0}")]
    Other(Problem),
}

impl StepError {
    /// An error of the step's own.
    pub(crate) fn other(why: impl Into<Problem>, mend: impl IntoRemedies) -> Self {
        let mut problem = why.into();
        if problem.remedies.is_empty() {
            problem.remedies = mend.into_remedies();
        }
        Self::Other(problem)
    }

    /// What failed, why, what to do.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Sql(error) => error.into(),
            Self::Cmdlet(error) => error.into(),
            Self::Copy(CopyError::Share(error)) | Self::Share(error) => error.into(),
            Self::Copy(
                CopyError::Differs { .. } | CopyError::Grew { .. } | CopyError::Stopped { .. },
            ) => Problem::new(self.to_string(), "see who writes that file"),
            Self::Unbound(_) => Problem::new(
                self.to_string(),
                "this is a defect of pchadr; keep the run folder",
            ),
            Self::Ledger(_) => Problem::new(
                self.to_string(),
                "make room in the run folder, or see its rights",
            )
            .at(Place::ThisMachine),
            Self::Stopped => Problem::new(self.to_string(), ""),
            Self::Other(problem) => problem.clone(),
        }
    }
}

/// Which source files have landed in the copy folder, and under which name: passed from
/// `copy-backups` to `apply-logs` while both run.
#[derive(Default)]
pub struct Handoff {
    state: Mutex<Landed>,
    changed: Notify,
}

#[derive(Default)]
struct Landed {
    files: HashMap<String, String>,
    closed: bool,
}

impl Handoff {
    /// A file landed.
    pub fn land(&self, source: &str, name: &str) {
        self.lock().files.insert(source.to_owned(), name.to_owned());
        self.changed.notify_waiters();
    }

    /// No more files will land.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// Waits until a file has landed, and gives its name; `None` when it never will.
    pub async fn wait(&self, source: &str) -> Option<String> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let landed = self.lock();
                if let Some(name) = landed.files.get(source) {
                    return Some(name.clone());
                }
                if landed.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Landed> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a step acts with.
pub struct Hands<'a> {
    /// Its id.
    pub step: &'static str,
    /// Its commands, as the plan shows them.
    pub commands: &'a [Command],
    /// Where commands are recorded.
    pub ledger: &'a dyn Ledger,
    /// The operator's stop.
    pub stop: &'a CancellationToken,
    /// Time limits.
    pub limits: &'a Limits,
    /// Landed files, where `copy-backups` and `apply-logs` run together.
    pub handoff: Option<&'a Handoff>,
}

impl Hands<'_> {
    fn command(&self, n: usize) -> Result<&Command, StepError> {
        self.commands
            .get(n.wrapping_sub(1))
            .ok_or_else(|| StepError::other(format!("step `{}` has no command {n}", self.step), ""))
    }

    /// Records that a command is about to be sent, for each of these values, as one record.
    pub fn announce_each(&self, n: usize, each: &[Values]) -> Result<(), StepError> {
        let command = self.command(n)?;
        // What cannot be bound is refused before anything of it is sent.
        for values in each {
            command.bind(values)?;
        }
        let values = each
            .iter()
            .map(|values| Value::Object(values.clone().into_iter().collect()))
            .collect();
        self.ledger.command(self.step, n, Value::Array(values))?;
        Ok(())
    }

    /// Records that a command is about to be sent.
    pub fn announce(&self, n: usize, values: &Values) -> Result<(), StepError> {
        self.command(n)?.bind(values)?;
        let record = Value::Object(values.clone().into_iter().collect());
        self.ledger.command(self.step, n, record)?;
        Ok(())
    }

    /// Sends a batch that was announced, and shows how far the server is with it.
    pub async fn send_announced(
        &self,
        session: &mut Session<'_>,
        n: usize,
        values: &Values,
    ) -> Result<Vec<Table>, StepError> {
        let show = |percent| self.progress(percent, 100, Unit::Percent, "");
        self.send_shown(session, n, values, &show).await
    }

    /// Sends a batch that was announced. `show` hears the percent complete, from 0 to 100, where the
    /// server says it.
    pub async fn send_shown(
        &self,
        session: &mut Session<'_>,
        n: usize,
        values: &Values,
        show: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Vec<Table>, StepError> {
        let batch = self.command(n)?.bind(values)?;
        // A restore or a backup may take hours; what else there is to send ends soon.
        let is_long = ["RESTORE ", "BACKUP "]
            .iter()
            .any(|verb| batch.contains(verb));
        let limit = if is_long {
            self.limits.restore
        } else {
            Some(self.limits.stall)
        };
        let show = |percent: f64| show(whole_percent(percent));
        Ok(Box::pin(session.send_watched(&batch, limit, &show)).await?)
    }

    /// Announces and sends a batch.
    pub async fn send(
        &self,
        session: &mut Session<'_>,
        n: usize,
        values: &Values,
    ) -> Result<Vec<Table>, StepError> {
        self.announce(n, values)?;
        self.send_announced(session, n, values).await
    }

    /// Calls a cmdlet that was announced.
    pub async fn call_announced(
        &self,
        access: &Access,
        n: usize,
        values: &Values,
    ) -> Result<(), StepError> {
        self.call_limited(access, n, values, None).await
    }

    async fn call_limited(
        &self,
        access: &Access,
        n: usize,
        values: &Values,
        limit: Option<Duration>,
    ) -> Result<(), StepError> {
        let Some((cmdlet, parameters)) = self.command(n)?.bind_parameters(values)? else {
            return Err(StepError::other(
                format!("command {n} of step `{}` is no cmdlet", self.step),
                "",
            ));
        };
        access
            .powershell
            .call(Call {
                cmdlet,
                parameters,
                properties: &[],
                limit,
            })
            .await?;
        Ok(())
    }

    /// Announces and calls a cmdlet.
    pub async fn call(&self, access: &Access, n: usize, values: &Values) -> Result<(), StepError> {
        self.announce(n, values)?;
        self.call_announced(access, n, values).await
    }

    /// Announces and calls a cmdlet that takes longer than the others.
    pub async fn call_within(
        &self,
        access: &Access,
        n: usize,
        values: &Values,
        limit: Duration,
    ) -> Result<(), StepError> {
        self.announce(n, values)?;
        self.call_limited(access, n, values, Some(limit)).await
    }

    /// Source and target of a copy.
    pub fn copy_paths(&self, n: usize, values: &Values) -> Result<(String, String), StepError> {
        self.command(n)?.bind_copy(values)?.ok_or_else(|| {
            StepError::other(
                format!("command {n} of step `{}` is no copy", self.step),
                "",
            )
        })
    }

    /// The operator's stop, at a safe point.
    pub fn check_stop(&self) -> Result<(), StepError> {
        if self.stop.is_cancelled() {
            Err(StepError::Stopped)
        } else {
            Ok(())
        }
    }

    /// Shows how far the step is.
    pub fn progress(&self, done: u64, total: u64, unit: Unit, detail: impl Into<String>) {
        self.ledger.progress(Progress {
            step: self.step.to_owned(),
            done,
            total,
            unit,
            detail: detail.into(),
        });
    }
}

/// What the server says of its work, from 0 to 100.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "kept between 0 and 100; what is no number becomes 0"
)]
fn whole_percent(percent: f64) -> u64 {
    percent.clamp(0.0, 100.0) as u64
}

#[cfg(test)]
mod tests {
    use super::whole_percent;

    #[test]
    fn a_percentage_from_outside_stays_between_0_and_100() {
        let said = [-3.0, 0.4, 62.9, 250.0, f64::NAN, f64::INFINITY];
        assert_eq!(said.map(whole_percent), [0, 0, 62, 100, 0, 100]);
    }
}
