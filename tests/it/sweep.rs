//! What a sweep sweeps over. Every point with `PCHADR_SWEEP=full`; else a sample, spread evenly and
//! drawn by a seed that each sweep says: `PCHADR_SEED=N` draws the same again. The ends are always
//! in it, and so is what lies around the point of no return.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use pchadr::model::Instance;
use pchadr::rehearsal::simulated::Change;
use pchadr::run::event::Event;
use pchadr::run::journal;
use pchadr::step::command::Kind;

use crate::site::{Drill, Undisturbed};

/// One point of so many is tried.
const EVERY: usize = 8;

/// A sweep of no more points tries them all, and no sample is smaller.
const LEAST: usize = 8;

/// Holds `check` for every point of the sample, on two threads: each point is a run of its own.
/// Gives the number of points tried.
pub(crate) fn sweep<T: Sync>(points: &[T], check: impl Fn(&T) + Sync) -> usize {
    sweep_around(points, &[], check)
}

/// The same; the points of these indices, and their neighbors, are in every sample.
pub(crate) fn sweep_around<T: Sync>(
    points: &[T],
    always: &[usize],
    check: impl Fn(&T) + Sync,
) -> usize {
    let chosen: Vec<usize> = if is_full() {
        (0..points.len()).collect()
    } else {
        sample(points.len(), always, seed()).into_iter().collect()
    };
    let thread = std::thread::current();
    let seed = seed();
    let what = format!(
        "{}: {} of {} points, PCHADR_SEED={seed}",
        thread.name().unwrap_or("a sweep"),
        chosen.len(),
        points.len()
    );
    // Not `eprintln!`: the test runner would swallow it.
    let _ = std::io::stderr().write_all(format!("sweep {what}\n").as_bytes());
    let (next, tried) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed = std::thread::scope(|scope| {
        let work = || {
            while let Some(n) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                check(&points[*n]);
                tried.fetch_add(1, Ordering::Relaxed);
            }
        };
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.map(|thread| thread.join().is_err()).contains(&true)
    });
    assert!(!failed, "a point failed, see above: {what}");
    let tried = tried.into_inner();
    assert!(
        tried >= LEAST.min(points.len()) && tried > 0,
        "{tried} points are no sweep: {what}"
    );
    tried
}

/// Whether every point is wanted.
pub(crate) fn is_full() -> bool {
    std::env::var("PCHADR_SWEEP").is_ok_and(|value| value == "full")
}

/// Indices of that many points: one of each of as many equal parts as the sample is to have.
fn sample(len: usize, always: &[usize], seed: u64) -> BTreeSet<usize> {
    let parts = (len / EVERY).max(LEAST).min(len);
    let mut draw = Draw::new(seed);
    (0..parts)
        .map(|part| {
            let (from, to) = (part * len / parts, (part + 1) * len / parts);
            from + draw.below(to - from)
        })
        .chain([0, len.saturating_sub(1)])
        .chain(always.iter().flat_map(|at| at.saturating_sub(1)..=at + 1))
        .filter(|at| *at < len)
        .collect()
}

/// Draws by a seed: `SplitMix64`.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below that; 0 below 0 too.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((bits ^ (bits >> 31)) % below.max(1) as u64).expect("below a length")
    }

    /// The index of one of these, each as often as its first part says.
    pub(crate) fn among<A, B>(&mut self, of: &[(usize, A, B)]) -> usize {
        let mut at = self.below(of.iter().map(|it| it.0).sum());
        let is_it = |it: &(usize, A, B)| {
            let is_it = at < it.0;
            at = at.saturating_sub(it.0);
            is_it
        };
        of.iter().position(is_it).unwrap_or(0)
    }

    pub(crate) fn toss(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// The seed of this program: that of `PCHADR_SEED`, or another each time.
pub(crate) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| match std::env::var("PCHADR_SEED") {
        Ok(seed) => seed.parse().expect("PCHADR_SEED is a number"),
        Err(_) => SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |time| u64::from(time.subsec_nanos())),
    })
}

/// Where a run is behind its point of no return.
pub(crate) struct NoReturn {
    /// Index of the record that the step of it starts with.
    pub(crate) record: usize,
    /// Index of its first change.
    pub(crate) change: usize,
    /// Seconds into the run.
    pub(crate) seconds: f64,
}

impl NoReturn {
    pub(crate) fn of(drill: &Drill, whole: &Undisturbed) -> Self {
        let mut steps = drill.plan.steps.iter();
        let step = steps.find(|it| it.point_of_no_return).expect("a step");
        let records = journal::read(&whole.journal).expect("a journal").records;
        let record = records
            .iter()
            .position(|it| matches!(&it.event, Event::StepStarted { id } if *id == step.id))
            .expect("it is started");
        let seconds = records[record].at.duration_since(records[0].at);
        let change = whole.changes.iter().position(|change| match change {
            Change::Sql(executed) => step.commands.iter().any(|command| {
                let begins = command.text.split('{').next().unwrap_or_default();
                matches!(command.kind, Kind::Tsql { instance, .. }
                    if Instance::chat(instance) == executed.instance)
                    && executed.text.starts_with(begins)
            }),
            Change::Cmdlet { .. } | Change::File(_) => false,
        });
        // Of cmdlets, the last that are sent in a row: their like was sent before, to clear the list.
        let change = change.or_else(|| {
            let is_it = |change: &Change| match change {
                Change::Cmdlet { cmdlet, .. } => step.commands.iter().any(
                    |command| matches!(command.kind, Kind::Powershell { cmdlet: own, .. } if own == cmdlet),
                ),
                Change::Sql(_) | Change::File(_) => false,
            };
            let last = whole.changes.iter().rposition(is_it)?;
            let before = whole.changes[..last].iter().rposition(|it| !is_it(it));
            Some(before.map_or(0, |before| before + 1))
        });
        Self {
            record,
            change: change.expect("it changes something"),
            seconds: seconds.as_secs_f64(),
        }
    }
}

#[test]
fn a_sample_has_both_ends_what_is_asked_for_and_a_point_of_every_part_and_its_seed_repeats_it() {
    let mut differ = BTreeSet::new();
    for seed in 0..50 {
        let drawn = sample(600, &[301], seed);
        assert_eq!(drawn, sample(600, &[301], seed));
        assert!([0, 300, 301, 302, 599].iter().all(|at| drawn.contains(at)));
        for part in 0..75 {
            assert!(drawn.range(part * 8..part * 8 + 8).next().is_some());
        }
        assert!(drawn.len() <= 80, "{}", drawn.len());
        differ.insert(drawn);
    }
    assert!(differ.len() > 40);
    assert_eq!(sample(8, &[40], 7).len(), 8);
    assert!(sample(30, &[], 7).len() >= LEAST);
    assert!(sample(0, &[], 7).is_empty());
}

#[test]
fn a_point_that_fails_fails_the_sweep_which_says_its_seed() {
    let failing = || sweep(&[1, 2, 3], |n| assert!(*n < 3, "the third fails"));
    let failed = std::panic::catch_unwind(failing).expect_err("a point failed");
    let said = failed.downcast_ref::<String>().expect("a text");
    assert!(said.starts_with("a point failed, see above: "), "{said}");
    assert!(said.contains(": 3 of 3 points, PCHADR_SEED="), "{said}");
}
