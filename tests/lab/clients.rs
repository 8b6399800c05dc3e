//! What a client sees before it changes anything.

use std::net::TcpStream;
use std::time::Duration;

use pchadr::model::Role;
use pchadr::site::Encrypt;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio_util::compat::TokioAsyncWriteCompatExt;

use crate::bench::{LONG, Lab, Tsql};

const CATALOG: &str = "SELECT name, state_desc FROM sys.databases WHERE name = 'mgc'";

#[test]
fn a_client_signs_in_over_tls_and_reads_the_catalog() {
    let lab = Lab::open(&["--state", "disaster"]);
    let Some(tsql) = Tsql::of(&lab, Role::Backup) else {
        return;
    };
    assert_eq!(tsql.rows(CATALOG), ["name\tstate_desc", "mgc\tRESTORING"]);
    let shipped = tsql.rows("select PRIMARY_DATABASE as p from msdb..log_shipping_secondary");
    assert_eq!(shipped, ["p", "mgc"]);
    let rows = tsql.rows("select is_sysadmin = is_srvrolemember('sysadmin'), db = db_name()");
    assert_eq!(rows, ["is_sysadmin\tdb", "1\tmaster"]);
}

#[test]
fn a_wrong_password_is_refused() {
    let lab = Lab::open(&["--state", "normal", "--logs", "1"]);
    let Some(tsql) = Tsql::of(&lab, Role::Primary) else {
        return;
    };
    let (out, err) = tsql.with_password("wrong").run("select 1\ngo\n");
    assert_eq!(out, "");
    assert!(
        err.contains("18456") && err.contains("severity 14"),
        "{err}"
    );
}

#[test]
fn where_encryption_is_required_a_client_without_it_is_refused() {
    for (word, plain) in [("required", false), ("optional", true), ("off", true)] {
        let lab = Lab::open(&["--state", "disaster", "--encrypt", word, "--logs", "1"]);
        let Some(tsql) = Tsql::of(&lab, Role::Backup) else {
            return;
        };
        if word != "off" {
            assert_eq!(tsql.rows(CATALOG).len(), 2, "{word}");
        }
        let (out, err) = tsql.with("encryption = off\n").run("select 1\ngo\n");
        assert_eq!(out == "\n1\n", plain, "{word}: {out:?} {err}");
    }
}

#[test]
fn another_authority_is_not_believed() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "1"]);
    let other = Lab::open(&["--state", "disaster", "--logs", "1"]);
    let Some(mut tsql) = Tsql::of(&lab, Role::Backup) else {
        return;
    };
    tsql.more = tsql
        .more
        .replace(lab.folder.to_str().unwrap(), other.folder.to_str().unwrap());
    let (out, err) = tsql.run("select 1\ngo\n");
    assert_eq!(out, "", "{err}");
}

/// Signs in as the site file says.
async fn sign_in(lab: &Lab, encryption: EncryptionLevel) -> Result<Vec<String>, String> {
    let mut config = Config::new();
    config.host("127.0.0.1");
    config.port(lab.port(Role::Backup));
    config.authentication(AuthMethod::sql_server("pchadr", lab.password()));
    config.encryption(encryption);
    if let Some(ca) = &lab.site.sql.tls.ca {
        config.trust_cert_ca(ca.display().to_string());
    }
    let stream = tokio::net::TcpStream::connect(config.get_addr())
        .await
        .map_err(|e| e.to_string())?;
    let mut client = Client::connect(config, stream.compat_write())
        .await
        .map_err(|e| e.to_string())?;
    let rows = client
        .simple_query(CATALOG)
        .await
        .map_err(|e| e.to_string())?
        .into_first_result()
        .await
        .map_err(|e| e.to_string())?;
    let state = |row: &tiberius::Row| row.get::<&str, _>(1).unwrap_or_default().to_owned();
    Ok(rows.iter().map(state).collect())
}

#[tokio::test]
async fn the_programs_own_driver_signs_in_with_every_encryption() {
    for (word, level, written) in [
        ("optional", EncryptionLevel::Required, Encrypt::Required),
        ("required", EncryptionLevel::Required, Encrypt::Required),
        ("strict", EncryptionLevel::Strict, Encrypt::Strict),
        ("off", EncryptionLevel::NotSupported, Encrypt::Off),
    ] {
        let lab = Lab::open(&["--state", "disaster", "--encrypt", word, "--logs", "1"]);
        assert_eq!(lab.site.sql.tls.encrypt, written, "{word}");
        assert_eq!(lab.site.sql.tls.ca.is_some(), word != "off");
        let answer = tokio::time::timeout(LONG, sign_in(&lab, level)).await;
        assert_eq!(answer.unwrap(), Ok(vec!["RESTORING".to_owned()]), "{word}");
    }
}

fn answers(port: u16) -> bool {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok()
}

#[test]
fn in_a_disaster_the_primary_data_center_does_not_answer_until_it_is_up() {
    let mut lab = Lab::open(&["--state", "disaster", "--logs", "1"]);
    let ports = Role::ALL.map(|role| lab.port(role));
    assert_eq!(ports.map(answers), [false, false, true, true]);

    assert_eq!(lab.happen("up primary"), "up primary: done");
    assert_eq!(ports.map(answers), [true; 4]);
    if let Some(tsql) = Tsql::of(&lab, Role::Primary) {
        assert_eq!(tsql.rows(CATALOG)[1], "mgc\tONLINE");
    }

    assert_eq!(lab.happen("Down  Primary"), "Down  Primary: done");
    assert_eq!(ports.map(answers), [false, false, true, true]);
    assert_eq!(
        lab.happen("up instance primary_mirror"),
        "up instance primary_mirror: done"
    );
    assert_eq!(ports.map(answers), [false, true, true, true]);
}

#[test]
fn what_cannot_happen_is_said_and_changes_nothing() {
    let mut lab = Lab::open(&["--state", "disaster", "--logs", "1"]);
    assert!(lab.happen("rebuild backup").contains("no event"));
    assert!(lab.happen("burn down").contains("no event"));
    assert!(lab.happen("up instance nobody").contains("no event"));
    assert!(lab.happen("help").starts_with("down primary "));
    lab.end_input();
    std::thread::sleep(Duration::from_millis(600));
    assert!(lab.is_open());
    assert!(answers(lab.port(Role::Backup)));
}

#[test]
fn a_lost_instance_breaks_its_connections() {
    let mut lab = Lab::open(&["--state", "normal", "--logs", "1"]);
    let mut stream = TcpStream::connect(("127.0.0.1", lab.port(Role::Primary))).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(lab.happen("down primary"), "down primary: done");
    let read = std::io::Read::read(&mut stream, &mut [0; 8]);
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[test]
fn a_statement_that_is_not_known_is_told_at_once() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "1"]);
    let Some(tsql) = Tsql::of(&lab, Role::Backup) else {
        return;
    };
    let (_, err) = tsql.run("exec sp_nobody_knows\ngo\n");
    assert!(err.contains("2812"), "{err}");
    let told = lab.told();
    assert!(
        told.starts_with("the lab does not know: ") && told.contains("sp_nobody_knows"),
        "{told}"
    );
}
