//! The figures of a run: how long it took, when users were served again (RTO), what is lost (RPO). Each
//! is what the record says; what it does not say is told as not known, with the reason.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Serialize;
use serde_json::Value;

use super::account::{Account, StepAccount};
use super::downtime;
use super::duration::{humanize, humanize_at_most};
use crate::model::Direction;
use crate::run::event::StepOutcome;

/// The step behind which users are served, of both directions.
const SERVES: &str = "set-active-servers";

/// The figures of a run, as far as its record has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Seconds of all executions together.
    pub elapsed_seconds: Option<u64>,
    /// Seconds from the beginning of the run until users were served.
    pub service_seconds: Option<u64>,
    /// Seconds from the disaster, as it was typed, until users were served. Right where the clocks of
    /// both data centers show the same time.
    pub since_disaster_seconds: Option<u64>,
    /// When the first data center was lost, as it was typed, by the clock of its servers.
    pub disaster_at: Option<DateTime>,
    /// Seconds of chat that are lost, at most.
    pub loss_seconds: Option<u64>,
    /// When the last log backup that was applied had been finished, by the clock of the primary.
    pub last_log_finished: Option<DateTime>,
    /// Where the log ended that was applied.
    pub last_log_lsn: Option<String>,
    /// Seconds without chat, of a failback that is done.
    pub downtime_seconds: Option<u64>,
    #[serde(skip)]
    serves: Serves,
    #[serde(skip)]
    is_part: bool,
}

/// Whether the run served users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Serves {
    /// It moves nobody: it has no such step, or goes the other way.
    #[default]
    NotAsked,
    /// It did.
    Did,
    /// They were served before it.
    Before,
    /// It did not come so far.
    NotReached,
}

impl Figures {
    /// Those of an account.
    pub fn of(account: &Account) -> Self {
        let direction = account.direction();
        let (serves, served_at) = served(account, direction);
        let began = account.began.filter(|_| serves == Serves::Did);
        let mut figures = Self {
            elapsed_seconds: elapsed(account),
            service_seconds: began
                .zip(served_at)
                .and_then(|(from, to)| between(from, to)),
            downtime_seconds: downtime::measured(account)
                .map(|parts| downtime::whole(&parts).as_secs()),
            serves,
            is_part: account
                .started
                .as_ref()
                .is_some_and(|it| it.continues.is_some()),
            ..Self::default()
        };
        if direction == Some(Direction::Failover) {
            figures.of_loss(account, served_at);
        }
        figures
    }

    fn of_loss(&mut self, account: &Account, served_at: Option<Timestamp>) {
        let recovery = account.step("recover-database").map(|(_, step)| step);
        let look = recovery.and_then(|step| step.before.as_ref());
        if let Some(look) = look {
            let time = |pointer| civil(look.facts.pointer(pointer));
            self.last_log_finished = time("/files/chain/last_finished");
            let lsn = look.facts.pointer("/files/chain/to");
            self.last_log_lsn = lsn.and_then(Value::as_str).map(str::to_owned);
            self.disaster_at = time("/times/disaster_at");
            let clock = time("/times/clock/seen");
            if let (Some(disaster), Some(clock), Some(served)) =
                (self.disaster_at, clock, served_at)
            {
                let before = clock.duration_since(disaster).as_secs();
                let after = served.duration_since(look.at).as_secs();
                self.since_disaster_seconds = u64::try_from(before + after).ok();
            }
        }
        let ends = account.executions.iter().rev();
        let mut ends = ends.filter_map(|it| it.finished.as_ref());
        let told = ends.find_map(|it| it.loss_seconds);
        // A run that was killed behind its recovery has no end that says it.
        let acted = recovery.is_some_and(|step| !step.spans.is_empty());
        let times = self.disaster_at.zip(self.last_log_finished);
        let seen = times.map(|(lost, last)| lost.duration_since(last).as_secs());
        let loss = told.or(seen.filter(|_| acted));
        self.loss_seconds = loss.and_then(|seconds| u64::try_from(seconds).ok());
    }

    /// How long the run took.
    pub fn time(&self) -> String {
        self.elapsed_seconds
            .map_or_else(|| "not known: the record has no end".to_owned(), words)
    }

    /// When users were served (RTO).
    pub fn service(&self) -> Option<String> {
        let of = if self.is_part { "this part" } else { "the run" };
        Some(match (self.serves, self.service_seconds) {
            (Serves::NotAsked, _) => return None,
            (Serves::Before, _) => format!("users were served before {of} began"),
            (Serves::NotReached, _) => format!("users were not served by {of}"),
            (Serves::Did, None) => "not known: the record does not say when".to_owned(),
            (Serves::Did, Some(seconds)) => {
                format!("{}, from the beginning of {of}", words(seconds))
            }
        })
    }

    /// When users were served, counted from the disaster.
    pub fn since_disaster(&self) -> Option<String> {
        if self.serves != Serves::Did {
            return None;
        }
        Some(match (self.since_disaster_seconds, self.disaster_at) {
            (Some(seconds), Some(at)) => format!(
                "{}, from {} as it was typed, where the clocks of both data centers show the same time",
                words(seconds),
                at.strftime("%Y-%m-%d %H:%M:%S")
            ),
            _ => "not known: the record does not say when the disaster was (--disaster-at)"
                .to_owned(),
        })
    }

    /// What is lost (RPO).
    pub fn loss(&self, account: &Account) -> Option<String> {
        if account.direction() != Some(Direction::Failover) {
            return None;
        }
        let recovered = account.step("recover-database");
        let acted = recovered.is_some_and(|(_, step)| !step.spans.is_empty());
        Some(match self.loss_seconds {
            Some(0) => "none".to_owned(),
            Some(seconds) => {
                let loss = humanize_at_most(Duration::from_secs(seconds));
                format!("at most {loss} of chat")
            }
            None if !acted => "none by this run: it recovered no database".to_owned(),
            None if let (Some(at), Some(end)) = (self.disaster_at, self.last_log_finished)
                && at < end =>
            {
                format!(
                    "not known: the disaster, {} as it was typed, lies before the end of the last log \
                     backup: that time is wrong, or the clocks of both data centers differ",
                    at.strftime("%Y-%m-%d %H:%M:%S")
                )
            }
            None if self.disaster_at.is_some() => {
                "not known: the record does not say when the last log backup was finished"
                    .to_owned()
            }
            None => "not known: the record does not say when the disaster was (--disaster-at)"
                .to_owned(),
        })
    }

    /// Where the applied log ends.
    pub fn last_log(&self) -> Option<String> {
        let finished = self.last_log_finished?;
        let lsn = self.last_log_lsn.as_deref();
        let lsn = lsn.map(|lsn| format!(", LSN {lsn}")).unwrap_or_default();
        let finished = finished.strftime("%Y-%m-%d %H:%M:%S");
        Some(format!(
            "{finished}, when it was finished by the clock of the primary{lsn}"
        ))
    }

    /// The time without chat.
    pub fn downtime(&self, account: &Account) -> Option<String> {
        match (self.downtime_seconds, account.direction()) {
            (Some(seconds), _) => Some(format!(
                "{}, {}",
                words(seconds),
                downtime::what_of(account)
            )),
            (None, Some(Direction::Failback)) => {
                Some("not measured: the run did not bring chat back on the primary".to_owned())
            }
            (None, Some(Direction::Failover | Direction::Fence) | None) => None,
        }
    }

    /// All of them, each with what it is called.
    pub fn rows(&self, account: &Account) -> Vec<(&'static str, String)> {
        let rows = [
            ("time", Some(self.time())),
            ("users served (RTO)", self.service()),
            ("since the disaster", self.since_disaster()),
            ("loss (RPO)", self.loss(account)),
            ("last log backup", self.last_log()),
            ("downtime", self.downtime(account)),
        ];
        let known = rows.into_iter();
        known
            .filter_map(|(label, text)| Some((label, text?)))
            .collect()
    }
}

impl Account {
    /// Which way the run moves the pool.
    pub fn direction(&self) -> Option<Direction> {
        Direction::find(&self.started.as_ref()?.runbook)
    }
}

fn served(account: &Account, direction: Option<Direction>) -> (Serves, Option<Timestamp>) {
    let moves = match direction {
        Some(Direction::Failover) => true,
        // What counts of a failback is the time without chat.
        Some(Direction::Failback | Direction::Fence) | None => false,
    };
    let step = account.step(SERVES).filter(|_| moves);
    match step {
        None => (Serves::NotAsked, None),
        Some((_, step)) if is_done_here(step) => (Serves::Did, step.ended_at),
        Some((_, step)) if step.is_done() => (Serves::Before, None),
        Some(_) => (Serves::NotReached, None),
    }
}

fn is_done_here(step: &StepAccount) -> bool {
    matches!(step.ended, Some((StepOutcome::Done, _)))
}

/// Of all executions; each by its own words, else by the times of its records.
fn elapsed(account: &Account) -> Option<u64> {
    account.finished.as_ref()?;
    let times = account
        .executions
        .iter()
        .map(|it| between(it.began, it.last));
    times.sum()
}

fn between(from: Timestamp, to: Timestamp) -> Option<u64> {
    let time = Duration::try_from(to.duration_since(from)).ok()?;
    Some(time.as_secs() + u64::from(time.subsec_millis() >= 500))
}

fn words(seconds: u64) -> String {
    if seconds == 0 {
        return "under 1 s".to_owned();
    }
    humanize(Duration::from_secs(seconds))
}

fn civil(value: Option<&Value>) -> Option<DateTime> {
    value?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{resumed_run, stopped_run};
    use crate::run::event::{Event, Record};
    use serde_json::json;

    #[test]
    fn a_run_that_stopped_before_it_served_users_says_so_and_has_its_loss() {
        let account = Account::of(&stopped_run());
        let figures = Figures::of(&account);
        assert_eq!(figures.time(), "2 h 05 min");
        // The sample has no step that serves users.
        assert_eq!(figures.service(), None);
        assert_eq!(
            figures.loss(&account).as_deref(),
            Some("at most 4 min 12 s of chat")
        );
    }

    /// The resumed run whose last step serves users, and whose recovery was looked at like this.
    fn served(facts: &Value) -> Account {
        let (first, second) = resumed_run();
        let text = serde_json::to_string(&[first, second].concat()).unwrap();
        let text = text.replace("set-pool-state", SERVES);
        let mut records: Vec<Record> = serde_json::from_str(&text).unwrap();
        for record in &mut records {
            if let Event::StepChecked { facts: seen, .. } = &mut record.event {
                *seen = facts.clone();
            }
        }
        Account::of(&records)
    }

    #[test]
    fn what_the_record_does_not_know_is_said_to_be_not_known() {
        let account = served(&json!({}));
        let figures = Figures::of(&account);
        assert_eq!(
            figures.service().as_deref(),
            Some("2 h 14 min, from the beginning of the run")
        );
        for told in [figures.since_disaster(), figures.loss(&account)] {
            assert!(told.unwrap().starts_with("not known: "));
        }
        assert_eq!(figures.last_log(), None);
        let cut = Account::of(&resumed_run().0);
        assert!(Figures::of(&cut).time().starts_with("not known"));
    }

    #[test]
    fn the_time_since_the_disaster_is_counted_by_the_clock_that_was_seen() {
        let account = served(&json!({
            "files": {"chain": {"to": "41000000370400001", "last_finished": "2027-01-15T07:30:00"}},
            "times": {"disaster_at": "2027-01-15T07:40:00", "clock": {"seen": "2027-01-15T08:00:03"}},
        }));
        let figures = Figures::of(&account);
        // 20 min 3 s before the look of 08:00:03, 2 h 14 min 52 s behind it.
        assert_eq!(figures.since_disaster_seconds, Some(20 * 60 + 3 + 8092));
        // No end of it says what was lost.
        assert_eq!(figures.loss_seconds, Some(10 * 60));
        let log = figures.last_log().unwrap();
        assert!(log.contains("2027-01-15 07:30:00") && log.contains("41000000370400001"));
    }
}
