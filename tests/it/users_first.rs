//! The failback that serves users before it sets up the primary's mirror and log shipping.

use std::io::Write as _;
use std::time::Duration;

use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Role};
use pchadr::report::account::Account;
use pchadr::report::downtime::{measured, whole};
use pchadr::report::read_lines;
use pchadr::run::event::{Outcome, RunFinished};
use pchadr::run::store::MemoryStore;

use crate::abort::{killed, record_of, starts};
use crate::kill_sweep::kill_around_effects;
use crate::program::{self, Program};
use crate::site::{Drill, assert_same_end, end, litware, paused};

const PRIMARY: Instance = Instance::chat(Role::Primary);
const BACKUP: Instance = Instance::chat(Role::Backup);

fn drill() -> Drill {
    Drill::failback(litware()).users_first()
}

fn done(finished: &RunFinished) {
    assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
}

#[test]
fn the_plan_serves_before_the_mirror_and_log_shipping_and_says_what_is_at_risk() {
    for form in ["human", "markdown"] {
        let site = program::litware();
        let site = site.to_str().expect("a path");
        let words = ["failback", "--dry-run", "--service-first", "--output", form];
        let text = Program::new()
            .run(&[&words[..], &["--config", site]].concat())
            .done();
        for risk in ["exists on one instance only", "in one data center only"] {
            assert!(text.contains(risk), "{text}");
        }
        assert!(text.contains("in all 0 × size"), "{text}");
    }
    let ids: Vec<String> = drill().plan.steps.into_iter().map(|it| it.id).collect();
    let mut vendors: Vec<String> = Drill::failback(litware())
        .plan
        .steps
        .into_iter()
        .map(|it| it.id)
        .collect();
    let last = ids.len() - 4;
    vendors[last..].rotate_left(2);
    assert_eq!(ids, vendors);
}

#[test]
fn it_ends_as_the_default_order_does() {
    let (default, first) = (Drill::failback(litware()), drill());
    let ends = [default, first].map(|drill| {
        paused(async {
            let stage = drill.stage();
            done(
                &drill
                    .run(&stage, &MemoryStore::default())
                    .await
                    .expect("a record"),
            );
            let mut end = end(&stage);
            // Where the log ends, and which files the jobs took, depends on when they ran.
            end.files.clear();
            end
        })
    });
    assert_same_end(&ends[1], &ends[0], "users first");
}

#[test]
fn what_users_write_before_the_mirror_stands_is_kept_and_reaches_the_backup() {
    let drill = drill();
    paused(Box::pin(async {
        for step in ["install-primary-mirror", "configure-log-shipping"] {
            let undisturbed = drill.undisturbed_here().await;
            let (mut stage, store) =
                killed(&drill, record_of(&undisturbed.journal, starts(step))).await;
            let messages = |stage: &pchadr::cli::rehearse::Stage, at| {
                let summary = stage.simulated.world.summary();
                let chat = summary.database(at, "mgc").expect("the chat database");
                (chat.state, chat.messages)
            };
            let before = messages(&stage, PRIMARY).1;
            stage.simulated.world.write_messages(PRIMARY, 7);
            stage.reopen(&drill.site);
            done(&drill.run(&stage, &store).await.expect("a record"));
            assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
            let written = before + 7;
            assert_eq!(messages(&stage, PRIMARY), (DatabaseState::Online, written));
            assert_eq!(
                messages(&stage, BACKUP),
                (DatabaseState::Restoring, written)
            );
        }
    }));
}

#[test]
fn killed_around_any_effect_it_ends_the_same() {
    kill_around_effects(&drill());
}

#[test]
fn on_50_gb_users_are_without_chat_for_a_fifth_of_the_vendors_procedure_at_most() {
    let minutes = |mut drill: Drill| {
        drill.prepare = |stage, _| {
            stage.simulated.world.with(|state| {
                let server = state.instances.get_mut(&BACKUP).expect("the backup");
                let mut databases = server.databases.iter_mut();
                let chat = databases
                    .find(|it| it.name == "mgc")
                    .expect("the chat database");
                for file in chat.files.iter_mut().filter(|file| !file.log) {
                    file.bytes = 50_000_000_000;
                }
            });
        };
        let store = MemoryStore::default();
        paused(async {
            let stage = drill.stage();
            done(&drill.run(&stage, &store).await.expect("a record"));
        });
        let account = Account::of(&read_lines(&store.bytes()).records());
        whole(&measured(&account).expect("a downtime"))
    };
    let failback = || Drill::failback(litware());
    let vendors = minutes(failback().in_vendor_order());
    let told = |name: &str, time: Duration| {
        let ratio = time.as_secs_f64() / vendors.as_secs_f64();
        let line = format!(
            "downtime of a failback of 50 GB, {name}: {:.1} min, {ratio:.2} of the vendor's\n",
            time.as_secs_f64() / 60.0
        );
        // Not `eprintln!`: the test runner would swallow it.
        let _ = std::io::stderr().write_all(line.as_bytes());
        ratio
    };
    told("in the vendor's order", vendors);
    told("seeded while chat serves", minutes(failback()));
    let first = told("users first", minutes(drill()));
    assert!(first <= 0.2, "{first}");
}
