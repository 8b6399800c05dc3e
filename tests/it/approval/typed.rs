//! The same as it is typed.

use std::fs;

use pchadr::approval::digest;
use pchadr::cli;
use serde_json::Value;

use crate::program::{Program, Said, litware};

/// A program with a plan that was saved from a rehearsal, as `plan.json`.
fn saved(more: &[&str]) -> (Program, Said) {
    let program = Program::new();
    let config = litware().display().to_string();
    let mut words = vec![
        "failover",
        "--config",
        &config,
        "--rehearse",
        "--plan-out",
        "plan.json",
    ];
    words.extend(more);
    let said = program.run(&words);
    assert_eq!(said.status, Some(0), "{said:?}");
    (program, said)
}

/// A rehearsal of the saved plan.
fn rehearse(program: &Program, more: &[&str]) -> Said {
    let config = litware().display().to_string();
    let mut words = vec![
        "failover",
        "--config",
        &config,
        "--rehearse",
        "--approved",
        "plan.json",
    ];
    words.extend(more);
    program.run(&words)
}

/// Every command of the program that stands in backquotes.
fn printed(text: &str) -> Vec<Vec<String>> {
    let quoted = text.split('`').skip(1).step_by(2);
    let commands = quoted.filter(|it| it.starts_with("pchadr "));
    commands
        .map(|it| it.split_whitespace().map(str::to_owned).collect())
        .collect()
}

#[test]
fn a_saved_plan_runs_while_all_is_as_it_was_and_its_record_carries_the_digest_of_the_file() {
    let (program, said) = saved(&["--output", "json"]);
    let told: Value = serde_json::from_str(&said.out).expect("a document");
    let file = fs::read(program.folder().join("plan.json")).expect("the file");
    assert_eq!(told["digest"], digest(&file), "{told}");
    // The first data center is lost there.
    let unseen = told["not_seen"].to_string();
    assert!(unseen.contains("primary: instance: not seen"), "{unseen}");

    let run = rehearse(&program, &["--output", "json"]);
    assert_eq!(run.status, Some(0), "{}", run.err);
    let first = run.out.lines().next().unwrap_or_default();
    let first: Value = serde_json::from_str(first).expect("a record");
    assert_eq!(first["event"], "run_started");
    assert_eq!(first["approved"], told["digest"]);
    assert_eq!(first["plan_digest"], told["plan_digest"]);
    assert!(
        run.err.contains("not seen when it was saved"),
        "{}",
        run.err
    );
}

#[test]
fn what_differs_is_named_with_the_commands_that_mend_it_and_nothing_is_run() {
    let config = litware().display().to_string();
    let site = fs::read_to_string(litware()).expect("the site file");
    for (name, options, edit, wanted) in [
        // GUIDs follow from the seed.
        (
            "another site",
            &["--seed", "9"][..],
            None,
            "backup: redo start of mgc: fork: approved ",
        ),
        (
            "another program",
            &[],
            Some((r#""tool": "pchadr "#, r#""tool": "pchadr 9.2.0, not "#)),
            "program: approved pchadr 9.2.0, not",
        ),
        (
            "a command was edited",
            &[],
            Some(("sp_delete_log_shipping_secondary_database", "sp_delete_all")),
            "plan: drop-log-shipping: commands: approved others, now as they are",
        ),
        (
            "the site file was edited in the file",
            &[],
            Some((r#""chat": "mgc""#, r#""chat": "other""#)),
            "site file: database.chat: approved other, now mgc",
        ),
        (
            "it is of a real site",
            &[],
            Some((r#""simulated": true"#, r#""simulated": false"#)),
            "site: approved real, now simulated",
        ),
    ] {
        let (program, _) = saved(&[]);
        if let Some((from, to)) = edit {
            let path = program.folder().join("plan.json");
            let text = fs::read_to_string(&path).expect("the file");
            assert!(text.contains(from), "{name}");
            fs::write(&path, text.replace(from, to)).expect("the file");
        }
        let run = rehearse(&program, options);
        assert_eq!(run.status, Some(3), "{name}: {run:?}");
        assert!(run.err.contains(wanted), "{name}: {}", run.err);
        let commands = printed(&run.err);
        let [anew, without] = commands.as_slice() else {
            panic!("{name}: two commands: {}", run.err);
        };
        assert!(
            anew.ends_with(&["--rehearse", "--plan-out", "failover-plan.json"].map(str::to_owned)),
            "{anew:?}"
        );
        assert_eq!(
            without[..],
            [
                "pchadr",
                "failover",
                "--config",
                config.as_str(),
                "--rehearse"
            ],
            "{name}"
        );
        for words in [anew, without] {
            assert!(
                cli::typed(words.iter().map(Into::into)).is_ok(),
                "{words:?}"
            );
        }
    }
    // Another site file.
    let (program, _) = saved(&[]);
    program.write("site.toml", &site.replace("# parallel = 8", "parallel = 3"));
    let words = [
        "failover",
        "--config=site.toml",
        "--rehearse",
        "--approved",
        "plan.json",
    ];
    let run = program.run(&words);
    assert_eq!(run.status, Some(3), "{run:?}");
    assert!(
        run.err
            .contains("site file: copy.parallel: approved 8, now 3"),
        "{}",
        run.err
    );
    // The real site, where nothing is asked.
    let run = program.run(&["failover", "--config", &config, "--approved", "plan.json"]);
    assert_eq!(run.status, Some(3), "{run:?}");
    assert!(
        run.err.contains("site: approved simulated, now real"),
        "{}",
        run.err
    );
}

#[test]
fn a_saved_plan_is_of_one_command_and_is_never_written_over() {
    let (program, _) = saved(&["--until", "apply-logs"]);
    let config = litware().display().to_string();
    let again = [
        "failover",
        "--config",
        &config,
        "--rehearse",
        "--plan-out",
        "plan.json",
    ];
    let said = program.run(&again);
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(said.err.contains("never written over"), "{}", said.err);

    let back = [
        "failback",
        "--config",
        &config,
        "--rehearse",
        "--approved",
        "plan.json",
    ];
    let said = program.run(&back);
    assert_eq!(said.status, Some(2), "{said:?}");
    assert!(
        said.err.contains("a plan of a failover, not of a failback"),
        "{}",
        said.err
    );

    // The part is that of the file.
    let run = rehearse(&program, &["--output", "json"]);
    let first = run.out.lines().next().unwrap_or_default();
    assert!(first.contains(r#""until":"apply-logs""#), "{run:?}");
    for more in [
        "--dry-run",
        "--until=apply-logs",
        "--service-first",
        "--runbook=x",
    ] {
        assert_eq!(rehearse(&program, &[more]).status, Some(2), "{more}");
    }
    program.write("none.json", "{}");
    let none = ["failover", "--config", &config, "--approved", "none.json"];
    assert_eq!(program.run(&none).status, Some(2));
}

#[test]
fn a_saved_plan_is_verified_without_a_connection() {
    let (program, _) = saved(&[]);
    let config = litware().display().to_string();
    let path = program.folder().join("plan.json");
    let text = fs::read_to_string(&path).expect("the file");
    // As if it had been saved at the real site.
    fs::write(
        &path,
        text.replace(r#""simulated": true"#, r#""simulated": false"#),
    )
    .expect("it");
    let words = ["plan", "verify", "plan.json", "--config", &config];
    let said = program.run(&words);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(
        said.out.contains("it stands: program, site file and plan"),
        "{}",
        said.out
    );
    let run = said
        .out
        .lines()
        .find_map(|line| line.strip_prefix("to run it"));
    let run: Vec<&str> = run.unwrap_or_default().split_whitespace().collect();
    assert_eq!(run[..4], ["pchadr", "failover", "--config", &config]);
    assert!(cli::typed(run.iter().map(Into::into)).is_ok(), "{run:?}");

    fs::write(&path, text).expect("it");
    let said = program.run(&[&words[..], &["--output", "json"]].concat());
    assert_eq!(said.status, Some(3), "{said:?}");
    let told: Value = serde_json::from_str(&said.out).expect("a document");
    assert_eq!(told["stands"], false);
    assert_eq!(told["drift"][0], "site: approved simulated, now real");
}
