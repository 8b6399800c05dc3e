//! Rule 12: how a run ends. And consent: what is missing is found before anything is changed.

use futures_util::future::BoxFuture;
use pchadr::cli::rehearse::{RehearsalError, Stage, run as rehearse};
use pchadr::model::states::DatabaseState;
use pchadr::run::event::{Event, Outcome, RunFinished, StepOutcome};
use pchadr::run::executor::{Execution, Who};
use pchadr::run::journal::Journal;
use pchadr::run::ledger::RunLedger;
use pchadr::run::operator::{Answer, Nobody, Operator, Unguarded};
use pchadr::run::recorder::{Recorder, Sink};
use pchadr::run::store::MemoryStore;
use pchadr::site::Site;
use pchadr::step::terms::{AcceptedLoss, Terms};
use tokio_util::sync::CancellationToken;

use super::When;
use crate::site::{disaster, litware, paused, plan, terms};
use crate::variants::{hold, vary};

const RESUME: &str = "pchadr failover --config site.toml --resume=r1";

/// A live run's execution: somebody to ask, a stop, a command that goes on.
async fn execute(
    site: &Site,
    stage: &Stage,
    terms: &Terms,
    operator: &dyn Operator,
    stop: &CancellationToken,
    sinks: Vec<Box<dyn Sink>>,
) -> (RunFinished, MemoryStore) {
    let store = MemoryStore::default();
    let journal = Journal::begin(Box::new(store.clone()));
    let ledger = RunLedger::new(Recorder::new(journal, stage.access.clock, sinks));
    let plan = plan(site);
    let execution = Execution {
        site,
        plan: &plan,
        access: &stage.access,
        terms,
        operator,
        guard: &Unguarded,
        pause: false,
        ledger: &ledger,
        stop,
        run: "r1",
        who: Who::default(),
        saved_elsewhere: None,
        unreadable: &[],
        resume_command: Some(RESUME.to_owned()),
        forth_command: Some(RESUME.to_owned()),
        continued: None,
        rest_command: None,
    };
    let finished = execution.start().await.expect("a record");
    (finished, store)
}

/// A person who answers every question alike, and notes them.
struct Person(Answer, std::sync::Mutex<Vec<String>>);

impl Person {
    fn who_says(answer: Answer) -> Self {
        Self(answer, std::sync::Mutex::default())
    }
}

impl Operator for Person {
    fn is_there(&self) -> bool {
        true
    }

    fn ask<'a>(&'a self, what: &'a str, word: &'a str) -> BoxFuture<'a, Answer> {
        let question = format!("{what} [{word}]");
        self.1.lock().expect("the questions").push(question);
        Box::pin(std::future::ready(self.0))
    }
}

fn live(yes: bool, accepted: Option<AcceptedLoss>) -> Terms {
    Terms {
        rehearsal: false,
        yes,
        accepted,
        ..Terms::default()
    }
}

#[test]
fn without_yes_and_with_nobody_to_ask_nothing_is_changed() {
    for (terms, why, hint) in [
        (
            live(false, Some(AcceptedLoss::EndOfChain)),
            "nobody is there to consent",
            "--yes",
        ),
        (
            live(false, None),
            "is lost",
            "--accept-loss-after end-of-chain",
        ),
        (
            live(true, None),
            "is lost",
            "--accept-loss-after end-of-chain",
        ),
    ] {
        let held = hold(&litware(), &disaster(), &terms, async |_| ());
        let error = held.error();
        assert!(error.why.contains(why), "{error:?}");
        assert!(error.hint.contains(hint), "{error:?}");
        assert_eq!(
            (held.finished.outcome, held.finished.exit),
            (Outcome::Refused, 5)
        );
        assert_eq!(held.changes, []);
    }
    let both = live(true, Some(AcceptedLoss::EndOfChain));
    let held = hold(&litware(), &disaster(), &both, async |_| ());
    held.assert_done();
    let consents: Vec<(String, String)> = held
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Consent { step, by, .. } => Some((step, by)),
            _ => None,
        })
        .collect();
    let recover = "recover-database".to_owned();
    assert_eq!(
        consents,
        [
            (
                recover.clone(),
                "--accept-loss-after end-of-chain".to_owned()
            ),
            (recover, "--yes".to_owned()),
        ]
    );
}

#[test]
fn a_person_is_asked_at_the_point_of_no_return_and_no_stops_there() {
    let site = litware();
    let terms = live(false, Some(AcceptedLoss::EndOfChain));
    for (answer, exit) in [(Answer::Yes, 0), (Answer::No, 4)] {
        paused(async {
            let stage = Stage::build(&site, &disaster()).expect("the site");
            let person = Person::who_says(answer);
            let stop = CancellationToken::new();
            let (finished, _) = execute(&site, &stage, &terms, &person, &stop, Vec::new()).await;
            assert_eq!(finished.exit, exit, "{:?}", finished.error);
            let asked = person.1.lock().expect("the questions").clone();
            assert_eq!(asked.len(), 1, "{asked:?}");
            assert!(
                asked[0].contains("from here no log can be added"),
                "{asked:?}"
            );
            assert!(asked[0].ends_with("[pchat.litwareinc.com]"), "{asked:?}");
            // Why the first data center counts as dead.
            for line in [
                "seen: primary sql1.dc1.litwareinc.com\\chat, SQL Server: dead: not reachable",
                "seen: Front End fe1.dc1.litwareinc.com, TCP 5061: not reachable",
                "seen: newest log backup on the share: ",
                "seen: the last log backup of the chain was finished ",
                "seen: free on the backup's volumes: E:\\ 400.0 GiB",
            ] {
                assert!(asked[0].contains(line), "{asked:?}");
            }
            let summary = stage.simulated.world.summary();
            let chat = summary.database(crate::variants::BACKUP, "mgc");
            let wanted = match answer {
                Answer::Yes => DatabaseState::Online,
                Answer::No => DatabaseState::Restoring,
            };
            assert_eq!(chat.expect("mgc").state, wanted);
        });
    }
}

#[test]
fn a_rehearsal_consents_by_itself_and_records_that() {
    let held = hold(&litware(), &disaster(), &terms(), async |_| ());
    let by: Vec<String> = held
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Consent { by, .. } => Some(by),
            _ => None,
        })
        .collect();
    assert_eq!(by, ["rehearsal", "rehearsal"]);
}

#[test]
fn rule_12_a_run_ends_as_done_refused_or_stopped_and_only_a_stopped_one_names_what_goes_on() {
    let site = litware();
    let stop = CancellationToken::new();
    let ended = |finished: &RunFinished| (finished.outcome, finished.exit, finished.resume.clone());
    let resume = Some(RESUME.to_owned());
    paused(async {
        let stage = Stage::build(&site, &disaster()).expect("the site");
        let (finished, _) = execute(&site, &stage, &terms(), &Nobody, &stop, Vec::new()).await;
        assert_eq!(ended(&finished), (Outcome::Done, 0, None));
        assert!(finished.error.is_none() && finished.stopped_at.is_none());
        // Nothing to do is done too.
        let (finished, _) = execute(&site, &stage, &terms(), &Nobody, &stop, Vec::new()).await;
        assert_eq!(ended(&finished), (Outcome::Done, 0, None));
    });
    paused(async {
        let stage = Stage::build(&site, &disaster()).expect("the site");
        stage.simulated.world.down(pchadr::model::Role::Backup);
        let (finished, _) = execute(&site, &stage, &terms(), &Nobody, &stop, Vec::new()).await;
        assert_eq!(ended(&finished), (Outcome::Refused, 1, None));
    });
    paused(async {
        let stage = Stage::build(&site, &disaster()).expect("the site");
        stage.simulated.folders.set_reachable("backup", false);
        let (finished, _) = execute(&site, &stage, &terms(), &Nobody, &stop, Vec::new()).await;
        assert_eq!(ended(&finished), (Outcome::Refused, 3, None));
    });
    paused(async {
        let stage = Stage::build(&site, &disaster()).expect("the site");
        let terms = live(true, None);
        let (finished, _) = execute(&site, &stage, &terms, &Nobody, &stop, Vec::new()).await;
        assert_eq!(ended(&finished), (Outcome::Refused, 5, None));
    });
    paused(async {
        let stage = Stage::build(&site, &disaster()).expect("the site");
        let pool = stage.simulated.pool.clone();
        let dead = pool
            .lock()
            .expect("the pool")
            .server_mut("pc5.dc2.litwareinc.com")
            .map(|it| it.alive = false);
        assert!(dead.is_some());
        let (finished, _) = execute(&site, &stage, &terms(), &Nobody, &stop, Vec::new()).await;
        assert_eq!(ended(&finished), (Outcome::Stopped, 4, resume.clone()));
        let error = finished.error.expect("a cause");
        assert!(
            ![&error.what, &error.why, &error.hint]
                .iter()
                .any(|it| it.is_empty())
        );
        assert_eq!(finished.stopped_at.as_deref(), Some("set-active-servers"));
        assert_eq!(finished.steps["install-mirror"], StepOutcome::Done);
    });
}

#[test]
fn rule_12_the_operators_stop_is_stopped_behind_the_first_change_and_refused_before_it() {
    let site = litware();
    for (mark, outcome, exit) in [
        (r#""event":"run_started""#, Outcome::Refused, 1),
        (
            r#""event":"step_finished","id":"drop-log-shipping""#,
            Outcome::Stopped,
            4,
        ),
        (
            r#""event":"command","step":"apply-logs""#,
            Outcome::Stopped,
            4,
        ),
    ] {
        paused(async {
            let stage = Stage::build(&site, &disaster()).expect("the site");
            let stop = CancellationToken::new();
            let token = stop.clone();
            let sink = When(mark, move || token.cancel());
            let sinks: Vec<Box<dyn Sink>> = vec![Box::new(sink)];
            let (finished, _) = execute(&site, &stage, &terms(), &Nobody, &stop, sinks).await;
            assert_eq!((finished.outcome, finished.exit), (outcome, exit), "{mark}");
            let why = finished.error.expect("a cause").why;
            assert!(why.contains("stopped"), "{mark}: {why}");
            assert_eq!(
                finished.resume.is_some(),
                outcome == Outcome::Stopped,
                "{mark}"
            );
            if outcome == Outcome::Refused {
                assert_eq!(stage.simulated.changes.all(), []);
            }
        });
    }
}

#[test]
fn a_stop_ends_the_wait_for_an_effect_that_does_not_show() {
    let site = litware();
    let recipe = vary(|options| options.mirror_stalls = true);
    paused(async {
        let stage = Stage::build(&site, &recipe).expect("the site");
        let stop = CancellationToken::new();
        let token = stop.clone();
        // The mirror's set-up takes minutes; by then the run waits for SYNCHRONIZED.
        let mark = r#""event":"command","step":"install-mirror""#;
        let sink = When(mark, move || {
            let token = token.clone();
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_mins(10)).await;
                token.cancel();
            });
        });
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(sink)];
        let (finished, _) = execute(&site, &stage, &terms(), &Nobody, &stop, sinks).await;
        assert_eq!((finished.outcome, finished.exit), (Outcome::Stopped, 4));
        let why = finished.error.expect("a cause").why;
        assert!(
            why.contains("stopped by the operator before its effect showed"),
            "{why}"
        );
        // The limit of the mirror is two hours.
        assert!(
            finished.elapsed_seconds < 3600.0,
            "{}",
            finished.elapsed_seconds
        );
    });
}

#[test]
fn with_every_answer_an_error_102_the_rehearsal_fails_at_its_first_statement() {
    let site = litware();
    let recipe = vary(|options| options.answer_102_to_everything = true);
    let failed = rehearse(
        &site,
        &plan(&site),
        terms(),
        &recipe,
        Box::new(MemoryStore::default()),
        Vec::new(),
        &mut Vec::new(),
    )
    .expect_err("it must fail");
    let RehearsalError::Unknown(statements) = &failed else {
        panic!("{failed}");
    };
    assert!(statements[0].contains("102"), "{}", statements[0]);
    let text = failed.to_string();
    assert!(
        text.starts_with("the simulated site was asked what it does not know: "),
        "{text}"
    );

    paused(async {
        let stage = Stage::build(&site, &recipe).expect("the site");
        let stop = CancellationToken::new();
        let (finished, _) = execute(&site, &stage, &terms(), &Nobody, &stop, Vec::new()).await;
        assert_ne!(finished.exit, 0);
        assert_eq!(finished.stopped_at.as_deref(), Some("save-log-shipping"));
        assert!(finished.error.expect("a cause").why.contains("102"));
        assert_eq!(stage.simulated.changes.all(), []);
    });
}
