//! How to sign in: what each mode needs, and no password in the file.

use super::super::*;
use super::{LEAST, accepted_with, parse, refused_with};

#[test]
fn a_written_password_is_refused_anywhere_and_never_repeated() {
    for (more, key) in [
        (
            "[sql.auth]\nmode = 'sql'\nuser = 'u'\npassword = 'hunter2'",
            "sql.auth.password",
        ),
        (
            "[sql.auth]\nmode = 'sql'\nuser = 'u'\npassword = { env = 'hunter2!' }",
            "sql.auth.password.env",
        ),
        ("[sql.auth]\npwd = 'hunter2'", "sql.auth.pwd"),
        ("[sql.tls]\nSQL-Secret = 'hunter2'", "sql.tls.SQL-Secret"),
        ("[accounts]\npasswd = ['hunter2']", "accounts.passwd"),
        (
            "[powershell]\narguments = ['-x', 'Server=a;PWD = hunter2']",
            "powershell.arguments",
        ),
        (
            "[log_shipping]\nsaved = 'password=hunter2'",
            "log_shipping.saved",
        ),
        ("[run]\nmirror = 'Password=hunter2'", "run.mirror"),
        ("[copy]\nverify = 'pwd=hunter2'", "copy.verify"),
    ] {
        let found = parse(&format!("{LEAST}{more}")).unwrap_err();
        assert!(found.problems.iter().any(|p| p.key == key), "{found}");
        assert!(!found.to_string().contains("hunter2"), "{found}");
        assert!(found.to_string().contains("PCHADR_SQL_PASSWORD"), "{found}");
    }
    // Nor by a syntax error in its line.
    let found = parse("password = 'hunter2\n").unwrap_err().to_string();
    assert!(!found.contains("hunter2"), "{found}");
}

#[test]
fn a_sign_in_has_what_its_mode_needs_and_nothing_else() {
    assert_eq!(
        refused_with("[sql.auth]\nmode = 'sql'"),
        [
            "15 sql.auth.user: is missing",
            "15 sql.auth.password: is missing"
        ]
    );
    assert_eq!(
        refused_with("[sql.auth]\nuser = 'u'"),
        ["15 sql.auth: names a user or a password, but the mode is integrated, which has none"]
    );
    assert_eq!(
        refused_with("[sql.auth]\nmode = 'kerberos'"),
        ["16 sql.auth.mode: `kerberos` is not known here"]
    );
    let password = |text: &str| {
        let more = format!("[sql.auth]\nmode = 'windows'\nuser = 'D\\u'\npassword = {text}");
        parse(&format!("{LEAST}{more}")).map(|s| s.sql.auth)
    };
    let windows = |password| Auth::Windows {
        user: r"D\u".to_owned(),
        password,
    };
    assert_eq!(
        password("{ file = 'pw.txt' }").unwrap(),
        windows(Secret::File(PathBuf::from("/conf/pw.txt")))
    );
    assert_eq!(
        password("{ prompt = true }").unwrap(),
        windows(Secret::Prompt)
    );
    for wrong in [
        "{}",
        "{ prompt = false }",
        "{ env = 'A', prompt = true }",
        "{ env = '1A' }",
    ] {
        password(wrong).unwrap_err();
    }
}

#[test]
fn trusting_every_certificate_beside_an_authority_is_refused() {
    assert_eq!(
        refused_with("[sql.tls]\nca = 'ca.pem'\ntrust_server_certificate = true").len(),
        1
    );
    accepted_with("[sql.tls]\ntrust_server_certificate = true");
}
