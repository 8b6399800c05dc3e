//! What goes wrong, and what is known afterwards.

use std::time::{Duration, Instant};

use pchadr::access::powershell::{Call, CmdletError, Failure};
use pchadr::access::sql::Fate;
use serde_json::json;

use super::Pool;

/// Message and id of a refusal.
fn refusal(error: CmdletError) -> (String, String) {
    assert_eq!(error.fate, Fate::Refused, "{error}");
    match error.failure {
        Failure::Refused { message, id } => (message, id),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_error_is_a_failure_whether_it_ends_the_cmdlet_or_not() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open();
    for (trouble, message, id, state) in [
        (
            "error",
            "The service is busy.",
            "ServiceBusy,",
            "FailedOver",
        ),
        (
            "stop",
            "The store is read-only.",
            "StoreReadOnly,",
            "Normal",
        ),
    ] {
        pool.set("PoolState", "Normal");
        pool.set("Trouble", trouble);
        let (said, its_id) = refusal(door.set_state("FailedOver").await.unwrap_err());
        assert_eq!(said, message);
        assert!(its_id.starts_with(id), "{its_id}");
        // A failure says nothing about the effect: the first cmdlet went on.
        assert_eq!(pool.read()["PoolState"], state);
    }
    pool.set("Trouble", "");
    door.set_state("FailedOver").await.unwrap();
    assert_eq!(door.starts(), 1);
}

#[tokio::test]
async fn a_question_is_an_error_at_once() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open();
    for trouble in ["continue", "ask"] {
        pool.set("Trouble", trouble);
        let (message, _) = refusal(door.set_state("FailedOver").await.unwrap_err());
        assert!(message.contains("NonInteractive"), "{trouble}: {message}");
    }
    let install = "Install-CsMirrorDatabase";
    let mut parameters = json!({
        "DatabaseType": "PersistentChat",
        "SqlServerFqdn": "sql3",
        "FileShare": "share",
        "Confirm": true,
    });
    let error = door.call(install, parameters.clone(), &[]).await;
    let (message, _) = refusal(error.unwrap_err());
    assert!(message.contains("NonInteractive"), "{message}");
    parameters.as_object_mut().unwrap().remove("FileShare");
    let error = door.call(install, parameters, &[]).await;
    let (_, id) = refusal(error.unwrap_err());
    assert_eq!(id, "MissingMandatoryParameter,Install-CsMirrorDatabase");
    assert_eq!(pool.read()["Mirror"], json!(null));
    assert_eq!(door.starts(), 1);
}

#[tokio::test]
async fn warnings_host_verbose_and_stray_output_do_not_disturb_the_answer() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open();
    for (trouble, state) in [
        ("noise", "FailedOver"),
        ("garbage", "Normal"),
        ("noise", "FailedOver"),
    ] {
        pool.set("Trouble", trouble);
        assert_eq!(door.set_state(state).await, Ok(Vec::new()), "{trouble}");
        assert_eq!(pool.read()["PoolState"], state);
    }
    assert_eq!(door.starts(), 1);
}

#[tokio::test]
async fn a_module_that_is_not_installed_is_said_with_what_to_install() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open_with("Lync", Duration::from_mins(1));
    let error = door.set_state("FailedOver").await.unwrap_err();
    assert_eq!(error.fate, Fate::NotSent);
    let Failure::NoModule { module, text } = &error.failure else {
        panic!("{error}");
    };
    assert_eq!(module, "Lync");
    assert!(text.contains("'Lync' was not loaded"), "{text}");
    assert!(text.contains("Install the administrative tools"), "{text}");
}

#[tokio::test]
async fn past_its_limit_all_is_ended_and_the_next_call_starts_another() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open();
    // Started before, for the start of a busy machine's engine takes its time too.
    door.set_state("Normal").await.unwrap();
    pool.set("Trouble", "sleep");
    let limit = Duration::from_secs(3);
    let call = door.door.call(Call {
        cmdlet: "Set-CsPersistentChatState",
        parameters: [("Confirm", json!(false))].into(),
        properties: &[],
        limit: Some(limit),
    });
    let nap = pool.nap();
    let watch = async {
        let since = Instant::now();
        let mut most = 0;
        while since.elapsed() < limit && most < 2 {
            most = most.max(sleepers(&nap));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        most
    };
    let (called, most) = tokio::join!(call, watch);
    let error = called.unwrap_err();
    assert_eq!(error.failure, Failure::TimedOut(limit));
    assert_eq!(error.fate, Fate::Unknown);
    assert_eq!(most, 2, "the cmdlet started no child and no orphan");
    let since = Instant::now();
    while sleepers(&nap) > 0 {
        assert!(since.elapsed() < Duration::from_secs(5), "some live on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    pool.set("Trouble", "");
    door.set_state("FailedOver").await.unwrap();
    assert_eq!(door.starts(), 2);
}

/// How many `sleep` of that many seconds there are.
fn sleepers(nap: &str) -> usize {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .filter(|words| *words == format!("/bin/sleep\0{nap}\0").into_bytes())
        .count()
}

#[tokio::test]
async fn a_line_without_an_end_is_garbage() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open();
    pool.set("Trouble", "endless");
    let error = door.set_state("FailedOver").await.unwrap_err();
    assert!(matches!(error.failure, Failure::Garbled(_)), "{error}");
    assert_eq!(error.fate, Fate::Unknown);
    pool.set("Trouble", "");
    door.set_state("FailedOver").await.unwrap();
    assert_eq!(door.starts(), 2);
}

#[tokio::test]
async fn an_engine_that_dies_tells_what_it_complained_of() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open();
    pool.set("Trouble", "die");
    let error = door.set_state("FailedOver").await.unwrap_err();
    assert_eq!(error.fate, Fate::Unknown);
    assert_eq!(
        error.failure,
        Failure::Ended("exit status: 3; it wrote to standard error: out of memory".to_owned())
    );
    pool.set("Trouble", "");
    door.set_state("FailedOver").await.unwrap();
    assert_eq!(door.starts(), 2);
}
