//! The undoing of a failback whose first data center, or an instance of it, is lost for good again.

use pchadr::cli::rehearse::Part;
use pchadr::model::Role;
use pchadr::model::states::DatabaseState;
use pchadr::run::event::Outcome;
use pchadr::run::executor::undo::NotUndone;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::Direction;

use super::super::{record_of, starts};
use super::variants::{killed_at, state};
use super::{BACKUP, POINT_OF_NO_RETURN, PRIMARY, abort_through, drill};
use crate::site::{assert_one_writable, paused, plan_of};

#[test]
fn a_primary_mirror_that_is_lost_before_its_set_up_keeps_nobody_from_going_back() {
    let drill = drill();
    paused(Box::pin(async {
        let (mut stage, store) = killed_at(&drill, "install-primary-mirror").await;
        stage.simulated.world.down(Role::PrimaryMirror);
        stage.reopen(&drill.site);
        let what = "the primary mirror is lost";
        abort_through(&drill, &mut stage, &store, what).await;
        assert_eq!(state(&stage, PRIMARY), DatabaseState::Offline);
        assert_eq!(state(&stage, BACKUP), DatabaseState::Online);
        assert_one_writable(&stage);
    }));
}

#[test]
fn a_failback_goes_back_without_a_primary_that_is_lost_and_a_fence_closes_it_when_it_is_back() {
    let mut drill = drill();
    let lost = "its data center burned down".to_owned();
    drill
        .terms
        .overrides
        .insert("primary-lost".to_owned(), lost);
    paused(Box::pin(async {
        let (mut stage, store) = killed_at(&drill, POINT_OF_NO_RETURN).await;
        for role in [Role::Primary, Role::PrimaryMirror] {
            stage.simulated.world.down(role);
        }
        stage.reopen(&drill.site);
        abort_through(&drill, &mut stage, &store, "the first data center is lost").await;
        assert_eq!(state(&stage, BACKUP), DatabaseState::Online);
        assert_one_writable(&stage);
        stage.simulated.world.up(Role::Primary);
        assert_eq!(state(&stage, PRIMARY), DatabaseState::Online);
        stage.reopen(&drill.site);
        let plan = plan_of(Direction::Fence, &drill.site);
        let fence = Part {
            plan: &plan,
            ..drill.part(&stage, "fence")
        };
        let store = Box::new(MemoryStore::default());
        let finished = fence.execute(store, Vec::new()).await.expect("a record");
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(state(&stage, PRIMARY), DatabaseState::Offline);
    }));
}

/// A copy of the record that ends before B6, while chat was written on a primary that is lost by now.
#[test]
fn servers_that_are_active_at_home_are_not_undone_by_a_record_that_does_not_know_of_them() {
    let mut drill = drill();
    let lost = "its data center burned down".to_owned();
    drill
        .terms
        .overrides
        .insert("primary-lost".to_owned(), lost);
    paused(Box::pin(async {
        let (mut stage, store) = killed_at(&drill, "set-pool-state").await;
        let before = record_of(&store.bytes(), starts(POINT_OF_NO_RETURN));
        let bytes = store.bytes();
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let beginning: Vec<u8> = lines.take(before - 1).flatten().copied().collect();
        for role in [Role::Primary, Role::PrimaryMirror] {
            stage.simulated.world.down(role);
        }
        stage.reopen(&drill.site);
        let undone = drill.abort(&stage, &MemoryStore::with(&beginning)).await;
        let Err(NotUndone::Refused(problem)) = undone else {
            panic!("{:?}", undone.map(|it| it.outcome));
        };
        assert!(
            problem.why.contains("the record does not know of it"),
            "{problem}"
        );
        assert_ne!(state(&stage, BACKUP), DatabaseState::Online);
    }));
}
