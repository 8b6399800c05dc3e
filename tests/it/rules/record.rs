//! Rules 1, 3, 4, 5: what is looked at, kept and recorded before anything happens.

use std::io;

use pchadr::cli::rehearse::{Stage, execute};
use pchadr::model::Document;
use pchadr::model::states::DatabaseState;
use pchadr::plan::{NoPlan, Plan};
use pchadr::report;
use pchadr::run::event::{Event, Outcome, StepOutcome, StoredStanding};
use pchadr::run::store::{MemoryStore, Operation, Store};
use pchadr::runbook::Runbook;
use pchadr::site::Site;
use pchadr::step::saved::Saved;

use super::spy::{Left, Spy};
use super::{Bound, When, announced, is_of, spied};
use crate::site::{disaster, end, litware, paused, plan, run, terms};
use crate::variants::{hold_on, hold_shown};

#[test]
fn rule_1_a_dry_run_has_no_door_to_open_and_gives_the_same_bytes_every_time() {
    // Its inputs are the runbook and the site: there is nothing to reach anything with.
    let bind: fn(&Runbook, &Site) -> Result<Plan, NoPlan> = Plan::bind;
    let _ = bind;
    let printed = || {
        let (site, mut out) = (litware(), Vec::new());
        let plan = plan(&site);
        report::plan::json(&plan, &mut out).expect("written");
        report::plan::human(&plan, &mut out).expect("written");
        report::plan::markdown(&plan, "litware.toml", &mut out).expect("written");
        out
    };
    assert!(printed() == printed(), "two dry runs differ");
}

#[test]
fn rule_1_a_refused_run_has_only_read() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        // The last step of all is blocked: everything was looked at before.
        let computers = "pc6.dc2.litwareinc.com";
        stage
            .simulated
            .pool
            .lock()
            .expect("the pool")
            .servers
            .retain(|server| server.fqdn != computers);
        let before = end(&stage);
        let store = MemoryStore::default();
        let spy = Spy::new(&store);
        stage.access = spy.doors(&site, &stage);
        let finished = run(&site, &plan(&site), &stage, &store).await;
        let finished = finished.expect("a record");
        assert_eq!(finished.outcome, Outcome::Refused);
        assert_eq!(finished.stopped_at.as_deref(), Some("set-active-servers"));
        assert_eq!(stage.simulated.changes.all(), []);
        assert!(end(&stage) == before, "the site is another");
        let history = stage.simulated.world.history();
        assert!(history.len() > 30, "it did not look");
        let effects: Vec<&str> = history
            .iter()
            .filter(|executed| executed.effect)
            .map(|executed| executed.text.as_str())
            .collect();
        assert_eq!(effects, Vec::<&str>::new());
        for (_, left) in spy.left() {
            match left {
                Left::Changed(path) => panic!("`{path}` was changed"),
                Left::Copied { from, .. } => panic!("`{from}` was copied"),
                Left::Bytes(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    for verb in ["Set-Cs", "Install-Cs", "Invoke-Cs"] {
                        assert!(!text.contains(verb), "{text}");
                    }
                }
                Left::Dialed(_) | Left::Looked(_) => {}
            }
        }
    });
}

#[test]
fn rule_3_no_lost_log_is_given_up_by_accepting_the_end_of_the_chain() {
    let site = litware();
    for lost in 2..16 {
        paused(async {
            let mut stage = Stage::build(&site, &disaster()).expect("the site");
            let mut logs: Vec<String> = stage
                .simulated
                .folders
                .snapshot()
                .into_iter()
                .map(|(path, _)| path)
                .filter(|path| path.contains("pchat-logs"))
                .collect();
            logs.sort();
            let copy =
                logs[lost].replace(r"\\fs1\pchat-logs", r"\\sql3.dc2.litwareinc.com\pchat-copy");
            let shares = stage.access.shares.clone();
            shares.remove(&logs[lost]).await.expect("removed");
            // The first four were copied already.
            let _ = shares.remove(&copy).await;
            // An empty set joins what is on both sides of it; nobody can tell that the last was there.
            let harmless = lost == 8 || lost == 15;
            let held = hold_on(&site, &mut stage, &terms(), &MemoryStore::default()).await;
            let recovered = held.count("WITH RECOVERY") > 0;
            assert_eq!(recovered, harmless, "log {lost}: {:?}", held.finished.error);
        });
    }
}

#[test]
fn rule_3_a_share_that_is_lost_behind_apply_logs_is_not_an_empty_one() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        let folders = stage.simulated.folders.clone();
        let lose = When(
            r#""event":"step_finished","id":"apply-logs","outcome":"done""#,
            move || assert!(folders.set_reachable("backup", false)),
        );
        let store = MemoryStore::default();
        let held = hold_shown(&site, &mut stage, &terms(), &store, vec![Box::new(lose)]).await;
        held.assert_stopped(
            "recover-database",
            &["the share of the log backups cannot be read"],
            &["share-lost"],
        );
        assert_eq!(held.chat().state, DatabaseState::Restoring);
        stage.simulated.folders.set_reachable("backup", true);
        let held = hold_on(&site, &mut stage, &terms(), &store).await;
        held.assert_done();
        held.assert_has_all_messages();
    });
}

const DROP: &str = "sp_delete_log_shipping_secondary_database";

#[test]
fn rule_4_the_log_shipping_configuration_is_kept_and_read_back_before_it_is_destroyed() {
    let site = litware();
    paused(async {
        let stage = Stage::build(&site, &disaster()).expect("the site");
        let mut store = MemoryStore::default();
        run(&site, &plan(&site), &stage, &store)
            .await
            .expect("a record");
        let drop = announced(&plan(&site), &store.bytes())
            .into_iter()
            .find(|(_, bound)| matches!(bound, Bound::Sql(text) if text.contains(DROP)));
        let (drop, _) = drop.expect("it was dropped");
        // The length of the journal when the document was kept.
        let mut length = 0;
        let mut kept = None;
        for operation in store.operations() {
            match operation {
                Operation::Append(bytes) => length += bytes,
                Operation::Keep(Document::LogShipping) => kept = kept.or(Some(length)),
                _ => {}
            }
        }
        assert!(kept.expect("it was kept") < drop);
        let document = store
            .kept(Document::LogShipping)
            .expect("readable")
            .expect("kept");
        let saved = Saved::read(&document).expect("a saved configuration");
        assert_eq!(saved.run, "rehearsal");
        assert_eq!(saved.backup.rows.len(), 1);
        assert_eq!(saved.backup.jobs.len(), 2);
        assert_eq!(saved.backup.schedules.len(), 2);
        assert!(saved.backup.jobs.iter().all(|job| job.enabled));
        // Read back: judged by what the store gave, not by what was passed to it.
        let checks: Vec<bool> = crate::variants::events(&store)
            .iter()
            .filter_map(|event| match event {
                Event::StepChecked { id, standing, .. } if id == "save-log-shipping" => {
                    Some(matches!(standing, StoredStanding::Satisfied { .. }))
                }
                _ => None,
            })
            .collect();
        assert_eq!(checks.last(), Some(&true));
        assert_eq!(checks.first(), Some(&false));
    });
}

/// A store that keeps no document: it says so, or it says nothing.
struct Forgetful {
    store: MemoryStore,
    says_so: bool,
}

impl Store for Forgetful {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        self.store.load()
    }
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.store.append(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.store.sync()
    }
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.store.truncate(length)
    }
    fn keep(&mut self, _document: Document, _bytes: &[u8]) -> io::Result<()> {
        if self.says_so {
            return Err(io::Error::other("the disk is full"));
        }
        Ok(())
    }
    fn kept(&mut self, document: Document) -> io::Result<Option<Vec<u8>>> {
        self.store.kept(document)
    }
    fn set_aside(&mut self) -> io::Result<String> {
        self.store.set_aside()
    }
}

#[test]
fn rule_4_what_cannot_be_kept_is_not_destroyed() {
    let site = litware();
    for says_so in [true, false] {
        paused(async {
            let stage = Stage::build(&site, &disaster()).expect("the site");
            let store = Forgetful {
                store: MemoryStore::default(),
                says_so,
            };
            let finished = execute(
                &site,
                &plan(&site),
                &terms(),
                &stage.access,
                Box::new(store),
                Vec::new(),
            )
            .await
            .expect("a record");
            assert_ne!(finished.exit, 0);
            assert_eq!(finished.stopped_at.as_deref(), Some("save-log-shipping"));
            assert_eq!(finished.steps["save-log-shipping"], StepOutcome::Stopped);
            assert_eq!(stage.simulated.changes.all(), []);
        });
    }
}

#[test]
fn rule_5_every_command_is_durable_in_the_journal_before_the_first_byte_of_it_leaves() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site");
        let store = MemoryStore::default();
        let spy = spied(&site, &mut stage, &store).await;
        let left = spy.left();
        let commands = announced(&plan(&site), &store.bytes());
        assert!(commands.len() > 30, "{} commands", commands.len());
        for (end, bound) in commands {
            let first = left.iter().find(|(_, left)| is_of(left, &bound));
            let (synced, _) = first.unwrap_or_else(|| panic!("{bound:?} never left"));
            assert!(
                *synced >= end,
                "{bound:?} left when {synced} bytes of the journal were durable; its record ends at {end}"
            );
        }
    });
}

#[test]
fn rule_5_a_journal_that_cannot_be_synced_stops_the_run_and_nothing_more_leaves() {
    let site = litware();
    paused(async {
        let stage = Stage::build(&site, &disaster()).expect("the site");
        let store = MemoryStore::default();
        run(&site, &plan(&site), &stage, &store)
            .await
            .expect("a record");
        let syncs = store.operations();
        let syncs = syncs.iter().filter(|it| **it == Operation::Sync).count();
        assert!(syncs > 30);
        for n in 1..=syncs {
            let mut stage = Stage::build(&site, &disaster()).expect("the site");
            let store = MemoryStore::default();
            store.fail_sync(n);
            let spy = Spy::new(&store);
            stage.access = spy.doors(&site, &stage);
            let ended = run(&site, &plan(&site), &stage, &store).await;
            assert!(ended.is_err(), "sync {n}");
            let durable = announced(&plan(&site), &store.crash(0).bytes());
            let durable: Vec<Bound> = durable.into_iter().map(|(_, bound)| bound).collect();
            for text in crate::variants::statements(&stage.simulated.changes.all()) {
                assert!(
                    durable.contains(&Bound::Sql(text.to_owned())),
                    "sync {n}: `{text}` was sent"
                );
            }
        }
    });
}
