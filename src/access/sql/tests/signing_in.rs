//! What a site file makes of a sign-in, before any connection.

use std::path::PathBuf;

use super::*;
use crate::site::{Auth, Encrypt, Secret, Tls};

fn tls(ca: Option<PathBuf>) -> Tls {
    Tls {
        encrypt: Encrypt::Required,
        ca,
        trust_server_certificate: false,
    }
}

fn sql_login() -> Auth {
    Auth::Sql {
        user: "pchadr".to_owned(),
        password: Secret::Prompt,
    }
}

#[test]
fn a_sign_in_does_not_show_its_password() {
    let sign_in = SignIn::from_site(&sql_login(), &tls(None), Some(password())).unwrap();
    let shown = format!("{sign_in:?} {sign_in:#?}");
    assert!(
        shown.contains("pchadr") && !shown.contains("geheim"),
        "{shown}"
    );
}

#[test]
fn a_user_without_a_password_is_refused() {
    let error = SignIn::from_site(&sql_login(), &tls(None), None).unwrap_err();
    assert_eq!(error, SignInError::NoPassword);
}

#[cfg(not(any(windows, feature = "kerberos")))]
#[test]
fn integrated_sign_in_names_the_feature_that_it_needs() {
    let error = SignIn::from_site(&Auth::Integrated, &tls(None), None).unwrap_err();
    assert!(error.to_string().contains("`kerberos`"), "{error}");
    assert!(error.hint().contains("SQL login"));
}

#[cfg(not(any(windows, feature = "ntlm")))]
#[test]
fn a_windows_user_names_the_feature_that_it_needs() {
    let auth = Auth::Windows {
        user: r"LITWARE\anna".to_owned(),
        password: Secret::Prompt,
    };
    let error = SignIn::from_site(&auth, &tls(None), Some(password())).unwrap_err();
    assert!(error.to_string().contains("`ntlm`"), "{error}");
}

#[test]
fn a_file_of_authorities_is_read_before_any_connection() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate\n").unwrap();
    for path in [empty, folder.path().join("missing.pem")] {
        let tls = tls(Some(path.clone()));
        let error = SignIn::from_site(&sql_login(), &tls, Some(password())).unwrap_err();
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
        // Nobody's certificate is looked at: no authority is needed.
        let trusting = Tls {
            trust_server_certificate: true,
            ..tls
        };
        SignIn::from_site(&sql_login(), &trusting, Some(password())).unwrap();
    }
}

#[test]
fn a_door_to_a_real_site_opens_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("corp-ca.pem");
    std::fs::write(&ca, "-----BEGIN CERTIFICATE-----\n").unwrap();
    let mut site = Site::parse(crate::site::EXAMPLE, "site.toml", folder.path()).unwrap();
    site.sql.auth = sql_login();
    site.sql.tls = tls(Some(ca));
    let door = SqlDoor::live(&site, Some(password()), BTreeMap::new()).unwrap();
    assert_eq!(door.server(BACKUP), r"sql3.dc2.litwareinc.com\chat");
}
