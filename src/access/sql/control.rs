//! Reads: one control connection an instance, kept, and opened anew when it breaks.

use tokio::time::Instant;

use super::driver::Driver;
use super::error::{Failure, Fate, SqlError};
use super::table::Table;
use super::{Query, SqlDoor};
use crate::model::Instance;

/// The control connection of an instance.
#[derive(Default)]
pub(super) struct Control {
    driver: Option<Driver>,
    /// The last question to which nothing came.
    failed: Option<Failed>,
}

/// A question that failed: when, in which round, and why.
struct Failed {
    at: Instant,
    round: Option<u64>,
    failure: Failure,
}

impl Failed {
    /// True where it answers a question of that moment in that round.
    fn answers(&self, asked: Instant, round: Option<u64>) -> bool {
        self.at > asked || (round.is_some() && self.round == round && self.failure.took_the_limit())
    }
}

impl Control {
    fn fail(&mut self, round: Option<u64>, error: &SqlError) {
        self.failed = Some(Failed {
            at: Instant::now(),
            round,
            failure: error.failure.clone(),
        });
    }
}

impl SqlDoor {
    /// Reads one result set; the last one where the batch gives several.
    pub async fn read(&self, instance: Instance, query: Query<'_>) -> Result<Table, SqlError> {
        let mut tables = self.read_all(instance, query).await?;
        Ok(tables.pop().unwrap_or_default())
    }

    /// Reads every result set of a batch.
    ///
    /// A control connection that was found broken is opened anew, once: a read can be repeated. Who
    /// waited while a connect failed shares its failure, and so does who asks later in the same round
    /// where it took the limit: a dead instance costs one limit, not one for every question.
    pub async fn read_all(
        &self,
        instance: Instance,
        query: Query<'_>,
    ) -> Result<Vec<Table>, SqlError> {
        let Some(slot) = self.control.get(&instance) else {
            return Err(self.no_instance(instance, query.text));
        };
        let asked = Instant::now();
        let mut slot = slot.lock().await;
        let round = self.this_round();
        if let Some(failed) = &slot.failed
            && failed.answers(asked, round)
        {
            let failure = failed.failure.clone();
            return Err(self
                .place(instance)
                .error(query.text, failure, Fate::NotSent));
        }
        if let Some(mut driver) = slot.driver.take() {
            match self.ask(instance, &mut driver, &query).await {
                Ok(tables) => {
                    slot.driver = Some(driver);
                    return Ok(tables);
                }
                Err(error) if error.fate == Fate::Refused => {
                    slot.driver = error.keeps_connection().then_some(driver);
                    return Err(error);
                }
                // Broken or silent: one fresh connection decides. A silent server would cost a
                // second limit; it is not asked again.
                Err(error) if matches!(error.failure, Failure::TimedOut(_)) => return Err(error),
                Err(_) => {}
            }
        }
        let mut driver = match self.connect(instance, query.text).await {
            Ok(driver) => driver,
            Err(error) => {
                slot.fail(round, &error);
                return Err(error);
            }
        };
        let answer = self.ask(instance, &mut driver, &query).await;
        if answer.as_ref().err().is_none_or(SqlError::keeps_connection) {
            slot.driver = Some(driver);
        }
        answer
    }
}
