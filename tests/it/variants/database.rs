//! What the backup's chat database can be (`steps.md` 3).

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::DatabaseState;
use pchadr::model::{Lsn, Role};
use pchadr::rehearsal::world::{Backup, LogRecipe, World, WorldOptions};
use pchadr::run::event::{Outcome, StepOutcome};
use pchadr::run::store::MemoryStore;
use pchadr::step::terms::AcceptedLoss;

use super::{BACKUP, Held, hold, hold_on, hold_varied, overriding, vary};
use crate::site::{disaster, litware, paused, terms};

const LEAVE_STANDBY: &str =
    "SET SINGLE_USER WITH ROLLBACK IMMEDIATE; RESTORE DATABASE [mgc] WITH NORECOVERY";

/// Somebody reads the backup's database between two restores, and comes again so often.
fn read_in_standby(options: &mut WorldOptions, readers_return: u32) {
    options.backup = Backup::Standby;
    options.chat_sessions = vec!["reports.dc2.litwareinc.com".to_owned()];
    options.readers_return = readers_return;
}

#[test]
fn a_secondary_fails_over() {
    let held = hold_varied(|_| ());
    held.assert_done();
    held.assert_has_all_messages();
    // Of 16 logs 2 were restored, and one of the others is empty.
    assert_eq!(held.count("RESTORE LOG"), 13);
    assert_eq!(held.backup().secondary_rows, 0);
}

#[test]
fn readers_of_a_standby_database_are_ended_before_the_first_log() {
    let held = hold_varied(|options| read_in_standby(options, 0));
    held.assert_done();
    held.assert_has_all_messages();
    assert_eq!(held.sessions_before, ["reports"]);
    let statements = held.statements();
    let left = statements.iter().position(|it| it.contains(LEAVE_STANDBY));
    let first = statements.iter().position(|it| it.contains("RESTORE LOG"));
    assert!(left.is_some() && left < first, "{left:?} {first:?}");
    assert_eq!(held.count("KILL"), 0);
    assert!(
        !held.backup().chat.iter().any(|(host, _)| host == "reports"),
        "a reader is still there"
    );
}

#[test]
fn a_reader_that_takes_the_single_slot_of_a_standby_database_is_ended_and_the_batch_sent_again() {
    for (times, held) in [
        (1, hold_varied(|options| read_in_standby(options, 1))),
        (4, hold_varied(|options| read_in_standby(options, 4))),
    ] {
        held.assert_done();
        held.assert_has_all_messages();
        // It comes again when the first batch throws it out, and then each time but the last.
        assert_eq!(held.count("KILL"), times);
        assert_eq!(held.count(LEAVE_STANDBY), 1);
        assert!(
            !held.backup().chat.iter().any(|(host, _)| host == "reports"),
            "a reader is still there"
        );
    }
}

#[test]
fn a_reader_that_comes_again_each_time_stops_the_run_and_is_named() {
    let held = hold_varied(|options| read_in_standby(options, u32::MAX));
    held.assert_stopped(
        "apply-logs",
        &["error 5064", "from reports, ChannelService"],
        &["disable its login"],
    );
}

#[test]
fn readers_of_a_standby_database_are_not_ended_without_consent() {
    let mut terms = terms();
    terms.rehearsal = false;
    terms.accepted = Some(AcceptedLoss::EndOfChain);
    let recipe = vary(|options| read_in_standby(options, 0));
    let held = hold(&litware(), &recipe, &terms, async |_| ());
    held.assert_refused(
        5,
        "apply-logs",
        &["1 session read the STANDBY database"],
        &["--yes"],
    );
    assert_eq!(held.backup().chat.len(), 1);
}

#[test]
fn a_standby_database_without_readers_fails_over_whether_it_shows_its_redo_start_or_not() {
    for options in [
        (|options: &mut WorldOptions| options.backup = Backup::Standby) as fn(&mut _),
        |options: &mut WorldOptions| {
            options.backup = Backup::Standby;
            options.standby_shows_redo = true;
        },
    ] {
        let held = hold_varied(options);
        held.assert_done();
        held.assert_has_all_messages();
        assert_eq!(held.count(LEAVE_STANDBY), 1);
    }
}

#[test]
fn a_standby_database_with_nothing_left_to_apply_is_made_restoring_and_multi_user() {
    let held = hold_varied(|options| {
        options.backup = Backup::Standby;
        options.restored = options.logs.len();
        options.copied = options.logs.len();
    });
    held.assert_done();
    held.assert_has_all_messages();
    assert_eq!(held.count(LEAVE_STANDBY), 1);
    assert_eq!(held.count("RESTORE LOG"), 0);
    // No log brought MULTI_USER back.
    assert_eq!(held.count("SET MULTI_USER"), 1);
    assert_eq!(held.step("copy-backups"), StepOutcome::DoneBefore);
}

#[test]
fn a_standby_database_without_history_that_hides_its_redo_start_is_not_guessed_at() {
    let held = hold_varied(|options| {
        options.backup = Backup::Standby;
        options.msdb_purged = true;
    });
    held.assert_refused(
        1,
        "copy-backups",
        &["where the next log must begin"],
        &["see"],
    );
}

#[test]
fn a_secondary_whose_history_was_purged_fails_over() {
    let held = hold_varied(|options| options.msdb_purged = true);
    held.assert_done();
    held.assert_has_all_messages();
}

#[test]
fn a_database_recovered_by_hand_is_taken_up_at_the_pool_state() {
    let held = hold_varied(|options| options.backup = Backup::Recovered);
    held.assert_done();
    held.assert_has_all_messages();
    for id in [
        "save-log-shipping",
        "stop-log-shipping-jobs",
        "drop-log-shipping",
        "copy-backups",
        "apply-logs",
        "end-connections",
        "recover-database",
    ] {
        assert!(
            matches!(
                held.step(id),
                StepOutcome::DoneBefore | StepOutcome::Overtaken
            ),
            "{id}: {:?}",
            held.step(id)
        );
    }
    assert_eq!(held.step("set-pool-state"), StepOutcome::Done);
    assert_eq!(held.statements(), Vec::<&str>::new());
}

#[test]
fn a_database_recovered_too_early_is_blocked_until_that_loss_is_accepted() {
    let recipe = vary(|options| options.backup = Backup::RecoveredEarly);
    let held = hold(&litware(), &recipe, &terms(), async |_| ());
    held.assert_refused(
        5,
        "copy-backups",
        &["was recovered on the backup while the primary served on: 14 log backups"],
        &["seed the secondary again", "--accept-loss-after"],
    );
    let mut terms = terms();
    for (loss, done) in [
        (AcceptedLoss::EndOfChain, false),
        (AcceptedLoss::Lsn(end_of_log(3)), false),
        (AcceptedLoss::Lsn(end_of_log(2)), true),
    ] {
        terms.accepted = Some(loss);
        let held = hold(&litware(), &recipe, &terms, async |_| ());
        if done {
            held.assert_done();
            assert_eq!(held.chat().messages, 100 + 3 * 2);
        } else {
            held.assert_refused(5, "copy-backups", &["served on"], &["seed"]);
        }
    }
}

/// `LastLSN` of the n-th log backup of the site.
fn end_of_log(n: usize) -> Lsn {
    let day = jiff::civil::date(2026, 1, 14).at(2, 33, 0, 0);
    let mut recipe = LogRecipe::new("mgc", r"SQL1\chat", 16, day);
    recipe.empty_every = 9;
    World::make_logs(&recipe)[n - 1].set.last_lsn
}

#[test]
fn a_database_recovered_long_ago_is_blocked_until_a_person_says_which_it_is() {
    let old = async |stage: &mut Stage| {
        stage.simulated.world.with(|state| {
            let server = state.instances.get_mut(&BACKUP).expect("the backup");
            for row in &mut server.msdb.restores {
                row.date = row
                    .date
                    .saturating_sub(jiff::SignedDuration::from_hours(48));
            }
        });
    };
    let recipe = vary(|options| options.backup = Backup::Recovered);
    let held = hold(&litware(), &recipe, &terms(), old);
    held.assert_refused(
        3,
        "copy-backups",
        &["a drill may have left it"],
        &["--override unclear=REASON"],
    );
    let held = hold(&litware(), &recipe, &overriding(&["unclear"]), old);
    held.assert_done();
}

#[test]
fn a_database_created_empty_is_blocked_and_nothing_overrides_that() {
    let recipe = vary(|options| options.backup = Backup::CreatedEmpty);
    for terms in [terms(), overriding(EVERY_INTERLOCK)] {
        let held = hold(&litware(), &recipe, &terms, async |_| ());
        held.assert_refused(
            3,
            "copy-backups",
            &["was never a secondary and is empty"],
            &["seed log shipping", "cannot be overridden"],
        );
    }
}

/// Every id that `--override` knows.
pub(crate) const EVERY_INTERLOCK: &[&str] = &[
    "share-lost",
    "rows-stay",
    "unclear",
    "fresh-primary",
    "mirror-alive",
    "primary-answers",
    "primary-unseen",
    "primary-serves",
    "created-empty",
];

#[test]
fn a_backup_without_the_database_is_blocked() {
    let held = hold_varied(|options| options.backup = Backup::Missing);
    held.assert_refused(
        3,
        "copy-backups",
        &["no database `mgc`"],
        &["[sql] backup", "[database] chat"],
    );
}

#[test]
fn a_database_that_cannot_be_used_is_blocked() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        stage.simulated.world.with(|state| {
            let server = state.instances.get_mut(&BACKUP).expect("the backup");
            let chat = server.database_mut("mgc").expect("mgc");
            chat.state = DatabaseState::Suspect;
        });
    });
    held.assert_refused(3, "copy-backups", &["SUSPECT"], &["error log"]);
}

#[test]
fn logs_of_the_primary_and_of_its_mirror_are_applied_in_the_order_of_their_lsns() {
    let held = hold_varied(|options| {
        for (index, log) in options.logs.iter_mut().enumerate() {
            if (5..11).contains(&index) {
                log.set.server = r"SQL2\chat".to_owned();
                // By name they would come first.
                log.name = format!("a_{}", log.name);
            }
        }
    });
    held.assert_done();
    held.assert_has_all_messages();
    let applied: Vec<bool> = held
        .statements()
        .iter()
        .filter(|text| text.contains("RESTORE LOG"))
        .map(|text| text.contains(r"\a_mgc"))
        .collect();
    let mut wanted = vec![false; 3];
    // One of these six is empty: it needs no RESTORE.
    wanted.extend([true; 5]);
    wanted.extend([false; 5]);
    assert_eq!(applied, wanted);
}

/// The vendor's failover, typed into the consoles.
async fn by_hand(stage: &Stage, logs: &[String]) {
    let mut session = Box::pin(stage.access.sql.open(BACKUP))
        .await
        .expect("a session");
    let mut batches = vec![
        "EXEC master.dbo.sp_delete_log_shipping_secondary_database @secondary_database = N'mgc';"
            .to_owned(),
    ];
    batches.extend(
        logs.iter()
            .map(|log| format!("RESTORE LOG [mgc] FROM DISK = N'{log}' WITH NORECOVERY;")),
    );
    batches.push("RESTORE DATABASE [mgc] WITH RECOVERY;".to_owned());
    for batch in batches {
        session.send(&batch).await.expect("a batch by hand");
    }
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    let calls: [(&str, serde_json::Value); 7] = [
        (
            "Set-CsPersistentChatState",
            serde_json::json!({"Identity": "service:pchat.litwareinc.com", "PoolState": "FailedOver"}),
        ),
        (
            "Install-CsMirrorDatabase",
            serde_json::json!({"DatabaseType": "PersistentChat", "SqlServerFqdn": "sql3.dc2.litwareinc.com",
                "SqlInstanceName": "chat", "FileShare": r"\\fs1\pchat-mirror"}),
        ),
        (
            "Install-CsMirrorDatabase",
            serde_json::json!({"DatabaseType": "PersistentChatCompliance", "SqlServerFqdn": "sql3.dc2.litwareinc.com",
                "SqlInstanceName": "chat", "FileShare": r"\\fs1\pchat-mirror"}),
        ),
        (
            "Set-CsPersistentChatActiveServer",
            serde_json::json!({"ActiveServers": {"Remove": "pc1.dc1.litwareinc.com"}}),
        ),
        (
            "Set-CsPersistentChatActiveServer",
            serde_json::json!({"ActiveServers": {"Remove": "pc2.dc1.litwareinc.com"}}),
        ),
        (
            "Set-CsPersistentChatActiveServer",
            serde_json::json!({"ActiveServers": {"Add": "pc5.dc2.litwareinc.com"}}),
        ),
        (
            "Set-CsPersistentChatActiveServer",
            serde_json::json!({"ActiveServers": {"Add": "pc6.dc2.litwareinc.com"}}),
        ),
    ];
    for (cmdlet, parameters) in calls {
        let serde_json::Value::Object(mut parameters) = parameters else {
            unreachable!()
        };
        parameters.insert("Confirm".to_owned(), false.into());
        let parameters = parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        stage
            .access
            .powershell
            .call(pchadr::access::powershell::Call {
                cmdlet,
                parameters,
                properties: &[],
                limit: None,
            })
            .await
            .expect("a cmdlet by hand");
    }
    tokio::time::sleep(std::time::Duration::from_mins(2)).await;
}

fn assert_nothing_to_do(held: &Held) {
    held.assert_done();
    assert_eq!(held.changes, [], "a failover of a served site changed it");
    assert!(
        held.finished
            .steps
            .values()
            .all(|step| matches!(step, StepOutcome::DoneBefore | StepOutcome::Overtaken)),
        "{:?}",
        held.finished.steps
    );
    let hosts: Vec<&str> = held.backup().chat.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(hosts, held.sessions_before, "a user's session was ended");
    assert!(hosts.len() >= 2, "nobody was there: {hosts:?}");
}

#[test]
fn a_failover_done_by_hand_leaves_nothing_to_do() {
    let held = hold(&litware(), &disaster(), &terms(), async |stage| {
        let share = "pchat-logs";
        let mut logs: Vec<String> = stage
            .simulated
            .folders
            .snapshot()
            .into_iter()
            .map(|(path, _)| path)
            .filter(|path| path.contains(share))
            .collect();
        logs.sort();
        // Two were restored before the disaster.
        Box::pin(by_hand(stage, &logs[2..])).await;
    });
    assert_nothing_to_do(&held);
    held.assert_has_all_messages();
}

#[test]
fn a_second_failover_of_a_served_site_sends_no_effect_and_ends_no_session() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        let first = hold_on(&site, &mut stage, &terms(), &MemoryStore::default()).await;
        assert_eq!(first.finished.outcome, Outcome::Done);
        stage.simulated.world.write_messages(BACKUP, 7);
        let second = hold_on(&site, &mut stage, &terms(), &MemoryStore::default()).await;
        assert_nothing_to_do(&second);
        assert_eq!(second.chat().messages, first.chat().messages + 7);
        // Not even with the primary powered on again, its database as it was: that is told.
        stage.simulated.world.up(Role::Primary);
        let third = hold_on(&site, &mut stage, &terms(), &MemoryStore::default()).await;
        third.assert_refused(3, "mirror-compliance", &["TWO WRITABLE"], &["pchadr fence"]);
        assert_eq!(third.sessions_before, super::chat_sessions(&stage));
    });
}

#[test]
fn a_database_in_service_whose_history_was_purged_leaves_nothing_to_do() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        hold_on(&site, &mut stage, &terms(), &MemoryStore::default()).await;
        stage.simulated.world.with(|state| {
            let server = state.instances.get_mut(&BACKUP).expect("the backup");
            server.msdb.restores.clear();
        });
        let second = hold_on(&site, &mut stage, &terms(), &MemoryStore::default()).await;
        assert_nothing_to_do(&second);
    });
}
