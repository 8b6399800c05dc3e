//! The dry run: three forms of one plan, the same bytes everywhere, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::collections::BTreeSet;
use std::fs;

use pchadr::runbook::{Direction, FAILOVER};
use pchadr::step::Step;
use serde_json::Value;

use crate::program::{Program, litware, no_mirrors};

const FORMS: [&str; 3] = ["human", "json", "markdown"];

fn plan() -> Value {
    let text = Program::new()
        .dry_run(&litware(), &["--output", "json"])
        .done();
    assert_eq!(text.matches('\n').count(), 1, "one line");
    serde_json::from_str(&text).unwrap()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

#[test]
fn as_json_a_plan_has_the_agreed_keys_and_no_others() {
    let plan = plan();
    assert_eq!(
        keys(&plan),
        ["version", "runbook", "digest", "fence", "stages", "steps"].into()
    );
    assert_eq!(plan["version"], 1);
    assert_eq!(plan["runbook"], "failover");
    let digest = plan["digest"].as_str().unwrap();
    let hex = digest.strip_prefix("sha256:").unwrap();
    assert_eq!(hex.len(), 64, "{digest}");

    let mut kinds = BTreeSet::new();
    for step in list(&plan, "steps") {
        let expected = [
            "id",
            "vendor",
            "title",
            "stage",
            "effect",
            "point_of_no_return",
            "checks",
            "commands",
        ];
        let mut expected: std::collections::BTreeSet<_> = expected.into();
        if ["stop-log-shipping-jobs", "drop-log-shipping"].contains(&step["id"].as_str().unwrap()) {
            expected.insert("undo");
        }
        assert_eq!(keys(step), expected);
        let effect = step["effect"].as_str().unwrap();
        assert!(
            ["read_only", "reversible", "irreversible"].contains(&effect),
            "{effect}"
        );
        assert!(!list(step, "checks").is_empty(), "{}", step["id"]);
        let undo = step["undo"].as_array().into_iter().flatten();
        for (n, command) in (1..).zip(list(step, "commands").iter().chain(undo)) {
            assert_eq!(command["n"], n);
            let kind = command["kind"].as_str().unwrap();
            let own = match kind {
                "tsql" => ["instance", "server"],
                "powershell" => ["cmdlet", "parameters"],
                "copy" => ["from", "to"],
                other => panic!("{other} is no kind"),
            };
            let common = ["n", "kind", "when", "each", "holes", "text", "sample"];
            let expected: BTreeSet<_> = common.into_iter().chain(own).collect();
            assert_eq!(keys(command), expected);
            check_holes(command);
            kinds.insert(kind.to_owned());
        }
    }
    assert_eq!(
        kinds,
        ["copy", "powershell", "tsql"].map(str::to_owned).into()
    );
}

fn check_holes(command: &Value) {
    let sample = command["sample"].as_str().unwrap();
    for hole in list(command, "holes") {
        assert_eq!(keys(hole), ["name", "type", "rule"].into());
        let mark = format!("{{{}}}", hole["name"].as_str().unwrap());
        let text = command["text"].as_str().unwrap();
        let is_marked = ["text", "from", "to"]
            .iter()
            .filter_map(|key| command[key].as_str())
            .any(|text| text.contains(&mark));
        assert!(is_marked, "{mark} has no place in: {text}");
        assert!(!sample.contains(&mark), "{mark} is open in: {sample}");
    }
}

#[test]
fn the_stages_hold_each_step_once_in_order_and_pair_copying_with_applying() {
    let plan = plan();
    let stages: Vec<Vec<&str>> = list(&plan, "stages")
        .iter()
        .map(|stage| {
            stage
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect()
        })
        .collect();
    let steps: Vec<&str> = list(&plan, "steps")
        .iter()
        .filter_map(|step| step["id"].as_str())
        .collect();
    let all = Step::of(Direction::Failover).iter();
    let in_it = |it: &&Step| FAILOVER.contains(&format!("id = \"{}\"", it.id()));
    let wanted = all.filter(in_it);
    let wanted = wanted.filter(|it| it.is_wanted(&crate::site::litware()));
    assert_eq!(steps.len(), wanted.count());
    assert_eq!(stages.concat(), steps);
    assert!(stages.contains(&vec!["copy-backups", "apply-logs"]));
    for step in list(&plan, "steps") {
        let stage = usize::try_from(step["stage"].as_u64().unwrap()).unwrap();
        let id = step["id"].as_str().unwrap();
        assert!(stages[stage - 1].contains(&id), "{id}");
    }
    let no_return: Vec<_> = list(&plan, "steps")
        .iter()
        .filter(|step| step["point_of_no_return"] == true)
        .map(|step| step["id"].as_str().unwrap())
        .collect();
    assert_eq!(no_return, ["recover-database"]);
}

#[test]
fn as_markdown_a_plan_has_a_box_to_tick_for_every_command() {
    let text = Program::new()
        .dry_run(&litware(), &["--output", "markdown"])
        .done();
    let plan = plan();
    let boxes: usize = list(&plan, "steps")
        .iter()
        // A step that sends nothing has one box, for itself.
        .map(|step| list(step, "commands").len().max(1))
        .sum();
    assert_eq!(text.matches("- [ ] ").count(), boxes);
    assert_eq!(text.matches("\n## ").count(), list(&plan, "steps").len());
    assert!(text.contains("**Point of no return"), "{text}");
    for command in list(&plan, "steps")
        .iter()
        .flat_map(|it| list(it, "commands"))
    {
        let sample = command["sample"].as_str().unwrap();
        let line = sample.lines().next().unwrap();
        assert!(text.contains(line), "{line} is missing");
    }
}

#[test]
fn for_people_a_plan_shows_every_step_and_the_point_of_no_return() {
    let text = Program::new().dry_run(&litware(), &[]).done();
    for step in list(&plan(), "steps") {
        let id = step["id"].as_str().unwrap();
        assert!(text.contains(&format!(". {id}")), "{id} is missing");
    }
    let marked: Vec<_> = text
        .lines()
        .filter(|line| line.contains("POINT OF NO RETURN"))
        .collect();
    assert_eq!(marked.len(), 1, "{text}");
    assert!(marked[0].contains("recover-database"), "{marked:?}");
    assert!(!text.contains('\u{1b}'), "color in a pipe");
}

#[test]
fn the_same_site_gives_the_same_bytes_in_any_folder_and_environment() {
    for form in FORMS {
        for site in [litware(), no_mirrors()] {
            let here = Program::new().dry_run(&site, &["--output", form]).done();
            let there = Program::new()
                .with("TZ", "Pacific/Kiritimati")
                .with("LANG", "tr_TR.UTF-8")
                .with("LC_ALL", "tr_TR.UTF-8")
                .with("HOSTNAME", "elsewhere")
                .with("COMPUTERNAME", "ELSEWHERE")
                .with("USERNAME", "somebody")
                .with("USER", "somebody")
                .with("COLUMNS", "20")
                .with("CLICOLOR_FORCE", "1")
                .with("TERM", "xterm-256color")
                .with("PCHADR_STATE", "/nowhere");
            let name = "my own site.toml";
            there.write(name, &fs::read_to_string(&site).unwrap());
            let elsewhere = there.dry_run(name.as_ref(), &["--output", form]).done();
            assert_eq!(here, elsewhere, "{form} of {}", site.display());
        }
    }
}

#[test]
fn another_site_gives_another_digest() {
    let program = Program::new();
    let site = fs::read_to_string(litware()).unwrap();
    program.write("site.toml", &site.replace("pc5.dc2", "pc7.dc2"));
    let digest = |text: String| text.lines().nth(1).unwrap().to_owned();
    let one = digest(program.dry_run(&litware(), &[]).done());
    let other = digest(program.dry_run("site.toml".as_ref(), &[]).done());
    assert_ne!(one, other);
}

#[test]
fn a_dry_run_writes_nothing() {
    let program = Program::new()
        .with("PCHADR_STATE", "state")
        .with("HOME", ".");
    for form in FORMS {
        program.dry_run(&litware(), &["--output", form]).done();
    }
    let left: Vec<_> = fs::read_dir(program.folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The ids of the steps of a plan, and what else it says of the whole.
fn steps_of(words: &[&str]) -> (Vec<String>, Value) {
    let words = [words, &["--output", "json"]].concat();
    let text = Program::new().dry_run(&litware(), &words).done();
    let plan: Value = serde_json::from_str(&text).unwrap();
    let ids = list(&plan, "steps").iter();
    let ids = ids.map(|step| step["id"].as_str().unwrap().to_owned());
    (ids.collect(), plan)
}

#[test]
fn with_service_first_users_are_served_before_the_mirror_and_the_plan_says_what_is_at_risk() {
    let (vendor, plan) = steps_of(&[]);
    assert!(plan["risk"].is_null());
    let (mut first, plan) = steps_of(&["--service-first"]);
    let risk = plan["risk"].as_str().unwrap();
    assert!(risk.contains("exists on one instance only"), "{risk}");
    let at = |id: &str| first.iter().position(|it| it == id).unwrap();
    let (mirror, serves) = (at("install-mirror"), at("set-active-servers"));
    assert!(serves < mirror);
    // Nothing else differs.
    first.swap(serves, mirror);
    assert_eq!(first, vendor);
    for form in ["human", "markdown"] {
        let words = ["--service-first", "--output", form];
        let text = Program::new().dry_run(&litware(), &words).done();
        assert!(text.contains("exists on one instance only"), "{text}");
    }
}

#[test]
fn a_plan_of_a_part_has_every_step_and_says_where_it_begins_and_ends() {
    let (whole, plan) = steps_of(&[]);
    let words = ["--from", "copy-backups", "--until", "recover-database"];
    let (steps, part) = steps_of(&words);
    assert_eq!(steps, whole);
    assert_eq!(
        (part["from"].as_str(), part["until"].as_str()),
        (Some(words[1]), Some(words[3]))
    );
    assert_ne!(part["digest"], plan["digest"]);
    for form in ["human", "markdown"] {
        let words = [&words[..], &["--output", form]].concat();
        let text = Program::new().dry_run(&litware(), &words).done();
        assert!(text.contains("ends behind"), "{text}");
        assert!(text.contains("was done by an earlier run"), "{text}");
    }
    for (words, why) in [
        (["--until", "tea", "--from", "tea"], "no step `tea`"),
        (
            ["--until", words[1], "--from", words[3]],
            "nothing would be left to do",
        ),
    ] {
        let told = Program::new().dry_run(&litware(), &words).refused(2);
        assert!(told.contains(why), "{told}");
        assert!(told.contains(words[0]), "{told}");
    }
}
