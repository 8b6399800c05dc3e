//! The one writer of a site (`design.md` 3, rule 17): what a run holds while it changes something.
//!
//! Before its first effect an execution takes a number that is higher than every other, ends the
//! sessions of other runs and sees them gone; before each effect it sees that the lock is held, and
//! each batch looks at the number itself. The order is what counts: a session is opened, then the
//! lock is looked at, then it sends; who takes the lock over ends the sessions after that.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::event::Event;
use super::ledger::RunLedger;
use crate::access::Access;
use crate::access::sql::{LockError, Query, SiteLock, SqlError, StillThere, site_resource};
use crate::model::{Instance, Place, Problem, Remedy, Role};
use crate::plan::Plan;
use crate::site::Site;
use crate::step::command::{Kind, Values};
use crate::step::guard::Guard;
use crate::step::terms::{PRIMARY_LOST, Terms};

/// The interlock: an older session on an instance that is silent is gone.
pub const STALE_SENDER: &str = "stale-sender";

/// Between two looks at an instance that is silent.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Takes the lock of a site on the instance that survives.
///
/// # Errors
/// Why it is not held.
pub async fn lock(site: &Site, access: &Access) -> Result<SiteLock, LockError> {
    let resource = site_resource(&site.pool.fqdn);
    let sql = &access.sql;
    sql.lock_site(Instance::chat(Role::Backup), &resource).await
}

/// A run that may write: it has the lock, and once it sends something, the highest number.
pub struct Writer<'a> {
    lock: &'a Result<SiteLock, LockError>,
    site: &'a Site,
    plan: &'a Plan,
    access: &'a Access,
    terms: &'a Terms,
    ledger: &'a RunLedger,
    taken: Mutex<Taken>,
}

/// What it took.
#[derive(Default)]
struct Taken {
    number: Option<u64>,
    /// Instances on which the number stands, and no other run's session is left.
    clear: BTreeSet<Instance>,
    looked: Option<Instant>,
}

impl<'a> Writer<'a> {
    /// With the lock, or with the reason why there is none: then nothing is ever sent.
    pub fn new(
        lock: &'a Result<SiteLock, LockError>,
        (site, plan): (&'a Site, &'a Plan),
        access: &'a Access,
        terms: &'a Terms,
        ledger: &'a RunLedger,
    ) -> Self {
        Self {
            lock,
            site,
            plan,
            access,
            terms,
            ledger,
            taken: Mutex::default(),
        }
    }

    async fn held(&self) -> Result<(), Problem> {
        let held = match self.lock {
            Ok(lock) => lock.still_held().await,
            Err(error) => Err(error.clone()),
        };
        if let Err(error) = held {
            self.see_who_has_it().await;
            return Err((&error).into());
        }
        Ok(())
    }

    /// A lock that was lost may be another's by now: then this run records nothing more.
    async fn see_who_has_it(&self) {
        let own = self.ledger.state().map_or(0, |state| state.fence);
        let there = self.number(Instance::chat(Role::Backup)).await;
        if matches!(there, Ok((number, _)) if number > own) {
            self.ledger.hand_over();
        }
    }

    /// The highest number on an instance, and who took it; 0 where nobody did.
    async fn number(&self, instance: Instance) -> Result<(u64, String), SqlError> {
        let pool = self.site.pool.fqdn.as_str().to_lowercase();
        let query = Query::of(include_str!("../sql/fence.sql"), &pool);
        let table = self.access.sql.read(instance, query).await?;
        let row = table.rows().next();
        Ok(row.map_or((0, String::new()), |row| {
            let number = row.int("number").and_then(|it| u64::try_from(it).ok());
            (number.unwrap_or(0), row.text("run").unwrap_or_default())
        }))
    }

    /// Instances to which an earlier execution may have sent something that is still on its way.
    fn suspects(&self) -> Vec<Instance> {
        let Some(state) = self.ledger.state() else {
            return Vec::new();
        };
        let was_sent_to = |instance: &&Instance| {
            let name = instance.to_string();
            let server = self.access.sql.server(**instance);
            state.on_their_way(&name).any(|(step, n)| {
                let command = self.plan.step(step).and_then(|step| step.command(n));
                matches!(command.map(|it| &it.kind), Some(Kind::Tsql { instance: role, server: at })
                    if *role == instance.role && at == server)
            })
        };
        let all = self.plan.fence.instances.iter();
        all.filter(was_sent_to).copied().collect()
    }

    /// A number that this run took and that its record does not know: what came behind it stands in
    /// another copy.
    async fn record_ends_early(&self) -> Option<Problem> {
        let state = self.ledger.state()?;
        let instances = &self.plan.fence.instances;
        let numbers = join_all(instances.iter().map(|it| self.number(*it))).await;
        let ours = |(number, run): &(u64, String)| {
            *number > state.fence && run.split(' ').next() == Some(&state.run)
        };
        let (instance, (number, _)) = instances
            .iter()
            .zip(numbers)
            .find_map(|(instance, number)| Some((instance, number.ok().filter(ours)?)))?;
        let why = format!(
            "this copy of its record ends early: on the {instance} stands the number {number} that this run took, and the record knows {} at most",
            state.fence
        );
        Some(Problem::new(why, ""))
    }

    /// Takes a number above all others, on every instance of the plan that answers.
    async fn take(&self, taken: &mut Taken) -> Result<u64, Problem> {
        let instances = &self.plan.fence.instances;
        let numbers = join_all(instances.iter().map(|it| self.number(*it))).await;
        let suspects = self.suspects();
        let mut highest = self.ledger.state().map_or(0, |state| state.fence);
        let mut answering = Vec::new();
        for (instance, number) in instances.iter().zip(numbers) {
            match number {
                Ok((number, _)) => {
                    highest = highest.max(number);
                    answering.push(*instance);
                }
                Err(error) if suspects.contains(instance) => {
                    self.may_stay_unseen(*instance, &error)?;
                }
                Err(_) => {}
            }
        }
        let number = highest + 1;
        self.record_taken(number, &answering)?;
        taken.number = Some(number);
        taken.looked = Some(Instant::now());
        for instance in answering {
            self.clear(taken, number, instance).await?;
        }
        Ok(number)
    }

    fn record_taken(&self, number: u64, instances: &[Instance]) -> Result<(), Problem> {
        self.record(Event::FenceTaken {
            number,
            writer: self.access.sql.writer(),
            instances: instances.iter().map(ToString::to_string).collect(),
        })
    }

    fn record(&self, event: Event) -> Result<(), Problem> {
        let recorded = self.ledger.record(event);
        recorded.map_err(|error| {
            let mend = "make room in the run folder, or see its rights";
            Problem::new(error.to_string(), mend).at(Place::ThisMachine)
        })
    }

    /// Writes the number on an instance, ends what other runs have open there, and sees it gone.
    async fn clear(
        &self,
        taken: &mut Taken,
        number: u64,
        instance: Instance,
    ) -> Result<(), Problem> {
        let writer = self.access.sql.writer();
        let values = Values::from([
            ("number".to_owned(), number.into()),
            ("run".to_owned(), writer.clone().into()),
        ]);
        let command = self.plan.fence.command(instance);
        let batch = command.map(|command| command.bind(&values)).transpose();
        let batch = batch.map_err(|error| Problem::new(error.to_string(), ""))?;
        if let Some(batch) = batch {
            let sql = &self.access.sql;
            let mut session = Box::pin(sql.open(instance)).await.map_err(|it| told(&it))?;
            let sent = session
                .send_watched(&batch, Some(self.site.limits.stall), &|_| ())
                .await;
            // What it says decides nothing: the number that stands there does.
            let there = self.number(instance).await.map_err(|it| told(&it))?;
            if there.0 < number {
                sent.map_err(|error| told(&error))?;
            }
            if there != (number, writer) {
                self.ledger.hand_over();
                return Err(taken_over());
            }
        }
        let limit = self.site.limits.settle;
        let ended = self.access.sql.end_others(instance, limit).await;
        let ended = ended.map_err(|still| self.not_gone(instance, still))?;
        self.record(Event::SendersGone {
            instance: instance.to_string(),
            ended: ended.iter().map(ToString::to_string).collect(),
        })?;
        taken.clear.insert(instance);
        Ok(())
    }

    fn not_gone(&self, instance: Instance, still: StillThere) -> Problem {
        match still {
            StillThere::Unseen(error) => told(&error),
            StillThere::Senders(senders) => {
                let senders: Vec<String> = senders.iter().map(ToString::to_string).collect();
                let why = format!("another run's session does not end: {}", senders.join("; "));
                let mend = vec![
                    Remedy::to_do(
                        "wait until what it did is rolled back, or restart that instance",
                    ),
                    Remedy::GoOn,
                ];
                Problem::new(why, mend).at(Place::Instance {
                    instance,
                    server: self.access.sql.server(instance).to_owned(),
                })
            }
        }
    }

    /// An instance is silent on which an older session may have something to do.
    fn may_stay_unseen(&self, at: Instance, error: &SqlError) -> Result<(), Problem> {
        let is_first = matches!(at.role, Role::Primary | Role::PrimaryMirror);
        // Nothing runs any more where the machine is lost for good.
        let is_lost = is_first && self.terms.overrides(PRIMARY_LOST);
        if self.terms.overrides(STALE_SENDER) || is_lost {
            return Ok(());
        }
        let mut problem = Problem::from(error).about(
            "whether a statement of an earlier execution can still arrive there is not seen",
        );
        problem.remedies = vec![
            Remedy::to_do(format!(
                "bring that instance back, or see that it stays off and say so with --override {STALE_SENDER}=REASON"
            )),
            Remedy::GoOn,
        ];
        Err(problem)
    }

    /// Instances that were silent are looked at again.
    async fn look_again(&self, taken: &mut Taken, number: u64) -> Result<(), Problem> {
        if taken.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        let suspects = self.suspects();
        let unseen = suspects.into_iter().filter(|it| !taken.clear.contains(it));
        for instance in unseen.collect::<Vec<_>>() {
            if self.number(instance).await.is_ok() {
                self.record_taken(number, &[instance])?;
                self.clear(taken, number, instance).await?;
            }
        }
        taken.looked = Some(Instant::now());
        Ok(())
    }

    async fn ready(&self, at: Option<Instance>) -> Result<String, Problem> {
        self.held().await?;
        let mut taken = self.taken.lock().await;
        let number = match taken.number {
            Some(number) => number,
            None => self.take(&mut taken).await?,
        };
        self.look_again(&mut taken, number).await?;
        if let Some(at) = at
            && !taken.clear.contains(&at)
        {
            self.record_taken(number, &[at])?;
            self.clear(&mut taken, number, at).await?;
        }
        Ok(self.plan.fence.guard(number))
    }
}

impl Guard for Writer<'_> {
    fn check(&self) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(self.held())
    }

    fn before(&self, at: Option<Instance>) -> BoxFuture<'_, Result<String, Problem>> {
        Box::pin(self.ready(at))
    }

    fn unseen(&self) -> BoxFuture<'_, Option<Problem>> {
        Box::pin(async {
            for instance in self.suspects() {
                if let Err(error) = self.number(instance).await
                    && let Err(problem) = self.may_stay_unseen(instance, &error)
                {
                    return Some(problem);
                }
            }
            None
        })
    }

    fn ahead(&self) -> BoxFuture<'_, Option<Problem>> {
        Box::pin(self.record_ends_early())
    }

    fn taken_over(&self) {
        self.ledger.hand_over();
    }
}

fn told(error: &SqlError) -> Problem {
    error.into()
}

/// What a run is told whose number is old.
pub fn taken_over() -> Problem {
    Problem::new(
        "another run has taken over",
        "see where it stands: `pchadr status`, and the second copy of its record",
    )
}
