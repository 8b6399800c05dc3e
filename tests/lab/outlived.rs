//! A cmdlet that goes on when the program is killed, as a PowerShell on Linux does.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::bench::Lab;
use crate::drive::{Machine, end_state, failed_over, text};

/// Writes down each request, and lets a change of the pool's state take three seconds.
const SLOW: &str = r#"calls=$1; shift; while IFS= read -r line; do printf '%s\n' "$line" >>"$calls"; case $line in *'"Set-CsPersistentChatState"'*) sleep 3;; esac; printf '%s\n' "$line"; done | exec "$@""#;

/// The lab's site file with that in front of its PowerShell.
fn slowed(lab: &Lab, calls: &Path) -> PathBuf {
    let mut site: Table = fs::read_to_string(lab.folder.join("site.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let shell = site["powershell"].as_table_mut().unwrap();
    let program = shell["program"].as_str().unwrap().to_owned();
    let mut arguments: Vec<Value> = ["-c", SLOW, "sh", calls.to_str().unwrap(), &program]
        .map(Value::from)
        .into();
    arguments.extend(shell["arguments"].as_array().unwrap().clone());
    shell.insert("program".to_owned(), "/bin/sh".into());
    shell.insert("arguments".to_owned(), arguments.into());
    let path = lab.folder.join("slow.toml");
    fs::write(&path, site.to_string()).unwrap();
    path
}

/// A failover that was killed while a slow cmdlet runs, and the file of all that was asked.
fn killed_over_a_cmdlet(lab: &Lab) -> (Machine, PathBuf) {
    let calls = lab.folder.join("calls");
    let machine = Machine::with_site(slowed(lab, &calls));
    let running = machine.start(&[]);
    machine.wait_for("a PowerShell", |record| record["event"] == "powershell");
    running.kill();
    (machine, calls)
}

#[test]
fn a_cmdlet_that_outlives_a_killed_run_is_heard_out_by_the_next_and_not_sent_again() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "4"]);
    let (machine, calls) = killed_over_a_cmdlet(&lab);
    let said = machine.failover(&["--resume"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    let asked = fs::read_to_string(&calls).unwrap();
    let sets = asked.matches("\"Set-CsPersistentChatState\"").count();
    assert_eq!(sets, 1, "{asked}");
    let journal = machine.journal();
    let at = |event: &str| journal.iter().position(|record| record["event"] == event);
    let gone = journal
        .iter()
        .position(|record| record["event"] == "powershell" && record["is"] == "gone");
    assert!(at("run_resumed") < gone, "{journal:?}");
    assert_eq!(end_state(&machine.status()), failed_over());
}

#[test]
fn a_cmdlet_that_outlives_a_run_on_another_machine_is_told() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "4"]);
    let (machine, _) = killed_over_a_cmdlet(&lab);
    // The record as it would be had that been elsewhere.
    let run = machine.runs().pop().unwrap();
    let mirror = lab.folder.join("shares/copy/pchadr-runs");
    let second = mirror.join(run.file_name().unwrap());
    fs::remove_dir_all(&run).unwrap();
    let journal = fs::read(second.join("journal.jsonl")).unwrap();
    fs::write(second.join("journal.jsonl"), by_another(&journal)).unwrap();
    let elsewhere = Machine::with_site(machine.site.clone());
    let said = elsewhere.failover(&["--resume"]);
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{told}");
    assert!(told.contains("may still be running on `adm9`"), "{told}");
}

/// The journal with another machine in its first record, and the chain of digests made anew.
fn by_another(journal: &[u8]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut prev = None;
    let mut bytes = Vec::new();
    for line in journal
        .split(|byte| *byte == b'\n')
        .filter(|it| !it.is_empty())
    {
        let Ok(mut record) = serde_json::from_slice::<serde_json::Value>(line) else {
            break;
        };
        if record["event"] == "run_started" {
            record["host"] = "adm9".into();
        }
        if let Some(prev) = prev {
            record["prev"] = prev;
        }
        let line = serde_json::to_vec(&record).unwrap();
        let digest = Sha256::digest(&line);
        let hex = pchadr::plan::hex(&digest);
        prev = Some(hex.into());
        bytes.extend(line);
        bytes.push(b'\n');
    }
    bytes
}
