//! What arrives at a cmdlet, and what comes back.

use pchadr::access::powershell::{Failure, Object};
use pchadr::access::sql::Fate;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::Pool;

const FIRST: &str = "pc1.dc1.litwareinc.com";
const THIRD: &str = "pc5.dc2.litwareinc.com";

fn only(objects: Vec<Object>) -> Object {
    let [object] = <[Object; 1]>::try_from(objects).unwrap();
    object
}

/// The calls K1 to K6 of `src/step/observe/pool.rs`.
#[tokio::test]
async fn every_observation_of_the_pool_is_answered() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open();
    let asked = [
        "Identity",
        "PoolFqdn",
        "Registrar",
        "ActiveServers",
        "InactiveServers",
        "BackupPersistentChatDatabase",
        "BackupMirrorPersistentChatDatabase",
        "NoSuchProperty",
        "Broken",
    ];
    let service = door
        .call(
            "Get-CsService",
            json!({"PersistentChatServer": true}),
            &asked,
        )
        .await
        .unwrap();
    let service = only(service);
    assert_eq!(
        service.text("Identity"),
        Some("PersistentChatServer:pchat.litwareinc.com")
    );
    assert_eq!(service.text("PoolFqdn"), Some("pchat.litwareinc.com"));
    assert_eq!(
        service.list("ActiveServers").unwrap(),
        [FIRST, "pc2.dc1.litwareinc.com"]
    );
    assert_eq!(
        service.list("InactiveServers").unwrap(),
        [THIRD, "pc6.dc2.litwareinc.com"]
    );
    // Null is empty; missing, and not to be read, are unknown.
    let mirror = "BackupMirrorPersistentChatDatabase";
    assert_eq!(service.list(mirror), Some(Vec::new()));
    assert_eq!(service.text(mirror), None);
    assert_eq!(service.list("NoSuchProperty"), None);
    assert_eq!(service.list("Broken"), None);

    let identity = json!({"Identity": "service:pchat.litwareinc.com"});
    let state = door
        .call("Get-CsPersistentChatState", identity, &["PoolState"])
        .await
        .unwrap();
    assert_eq!(only(state).text("PoolState"), Some("Normal"));

    let status = "Get-CsManagementStoreReplicationStatus";
    let store = json!({"CentralManagementStoreStatus": true});
    let store = door.call(status, store, &["ActiveMasterFqdn"]).await;
    assert_eq!(
        only(store.unwrap()).text("ActiveMasterFqdn"),
        Some("fe1.dc1.litwareinc.com")
    );
    for (server, fresh) in [(FIRST, "True"), (THIRD, "False")] {
        let replica = door
            .call(
                status,
                json!({"ReplicaFqdn": server}),
                &["UpToDate", "LastStatusReport"],
            )
            .await;
        let replica = only(replica.unwrap());
        assert_eq!(replica.text("UpToDate"), Some(fresh));
        assert_eq!(
            replica.text("LastStatusReport"),
            Some("2015-06-07T08:09:10.5000000Z")
        );
    }

    let services = door
        .call(
            "Get-CsWindowsService",
            json!({"ComputerName": FIRST}),
            &["DisplayName", "Status"],
        )
        .await
        .unwrap();
    assert_eq!(
        services[1].text("DisplayName"),
        Some("Skype for Business Server Persistent Chat")
    );
    assert_eq!(services[1].text("Status"), Some("Running"));
    let named = json!({"Name": "TESTCHAT", "ComputerName": FIRST, "Confirm": false});
    for (cmdlet, status) in [
        ("Stop-CsWindowsService", "Stopped"),
        ("Start-CsWindowsService", "Running"),
    ] {
        door.call(cmdlet, named.clone(), &[]).await.unwrap();
        let computer = json!({"ComputerName": FIRST});
        let services = door.call("Get-CsWindowsService", computer, &["Name", "Status"]);
        let services = services.await.unwrap();
        assert_eq!(services[1].text("Name"), Some("TESTCHAT"));
        assert_eq!(services[1].text("Status"), Some(status));
    }

    let computers = door
        .call(
            "Get-CsPool",
            json!({"Identity": "pchat.litwareinc.com"}),
            &["Computers"],
        )
        .await
        .unwrap();
    assert_eq!(only(computers).list("Computers").unwrap().len(), 4);
    assert_eq!(door.starts(), 1);
}

#[tokio::test]
async fn the_state_is_set_and_read_back() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open();
    for state in ["FailedOver", "Normal"] {
        assert_eq!(door.set_state(state).await.unwrap(), []);
        assert_eq!(pool.read()["PoolState"], state);
    }
    let error = door.set_state("Elsewhere").await.unwrap_err();
    let Failure::Refused { id, .. } = error.failure else {
        panic!("{error}");
    };
    assert_eq!(
        id,
        "ParameterArgumentValidationError,Set-CsPersistentChatState"
    );
}

#[tokio::test]
async fn active_servers_are_added_removed_replaced_and_cleared() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open();
    for (change, active) in [
        (json!({"Remove": FIRST}), json!(["pc2.dc1.litwareinc.com"])),
        (
            json!({"Add": THIRD}),
            json!(["pc2.dc1.litwareinc.com", THIRD]),
        ),
        (json!({"Replace": [FIRST, THIRD]}), json!([FIRST, THIRD])),
        (json!([THIRD]), json!([THIRD])),
        (json!({"Remove": THIRD}), json!([])),
        (json!({"Add": [FIRST]}), json!([FIRST])),
        (Value::Null, json!([])),
    ] {
        let parameters = json!({"ActiveServers": change.clone(), "Confirm": false});
        let called = door
            .call("Set-CsPersistentChatActiveServer", parameters, &[])
            .await;
        assert_eq!(called, Ok(Vec::new()), "{change}");
        assert_eq!(pool.read()["ActiveServers"], active, "{change}");
        let service = door
            .call(
                "Get-CsService",
                json!({"PersistentChatServer": true}),
                &["ActiveServers"],
            )
            .await
            .unwrap();
        assert_eq!(json!(only(service).list("ActiveServers")), active);
    }
}

#[tokio::test]
async fn the_mirror_is_installed_without_a_question() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open();
    let mut parameters = json!({
        "DatabaseType": "PersistentChat",
        "SqlServerFqdn": "sql3.dc2.litwareinc.com",
        "SqlInstanceName": "chat",
        "FileShare": r"\\fs1\pchat-mirror",
        "DropExistingDatabasesOnMirror": true,
        "DatabasePathMap": {"Data": r"D:\data"},
        "Confirm": false,
    });
    for confirmed in [true, false] {
        if !confirmed {
            // The cmdlet's impact is High: the script's preference speaks.
            parameters.as_object_mut().unwrap().remove("Confirm");
        }
        pool.set("Mirror", Value::Null);
        let called = door
            .call("Install-CsMirrorDatabase", parameters.clone(), &[])
            .await;
        assert_eq!(called, Ok(Vec::new()));
        let mirror = &pool.read()["Mirror"];
        assert_eq!(mirror["SqlServerFqdn"], "sql3.dc2.litwareinc.com");
        assert_eq!(mirror["FileShare"], r"\\fs1\pchat-mirror");
        assert_eq!(mirror["Drop"], true);
        assert_eq!(mirror["Paths"], r"D:\data");
    }
}

#[tokio::test]
async fn every_text_arrives_and_comes_back_as_it_is() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open();
    let mut texts: Vec<String> = [
        "'\u{2018}\u{2019}\u{201A}\u{201B}\"\u{201C}\u{201D}\u{201E}`",
        "$(Remove-Item /) `$x @{a=1} ; & | > {identity} %PATH% $null",
        "-PoolState",
        "--%",
        "/Date(0)/",
        "2015-06-07T08:09:10Z",
        "true",
        "1",
        "",
        " ",
        "\u{0}\t\r\n\u{7f}\u{80}\u{2028}",
        "na\u{ef}ve \u{1F4AC} e\u{301} \u{fffd}",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        texts.push(any::<String>().new_tree(&mut runner).unwrap().current());
    }
    let parameters = json!({
        "DatabaseType": "PersistentChat",
        "SqlServerFqdn": texts[0],
        "FileShare": texts[1],
        "ExcludeDatabaseList": texts,
        "Confirm": false,
    });
    door.call("Install-CsMirrorDatabase", parameters, &[])
        .await
        .unwrap();
    let mirror = pool.read()["Mirror"].clone();
    assert_eq!(mirror["SqlServerFqdn"], texts[0]);
    assert_eq!(mirror["FileShare"], texts[1]);
    for (arrived, sent) in mirror["Exclude"].as_array().unwrap().iter().zip(&texts) {
        assert_eq!(arrived, sent);
    }
    assert_eq!(mirror["Exclude"].as_array().unwrap().len(), texts.len());

    for text in texts {
        pool.set("PoolState", text.as_str());
        let state = door
            .call("Get-CsPersistentChatState", json!({}), &["PoolState"])
            .await
            .unwrap();
        assert_eq!(only(state).text("PoolState"), Some(text.as_str()));
    }
    assert_eq!(door.starts(), 1);
}

#[tokio::test]
async fn no_other_command_can_be_called() {
    let Some(pool) = Pool::new() else { return };
    let door = pool.open();
    for cmdlet in [
        "Get-Process",
        "Remove-Item",
        "Get-State",
        "Get-CsService; Get-Process",
        "SkypeForBusiness\\Get-CsService",
        "& { 1 }",
        "Get-Cs*",
        "",
    ] {
        let error = door.call(cmdlet, json!({}), &[]).await.unwrap_err();
        assert_eq!(error.fate, Fate::Refused);
        let Failure::Refused { id, .. } = &error.failure else {
            panic!("{error}");
        };
        assert_eq!(id, "CmdletNotAllowed,pchadr", "{cmdlet}");
    }
    // On the list, but the module has none.
    let error = door.call("Invoke-CsDatabaseFailover", json!({}), &[]).await;
    let Failure::Refused { id, .. } = error.unwrap_err().failure else {
        panic!("no refusal");
    };
    assert_eq!(id, "CommandNotFoundException");
}
