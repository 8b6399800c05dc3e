//! Waiting for a long statement: the control connection tells whether the server still works on it
//! (`reference/tds.md` 7.2; `design.md` 9). A lost answer would be waited for for ever.

use std::time::Duration;

use super::{Failure, Fate, Query, Session, SqlError, Table};

/// Between two looks at the request.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks in a row that must find no request before its answer is called lost: the answer may be
/// under way while the first one looks.
const LOOKS: usize = 3;

/// A session whose connection was dropped is gone by then; past it, it is killed once.
const GONE_WITHIN: Duration = Duration::from_secs(15);

impl Session<'_> {
    /// Sends a batch and waits for its answer as long as the server works on it, or until `limit`;
    /// `None` = as long as it takes. `progress` hears the percent complete, where the server says it.
    ///
    /// # Errors
    /// Those of [`Session::send`]. When the server no longer works on the batch and no answer came,
    /// or when the limit is past, the connection is dropped and the outcome is unknown.
    pub async fn send_watched(
        &mut self,
        batch: &str,
        limit: Option<Duration>,
        progress: &(dyn Fn(f64) + Send + Sync),
    ) -> Result<Vec<Table>, SqlError> {
        let answer = self.wait(batch, limit, progress).await;
        if let (Err(error), Some(spid)) = (&answer, self.spid)
            && error.fate == Fate::Unknown
        {
            // What still runs for the lost connection must end before the site is looked at.
            let login_time = self.login_time().map(str::to_owned);
            self.door
                .watch_gone(self.instance, spid, login_time.as_deref(), GONE_WITHIN)
                .await;
        }
        answer
    }

    async fn wait(
        &mut self,
        batch: &str,
        limit: Option<Duration>,
        progress: &(dyn Fn(f64) + Send + Sync),
    ) -> Result<Vec<Table>, SqlError> {
        let (door, instance) = (self.door, self.instance);
        let place = door.place(instance);
        let lost = |failure| place.error(batch, failure, Fate::Unknown);
        let Some(spid) = self.spid else {
            // Nothing to look for: only the limit can end it.
            let sending = self.send(batch);
            return match limit {
                None => sending.await,
                Some(limit) => tokio::time::timeout(limit, sending)
                    .await
                    .unwrap_or_else(|_| Err(lost(Failure::TimedOut(limit)))),
            };
        };
        let began = tokio::time::Instant::now();
        let mut gone = 0;
        let sending = self.send(batch);
        tokio::pin!(sending);
        loop {
            let past = limit.map(|limit| limit.saturating_sub(began.elapsed()));
            let pause = past.map_or(LOOK_EVERY, |past| past.min(LOOK_EVERY));
            match tokio::time::timeout(pause, &mut sending).await {
                Ok(answer) => return answer,
                Err(_) if past.is_some_and(|past| past <= pause) => {
                    return Err(lost(Failure::TimedOut(limit.unwrap_or_default())));
                }
                Err(_) => {}
            }
            // The look must not keep the answer waiting.
            let spid = spid.to_string();
            let look = door.read(instance, Query::of(REQUEST, &spid));
            tokio::select! {
                biased;
                answer = &mut sending => return answer,
                looked = look => match looked {
                    Ok(table) if table.is_empty() => gone += 1,
                    Ok(table) => {
                        gone = 0;
                        if let Some(percent) =
                            table.rows().find_map(|row| row.float("percent_complete"))
                        {
                            progress(percent);
                        }
                    }
                    // It cannot be told: the next look may.
                    Err(_) => {}
                },
            }
            if gone >= LOOKS {
                return Err(lost(Failure::Cut(
                    "the server no longer works on it, and its answer never came".to_owned(),
                )));
            }
        }
    }
}

const REQUEST: &str = include_str!("../../sql/request.sql");
