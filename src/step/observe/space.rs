//! Room on disks and shares, and certificates: what a restore needs beside its backup.
//!
//! `steps.md` names the checks, no page of the reference the reads: what they do not answer is
//! unknown, and said.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backups::PlacedFile;
use super::{Observed, every, first, table};
use crate::access::Access;
use crate::access::sql::Query;
use crate::model::{DatabaseName, Instance};

/// A volume of an instance's machine on which database files lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Where it is mounted, as `E:\`.
    pub mount: String,
    /// Bytes left.
    pub free: u64,
}

/// Volumes that hold database files. One whose mount point the system does not tell is left out.
pub async fn volumes(access: &Access, instance: Instance) -> Observed<Vec<Volume>> {
    let query = Query::plain(include_str!("../../sql/volumes.sql"));
    let rows = every(table(access, instance, query).await, |row| {
        Some(Volume {
            mount: row.text("volume_mount_point").unwrap_or_default(),
            free: u64::try_from(row.int("available_bytes")?).ok()?,
        })
    });
    rows.map(|mut rows| {
        rows.retain(|row| !row.mount.is_empty());
        rows.sort_by(|a, b| a.mount.cmp(&b.mount));
        rows.dedup_by(|a, b| a.mount == b.mount);
        rows
    })
}

/// The volume on which a file lies.
pub fn volume_of<'a>(volumes: &'a [Volume], path: &str) -> Option<&'a Volume> {
    let path = path.to_lowercase();
    volumes
        .iter()
        .filter(|volume| path.starts_with(&volume.mount.to_lowercase()))
        .max_by_key(|volume| volume.mount.len())
}

/// What goes to one volume.
pub struct Need {
    /// Where it is mounted.
    pub mount: String,
    /// Bytes left there, with those of files that are written over.
    pub room: u64,
    /// Bytes that go there.
    pub bytes: u64,
}

/// Adds a file of so many bytes to what goes to its volume. `own` are the files of the database that
/// lie on the instance now: they are written over.
pub fn charge(
    needs: &mut Vec<Need>,
    volumes: &[Volume],
    volume: &Volume,
    own: Option<&Vec<PlacedFile>>,
    bytes: u64,
) {
    let at = needs.iter().position(|need| need.mount == volume.mount);
    let at = at.unwrap_or_else(|| {
        let own = own.into_iter().flatten();
        let here = own.filter(|own| volume_of(volumes, &own.path) == Some(volume));
        needs.push(Need {
            mount: volume.mount.clone(),
            room: volume.free + here.map(|own| own.bytes).sum::<u64>(),
            bytes: 0,
        });
        needs.len() - 1
    });
    needs[at].bytes += bytes;
}

/// Bytes left on a share, as this machine is told. One that hangs is unknown after the limit: nobody
/// waits for a remark.
pub async fn share_room(access: &Access, folder: &str, limit: Duration) -> Observed<u64> {
    match tokio::time::timeout(limit, access.shares.free(folder)).await {
        Ok(Ok(free)) => Observed::Seen(free),
        Ok(Err(error)) => Observed::unseen(&error),
        Err(_) => Observed::unseen(format!("no answer within {} s", limit.as_secs())),
    }
}

/// Thumbprint of the certificate that a database's encryption key is encrypted by; absent where the
/// database has none.
pub async fn encryptor(
    access: &Access,
    instance: Instance,
    name: &DatabaseName,
) -> Observed<String> {
    let query = Query::of(include_str!("../../sql/encryption.sql"), name.as_str());
    first(table(access, instance, query).await, |row| {
        row.text("encryptor_thumbprint")
    })
}

/// Thumbprints of an instance's certificates. One without its private key decrypts nothing.
pub async fn certificates(access: &Access, instance: Instance) -> Observed<Vec<String>> {
    let query = Query::plain(include_str!("../../sql/certificates.sql"));
    every(table(access, instance, query).await, |row| {
        row.text("thumbprint")
    })
}
