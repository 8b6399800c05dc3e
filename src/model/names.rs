//! Names as checked types: what a site file says is checked here, once, at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Says that a text is no name of its kind, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind}: {why}")]
pub struct BadName {
    /// What was given.
    pub text: String,
    /// What it should have been.
    pub kind: &'static str,
    /// The rule it breaks.
    pub why: &'static str,
}

fn bad(text: &str, kind: &'static str, why: &'static str) -> BadName {
    BadName {
        text: text.to_owned(),
        kind,
        why,
    }
}

/// Part that a SQL Server instance plays for a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Serves `mgc` in the normal state.
    Primary,
    /// The mirror of the primary, in the same data center.
    PrimaryMirror,
    /// Log-shipping secondary in the second data center; serves after a failover.
    Backup,
    /// Becomes the backup's mirror after a failover.
    BackupMirror,
}

impl Role {
    /// All roles, primary data center first.
    pub const ALL: [Role; 4] = [
        Role::Primary,
        Role::PrimaryMirror,
        Role::Backup,
        Role::BackupMirror,
    ];

    /// The key in the site file and in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::PrimaryMirror => "primary_mirror",
            Self::Backup => "backup",
            Self::BackupMirror => "backup_mirror",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Primary => "primary",
            Self::PrimaryMirror => "primary mirror",
            Self::Backup => "backup",
            Self::BackupMirror => "backup mirror",
        })
    }
}

/// An instance of the site: for `mgc`, or for `mgccomp` where compliance has instances of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instance {
    /// Its part.
    pub role: Role,
    /// True for the instance that holds `mgccomp`, where that is another one.
    pub compliance: bool,
}

impl Instance {
    /// The instance that plays `role` for `mgc`.
    pub const fn chat(role: Role) -> Self {
        Self {
            role,
            compliance: false,
        }
    }

    /// The instance that plays `role` for `mgccomp`, where it has its own.
    pub const fn compliance(role: Role) -> Self {
        Self {
            role,
            compliance: true,
        }
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.compliance {
            write!(f, "compliance {}", self.role)
        } else {
            self.role.fmt(f)
        }
    }
}

/// Name of a database: 1 to 128 characters, none of them a control character
/// (`reference/sql-server.md` 10.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatabaseName(String);

impl DatabaseName {
    /// The name, unquoted.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares as a case-insensitive instance collation does (the product installs with one).
    pub fn is(&self, other: &str) -> bool {
        self.0.to_lowercase() == other.to_lowercase()
    }
}

impl FromStr for DatabaseName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let refuse = |why| Err(bad(text, "database name", why));
        if text.trim().is_empty() {
            refuse("it is empty")
        } else if text.chars().count() > 128 {
            refuse("it has more than 128 characters")
        } else if text.chars().any(char::is_control) {
            refuse("it has a control character")
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl TryFrom<String> for DatabaseName {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<DatabaseName> for String {
    fn from(name: DatabaseName) -> Self {
        name.0
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Fully qualified name of a machine or a pool: DNS labels of letters, digits, `-` and `_`,
/// at least two of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fqdn(String);

impl Fqdn {
    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares as DNS does: in any case.
    pub fn is(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }

    /// The first label: what `host_name` of a session shows.
    pub fn host(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }
}

fn is_host(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

impl FromStr for Fqdn {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if !is_host(text) {
            Err(bad(
                text,
                "host name",
                "expected labels of letters, digits and `-`, with dots between",
            ))
        } else if !text.contains('.') {
            Err(bad(
                text,
                "fully qualified name",
                "the domain is missing, as in `pc1.litwareinc.com`",
            ))
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Fqdn {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Fqdn> for String {
    fn from(name: Fqdn) -> Self {
        name.0
    }
}

impl fmt::Display for Fqdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where a SQL Server instance listens: `host`, `host\instance`, `host,port` or
/// `host\instance,port`. A stated port wins over the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SqlServer {
    /// Host name or IP address.
    pub host: String,
    /// Instance name; `None` for the default instance.
    pub instance: Option<String>,
    /// TCP port, where stated.
    pub port: Option<u16>,
}

impl FromStr for SqlServer {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let refuse = |why| bad(text, "SQL Server instance", why);
        let (address, port) = match text.split_once(',') {
            Some((address, port)) => {
                let port = port
                    .trim()
                    .parse()
                    .ok()
                    .filter(|p| *p != 0)
                    .ok_or_else(|| refuse("the port is not a number from 1 to 65535"))?;
                (address, Some(port))
            }
            None => (text, None),
        };
        let (host, instance) = match address.split_once('\\') {
            Some((host, instance)) => (host, Some(instance)),
            None => (address, None),
        };
        if host.parse::<std::net::IpAddr>().is_err() && !is_host(host) {
            return Err(refuse(
                "expected `host`, `host\\instance`, `host,port` or `host\\instance,port`",
            ));
        }
        if let Some(name) = instance
            && (name.is_empty()
                || name.len() > 16
                || !name
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '#')))
        {
            return Err(refuse(
                "an instance name has 1 to 16 letters, digits, `_`, `$` or `#`",
            ));
        }
        // MSSQLSERVER is the name of the default instance.
        let instance = instance
            .filter(|name| !name.eq_ignore_ascii_case("MSSQLSERVER"))
            .map(str::to_owned);
        Ok(Self {
            host: host.to_owned(),
            instance,
            port,
        })
    }
}

impl SqlServer {
    /// Says whether two entries name the same listener as far as their text tells: host, and port
    /// or instance, in any case.
    pub fn same(&self, other: &Self) -> bool {
        let place = |s: &Self| match (s.port, &s.instance) {
            (Some(port), _) => port.to_string(),
            (None, Some(name)) => name.to_lowercase(),
            (None, None) => "1433".to_owned(),
        };
        self.host.eq_ignore_ascii_case(&other.host) && place(self) == place(other)
    }
}

impl TryFrom<String> for SqlServer {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<SqlServer> for String {
    fn from(server: SqlServer) -> Self {
        server.to_string()
    }
}

impl fmt::Display for SqlServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.host.clone();
        if let Some(instance) = &self.instance {
            text = format!("{text}\\{instance}");
        }
        if let Some(port) = self.port {
            text = format!("{text},{port}");
        }
        f.pad(&text)
    }
}

/// Folder on a share or a disk: UNC (`\\host\share\…`), drive (`E:\…`) or POSIX (`/…`), absolute,
/// without a closing separator. Kept as text: the same path is read by this machine and by SQL
/// Server, and only one of them may be Windows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SharePath(String);

impl SharePath {
    /// The path as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn separator(&self) -> char {
        if self.0.starts_with('/') { '/' } else { '\\' }
    }

    /// Path of `name` in this folder.
    pub fn join(&self, name: &str) -> String {
        if self.0.ends_with(self.separator()) {
            format!("{}{name}", self.0)
        } else {
            format!("{}{}{name}", self.0, self.separator())
        }
    }

    /// Whether both name one folder, as far as the spelling tells.
    pub fn is(&self, other: &Self) -> bool {
        let trimmed = |path: &Self| {
            let text = path.0.trim_end_matches(['/', '\\']);
            if path.0.starts_with('/') {
                text.to_owned()
            } else {
                text.to_lowercase()
            }
        };
        trimmed(self) == trimmed(other)
    }

    /// Host of a UNC path.
    pub fn unc_host(&self) -> Option<&str> {
        self.0.strip_prefix(r"\\")?.split('\\').next()
    }
}

impl FromStr for SharePath {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let refuse = |why| Err(bad(text, "path", why));
        if text.chars().any(char::is_control) {
            return refuse("it has a control character");
        }
        // Whole paths stay under 260 characters with a file name behind (`sql-server.md` 10.2).
        if text.chars().count() > 200 {
            return refuse(
                "it is longer than 200 characters; SQL Server takes 259 with the file name",
            );
        }
        if let Some(rest) = text.strip_prefix(r"\\") {
            let mut parts = rest.split('\\');
            let host = parts.next().unwrap_or_default();
            let share = parts.next().unwrap_or_default();
            if host.is_empty() || share.is_empty() {
                return refuse(r"expected `\\host\share`");
            }
            if text.contains('/') || text.chars().any(|c| "<>\"|?*".contains(c)) {
                return refuse("it has a character that Windows paths cannot have");
            }
            return Ok(Self(text.trim_end_matches('\\').to_owned()));
        }
        let bytes = text.as_bytes();
        if bytes.len() >= 3
            && bytes[0].is_ascii_alphabetic()
            && bytes[1] == b':'
            && bytes[2] == b'\\'
        {
            if text[2..].contains('/') || text[2..].chars().any(|c| "<>:\"|?*".contains(c)) {
                return refuse("it has a character that Windows paths cannot have");
            }
            let trimmed = text.trim_end_matches('\\');
            let kept = if trimmed.len() == 2 { text } else { trimmed };
            return Ok(Self(kept.to_owned()));
        }
        if text.starts_with("//") {
            return refuse(r"a share is written with backslashes: `\\host\share`");
        }
        if text.starts_with('/') {
            let trimmed = text.trim_end_matches('/');
            return Ok(Self(
                if trimmed.is_empty() { "/" } else { trimmed }.to_owned(),
            ));
        }
        refuse(r"expected an absolute path: `\\host\share\…`, `E:\…` or `/…`")
    }
}

impl TryFrom<String> for SharePath {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<SharePath> for String {
    fn from(path: SharePath) -> Self {
        path.0
    }
}

impl fmt::Display for SharePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_read_in_its_four_spellings() {
        for text in ["sql1", r"sql1\chat", "sql1,1444", r"sql1.x.com\chat,1444"] {
            assert_eq!(text.parse::<SqlServer>().unwrap().to_string(), text);
        }
        for text in ["", r"sql1\", "sql1,0", "sql1,70000", "a b", r"sql1\a b"] {
            assert!(text.parse::<SqlServer>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_default_instance_has_one_name() {
        let named: SqlServer = r"sql1\MSSQLSERVER".parse().unwrap();
        assert_eq!(named.instance, None);
        assert!(named.same(&"SQL1,1433".parse().unwrap()));
        assert!(!named.same(&r"sql1\chat".parse().unwrap()));
    }

    #[test]
    fn paths_join_with_their_own_separator() {
        let join = |p: &str| p.parse::<SharePath>().unwrap().join("a.trn");
        assert_eq!(join(r"\\fs1\logs\"), r"\\fs1\logs\a.trn");
        assert_eq!(join(r"E:\"), r"E:\a.trn");
        assert_eq!(join("/"), "/a.trn");
        assert_eq!(join("/srv/logs/"), "/srv/logs/a.trn");
        for text in [
            "",
            "logs",
            r"\\fs1",
            r"\\fs1\",
            "E:",
            r"\\fs1\a|b",
            "a\u{0}b",
        ] {
            assert!(text.parse::<SharePath>().is_err(), "{text}");
        }
    }
}
