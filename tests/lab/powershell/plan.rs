//! The commands that a plan prints for people, typed into the engine as they stand.

use std::path::Path;
use std::process::Command;

use pchadr::plan::Plan;
use pchadr::runbook::Runbook;
use pchadr::site::{EXAMPLE, Site};
use pchadr::step::Step;
use pchadr::step::command::{Command as Planned, Kind};
use serde_json::{Value, json};

use super::Pool;

fn typed(pool: &Pool, text: &str) {
    let output = Command::new("/usr/bin/env")
        .args(pool.arguments())
        .args(["-NoProfile", "-NonInteractive", "-Command"])
        .arg(format!("Import-Module SkypeForBusiness; {text}"))
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{text}\n{complaint}"
    );
}

/// What a command changes, as the pool tells it.
fn changed(before: &Value, after: &Value) -> Vec<String> {
    before
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, value)| after[*name] != **value)
        .map(|(name, _)| format!("{name}: {}", after[name]))
        .collect()
}

/// The plan of a runbook at the example site.
fn plan_of(text: &str) -> Plan {
    let site = Site::parse(EXAMPLE, "litware.toml", Path::new("/conf")).unwrap();
    let known: Vec<&str> = Step::ALL.iter().map(|step| step.id()).collect();
    let runbook = Runbook::parse(text, "runbook.toml", &known).unwrap();
    Plan::bind(&runbook, &site).unwrap()
}

#[test]
fn the_services_that_a_failback_stops_and_starts_are_those_that_it_names() {
    let Some(pool) = Pool::new() else { return };
    let plan = plan_of(include_str!("../../../runbooks/failback.toml"));
    let mut did = Vec::new();
    for command in plan.steps.iter().flat_map(|step| &step.commands) {
        if command.text.contains("CsWindowsService") {
            let server = command.holes.iter().find(|hole| hole.name == "server");
            let service = format!("RTCCHAT on {}", server.unwrap().sample.as_str().unwrap());
            if command.text.starts_with("Start") {
                pool.set("Stopped", vec![service.clone(), "another".to_owned()]);
            }
            typed(&pool, &command.sample);
            did.push((service, pool.read()["Stopped"].clone()));
        }
    }
    let (stopped, started) = (
        "RTCCHAT on pc5.dc2.litwareinc.com",
        "RTCCHAT on pc1.dc1.litwareinc.com",
    );
    assert_eq!(
        did,
        [
            (stopped.to_owned(), json!([stopped])),
            (started.to_owned(), json!(["another"])),
        ]
    );
}

#[test]
fn every_printed_command_does_what_it_says() {
    let Some(pool) = Pool::new() else { return };
    let plan = plan_of(include_str!("../../../runbooks/failover.toml"));
    let mut did = Vec::new();
    for step in &plan.steps {
        for command in &step.commands {
            if !matches!(command.kind, Kind::Powershell { .. }) {
                continue;
            }
            let before = pool.read();
            typed(&pool, &command.sample);
            did.push((step.id.as_str(), changed(&before, &pool.read())));
            pool.set("Mirror", Value::Null);
        }
    }
    let mirror = |database: &str, over: bool| {
        let mirror = json!({
            "DatabaseType": database,
            "SqlServerFqdn": "sql3.dc2.litwareinc.com",
            "SqlInstanceName": "chat",
            "FileShare": r"\\fs1\pchat-mirror",
            "Drop": over,
            "Exclude": [],
            "Paths": "",
        });
        vec![format!("Mirror: {mirror}")]
    };
    let active = |active: &[&str], inactive: &[&str]| {
        vec![
            format!("ActiveServers: {}", json!(active)),
            format!("InactiveServers: {}", json!(inactive)),
        ]
    };
    let [first, second] = ["pc1.dc1.litwareinc.com", "pc2.dc1.litwareinc.com"];
    let [third, fourth] = ["pc5.dc2.litwareinc.com", "pc6.dc2.litwareinc.com"];
    assert_eq!(
        did,
        [
            (
                "set-pool-state",
                vec!["PoolState: \"FailedOver\"".to_owned()]
            ),
            ("install-mirror", mirror("PersistentChat", false)),
            ("install-mirror", mirror("PersistentChat", true)),
            (
                "set-active-servers",
                active(&[second], &[first, third, fourth])
            ),
            (
                "set-active-servers",
                active(&[second, third], &[first, fourth])
            ),
            (
                "mirror-compliance",
                mirror("PersistentChatCompliance", false)
            ),
            (
                "mirror-compliance",
                mirror("PersistentChatCompliance", true)
            ),
        ]
    );
}

#[test]
fn a_printed_text_is_one_value_whatever_it_holds() {
    let Some(pool) = Pool::new() else { return };
    let share = "\\\\fs1\\it's \u{2018}a\u{2019} \u{201A}b\u{201B} \"c\" \u{201C}d\u{201D}\u{201E} `$(1+1) $x; na\u{ef}ve \u{1F4AC}";
    let command = Planned::powershell(
        "Install-CsMirrorDatabase",
        vec![
            ("DatabaseType", json!("PersistentChat")),
            ("SqlServerFqdn", json!("sql3")),
            ("FileShare", json!(share)),
            ("Confirm", json!(false)),
        ],
        Vec::new(),
    );
    typed(&pool, &command.sample);
    assert_eq!(pool.read()["Mirror"]["FileShare"], share);
}
