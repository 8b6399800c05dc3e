//! The cmdlets that only look.

#![allow(clippy::unwrap_used)]

use super::*;

#[tokio::test(start_paused = true)]
async fn the_chat_service_tells_servers_and_all_eight_databases() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    let objects = shell
        .look(
            "Get-CsService",
            json!({ "PersistentChatServer": true, "PoolFqdn": "PCHAT.x.com" }),
            &[
                "Identity",
                "Version",
                "ActiveServers",
                "InactiveServers",
                "PersistentChatDatabase",
                "MirrorPersistentChatDatabase",
                "BackupPersistentChatDatabase",
                "BackupMirrorPersistentChatDatabase",
                "PersistentChatComplianceDatabase",
                "BackupPersistentChatComplianceDatabase",
                "NoSuchProperty",
            ],
        )
        .await;
    assert_eq!(
        objects,
        json!([{
            "Identity": "PersistentChatServer:pchat.x.com",
            "Version": "7",
            "ActiveServers": ["pc1.x.com", "pc2.x.com"],
            "InactiveServers": ["pc3.x.com", "pc5.x.com", "pc6.x.com", "pc7.x.com"],
            "PersistentChatDatabase": "PersistentChatDatabase:sql1.dc1.x.com",
            "MirrorPersistentChatDatabase": "PersistentChatDatabase:sql2.dc1.x.com",
            "BackupPersistentChatDatabase": "PersistentChatDatabase:sql3.dc2.x.com",
            "BackupMirrorPersistentChatDatabase": "PersistentChatDatabase:sql4.dc2.x.com",
            "PersistentChatComplianceDatabase": "PersistentChatComplianceDatabase:sql1.dc1.x.com",
            "BackupPersistentChatComplianceDatabase":
                "PersistentChatComplianceDatabase:sql5.dc2.x.com",
        }])
    );
    let other = json!({ "PersistentChatServer": true, "PoolFqdn": "other.x.com" });
    assert_eq!(shell.look("Get-CsService", other, &[]).await, json!([]));
    let both = json!({ "PersistentChatServer": true, "PersistentChatDatabase": true });
    assert_eq!(
        shell.refusal("Get-CsService", both).await,
        "AmbiguousParameterSet"
    );
}

#[tokio::test(start_paused = true)]
async fn without_compliance_and_mirrors_the_references_are_null() {
    let bench = Bench::new();
    let mut site = site();
    site.database.compliance = None;
    site.sql
        .instances
        .remove(&Instance::chat(Role::BackupMirror));
    *lock(&bench.pool) = Pool::from_site(&site);
    let mut shell = bench.shell().await;
    let ask = [
        "BackupMirrorPersistentChatDatabase",
        "PersistentChatComplianceDatabase",
    ];
    assert_eq!(
        shell
            .look(
                "Get-CsService",
                json!({ "PersistentChatServer": true }),
                &ask
            )
            .await,
        json!([{
            "BackupMirrorPersistentChatDatabase": null,
            "PersistentChatComplianceDatabase": null,
        }])
    );
}

#[tokio::test(start_paused = true)]
async fn a_database_service_tells_host_and_instance() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    let objects = shell
        .look(
            "Get-CsService",
            json!({ "PersistentChatDatabase": true, "PoolFqdn": "sql3.dc2.x.com" }),
            &["Identity", "PoolFqdn", "SqlInstanceName"],
        )
        .await;
    assert_eq!(
        objects,
        json!([{
            "Identity": "PersistentChatDatabase:sql3.dc2.x.com",
            "PoolFqdn": "sql3.dc2.x.com",
            "SqlInstanceName": "chat",
        }])
    );
    let file_store = shell
        .look(
            "Get-CsService",
            json!({ "Identity": "filestore:FILES.x.com" }),
            &["UncPath"],
        )
        .await;
    assert_eq!(file_store, json!([{ "UncPath": r"\\files.x.com\chat" }]));
}

#[tokio::test(start_paused = true)]
async fn the_state_is_found_by_the_two_identities_that_bind() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    let read = "Get-CsPersistentChatState";
    for identity in [
        "PersistentChatServer:pchat.x.com",
        "service:pchat.x.com",
        "SERVICE:PCHAT.X.COM",
    ] {
        assert_eq!(
            shell
                .look(read, json!({ "Identity": identity }), &["PoolState"])
                .await,
            json!([{ "PoolState": "Normal" }]),
            "{identity}"
        );
    }
    for identity in [
        "service: pchat.x.com",
        "pchat.x.com",
        "global",
        "service:PersistentChatServer:pchat.x.com",
        "service:other.x.com",
    ] {
        assert_eq!(
            shell.refusal(read, json!({ "Identity": identity })).await,
            "IdentityNotFound",
            "{identity}"
        );
    }
    let found = json!([{ "PoolState": "Normal" }]);
    for (parameters, expected) in [
        (json!({}), found.clone()),
        (json!({ "Filter": "*.X.com" }), found),
        (json!({ "Filter": "*.y.com" }), json!([])),
    ] {
        let objects = shell.look(read, parameters, &["PoolState"]).await;
        assert_eq!(objects, expected);
    }
    let both = json!({ "Filter": "*", "Identity": "service:pchat.x.com" });
    assert_eq!(shell.refusal(read, both).await, "AmbiguousParameterSet");
    assert_eq!(
        shell.refusal(read, json!({ "LocalStore": true })).await,
        "LocalStoreNotFound"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_reaches_living_replicas_after_a_while_and_dead_ones_never() {
    let bench = Bench::new();
    {
        let mut pool = lock(&bench.pool);
        pool.set_alive(true, false);
        pool.replication = Duration::from_mins(2);
        pool.local_replica = true;
    }
    let mut shell = bench.shell().await;
    let change = json!({ "Identity": "service:pchat.x.com", "PoolState": "failedover" });
    shell.look("Set-CsPersistentChatState", change, &[]).await;
    for (fresh, local) in [("False", "Normal"), ("True", "FailedOver")] {
        for (server, expected) in [("pc1.x.com", "False"), ("PC5.x.com", fresh)] {
            let status = shell
                .look(
                    "Get-CsManagementStoreReplicationStatus",
                    json!({ "ReplicaFqdn": server }),
                    &["UpToDate"],
                )
                .await;
            assert_eq!(status, json!([{ "UpToDate": expected }]), "{server}");
        }
        for (parameters, expected) in [
            (json!({ "LocalStore": true }), local),
            (json!({ "LocalStore": false }), "FailedOver"),
        ] {
            let state = shell
                .look("Get-CsPersistentChatState", parameters, &["PoolState"])
                .await;
            assert_eq!(state, json!([{ "PoolState": expected }]));
        }
        tokio::time::sleep(Duration::from_mins(2)).await;
    }
    let all = shell
        .look(
            "Get-CsManagementStoreReplicationStatus",
            json!({}),
            &["ReplicaFqdn"],
        )
        .await;
    assert_eq!(all.as_array().unwrap().len(), 6);
    let unknown = json!({ "ReplicaFqdn": "pc9.x.com" });
    let id = shell
        .refusal("Get-CsManagementStoreReplicationStatus", unknown)
        .await;
    assert_eq!(id, "IdentityNotFound");
}

#[tokio::test(start_paused = true)]
async fn a_lost_management_store_fails_all_that_needs_it() {
    let bench = Bench::new();
    lock(&bench.pool).store.reachable = false;
    let mut shell = bench.shell().await;
    let pool = json!({ "Identity": "service:pchat.x.com" });
    for (cmdlet, parameters) in [
        ("Get-CsService", json!({})),
        ("Get-CsPersistentChatState", pool.clone()),
        ("Set-CsPersistentChatState", pool),
        (
            "Set-CsPersistentChatActiveServer",
            json!({ "ActiveServers": null }),
        ),
        ("Get-CsManagementStoreReplicationStatus", json!({})),
        ("Get-CsPool", json!({})),
    ] {
        let id = shell.refusal(cmdlet, parameters).await;
        assert_eq!(id, "ManagementStoreUnavailable", "{cmdlet}");
    }
    assert_eq!(bench.effects(), []);
    let connection = shell
        .look(
            "Get-CsManagementConnection",
            json!({}),
            &["SqlServer", "Connection"],
        )
        .await;
    assert_eq!(connection[0]["SqlServer"], "cms.x.com");

    let mut shell = bench.shell().await;
    {
        let mut pool = lock(&bench.pool);
        pool.store.reachable = true;
        pool.store.active_master = None;
    }
    let status = shell
        .look(
            "Get-CsManagementStoreReplicationStatus",
            json!({ "CentralManagementStoreStatus": true }),
            &["ActiveMasterFqdn", "ActiveFileTransferAgents"],
        )
        .await;
    assert_eq!(
        status,
        json!([{ "ActiveMasterFqdn": null, "ActiveFileTransferAgents": [] }])
    );
}

#[tokio::test(start_paused = true)]
async fn services_are_told_of_servers_that_live() {
    let bench = Bench::new();
    {
        let mut pool = lock(&bench.pool);
        pool.set_alive(true, false);
        pool.server_mut("pc5.x.com").unwrap().chat_service = false;
    }
    let mut shell = bench.shell().await;
    let ask = ["DisplayName", "Status"];
    let services = shell
        .look(
            "Get-CsWindowsService",
            json!({ "ComputerName": "PC5.x.com" }),
            &ask,
        )
        .await;
    assert_eq!(
        services,
        json!([
            { "DisplayName": "Skype for Business Server Persistent Chat", "Status": "Stopped" },
            {
                "DisplayName": "Skype for Business Server Replica Replicator Agent",
                "Status": "Running",
            },
            {
                "DisplayName": "Skype for Business Server Persistent Chat Compliance",
                "Status": "Running",
            },
        ])
    );
    for computer in ["pc1.x.com", "nobody.x.com"] {
        let id = shell
            .refusal("Get-CsWindowsService", json!({ "ComputerName": computer }))
            .await;
        assert_eq!(id, "ComputerUnavailable", "{computer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_lists_every_computer_active_or_not() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    let objects = shell
        .look(
            "Get-CsPool",
            json!({ "Identity": "pchat.x.com" }),
            &["Computers"],
        )
        .await;
    assert_eq!(objects[0]["Computers"].as_array().unwrap().len(), 6);
    let id = shell
        .refusal("Get-CsPool", json!({ "Identity": "fe.x.com" }))
        .await;
    assert_eq!(id, "IdentityNotFound");
}
