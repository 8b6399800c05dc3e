//! A plan that was approved is refused when the site is not what it was, with what differs named; and what
//! a run of it sent is proved by its record.

mod drifts;
mod typed;

use pchadr::approval::drift::{Drift, Held, hold};
use pchadr::approval::facts::{Fact, Is, Rule, Thing, observe};
use pchadr::approval::{Approval, Approved, Chosen, proof};
use pchadr::cli::rehearse::Stage;
use pchadr::model::{Document, Role};
use pchadr::rehearsal::lab::{Event, Target};
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::rehearsal::world::Start;
use pchadr::run::event::{Event as Recorded, Outcome, Record};
use pchadr::run::journal;
use pchadr::run::store::{MemoryStore, Store as _};
use pchadr::site::Site;
use serde_json::{Value, json};

use crate::site::{Drill, litware, paused};

/// The normal state, as a change board sees it.
fn normal() -> Recipe {
    Recipe {
        start: Start::Normal,
        ..Recipe::disaster(Logs::Made(8))
    }
}

/// Looks at a site through doors of its own; nothing may be changed by it.
async fn look(site: &Site, stage: &mut Stage) -> Vec<Thing> {
    stage.reopen(site);
    let before = stage.simulated.changes.all().len();
    let seen = observe(site, &stage.access).await;
    let after = stage.simulated.changes.all().len();
    assert_eq!(after, before, "a look changed something");
    assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
    seen
}

fn names(drift: &[Drift]) -> Vec<(&str, &str)> {
    let names = drift.iter().map(|it| (it.of.as_str(), it.fact.as_str()));
    names.collect()
}

#[test]
fn an_approved_plan_refuses_each_kind_of_drift_by_name_and_allows_what_goes_on_by_itself() {
    let site = litware();
    let mut wrong = Vec::new();
    for (name, change, wanted) in drifts::TABLE {
        let held = paused(async {
            let mut stage = Stage::build(&site, &normal()).expect("a site");
            let approved = look(&site, &mut stage).await;
            change(&stage);
            hold(&approved, &look(&site, &mut stage).await)
        });
        let named = names(&held.drift);
        if named != *wanted {
            wrong.push(format!("{name}: {:#?}, wanted {wanted:?}", held.drift));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.join(
            "
"
        )
    );
}

/// The fact with another value.
fn with(things: &[Thing], thing: usize, fact: usize, value: Value) -> Vec<Thing> {
    let mut things = things.to_vec();
    things[thing].facts[fact].value = value;
    things
}

#[test]
fn each_fact_is_held_by_its_rule() {
    let site = litware();
    let now = paused(async {
        let mut stage = Stage::build(&site, &normal()).expect("a site");
        look(&site, &mut stage).await
    });
    assert_eq!(hold(&now, &now), Held::default());
    let mut rules = [0; 3];
    for (at, thing) in now.iter().enumerate() {
        for (nth, fact) in thing.facts.iter().enumerate() {
            let Fact {
                name, rule, value, ..
            } = fact;
            let drifts = |approved: Value| {
                let held = hold(&with(&now, at, nth, approved), &now);
                assert!(held.drift.len() <= 1 && held.unseen.is_empty(), "{held:?}");
                let named = held.drift.first();
                named.is_some_and(|it| (&it.of, &it.fact) == (&thing.of, name))
            };
            let (of, grown, shrunk) = match value {
                Value::Number(it) => {
                    let it = it.as_i64().expect("a whole number");
                    (name, json!(it + 1), json!(it - 1))
                }
                Value::String(it) => (name, json!(format!("{it}0")), json!("")),
                _ => (name, json!("another"), Value::Null),
            };
            match rule {
                Rule::MustEqual => {
                    rules[0] += 1;
                    assert!(drifts(grown), "{}: {of}", thing.of);
                }
                Rule::MayGrow => {
                    rules[1] += 1;
                    assert!(drifts(grown), "{}: {of} went back", thing.of);
                    assert!(!drifts(shrunk), "{}: {of} went on", thing.of);
                    assert!(!drifts(Value::Null), "{}: {of} is new", thing.of);
                }
                Rule::Ignore => {
                    rules[2] += 1;
                    assert!(!drifts(grown), "{}: {of}", thing.of);
                }
            }
        }
    }
    assert!(
        rules[0] > 100 && rules[1] > 10 && rules[2] > 10,
        "{rules:?}"
    );
}

/// The table of all facts with their rules, as it is to be: instances and rows do not matter.
const RULES: &str = include_str!("approval/rules.txt");

#[test]
fn each_fact_has_the_rule_that_the_table_gives_it() {
    let site = litware();
    let mut lines: Vec<String> = Vec::new();
    for recipe in [normal(), Recipe::failed_over(Logs::Made(8))] {
        let seen = paused(async {
            let mut stage = Stage::build(&site, &recipe).expect("a site");
            look(&site, &mut stage).await
        });
        for thing in &seen {
            let roles = ["primary", "primary mirror", "backup", "backup mirror"];
            let of = match thing.of.split_once(": ") {
                Some((role, of)) if roles.contains(&role) => of,
                _ => &thing.of,
            };
            let of = of.replace("mgccomp", "DATABASE").replace("mgc", "DATABASE");
            lines.extend(thing.facts.iter().map(|fact| {
                let name = fact.name.rsplit([':', ' ']).next().unwrap_or_default();
                let rule = match fact.rule {
                    Rule::MustEqual => "must equal",
                    Rule::MayGrow => "may grow",
                    Rule::Ignore => "ignored",
                };
                format!("{of}: {name}: {rule}")
            }));
        }
    }
    lines.sort();
    lines.dedup();
    let told = lines.join("\n") + "\n";
    assert_eq!(told, RULES, "look at it, then take it over:\n{told}");
}

#[test]
fn what_is_not_seen_then_or_now_is_told_and_is_no_drift() {
    let site = litware();
    let (alive, dead) = paused(async {
        let mut stage = Stage::build(&site, &normal()).expect("a site");
        let alive = look(&site, &mut stage).await;
        let lost = Target::DataCenter { primary: true };
        stage.simulated.happen(Event::Down(lost));
        (alive, look(&site, &mut stage).await)
    });
    for (approved, now, when) in [
        (&alive, &dead, "not seen now"),
        (&dead, &alive, "not seen when it was saved"),
    ] {
        let held = hold(approved, now);
        assert_eq!(held.drift, []);
        let told = held.told();
        for role in [Role::Primary, Role::PrimaryMirror] {
            let line = format!("{role}: instance: {when}");
            let lines = told.iter().filter(|it| it.starts_with(&line)).count();
            assert_eq!(lines, 1, "{told:#?}");
            let of = format!("{role}: ");
            let all = told.iter().filter(|it| it.starts_with(&of)).count();
            assert_eq!(
                all, 1,
                "each other thing of it follows from that: {told:#?}"
            );
        }
    }
    // What does not answer to one question is told by that.
    let mut mute = alive.clone();
    let thing = mute.iter_mut().find(|it| it.of == "pool: state");
    *thing.expect("the state") = Thing {
        of: "pool: state".to_owned(),
        is: Is::Unknown,
        why: Some("the store is dead".to_owned()),
        facts: Vec::new(),
    };
    assert_eq!(
        hold(&alive, &mute).told(),
        ["pool: state: not seen now: the store is dead"]
    );
}

/// An approval of the plan of a drill, as its stage stands.
async fn approve(drill: &Drill, stage: &Stage) -> Approved {
    let chosen = Chosen::default();
    let approval = Approval::of(&drill.plan, &drill.site, &stage.access, chosen).await;
    let bytes = approval.expect("an approval").to_json().expect("a text");
    Approved::read(bytes).expect("an approval")
}

/// A failover under an approval; its records, and the approval that it kept.
fn approved_run(drill: &mut Drill) -> (Vec<Record>, Vec<u8>) {
    let mut store = MemoryStore::default();
    let finished = paused(async {
        let mut stage = drill.stage();
        let approved = approve(drill, &stage).await;
        stage.reopen(&drill.site);
        drill.terms.approved = Some(approved.digest.clone());
        let kept = store.keep(Document::Approval, &approved.bytes);
        kept.expect("it is kept");
        drill.run(&stage, &store).await
    });
    assert_eq!(finished.expect("a run").outcome, Outcome::Done);
    let records = journal::read(&store.bytes()).expect("a journal").records;
    let kept = store.kept(Document::Approval).expect("a store");
    (records, kept.expect("the approval"))
}

#[test]
fn a_record_proves_that_each_command_was_approved_and_tells_why_where_it_does_not() {
    let mut drill = Drill::failover(litware());
    let (records, kept) = approved_run(&mut drill);
    let sent = records
        .iter()
        .filter(|it| matches!(it.event, Recorded::Command { .. }))
        .count();
    let proof = proof::of(&records, Some(&kept)).expect("it was approved");
    assert_eq!((proof.why, proof.commands, proof.earlier), (None, sent, 0));
    assert!(sent >= 10, "{sent}");

    let why = |records: &[Record], kept: Option<&[u8]>| {
        let proof = proof::of(records, kept).expect("it began under an approval");
        proof.why.unwrap_or_default()
    };
    assert!(why(&records, None).contains("was not kept"));
    let mut edited = kept.clone();
    edited.push(b'\n');
    assert!(why(&records, Some(&edited)).contains("not the one that was recorded"));

    // A command that the plan lacks.
    let mut other = records.clone();
    let command = other.iter_mut().find_map(|it| match &mut it.event {
        Recorded::Command { n, .. } => Some(n),
        _ => None,
    });
    *command.expect("a command") = 99;
    let told = why(&other, Some(&kept));
    assert!(told.contains("command 99 of `"), "{told}");

    // Another plan under way, without an approval; then with one that is not this.
    let last = records.last().expect("an end").clone();
    for (approved, wanted) in [
        (None, "without a new approval"),
        (
            Some("sha256:00".to_owned()),
            "not the one that was recorded",
        ),
    ] {
        let mut changed = records.clone();
        changed.push(Record {
            event: Recorded::PlanChanged {
                from: drill.plan.digest.clone(),
                to: "sha256:11".to_owned(),
                steps: None,
                approved,
            },
            ..last.clone()
        });
        let told = why(&changed, Some(&kept));
        assert!(told.contains(wanted), "{told}");
    }

    // A run without an approval claims nothing.
    drill.terms.approved = None;
    let store = MemoryStore::default();
    paused(async { drill.run(&drill.stage(), &store).await }).expect("a run");
    let records = journal::read(&store.bytes()).expect("a journal").records;
    assert_eq!(proof::of(&records, Some(&kept)), None);
}
