//! The cmdlets that change something, and what goes wrong with them.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::states::PoolState;

const STATE: &str = "Set-CsPersistentChatState";
const ACTIVE: &str = "Set-CsPersistentChatActiveServer";
const MIRROR: &str = "Install-CsMirrorDatabase";

fn fail_over() -> Value {
    json!({ "Identity": "service:pchat.x.com", "PoolState": "FailedOver", "Confirm": false })
}

fn mirror() -> Value {
    json!({
        "DatabaseType": "PersistentChat",
        "SqlServerFqdn": "sql3.dc2.x.com",
        "SqlInstanceName": "chat",
        "FileShare": r"\\fs1\mirror",
        "Confirm": false,
    })
}

#[tokio::test(start_paused = true)]
async fn a_state_change_is_seen_once_by_pool_witness_and_world() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    assert_eq!(
        shell.look(STATE, fail_over(), &["Identity"]).await,
        json!([])
    );
    assert_eq!(lock(&bench.pool).state(), PoolState::FailedOver);
    assert_eq!(bench.effects(), [(STATE.to_owned(), fail_over())]);
    let pools = lock(&bench.asked.pools);
    assert_eq!(pools.len(), 1);
    assert_eq!(pools[0].state(), PoolState::FailedOver);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_bind_changes_nothing() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    let id = "service:pchat.x.com";
    for (cmdlet, parameters, expected) in [
        (
            STATE,
            json!({ "Identity": id, "PoolState": "Down" }),
            "CannotConvertArgumentNoMessage",
        ),
        (
            STATE,
            json!({ "Identity": id, "Sate": "Normal" }),
            "NamedParameterNotFound",
        ),
        (
            STATE,
            json!({ "Identity": id, "Confirm": true }),
            "InvalidOperation",
        ),
        (
            STATE,
            json!({ "Identity": id, "Confirm": "no" }),
            "CannotConvertArgumentNoMessage",
        ),
        (
            STATE,
            json!({ "Identity": null, "PoolState": "Normal" }),
            "ParameterArgumentValidationErrorNullNotAllowed",
        ),
        (STATE, json!({ "PoolState": "Normal" }), "IdentityNotFound"),
        (
            STATE,
            json!({ "Identity": "service: pchat.x.com" }),
            "IdentityNotFound",
        ),
        (ACTIVE, json!({}), "MissingMandatoryParameter"),
        (
            ACTIVE,
            json!({ "ActiveServers": null, "Swap": true }),
            "AmbiguousParameterSet",
        ),
        (
            ACTIVE,
            json!({ "ActiveServers": null, "Identity": "global" }),
            "IdentityNotFound",
        ),
        (
            ACTIVE,
            json!({ "ActiveServers": { "Add": "pc9.x.com" } }),
            "ServerNotFound",
        ),
        (
            ACTIVE,
            json!({ "ActiveServers": { "Plus": "pc5.x.com" } }),
            "PSListModifierDisallowedKey",
        ),
        (
            ACTIVE,
            json!({ "ActiveServers": { "Add": 5 } }),
            "CannotConvertArgumentNoMessage",
        ),
        (
            ACTIVE,
            json!({ "ActiveServers": {} }),
            "CannotConvertArgumentNoMessage",
        ),
        (
            ACTIVE,
            json!({ "ActiveServers": { "Replace": "pc5.x.com", "Add": "pc6.x.com" } }),
            "CannotConvertArgumentNoMessage",
        ),
        (
            ACTIVE,
            json!({ "ActiveServers": ["pc1.x.com", "pc2.x.com", "pc3.x.com", "pc5.x.com", "pc6.x.com"] }),
            "TooManyActiveServers",
        ),
        (
            ACTIVE,
            json!({ "ActiveServers": { "Add": ["pc3.x.com", "pc5.x.com", "pc6.x.com"] } }),
            "TooManyActiveServers",
        ),
    ] {
        let got = shell.refusal(cmdlet, parameters.clone()).await;
        assert_eq!(got, expected, "{cmdlet} {parameters}");
    }
    assert_eq!(bench.effects(), []);
    assert_eq!(bench.active(), ["pc1.x.com", "pc2.x.com"]);
}

#[tokio::test(start_paused = true)]
async fn the_active_servers_follow_the_list_modifier() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    for (modifier, expected) in [
        (json!({ "Remove": "PC1.x.com" }), vec!["pc2.x.com"]),
        (json!({ "Remove": "pc1.x.com" }), vec!["pc2.x.com"]),
        (
            json!({ "Add": ["PC5.X.com", "pc2.x.com"] }),
            vec!["pc2.x.com", "pc5.x.com"],
        ),
        (
            json!({ "add": "pc6.x.com", "remove": "pc2.x.com" }),
            vec!["pc5.x.com", "pc6.x.com"],
        ),
        (json!({ "Replace": ["pc1.x.com"] }), vec!["pc1.x.com"]),
        (json!("pc7.x.com"), vec!["pc7.x.com"]),
        (json!(null), vec![]),
        (
            json!(["pc1.x.com", "pc2.x.com", "pc1.x.com"]),
            vec!["pc1.x.com", "pc2.x.com"],
        ),
    ] {
        let parameters = json!({ "ActiveServers": modifier, "Confirm": false });
        shell.look(ACTIVE, parameters, &[]).await;
        assert_eq!(bench.active(), expected, "{modifier}");
    }
    shell.look(ACTIVE, json!({ "Swap": true }), &[]).await;
    let swapped = ["pc3.x.com", "pc5.x.com", "pc6.x.com", "pc7.x.com"];
    assert_eq!(bench.active(), swapped);
    assert_eq!(bench.effects().len(), 9);
    assert_eq!(lock(&bench.asked.pools).last().unwrap().active(), swapped);
}

#[tokio::test(start_paused = true)]
async fn what_if_changes_nothing_and_asks_nobody() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    let mut trial = mirror();
    trial["WhatIf"] = json!(true);
    trial.as_object_mut().unwrap().remove("Confirm");
    shell.look(MIRROR, trial, &[]).await;
    let trial = json!({ "Identity": "service:pchat.x.com", "PoolState": "FailedOver", "wi": true });
    shell.look(STATE, trial, &[]).await;
    assert_eq!(bench.effects(), []);
    assert!(lock(&bench.asked.mirrors).is_empty());
    assert_eq!(lock(&bench.pool).state(), PoolState::Normal);
}

#[tokio::test(start_paused = true)]
async fn a_mirror_is_set_up_from_the_named_principal_to_the_mirror_of_the_topology() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    shell.look(MIRROR, mirror(), &[]).await;
    let mut compliance = mirror();
    compliance["DatabaseType"] = json!("persistentchatcompliance");
    compliance["SqlServerFqdn"] = json!("sql1.dc1.x.com");
    compliance["DropExistingDatabasesOnMirror"] = json!(true);
    shell.look(MIRROR, compliance, &[]).await;
    assert_eq!(
        *lock(&bench.asked.mirrors),
        [
            InstallMirror {
                compliance: false,
                principal: r"sql3.dc2.x.com\chat".parse().unwrap(),
                mirror: r"sql4.dc2.x.com\chat".parse().unwrap(),
                share: r"\\fs1\mirror".to_owned(),
                drop_existing: false,
            },
            InstallMirror {
                compliance: true,
                principal: r"sql1.dc1.x.com\chat".parse().unwrap(),
                mirror: r"sql2.dc1.x.com\chat".parse().unwrap(),
                share: r"\\fs1\mirror".to_owned(),
                drop_existing: true,
            },
        ]
    );
    assert_eq!(bench.effects().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_mirror_set_up_that_cannot_be_is_refused() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    let with = |name: &str, value: Value| {
        let mut parameters = mirror();
        parameters[name] = value;
        parameters
    };
    let without = |name: &str| {
        let mut parameters = mirror();
        parameters.as_object_mut().unwrap().remove(name);
        parameters
    };
    for (parameters, expected) in [
        (without("Confirm"), "InvalidOperation"),
        (without("FileShare"), "MissingMandatoryParameter"),
        // Left out it is the default instance, which the topology does not have there.
        (without("SqlInstanceName"), "DatabaseNotFound"),
        // The mirror itself, as an old example had it.
        (
            with("SqlServerFqdn", json!("sql4.dc2.x.com")),
            "DatabaseNotFound",
        ),
        (with("DatabaseType", json!("User")), "DatabaseTypeNotFound"),
        (
            with("DatabaseType", json!("mgc")),
            "CannotConvertArgumentNoMessage",
        ),
        // The slip of the vendor's example.
        (
            with("DropExisitingDatabasesOnMirror", json!(true)),
            "NamedParameterNotFound",
        ),
        (with("Force", json!(true)), "NamedParameterNotFound"),
    ] {
        let got = shell.refusal(MIRROR, parameters.clone()).await;
        assert_eq!(got, expected, "{parameters}");
    }
    *lock(&bench.asked.refuse) = Some("RESTORE refused".to_owned());
    let answer = shell.call(MIRROR, mirror(), &[]).await;
    assert_eq!(answer["errors"][0]["message"], "RESTORE refused");
    assert_eq!(bench.effects(), []);
}

#[tokio::test(start_paused = true)]
async fn a_database_fails_over_inside_the_pair_that_the_pool_uses() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    let cmdlet = "Invoke-CsDatabaseFailover";
    let mut parameters = json!({
        "PoolFqdn": "pchat.x.com", "DatabaseType": "PersistentChat", "NewPrincipal": "mirror",
    });
    let id = shell.refusal(cmdlet, parameters.clone()).await;
    assert_eq!(id, "InvalidOperation");
    parameters["Confirm"] = json!(false);
    shell.look(cmdlet, parameters.clone(), &[]).await;
    lock(&bench.pool).set_state(PoolState::FailedOver);
    parameters["NewPrincipal"] = json!("Primary");
    shell.look(cmdlet, parameters, &[]).await;
    let failovers = lock(&bench.asked.failovers);
    let hosts: Vec<_> = failovers
        .iter()
        .map(|f| (f.from.host.as_str(), f.to.host.as_str()))
        .collect();
    assert_eq!(
        hosts,
        [
            ("sql1.dc1.x.com", "sql2.dc1.x.com"),
            ("sql4.dc2.x.com", "sql3.dc2.x.com"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_strikes_its_call_before_or_after_the_effect() {
    for (kind, happens) in [
        (FaultKind::ErrorBefore, false),
        (FaultKind::ErrorAfter, true),
        (FaultKind::WarningBefore, false),
        (FaultKind::WarningAfter, true),
        (FaultKind::CutBefore, false),
        (FaultKind::CutAfter, true),
        (FaultKind::SilenceBefore, false),
        (FaultKind::SilenceAfter, true),
    ] {
        let bench = Bench::new();
        bench.cmdlets.fail(PowerShellFault {
            cmdlet: "*".to_owned(),
            nth: 2,
            kind,
        });
        let mut shell = bench.shell().await;
        shell
            .look(ACTIVE, json!({ "ActiveServers": null }), &[])
            .await;
        // Reads are not counted.
        shell.look("Get-CsPool", json!({}), &[]).await;
        let request = json!({ "nonce": "n", "cmdlet": STATE, "parameters": fail_over() });
        let answer = tokio::time::timeout(Duration::from_hours(24), shell.ask(request)).await;
        match kind {
            FaultKind::ErrorBefore | FaultKind::ErrorAfter => {
                let answer = answer.unwrap().unwrap();
                assert!(answer["errors"][1]["id"].is_string(), "{kind:?}");
            }
            FaultKind::WarningBefore | FaultKind::WarningAfter => {
                let answer = answer.unwrap().unwrap();
                assert!(answer["warnings"][1].is_string(), "{kind:?}");
                assert_eq!(answer["errors"], json!([]), "{kind:?}");
            }
            FaultKind::CutBefore | FaultKind::CutAfter => {
                assert_eq!(answer, Ok(None), "{kind:?}");
            }
            FaultKind::SilenceBefore | FaultKind::SilenceAfter => {
                assert!(answer.is_err(), "{kind:?}");
            }
        }
        assert_eq!(bench.effects().len(), 1 + usize::from(happens), "{kind:?}");
        // It is used up: a new process works.
        let mut shell = bench.shell().await;
        shell.look(STATE, fail_over(), &[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_may_name_a_reading_cmdlet() {
    let bench = Bench::new();
    bench.cmdlets.fail(PowerShellFault {
        cmdlet: "get-cspool".to_owned(),
        nth: 1,
        kind: FaultKind::ErrorBefore,
    });
    let mut shell = bench.shell().await;
    assert_eq!(
        shell.refusal("Get-CsPool", json!({})).await,
        "ProcessRecord"
    );
    shell.look("Get-CsPool", json!({}), &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_killed_in_time_takes_no_effect() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    bench.cmdlets.set_times(ServiceTimes::real());
    let request = json!({ "nonce": "n", "cmdlet": STATE, "parameters": fail_over() });
    shell.send(&request).await;
    tokio::time::sleep(ServiceTimes::real().set_state / 2).await;
    drop(shell);
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(bench.effects(), []);
}

#[tokio::test(start_paused = true)]
async fn of_several_instances_at_one_address_the_mirror_is_for_the_one_that_serves() {
    for role in [Role::Primary, Role::Backup] {
        let bench = Bench::new();
        let at = |port: u16| -> SqlServer { format!("127.0.0.1,{port}").parse().unwrap() };
        {
            let mut pool = lock(&bench.pool);
            for (role, port) in Role::ALL.into_iter().zip(4001..) {
                pool.databases.insert(Instance::chat(role), at(port));
            }
        }
        let serving = lock(&bench.pool).databases[&Instance::chat(role)].clone();
        *lock(&bench.asked.serves) = Some(serving.clone());
        let mut shell = bench.shell().await;
        let mut parameters = mirror();
        parameters["SqlServerFqdn"] = json!("127.0.0.1");
        parameters["SqlInstanceName"] = json!("MSSQLSERVER");
        shell.look(MIRROR, parameters, &[]).await;
        let asked = lock(&bench.asked.mirrors);
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].principal, serving);
        let mirror = serving.port.unwrap() + 1;
        assert_eq!(asked[0].mirror, at(mirror));
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_stops_and_starts_by_its_name_on_a_server_that_lives_and_twice_is_no_error() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    let (stop, start) = ("Stop-CsWindowsService", "Start-CsWindowsService");
    let chat = json!({ "Name": "simchat", "ComputerName": "pc1.x.com", "Confirm": false });
    let runs = || {
        let pool = lock(&bench.pool);
        let server = pool.server("pc1.x.com").unwrap();
        (server.chat_service, server.compliance_service)
    };
    for _ in 0..2 {
        shell.look(stop, chat.clone(), &[]).await;
        assert_eq!(runs(), (false, true));
    }
    shell.look(start, chat, &[]).await;
    assert_eq!(runs(), (true, true));
    assert_eq!(bench.effects().len(), 3);
    for (parameters, expected) in [
        (
            json!({ "Name": "RTCCHAT", "ComputerName": "pc1.x.com" }),
            "IdentityNotFound",
        ),
        (
            json!({ "Name": "simchat", "ComputerName": "pc9.x.com" }),
            "ComputerUnavailable",
        ),
        (
            json!({ "DisplayName": "simchat", "ComputerName": "pc1.x.com" }),
            "NamedParameterNotFound",
        ),
    ] {
        assert_eq!(shell.refusal(stop, parameters).await, expected);
    }
    assert_eq!(runs(), (true, true));
}
