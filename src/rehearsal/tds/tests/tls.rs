//! Encryption, as tiberius sees it over loopback and as the bytes are. The clock runs: sockets
//! know no other.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use super::super::{Encryption, serve_with, tls_config};
use super::Toy;
use super::raw::{login, packet, prelogin_asking};
use crate::rehearsal::certificate::Authority;

const LONG: Duration = Duration::from_secs(30);
const MODES: [Encryption; 4] = [
    Encryption::NotSupported,
    Encryption::Optional,
    Encryption::Required,
    Encryption::Strict,
];

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// An authority, and a listener that serves one connection with a certificate of it.
struct Lab {
    authority: Authority,
    toy: Toy,
    port: u16,
    served: JoinHandle<std::io::Result<()>>,
}

impl Lab {
    async fn start(encryption: Encryption) -> Self {
        Self::start_until(encryption, at("2100-01-01T00:00:00Z")).await
    }

    async fn start_until(encryption: Encryption, not_after: Timestamp) -> Self {
        let begin = at("2020-01-01T00:00:00Z");
        let authority = Authority::new(at("2026-01-01T00:00:00Z")).unwrap();
        let certificate = authority
            .issue(&["localhost", "127.0.0.1"], begin, not_after)
            .unwrap();
        let config = tls_config(encryption, &certificate).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let toy = Toy::default();
        let shared = Arc::new(toy.clone());
        let served = tokio::spawn(async move {
            let (stream, _) = listener.accept().await?;
            serve_with(shared, stream, encryption, config).await
        });
        Self {
            authority,
            toy,
            port,
            served,
        }
    }

    fn config(&self, level: EncryptionLevel, host: &str) -> Config {
        let mut config = Config::new();
        config.host(host);
        config.encryption(level);
        config.authentication(AuthMethod::sql_server("pchadr", "geheim"));
        config.trust_cert_ca_bundle(self.authority.pem());
        config
    }

    async fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    async fn connect(&self, config: Config) -> tiberius::Result<Client<Compat<TcpStream>>> {
        let stream = self.stream().await.compat_write();
        let connected = Client::connect(config, stream);
        tokio::time::timeout(LONG, connected).await.unwrap()
    }

    /// How the connection ended at the server.
    async fn end(self) -> std::io::Result<()> {
        tokio::time::timeout(LONG, self.served)
            .await
            .unwrap()
            .unwrap()
    }
}

/// What the table of `tds.md` 2.1 comes to with tiberius as the client.
#[tokio::test]
async fn client_and_server_meet_where_the_table_says_so() {
    use Encryption::{NotSupported, Optional, Required, Strict};
    for (level, meets) in [
        (EncryptionLevel::NotSupported, &[NotSupported, Optional][..]),
        // This client shakes hands even with a server that has no encryption (`tds.md` 5.4).
        (EncryptionLevel::Off, &[Optional, Required]),
        (EncryptionLevel::On, &[Optional, Required]),
        (EncryptionLevel::Required, &[Optional, Required]),
        (EncryptionLevel::Strict, &[Strict]),
    ] {
        for encryption in MODES {
            let lab = Lab::start(encryption).await;
            let met = lab.connect(lab.config(level, "localhost")).await;
            let case = format!("client {level:?}, server {encryption:?}");
            assert_eq!(met.is_ok(), meets.contains(&encryption), "{case}");
            let logins = lab.toy.0.logins.lock().unwrap().len();
            assert_eq!(logins, usize::from(met.is_ok()), "{case}");
            let Ok(mut client) = met else { continue };
            for count in [3000, 1] {
                let asked = format!("numbers {count}");
                let sets = client.simple_query(asked).await.unwrap();
                let sets = sets.into_results().await.unwrap();
                assert_eq!(sets[0].len(), count, "{case}");
            }
            drop(client);
            lab.end().await.expect(&case);
        }
    }
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let lab = Lab::start(Encryption::Required).await;
    let other = Lab::start(Encryption::Required).await;
    let config = other.config(EncryptionLevel::Required, "localhost");
    let error = lab.connect(config).await.unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
    assert!(lab.toy.0.logins.lock().unwrap().is_empty());
    assert!(lab.end().await.is_err());
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    for encryption in [Encryption::Optional, Encryption::Strict] {
        let lab = Lab::start_until(encryption, at("2021-01-01T00:00:00Z")).await;
        let level = match encryption {
            Encryption::Strict => EncryptionLevel::Strict,
            _ => EncryptionLevel::Required,
        };
        let config = lab.config(level, "localhost");
        let error = lab.connect(config).await.unwrap_err().to_string();
        assert!(error.contains("expired"), "{error}");
        assert!(lab.toy.0.logins.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_certificate_holds_for_its_names_only() {
    for (host, known) in [("127.0.0.1", true), ("sql1.dc1.example", false)] {
        let lab = Lab::start(Encryption::Optional).await;
        let config = lab.config(EncryptionLevel::Required, host);
        match lab.connect(config).await {
            Ok(_) => assert!(known, "{host}"),
            Err(error) => {
                assert!(!known, "{host}: {error}");
                assert!(error.to_string().contains("not valid for name"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_read_through_each_encryption() {
    for (level, encryption) in [
        (EncryptionLevel::Off, Encryption::Optional),
        (EncryptionLevel::On, Encryption::Optional),
        (EncryptionLevel::Required, Encryption::Required),
        (EncryptionLevel::Strict, Encryption::Strict),
    ] {
        let lab = Lab::start(encryption).await;
        let mut config = lab.config(level, "localhost");
        config.authentication(AuthMethod::sql_server("sa", "wrong"));
        match lab.connect(config).await.unwrap_err() {
            tiberius::error::Error::Server(error) => assert_eq!(error.code(), 18456),
            other => panic!("{encryption:?}: {other:?}"),
        }
        lab.end().await.unwrap();
    }
}

#[tokio::test]
async fn a_cut_an_end_and_a_kill_come_through_tls() {
    let lab = Lab::start(Encryption::Required).await;
    let config = lab.config(EncryptionLevel::Required, "localhost");
    let mut client = lab.connect(config).await.unwrap();
    let kill = lab.toy.0.kill.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        kill.cancel();
    });
    let asked = async { client.simple_query("forever").await?.into_results().await };
    match tokio::time::timeout(LONG, asked).await.unwrap() {
        Err(tiberius::error::Error::Server(error)) => assert_eq!(error.code(), 596),
        other => panic!("{other:?}"),
    }
    lab.end().await.unwrap();

    let lab = Lab::start(Encryption::Strict).await;
    let config = lab.config(EncryptionLevel::Strict, "localhost");
    let mut client = lab.connect(config).await.unwrap();
    let asked = async {
        client
            .simple_query("numbers 5; cut")
            .await?
            .into_results()
            .await
    };
    let error = tokio::time::timeout(LONG, asked)
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(error, tiberius::error::Error::Io { .. }),
        "{error:?}"
    );
    lab.end().await.unwrap();

    let lab = Lab::start(Encryption::Optional).await;
    let config = lab.config(EncryptionLevel::On, "localhost");
    let mut client = lab.connect(config).await.unwrap();
    let asked = client.simple_query("forever");
    let waited = tokio::time::timeout(Duration::from_millis(50), asked).await;
    assert!(waited.is_err());
    drop(waited);
    drop(client);
    let toy = lab.toy.clone();
    lab.end().await.unwrap();
    assert!(toy.was_dropped());
}

/// Sends bytes, says that no more will come, and reads until the server hangs up.
async fn converse(lab: &Lab, bytes: &[u8]) -> Vec<u8> {
    let mut stream = lab.stream().await;
    stream.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    let read = stream.read_to_end(&mut all);
    // A server that closes with bytes unread resets the connection.
    let _ = tokio::time::timeout(LONG, read).await.unwrap();
    all
}

const OFF: u8 = 0;
const NOT_SUPPORTED: u8 = 2;
const REQUIRED: u8 = 3;
/// Where the answer to PRELOGIN has its ENCRYPTION: header, table, version.
const ENCRYPTION_AT: usize = 8 + 26 + 6;

#[tokio::test]
async fn a_server_that_demands_encryption_says_so_and_closes() {
    let lab = Lab::start(Encryption::Required).await;
    let said = converse(&lab, &prelogin_asking(NOT_SUPPORTED)).await;
    assert_eq!(said[ENCRYPTION_AT], REQUIRED);
    assert_eq!(said.len(), ENCRYPTION_AT + 3);
    lab.end().await.unwrap();
}

#[tokio::test]
async fn a_strict_server_closes_on_a_clear_client_without_a_word() {
    let lab = Lab::start(Encryption::Strict).await;
    assert!(converse(&lab, &prelogin_asking(OFF)).await.is_empty());
    lab.end().await.unwrap();
}

#[tokio::test]
async fn a_kind_of_encryption_that_does_not_exist_ends_the_connection() {
    for encryption in [Encryption::Optional, Encryption::Required] {
        let lab = Lab::start(encryption).await;
        assert!(converse(&lab, &prelogin_asking(7)).await.is_empty());
        let error = lab.end().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    }
}

#[tokio::test]
async fn a_handshake_outside_its_packets_ends_the_connection() {
    for first in [
        packet(0x01, 1, &[0x16, 3, 3]),
        vec![0x16, 3, 3, 0, 4, 1, 0, 0],
    ] {
        let lab = Lab::start(Encryption::Optional).await;
        let bytes = [prelogin_asking(OFF), first].concat();
        let said = converse(&lab, &bytes).await;
        assert_eq!(said[ENCRYPTION_AT], OFF);
        let error = lab.end().await.unwrap_err();
        assert!(error.to_string().contains("not inside PRELOGIN"), "{error}");
    }
}

#[tokio::test]
async fn a_client_reads_in_a_packet_why_its_handshake_failed() {
    let lab = Lab::start(Encryption::Optional).await;
    let handshake = packet(0x12, 1, &[0x16, 3, 3, 0, 4, 9, 0, 0, 0]);
    let bytes = [prelogin_asking(OFF), handshake].concat();
    let said = converse(&lab, &bytes).await;
    let alert = &said[ENCRYPTION_AT + 3..];
    assert_eq!((alert[0], alert[1], alert[8]), (0x12, 1, 0x15), "{alert:?}");
    assert!(lab.end().await.is_err());
}

#[tokio::test]
async fn a_password_in_clear_where_tls_was_agreed_is_not_taken() {
    let lab = Lab::start(Encryption::Optional).await;
    let bytes = [prelogin_asking(OFF), login()].concat();
    converse(&lab, &bytes).await;
    assert!(lab.toy.0.logins.lock().unwrap().is_empty());
    assert!(lab.end().await.is_err());
}

#[tokio::test]
async fn encryption_without_a_certificate_is_an_error() {
    let (_ours, theirs) = tokio::io::duplex(4096);
    let toy = Arc::new(Toy::default());
    let served = serve_with(toy, theirs, Encryption::Optional, None).await;
    assert_eq!(served.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}
