//! Hands: what a step acts with. Every command is one of the plan, and is recorded, durably,
//! before it is sent (`design.md` 3, rules 5 and 9).

use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::command::{Command, Key, Unbound, Values};
use super::fencing::TAKEN_OVER;
use super::guard::Guard;
use super::handoff::Handoff;
use super::ledger::{Ledger, Progress, Said, Unit, Unwritable};
use crate::access::Access;
use crate::access::copy::{CopyError, Gate};
use crate::access::powershell::{Answer, Call, CmdletError, Failure, ProcessId};
use crate::access::shares::ShareError;
use crate::access::sql::{Session, SqlError, Table};
use crate::model::{Instance, IntoRemedies, Place, Problem, Remedy};
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
    /// The site is not held any more: it was not sent.
    #[error("{0}")]
    NotHeld(Problem),
    /// The operator's stop.
    #[error("stopped by the operator")]
    Stopped,
    /// Anything else.
    #[error("{0}")]
    Other(Problem),
    /// It ended before anything was sent.
    #[error("{0}")]
    NotSent(Problem),
    /// The server refused it: nothing of it takes effect later.
    #[error("{0}")]
    Refused(Problem),
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
            Self::Copy(CopyError::Differs { .. } | CopyError::Grew { .. }) => {
                Problem::new(self.to_string(), "see who writes that file")
            }
            Self::Unbound(_) => Problem::new(
                self.to_string(),
                "this is a defect of pchadr; keep the run folder",
            ),
            Self::Ledger(_) => Problem::new(
                self.to_string(),
                "make room in the run folder, or see its rights",
            )
            .at(Place::ThisMachine),
            // The operator's own will: there is nothing to mend.
            Self::Stopped | Self::Copy(CopyError::Stopped { .. }) => {
                Problem::new(self.to_string(), Remedy::GoOn)
            }
            Self::NotHeld(problem)
            | Self::NotSent(problem)
            | Self::Refused(problem)
            | Self::Copy(CopyError::NotHeld(problem))
            | Self::Other(problem) => problem.clone(),
        }
    }
}

/// What the executor lends a step, or its undoing.
pub struct Means<'a> {
    /// Id of the step.
    pub step: &'static str,
    /// What it may send, as the plan shows it.
    pub commands: &'a [Command],
    /// Where commands are recorded.
    pub ledger: &'a dyn Ledger,
    /// What holds the site.
    pub guard: &'a dyn Guard,
    /// The operator's stop.
    pub stop: &'a CancellationToken,
    /// Time limits.
    pub limits: &'a Limits,
    /// Landed files, where `copy-backups` and `apply-logs` run together.
    pub handoff: Option<&'a Handoff>,
}

impl<'a> Means<'a> {
    /// Hands for the commands that a step has: each is the one of the plan that is the same.
    pub(super) fn hands<K: Key>(&self, commands: Vec<(K, Command)>) -> Hands<'a, K> {
        let both = commands.into_iter().zip(self.commands);
        let same =
            both.filter(|((_, own), planned)| own.kind == planned.kind && own.text == planned.text);
        Hands {
            step: self.step,
            commands: same.map(|((key, _), planned)| (key, planned)).collect(),
            ledger: self.ledger,
            guard: self.guard,
            stop: self.stop,
            limits: self.limits,
            handoff: self.handoff,
        }
    }
}

/// What a step acts with.
pub(super) struct Hands<'a, K> {
    step: &'static str,
    /// The plan's commands by what the step calls them.
    commands: Vec<(K, &'a Command)>,
    pub(super) ledger: &'a dyn Ledger,
    guard: &'a dyn Guard,
    pub(super) stop: &'a CancellationToken,
    limits: &'a Limits,
    pub(super) handoff: Option<&'a Handoff>,
}

impl<'a, K: Key> Hands<'a, K> {
    fn command(&self, key: K) -> Result<&'a Command, StepError> {
        let mut commands = self.commands.iter();
        let found = commands.find(|(known, _)| *known == key);
        found.map(|(_, command)| *command).ok_or_else(|| {
            StepError::other(
                format!("the plan has no command {key:?} of step `{}`", self.step),
                "this is a defect of pchadr; keep the run folder",
            )
        })
    }

    /// Records that a command is about to be sent, for each of these values, as one record.
    pub(super) fn announce_each(&self, key: K, each: &[Values]) -> Result<(), StepError> {
        let command = self.command(key)?;
        // What cannot be bound is refused before anything of it is sent.
        for values in each {
            command.bind(values)?;
        }
        let values = each
            .iter()
            .map(|values| Value::Object(values.clone().into_iter().collect()))
            .collect();
        self.ledger
            .command(self.step, command.n, Value::Array(values))?;
        Ok(())
    }

    /// Records that a command is about to be sent.
    pub(super) fn announce(&self, key: K, values: &Values) -> Result<(), StepError> {
        let command = self.command(key)?;
        command.bind(values)?;
        let record = Value::Object(values.clone().into_iter().collect());
        self.ledger.command(self.step, command.n, record)?;
        Ok(())
    }

    /// Sends a batch that was announced, and shows how far the server is with it.
    pub(super) async fn send_announced(
        &self,
        session: &mut Session<'_>,
        key: K,
        values: &Values,
    ) -> Result<Vec<Table>, StepError> {
        let show = |percent| self.progress(percent, 100, Unit::Percent, "");
        self.send_shown(session, key, values, &show).await
    }

    /// Sends a batch that was announced. `show` hears the percent complete, from 0 to 100, where the
    /// server says it.
    pub(super) async fn send_shown(
        &self,
        session: &mut Session<'_>,
        key: K,
        values: &Values,
        show: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Vec<Table>, StepError> {
        let command = self.command(key)?;
        let batch = command.bind(values)?;
        let limit = if command.is_long {
            self.limits.restore
        } else {
            Some(self.limits.stall)
        };
        let show = |percent: f64| show(whole_percent(percent));
        let batch = self.guarded(Some(session.instance())).await? + &batch;
        let sent = Box::pin(session.send_watched(&batch, limit, &show)).await;
        if matches!(&sent, Err(error) if error.number() == Some(TAKEN_OVER)) {
            self.guard.taken_over();
        }
        Ok(sent?)
    }

    /// Announces and sends a batch.
    pub(super) async fn send(
        &self,
        session: &mut Session<'_>,
        key: K,
        values: &Values,
    ) -> Result<Vec<Table>, StepError> {
        self.announce(key, values)?;
        self.send_announced(session, key, values).await
    }

    /// Announces a batch and sends it to an instance, on a session of its own.
    pub(super) async fn send_at(
        &self,
        access: &Access,
        instance: Instance,
        key: K,
        values: &Values,
    ) -> Result<(), StepError> {
        let mut session = Box::pin(access.sql.open(instance)).await?;
        self.send(&mut session, key, values).await.map(|_| ())
    }

    /// Calls a cmdlet that was announced.
    pub(super) async fn call_announced(
        &self,
        access: &Access,
        key: K,
        values: &Values,
    ) -> Result<(), StepError> {
        self.call_limited(access, key, values, None).await
    }

    async fn call_limited(
        &self,
        access: &Access,
        key: K,
        values: &Values,
        limit: Option<Duration>,
    ) -> Result<(), StepError> {
        let Some((cmdlet, parameters)) = self.command(key)?.bind_parameters(values)? else {
            return Err(StepError::other(
                format!("command {key:?} of step `{}` is no cmdlet", self.step),
                "",
            ));
        };
        self.guarded(None).await?;
        let unwritable = OnceLock::new();
        let may = |process: &ProcessId| match self.ledger.powershell(process) {
            Ok(()) => true,
            Err(error) => {
                let _ = unwritable.set(error);
                false
            }
        };
        let call = Call {
            cmdlet,
            parameters,
            properties: &[],
            limit,
        };
        let called = access.powershell.call_told(call, &may).await;
        if let Some(error) = unwritable.into_inner() {
            return Err(error.into());
        }
        let said = said(cmdlet, &called);
        if said != Said::default() {
            self.ledger.said(self.step, said)?;
        }
        Ok(called.map(|_| ())?)
    }

    /// Announces and calls a cmdlet.
    pub(super) async fn call(
        &self,
        access: &Access,
        key: K,
        values: &Values,
    ) -> Result<(), StepError> {
        self.announce(key, values)?;
        self.call_announced(access, key, values).await
    }

    /// Announces and calls a cmdlet that takes longer than the others.
    pub(super) async fn call_within(
        &self,
        access: &Access,
        key: K,
        values: &Values,
        limit: Duration,
    ) -> Result<(), StepError> {
        self.announce(key, values)?;
        self.call_limited(access, key, values, Some(limit)).await
    }

    /// Source and target of a copy.
    pub(super) fn copy_paths(
        &self,
        key: K,
        values: &Values,
    ) -> Result<(String, String), StepError> {
        self.command(key)?.bind_copy(values)?.ok_or_else(|| {
            StepError::other(
                format!("command {key:?} of step `{}` is no copy", self.step),
                "",
            )
        })
    }

    async fn guarded(&self, at: Option<Instance>) -> Result<String, StepError> {
        self.guard.before(at).await.map_err(StepError::NotHeld)
    }

    /// The operator's stop, at a safe point.
    pub(super) fn check_stop(&self) -> Result<(), StepError> {
        if self.stop.is_cancelled() {
            Err(StepError::Stopped)
        } else {
            Ok(())
        }
    }

    /// Shows how far the step is.
    pub(super) fn progress(&self, done: u64, total: u64, unit: Unit, detail: impl Into<String>) {
        self.ledger.progress(Progress {
            step: self.step.to_owned(),
            done,
            total,
            unit,
            detail: detail.into(),
        });
    }
}

/// What a cmdlet said besides its objects; nothing where it said nothing.
fn said(cmdlet: &str, called: &Result<Answer, CmdletError>) -> Said {
    let (errors, warnings) = match called {
        Ok(answer) => (Vec::new(), answer.warnings.clone()),
        Err(error) => {
            let mut errors = error.further.clone();
            if let Failure::Refused { message, .. } = &error.failure {
                errors.insert(0, message.clone());
            }
            (errors, error.warnings.clone())
        }
    };
    if errors.is_empty() && warnings.is_empty() {
        return Said::default();
    }
    Said {
        cmdlet: cmdlet.to_owned(),
        errors,
        warnings,
    }
}

impl<K: Key> Gate for Hands<'_, K> {
    fn pass(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async { self.guard.before(None).await.map(|_| ()) })
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
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;
    use crate::model::{Document, Role};
    use crate::step::ledger::Unwritable;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Key {
        Disable,
        Stop,
        Start,
    }

    /// What was recorded: number and values.
    #[derive(Default)]
    struct Heard(Mutex<Vec<(usize, Value)>>);

    impl Ledger for Heard {
        fn command(&self, _step: &str, n: usize, values: Value) -> Result<(), Unwritable> {
            self.0.lock().unwrap().push((n, values));
            Ok(())
        }

        fn powershell(&self, _process: &ProcessId) -> Result<(), Unwritable> {
            Ok(())
        }

        fn said(&self, _step: &str, _said: Said) -> Result<(), Unwritable> {
            Ok(())
        }

        fn progress(&self, _progress: Progress) {}

        fn keep(&self, _document: Document, _bytes: &[u8]) -> Result<(), Unwritable> {
            Ok(())
        }

        fn kept(&self, _document: Document) -> Result<Option<Vec<u8>>, Unwritable> {
            Ok(None)
        }
    }

    fn list() -> Vec<(Key, Command)> {
        let send = |text: &str| Command::tsql(Role::Backup, "sql3", text, Vec::new());
        vec![
            send("EXEC disable;").keyed(Key::Disable),
            send("EXEC stop;").keyed(Key::Stop),
            send("EXEC start;").keyed(Key::Start),
        ]
    }

    #[test]
    fn a_command_is_recorded_by_its_number_in_the_plan_and_one_that_the_plan_lacks_is_refused() {
        let mut planned = crate::step::command::unkeyed(list());
        // Numbered behind the step's own, as what undoes a step is; the last one is another.
        for (n, command) in (5..).zip(&mut planned) {
            command.n = n;
        }
        planned[2].text = "EXEC something_else;".to_owned();
        let (heard, stop) = (Heard::default(), CancellationToken::new());
        let site = crate::step::sample::site();
        let means = Means {
            step: "stop-log-shipping-jobs",
            commands: &planned,
            ledger: &heard,
            guard: &crate::step::guard::Unguarded,
            stop: &stop,
            limits: &site.limits,
            handoff: None,
        };
        let hands = means.hands(list());
        hands.announce(Key::Stop, &Values::new()).unwrap();
        let refused = hands.announce(Key::Start, &Values::new()).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("no command Start of step `stop-log-shipping-jobs`"),
            "{refused}"
        );
        assert_eq!(*heard.0.lock().unwrap(), [(6, json!({}))]);
    }

    #[test]
    fn a_percentage_from_outside_stays_between_0_and_100() {
        let said = [-3.0, 0.4, 62.9, 250.0, f64::NAN, f64::INFINITY];
        assert_eq!(said.map(whole_percent), [0, 0, 62, 100, 0, 100]);
    }
}
