//! What a shell, an editor and a reader of manuals take: `completions`, `schema`, `man`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use serde_json::Value;

use crate::program::Program;

#[test]
fn the_schemas_are_json_and_that_of_a_runbook_names_every_step() {
    let schema = |of: &str| -> Value {
        let said = Program::new().run(&["schema", of]).done();
        serde_json::from_str(&said).unwrap()
    };
    let site = schema("site");
    let normal = site.pointer("/properties/pool/properties/active_servers/properties/normal");
    assert_eq!(normal.unwrap()["maxItems"], 4);
    let runbook = schema("runbook");
    let ids = runbook.pointer("/properties/step/items/properties/id/anyOf/0/enum");
    let ids: Vec<&str> = ids
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for (id, times) in [
        ("recover-database", 1),
        ("set-active-servers", 1),
        ("close-database", 1),
    ] {
        assert_eq!(ids.iter().filter(|it| **it == id).count(), times, "{id}");
    }
}

#[test]
fn every_shell_gets_a_script_that_completes_commands_and_their_options() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = Program::new().run(&["completions", shell]).done();
        for word in ["pchadr", "failover", "service-first", "report", "markdown"] {
            assert!(script.contains(word), "{shell}: {word} is missing");
        }
        assert!(!script.contains("lab-shell"), "{shell}: nobody types it");
    }
    let told = Program::new().run(&["completions", "tcsh"]).refused(2);
    assert!(told.contains("tcsh"), "{told}");
}

#[test]
fn the_program_and_each_of_its_commands_have_a_manual_page() {
    let page = Program::new().run(&["man"]).done();
    assert!(page.contains(".TH pchadr 1"), "{page}");
    assert!(page.contains("pchadr\\-failover(1)"), "{page}");
    let page = Program::new().run(&["man", "runs", "report"]).done();
    assert!(page.contains("pchadr\\-runs\\-report"), "{page}");
    assert!(page.contains("html or markdown"), "{page}");
    let told = Program::new().run(&["man", "fly"]).refused(2);
    assert!(
        told.contains("has no command `fly`") && told.contains("failover"),
        "{told}"
    );
}
