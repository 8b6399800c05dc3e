//! What keeps a run from beginning: its exit status, its three parts, and nothing changed.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Output;

use pchadr::model::Role;

use crate::bench::{Lab, run};
use crate::drive::{Machine, Raw, text};

const DISASTER: &[&str] = &["--state", "disaster", "--logs", "4"];

/// A machine whose site file differs from the lab's in that.
fn with(lab: &Lab, name: &str, changes: &[(&str, &str)]) -> Machine {
    let mut site = fs::read_to_string(lab.folder.join("site.toml")).unwrap();
    for (from, to) in changes {
        assert!(site.contains(from), "{from} is not in the site file");
        site = site.replace(from, to);
    }
    let path = lab.folder.join(format!("{name}.toml"));
    fs::write(&path, site).unwrap();
    Machine::with_site(path)
}

/// The failure's words, which must have three parts; nothing may have been sent.
fn refused(machine: &Machine, said: &Output, exit: i32, words: &[&str]) -> String {
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(exit), "{told}");
    for part in ["error: ", "  why:  ", "  what to do: "] {
        assert!(told.contains(part), "{part} is missing: {told}");
    }
    for word in words {
        assert!(told.contains(word), "{word} is missing: {told}");
    }
    let sent = |record: &serde_json::Value| record["event"] == "command";
    assert!(!machine.journal().iter().any(sent), "{told}");
    if let Some(last) = machine.journal().last() {
        assert_eq!(last["outcome"], "refused", "{told}");
        assert_eq!(last["exit"], exit, "{told}");
        assert!(last["resume"].is_null(), "{told}");
    }
    told
}

/// Nothing of the site has changed.
fn assert_untouched(lab: &Lab) {
    let mut backup = Raw::to(lab, Role::Backup);
    let state = backup.value("select state_desc from sys.databases where name = 'mgc'");
    assert_eq!(state, "RESTORING");
    let row = "select secondary_database from msdb.dbo.log_shipping_secondary_databases";
    assert_eq!(backup.value(row), "mgc");
    assert_eq!(
        lab.files("copy")
            .iter()
            .filter(|path| path.is_file())
            .count(),
        1
    );
}

/// A port that nobody listens at, for as long as it is held.
fn silent_port() -> (TcpListener, u16) {
    // Bound but for another address: nobody else gets it, and nobody answers.
    let held = TcpListener::bind("127.0.0.9:0").unwrap();
    let port = held.local_addr().unwrap().port();
    (held, port)
}

#[test]
fn who_the_instance_is_and_who_we_are_is_proved_before_anything_else() {
    let lab = Lab::open(DISASTER);
    let other = Lab::open(DISASTER);
    let (_held, port) = silent_port();
    fs::write(lab.folder.join("wrong.txt"), "not this one\n").unwrap();
    let other_ca = format!("ca = '{}'", other.folder.join("ca.pem").display());
    let backup = format!("127.0.0.1,{}", lab.port(Role::Backup));
    let nobody = format!("127.0.0.1,{port}");
    let cases: [(&str, (&str, &str), &[&str]); 6] = [
        (
            "other-ca",
            (r#"ca = "ca.pem""#, &other_ca),
            &["certificate not accepted", "`[sql.tls] ca`"],
        ),
        (
            "other-name",
            (&backup, &backup.replace("127.0.0.1", "127.0.0.2")),
            &["127.0.0.2"],
        ),
        (
            "wrong-password",
            ("password.txt", "wrong.txt"),
            &["18456", "Login failed"],
        ),
        (
            "wrong-user",
            (r#"user = "pchadr""#, r#"user = "somebody""#),
            &["18456"],
        ),
        (
            "nobody-listens",
            (&backup, &nobody),
            &["not reachable", "refused the connection"],
        ),
        (
            "no-password",
            ("password.txt", "gone.txt"),
            &["the password file", "gone.txt"],
        ),
    ];
    for (name, change, words) in cases {
        let machine = with(&lab, name, &[change]);
        let said = machine.failover(&[]);
        let told = refused(&machine, &said, 1, words);
        assert!(!told.contains("not this one"), "{told}");
        assert_eq!(
            machine.runs(),
            Vec::<PathBuf>::new(),
            "{name}: no run began"
        );
    }
    assert_untouched(&lab);
}

#[test]
fn an_encryption_that_the_other_side_will_not_have_is_refused() {
    let plain = (r#"encrypt = "off""#, r#"encrypt = "required""#);
    let coded = (r#"encrypt = "required""#, r#"encrypt = "off""#);
    let strict = (r#"encrypt = "required""#, r#"encrypt = "strict""#);
    let cases: [(&str, (&str, &str), &[&str]); 3] = [
        (
            "off",
            plain,
            &["the server has no encryption", "encrypt = \"off\""],
        ),
        ("required", coded, &["encrypt = \"required\""]),
        ("required", strict, &["strict"]),
    ];
    for (word, change, words) in cases {
        let lab = Lab::open(&[DISASTER, &["--encrypt", word]].concat());
        let machine = with(&lab, "other", &[change]);
        let said = machine.failover(&[]);
        refused(&machine, &said, 1, words);
        assert_eq!(machine.runs(), Vec::<PathBuf>::new());
    }
}

#[test]
fn what_preflight_finds_is_told_and_nothing_is_changed() {
    let lab = Lab::open(DISASTER);
    let copy = lab.folder.join("shares/copy").display().to_string();
    let backup = lab.folder.join("shares/backup").display().to_string();
    let pchadr = crate::bench::program();
    let cases: [(&str, (&str, &str), &[&str]); 4] = [
        (
            "no-powershell",
            (pchadr, "/nowhere/powershell.exe"),
            &["PowerShell did not start", "is not there"],
        ),
        (
            // It ends at once, and says so.
            "no-answer",
            (pchadr, "/bin/false"),
            &["PowerShell"],
        ),
        ("no-share", (&backup, "/nowhere/logs"), &["/nowhere/logs"]),
        (
            "no-copy-folder",
            (&copy, "/nowhere/copy"),
            &["/nowhere/copy"],
        ),
    ];
    for (name, change, words) in cases {
        let machine = with(&lab, name, &[change]);
        let said = machine.failover(&[]);
        let told = text(&said.stderr);
        let exit = said.status.code().unwrap();
        assert!(exit == 1 || exit == 3, "{name}: {exit} {told}");
        refused(&machine, &said, exit, words);
        assert_untouched(&lab);
    }
}

#[test]
fn without_consent_and_without_anybody_to_ask_nothing_begins() {
    let lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    for words in [
        &["failover"][..],
        &["failover", "--yes"],
        &["failover", "--accept-loss-after", "end-of-chain"],
    ] {
        let said = machine.run(words);
        refused(&machine, &said, 5, &["--"]);
    }
    assert_untouched(&lab);
}

#[test]
fn a_site_that_is_served_by_its_first_data_center_is_not_failed_over() {
    let lab = Lab::open(&["--state", "normal", "--logs", "4"]);
    let machine = Machine::of(&lab);
    let said = machine.failover(&[]);
    refused(&machine, &said, 3, &["recover-database"]);
    let mut primary = Raw::to(&lab, Role::Primary);
    let state = "select state_desc from sys.databases where name = 'mgc'";
    assert_eq!(primary.value(state), "ONLINE");
    assert_eq!(Raw::to(&lab, Role::Backup).value(state), "RESTORING");
}

#[test]
fn a_primary_that_lives_and_answers_badly_is_refused_until_it_is_silenced() {
    let mut lab = Lab::open(DISASTER);
    let machine = Machine::of(&lab);
    lab.happen("up instance primary");
    for way in ["expired", "closes", "garbage", "cuts", "sign-in-refused"] {
        lab.happen(&format!("answer primary {way}"));
        let said = machine.failover(&["--override", "primary-unseen=so it seems"]);
        let words = [
            "the primary is alive, but whether its database serves cannot be seen",
            "seen:",
            "stop the SQL Server service that listens on port",
            "New-NetFirewallRule",
        ];
        refused(&machine, &said, 3, &words);
    }
    lab.happen("down instance primary");
    let said = machine.failover(&[]);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
}

#[test]
fn what_is_typed_or_written_wrong_is_told_before_anything_is_asked() {
    let lab = Lab::open(DISASTER);
    let machine = with(
        &lab,
        "unknown-key",
        &[("[pool]", "[pool]\ncolor = \"red\"")],
    );
    let said = machine.failover(&[]);
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert!(text(&said.stderr).contains("color"), "{said:?}");

    let machine = Machine::of(&lab);
    let said = machine.failover(&["--resume"]);
    refused(&machine, &said, 1, &["no run of this site is unfinished"]);
    let said = machine.failover(&["--resume=20200101T000000Z-failover-000000"]);
    refused(&machine, &said, 1, &["20200101T000000Z-failover-000000"]);

    // A state folder that cannot be one.
    let said = run(
        machine
            .command(&["failover", "--yes", "--accept-loss-after", "end-of-chain"])
            .env("PCHADR_STATE", "/dev/null/x"),
        "",
    );
    refused(
        &machine,
        &said,
        1,
        &["the record of the run", "PCHADR_STATE"],
    );
    assert_untouched(&lab);
}
