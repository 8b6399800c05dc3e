//! The time without chat is shown before a failback as terms of a sum, and after it as measured
//! parts that add up.

use std::time::Duration;

use jiff::Timestamp;
use pchadr::model::{Instance, Role};
use pchadr::plan::Plan;
use pchadr::report::account::Account;
use pchadr::report::downtime::{measured, whole};
use pchadr::report::duration::humanize;
use pchadr::report::{markdown, plan, read_lines};
use pchadr::run::event::{Event, Outcome};
use pchadr::run::store::MemoryStore;
use pchadr::runbook::Direction;

use crate::site::{Drill, litware, paused, plan_of};

fn shown(plan: &Plan) -> [String; 2] {
    let (mut human, mut page) = (Vec::new(), Vec::new());
    plan::human(plan, &mut human).expect("a text");
    plan::markdown(plan, "pchat.litwareinc.com", &mut page).expect("a text");
    [human, page].map(|text| String::from_utf8(text).expect("text"))
}

#[test]
fn the_plan_of_a_failback_shows_its_downtime_as_a_sum_and_that_of_a_failover_none() {
    let seeded = "in all 2 × size / throughput (50 GB at 100 MB/s: 16 min 40 s), 17 min 00 s allowed for waiting, and what the commands themselves take";
    for text in shown(&plan_of(Direction::Failback, &litware())) {
        assert!(text.contains(seeded), "{text}");
        for term in ["2 × size / throughput", "2 min 00 s allowed"] {
            assert!(text.contains(term), "{term}");
        }
        assert!(!text.contains("1 × size"), "{text}");
    }
    let vendors = Drill::failback(litware()).in_vendor_order().plan;
    for text in shown(&vendors) {
        let sum = "in all 5 × size / throughput (50 GB at 100 MB/s: 41 min 40 s)";
        assert!(text.contains(sum), "{text}");
        assert!(text.contains("1 × size / throughput"), "{text}");
    }
    for text in shown(&plan_of(Direction::Failover, &litware())) {
        assert!(!text.contains("owntime"), "{text}");
    }
    let mut site = litware();
    site.sql
        .instances
        .remove(&Instance::chat(Role::PrimaryMirror));
    let [human, _] = shown(&plan_of(Direction::Failback, &site));
    assert!(
        human.contains("in all 0 × size"),
        "no mirror, no copies for it: {human}"
    );
}

#[test]
fn what_a_rehearsed_failback_measured_adds_up_to_the_time_from_b1_to_the_sessions() {
    let drill = Drill::failback(litware());
    let store = MemoryStore::default();
    paused(async {
        let stage = drill.stage();
        let finished = drill.run(&stage, &store).await.expect("a record");
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
    });
    let records = read_lines(&store.bytes()).records();
    let at = |wanted: &dyn Fn(&Event) -> bool| -> Timestamp {
        let record = records.iter().find(|record| wanted(&record.event));
        record.expect("a record").at
    };
    let began = at(&|it| matches!(it, Event::StepStarted { id } if id == "clear-active-servers"));
    let ended = at(&|it| matches!(it, Event::StepFinished { id, .. } if id == "set-pool-state"));
    let account = Account::of(&records);
    let parts = measured(&account).expect("a downtime");
    let ids: Vec<&str> = parts.iter().map(|(id, _)| *id).collect();
    let planned = drill
        .plan
        .steps
        .iter()
        .filter(|step| step.downtime.is_some());
    let planned: Vec<&str> = planned.map(|step| step.id.as_str()).collect();
    assert_eq!(ids, planned, "the parts of the plan");
    let seconds = u64::try_from(ended.duration_since(began).as_secs()).expect("later");
    assert_eq!(whole(&parts), Duration::from_secs(seconds));
    let mut page = Vec::new();
    markdown::write_run(&account, None, &mut page).expect("a text");
    let page = String::from_utf8(page).expect("text");
    for (id, time) in &parts {
        let row = format!("| {id} | {} |", humanize(*time));
        assert!(page.contains(&row), "{row}\n{page}");
    }
    let all = humanize(Duration::from_secs(seconds));
    assert!(
        page.contains(&format!("session after B7 | {all} |")),
        "{page}"
    );
}

#[test]
fn a_run_that_stopped_while_chat_was_down_tells_no_downtime() {
    let mut drill = Drill::failback(litware());
    drill.prepare = |stage, _| {
        stage.simulated.world.with(|state| {
            state.faults.push(pchadr::rehearsal::world::SqlFault {
                instance: Instance::chat(Role::Primary),
                contains: "RESTORE DATABASE [mgc] WITH RECOVERY".to_owned(),
                nth: 1,
                kind: pchadr::rehearsal::world::FaultKind::ErrorBefore(5000),
            });
        });
    };
    let store = MemoryStore::default();
    let finished = paused(async {
        let stage = drill.stage();
        drill.run(&stage, &store).await.expect("a record")
    });
    assert_eq!(finished.outcome, Outcome::Stopped);
    let account = Account::of(&read_lines(&store.bytes()).records());
    assert_eq!(measured(&account), None);
}
