#![allow(clippy::unwrap_used)]

use super::*;
use crate::problem::Problems;

mod any_bytes;
mod example;
mod log_backups;
mod roles;
mod schema;
mod sign_in;
mod targets;

/// The least that a site file can say.
const LEAST: &str = r"[pool]
fqdn = 'pchat.litwareinc.com'
[pool.servers]
primary = ['pc1.dc1.litwareinc.com', 'pc2.dc1.litwareinc.com', 'pc3.dc1.litwareinc.com']
backup = ['pc5.dc2.litwareinc.com', 'pc6.dc2.litwareinc.com']
[pool.active_servers]
normal = ['pc1.dc1.litwareinc.com']
failed_over = ['pc5.dc2.litwareinc.com']
[sql]
primary = 'sql1.dc1.litwareinc.com\chat'
backup = 'sql3.dc2.litwareinc.com\chat'
[shares]
backup = '\\fs1\pchat-logs'
copy = '\\sql3\pchat-copy'
";

fn parse(text: &str) -> Result<Site, Problems> {
    Site::parse(text, "site.toml", std::path::Path::new("/conf"))
}

/// The problems of the least site file with `old` replaced by `new`, each as `line key: what`.
fn refused(old: &str, new: &str) -> Vec<String> {
    assert_eq!(LEAST.matches(old).count(), 1, "{old} is not there once");
    all_of(&LEAST.replace(old, new))
}

/// The problems of the least site file with `more` behind it, which starts in line 15.
fn refused_with(more: &str) -> Vec<String> {
    all_of(&format!("{LEAST}{more}"))
}

fn all_of(text: &str) -> Vec<String> {
    let Err(found) = parse(text) else {
        panic!("this is accepted:\n{text}");
    };
    found
        .problems
        .iter()
        .map(|p| format!("{} {}: {}", p.line, p.key, p.what))
        .collect()
}

fn accepted_with(more: &str) -> Site {
    parse(&format!("{LEAST}{more}")).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_least_site_file_has_the_defaults_of_everything_else() {
    let site = accepted_with("");
    assert_eq!(site.database.chat.as_str(), "mgc");
    assert_eq!(site.database.compliance, None);
    assert_eq!(site.sql.auth, Auth::Integrated);
    assert_eq!(site.sql.tls.encrypt, Encrypt::Required);
    assert_eq!(site.shares.copy_local, site.shares.copy);
    assert_eq!(site.run.mirror, r"\\sql3\pchat-copy\pchadr-runs");
    assert_eq!(site.limits, Limits::default());
    assert_eq!(site.chat(Role::PrimaryMirror), None);
}

#[test]
fn the_record_is_mirrored_with_the_separator_of_the_copy_folder() {
    let text = LEAST.replace(r"'\\sql3\pchat-copy'", "'/srv/copy/'");
    assert_eq!(parse(&text).unwrap().run.mirror, "/srv/copy/pchadr-runs");
    let own = accepted_with("[run]\nmirror = '/srv/runs'");
    assert_eq!(own.run.mirror, "/srv/runs");
    assert_eq!(
        refused_with("[run]\nmirror = 'runs'")[0]
            .split(" is no")
            .next(),
        Some("16 run.mirror: `runs`")
    );
}

#[test]
fn ten_problems_are_ten_messages_each_with_its_line() {
    let text = r"[pool]
fqdn = 'pchat'
[pool.servers]
primary = ['pc1.dc1.litwareinc.com', 'pc1.dc1.litwareinc.com']
backup = ['pc5.dc2.litwareinc.com']
[pool.active_servers]
normal = [
  'pc1.dc1.litwareinc.com',
  'pc9.dc1.litwareinc.com',
]
failed_over = []
[sql]
primary = 'sql1\chat'
primary_miror = 'sql2\chat'
backup = 'SQL1\CHAT'
[sql.auth]
mode = 'sql'
user = 'pchadr'
password = 'hunter2'
[shares]
backup = 'logs'
[copy]
parallel = 0
[limits]
stall = '5 minutes'
";
    assert_eq!(
        all_of(text),
        [
            "2 pool.fqdn: `pchat` is no fully qualified name: the domain is missing, as in `pc1.litwareinc.com`",
            "4 pool.servers.primary: `pc1.dc1.litwareinc.com` is in this list already (line 4)",
            "9 pool.active_servers.normal: `pc9.dc1.litwareinc.com` is no server of the pool",
            "11 pool.active_servers.failed_over: is an empty list",
            "14 sql.primary_miror: unknown key",
            r"15 sql.backup: `SQL1\CHAT` is the primary already (line 13)",
            "19 sql.auth.password: a password is written in this file",
            "20 shares.copy: is missing",
            r"21 shares.backup: `logs` is no path: expected an absolute path: `\\host\share\…`, `E:\…` or `/…`",
            "23 copy.parallel: `0` is out of range",
            "25 limits.stall: `5 minutes` is no time",
        ]
    );
}

#[test]
fn every_problem_has_a_hint_where_one_can_be_given() {
    let text = parse(&LEAST.replace("backup = 'sql3", "bakcup = 'sql3"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        text,
        "site.toml:9: sql.backup: is missing\n  \
         hint: write `backup = 'sql3.dc2.litwareinc.com\\chat'`\n\
         site.toml:11: sql.bakcup: unknown key\n  hint: did you mean `backup`?"
    );
}

#[test]
fn an_empty_file_says_which_tables_are_missing() {
    assert_eq!(
        all_of(""),
        [
            "1 pool: is missing",
            "1 sql: is missing",
            "1 shares: is missing"
        ]
    );
}

#[test]
fn each_required_key_is_missed_at_its_table() {
    for (line, key) in [
        ("fqdn = 'pchat.litwareinc.com'\n", "1 pool.fqdn"),
        (
            "normal = ['pc1.dc1.litwareinc.com']\n",
            "6 pool.active_servers.normal",
        ),
        (
            "failed_over = ['pc5.dc2.litwareinc.com']\n",
            "6 pool.active_servers.failed_over",
        ),
        (
            "primary = 'sql1.dc1.litwareinc.com\\chat'\n",
            "9 sql.primary",
        ),
        ("backup = 'sql3.dc2.litwareinc.com\\chat'\n", "9 sql.backup"),
        ("backup = '\\\\fs1\\pchat-logs'\n", "12 shares.backup"),
        ("copy = '\\\\sql3\\pchat-copy'\n", "12 shares.copy"),
    ] {
        assert_eq!(refused(line, ""), [format!("{key}: is missing")]);
    }
    assert_eq!(
        refused_with("[database]\ncompliance = 'mgccomp'"),
        ["15 database.chat: is missing"]
    );
}

#[test]
fn an_unknown_key_is_refused_in_every_table() {
    for table in [
        "pool.front_ends",
        "database]\nchat = 'mgc'\n[database.x",
        "sql.auth",
        "sql.tls",
        "powershell",
        "copy",
        "log_shipping",
        "run",
        "limits",
        "wishes",
    ] {
        let found = refused_with(&format!("[{table}]\nwish = 1\n"));
        assert_eq!(found.len(), 1, "{table}: {found:?}");
        assert!(found[0].contains("unknown"), "{found:?}");
    }
    for line in [
        "fqdn =",
        "normal =",
        "primary = ['",
        "primary = 'sql1",
        "copy =",
    ] {
        let found = refused(line, &format!("wish = 1\n{line}"));
        assert!(found[0].contains("wish: unknown key"), "{found:?}");
    }
    assert_eq!(
        refused_with(
            "[database]\nchat = 'mgc'\ncompliance = 'mgccomp'\n[sql.compliance]\nwish = 1"
        ),
        ["19 sql.compliance.wish: unknown key"]
    );
}

#[test]
fn a_value_of_the_wrong_kind_says_what_was_found_and_what_is_expected() {
    assert_eq!(
        refused("fqdn = 'pchat.litwareinc.com'", "fqdn = 1"),
        ["2 pool.fqdn: expected text in quotes, found a whole number"]
    );
    assert_eq!(
        refused_with("[copy]\noverlap = 'yes'\nparallel = 2.5\n[limits]\nlogin = 15"),
        [
            "16 copy.overlap: expected true or false, found text",
            "17 copy.parallel: expected a whole number from 1 to 64, found a decimal number",
            "19 limits.login: expected a time in quotes",
        ]
    );
    assert_eq!(
        all_of("sql = 1\npool = []\n[shares]\nbackup = '/a'\ncopy = { x = 1 }"),
        [
            "1 sql: expected a table, found a whole number",
            "2 pool: expected a table, found a list",
            "5 shares.copy: expected text in quotes, found a table",
        ]
    );
}

#[test]
fn more_than_four_active_servers_are_refused() {
    assert_eq!(
        refused(
            "normal = ['pc1.dc1.litwareinc.com']",
            "normal = ['pc1.dc1.litwareinc.com', 'pc2.dc1.litwareinc.com', 'pc3.dc1.litwareinc.com', \
             'pc5.dc2.litwareinc.com', 'PC6.dc2.litwareinc.com']"
        ),
        ["7 pool.active_servers.normal: 5 servers are listed"]
    );
}

#[test]
fn a_server_in_both_data_centers_is_refused() {
    assert_eq!(
        refused("'pc6.dc2.litwareinc.com'", "'PC2.dc1.litwareinc.com'"),
        [
            "5 pool.servers.backup: `PC2.dc1.litwareinc.com` is in both data centers' lists (also in line 4)"
        ]
    );
}

#[test]
fn an_empty_list_of_servers_is_refused_wherever_it_stands() {
    assert_eq!(
        refused("['pc5.dc2.litwareinc.com', 'pc6.dc2.litwareinc.com']", "[]"),
        ["5 pool.servers.backup: is an empty list"]
    );
    assert_eq!(
        refused_with("[pool.front_ends]\nprimary = []"),
        ["16 pool.front_ends.primary: is an empty list"]
    );
}

#[test]
fn one_database_cannot_be_both_nor_belong_to_the_server() {
    assert_eq!(
        refused_with("[database]\nchat = 'mgc'\ncompliance = 'MGC'"),
        ["17 database.compliance: `MGC` is the chat database already"]
    );
    assert_eq!(
        refused_with("[database]\nchat = 'Master'"),
        ["16 database.chat: `Master` is a database of SQL Server itself"]
    );
}

#[test]
fn a_folder_is_not_copied_onto_itself() {
    assert_eq!(
        refused(r"'\\sql3\pchat-copy'", r"'\\FS1\pchat-logs\'"),
        ["14 shares.copy: is the same folder as shares.backup"]
    );
}

#[test]
fn a_share_with_slashes_and_a_mirror_share_on_one_machine_are_refused() {
    let slashes = refused(
        r"backup = '\\fs1\pchat-logs'",
        "backup = '//fs1/pchat-logs'",
    );
    assert!(
        slashes[0].ends_with(r"a share is written with backslashes: `\\host\share`"),
        "{slashes:?}"
    );
    let copy = r"copy = '\\sql3\pchat-copy'";
    let with = |mirror: &str| format!("{copy}\nmirror = '{mirror}'");
    assert_eq!(
        refused(copy, &with(r"E:\mirror")),
        [
            "15 shares.mirror: is a folder of one machine, and both instances of a mirror must reach it"
        ]
    );
    for mirror in [r"\\fs1\mirror", "/srv/mirror"] {
        assert!(
            parse(&LEAST.replace(copy, &with(mirror))).is_ok(),
            "{mirror}"
        );
    }
}

#[test]
fn a_path_whose_backslashes_were_eaten_is_explained() {
    let text = LEAST.replace(r"'\\fs1\pchat-logs'", r#""\\fs1\\logs""#);
    let found = parse(&text).unwrap_err();
    assert_eq!(found.problems.len(), 1);
    let hint = found.problems[0].hint.clone().unwrap_or_default();
    assert!(hint.contains("single quotes"), "{hint}");
}

#[test]
fn limits_are_times_with_a_unit() {
    let site = accepted_with("[limits]\nconnect = '7s'\nstep = '90m'\nrestore = '2h'");
    assert_eq!(site.limits.connect, Duration::from_secs(7));
    assert_eq!(site.limits.step, Duration::from_mins(90));
    assert_eq!(site.limits.restore, Some(Duration::from_hours(2)));
    assert_eq!(
        accepted_with("[limits]\nrestore = 'none'").limits.restore,
        None
    );
    for wrong in [
        "none",
        "5",
        "s",
        "-5s",
        "+5s",
        "5d",
        "0s",
        "5 s",
        "9000h",
        "1h30m",
        "99999999999999999999s",
        "18446744073709551615h",
        "\u{0665}s",
    ] {
        let found = refused_with(&format!("[limits]\npoll = '{wrong}'"));
        assert!(found[0].starts_with("16 limits.poll: "), "{found:?}");
    }
}

#[test]
fn loading_reads_beside_the_file_and_says_why_a_file_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    std::fs::write(&path, format!("{LEAST}[log_shipping]\nsaved = 'x.json'")).unwrap();
    let site = Site::load(&path).unwrap();
    assert_eq!(site.log_shipping.saved, Some(folder.path().join("x.json")));

    std::fs::write(&path, b"\xff\xfe[\0p\0").unwrap();
    let error = Site::load(&path).unwrap_err();
    assert!(error.to_string().contains("site.toml:1: "), "{error}");

    let error = Site::load(&folder.path().join("none.toml")).unwrap_err();
    assert!(matches!(error, LoadError::Read { .. }));
}

#[test]
fn numbers_are_read_in_every_spelling_of_toml() {
    for spelling in ["16", "1_6", "+16", "0x10", "0b1_0000"] {
        let site = accepted_with(&format!("[copy]\nparallel = {spelling}"));
        assert_eq!(site.copy.parallel, 16, "{spelling}");
    }
    for wrong in ["-1", "65", "99999999999999999999999999"] {
        refused_with(&format!("[copy]\nparallel = {wrong}"));
    }
}

#[test]
fn a_table_nested_beyond_all_measure_is_refused_like_any_other() {
    let key = vec!["a"; 79].join(".");
    let mut text = "pwd = 1".to_owned();
    for _ in 0..70 {
        text = format!("{key} = {{ {text} }}");
    }
    let found = refused_with(&format!("[x]\n{text}"));
    assert!(
        found
            .iter()
            .any(|f| f.ends_with("a password is written in this file"))
    );
}
