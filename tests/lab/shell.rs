//! The stand-in for PowerShell, as the program starts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use pchadr::access::powershell::{Call, PowerShellDoor, Process};
use pchadr::model::Role;
use serde_json::json;

use crate::bench::{LONG, Lab, Tsql, program, run};

fn door(lab: &Lab) -> PowerShellDoor {
    let shell = &lab.site.powershell;
    let process = Process::new(&shell.program, shell.arguments.clone());
    PowerShellDoor::new(std::sync::Arc::new(process), &shell.module, LONG, 7)
}

#[tokio::test]
async fn the_cmdlets_answer_through_the_programs_own_door() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "2"]);
    let door = door(&lab);
    let read = Call {
        cmdlet: "Get-CsPersistentChatState",
        parameters: [(
            "Identity",
            json!("PersistentChatServer:pchat.litwareinc.com"),
        )]
        .into(),
        properties: &["PoolState"],
        limit: None,
    };
    let state = door.call(read.clone()).await.unwrap();
    assert_eq!(state[0].text("PoolState"), Some("Normal"));
    let set = Call {
        cmdlet: "Set-CsPersistentChatState",
        parameters: [
            ("Identity", json!("service:pchat.litwareinc.com")),
            ("PoolState", json!("FailedOver")),
            ("Confirm", json!(false)),
        ]
        .into(),
        properties: &[],
        limit: None,
    };
    door.call(set).await.unwrap();
    let state = door.call(read.clone()).await.unwrap();
    assert_eq!(state[0].text("PoolState"), Some("FailedOver"));
}

#[tokio::test]
async fn all_instances_have_one_address_and_the_mirror_is_still_the_right_one() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "2"]);
    let Some(tsql) = Tsql::of(&lab, Role::Backup) else {
        return;
    };
    for file in lab.files("backup") {
        let path = file.display();
        tsql.run(&format!(
            "restore log mgc from disk = '{path}' with norecovery\ngo\n"
        ));
    }
    tsql.rows("restore database mgc with recovery");
    let share = lab.folder.join("shares/mirror");
    let call = Call {
        cmdlet: "Install-CsMirrorDatabase",
        parameters: [
            ("DatabaseType", json!("PersistentChat")),
            ("SqlServerFqdn", json!("127.0.0.1")),
            ("FileShare", json!(share.to_str().unwrap())),
            ("Confirm", json!(false)),
        ]
        .into(),
        properties: &[],
        limit: None,
    };
    door(&lab).call(call).await.unwrap();
    let mirrored = "select mirroring_state_desc as s, mirroring_role_desc as r \
                    from sys.database_mirroring where database_id = db_id('mgc')";
    assert_eq!(tsql.rows(mirrored)[1], "SYNCHRONIZED\tPRINCIPAL");
    let mirror = Tsql::of(&lab, Role::BackupMirror).unwrap();
    assert_eq!(mirror.rows(mirrored)[1], "SYNCHRONIZED\tMIRROR");
    assert_eq!(lab.files("mirror").len(), 2);
}

#[test]
fn who_does_not_know_the_token_gets_no_answer() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "1"]);
    let address = &lab.site.powershell.arguments[1];
    for token in ["", "wrong", &"x".repeat(500)] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let said = format!("{token}\n{{\"nonce\":\"1\",\"import\":\"SkypeForBusiness\"}}\n");
        // The lab may have hung up before all is written.
        let _ = stream.write_all(said.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{token}");
    }
    // The token is in no argument.
    let arguments = lab.site.powershell.arguments.join(" ");
    let token = std::fs::read_to_string(&lab.site.powershell.arguments[2]).unwrap();
    assert!(!arguments.contains(&token));
}

#[test]
fn the_stand_in_says_when_its_lab_is_gone() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "1"]);
    let mut command = Command::new(program());
    command.args(&lab.site.powershell.arguments).args([
        "-NoProfile",
        "-NonInteractive",
        "-File",
        "script.ps1",
    ]);
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    input
        .write_all(b"{\"nonce\":\"1\",\"import\":\"SkypeForBusiness\"}\n")
        .unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut answer = String::new();
    output.read_line(&mut answer).unwrap();
    assert!(answer.starts_with("@pchadr 1 {"), "{answer}");
    drop(input);
    assert!(process.wait().unwrap().success());
    let token = std::env::temp_dir().join(format!("pchadr-token-{}", std::process::id()));
    std::fs::copy(&lab.site.powershell.arguments[2], &token).unwrap();
    let address = lab.site.powershell.arguments[1].clone();
    drop(lab);
    std::thread::sleep(Duration::from_millis(100));
    let mut command = Command::new(program());
    command.arg("lab-shell").arg(address).arg(&token);
    let said = run(&mut command, "");
    std::fs::remove_file(token).unwrap();
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("no lab answers"));
}
