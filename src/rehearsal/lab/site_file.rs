//! The site file that leads to a lab.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use super::folder::{self, Folder, MARK};
use super::port::Port;
use super::{Options, USER};
use crate::model::{Fqdn, Instance};
use crate::rehearsal::simulated::Times;
use crate::rehearsal::tds::Encryption;
use crate::rehearsal::world::Start;
use crate::site::{Site, Verify};

/// Limits that fit a machine which answers at once.
const SHORT: &str = r#"connect = "2s"
login = "10s"
query = "30s"
settle = "30s"
poll = "1s"
jobs = "10s"
powershell = "1m"
mirror = "2m"
"#;

/// Limits where things take their time.
const REAL: &str = r#"connect = "2s"
poll = "1s"
"#;

/// The text: pool and databases of `site`, everything else of the lab.
pub(super) fn text(
    site: &Site,
    folder: &Folder,
    ports: &BTreeMap<Instance, Port>,
    shell: SocketAddr,
    options: &Options,
) -> String {
    let mut text = String::new();
    let out = &mut text;
    line(out, MARK);
    line(
        out,
        "# It leads to a simulated site that answers while that lab is open.",
    );
    line(out, "\n[pool]");
    key(out, "fqdn", site.pool.fqdn.as_str());
    for (name, value) in [
        ("identity", &site.pool.identity),
        ("active_identity", &site.pool.active_identity),
    ] {
        if let Some(value) = value {
            key(out, name, value);
        }
    }
    line(out, "[pool.servers]");
    names(out, "primary", &site.pool.primary_servers);
    names(out, "backup", &site.pool.backup_servers);
    line(out, "[pool.active_servers]");
    names(out, "normal", &site.pool.normal);
    names(out, "failed_over", &site.pool.failed_over);
    if !site.pool.front_ends.is_empty() {
        line(out, "[pool.front_ends]");
        names(out, "primary", &site.pool.front_ends);
    }

    line(out, "\n[database]");
    key(out, "chat", site.database.chat.as_str());
    if let Some(compliance) = &site.database.compliance {
        key(out, "compliance", compliance.as_str());
    }

    line(out, "\n[sql]");
    let (own, chat): (Vec<_>, Vec<_>) = ports.iter().partition(|(key, _)| key.compliance);
    for (instance, port) in chat {
        key(out, instance.role.key(), &port.address().to_string());
    }
    if !own.is_empty() {
        line(out, "[sql.compliance]");
        for (instance, port) in own {
            key(out, instance.role.key(), &port.address().to_string());
        }
    }
    line(out, "[sql.auth]");
    key(out, "mode", "sql");
    key(out, "user", USER);
    line(
        out,
        &format!("password = {{ file = {} }}", quoted(folder::PASSWORD)),
    );
    line(out, "[sql.tls]");
    let encrypt = match options.encryption {
        Encryption::NotSupported => "off",
        Encryption::Optional | Encryption::Required => "required",
        Encryption::Strict => "strict",
    };
    key(out, "encrypt", encrypt);
    if options.encryption != Encryption::NotSupported {
        key(out, "ca", folder::AUTHORITY);
    }

    line(out, "\n[shares]");
    for name in ["backup", "copy", "mirror", "archive"] {
        key(out, name, &shown(&folder.share(name)));
    }

    if let Some(log) = &site.log_backups {
        line(out, "\n[log_backups]");
        key(out, "folder", &shown(&folder.share(folder::LOG_BACKUPS)));
        line(out, &format!("every = {}", log.every));
    }

    if options.state == Start::FailedOver {
        line(out, "\n[log_shipping]");
        key(out, "saved", folder::SAVED);
    }

    line(out, "\n[powershell]");
    key(out, "program", &shown(&options.shell));
    let token = shown(&folder.path().join(folder::TOKEN));
    let arguments = ["lab-shell", &shell.to_string(), &token].map(quoted);
    line(out, &format!("arguments = [{}]", arguments.join(", ")));
    key(out, "module", &site.powershell.module);

    line(out, "\n[copy]");
    line(out, &format!("parallel = {}", site.copy.parallel));
    let verify = match site.copy.verify {
        Verify::Header => "header",
        Verify::Hash => "hash",
    };
    key(out, "verify", verify);
    line(out, &format!("overlap = {}", site.copy.overlap));

    line(out, "\n[limits]");
    text.push_str(match options.times {
        Times::Zero => SHORT,
        Times::Real => REAL,
    });
    text
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

fn key(out: &mut String, key: &str, value: &str) {
    line(out, &format!("{key} = {}", quoted(value)));
}

fn names(out: &mut String, key: &str, names: &[Fqdn]) {
    let names: Vec<String> = names.iter().map(|name| quoted(name.as_str())).collect();
    line(out, &format!("{key} = [{}]", names.join(", ")));
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A path as text; what is no Unicode cannot stand in the file, and does not load from it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
