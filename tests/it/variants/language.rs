//! Servers whose logins speak another language (`sql-server.md` 10.3).

use pchadr::access::sql::{Query, SqlError};
use pchadr::rehearsal::world::{FaultKind, SqlFault};
use pchadr::run::event::Outcome;
use pchadr::run::store::MemoryStore;

use super::{BACKUP, hold};
use crate::site::{Drill, disaster, litware, paused, terms};
use pchadr::cli::rehearse::Stage;

fn make_german(stage: &Stage) {
    stage.simulated.world.with(|state| {
        for server in state.instances.values_mut() {
            server.german = true;
        }
    });
}

const ABSENT: &str = r"RESTORE HEADERONLY FROM DISK = N'E:\pchat-copy\nothing.trn'";

/// What the backup says of a file that is not there.
async fn refusal(stage: &Stage) -> SqlError {
    let asked = stage.access.sql.read(BACKUP, Query::plain(ABSENT)).await;
    asked.expect_err("no such file")
}

#[test]
fn a_server_whose_logins_speak_german_answers_us_in_english() {
    paused(async {
        let stage = Stage::build(&litware(), &disaster()).expect("the site can be simulated");
        make_german(&stage);
        let told = refusal(&stage).await.to_string();
        assert!(told.contains("Operating system error 2("), "{told}");
        let mut session = stage.access.sql.open(BACKUP).await.expect("a session");
        let told = session.send(ABSENT).await.expect_err("no such file");
        assert!(
            told.to_string().contains("Cannot open backup device"),
            "{told}"
        );
    });
}

/// Each refusal counts: a server where that language cannot be set goes on in its own.
#[test]
fn a_server_that_does_not_change_its_language_is_heard_in_its_own() {
    paused(async {
        let stage = Stage::build(&litware(), &disaster()).expect("the site can be simulated");
        make_german(&stage);
        refuse_language(&stage);
        let told = refusal(&stage).await;
        assert_eq!(told.number(), Some(3201));
        let told = told.to_string();
        assert!(told.contains("Betriebssystemfehler 2("), "{told}");
    });
}

fn refuse_language(stage: &Stage) {
    let refuses = |instance| SqlFault {
        instance,
        contains: "SET LANGUAGE".to_owned(),
        nth: 1,
        kind: FaultKind::ErrorBefore(2812),
    };
    stage.simulated.world.with(|state| {
        let all: Vec<_> = state.instances.keys().copied().collect();
        for _ in 0..500 {
            state.faults.extend(all.iter().copied().map(refuses));
        }
    });
}

#[test]
fn a_failover_and_a_failback_among_servers_that_stay_german_end_as_any_other() {
    let site = litware();
    hold(&site, &disaster(), &terms(), async |stage| {
        make_german(stage);
        refuse_language(stage);
    })
    .assert_done();
    let drill = Drill::failback(litware());
    let store = MemoryStore::default();
    paused(async {
        let stage = drill.stage();
        make_german(&stage);
        refuse_language(&stage);
        let finished = drill.run(&stage, &store).await.expect("a record");
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
    });
}
