//! Random schedules: a seed draws a run, one to five faults and their moments; the world's history
//! judges what came of it by all rules. They begin with seed 1, or with N (`PCHADR_SEED=N`); `PCHADR_SEEDS=M`
//! tries so many, `PCHADR_SWEEP=full` 20,000. Else there are 200: more take too long in a build that
//! is not optimized, and `.ci/run` has one for 2,000.

mod drive;
mod execution;
mod judge;
mod schedule;
mod setting;
mod store;
mod strike;
mod words;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use drive::Case;
use judge::{End, said};
use pchadr::model::Role;
use pchadr::rehearsal::lab::Target;
use schedule::{Consents, Fault, Moment, Schedule};
use setting::{SETTINGS, Setting};

use crate::site::paused;
use crate::sweep::{is_full, seed};

/// What a schedule came to: its end, or what is wrong and what happened.
fn perform(settings: &[Setting], schedule: &Schedule) -> Result<End, String> {
    let mut ended = Err(String::new());
    let mut told = Vec::new();
    let panicked = said(|| {
        ended = paused(async {
            let mut case = Case::new(&settings[schedule.setting], schedule);
            let disturbed = Box::pin(case.disturbed()).await;
            let ended = match disturbed {
                Ok(()) => Box::pin(case.end_it()).await,
                Err(why) => Err(why),
            };
            told = std::mem::take(&mut case.told);
            ended
        });
    });
    let ended = panicked.and(ended);
    ended.map_err(|why| format!("{why}\n    {}", told.join("\n    ")))
}

/// Leaves out what a failing schedule does not need.
fn shrink(settings: &[Setting], mut schedule: Schedule, mut why: String) -> (Schedule, String) {
    let mut at = 0;
    while at < schedule.faults.len() && schedule.faults.len() > 1 {
        let fewer = schedule.without(at);
        match perform(settings, &fewer) {
            Err(again) => (schedule, why) = (fewer, again),
            Ok(_) => at += 1,
        }
    }
    (schedule, why)
}

/// The first seed: the same on every machine, so that what fails there fails here; others are tried on
/// request.
fn first() -> u64 {
    if std::env::var("PCHADR_SEED").is_ok() {
        seed()
    } else {
        1
    }
}

fn count() -> u64 {
    let wanted = std::env::var("PCHADR_SEEDS").ok();
    let wanted = wanted.map(|it| it.parse().expect("PCHADR_SEEDS is a number"));
    wanted.unwrap_or(if is_full() { 20_000 } else { 200 })
}

// Not `eprintln!`: the test runner would swallow it.
fn tell(what: &str) {
    let _ = std::io::stderr().write_all(format!("{what}\n").as_bytes());
}

#[test]
fn whatever_strikes_a_run_at_whatever_moment_it_ends_by_the_rules() {
    let settings: Vec<Setting> = SETTINGS.iter().map(|it| Setting::new(it.2)).collect();
    let (first, count) = (first(), count());
    tell(&format!(
        "schedules: {count} seeds, from PCHADR_SEED={first} on"
    ));
    let began = std::time::Instant::now();
    let next = AtomicUsize::new(0);
    let ends: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let failed: Mutex<BTreeMap<u64, String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if n >= count {
                        return;
                    }
                    let seed = first.wrapping_add(n);
                    let schedule = Schedule::of(seed, &settings);
                    let ended = match perform(&settings, &schedule) {
                        Ok(end) => format!("{end:?}"),
                        Err(why) => {
                            let (least, why) = shrink(&settings, schedule, why);
                            let words = format!("PCHADR_SEED={seed}: {least}\n  {why}");
                            tell(&words);
                            failed.lock().expect("the list").insert(seed, words);
                            "failed".to_owned()
                        }
                    };
                    *ends.lock().expect("the counts").entry(ended).or_default() += 1;
                }
            });
        }
    });
    let (ends, failed) = (ends.into_inner(), failed.into_inner());
    let (ends, failed) = (ends.expect("the counts"), failed.expect("the list"));
    tell(&format!("schedules: {ends:?} in {:.0?}", began.elapsed()));
    let seeds: Vec<u64> = failed.keys().copied().collect();
    assert!(
        failed.is_empty(),
        "{} of {count} seeds failed: {seeds:?}",
        failed.len()
    );
}

/// Drawn once, and stopped for ever while nobody did what the hint says.
#[test]
fn a_failback_that_is_undone_beside_an_old_primary_ends_when_that_is_closed_by_hand() {
    let old_primary = 5;
    let settings = [Setting::new(SETTINGS[old_primary].2)];
    let schedule = Schedule {
        setting: 0,
        consents: Consents::All,
        faults: vec![Fault::Down {
            at: Moment::Record(45),
            what: Target::Instance(Role::PrimaryMirror),
            seconds: 3_600,
        }],
        turns_back: true,
        ends_elsewhere: false,
    };
    assert_eq!(perform(&settings, &schedule), Ok(End::Undone));
}

#[test]
fn chat_servers_that_were_down_when_they_were_made_active_connect_once_they_are_back() {
    let settings = [Setting::new(SETTINGS[0].2)];
    // The moments at which the servers are made active, and a few around them.
    for at in [246, 248, 250, 252, 254] {
        let schedule = Schedule {
            setting: 0,
            consents: Consents::Options,
            faults: vec![Fault::Down {
                at: Moment::Batch(at),
                what: Target::DataCenter { primary: false },
                seconds: 45,
            }],
            turns_back: false,
            ends_elsewhere: false,
        };
        assert_eq!(perform(&settings, &schedule), Ok(End::Done));
    }
}
