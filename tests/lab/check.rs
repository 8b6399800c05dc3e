//! `pchadr check` on the lab: real sockets, TLS, folders and a real subprocess. Nothing of the site may be
//! changed by it.

use std::fs;

use serde_json::Value;

use crate::bench::Lab;
use crate::drive::{Machine, files, text};

/// What a check says as JSON, and its exit status.
fn check(machine: &Machine, words: &[&str]) -> (Option<i32>, Value) {
    let all = [&["check"], words, &["--output", "json"]].concat();
    let said = machine.run(&all);
    let check = serde_json::from_slice(&said.stdout);
    (
        said.status.code(),
        check.unwrap_or_else(|error| panic!("{error}: {said:?}")),
    )
}

/// The verdicts of a failover, planned and forced, and that of a failback; each with its exit status.
fn verdicts(machine: &Machine) -> [(Option<i32>, String); 3] {
    let verdict = |words: &[&str], of: &str| {
        let (status, check) = check(machine, words);
        let verdict = check["verdicts"][of].as_str().unwrap_or_default();
        (status, verdict.to_owned())
    };
    [
        verdict(&["failover", "--planned"], "planned"),
        verdict(&["failover"], "forced"),
        verdict(&["failback"], "planned"),
    ]
}

fn wanted(verdicts: [(i32, &str); 3]) -> [(Option<i32>, String); 3] {
    verdicts.map(|(status, verdict)| (Some(status), verdict.to_owned()))
}

/// The check of that id.
fn item<'c>(check: &'c Value, id: &str) -> &'c Value {
    let checks = check["checks"].as_array().unwrap();
    let found = checks.iter().find(|it| it["id"] == id);
    found.unwrap_or_else(|| panic!("{id}: {check}"))
}

/// A machine whose site file has another line in the place of that which begins so.
fn with_line(lab: &Lab, name: &str, begins: &str, line: &str) -> Machine {
    let site = fs::read_to_string(lab.folder.join("site.toml")).unwrap();
    assert!(site.lines().any(|it| it.starts_with(begins)), "{begins}");
    let lines = site
        .lines()
        .map(|it| if it.starts_with(begins) { line } else { it });
    let path = lab.folder.join(format!("{name}.toml"));
    fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    Machine::with_site(path)
}

#[test]
fn a_site_in_its_normal_state_is_ready_and_its_configuration_is_kept() {
    let mut lab = Lab::open(&["--state", "normal", "--logs", "8"]);
    let machine = Machine::of(&lab);
    let before = files(&lab.folder);
    assert_eq!(
        verdicts(&machine),
        wanted([(0, "ready"), (0, "ready_with_loss"), (0, "ready")])
    );
    assert_eq!(files(&lab.folder), before, "a check changed something");
    assert_eq!(machine.runs().len(), 0, "a check is no run");
    let (_, seen) = check(&machine, &["failover"]);
    assert_eq!(item(&seen, "configuration-kept")["state"], "ok");
    assert_eq!(seen["loss_seconds"], item_loss(&seen));

    // With the first data center lost it is known still, and said.
    lab.happen("down primary");
    let (status, seen) = check(&machine, &["failover"]);
    assert_eq!(status, Some(0), "{seen}");
    assert_eq!(item(&seen, "configuration-kept")["state"], "ok");
    let other = Machine::of(&lab);
    // Another machine has what lies in the mirror of the record; without that nobody kept it.
    fs::remove_dir_all(lab.folder.join("shares/copy/pchadr-runs")).unwrap();
    let (_, seen) = check(&other, &["failover"]);
    assert_eq!(item(&seen, "configuration-kept")["state"], "warning");
}

/// The number of seconds that the check tells, which must be one.
fn item_loss(check: &Value) -> i64 {
    let lost = check["loss_seconds"].as_i64().unwrap();
    assert!(lost > 0, "{check}");
    lost
}

#[test]
fn a_dead_first_data_center_is_ready_by_force_alone() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "8"]);
    let machine = Machine::of(&lab);
    assert_eq!(
        verdicts(&machine),
        wanted([(3, "not_ready"), (0, "ready_with_loss"), (3, "not_ready")])
    );
}

#[test]
fn a_pool_that_is_failed_over_is_ready_to_come_home() {
    let lab = Lab::open(&["--state", "failed-over", "--logs", "4"]);
    let machine = Machine::of(&lab);
    assert_eq!(
        verdicts(&machine),
        wanted([(3, "not_ready"), (0, "ready"), (0, "ready")])
    );
}

#[test]
fn who_is_not_let_in_or_trusts_nobody_knows_nothing_and_is_told_once() {
    let lab = Lab::open(&["--state", "normal", "--logs", "4"]);
    let other = Lab::open(&["--state", "normal", "--logs", "1"]);
    fs::write(lab.folder.join("wrong.txt"), "not this one\n").unwrap();
    let password = with_line(
        &lab,
        "wrong-password",
        "password",
        "password = { file = 'wrong.txt' }",
    );
    let ca = format!("ca = '{}'", other.folder.join("ca.pem").display());
    let authority = with_line(&lab, "wrong-authority", "ca = ", &ca);
    for (machine, words) in [
        (password, "error 18456: Login failed"),
        (authority, "certificate not accepted"),
    ] {
        let (status, seen) = check(&machine, &["failover"]);
        assert_eq!(status, Some(3), "{seen}");
        assert_eq!(seen["verdicts"]["forced"], "unknown", "{seen}");
        assert_eq!(item(&seen, "recover-database")["because_of"], "backup");
        let said = machine.run(&["check", "failover", "--quiet"]);
        let told = text(&said.stdout);
        assert_eq!(said.status.code(), Some(3), "{told}");
        // Once an instance.
        assert_eq!(told.matches(words).count(), 4, "{told}");
    }
}

#[test]
fn without_powershell_or_its_store_nothing_is_ready() {
    let mut lab = Lab::open(&["--state", "normal", "--logs", "4"]);
    let none = with_line(&lab, "no-shell", "program = ", "program = '/no/such/shell'");
    let (status, seen) = check(&none, &["failover"]);
    assert_eq!(
        (status, &seen["verdicts"]["forced"]),
        (Some(3), &Value::from("not_ready"))
    );
    assert!(
        item(&seen, "no-powershell")["why"]
            .as_str()
            .unwrap()
            .contains("/no/such/shell")
    );
    lab.happen("down store");
    let (status, seen) = check(&Machine::of(&lab), &["failover"]);
    assert_eq!(
        (status, &seen["verdicts"]["forced"]),
        (Some(3), &Value::from("not_ready"))
    );
    item(&seen, "no-store");
}

#[test]
fn a_run_that_stopped_and_one_that_ended_in_part_are_named_with_their_way_on() {
    let mut lab = Lab::open(&["--state", "disaster", "--logs", "4"]);
    let machine = Machine::of(&lab);
    let said = machine.failover(&["--until", "apply-logs"]);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let (status, seen) = check(&machine, &["failover"]);
    assert_eq!(status, Some(0), "{seen}");
    let part = item(&seen, "taken-in-part");
    assert_eq!(part["state"], "warning");
    let command = part["remedies"][1]["text"].as_str().unwrap();
    assert!(command.ends_with("--from end-connections"), "{command}");

    lab.happen("practice cmdlet-fails");
    let said = machine.failover(&[]);
    assert_eq!(said.status.code(), Some(4), "{said:?}");
    for runbook in ["failover", "failback"] {
        let (status, seen) = check(&machine, &[runbook]);
        assert_eq!(status, Some(3), "{seen}");
        let run = item(&seen, "unfinished-run");
        assert_eq!(run["state"], "blocked");
        let way = run["remedies"].to_string();
        assert!(
            way.contains("pchadr failover --config") && way.contains("--resume="),
            "{way}"
        );
    }
}

#[test]
fn a_scheduled_check_is_silent_while_all_is_well() {
    let lab = Lab::open(&["--state", "failed-over", "--logs", "4"]);
    let machine = Machine::of(&lab);
    let said = machine.run(&["check", "failback", "--quiet"]);
    assert_eq!(
        (said.status.code(), text(&said.stdout), text(&said.stderr)),
        (Some(0), String::new(), String::new())
    );
    // That nothing protects the pool until it is home is worth a word, whatever the status is.
    for (more, status) in [(&[][..], 0), (&["--planned"], 3)] {
        let said = machine.run(&[&["check", "failover", "--quiet"], more].concat());
        assert_eq!(said.status.code(), Some(status));
        let told = text(&said.stdout);
        assert!(
            told.contains("there is nothing to switch") && !told.contains("\nok "),
            "{told}"
        );
    }
}
