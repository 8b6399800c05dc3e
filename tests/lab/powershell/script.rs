//! The script by itself.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{Pool, engine};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

const SCRIPT: &str = "src/powershell/answer.ps1";

#[test]
fn script_and_test_module_keep_to_powershell_3() {
    let Some(engine) = engine() else { return };
    let module = "tests/lab/powershell/modules/SkypeForBusiness/SkypeForBusiness.psm1";
    let lint = Command::new(engine)
        .arg("--lint-3.0")
        .args([path(SCRIPT), path(module)])
        .output()
        .unwrap();
    assert!(
        lint.status.success(),
        "{}",
        String::from_utf8_lossy(&lint.stdout)
    );
}

/// powershell.exe reads standard input itself where a script names that variable, and an
/// interpreter of text would make code of values.
#[test]
fn the_script_names_nothing_that_would_break_its_promises() {
    let script = std::fs::read_to_string(path(SCRIPT)).unwrap();
    assert!(script.is_ascii());
    let script = script.to_lowercase();
    for word in [
        "$input",
        "invoke-expression",
        "iex ",
        "scriptblock]::create",
        "invokescript",
    ] {
        assert!(!script.contains(word), "{word}");
    }
}

#[test]
fn every_cmdlet_that_the_code_names_is_on_the_list() {
    let script = std::fs::read_to_string(path(SCRIPT)).unwrap();
    let mut named = BTreeSet::new();
    let mut folders = vec![path("src/step")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let code = std::fs::read_to_string(entry).unwrap();
            named.extend(
                code.split('"')
                    .filter(|text| {
                        text.split_once("-Cs").is_some_and(|(verb, noun)| {
                            [verb, noun].into_iter().all(|part| {
                                !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphabetic())
                            })
                        })
                    })
                    .map(str::to_owned),
            );
        }
    }
    assert!(
        named.contains("Get-CsService") && named.len() >= 8,
        "{named:?}"
    );
    for cmdlet in named {
        assert!(script.contains(&format!("\n    '{cmdlet}'\n")), "{cmdlet}");
    }
}

fn run(pool: &Pool, requests: &str) -> Output {
    let mut process = Command::new("/usr/bin/env")
        .args(pool.arguments())
        .args(["-NoProfile", "-NonInteractive", "-File"])
        .arg(path(SCRIPT))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(requests.as_bytes()).unwrap();
    drop(input);
    process.wait_with_output().unwrap()
}

#[test]
fn it_ends_well_at_the_end_of_its_input_and_badly_at_a_line_that_is_no_request() {
    let Some(pool) = Pool::new() else { return };
    for (requests, code) in [
        ("", 0),
        ("{\"nonce\":\"1\",\"import\":\"SkypeForBusiness\"}\n", 0),
        ("\n", 1),
        ("nonsense\n", 1),
        ("[1]\n", 1),
        ("{\"nonce\":\"a b\"}\n", 1),
    ] {
        let output = run(&pool, requests);
        assert_eq!(output.status.code(), Some(code), "{requests}");
        let complaint = if code == 1 {
            "a line on standard input is no request\n"
        } else {
            ""
        };
        assert_eq!(String::from_utf8_lossy(&output.stderr), complaint);
    }
}

#[test]
fn answers_are_ascii_lines_that_keep_warnings_apart() {
    let Some(pool) = Pool::new() else { return };
    pool.set("Trouble", "noise");
    let output = run(
        &pool,
        "{\"nonce\":\"1\",\"cmdlet\":\"Get-CsPool\",\"properties\":[]}\n\
         {\"nonce\":\"2\",\"import\":\"SkypeForBusiness\"}\n\
         {\"nonce\":\"3\",\"cmdlet\":\"Set-CsPersistentChatState\",\"parameters\":\
         {\"Identity\":\"service:pchat.litwareinc.com\",\"Confirm\":false},\"properties\":[]}\n",
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("@pchadr ") && !line.starts_with("@pchadr 00"))
        .collect();
    assert_eq!(
        answers,
        [
            "@pchadr 1 {\"objects\":[],\"errors\":[{\"message\":\"No module was imported.\",\"id\":\"NoModule,pchadr\",\"category\":\"InvalidOperation\"}],\"warnings\":[]}",
            "@pchadr 2 {\"objects\":[],\"errors\":[],\"warnings\":[]}",
            "@pchadr 3 {\"objects\":[],\"errors\":[],\"warnings\":[\"an old schema, na\\u00efve\"]}",
        ]
    );
}
