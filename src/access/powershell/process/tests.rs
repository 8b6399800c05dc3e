//! With a shell in PowerShell's place: what matters here is the process, not what it answers.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::*;
use crate::access::ByteStream;

type Lines = BufReader<Box<dyn ByteStream>>;

/// Runs `text` as a shell script whose arguments are those of PowerShell.
async fn shell(text: &str) -> Lines {
    let arguments = vec!["-c".to_owned(), text.to_owned(), "sh".to_owned()];
    BufReader::new(
        Process::new("/bin/sh", arguments)
            .launch()
            .await
            .unwrap()
            .stream,
    )
}

async fn line(process: &mut Lines) -> io::Result<String> {
    let mut line = String::new();
    process.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}

/// Processes whose command line has this text. One that has ended has none.
fn with_argument(text: &str) -> usize {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .filter(|words| words.split(|b| *b == 0).any(|word| word == text.as_bytes()))
        .count()
}

#[tokio::test]
async fn it_is_started_with_the_script_which_is_gone_when_it_has_answered() {
    let mut process = shell("read go; echo \"$@\"; cat").await;
    process.write_all(b"go\n").await.unwrap();
    let words = line(&mut process).await.unwrap();
    let (switches, script) = words.rsplit_once(' ').unwrap();
    assert_eq!(
        switches,
        "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File"
    );
    assert_eq!(Path::new(script).extension().unwrap(), "ps1");
    assert!(!Path::new(script).exists(), "{script} is still there");
    process.write_all(b"back\n").await.unwrap();
    assert_eq!(line(&mut process).await.unwrap(), "back");
}

#[tokio::test]
async fn the_script_is_whole_and_only_ours_to_read() {
    let mut process = shell("stat -c '%s %a' \"$6\"").await;
    let size_and_mode = line(&mut process).await.unwrap();
    assert_eq!(size_and_mode, format!("{} 600", SCRIPT.len()));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let launched = Process::new("/nowhere/powershell.exe", Vec::new())
        .launch()
        .await;
    let error = launched.err().unwrap();
    assert_eq!(error.to_string(), "`/nowhere/powershell.exe` is not there");
}

#[tokio::test]
async fn an_end_without_an_answer_tells_the_status_and_the_complaint() {
    let mut process = shell("echo 'scripts are' >&2; echo disabled >&2; exit 3").await;
    let error = line(&mut process).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "exit status: 3; it wrote to standard error: scripts are disabled"
    );
    assert_eq!(line(&mut process).await.unwrap(), "");
}

#[tokio::test]
async fn writing_to_one_that_has_ended_tells_the_same() {
    let mut process = shell("exec 0<&-; echo bad >&2; exit 1").await;
    let error = loop {
        if let Err(error) = process.write_all(&[b'x'; 4096]).await {
            break error;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(
        error.to_string(),
        "exit status: 1; it wrote to standard error: bad"
    );
    assert!(process.write_all(b"x").await.is_err());
}

#[tokio::test]
async fn a_flood_on_standard_error_neither_blocks_nor_is_kept() {
    let mut process = shell("head -c 3000000 /dev/zero | tr '\\0' y >&2; echo done; exit 0").await;
    assert_eq!(line(&mut process).await.unwrap(), "done");
    let error = line(&mut process).await.unwrap_err().to_string();
    assert!(error.len() < KEPT + 100, "{} bytes", error.len());
}

#[tokio::test]
async fn it_leads_a_process_group_of_its_own() {
    let mut process = shell("echo $$; cut -d' ' -f5 /proc/$$/stat; cat").await;
    let pid = line(&mut process).await.unwrap();
    assert_eq!(line(&mut process).await.unwrap(), pid);
}

#[tokio::test]
async fn dropping_it_ends_child_and_orphan() {
    let nap = format!("300.1{}", std::process::id());
    let text = format!("(/bin/sleep {nap} &); /bin/sleep {nap} & echo on; wait");
    let mut process = shell(&text).await;
    assert_eq!(line(&mut process).await.unwrap(), "on");
    while with_argument(&nap) < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(process);
    let since = Instant::now();
    while with_argument(&nap) > 0 {
        assert!(since.elapsed() < Duration::from_secs(5), "some live on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_orphan_that_holds_the_pipes_delays_the_end_by_seconds_only() {
    let nap = format!("300.2{}", std::process::id());
    let mut process = shell(&format!("/bin/sleep {nap} 1>&- & exit 4")).await;
    let since = Instant::now();
    let error = line(&mut process).await.unwrap_err();
    assert_eq!(error.to_string(), "exit status: 4");
    assert!(since.elapsed() < LAST_WORDS * 3);
    while with_argument(&nap) > 0 {
        assert!(since.elapsed() < LAST_WORDS * 6, "it lives on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
