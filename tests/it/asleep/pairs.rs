//! Pairs of runs, each put to sleep at a record and woken later, statements of the first held back:
//! a sample drawn by a seed, or a thousand of them with `PCHADR_SWEEP=full`.

use std::pin::Pin;
use std::time::Duration;

use pchadr::access::copy::WORK;
use pchadr::cli::rehearse::Stage;
use pchadr::model::states::DatabaseState;
use pchadr::rehearsal::simulated::Change;
use pchadr::run::copies::{Inspected, settle};
use pchadr::run::event::{Outcome, RunFinished};
use pchadr::run::executor::undo::NotUndone;
use pchadr::run::fold::{RunState, fold};
use pchadr::run::journal;
use pchadr::run::store::MemoryStore;

use super::{BACKUP, awake, drop_lock, lines, records, two_copies};
use crate::site::{
    Drill, Undisturbed, assert_once, assert_one_writable, assert_same_end, effects, end, litware,
    makes_sole, paused,
};
use crate::sweep::{Draw, is_full, seed, sweep};

type Running<'a> = Pin<Box<dyn Future<Output = Option<RunFinished>> + 'a>>;

/// A machine with its own copy of the record, and the one that all share.
struct Machine {
    own: MemoryStore,
    share: MemoryStore,
}

impl Machine {
    fn new(share: &MemoryStore) -> Self {
        Self {
            own: MemoryStore::default(),
            share: share.clone(),
        }
    }

    fn recorded(&self) -> Option<RunState> {
        let read = journal::read(&self.share.bytes()).expect("a sound journal");
        fold(&read.records).ok()
    }

    /// Goes on, or back where that is wanted and there is a way back; `None` where the run was told
    /// that another has taken over, or holds the site.
    fn run<'a>(&'a self, drill: &'a Drill, stage: &'a Stage, back: bool) -> Running<'a> {
        Box::pin(async move {
            let part = drill.part(stage, "rehearsal");
            // The program goes on with nothing that is finished, nor with what can only go back.
            let recorded = self.recorded();
            if recorded.as_ref().is_some_and(RunState::is_finished) {
                return None;
            }
            if back || recorded.is_some_and(|it| it.goes_back_only()) {
                let store = two_copies(&self.own, &self.share);
                match part.abort(store).await {
                    Ok(finished) => return Some(finished),
                    Err(NotUndone::Refused(problem)) if !problem.why.contains("holds") => {}
                    Err(_) => return None,
                }
            }
            let store = two_copies(&self.own, &self.share);
            part.execute(store, Vec::new()).await.ok()
        })
    }
}

/// The doors of one execution.
fn doors(drill: &Drill, stage: &mut Stage) -> Stage {
    stage.reopen(&drill.site);
    Stage {
        simulated: drill.stage().simulated,
        access: stage.access.clone(),
    }
}

async fn pair(drill: &Drill, whole: &Undisturbed, draw: &mut Draw, what: &str) {
    let mut stage = drill.stage();
    let share = MemoryStore::default();
    let all = lines(&whole.journal);
    let sent: Vec<_> = whole
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Sql(executed) if !makes_sole(&executed.text) => Some(executed),
            _ => None,
        })
        .collect();
    let late = draw.toss().then(|| {
        let late = sent[draw.below(sent.len())];
        let begins: String = late.text.chars().take(60).collect();
        stage.simulated.network.hold(late.instance, &begins)
    });
    let (first, second, third) = (
        Machine::new(&share),
        Machine::new(&share),
        Machine::new(&share),
    );
    // The first starts; or goes on, or back, after it was killed.
    let back = [draw.toss(), draw.toss()];
    let was_killed = draw.toss();
    let (begun, again) = (doors(drill, &mut stage), doors(drill, &mut stage));
    let other = Machine::new(&share);
    let mut run = first.run(drill, &begun, false);
    let asleep_at = 2 + draw.below(all - 2);
    let mut ended = awake(&mut run, || records(&share) >= asleep_at).await;
    if was_killed && ended.is_none() {
        drop(run);
        drop_lock(&stage);
        run = other.run(drill, &again, back[0]);
        let asleep_at = records(&share) + draw.below(20);
        ended = awake(&mut run, || records(&share) >= asleep_at).await;
    }
    let first_ended = ended.is_some();
    // The second goes on, or back; it sleeps too, and the first wakes up.
    drop_lock(&stage);
    let theirs = doors(drill, &mut stage);
    let mut going = second.run(drill, &theirs, back[1]);
    let asleep_at = records(&share) + draw.below(40);
    let mut done = awake(&mut going, || records(&share) >= asleep_at).await;
    let early = draw.toss();
    if let (Some(late), true) = (&late, early) {
        late.deliver();
        tokio::time::sleep(Duration::from_mins(2)).await;
    }
    if !first_ended {
        ended = Some(run.await);
    }
    if done.is_none() {
        done = Some(going.await);
    }
    if let Some(late) = &late {
        late.deliver();
        tokio::time::sleep(Duration::from_mins(2)).await;
    }
    assert_one_writable(&stage);
    let (ended, done) = (ended.flatten(), done.flatten());
    let is_whole = |it: &Option<RunFinished>| {
        let outcome = it.as_ref().map(|it| it.outcome);
        matches!(outcome, Some(Outcome::Done | Outcome::Undone))
    };
    // A run that fell asleep and one that went on while it slept: never both.
    assert!(
        first_ended || !(is_whole(&ended) && is_whole(&done)),
        "{what}: two winners: {ended:?}, {done:?}"
    );
    for copy in [&first.own, &other.own, &second.own, &share] {
        let read = journal::read(&copy.bytes()).unwrap_or_else(|it| panic!("{what}: {it}"));
        if !read.records.is_empty() {
            fold(&read.records).unwrap_or_else(|it| panic!("{what}: {it}"));
        }
    }
    let copies = [second.own.bytes(), share.bytes()];
    let [own, shared] = copies
        .each_ref()
        .map(|bytes| Inspected::read("rehearsal", bytes));
    settle(&own, &shared).unwrap_or_else(|it| panic!("{what}: {it}"));
    // Whatever they left, a third one brings it to its end.
    let mut last = [ended, done]
        .into_iter()
        .flatten()
        .find(|it| matches!(it.outcome, Outcome::Done | Outcome::Undone));
    let turned_back = back[0] || back[1];
    let mut back = back[1];
    let mut told = Vec::new();
    for _ in 0..3 {
        if last.is_some() {
            break;
        }
        let theirs = doors(drill, &mut stage);
        let finished = third.run(drill, &theirs, back).await;
        let Some(finished) = finished else {
            // Refused before anything was changed, it is finished: there is nothing to go on with.
            let recorded = third.recorded().expect("a run");
            assert_eq!(
                recorded.ended,
                Some(Outcome::Refused),
                "{what}: nobody goes on"
            );
            assert!(!recorded.has_acted(), "{what}");
            return;
        };
        // What was turned back can only go further back.
        back |= finished.outcome == Outcome::Refused;
        told.push(finished.error.clone());
        let is_whole = matches!(finished.outcome, Outcome::Done | Outcome::Undone);
        last = is_whole.then_some(finished);
    }
    let last = last.unwrap_or_else(|| panic!("{what}: it never ended: {told:#?}"));
    assert_one_writable(&stage);
    assert_eq!(stage.simulated.unknown(), Vec::<String>::new(), "{what}");
    if last.outcome == Outcome::Done {
        // Half undone and gone on with, it did some things twice, and left rows that do no harm.
        if !turned_back {
            let mut end = end(&stage);
            // Who fell asleep between a look and its write leaves a work file; nobody takes it for a copy.
            end.files.retain(|(path, _)| !path.ends_with(WORK));
            assert_same_end(&end, &whole.end, what);
            assert_once(&effects(&stage), what);
        }
    } else if drill.saved.is_some() {
        let summary = stage.simulated.world.summary();
        let chat = summary.database(BACKUP, "mgc").expect("mgc");
        assert_eq!(chat.state, DatabaseState::Online, "{what}");
    }
}

fn pairs(drill: &Drill) {
    let whole = drill.undisturbed();
    let points: Vec<u64> = if is_full() {
        (0..500).collect()
    } else {
        (0..10).map(|n| seed().wrapping_mul(1_000) + n).collect()
    };
    sweep(&points, |point| {
        let what = format!("pair of seed {point}");
        paused(Box::pin(pair(drill, &whole, &mut Draw::new(*point), &what)));
    });
}

#[test]
fn of_two_failovers_one_wins_wherever_they_sleep_and_whatever_comes_late() {
    pairs(&Drill::failover(litware()));
}

#[test]
fn of_two_failbacks_one_wins_wherever_they_sleep_and_whatever_comes_late() {
    // Looks less often than a person would like: nothing here hangs on it.
    let mut site = litware();
    site.limits.poll = Duration::from_secs(20);
    pairs(&Drill::failback(site));
}
