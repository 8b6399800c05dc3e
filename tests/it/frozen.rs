//! Documents that earlier versions of the program stored, kept as they were: each can still be read,
//! and what is stored today has no other form.
//!
//! `frozen/version-1` is a state folder and its site file, as the program wrote them at a lab: a
//! failover, a failback that was cut off, undone in two executions under two plans, and one that was
//! done. `frozen/version-2` is a journal of format 2, `frozen/version-3` one of format 3, `frozen/version-4` two of format 4,
//! `frozen/version-5` one of format 5 with its approval. A new version of a document adds a folder; what
//! stands here is never changed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod journals;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pchadr::cli::rehearse::saved_before;
use pchadr::model::Document;
use pchadr::model::document::PROGRAM;
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::run::archive::{Archive, Found};
use pchadr::run::event::{Event, Outcome, Record, StoredStanding};
use pchadr::run::executor::undo::{refusal, to_undo};
use pchadr::run::fold::fold;
use pchadr::run::journal;
use pchadr::run::resume::compare;
use pchadr::run::store::{MemoryStore, Store as _};
use pchadr::run::stored::{SiteIdentity, StoredPlan};
use pchadr::runbook::Direction;
use pchadr::site::{LogBackups, Site};
use pchadr::step::before::Before;
use pchadr::step::saved::Saved;
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Program, root};
use crate::site::{Drill, paused, plan_of};

pub(crate) const FAILOVER: &str = "20261128T011743Z-failover-8f2856";
pub(crate) const UNDONE: &str = "20261128T011751Z-failback-8250b9";
pub(crate) const FAILBACK: &str = "20261128T011758Z-failback-2d63ef";
const SITE: &str = "pchat.litwareinc.com-8cfa73a6";

fn frozen(name: &str) -> PathBuf {
    root().join("tests/it/frozen/version-1").join(name)
}

fn of_run(run: &str, name: &str) -> PathBuf {
    frozen("state/runs").join(run).join(name)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// The frozen site with the limits of a real one: a rehearsal takes the time that a lab does not.
fn site() -> Site {
    let whole = text(&frozen("site.toml"));
    let (without, _) = whole.split_once("[limits]").unwrap();
    Site::parse(without, "site.toml", &frozen("")).unwrap()
}

/// A machine that has the frozen state, and the site file: shares of its own, nothing that answers.
pub(crate) struct Machine(pub(crate) Program);

impl Machine {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        copy(&frozen("state"), &folder.path().join("state"));
        let shares = folder.path().join("shares");
        fs::create_dir_all(shares.join("copy")).unwrap();
        let site = text(&frozen("site.toml"))
            .replace("/srv/pchadr/lab/shares", shares.to_str().unwrap())
            .replace("ca = \"ca.pem\"\n", "");
        fs::write(folder.path().join("site.toml"), site).unwrap();
        let password = folder.path().join("password.txt");
        fs::write(&password, "secret").unwrap();
        for_its_owner(&password);
        let state = folder.path().join("state").display().to_string();
        let mut program = Program::new().with("PCHADR_STATE", state);
        program.folder = folder;
        Self(program)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.folder().join(name)
    }

    /// How printed commands name its site file.
    pub(crate) fn config(&self) -> String {
        format!(" --config {}", self.path("site.toml").display())
    }

    fn site(&self) -> Site {
        Site::load(&self.path("site.toml")).unwrap()
    }

    fn archive(&self) -> Archive {
        let mirror = self.path("shares/copy/pchadr-runs");
        Archive::new(&self.path("state"), mirror.to_str().unwrap())
    }

    /// Cuts a run's journal off behind a record.
    pub(crate) fn cut(&self, run: &str, last: impl Fn(&Event) -> bool) -> Found {
        let path = self.path("state/runs").join(run).join("journal.jsonl");
        let records = journal::read(&fs::read(&path).unwrap()).unwrap().records;
        let lines = records.iter().position(|it| last(&it.event)).unwrap() + 1;
        let left: String = text(&path).split_inclusive('\n').take(lines).collect();
        fs::write(&path, left).unwrap();
        self.archive().find(run).unwrap()
    }

    /// What `status` prints, and what it tells beside.
    fn status(&self, more: &[&str]) -> (String, String) {
        let said = self.0.run(&[&["status"], more].concat());
        // Nothing of the site is there to be seen.
        assert_eq!(said.status, Some(3), "{said:?}");
        (said.out, said.err)
    }
}

/// Leaves a file to its owner alone.
fn for_its_owner(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let _ = path;
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::write(to, fs::read(from).unwrap()).unwrap();
        }
    }
}

#[test]
fn every_frozen_run_is_found_and_stands_where_it_stood() {
    let machine = Machine::new();
    let runs = machine.archive().runs();
    assert_eq!(runs.unreadable, []);
    let stand: Vec<(&str, Option<Outcome>, usize)> = runs
        .read
        .iter()
        .map(|it| (it.run.as_str(), it.state.ended, it.state.executions))
        .collect();
    assert_eq!(
        stand,
        [
            (FAILOVER, Some(Outcome::Done), 1),
            (UNDONE, Some(Outcome::Undone), 3),
            (FAILBACK, Some(Outcome::Done), 1),
        ]
    );
    for found in &runs.read {
        assert_eq!(found.site.first(), Some(&SiteIdentity::of(&machine.site())));
        let planned: Vec<&str> = found.plan.read[0]
            .steps
            .iter()
            .map(|it| it.id.as_str())
            .collect();
        let recorded: Vec<&str> = found.state.steps.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(planned, recorded);
    }
}

#[test]
fn a_frozen_run_that_was_cut_off_can_go_on_and_can_be_undone() {
    let machine = Machine::new();
    let found = machine.cut(
        UNDONE,
        |event| matches!(event, Event::StepFinished { id, .. } if id == "fence-backup"),
    );
    assert!(!found.state.is_finished() && !found.state.goes_back_only());
    assert_eq!(found.state.next().unwrap().id, "restore-database");
    assert_eq!(refusal(&found.state), None);
    let undone: Vec<&str> = to_undo(&found.state)
        .expect("known steps")
        .iter()
        .map(|step| step.id())
        .collect();
    assert_eq!(undone[0], "fence-backup");
    assert_eq!(undone.len(), 6);

    // Its plan is compared with that of today, as a resume does.
    let found = machine.cut(UNDONE, |event| matches!(event, Event::RunStarted(_)));
    let mut site = machine.site();
    site.pool.normal.reverse();
    let compared = compare(&found, &plan_of(Direction::Failback, &site));
    let change = compared.unwrap().unwrap();
    assert!(
        change.difference.contains("set-active-servers: commands"),
        "{change:?}"
    );
}

#[test]
fn a_run_that_began_before_there_were_log_backups_goes_on_and_takes_them_where_they_are_wanted() {
    let machine = Machine::new();
    let found = machine.cut(
        FAILOVER,
        |event| matches!(event, Event::StepFinished { id, .. } if id == "save-log-shipping"),
    );
    let mut site = machine.site();
    let without = compare(&found, &plan_of(Direction::Failover, &site)).unwrap();
    let told = without.map_or_else(String::new, |change| change.difference);
    assert!(!told.contains("log-backups"), "{told}");
    site.log_backups = Some(LogBackups {
        folder: "/srv/own".parse().unwrap(),
        every: 15,
    });
    let with = compare(&found, &plan_of(Direction::Failover, &site)).unwrap();
    let change = with.unwrap();
    assert!(
        change.difference.contains("start-log-backups: new"),
        "{change:?}"
    );
    let steps = change.steps.unwrap();
    assert_eq!(steps.last().unwrap().id, "start-log-backups");
}

#[test]
fn a_frozen_configuration_is_what_a_failback_rebuilds() {
    let saved = Saved::read(&fs::read(of_run(FAILBACK, "log-shipping.json")).unwrap()).unwrap();
    let mut drill = Drill::failback(site());
    drill.saved = Some(saved);
    let finished = paused(async { drill.run(&drill.stage(), &MemoryStore::default()).await });
    let finished = finished.unwrap();
    assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.error);
}

#[test]
fn a_frozen_configuration_of_a_site_is_found_by_status() {
    let (told, _) = Machine::new().status(&[]);
    assert!(told.contains("kept            log shipping, as it was read: backup 2026-11-28T01:18:06Z, primary 2026-11-28T01:18:06Z"), "{told}");
}

#[test]
fn a_record_that_is_read_is_spelled_again_as_it_was() {
    for run in [FAILOVER, UNDONE, FAILBACK] {
        for line in text(&of_run(run, "journal.jsonl")).lines() {
            let record: Record = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&record).unwrap(), line);
        }
    }
}

/// What of today's form the first version did not have: the program is named behind the version.
fn with_program(document: &str) -> String {
    document.replacen(
        "{\n  \"version\": 1,\n",
        &format!("{{\n  \"version\": 1,\n  \"program\": \"{PROGRAM}\",\n"),
        1,
    )
}

#[test]
fn a_document_that_is_read_is_spelled_again_as_it_was_with_the_program_named() {
    let again = |path: PathBuf, spell: &dyn Fn(&[u8]) -> Vec<u8>| {
        let was = text(&path);
        let is = String::from_utf8(spell(was.as_bytes())).unwrap();
        assert_eq!(
            is.trim_end(),
            with_program(&was).trim_end(),
            "{}",
            path.display()
        );
    };
    let saved = |bytes: &[u8]| Saved::read(bytes).unwrap().to_json().unwrap();
    again(
        frozen("state/sites").join(SITE).join("log-shipping.json"),
        &saved,
    );
    for run in [FAILOVER, UNDONE, FAILBACK] {
        again(of_run(run, "log-shipping.json"), &saved);
        again(of_run(run, "plan.json"), &|bytes| {
            StoredPlan::read(bytes).unwrap().to_json().unwrap()
        });
    }
    for run in [UNDONE, FAILBACK] {
        again(of_run(run, "before-failback.json"), &|bytes| {
            let before = Before::read(bytes).unwrap();
            Document::BeforeFailback.write(&before).unwrap()
        });
    }
}

/// Every path of keys in a document.
fn shape(document: &[u8]) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, all: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let path = format!("{path}.{key}");
                    all.insert(path.clone());
                    // The parameters of a cmdlet are its own matter.
                    if key != "parameters" {
                        walk(value, &path, all);
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    walk(item, &format!("{path}[]"), all);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut all = BTreeSet::new();
    walk(&serde_json::from_slice(document).unwrap(), "", &mut all);
    all.remove(".program");
    all
}

#[test]
fn what_is_observed_now_is_stored_with_the_fields_of_then() {
    let site = site();
    let recipe = Recipe::failed_over(Logs::Made(4));
    let saved = paused(async { saved_before(&site, &recipe).await.unwrap().unwrap() });
    let then = |path: PathBuf| shape(&fs::read(path).unwrap());
    let kept = frozen("state/sites").join(SITE).join("log-shipping.json");
    // When a half was read apart from the rest.
    assert_eq!(shape(&saved.to_json().unwrap()), then(kept));

    let drill = Drill::failback(site.clone());
    let mut store = MemoryStore::default();
    paused(async { drill.run(&drill.stage(), &store).await }).unwrap();
    let before = store.kept(Document::BeforeFailback).unwrap().unwrap();
    assert_eq!(
        shape(&before),
        then(of_run(FAILBACK, "before-failback.json"))
    );

    for (run, direction) in [
        (FAILOVER, Direction::Failover),
        (FAILBACK, Direction::Failback),
    ] {
        let plan = StoredPlan::of(&plan_of(direction, &site)).unwrap();
        assert_eq!(
            shape(&plan.to_json().unwrap()),
            then(of_run(run, "plan.json")),
            "{run}"
        );
    }
}

#[test]
fn what_a_run_kept_and_cannot_be_read_stops_it_by_name() {
    for (kept, why) in [
        (
            &b"{}"[..],
            "`log-shipping.json` of this run cannot be read: it is damaged",
        ),
        (
            br#"{"version":2,"program":"pchadr 9.2.0"}"#,
            "it has version 2, written by pchadr 9.2.0; this program",
        ),
    ] {
        let drill = Drill::failover(crate::site::litware());
        let mut store = MemoryStore::default();
        store.keep(Document::LogShipping, kept).unwrap();
        let finished = paused(async { drill.run(&drill.stage(), &store).await }).unwrap();
        assert_eq!(finished.outcome, Outcome::Refused);
        let error = finished.error.unwrap();
        assert!(error.why.contains(why), "{error:?}");
        assert_eq!(store.kept(Document::LogShipping).unwrap().unwrap(), kept);
        // Nothing was judged as if nothing had been kept.
        let records = journal::read(&store.bytes()).unwrap().records;
        for record in records {
            match record.event {
                Event::StepChecked { id, standing, .. } => {
                    let unknown = matches!(standing, StoredStanding::Unknown { .. });
                    assert!(unknown, "{id}: {standing:?}");
                }
                event => assert!(!matches!(event, Event::StepStarted { .. }), "{event:?}"),
            }
        }
    }
}

/// Makes every copy of what was saved unreadable, and gives their paths: of the site, of a run.
fn spoil(machine: &Machine, with: &str) -> Vec<PathBuf> {
    let of_site = machine.path("state/sites").join(SITE);
    let runs = [FAILOVER, UNDONE, FAILBACK].map(|run| machine.path("state/runs").join(run));
    let all = [of_site].into_iter().chain(runs);
    let paths: Vec<PathBuf> = all.map(|folder| folder.join("log-shipping.json")).collect();
    for path in &paths {
        fs::write(path, with).unwrap();
    }
    paths
}

#[test]
fn a_status_names_what_was_saved_and_cannot_be_read_and_never_says_that_nothing_was() {
    for (with, why) in [
        ("{", "it is damaged: "),
        (
            r#"{"version":2,"program":"pchadr 9.2.0"}"#,
            "it has version 2, written by pchadr 9.2.0; this program",
        ),
    ] {
        let machine = Machine::new();
        let spoiled = spoil(&machine, with);
        let (out, _) = machine.status(&[]);
        let (_, err) = machine.status(&["--output", "json"]);
        for told in [&out, &err] {
            for path in &spoiled {
                let line = format!("`{}` cannot be read: {why}", path.display());
                assert!(told.contains(&line), "{line}: {told}");
            }
        }
        assert!(
            out.contains("kept            no log-shipping configuration that can be read\n"),
            "{out}"
        );
    }
}

#[test]
fn of_two_copies_the_unreadable_one_is_named_and_the_other_counts() {
    let machine = Machine::new();
    let second = machine.path("shares/copy/pchadr-runs/sites");
    copy(&machine.path("state/sites"), &second);
    let spoiled = machine
        .path("state/sites")
        .join(SITE)
        .join("log-shipping.json");
    fs::write(&spoiled, "{").unwrap();
    let (out, _) = machine.status(&[]);
    assert!(
        out.contains(&format!("`{}` cannot be read", spoiled.display())),
        "{out}"
    );
    assert!(
        out.contains("kept            log shipping, as it was read: backup 2026-11-28T01:18:06Z"),
        "{out}"
    );
}

#[test]
fn no_run_is_found_where_one_cannot_be_read_without_its_being_named() {
    let machine = Machine::new();
    let journal = machine
        .path("state/runs")
        .join(FAILBACK)
        .join("journal.jsonl");
    let later = text(&journal).replacen("\"format\":1", "\"format\":9", 1);
    fs::write(&journal, later).unwrap();
    let told = machine.0.run(&["abort"]).refused(1);
    let line = format!(
        "`{}` cannot be read: it has version 9, written by {PROGRAM}; this program",
        journal.display()
    );
    assert!(told.contains(&line), "{told}");
}

/// The journal of a rehearsed failover in which a log backup landed late: format 2 has a record of
/// that, which an earlier version of the program refuses.
#[test]
fn a_journal_of_version_2_tells_which_steps_were_reopened_and_that_they_were_done_again() {
    let path = root().join("tests/it/frozen/version-2/journal.jsonl");
    let records = journal::read(&fs::read(path).unwrap()).unwrap().records;
    let reopened = records.iter().filter_map(|record| match &record.event {
        Event::StepReopened { id, .. } => Some(id.as_str()),
        _ => None,
    });
    let reopened: Vec<&str> = reopened.collect();
    assert_eq!(reopened, ["copy-backups", "apply-logs"]);
    let state = fold(&records).unwrap();
    assert!(reopened.iter().all(|id| state.is_done(id)));
    assert_eq!(state.ended, Some(Outcome::Done));
}
