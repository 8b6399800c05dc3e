//! The canary: the password shows itself nowhere (`design.md` 3, rule 11).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::bench::{Lab, run};
use crate::drive::{CONSENT, Machine};

fn has(bytes: &[u8], secret: &str) -> bool {
    bytes
        .windows(secret.len())
        .any(|piece| piece == secret.as_bytes())
}

/// Every file below a folder that holds the secret.
fn holders(folder: &Path, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if has(&fs::read(&path).unwrap(), secret) {
                found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// What a process list shows of a process and of all that it started: (place, text).
fn shown(root: u32) -> Vec<(String, Vec<u8>)> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // `id (name) state parent …`; it may have ended meanwhile.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1))
            .and_then(|parent| parent.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (id, parent)));
    }
    let mut family = BTreeSet::from([root]);
    loop {
        let before = family.len();
        for (id, parent) in &parents {
            if family.contains(parent) {
                family.insert(*id);
            }
        }
        if family.len() == before {
            break;
        }
    }
    let read = |id: u32, file: &str| fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
    let own = read(root, "cmdline");
    let mut shown = Vec::new();
    for id in family {
        // Between fork and exec a child still has the memory of its parent, and so its command line,
        // which is read first: once that is another, so is the environment.
        let cmdline = read(id, "cmdline");
        let whose = if cmdline == own { "ours" } else { "started" };
        shown.push((format!("{whose} cmdline"), cmdline));
        shown.push((format!("{whose} environ"), read(id, "environ")));
    }
    shown
}

/// Runs a command to its end while its process list is watched; gives what it said, and the places
/// of the process list that were seen, and that held the secret.
fn watched(command: &mut Command, secret: &str) -> (Vec<u8>, BTreeSet<String>, BTreeSet<String>) {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut seen, mut held) = (BTreeSet::new(), BTreeSet::new());
            while !over.load(Ordering::Relaxed) {
                for (place, bytes) in shown(id) {
                    if has(&bytes, secret) {
                        held.insert(place.clone());
                    }
                    if !bytes.is_empty() {
                        seen.insert(place);
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            (seen, held)
        });
        // A run on a lab is bounded by its own limits.
        let said = child.wait_with_output().unwrap();
        over.store(true, Ordering::Relaxed);
        let (seen, held) = watching.join().unwrap();
        assert_eq!(said.status.code(), Some(0), "{said:?}");
        ([said.stdout, said.stderr].concat(), seen, held)
    })
}

#[test]
fn a_password_shows_itself_in_no_output_no_file_and_no_process() {
    for form in ["human", "json", "markdown"] {
        let lab = Lab::open(&["--state", "disaster", "--logs", "8"]);
        let machine = Machine::of(&lab);
        let secret = lab.password().trim().to_owned();
        assert!(secret.len() > 15, "a secret that nothing else is by chance");

        let words = [&["failover", "--output", form], &CONSENT[..]].concat();
        let (said, seen, held) = watched(&mut machine.command(&words), &secret);
        assert!(!has(&said, &secret), "{form}");
        assert!(!said.is_empty(), "{form}");
        assert_eq!(held, BTreeSet::new(), "{form}");
        if cfg!(target_os = "linux") {
            assert!(
                seen.contains("ours cmdline") && seen.contains("started cmdline"),
                "{seen:?}"
            );
        }
        for words in [
            &["status"][..],
            &["status", "--output", "json"],
            &["logs"],
            &["failover", "--dry-run", "--output", form],
            &[&["failover", "--output", form], &CONSENT[..]].concat(),
        ] {
            let said = machine.run(words);
            // A dead data center is not seen.
            let code = if words[0] == "status" { 3 } else { 0 };
            assert_eq!(said.status.code(), Some(code), "{words:?} {said:?}");
            let all = [said.stdout, said.stderr].concat();
            assert!(!has(&all, &secret), "{words:?}");
        }

        assert_eq!(
            holders(&machine.state(), &secret),
            Vec::<String>::new(),
            "{form}"
        );
        assert!(machine.runs()[0].join("log.txt").is_file());
        assert_eq!(holders(&lab.folder, &secret), ["password.txt"], "{form}");
    }
}

#[test]
fn a_password_in_a_variable_stays_in_the_process_that_was_given_it() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "8"]);
    let secret = lab.password().trim().to_owned();
    let site = fs::read_to_string(lab.folder.join("site.toml")).unwrap();
    let site = site.replace(r#"{ file = "password.txt" }"#, r#"{ env = "CANARY" }"#);
    assert!(site.contains("CANARY"), "{site}");
    fs::write(lab.folder.join("variable.toml"), site).unwrap();
    let machine = Machine::with_site(lab.folder.join("variable.toml"));
    let words = [&["failover"], &CONSENT[..]].concat();
    let (said, seen, held) = watched(machine.command(&words).env("CANARY", &secret), &secret);
    assert!(!has(&said, &secret));
    if cfg!(target_os = "linux") {
        assert!(seen.contains("started environ"), "{seen:?}");
        assert_eq!(held, BTreeSet::from(["ours environ".to_owned()]));
    }
    assert_eq!(holders(&machine.state(), &secret), Vec::<String>::new());
    let said = run(&mut machine.command(&words), "");
    assert_eq!(
        said.status.code(),
        Some(1),
        "the variable is not set: {said:?}"
    );
}

#[test]
fn a_wrong_password_is_not_repeated() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "2"]);
    let machine = Machine::of(&lab);
    fs::write(lab.folder.join("password.txt"), "a-canary-that-is-wrong").unwrap();
    for words in [
        &["failover"][..],
        &["failover", "--output", "json"],
        &["status"],
    ] {
        let said = machine.run(
            &[
                words,
                if words[0] == "failover" {
                    &CONSENT[..]
                } else {
                    &[]
                },
            ]
            .concat(),
        );
        let all = [said.stdout, said.stderr].concat();
        assert!(has(&all, "18456"), "{words:?}");
        assert!(!has(&all, "canary"), "{words:?}");
    }
}
