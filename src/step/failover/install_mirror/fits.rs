//! Whether the database fits on the backup mirror: room on its volumes, and the certificate of an
//! encrypted one. Found out before anything is touched, for what is missing takes hours to get. What
//! cannot be seen is named and does not block.

use serde::Serialize;

use crate::model::words::size;
use crate::model::{Instance, Problem, Role};
use crate::step::observe::Observed;
use crate::step::observe::backups::{PlacedFile, placed_files};
use crate::step::observe::space::{
    Need, Volume, certificates, charge, encryptor, volume_of, volumes,
};
use crate::step::{Block, Context, Standing};

/// What goes to the backup mirror, and what it has. The files go to the paths that they have on the
/// backup (`sql-server.md` 6.3).
#[derive(Debug, Serialize)]
pub(super) struct Fits {
    files: Observed<Vec<PlacedFile>>,
    /// Files of a copy that is there already: they are written over.
    own: Observed<Vec<PlacedFile>>,
    volumes: Observed<Vec<Volume>>,
    encryptor: Observed<String>,
    certificates: Observed<Vec<String>>,
}

impl Fits {
    pub(super) async fn look(cx: Context<'_>) -> Self {
        let (access, name) = (cx.access, &cx.site.database.chat);
        let [backup, mirror] = [Role::Backup, Role::BackupMirror].map(Instance::chat);
        Self {
            files: placed_files(access, backup, name).await,
            own: placed_files(access, mirror, name).await,
            volumes: volumes(access, mirror).await,
            encryptor: encryptor(access, backup, name).await,
            certificates: certificates(access, mirror).await,
        }
    }

    /// The standing of a mirror that is still to be set up, with what does not fit and what cannot be
    /// told.
    pub(super) fn add_to(&self, standing: Standing) -> Standing {
        match standing {
            Standing::Pending {
                mut what,
                underway: false,
            } => Standing::unless(self.blocks(), || {
                for unseen in self.unseen() {
                    what = format!("{what}; cannot be seen: {unseen}");
                }
                Standing::pending(what)
            }),
            Standing::Blocked { mut blocks } => {
                blocks.extend(self.blocks());
                Standing::Blocked { blocks }
            }
            other @ (Standing::Pending { underway: true, .. }
            | Standing::Satisfied { .. }
            | Standing::Unknown(_)) => other,
        }
    }

    /// What certainly does not fit.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let needs = self.needs().unwrap_or_default();
        let mut blocks: Vec<Block> = needs
            .iter()
            .filter(|need| need.room < need.bytes)
            .map(|need| {
                Block::site(
                    "mirror-room",
                    format!(
                        "the volume `{}` of the backup mirror has room for {}, and the files of the chat database that go there are {}",
                        need.mount,
                        size(need.room),
                        size(need.bytes)
                    ),
                    "make room there: a mirror has files as large as its principal's, at the same paths",
                )
            })
            .collect();
        if let (Some(wanted), Some(known)) = (self.encryptor.seen(), self.certificates.seen())
            && !known.iter().any(|it| it.eq_ignore_ascii_case(wanted))
        {
            blocks.push(Block::site(
                "mirror-certificate",
                format!(
                    "the chat database is encrypted, and the backup mirror lacks its certificate, thumbprint {wanted}"
                ),
                "restore that certificate with its private key in master there",
            ));
        }
        blocks
    }

    /// What cannot be told, a sentence each.
    pub(super) fn unseen(&self) -> Vec<String> {
        let mut unseen = Vec::new();
        if let Err(why) = self.needs() {
            unseen.push(format!("room on the backup mirror: {why}"));
        }
        if self.encryptor.seen().is_some()
            && let Some(why) = self.certificates.unknown()
        {
            unseen.push(format!("certificates of the backup mirror: {why}"));
        }
        unseen
    }

    /// What each volume of the mirror has to take.
    fn needs(&self) -> Result<Vec<Need>, Problem> {
        let told = |observed: Option<&Problem>, what: &str| {
            observed.cloned().unwrap_or_else(|| what.to_owned().into())
        };
        let files = self.files.seen();
        let files = files.ok_or_else(|| told(self.files.unknown(), "no file is told"))?;
        let volumes = self.volumes.seen();
        let volumes = volumes.ok_or_else(|| told(self.volumes.unknown(), "no volume is told"))?;
        if let Some(why) = self.own.unknown() {
            return Err(why.clone());
        }
        let mut needs: Vec<Need> = Vec::new();
        for file in files {
            // Only volumes that hold a database file are told of.
            let volume = volume_of(volumes, &file.path).ok_or_else(|| {
                format!("whether it has the volume of `{}` is not told", file.path)
            })?;
            charge(&mut needs, volumes, volume, self.own.seen(), file.bytes);
        }
        Ok(needs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    fn file(path: &str, bytes: u64) -> PlacedFile {
        PlacedFile {
            name: path.to_owned(),
            path: path.to_owned(),
            log: false,
            bytes,
        }
    }

    fn fits(free: u64) -> Fits {
        Fits {
            files: Observed::Seen(vec![file(r"E:\mgc.mdf", 50 * GB), file(r"E:\mgc.ldf", GB)]),
            own: Observed::Seen(vec![file(r"e:\old.mdf", 2 * GB)]),
            volumes: Observed::Seen(vec![Volume {
                mount: r"E:\".to_owned(),
                free,
            }]),
            encryptor: Observed::Absent,
            certificates: Observed::Seen(Vec::new()),
        }
    }

    #[test]
    fn a_mirror_without_room_is_found_and_a_copy_that_is_written_over_makes_room() {
        assert_eq!(fits(49 * GB).blocks(), Vec::new());
        let blocks = fits(49 * GB - 1).blocks();
        let whys: Vec<String> = blocks.iter().map(Block::why).collect();
        assert!(
            matches!(whys.as_slice(), [why] if why.contains(r"`E:\` of the backup mirror")),
            "{whys:?}"
        );
    }

    #[test]
    fn a_volume_that_is_not_told_of_is_named_and_does_not_block() {
        let mut fits = fits(0);
        fits.files = Observed::Seen(vec![file(r"F:\mgc.mdf", GB)]);
        assert_eq!(fits.blocks(), Vec::new());
        let unseen = fits.unseen();
        assert!(
            unseen[0].contains(r"the volume of `F:\mgc.mdf`"),
            "{unseen:?}"
        );
    }

    #[test]
    fn a_mirror_without_the_certificate_of_an_encrypted_database_is_found() {
        let mut fits = fits(60 * GB);
        fits.encryptor = Observed::Seen("0xAB".to_owned());
        assert!(fits.blocks()[0].why().contains("0xAB"));
        fits.certificates = Observed::Seen(vec!["0xab".to_owned()]);
        assert_eq!(fits.blocks(), Vec::new());
        fits.certificates = Observed::unseen("denied");
        assert_eq!(fits.blocks(), Vec::new());
        assert!(fits.unseen()[0].contains("denied"));
    }
}
