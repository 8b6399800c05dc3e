//! Chat servers that keep their sessions though none is active (`steps.md` 8: whether they do is not
//! known): their services are named, and stopped only with consent.

use std::sync::Mutex;

use futures_util::future::BoxFuture;
use pchadr::cli::rehearse::{Stage, execute_with};
use pchadr::rehearsal::world::WorldOptions;
use pchadr::run::event::{Outcome, RunFinished};
use pchadr::run::executor::{Execution, Who};
use pchadr::run::journal::Journal;
use pchadr::run::ledger::RunLedger;
use pchadr::run::operator::{Answer, Operator, Unguarded};
use pchadr::run::recorder::Recorder;
use pchadr::run::store::MemoryStore;
use pchadr::site::Site;
use pchadr::step::terms::Terms;
use tokio_util::sync::CancellationToken;

use crate::site::{Drill, effects, litware, paused};

const BACKUP_SERVERS: [&str; 2] = ["pc5.dc2.litwareinc.com", "pc6.dc2.litwareinc.com"];

fn hold_on(options: &mut WorldOptions) {
    options.idle_hold_on = true;
}

fn drill(site: Site) -> Drill {
    let mut drill = Drill::failback(site);
    drill.recipe.vary = hold_on;
    drill
}

/// The same with a server that is for both states: its services are stopped, and started again.
pub(crate) fn drill_for_both(mut site: Site) -> Drill {
    let both = site.pool.failed_over[0].clone();
    site.pool.normal.push(both);
    drill(site)
}

fn changed_services(stage: &Stage, cmdlet: &str) -> Vec<String> {
    let mut changed: Vec<String> = effects(stage)
        .into_iter()
        .filter(|effect| effect.starts_with(cmdlet))
        .collect();
    changed.sort();
    changed
}

fn call(cmdlet: &str, service: &str, server: &str) -> String {
    format!(r#"{cmdlet} {{"ComputerName":"{server}","Confirm":false,"Name":"{service}"}}"#)
}

fn runs(stage: &Stage, server: &str) -> (bool, bool) {
    let pool = stage.simulated.pool.lock().expect("the pool");
    let server = pool.server(server).expect("a server");
    (server.chat_service, server.compliance_service)
}

/// Runs with these terms, and nobody to ask.
async fn run(drill: &Drill, stage: &Stage, store: &MemoryStore, terms: &Terms) -> RunFinished {
    let (site, saved) = (&drill.site, drill.saved.as_ref());
    let store = Box::new(store.clone());
    execute_with(
        site,
        &drill.plan,
        terms,
        &stage.access,
        saved,
        store,
        vec![],
    )
    .await
    .expect("a record")
}

fn yes() -> Terms {
    Terms {
        yes: true,
        ..Terms::default()
    }
}

#[test]
fn services_that_hold_on_are_stopped_with_consent_and_those_of_exactly_these_servers() {
    let drill = drill(litware());
    paused(async {
        let stage = drill.stage();
        let store = MemoryStore::default();
        let finished = run(&drill, &stage, &store, &yes()).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
        let stop = "Stop-CsWindowsService";
        let mut wanted: Vec<String> = BACKUP_SERVERS
            .iter()
            .flat_map(|server| {
                ["SIMCHAT", "SIMCOMPLIANCE"].map(|service| call(stop, service, server))
            })
            .collect();
        wanted.sort();
        assert_eq!(changed_services(&stage, stop), wanted);
        // They are for the failed-over state only: they stay as they are, and are named.
        assert_eq!(
            changed_services(&stage, "Start-CsWindowsService"),
            Vec::<String>::new()
        );
        let journal = String::from_utf8(store.bytes()).expect("text");
        let named = "stopped, and left so: SIMCHAT on pc5.dc2.litwareinc.com";
        assert!(journal.contains(named), "the end names them");
        let consent = journal
            .lines()
            .find(|line| line.contains(r#""event":"consent"#) && line.contains("SIMCHAT"))
            .expect("a consent of its own");
        assert!(consent.contains("--yes"), "{consent}");
    });
}

/// A person who says yes to everything but to the end of a service.
#[derive(Default)]
struct Person(Mutex<Vec<String>>);

impl Operator for Person {
    fn is_there(&self) -> bool {
        true
    }

    fn ask<'a>(&'a self, what: &'a str, _word: &'a str) -> BoxFuture<'a, Answer> {
        self.0.lock().expect("the questions").push(what.to_owned());
        let answer = if what.contains("SIMCHAT") {
            Answer::No
        } else {
            Answer::Yes
        };
        Box::pin(std::future::ready(answer))
    }
}

/// The same run with a person at the terminal.
async fn ask(drill: &Drill, stage: &Stage, store: &MemoryStore, person: &Person) -> RunFinished {
    let journal = Journal::begin(Box::new(store.clone()));
    let ledger = RunLedger::new(Recorder::new(journal, stage.access.clock, Vec::new()));
    let execution = Execution {
        site: &drill.site,
        plan: &drill.plan,
        access: &stage.access,
        terms: &Terms::default(),
        operator: person,
        guard: &Unguarded,
        pause: false,
        ledger: &ledger,
        stop: &CancellationToken::new(),
        run: "rehearsal",
        who: Who::default(),
        saved_elsewhere: drill.saved.as_ref(),
        unreadable: &[],
        resume_command: None,
        forth_command: None,
        continued: None,
        rest_command: None,
    };
    execution.start().await.expect("a record")
}

#[test]
fn without_consent_no_service_is_stopped_and_a_resume_with_consent_goes_on() {
    let drill = drill(litware());
    paused(async {
        let mut stage = drill.stage();
        let store = MemoryStore::default();
        let person = Person::default();
        let finished = ask(&drill, &stage, &store, &person).await;
        assert_eq!(finished.outcome, Outcome::Stopped, "{:?}", finished.error);
        let stop = "Stop-CsWindowsService";
        assert_eq!(changed_services(&stage, stop), Vec::<String>::new());
        let asked = person.0.into_inner().expect("the questions");
        let asked = asked.last().expect("a question");
        for server in BACKUP_SERVERS {
            assert!(asked.contains(&format!("SIMCHAT on {server}")), "{asked}");
        }
        let error = finished.error.expect("a reason");
        assert!(error.why.contains("did not consent"), "{error:?}");
        assert_eq!(finished.stopped_at.as_deref(), Some("clear-active-servers"));
        stage.reopen(&drill.site);
        let finished = run(&drill, &stage, &store, &yes()).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        assert_eq!(changed_services(&stage, stop).len(), 4);
    });
}

#[test]
fn a_server_for_both_states_has_its_services_started_again() {
    let drill = drill_for_both(litware());
    let both = drill.site.pool.failed_over[0].clone();
    paused(async {
        let stage = drill.stage();
        let store = MemoryStore::default();
        let finished = run(&drill, &stage, &store, &yes()).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        let start = "Start-CsWindowsService";
        let wanted =
            ["SIMCHAT", "SIMCOMPLIANCE"].map(|service| call(start, service, both.as_str()));
        assert_eq!(changed_services(&stage, start), wanted);
        assert_eq!(runs(&stage, both.as_str()), (true, true));
        assert_eq!(runs(&stage, BACKUP_SERVERS[1]), (false, false));
        let made = effects(&stage);
        let at = |what: &str| made.iter().position(|it| it.contains(what));
        assert!(at("\"PoolState\":\"Normal\"") < at(start), "{made:#?}");
    });
}

#[test]
fn where_idle_servers_leave_by_themselves_no_service_is_touched() {
    let drill = Drill::failback(litware());
    paused(async {
        let stage = drill.stage();
        let finished = run(&drill, &stage, &MemoryStore::default(), &yes()).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
        for cmdlet in ["Stop-CsWindowsService", "Start-CsWindowsService"] {
            assert_eq!(changed_services(&stage, cmdlet), Vec::<String>::new());
        }
    });
}
