//! A run and a plan for the renderers' tests.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::json;

use crate::model::{Direction, Problem, Role};
use crate::plan::{Plan, PlannedStep};
use crate::run::event::{
    ClockKind, ErrorRecord, Event, FORMAT, Outcome, Record, RunFinished, RunStarted, StepLine,
    StepOutcome,
};
use crate::step::command::{Command, Hole, HoleType};
use crate::step::fencing::Fence;
use crate::step::{Block, Effect, Lift, Standing, Step};

/// A writer that can be read while a sink owns it.
#[derive(Clone, Default)]
pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut paper = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paper.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn records(events: Vec<(i64, Event)>) -> Vec<Record> {
    (1..)
        .zip(events)
        .map(|(seq, (second, event))| Record {
            fence: None,
            seq,
            at: Timestamp::from_second(1_800_000_000 + second).unwrap_or_default(),
            prev: String::new(),
            event,
        })
        .collect()
}

fn started() -> Event {
    use Effect::{Irreversible, Reversible};

    let line = |id: &str, vendor: &str, title: &str, stage, effect: Effect| StepLine {
        id: id.to_owned(),
        vendor: Some(vendor.to_owned()),
        title: title.to_owned(),
        stage,
        effect: effect.into(),
    };
    Event::RunStarted(RunStarted {
        format: FORMAT,
        run: "r7".to_owned(),
        runbook: "failover".to_owned(),
        plan_digest: "sha256:p1".to_owned(),
        site_digest: "sha256:s1".to_owned(),
        pool: "pchat.litwareinc.com".to_owned(),
        tool: "pchadr 0.1.0".to_owned(),
        host: "adm1".to_owned(),
        user: "ann".to_owned(),
        clock: ClockKind::Simulated,
        until: None,
        continues: None,
        approved: None,
        steps: vec![
            line(
                "drop-log-shipping",
                "F1",
                "drops the log-shipping secondary",
                1,
                Reversible,
            ),
            line("copy-backups", "F2", "copies log backups", 2, Reversible),
            line("end-connections", "F4", "ends sessions", 3, Irreversible),
            line("recover-database", "F4", "recovers `mgc`", 4, Irreversible),
            line("set-pool-state", "F5", "sets the state", 5, Reversible),
        ],
    })
}

pub(crate) fn start(id: &str) -> Event {
    Event::StepStarted { id: id.to_owned() }
}

pub(crate) fn end(id: &str, outcome: StepOutcome, note: &str) -> Event {
    Event::StepFinished {
        id: id.to_owned(),
        outcome,
        note: note.to_owned(),
    }
}

fn blocked(id: &str, why: &str, lift: Lift, cleared_by: Option<&str>) -> Event {
    Event::StepChecked {
        id: id.to_owned(),
        standing: Standing::Blocked {
            blocks: vec![Block {
                id: format!("{id}-block"),
                problem: Problem::new(why, "look at it"),
                cleared_by: cleared_by.map(str::to_owned),
                lift,
            }],
        }
        .into(),
        facts: json!({}),
    }
}

fn error() -> ErrorRecord {
    ErrorRecord {
        evidence: Vec::new(),
        what: "`mgc` was not recovered".to_owned(),
        why: "Exclusive access could not be obtained\nbecause the database is in use.".to_owned(),
        hint: "end the sessions that hold `mgc`, then go on".to_owned(),
        instance: Some(r"sql3.dc2.litwareinc.com\chat".to_owned()),
        number: Some(3101),
        remedies: Vec::new(),
    }
}

/// A rehearsed failover that stops at the point of no return.
pub(crate) fn stopped_run() -> Vec<Record> {
    use StepOutcome::{Done, DoneBefore, NotReached, Overtaken, Stopped};
    let outcomes = [
        ("drop-log-shipping", DoneBefore),
        ("copy-backups", Done),
        ("end-connections", Overtaken),
        ("recover-database", Stopped),
        ("set-pool-state", NotReached),
    ];
    let pending = blocked(
        "recover-database",
        "logs are not applied",
        Lift::Site,
        Some("copy-backups"),
    );
    let interlock = blocked(
        "recover-database",
        "a fresh `mgc` is on the primary",
        Lift::Override,
        None,
    );
    let consent = Event::Consent {
        step: "recover-database".to_owned(),
        what: "lose at most 4 min 12 s of chat".to_owned(),
        by: "--accept-loss-after end-of-chain".to_owned(),
        end: None,
    };
    let copy = Event::Command {
        step: "copy-backups".to_owned(),
        n: 1,
        values: json!([{"name": "mgc_1.trn"}, {"name": "mgc_2.trn"}]),
    };
    let recover = Event::Command {
        step: "recover-database".to_owned(),
        n: 1,
        values: json!({}),
    };
    let stopped = Event::RunStopped {
        stopped_at: "recover-database".to_owned(),
        error: error(),
    };
    let finished = Event::RunFinished(RunFinished {
        run: "r7".to_owned(),
        digest: "sha256:p1".to_owned(),
        outcome: Outcome::Stopped,
        exit: 4,
        steps: BTreeMap::from(outcomes.map(|(id, outcome)| (id.to_owned(), outcome))),
        stopped_at: Some("recover-database".to_owned()),
        error: Some(error()),
        resume: Some("pchadr failover --resume=r7".to_owned()),
        loss_seconds: Some(252),
        elapsed_seconds: 7531.25,
        wall_seconds: 1.5,
    });
    records(vec![
        (0, started()),
        (0, pending),
        (1, interlock.clone()),
        (2, end("drop-log-shipping", DoneBefore, "no row and no job")),
        (3, interlock),
        (3, start("copy-backups")),
        (4, copy),
        (7504, end("copy-backups", Done, "2 files, 3.1 GB")),
        (
            7505,
            end("end-connections", Overtaken, "`mgc` is restoring"),
        ),
        (7506, consent),
        (7507, start("recover-database")),
        (7508, recover),
        (
            7531,
            end("recover-database", Stopped, "error 3101\nin use | by 57"),
        ),
        (7531, stopped),
        (7531, finished),
    ])
}

/// The same run, resumed elsewhere after it was killed in the middle of a step, and finished:
/// records of the first execution, records of the second.
pub(crate) fn resumed_run() -> (Vec<Record>, Vec<Record>) {
    use StepOutcome::{Done, DoneBefore};
    let outcomes = [
        ("drop-log-shipping", DoneBefore),
        ("copy-backups", Done),
        ("end-connections", DoneBefore),
        ("recover-database", Done),
        ("set-pool-state", Done),
    ];
    let resumed = Event::RunResumed {
        plan_digest: "sha256:p1".to_owned(),
        host: "adm2".to_owned(),
        user: "bob".to_owned(),
        tool: None,
    };
    let finished = Event::RunFinished(RunFinished {
        run: "r7".to_owned(),
        digest: "sha256:p1".to_owned(),
        outcome: Outcome::Done,
        exit: 0,
        steps: BTreeMap::from(outcomes.map(|(id, outcome)| (id.to_owned(), outcome))),
        stopped_at: None,
        error: None,
        resume: None,
        loss_seconds: None,
        elapsed_seconds: 95.0,
        wall_seconds: 0.2,
    });
    let mut first = stopped_run();
    first.truncate(12);
    let second = records(vec![
        (8000, resumed),
        (8001, end("recover-database", Done, "`mgc` is ONLINE")),
        (8002, start("set-pool-state")),
        (8095, end("set-pool-state", Done, "FailedOver")),
        (8095, finished),
    ]);
    (first, second)
}

/// A plan of the same steps, as far as the tests need them.
pub(crate) fn plan() -> Plan {
    let step = |id: &str, vendor, title: &str, stage, effect, commands| PlannedStep {
        step: Step::find(Direction::Failover, id).unwrap(),
        id: id.to_owned(),
        vendor,
        title: title.to_owned(),
        stage,
        effect,
        point_of_no_return: id == "recover-database",
        checks: vec![format!("what `{id}` needs"), "the copy folder".to_owned()],
        commands,
        downtime: None,
        undo: Vec::new(),
    };
    let name = || {
        Hole::new(
            "name",
            HoleType::Name,
            "name of the log backup",
            "mgc_1.trn",
        )
    };
    let copy = Command::copy(
        r"\\fs1\pchat-logs\{name}".to_owned(),
        r"\\sql3\pchat-copy\{name}".to_owned(),
        vec![name()],
    )
    .each("log backup that the copy folder lacks");
    let apply = Command::tsql(
        Role::Backup,
        r"sql3.dc2.litwareinc.com\chat",
        "RESTORE LOG [mgc]\nFROM DISK = {file} WITH NORECOVERY;",
        vec![Hole::new(
            "file",
            HoleType::Text,
            "the log backup in the copy folder",
            r"E:\mgc_1.trn",
        )],
    )
    .each("applicable log backup, by LSN");
    let recover = Command::tsql(
        Role::Backup,
        r"sql3.dc2.litwareinc.com\chat",
        "RESTORE DATABASE [mgc] WITH RECOVERY;",
        vec![],
    );
    let state = Command::powershell(
        "Set-CsPersistentChatState",
        vec![
            ("PoolState", json!("FailedOver")),
            ("Confirm", json!(false)),
        ],
        vec![],
    )
    .when("the pool is Normal");
    Plan::seal(
        Direction::Failover,
        Fence::default(),
        vec![
            vec!["save-log-shipping".to_owned()],
            vec!["copy-backups".to_owned(), "apply-logs".to_owned()],
            vec!["recover-database".to_owned()],
            vec!["set-pool-state".to_owned()],
        ],
        vec![
            step(
                "save-log-shipping",
                None,
                "keeps the configuration",
                1,
                Effect::ReadOnly,
                vec![],
            ),
            step(
                "copy-backups",
                Some("F2"),
                "copies log backups",
                2,
                Effect::Reversible,
                vec![copy],
            ),
            step(
                "apply-logs",
                Some("F3"),
                "applies them",
                2,
                Effect::Reversible,
                vec![apply],
            ),
            step(
                "recover-database",
                Some("F4"),
                "recovers `mgc`",
                3,
                Effect::Irreversible,
                vec![recover],
            ),
            step(
                "set-pool-state",
                Some("F5"),
                "sets the state",
                4,
                Effect::Reversible,
                vec![state],
            ),
        ],
    )
}
