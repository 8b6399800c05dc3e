//! Where named instances were last seen. In a disaster no SQL Server Browser may answer any more, and
//! without a port nobody can say whether an instance is dead (`design.md` 3, rule 16).

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::configuration::key;
use crate::access::Access;
use crate::model::document::Unread;
use crate::model::{Document, Instance, SqlServer};
use crate::run::archive::{Archive, Kept};
use crate::site::Site;

/// What [`Document::Ports`] holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ports {
    /// By the instance, as the site file writes it.
    ports: BTreeMap<String, u16>,
}

impl Ports {
    fn read(bytes: &[u8]) -> Result<Self, Unread> {
        Document::Ports.read(bytes)
    }
}

/// The instances whose port only a browser tells.
fn named(site: &Site) -> impl Iterator<Item = (Instance, &SqlServer)> {
    let all = site.sql.instances.iter();
    all.filter(|(_, server)| server.port.is_none() && server.instance.is_some())
        .map(|(instance, server)| (*instance, server))
}

fn copies(site: &Site, archive: &Archive) -> Kept<Ports> {
    archive.kept_of_site(&key(site), Document::Ports, Ports::read)
}

/// The ports at which the named instances of a site were last seen. One that cannot be read is one
/// that is not known: then the interlock says so.
pub(super) fn known(site: &Site, archive: &Archive) -> BTreeMap<Instance, u16> {
    let kept = copies(site, archive).first().cloned().unwrap_or_default();
    named(site)
        .filter_map(|(instance, server)| Some((instance, *kept.ports.get(&server.to_string())?)))
        .collect()
}

/// Keeps the ports that were found in this look, beside those of instances that were not seen.
///
/// # Errors
/// When one of the two copies cannot be written.
pub(super) fn keep(site: &Site, access: &Access, archive: &Archive) -> io::Result<()> {
    let found: BTreeMap<String, u16> = named(site)
        .filter_map(|(instance, server)| Some((server.to_string(), access.sql.port(instance)?)))
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    let copies = copies(site, archive);
    let mut all = copies.first().cloned().unwrap_or_default();
    all.ports.extend(found);
    if copies.read.len() == 2 && copies.read.iter().all(|kept| *kept == all) {
        return Ok(());
    }
    let bytes = Document::Ports.write(&all)?;
    archive.keep_of_site(&key(site), Document::Ports, &bytes)
}

/// What is said where [`keep`] fails: a look at a site does not fail for it.
pub(super) fn not_kept(error: &io::Error) -> String {
    format!("the ports of the named instances are not kept in both places: {error}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// As the first version wrote it.
    const FROZEN: &str = r#"{
  "version": 1,
  "program": "pchadr 0.1.0",
  "ports": {
    "sql1.dc1.litwareinc.com\\chat": 50123
  }
}
"#;

    #[test]
    fn the_port_that_was_kept_is_known_again_and_of_named_instances_only() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = folder.path().join("mirror");
        let archive = Archive::new(&folder.path().join("state"), mirror.to_str().unwrap());
        let site = Site::parse(crate::site::EXAMPLE, "site.toml", folder.path()).unwrap();
        assert!(known(&site, &archive).is_empty());
        let kept = archive.keep_of_site(&key(&site), Document::Ports, FROZEN.as_bytes());
        kept.unwrap();
        let primary = Instance::chat(crate::model::Role::Primary);
        assert_eq!(known(&site, &archive), BTreeMap::from([(primary, 50123)]));
        let read = Ports::read(FROZEN.as_bytes()).unwrap();
        assert_eq!(Document::Ports.write(&read).unwrap(), FROZEN.as_bytes());
    }
}
