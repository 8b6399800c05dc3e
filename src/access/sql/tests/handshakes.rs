//! Encryption that fails, over real sockets: each end has its own words, and no password was sent.

use super::listener::{Listener, Manner, Shown, authority};
use super::*;
use crate::site::{Auth, Encrypt, Secret, Tls};

const NAME: &str = "localhost";
const YEARS: [i32; 2] = [2020, 2099];

/// What a sign-in over TLS ends with; the authorities are those of `ca`, as PEM.
async fn end(listener: &Listener, encrypt: Encrypt, ca: Option<&str>) -> SqlError {
    end_within(15 * SECOND, listener, encrypt, ca).await
}

async fn end_within(
    login: Duration,
    listener: &Listener,
    encrypt: Encrypt,
    ca: Option<&str>,
) -> SqlError {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls {
        encrypt,
        ca: ca.map(|text| {
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, text).unwrap();
            path
        }),
        trust_server_certificate: ca.is_none(),
    };
    let auth = Auth::Sql {
        user: "pchadr".to_owned(),
        password: Secret::Prompt,
    };
    let sign_in = SignIn::from_site(&auth, &tls, Some(password())).unwrap();
    let address = format!("localhost,{}", listener.address.port());
    let servers = BTreeMap::from([(BACKUP, address.parse().unwrap())]);
    let dial = Tcp::new(servers, 5 * SECOND);
    let names = BTreeMap::from([(BACKUP, address)]);
    let limits = DoorLimits { login, ..limits() };
    let door = SqlDoor::new(Arc::new(dial), names, sign_in, limits);
    let error = door.read(BACKUP, Query::plain("READ")).await.unwrap_err();
    assert_eq!(error.fate, Fate::NotSent);
    assert!(!error.remedies().is_empty());
    error
}

/// The end of a sign-in whose certificate was not taken.
async fn refusal(shown: Shown, ca: &str) -> Certificate {
    let strict = Listener::start(Manner::Strict(shown.clone())).await;
    let listener = Listener::start(Manner::Negotiates(1, shown)).await;
    let error = end(&listener, Encrypt::Required, Some(ca)).await;
    assert!(!listener.saw_sign_in());
    let failure = end(&strict, Encrypt::Strict, Some(ca)).await.failure;
    assert!(!strict.saw_sign_in());
    assert_eq!(failure, error.failure, "strict differs");
    let text = error.to_string();
    assert!(
        !text.contains("Config::") && !text.contains("tiberius"),
        "{text}"
    );
    let Failure::Certificate(certificate) = failure else {
        panic!("{failure}");
    };
    certificate
}

#[tokio::test]
async fn a_good_certificate_is_taken_from_a_bundle_of_several_authorities() {
    let (other, ours) = (authority("Other"), authority("Ours"));
    let bundle = format!("\u{feff}{}{}", other.pem(), ours.pem());
    let shown = Shown::new(Some(&ours), NAME, YEARS);
    let strict = Listener::start(Manner::Strict(shown.clone())).await;
    end(&strict, Encrypt::Strict, Some(&bundle)).await;
    assert!(strict.saw_sign_in());
    for (encryption, encrypt) in [
        (1, Encrypt::Required),
        (3, Encrypt::Required),
        (0, Encrypt::Login),
        (1, Encrypt::Login),
    ] {
        let listener = Listener::start(Manner::Negotiates(encryption, shown.clone())).await;
        let error = end(&listener, encrypt, Some(&bundle)).await;
        assert!(listener.saw_sign_in(), "{encryption} {encrypt:?} {error}");
        assert!(matches!(error.failure, Failure::Cut(_)), "{error}");
    }
}

#[tokio::test]
async fn any_certificate_is_taken_where_the_site_file_trusts_it() {
    let shown = Shown::new(None, "elsewhere", [2001, 2002]);
    let listener = Listener::start(Manner::Negotiates(1, shown)).await;
    end(&listener, Encrypt::Required, None).await;
    assert!(listener.saw_sign_in());
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (theirs, ours) = (authority("Other"), authority("Ours"));
    let certificate = refusal(Shown::new(Some(&theirs), NAME, YEARS), &ours.pem()).await;
    assert_eq!(certificate, Certificate::UnknownAuthority);
}

/// As when an authority was set up anew.
#[tokio::test]
async fn another_authority_of_the_same_name_is_unknown_too() {
    let (theirs, ours) = (authority("Ours"), authority("Ours"));
    let certificate = refusal(Shown::new(Some(&theirs), NAME, YEARS), &ours.pem()).await;
    assert_eq!(certificate, Certificate::UnknownAuthority);
}

#[tokio::test]
async fn the_certificate_that_a_server_makes_itself_is_refused() {
    let certificate = refusal(Shown::new(None, NAME, YEARS), &authority("Ours").pem()).await;
    assert_eq!(certificate, Certificate::UnknownAuthority);
}

#[tokio::test]
async fn an_expired_certificate_is_refused_with_its_date() {
    let ours = authority("Ours");
    let certificate = refusal(Shown::new(Some(&ours), NAME, [2020, 2021]), &ours.pem()).await;
    let since = Some("2021-01-01 00:00:00 UTC".to_owned());
    assert_eq!(certificate, Certificate::Expired { since });
}

#[tokio::test]
async fn a_certificate_from_the_future_is_refused_with_its_date() {
    let ours = authority("Ours");
    let certificate = refusal(Shown::new(Some(&ours), NAME, [2098, 2099]), &ours.pem()).await;
    let from = Some("2098-01-01 00:00:00 UTC".to_owned());
    assert_eq!(certificate, Certificate::NotYetValid { from });
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_with_that_name() {
    let ours = authority("Ours");
    let name = "sql3.dc2.litwareinc.com";
    let certificate = refusal(Shown::new(Some(&ours), name, YEARS), &ours.pem()).await;
    let names = name.to_owned();
    assert_eq!(certificate, Certificate::OtherName { names });
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_told_from_a_bad_certificate() {
    let ours = authority("Ours");
    let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    let certificate = refusal(Shown::new(Some(&ours), NAME, YEARS), broken).await;
    assert!(
        matches!(certificate, Certificate::Authorities(_)),
        "{certificate}"
    );
}

#[tokio::test]
async fn a_server_without_encryption_is_told() {
    for (encryption, encrypt) in [
        (0, Encrypt::Required),
        (2, Encrypt::Required),
        (2, Encrypt::Login),
    ] {
        let listener = Listener::start(Manner::Says(encryption, b"")).await;
        let error = end(&listener, encrypt, None).await;
        assert_eq!(
            error.failure,
            Failure::EncryptionRefused,
            "{encryption} {encrypt:?}"
        );
        assert!(!listener.saw_sign_in());
    }
}

#[tokio::test]
async fn a_server_that_demands_encryption_is_told() {
    for encryption in [1, 3] {
        let listener = Listener::start(Manner::Says(encryption, b"")).await;
        let error = end(&listener, Encrypt::Off, None).await;
        assert_eq!(error.failure, Failure::EncryptionDemanded);
        assert!(!listener.saw_sign_in());
    }
}

#[tokio::test]
async fn a_server_without_tls_1_2_is_told() {
    let alert: &[u8] = &[0x15, 3, 1, 0, 2, 2, 70];
    // ServerHello of TLS 1.0.
    let hello: &[u8] = &[
        0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0x2F, 0,
    ];
    for answer in [alert, hello, b""] {
        let listener = Listener::start(Manner::Says(1, answer)).await;
        let error = end(&listener, Encrypt::Required, None).await;
        assert!(
            matches!(error.failure, Failure::TlsTooOld(_)),
            "{answer:?}: {error}"
        );
    }
}

#[tokio::test]
async fn strict_against_an_older_server_is_told() {
    for answer in [&b""[..], &b"\x04\x01\x00\x2b"[..]] {
        let listener = Listener::start(Manner::Foreign(answer)).await;
        let error = end(&listener, Encrypt::Strict, None).await;
        assert_eq!(error.failure, Failure::NoStrict);
    }
}

#[tokio::test]
async fn another_service_on_the_port_is_told() {
    let listener = Listener::start(Manner::Foreign(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let error = end(&listener, Encrypt::Required, None).await;
    assert_eq!(error.failure, Failure::NotSqlServer);
    let closing = Listener::start(Manner::Foreign(b"")).await;
    let error = end(&closing, Encrypt::Required, None).await;
    assert!(matches!(error.failure, Failure::Cut(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_ends_at_the_sign_in_limit() {
    let listener = Listener::start(Manner::Silent).await;
    let error = end_within(SECOND, &listener, Encrypt::Required, None).await;
    assert_eq!(error.failure, Failure::SignInTimedOut(SECOND));
}

/// As a TLS terminator in front of an old server does.
#[tokio::test]
async fn a_reset_in_the_handshake_is_told_as_a_version_that_is_too_old() {
    let listener = Listener::start(Manner::Resets(1)).await;
    let error = end(&listener, Encrypt::Required, None).await;
    assert!(matches!(error.failure, Failure::TlsTooOld(_)), "{error}");
}

#[tokio::test]
async fn a_first_answer_without_an_end_is_not_kept_in_memory() {
    let listener = Listener::start(Manner::Endless).await;
    let error = end(&listener, Encrypt::Required, None).await;
    assert_eq!(error.failure, Failure::NotSqlServer);
}

#[tokio::test]
async fn a_certificate_that_names_no_host_has_its_own_reason() {
    let ours = authority("Ours");
    let shown = Shown::without_names(&ours, NAME);
    let certificate = refusal(shown, &ours.pem()).await;
    assert_eq!(certificate, Certificate::NoName);
}

#[tokio::test]
async fn an_authority_that_stands_for_a_server_has_its_own_reason() {
    let (shown, pem) = Shown::of_authority(NAME);
    assert_eq!(refusal(shown, &pem).await, Certificate::Authority);
}

/// Of each kind that the driver tells by a text of a library, none reaches the operator.
#[tokio::test]
async fn a_connection_that_breaks_is_told_in_words_of_the_field() {
    let shown = Shown::new(None, "elsewhere", [2001, 2002]);
    let listener = Listener::start(Manner::Negotiates(1, shown)).await;
    let error = end(&listener, Encrypt::Required, None).await;
    let Failure::Cut(words) = &error.failure else {
        panic!("{error}");
    };
    let known = ["the server closed it", "it was reset"];
    assert!(known.contains(&words.as_str()), "{words}");
}
