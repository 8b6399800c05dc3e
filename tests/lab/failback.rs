//! A whole failback on a lab, and the data center that is rebuilt before it.

use std::fs;

use pchadr::model::Role;
use serde_json::{Value, json};

use crate::bench::Lab;
use crate::drive::{Machine, Raw, commands, end_state, files, outcomes, text};

const FAILED_OVER: &[&str] = &["--state", "failed-over", "--logs", "24"];
const FAILBACK: &[&str] = &["failback", "--yes"];

/// What of a status is the same at every site that is home: not its ports, not its log backups,
/// not the copies that mirroring leaves on the backup mirror.
fn home(status: &Value) -> Value {
    let mut status = end_state(status);
    for instance in status["instances"].as_object_mut().unwrap().values_mut() {
        if let Some(shipping) = instance["log_shipping"].as_object_mut() {
            shipping.remove("last_copied");
            shipping.remove("last_restored");
        }
    }
    let mirror = &mut status["instances"]["backup_mirror"]["databases"];
    for name in ["mgc", "mgccomp"] {
        if let Some(left) = mirror.as_object_mut().unwrap().remove(name) {
            assert_eq!(left["state"], "RESTORING");
            assert_eq!(left["mirroring"], Value::Null);
        }
    }
    status
}

/// The status of a site that never failed over.
fn normal() -> Value {
    let lab = Lab::open(&["--state", "normal", "--logs", "3"]);
    home(&Machine::of(&lab).status())
}

#[test]
fn a_failback_brings_everything_home_and_a_second_one_changes_nothing() {
    let lab = Lab::open(FAILED_OVER);
    let machine = Machine::of(&lab);
    let saved = lab.folder.join("log-shipping.json");
    assert_eq!(lab.site.log_shipping.saved.as_ref(), Some(&saved));

    let said = machine.run(FAILBACK);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    let ends = outcomes(&machine.journal());
    assert_eq!(ends.len(), 13);
    assert!(ends.values().all(|outcome| outcome == "done"), "{ends:?}");
    assert!(told.contains("log shipping as it was saved"), "{told}");

    let status = machine.status();
    assert_eq!(
        status["pool"],
        json!({"state": "Normal",
            "active_servers": ["pc1.dc1.litwareinc.com", "pc2.dc1.litwareinc.com"]})
    );
    let [primary, backup] = ["primary", "backup"].map(|role| &status["instances"][role]);
    assert_eq!(
        primary["databases"]["mgc"],
        json!({"state": "ONLINE", "standby": false, "recovery_model": "FULL",
            "mirroring": {"role": "PRINCIPAL", "state": "SYNCHRONIZED", "partner": "SQL2"}})
    );
    assert_eq!(primary["log_shipping"]["role"], "primary");
    assert_eq!(backup["databases"]["mgc"]["state"], "RESTORING");
    assert_eq!(backup["log_shipping"]["role"], "secondary");
    assert_eq!(backup["log_shipping"]["copy_job"], "enabled");
    assert_eq!(home(&status), normal());

    // A log backup of the new primary arrived.
    let copy = lab.folder.join("shares/copy");
    let arrived = backup["log_shipping"]["last_restored"].as_str().unwrap();
    assert!(arrived.starts_with(copy.to_str().unwrap()), "{arrived}");
    assert!(fs::exists(arrived).unwrap(), "{arrived}");

    // As another client sees it: who serves, and who waits.
    let active = "select host_name from sys.dm_exec_sessions \
                  where database_id = db_id('mgc') and host_name like 'pc%' order by host_name";
    let served = Raw::to(&lab, Role::Primary).ask(active).unwrap();
    assert_eq!(served.join(" ").to_lowercase(), "pc1 pc2");
    let rows = "select secondary_database from msdb.dbo.log_shipping_primary_secondaries";
    for role in [Role::Primary, Role::PrimaryMirror] {
        assert_eq!(Raw::to(&lab, role).value(rows), "mgc", "{role}");
    }

    let kept = files(&lab.folder.join("shares"));
    let said = machine.run(FAILBACK);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    assert!(told.contains("there was nothing to do"), "{told}");
    let again = machine.journal();
    assert_eq!(commands(&again), Vec::<String>::new());
    assert!(again.iter().all(|record| record["event"] != "step_started"));
    assert_eq!(files(&lab.folder.join("shares")), kept);
    assert_eq!(machine.status(), status);
}

#[test]
fn what_failed_over_is_rebuilt_and_failed_back_with_what_the_failover_saved() {
    let mut lab = Lab::open(&["--state", "disaster", "--logs", "24"]);
    let machine = Machine::of(&lab);
    assert_eq!(lab.site.log_shipping.saved, None);
    let said = machine.failover(&[]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));

    assert_eq!(lab.happen("rebuild primary"), "rebuild primary: done");
    // It stands as a lab does that begins there.
    let begun = Lab::open(FAILED_OVER);
    assert_eq!(
        end_state(&machine.status()),
        end_state(&Machine::of(&begun).status())
    );
    drop(begun);

    let said = machine.run(FAILBACK);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    let ends = outcomes(&machine.journal());
    assert!(ends.values().all(|outcome| outcome == "done"), "{ends:?}");
    assert_eq!(home(&machine.status()), normal());
    // Nobody saw the primary's half before it was lost.
    let run = machine.runs().remove(0);
    let saved = fs::read(run.join("log-shipping.json")).unwrap();
    let saved: Value = serde_json::from_slice(&saved).unwrap();
    assert_eq!(saved["primary"], Value::Null);
    assert_eq!(saved["backup"]["rows"][0]["database"], "mgc");
}

#[test]
fn a_look_at_the_normal_site_keeps_what_a_failback_rebuilds_the_primary_side_from() {
    let mut lab = Lab::open(&["--state", "normal", "--logs", "24"]);
    let looked = Machine::of(&lab);
    let said = looked.run(&["status"]);
    let told = text(&said.stdout);
    let kept = told.lines().find(|line| line.starts_with("kept ")).unwrap();
    for half in ["backup", "primary", "primary mirror"] {
        assert!(kept.contains(&format!("{half} 20")), "{kept}");
    }
    let copies = || {
        let here = looked.state().join("sites");
        let there = lab.folder.join("shares/copy/pchadr-runs/sites");
        [here, there].map(|folder| files(&folder).into_values().collect::<Vec<_>>())
    };
    let [here, there] = copies();
    assert_eq!((here.len(), &here), (1, &there));
    looked.status();
    assert_eq!(copies(), [here, there], "a second look finds nothing new");

    assert_eq!(lab.happen("down primary"), "down primary: done");
    // Another machine: it has the second copy alone.
    let machine = Machine::of(&lab);
    let said = machine.failover(&[]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    let saved = fs::read(machine.runs()[0].join("log-shipping.json")).unwrap();
    let saved: Value = serde_json::from_slice(&saved).unwrap();
    for half in ["primary", "primary_mirror"] {
        let directory = &saved[half]["rows"][0]["directory"];
        assert!(directory.is_string(), "{half}: {directory}");
    }

    assert_eq!(lab.happen("rebuild primary"), "rebuild primary: done");
    let said = machine.run(FAILBACK);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    assert!(!told.contains("assumed"), "{told}");
    assert_eq!(home(&machine.status()), normal());
}

#[test]
fn a_rebuilt_data_center_holds_nothing_of_the_one_that_it_replaces() {
    let mut lab = Lab::open(&["--state", "normal", "--logs", "3"]);
    let family = "select cast(family_guid as nvarchar(36)) from sys.database_recovery_status \
                  where database_id = db_id('mgc')";
    let mut primary = Raw::to(&lab, Role::Primary);
    let was = primary.value(family);
    assert_eq!(lab.happen("Rebuild PRIMARY"), "Rebuild PRIMARY: done");
    assert!(primary.ask(family).is_err(), "the connection is broken");

    let mut primary = Raw::to(&lab, Role::Primary);
    assert_ne!(primary.value(family), was);
    let state = "select state_desc from sys.databases where name = 'mgc'";
    assert_eq!(primary.value(state), "ONLINE");
    assert_eq!(Raw::to(&lab, Role::PrimaryMirror).value(state), "");
    let mirrored = "select mirroring_role_desc from sys.database_mirroring \
                    where mirroring_guid is not null";
    assert_eq!(primary.value(mirrored), "");
    for table in ["log_shipping_primary_databases", "sysjobs"] {
        let rows = format!("select name = '1' from msdb.dbo.{table}");
        assert_eq!(primary.value(&rows), "", "{table}");
    }
    // The second data center is as it was.
    let jobs = "select name from msdb.dbo.sysjobs where name like 'LS%'";
    assert_eq!(Raw::to(&lab, Role::Backup).ask(jobs).unwrap().len(), 2);
}

#[test]
fn what_was_only_powered_off_is_kept_before_it_is_written_over() {
    let mut lab = Lab::open(&["--state", "disaster", "--logs", "24"]);
    let machine = Machine::of(&lab);
    let said = machine.failover(&[]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    let said = machine.run(FAILBACK);
    assert_eq!(said.status.code(), Some(3), "{}", text(&said.stderr));
    assert_eq!(commands(&machine.journal()), Vec::<String>::new());

    assert_eq!(lab.happen("up primary"), "up primary: done");
    let said = machine.run(FAILBACK);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    let kept = lab.files("archive");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(home(&machine.status()), normal());
}

#[test]
fn a_failback_that_is_killed_at_any_of_six_places_and_resumed_ends_as_one_that_was_not() {
    let normal = normal();
    for step in [
        "seed-primary",
        "ship-log",
        "fence-backup",
        "restore-database",
        "install-primary-mirror",
        "configure-log-shipping",
    ] {
        let lab = Lab::open(FAILED_OVER);
        let machine = Machine::of(&lab);
        let run = machine.start_failback();
        machine.wait_for(step, |record| {
            record["event"] == "step_started" && record["id"] == step
        });
        run.kill();
        let said = machine.run(&["failback", "--yes", "--resume"]);
        assert_eq!(
            said.status.code(),
            Some(0),
            "{step}: {}",
            text(&said.stderr)
        );
        assert_eq!(home(&machine.status()), normal, "{step}");
    }
}

#[test]
fn a_failback_that_began_in_the_vendors_order_goes_on_in_it_though_its_runbook_is_not_named() {
    let lab = Lab::open(FAILED_OVER);
    let machine = Machine::of(&lab);
    let runbook = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/runbooks/failback-vendor-order.toml"
    );
    let run = machine.begin(&["failback", "--yes", "--runbook", runbook]);
    machine.wait_for("back-up-database", |record| {
        record["event"] == "step_started" && record["id"] == "back-up-database"
    });
    run.kill();
    let said = machine.run(&["failback", "--yes", "--resume"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    let ends = outcomes(&machine.journal());
    assert_eq!(ends.len(), 11);
    assert!(!ends.contains_key("seed-primary"), "{ends:?}");
    assert_eq!(home(&machine.status()), normal());
}

/// A run of an earlier failover on this machine, with a configuration that cannot be read.
fn with_unreadable(machine: &Machine, kept: &str) -> std::path::PathBuf {
    let run = "20261128T011743Z-failover-8f2856";
    let frozen = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/frozen/version-1/state/runs")
        .join(run);
    let folder = machine.state().join("runs").join(run);
    fs::create_dir_all(&folder).unwrap();
    // Without its site the pool alone counts: the ports of a lab are others each time.
    for name in ["journal.jsonl", "plan.json"] {
        fs::copy(frozen.join(name), folder.join(name)).unwrap();
    }
    let path = folder.join("log-shipping.json");
    fs::write(&path, kept).unwrap();
    path
}

#[test]
fn a_failback_names_what_was_saved_and_cannot_be_read_and_never_says_that_nothing_was() {
    let lab = Lab::open(FAILED_OVER);
    let site = lab.folder.join("site.toml");
    let text_of_site = fs::read_to_string(&site).unwrap();
    let lines = text_of_site
        .lines()
        .filter(|line| !line.starts_with("saved = "));
    fs::write(&site, lines.collect::<Vec<_>>().join("\n")).unwrap();
    for (kept, why) in [
        ("{", "it is damaged: "),
        (
            r#"{"version":2,"program":"pchadr 9.2.0"}"#,
            "it has version 2, written by pchadr 9.2.0; this program",
        ),
    ] {
        let machine = Machine::of(&lab);
        let path = with_unreadable(&machine, kept);
        let said = machine.run(FAILBACK);
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(3), "{told}");
        let line = format!("`{}` cannot be read: {why}", path.display());
        assert!(told.contains(&format!("note: {line}")), "{told}");
        let blocked = "the log-shipping configuration of the backup was saved, but ";
        assert!(told.contains(&format!("{blocked}{line}")), "{told}");
        assert!(!told.contains("was not saved"), "{told}");
        assert_eq!(fs::read_to_string(&path).unwrap(), kept);
    }
}
