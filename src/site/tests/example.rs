//! The example site file says what it claims to say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::*;
use super::parse;

fn names<T: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|t| t.parse().unwrap()).collect()
}

#[test]
fn the_example_is_the_site_of_the_design() {
    let of_role = |text: &str| text.parse::<SqlServer>().unwrap();
    let path = |text: &str| text.parse::<SharePath>().unwrap();
    let expected = Site {
        pool: Pool {
            fqdn: "pchat.litwareinc.com".parse().unwrap(),
            identity: None,
            active_identity: None,
            primary_servers: names(&["pc1.dc1.litwareinc.com", "pc2.dc1.litwareinc.com"]),
            backup_servers: names(&["pc5.dc2.litwareinc.com", "pc6.dc2.litwareinc.com"]),
            normal: names(&["pc1.dc1.litwareinc.com", "pc2.dc1.litwareinc.com"]),
            failed_over: names(&["pc5.dc2.litwareinc.com", "pc6.dc2.litwareinc.com"]),
            front_ends: names(&["fe1.dc1.litwareinc.com"]),
        },
        database: Databases {
            chat: "mgc".parse().unwrap(),
            compliance: Some("mgccomp".parse().unwrap()),
        },
        sql: Sql {
            instances: BTreeMap::from([
                (
                    Instance::chat(Role::Primary),
                    of_role(r"sql1.dc1.litwareinc.com\chat"),
                ),
                (
                    Instance::chat(Role::PrimaryMirror),
                    of_role(r"sql2.dc1.litwareinc.com\chat"),
                ),
                (
                    Instance::chat(Role::Backup),
                    of_role(r"sql3.dc2.litwareinc.com\chat"),
                ),
                (
                    Instance::chat(Role::BackupMirror),
                    of_role(r"sql4.dc2.litwareinc.com\chat"),
                ),
            ]),
            auth: Auth::Sql {
                user: "pchadr".to_owned(),
                password: Secret::Env("PCHADR_SQL_PASSWORD".to_owned()),
            },
            tls: Tls {
                encrypt: Encrypt::Required,
                ca: Some(PathBuf::from("/conf/corp-ca.pem")),
                trust_server_certificate: false,
            },
        },
        shares: Shares {
            hosts_in_primary: Vec::new(),
            backup: path(r"\\fs1\pchat-logs"),
            copy: path(r"\\sql3.dc2.litwareinc.com\pchat-copy"),
            copy_local: path(r"E:\pchat-copy"),
            mirror: Some(path(r"\\fs1\pchat-mirror")),
            archive: Some(path(r"\\fs1\pchat-archive")),
            extra: Vec::new(),
        },
        powershell: PowerShell {
            program: "powershell.exe".to_owned(),
            arguments: vec![],
            module: "SkypeForBusiness".to_owned(),
        },
        copy: Copy {
            parallel: 8,
            verify: Verify::Header,
            overlap: true,
        },
        log_shipping: LogShipping::default(),
        log_backups: None,
        run: Run {
            mirror: r"\\sql3.dc2.litwareinc.com\pchat-copy\pchadr-runs".to_owned(),
        },
        limits: Limits::default(),
    };
    assert_eq!(parse(EXAMPLE).unwrap_or_else(|e| panic!("{e}")), expected);
}

#[test]
fn what_the_example_shows_as_defaults_are_the_defaults() {
    let mut shown = String::new();
    let mut is_default = false;
    for line in EXAMPLE.lines() {
        if line.starts_with('[') {
            is_default = ["[copy]", "[run]", "[limits]"].contains(&line);
        }
        let bare = line.strip_prefix("# ").filter(|_| is_default);
        shown.push_str(bare.filter(|b| b.contains(" = ")).unwrap_or(line));
        shown.push('\n');
    }
    assert_ne!(shown, EXAMPLE);
    let shown = parse(&shown).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(shown, parse(EXAMPLE).unwrap());
}

/// A table that is commented out, with a key that it cannot do without.
const LOG_BACKUPS: &str = "[log_backups]";

#[test]
fn every_optional_line_of_the_example_loads_when_it_is_uncommented() {
    let is_key = |line: &str| {
        let key = line.split(" = ").next().unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_lowercase() || c == '_';
        (line.contains(" = ") && key.chars().all(is_plain))
            || line == "[sql.compliance]"
            || line == LOG_BACKUPS
    };
    let optional: Vec<usize> = (0..)
        .zip(EXAMPLE.lines())
        .filter(|(_, line)| line.strip_prefix("# ").is_some_and(is_key))
        .map(|(n, _)| n)
        .collect();
    assert!(optional.len() > 20, "{optional:?}");
    for chosen in optional {
        let mut text: Vec<&str> = EXAMPLE.lines().collect();
        let line = text[chosen].trim_start_matches("# ");
        text[chosen] = line;
        // A second way to give what line is there already, and keys of a table that is commented out.
        if line.starts_with("password") {
            text.retain(|l| !l.starts_with("password") || *l == line);
        }
        let in_compliance = line.ends_with(r"\compliance'");
        if line == "[sql.compliance]" || in_compliance {
            text[chosen] = "";
            text.push("[sql.compliance]");
            text.push(if in_compliance { line } else { "" });
        }
        if [LOG_BACKUPS, "every", "folder"]
            .iter()
            .any(|it| line.starts_with(it))
        {
            let folder = EXAMPLE.lines().find(|it| it.starts_with("# folder"));
            text[chosen] = "";
            text.push(LOG_BACKUPS);
            text.extend(folder.map(|it| it.trim_start_matches("# ")));
            text.push(if line.starts_with("every") { line } else { "" });
        }
        parse(&text.join("\n")).unwrap_or_else(|e| panic!("{e}"));
    }
}
