#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const STEPS: &[&str] = &[
    "save-log-shipping",
    "stop-log-shipping-jobs",
    "drop-log-shipping",
    "copy-backups",
    "apply-logs",
    "end-connections",
    "recover-database",
    "set-pool-state",
    "install-mirror",
    "set-active-servers",
];

fn problems(text: &str) -> Vec<String> {
    let Err(found) = Runbook::parse(text, "r.toml", STEPS) else {
        panic!("this is accepted:\n{text}");
    };
    found
        .problems
        .iter()
        .map(|p| format!("{} {}: {}", p.line, p.key, p.what))
        .collect()
}

#[test]
fn the_built_in_runbooks_say_what_they_are_and_leave_every_step_to_the_program() {
    for (text, direction) in [
        (FAILOVER, Direction::Failover),
        (FAILBACK, Direction::Failback),
        (FAILBACK_VENDOR_ORDER, Direction::Failback),
    ] {
        let ids: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'))
            .collect();
        let runbook = Runbook::parse(text, "runbook.toml", &ids).unwrap();
        assert_eq!(runbook.direction, direction);
        assert_eq!(runbook.name, direction.key());
        assert_eq!(runbook.ids().collect::<Vec<_>>(), ids);
        let is_built_in = |s: &RunbookStep| s.kind == RunbookStepKind::BuiltIn;
        assert!(runbook.steps.iter().all(is_built_in));
    }
}

#[test]
fn a_manual_step_stands_between_built_in_ones() {
    let text = "version = 1\nrunbook = 'failback'\ntitle = 'T'\n[[step]]\nid = 'copy-backups'\n\
                [[step]]\nid = 'call-the-team'\nmanual = '''\nCall.\nAsk.'''\nexpect = 'ticket'";
    let runbook = Runbook::parse(text, "r.toml", STEPS).unwrap();
    assert_eq!(runbook.direction, Direction::Failback);
    assert_eq!(
        runbook.steps[1],
        RunbookStep {
            id: "call-the-team".to_owned(),
            kind: RunbookStepKind::Manual {
                title: "Call the team".to_owned(),
                instruction: "Call.\nAsk.".to_owned(),
                expect: Some("ticket".to_owned()),
            },
        }
    );
}

#[test]
fn all_problems_of_a_runbook_are_reported_at_once() {
    let text = "version = 2
runbook = 'failovr'
titel = 'T'
[[step]]
id = 'aply-logs'
[[step]]
id = 'copy-backups'
expect = 'nothing'
[[step]]
manual = 'Call.'
[[step]]
id = 'copy-backups'
manual = 'Copy by hand.'
[[step]]
id = 'Call them'
manual = 'Call.'
[[step]]
id = 'set-pool-state'
[[step]]
id = 'set-pool-state'
wish = 1
";
    assert_eq!(
        problems(text),
        [
            "1 title: is missing",
            "1 version: is not known to this program",
            "2 runbook: `failovr` is not known here",
            "3 titel: unknown key",
            "5 step.id: there is no step `aply-logs` in this direction",
            "8 step.expect: belongs to manual steps only",
            "9 step.id: is missing",
            "12 step.id: `copy-backups` is a step of the program",
            "15 step.id: `Call them` is no id",
            "20 step.id: `set-pool-state` is there already (line 18)",
            "21 step.wish: unknown key",
        ]
    );
}

#[test]
fn a_slip_in_a_step_names_the_step_that_was_meant() {
    let text = "version = 1\nrunbook = 'failover'\ntitle = 'T'\n[[step]]\nid = 'recover-datbase'";
    let found = Runbook::parse(text, "r.toml", STEPS).unwrap_err();
    assert_eq!(
        found.to_string(),
        "r.toml:5: step.id: there is no step `recover-datbase` in this direction\n  \
         hint: did you mean `recover-database`?"
    );
}

#[test]
fn a_runbook_without_steps_is_refused() {
    let head = "version = 1\nrunbook = 'failover'\ntitle = 'T'\n";
    assert_eq!(problems(head), ["1 step: is missing"]);
    assert_eq!(
        problems(&format!("{head}step = []")),
        ["4 step: is an empty list"]
    );
    assert_eq!(
        problems(&format!("{head}step = ['apply-logs']")),
        ["4 step: expected a table, found text"]
    );
}

proptest! {
    #[test]
    fn no_text_panics_the_reader(text in r#"(version = [0-9x]{1,3}|runbook = '[a-z]{0,9}'|title = "?.{0,6}"?|\[{1,2}step\]{1,2}|id = '[a-z-]{0,9}'|manual = '.{0,9}'|.{0,9}|\n){0,30}"#) {
        if let Err(found) = Runbook::parse(&text, "f", STEPS) {
            prop_assert!(!found.problems.is_empty());
        }
    }
}

/// The schema, and what the loader says is known of that text.
fn known(text: &str) -> Vec<String> {
    let problems = Runbook::parse(text, "r.toml", &["copy-backups"])
        .unwrap_err()
        .problems;
    let is_it = |key: &str| key.ends_with("zzzzzzzzzzzz");
    let problem = problems.iter().find(|it| is_it(&it.key)).unwrap();
    let listed = problem
        .hint
        .as_deref()
        .unwrap()
        .strip_prefix("known here: ")
        .unwrap();
    let mut keys: Vec<String> = listed
        .split(", ")
        .map(|key| key.trim_matches('`').to_owned())
        .collect();
    keys.sort();
    keys
}

#[test]
fn the_schema_has_the_keys_that_the_loader_knows_and_every_built_in_runbook_keeps_to_it() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let keys = |pointer: &str| {
        let mut keys: Vec<String> = schema
            .pointer(pointer)
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(keys("/properties"), known("zzzzzzzzzzzz = 1"));
    let step = "/properties/step/items/properties";
    assert_eq!(
        keys(step),
        known("[[step]]\nid = 'copy-backups'\nzzzzzzzzzzzz = 1")
    );
    for text in [
        FAILOVER,
        FAILOVER_SERVICE_FIRST,
        FAILBACK,
        FAILBACK_SERVICE_FIRST,
        FAILBACK_VENDOR_ORDER,
        FENCE,
    ] {
        let runbook: toml::Table = text.parse().unwrap();
        for key in runbook.keys() {
            assert!(keys("/properties").contains(key), "{key}");
        }
        for entry in runbook["step"].as_array().unwrap() {
            for key in entry.as_table().unwrap().keys() {
                assert!(keys(step).contains(key), "{key}");
            }
        }
        let word = runbook["runbook"].as_str().unwrap();
        let words = schema["properties"]["runbook"]["enum"].as_array().unwrap();
        assert!(words.iter().any(|it| it == word), "{word}");
    }
}
