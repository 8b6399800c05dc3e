//! Performs a schedule: executions that run side by side, what strikes them, and who goes on.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use pchadr::cli::rehearse::Stage;
use pchadr::model::Role;
use pchadr::rehearsal::manner::Manner;
use pchadr::rehearsal::network::Held;
use pchadr::run::copies::{Inspected, Split, settle};
use pchadr::run::executor::Way;
use pchadr::run::fold::RunState;
use pchadr::run::store::{MemoryStore, Mirrored, Store};
use pchadr::step::terms::Terms;

use super::execution::{Ended, execution, short, terms_of};
use super::schedule::{Fault, Moment, Schedule, Wakes, Which, instances};
use super::setting::Setting;
use super::store::Counted;

/// The run; those that are begun anew where it was refused; and one that knows nothing of it.
const RUNS: [&str; 7] = [
    "rehearsal",
    "anew1",
    "anew2",
    "anew3",
    "anew4",
    "anew5",
    "anew6",
];
pub(crate) const OTHER: &str = "second";

/// Who takes a number past the lock.
pub(crate) const PAST: &str = "past the lock";

/// Executions that are begun while faults are still to come.
const MOST: usize = 6;

/// No execution takes longer, in simulated time.
const LONGEST: Duration = Duration::from_hours(24);

/// An execution under way.
pub(super) struct Execution<'a> {
    pub(super) future: Pin<Box<dyn Future<Output = Ended> + 'a>>,
    pub(super) machine: usize,
    pub(super) way: Way,
    pub(super) run: &'static str,
    pub(super) wakes: Option<(Wakes, usize)>,
}

/// What happens next.
enum Happens {
    Fault(usize),
    Wakes(usize),
    Ended(usize, Ended),
    Delivered(usize),
}

pub(crate) struct Case<'a> {
    pub(crate) setting: &'a Setting,
    pub(crate) schedule: &'a Schedule,
    pub(crate) stage: Stage,
    pub(crate) terms: Terms,
    /// How often it was begun anew.
    anew: usize,
    /// The second copy of the run, which all machines share.
    pub(crate) share: MemoryStore,
    /// The first copy of each machine.
    pub(crate) machines: Vec<MemoryStore>,
    /// The record of the other run.
    pub(crate) other: Option<MemoryStore>,
    pub(super) written: Arc<AtomicUsize>,
    pub(super) pending: Vec<Fault>,
    pub(super) executions: Vec<Execution<'a>>,
    pub(super) held: Vec<(Held, Option<usize>, Option<usize>)>,
    pub(super) flips: Vec<(Which, usize, u8)>,
    pub(super) struck: BTreeSet<Role>,
    pub(super) begun: usize,
    pub(crate) last_machine: usize,
    /// What happened, in words.
    pub(crate) told: Vec<String>,
    /// True where the first data center came back behind the last look of the recovery.
    pub(super) raised: u64,
    pub(crate) came_too_late: bool,
    /// True where a machine without a copy of its own had a part.
    pub(crate) elsewhere: bool,
    /// True where something was sent backwards, or a run was begun to be.
    pub(crate) turned_back: bool,
}

impl<'a> Case<'a> {
    /// Call inside the paused runtime.
    pub(crate) fn new(setting: &'a Setting, schedule: &'a Schedule) -> Self {
        let stage = setting.drill.stage();
        let mut case = Self {
            setting,
            schedule,
            stage,
            terms: terms_of(schedule.consents),
            anew: 0,
            share: MemoryStore::default(),
            machines: vec![MemoryStore::default()],
            other: None,
            written: Arc::default(),
            pending: Vec::new(),
            executions: Vec::new(),
            held: Vec::new(),
            flips: Vec::new(),
            struck: BTreeSet::new(),
            begun: 0,
            last_machine: 0,
            told: Vec::new(),
            raised: 0,
            came_too_late: false,
            elsewhere: schedule.ends_elsewhere,
            turned_back: false,
        };
        for fault in &schedule.faults {
            case.lay(fault);
        }
        case
    }

    pub(crate) fn note(&mut self, what: impl Into<String>) {
        let records = self.written.load(Ordering::Relaxed);
        let at = self.stage.access.clock.elapsed().as_secs_f64();
        self.told
            .push(format!("{at:.1} s, record {records}: {}", what.into()));
    }

    /// Begins an execution with doors of its own.
    pub(crate) fn begin(&mut self, machine: usize, run: &'static str, way: Way) {
        self.between(run);
        self.stage.reopen(&self.setting.drill.site);
        let store: Box<dyn Store> = if run == self.run() {
            let (own, share) = (self.machines[machine].clone(), self.share.clone());
            Box::new(Mirrored::new(run, own, share, Box::new(|_| ())))
        } else {
            Box::new(self.other.get_or_insert_default().clone())
        };
        let store = Box::new(Counted {
            store,
            written: Arc::clone(&self.written),
        });
        self.note(format!("{run} {way:?} on machine {machine}"));
        self.turned_back |= way == Way::Back;
        self.begun += 1;
        self.last_machine = machine;
        let access = self.stage.access.clone();
        let future = execution(self.setting, self.terms.clone(), access, store, run, way);
        self.executions.push(Execution {
            future,
            machine,
            way,
            run,
            wakes: None,
        });
    }

    /// A run that was refused is finished: another is begun, with a record of its own.
    pub(crate) fn anew(&mut self) -> usize {
        self.anew += 1;
        self.share = MemoryStore::default();
        self.last_machine = 0;
        self.machines = vec![MemoryStore::default()];
        0
    }

    /// The run that is gone on with.
    pub(crate) fn run(&self) -> &'static str {
        RUNS[self.anew % RUNS.len()]
    }

    pub(crate) fn is_first(&self) -> bool {
        self.anew == 0
    }

    /// A machine for who goes on.
    pub(super) fn machine(&mut self, elsewhere: bool, now: usize) -> usize {
        if elsewhere {
            self.elsewhere = true;
            self.machines.push(MemoryStore::default());
            self.machines.len() - 1
        } else {
            now
        }
    }

    /// The run, and all that strikes it, until nothing is under way and nothing is to come.
    pub(crate) async fn disturbed(&mut self) -> Result<(), String> {
        self.begin(0, self.run(), Way::On);
        loop {
            let happens = self.next().await?;
            match happens {
                Happens::Fault(n) => {
                    let fault = self.pending.remove(n);
                    self.note(format!("{fault}"));
                    self.strike(&fault);
                }
                Happens::Wakes(n) => {
                    self.executions[n].wakes = None;
                    self.note("it wakes up");
                }
                Happens::Delivered(n) => {
                    self.held[n].0.deliver();
                    self.held[n].1 = None;
                    self.note("what was held back is delivered");
                }
                Happens::Ended(n, ended) => {
                    let whose = self.executions.remove(n);
                    self.note(format!(
                        "{} {:?} ended: {}",
                        whose.run,
                        whose.way,
                        short(&ended)
                    ));
                    let is_over = match &ended {
                        Ended::Finished(it) => matches!(it.exit, 0 | 5),
                        Ended::Refused(_) | Ended::Broken(_) => false,
                    };
                    let alone = self.executions.iter().all(|it| it.wakes.is_some());
                    if !is_over && alone && !self.pending.is_empty() && self.begun < MOST {
                        self.begin_again(whose.machine);
                    }
                }
            }
            let last = |it: &Execution<'_>| matches!(it.wakes, Some((Wakes::Last, _)));
            if self.executions.iter().all(last) {
                return Ok(());
            }
        }
    }

    /// What was stopped is gone on with; what was refused is finished, and begun anew where nobody
    /// sleeps over its record.
    fn begin_again(&mut self, machine: usize) {
        let stands = self.stands(machine).ok().flatten();
        let is_finished = stands.is_some_and(|it| it.is_finished());
        let machine = match (is_finished, self.executions.is_empty()) {
            (true, true) => self.anew(),
            (true, false) => return,
            (false, _) => machine,
        };
        let way = self.way(false);
        self.begin(machine, self.run(), way);
    }

    /// Waits until something happens.
    async fn next(&mut self) -> Result<Happens, String> {
        let happens = poll_fn(|cx| self.poll(cx));
        tokio::time::timeout(LONGEST, happens)
            .await
            .map_err(|_| format!("an execution does not end within {LONGEST:?}"))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happens> {
        if let Some(happens) = self.due() {
            return Poll::Ready(happens);
        }
        for n in 0..self.executions.len() {
            if self.executions[n].wakes.is_some() {
                continue;
            }
            if let Poll::Ready(ended) = self.executions[n].future.as_mut().poll(cx) {
                return Poll::Ready(Happens::Ended(n, ended));
            }
            if let Some(happens) = self.due() {
                return Poll::Ready(happens);
            }
        }
        Poll::Pending
    }

    /// What is due by now.
    fn due(&mut self) -> Option<Happens> {
        let records = self.written.load(Ordering::Relaxed);
        let batches = || self.stage.simulated.world.with(|state| state.history.len());
        let is_due = |fault: &Fault| match moment_of(fault) {
            Some(Moment::Record(n)) => records >= n,
            Some(Moment::Batch(n)) => batches() >= n,
            None => true,
        };
        if let Some(n) = self.pending.iter().position(is_due) {
            return Some(Happens::Fault(n));
        }
        for (n, (held, after, caught)) in self.held.iter_mut().enumerate() {
            let Some(after) = *after else { continue };
            if caught.is_none() && held.is_caught() {
                *caught = Some(records);
            }
            if caught.is_some_and(|at| records > at + after) {
                return Some(Happens::Delivered(n));
            }
        }
        let alone = self.executions.iter().all(|it| it.wakes.is_some());
        let wakes = |it: &Execution<'_>| match it.wakes {
            Some((Wakes::After(more), since)) => alone || records >= since + more,
            Some((Wakes::WhenAlone, _)) => alone,
            Some((Wakes::Last, _)) | None => false,
        };
        self.executions.iter().position(wakes).map(Happens::Wakes)
    }

    /// Where the run stands, by the copies of a machine and of the share.
    pub(crate) fn stands(&self, machine: usize) -> Result<Option<RunState>, Split> {
        let copies = [self.machines[machine].bytes(), self.share.bytes()];
        let run = self.run();
        let own = Inspected::read(run, &copies[0]);
        if own.damage.is_none() && copies[0] == copies[1] {
            return Ok(own.state);
        }
        let share = Inspected::read(run, &copies[1]);
        let settled = settle(&own, &share)?.bytes;
        let mut sound = [own, share].into_iter();
        Ok(match sound.find(|copy| copy.sound() == settled) {
            Some(copy) => copy.state,
            None => Inspected::read(run, &settled).state,
        })
    }

    /// The way that a person can take: what only goes back, goes back.
    pub(super) fn fitting(&self, way: Way) -> Way {
        let stands = self.stands(self.last_machine).ok().flatten();
        match stands {
            Some(state) if state.goes_back_only() => Way::Back,
            Some(_) => way,
            None => Way::On,
        }
    }

    pub(crate) fn way(&self, back: bool) -> Way {
        self.fitting(if back { Way::Back } else { Way::On })
    }

    /// Nothing strikes any more, and everything is back that was down.
    pub(crate) async fn calm(&mut self) {
        self.pending.clear();
        let simulated = &self.stage.simulated;
        simulated.world.with(|state| state.faults.clear());
        for role in &self.struck {
            if !simulated.world.is_up(pchadr::model::Instance::chat(*role)) {
                simulated.world.up(*role);
            }
        }
        let failover = self.setting.is_failover();
        {
            let mut pool = simulated.pool.lock().expect("the pool");
            pool.set_alive(false, true);
            if !failover {
                pool.set_alive(true, true);
            }
        }
        for role in Role::ALL {
            for instance in instances(role) {
                simulated.manners.set(instance, Manner::Well);
            }
        }
        // What was laid to bring things back has its time too.
        tokio::time::sleep(Duration::from_hours(2)).await;
        self.note("nothing strikes any more");
    }

    /// Holds one execution to its end.
    pub(crate) async fn hold(
        &mut self,
        machine: usize,
        run: &'static str,
        way: Way,
    ) -> Result<Ended, String> {
        self.begin(machine, run, way);
        let mut execution = self.executions.pop().expect("it was begun");
        let ended = tokio::time::timeout(LONGEST, &mut execution.future).await;
        let ended = ended.map_err(|_| format!("an execution does not end within {LONGEST:?}"))?;
        self.note(format!("{run} {way:?} ended: {}", short(&ended)));
        Ok(ended)
    }

    /// Those who sleep until all is over wake up, and what was held back is delivered.
    pub(crate) async fn wake_the_last(&mut self) -> Result<(), String> {
        for mut execution in std::mem::take(&mut self.executions) {
            self.note("the last one wakes up");
            let ended = tokio::time::timeout(LONGEST, &mut execution.future).await;
            let ended = ended.map_err(|_| "one that woke up late does not end".to_owned())?;
            self.note(format!("it ended: {}", short(&ended)));
        }
        for (held, ..) in &self.held {
            held.deliver();
        }
        tokio::time::sleep(Duration::from_mins(10)).await;
        Ok(())
    }

    pub(crate) fn has_sleepers(&self) -> bool {
        !self.executions.is_empty()
    }
}

fn moment_of(fault: &Fault) -> Option<Moment> {
    match fault {
        Fault::Kill { at, .. }
        | Fault::Sleep { at, .. }
        | Fault::DropLock { at }
        | Fault::Down { at, .. }
        | Fault::Returns { at }
        | Fault::Answers { at, .. }
        | Fault::Disk { at, .. }
        | Fault::Number { at }
        | Fault::StateBack { at }
        | Fault::Second { at, .. } => Some(*at),
        Fault::Late { .. }
        | Fault::Statement { .. }
        | Fault::Cmdlet { .. }
        | Fault::Flip { .. } => None,
    }
}
