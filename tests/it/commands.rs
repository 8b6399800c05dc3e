//! What can be typed, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::ffi::OsStr;
use std::fs;
use std::process::Stdio;

use crate::program::{Program, Said, litware};

#[test]
fn help_names_the_commands_and_flags_that_work() {
    let program = Program::new();
    let help = program.run(&["--help"]).done();
    for word in [
        "failover",
        "failback",
        "fence",
        "abort",
        "logs",
        "lab",
        "status",
        "check",
        "runs",
        "plan",
        "init",
        "--version",
    ] {
        assert!(help.contains(word), "{word} is missing: {help}");
    }
    assert!(!help.contains("lab-shell"), "nobody types it: {help}");
    let abort = program.run(&["abort", "--help"]).done();
    for word in ["--config", "--yes", "--output"] {
        assert!(abort.contains(word), "{word} is missing: {abort}");
    }
    let help = program.run(&["lab", "--help"]).done();
    for word in [
        "--dir",
        "--state",
        "failed-over",
        "--encrypt",
        "--service-times",
        "--output",
    ] {
        assert!(help.contains(word), "{word} is missing: {help}");
    }
    let help = program.run(&["check", "failover", "--help"]).done();
    for word in ["--config", "--planned", "--quiet", "--rehearse", "--output"] {
        assert!(help.contains(word), "{word} is missing: {help}");
    }
    let help = program.run(&["check", "failback", "--help"]).done();
    assert!(!help.contains("--planned"), "it is never forced: {help}");
    let help = program.run(&["failover", "--help"]).done();
    for word in [
        "--config",
        "--runbook",
        "--dry-run",
        "--rehearse",
        "--resume",
        "--pause",
        "--output",
        "--until",
        "--from",
        "--service-first",
        "--with",
        "--plan-out",
        "--approved",
    ] {
        assert!(help.contains(word), "{word} is missing: {help}");
    }
    let help = program.run(&["plan", "verify", "--help"]).done();
    for word in ["--config", "--live", "--output"] {
        assert!(help.contains(word), "{word} is missing: {help}");
    }
}

#[test]
fn a_new_site_file_is_the_example_and_is_never_written_over() {
    let program = Program::new();
    let told = program.run(&["init"]).done();
    assert!(told.contains("site.toml"), "{told}");
    let made = program.folder().join("site.toml");
    assert_eq!(fs::read(&made).unwrap(), fs::read(litware()).unwrap());
    program.dry_run(&made, &[]).done();

    fs::write(&made, "mine").unwrap();
    let told = program.run(&["init"]).refused(1);
    assert!(told.contains("what to do"), "{told}");
    assert_eq!(fs::read(&made).unwrap(), b"mine");
}

#[test]
fn the_version_is_data() {
    let expected = format!("pchadr {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Program::new().run(&["--version"]).done(), expected);
}

#[test]
fn a_command_line_that_is_wrong_ends_with_status_2_and_no_color() {
    for words in [
        &["failover", "--bogus"][..],
        &["failover", "--dry-run", "--output", "xml"],
        &["logs", "--output", "markdown"],
        &["failback", "--accept-loss-after", "all"],
        &[],
    ] {
        let err = Program::new().run(words).refused(2);
        assert!(
            err.contains("--help") || err.contains("Usage: "),
            "{words:?}: {err}"
        );
        assert!(!err.contains('\u{1b}'), "{words:?}: {err:?}");
    }
}

#[test]
fn a_run_without_a_place_for_its_record_is_refused() {
    let err = Program::new()
        .run(&[
            OsStr::new("failover"),
            OsStr::new("--config"),
            litware().as_os_str(),
        ])
        .refused(1);
    assert_eq!(
        err,
        "\
error: the record of the run has no place
  why:        neither PCHADR_STATE nor a home folder is set
  what to do: set PCHADR_STATE to a folder on this machine
"
    );
}

#[test]
fn a_run_without_its_password_is_refused_before_it_connects() {
    let program = Program::new().with("PCHADR_STATE", "state");
    let err = program
        .run(&[
            OsStr::new("failover"),
            OsStr::new("--config"),
            litware().as_os_str(),
        ])
        .refused(1);
    assert_eq!(
        err,
        "\
error: the password of `[sql.auth]`
  why:        the environment variable `PCHADR_SQL_PASSWORD` is not set
  what to do: set it before pchadr is started, or name another place in `[sql.auth] password`
"
    );
}

#[test]
fn all_problems_of_a_site_file_are_told_at_once_with_line_key_and_hint() {
    let program = Program::new();
    let site = fs::read_to_string(litware()).unwrap();
    let bad = site
        .replace("fqdn = \"pchat.litwareinc.com\"", "fqdn = \"p chat\"")
        .replace("encrypt = \"required\"", "encrypt = \"sometimes\"")
        .replace("backup_mirror = 'sql4", "backup_miror = 'sql4");
    program.write("site.toml", &bad);
    let err = program.run(&["failover", "--dry-run"]).refused(2);
    let line = |text: &str| 1 + bad.lines().position(|line| line.starts_with(text)).unwrap();
    assert!(
        err.starts_with("error: there are 3 problems in `site.toml`\n"),
        "{err}"
    );
    for (text, key) in [
        ("fqdn = ", "pool.fqdn"),
        ("backup_miror = ", "sql.backup_miror"),
        ("encrypt = ", "sql.tls.encrypt"),
    ] {
        let problem = format!("\nsite.toml:{}: {key}: ", line(text));
        assert!(err.contains(&problem), "{problem} is missing: {err}");
    }
    assert_eq!(err.matches("\n  hint: ").count(), 3, "{err}");
}

#[test]
fn the_site_file_is_found_as_option_variable_or_file_of_the_folder() {
    let site = fs::read_to_string(litware()).unwrap();
    let named = |name: &str| site.replace("pchat.litwareinc.com", name);
    let pool = |said: Said| said.done().lines().next().unwrap().to_owned();
    let show = ["failover", "--dry-run", "--output", "markdown"];

    let program = Program::new();
    program.write("site.toml", &named("here.litwareinc.com"));
    assert_eq!(
        pool(program.run(&show)),
        "# failover of here.litwareinc.com"
    );
    let program = program.with("PCHADR_CONFIG", "variable.toml");
    program.write("variable.toml", &named("variable.litwareinc.com"));
    assert_eq!(
        pool(program.run(&show)),
        "# failover of variable.litwareinc.com"
    );
    program.write("option.toml", &named("option.litwareinc.com"));
    let with_option = [&show[..], &["--config", "option.toml"]].concat();
    assert_eq!(
        pool(program.run(&with_option)),
        "# failover of option.litwareinc.com"
    );
}

#[test]
fn a_site_file_that_cannot_be_read_is_told_in_three_parts() {
    let err = Program::new()
        .run(&["failover", "--dry-run", "--config", "none.toml"])
        .refused(2);
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 3, "{err}");
    assert_eq!(lines[0], "error: the site file `none.toml` cannot be read");
    assert!(lines[1].starts_with("  why:        "), "{err}");
    assert!(lines[2].starts_with("  what to do: "), "{err}");
}

#[test]
fn a_runbook_that_breaks_what_a_step_rests_on_gives_no_plan() {
    let program = Program::new();
    let runbook = |steps: &[&str]| {
        let steps: Vec<_> = steps
            .iter()
            .map(|id| format!("[[step]]\nid = \"{id}\"\n"))
            .collect();
        let steps = steps.concat();
        format!("version = 1\nrunbook = \"failover\"\ntitle = \"t\"\n{steps}")
    };
    program.write(
        "r.toml",
        &runbook(&["drop-log-shipping", "save-log-shipping"]),
    );
    let err = program
        .dry_run(&litware(), &["--runbook", "r.toml"])
        .refused(2);
    assert!(err.contains("save-log-shipping"), "{err}");
    assert!(err.contains("\n  what to do: "), "{err}");

    program.write(
        "r.toml",
        &runbook(&["save-logs-shipping", "drop-logshipping"]),
    );
    let err = program
        .dry_run(&litware(), &["--runbook", "r.toml"])
        .refused(2);
    assert!(
        err.starts_with("error: there are 2 problems in `r.toml`\n"),
        "{err}"
    );

    let err = program
        .dry_run(&litware(), &["--runbook", "none.toml"])
        .refused(2);
    assert!(err.contains("`none.toml` cannot be used"), "{err}");

    program.write("r.toml", &runbook(&["save-log-shipping"]));
    let plan = program.dry_run(&litware(), &["--runbook", "r.toml"]).done();
    assert!(plan.starts_with("failover: 1 step, 0 of them"), "{plan}");

    let failback = runbook(&["save-log-shipping"]).replace("failover", "failback");
    program.write("r.toml", &failback);
    let err = program
        .dry_run(&litware(), &["--runbook", "r.toml"])
        .refused(2);
    assert!(err.contains("it is a runbook for failback"), "{err}");
}

#[test]
fn a_reader_that_went_away_is_met_with_silence() {
    for form in ["human", "json", "markdown"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Program::new()
            .command(&["failover", "--dry-run", "--output", form, "--config"])
            .arg(litware())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        assert_eq!(Said::from(output).done(), "");
    }
}

#[cfg(unix)]
#[test]
fn a_password_file_that_others_may_read_is_told_and_one_for_its_owner_is_not() {
    use std::os::unix::fs::PermissionsExt as _;

    let machine = crate::frozen::Machine::new();
    let path = machine.path("password.txt");
    let told = format!("others may read the password file `{}`", path.display());
    for (mode, is_told) in [(0o600, false), (0o640, true), (0o604, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let said = machine.0.run(&["status", "--output", "json"]);
        assert_eq!(said.err.contains(&told), is_told, "{mode:o}: {}", said.err);
    }
}
