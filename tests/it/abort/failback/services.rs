//! Services that a failback stopped, because they held on, run again when it is undone.

use pchadr::cli::rehearse::Stage;
use pchadr::rehearsal::simulated::Change;

use super::super::{killed, record_of, starts};
use super::{
    POINT_OF_NO_RETURN, SILENCES, Strike, abort_through, assert_back, die_in_the_silence, drill,
    stands, undone,
};
use crate::site::{Drill, effects, paused};
use crate::sweep::sweep;

/// Idle chat servers keep their sessions until their services stop.
fn holding_on() -> Drill {
    let mut drill = drill();
    drill.recipe.vary = |options| options.idle_hold_on = true;
    drill
}

fn resting(stage: &Stage) -> Vec<String> {
    let pool = stage.simulated.pool.lock().expect("the pool");
    let rests = pool
        .servers
        .iter()
        .filter(|it| !it.chat_service || !it.compliance_service);
    rests.map(|it| it.fqdn.clone()).collect()
}

#[test]
fn services_that_a_failback_stopped_are_started_by_its_undoing_from_wherever_it_was_killed() {
    let drill = holding_on();
    let whole = drill.undisturbed();
    let [first, end, last] = [
        "clear-active-servers",
        "remove-mirroring",
        POINT_OF_NO_RETURN,
    ]
    .map(|step| record_of(&whole.journal, starts(step)));
    let points: Vec<usize> = (first..=end).chain([last]).collect();
    assert!(points.len() > 8, "{} points are no sweep", points.len());
    sweep(&points, |n| {
        paused(Box::pin(async {
            let before = stands(&drill.stage());
            let what = format!("killed before record {n}");
            let (mut stage, store) = killed(&drill, *n).await;
            abort_through(&drill, &mut stage, &store, &what).await;
            assert_eq!(resting(&stage), Vec::<String>::new(), "{what}");
            assert_back(&stage, &store, &before, &what);
        }));
    });
    paused(Box::pin(async {
        let (stage, _) = killed(&drill, last).await;
        assert_eq!(resting(&stage).len(), 2, "they were stopped");
        let stops = effects(&stage);
        let stops = stops.iter().filter(|it| it.starts_with("Stop-Cs"));
        assert_eq!(stops.count(), 4);
    }));
}

#[test]
fn an_undoing_that_is_killed_around_a_start_of_a_service_ends_the_same() {
    let drill = holding_on();
    let whole = undone(&drill);
    let starting = |change: &&Change| matches!(change, Change::Cmdlet { cmdlet, .. } if cmdlet.starts_with("Start-Cs"));
    assert_eq!(whole.changes.iter().filter(starting).count(), 4);
    let mut points = Strike::all(&whole.changes, &[], SILENCES.1);
    // The mirror is another test's.
    points.truncate(12);
    sweep(&points, |strike| {
        paused(Box::pin(async {
            let (mut stage, store) = killed(&drill, whole.last).await;
            let what = format!("abort killed at {}", strike.lay(&stage));
            die_in_the_silence(&stage, drill.abort(&stage, &store), &what).await;
            stage.reopen(&drill.site);
            let store = store.crash(0);
            abort_through(&drill, &mut stage, &store, &what).await;
            assert_eq!(resting(&stage), Vec::<String>::new(), "{what}");
            assert_back(&stage, &store, &whole.before, &what);
        }));
    });
}
