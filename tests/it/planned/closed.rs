//! What a planned failover relies on once the primary gives the end of its log: that its mirror is none any
//! more, that this end is never written over, and that nobody gives it up while the primary has it.

use pchadr::cli::rehearse::{Part, Stage};
use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::cmdlets::{FaultKind as CmdletFault, PowerShellFault};
use pchadr::run::event::{Outcome, RunFinished};
use pchadr::run::fold::fold;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::Direction;
use pchadr::step::terms::{AcceptedLoss, Terms};

use super::{BACKUP, PRIMARY, chat, drill, record_of_close};
use crate::abort::{killed, record_of, records, starts};
use crate::site::{Drill, assert_one_writable, litware, paused, plan_of};

const MIRROR: Instance = Instance::chat(Role::PrimaryMirror);

async fn by_hand(stage: &Stage, at: Instance, statement: &str) {
    let mut session = stage.access.sql.open(at).await.unwrap();
    session.send(statement).await.unwrap();
}

fn stopped(finished: &RunFinished, step: &str, words: &str) {
    assert_eq!(finished.outcome, Outcome::Stopped, "{:?}", finished.error);
    assert_eq!(finished.stopped_at.as_deref(), Some(step));
    let error = finished.error.as_ref().unwrap();
    let said = format!("{} {}", error.why, error.hint);
    assert!(said.contains(words), "{said}");
}

/// `sql-server.md` 5: a partner that is cut off learns at reconnection that it is none.
#[test]
fn a_mirror_that_does_not_know_that_it_is_none_stops_the_run_until_it_does() {
    let drill = drill(litware());
    let at = record_of(&drill.undisturbed().journal, starts("remove-mirroring"));
    paused(async {
        let (mut stage, store) = killed(&drill, at).await;
        stage.simulated.world.with(|state| {
            let strange = state.guids.next();
            let server = state.instances.get_mut(&MIRROR).unwrap();
            let mgc = server.database_mut("mgc").unwrap();
            mgc.mirroring.as_mut().unwrap().guid = strange;
        });
        let finished = drill.run(&stage, &store).await.unwrap();
        stopped(&finished, "remove-mirroring", "takes itself for a mirror");
        assert_eq!(chat(&stage, PRIMARY).0, DatabaseState::Online);
        by_hand(&stage, MIRROR, "ALTER DATABASE [mgc] SET PARTNER OFF").await;
        stage.reopen(&drill.site);
        let finished = drill.run(&stage, &store).await.unwrap();
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
    });
}

#[test]
fn an_end_of_the_log_is_not_written_over_where_the_primary_was_opened_again() {
    let drill = drill(litware());
    let whole = drill.undisturbed();
    let closed = record_of(
        &whole.journal,
        |it| matches!(it, pchadr::run::event::Event::StepFinished { id, .. } if id == "close-primary"),
    );
    paused(async {
        // It was closed, and the record does not know that it was done.
        let (mut stage, store) = killed(&drill, closed - 1).await;
        assert_eq!(chat(&stage, PRIMARY).0, DatabaseState::Restoring);
        by_hand(&stage, PRIMARY, "RESTORE DATABASE [mgc] WITH RECOVERY").await;
        tokio::time::sleep(std::time::Duration::from_mins(5)).await;
        stage.simulated.world.write_messages(PRIMARY, 3);
        stage.reopen(&drill.site);
        let finished = drill.run(&stage, &store).await.unwrap();
        stopped(&finished, "close-primary", "holds an end of the log");
        stage.reopen(&drill.site);
        let undone = drill.abort(&stage, &store).await.unwrap();
        assert_eq!(undone.outcome, Outcome::Undone, "{:?}", undone.error);
        assert_eq!(chat(&stage, PRIMARY).0, DatabaseState::Online);
    });
}

#[test]
fn a_planned_failover_whose_undoing_has_begun_can_only_be_undone() {
    let drill = drill(litware());
    let last = record_of(&drill.undisturbed().journal, starts("recover-database"));
    paused(async {
        let (mut stage, store) = killed(&drill, last).await;
        stage.simulated.cmdlets.fail(PowerShellFault {
            cmdlet: "Set-CsPersistentChatActiveServer".to_owned(),
            nth: 1,
            kind: CmdletFault::ErrorBefore,
        });
        let half = drill.abort(&stage, &store).await.unwrap();
        assert_eq!(half.outcome, Outcome::Stopped, "{:?}", half.error);
        assert_eq!(chat(&stage, PRIMARY).0, DatabaseState::Online);
        assert!(fold(&records(&store)).unwrap().goes_back_only());
        stage.reopen(&drill.site);
        let undone = drill.abort(&stage, &store).await.unwrap();
        assert_eq!(undone.outcome, Outcome::Undone, "{:?}", undone.error);
    });
}

#[test]
fn a_failover_does_not_give_up_what_a_closed_primary_has_while_it_answers() {
    let planned = drill(litware());
    let at = 1 + record_of_close(&planned);
    let forced = Drill::failover(litware());
    let plan = plan_of(Direction::Failover, &forced.site);
    let terms = Terms {
        yes: true,
        accepted: Some(AcceptedLoss::EndOfChain),
        overrides: ["share-lost", "primary-answers", "mirror-alive"]
            .map(|id| (id.to_owned(), "it is lost".to_owned()))
            .into(),
        ..Terms::default()
    };
    paused(async {
        let copied = record_of(
            &planned.undisturbed_here().await.journal,
            |it| matches!(it, pchadr::run::event::Event::StepFinished { id, .. } if id == "close-primary"),
        );
        assert!(copied >= at);
        let (mut stage, _) = killed(&planned, copied).await;
        assert_eq!(chat(&stage, PRIMARY).0, DatabaseState::Restoring);
        assert!(stage.simulated.folders.set_reachable("backup", false));
        stage.reopen(&forced.site);
        let part = Part {
            plan: &plan,
            terms: &terms,
            ..forced.part(&stage, "forced")
        };
        let finished = part
            .execute(Box::new(MemoryStore::default()), vec![])
            .await
            .unwrap();
        assert_eq!(finished.outcome, Outcome::Refused, "{:?}", finished.error);
        let error = finished.error.unwrap();
        let said = format!("{} {}", error.why, error.hint);
        assert!(
            said.contains("is closed at LSN") && said.contains("pchadr abort"),
            "{said}"
        );
        assert_ne!(chat(&stage, BACKUP).0, DatabaseState::Online);
        assert_one_writable(&stage);
    });
}
