//! Room for what B3 to B5 write: the backups on the shares, the files on the primary and its mirror
//! (`steps.md` 6.1, "disks"). Too little is found while chat still serves. What cannot be seen is
//! named and does not block: a site whose disks nobody can look at must still be able to fail back.

use serde::Serialize;

use crate::model::{Instance, Problem, Role};
use crate::step::observe::Observed;
use crate::step::observe::backups::{PlacedFile, placed_files};
use crate::step::observe::space::{Need, Volume, charge, share_room, volume_of, volumes};
use crate::step::placement::{Incoming, targets};
use crate::step::without_mirror::primary_side;
use crate::step::{Block, Context, Lift};

/// Interlock: a backup is written without empty pages, and may be smaller than the files.
const SHARE: &str = "share-room";

/// Interlock: a folder may be the mount point of a volume that no file lies on yet.
const DISK: &str = "disk-room";

/// What is to be written, and how much room there is.
#[derive(Debug, Serialize)]
pub(super) struct Room {
    /// O3 of the chat database in the second data center.
    files: Observed<Vec<PlacedFile>>,
    shares: Vec<Share>,
    sides: Vec<Side>,
    share_is_accepted: bool,
    disk_is_accepted: bool,
}

#[derive(Debug, Serialize)]
struct Share {
    /// What goes there.
    what: &'static str,
    path: String,
    free: Observed<u64>,
}

/// An instance of the first data center.
#[derive(Debug, Serialize)]
struct Side {
    role: Role,
    own: Observed<Vec<PlacedFile>>,
    volumes: Observed<Vec<Volume>>,
}

impl Share {
    /// Whether both seem to be folders of one volume: on one host, with the same room but for what is
    /// written at this moment.
    fn is_one_volume_with(&self, other: &Self) -> bool {
        let (Observed::Seen(mine), Observed::Seen(theirs)) = (&self.free, &other.free) else {
            return false;
        };
        host(&self.path) == host(&other.path) && mine.abs_diff(*theirs) <= mine.max(theirs) / 100
    }
}

/// Host of a UNC path, lower case; `None` for a folder of this machine.
fn host(path: &str) -> Option<String> {
    let rest = path.strip_prefix(r"\\")?;
    Some(rest.split('\\').next()?.to_lowercase())
}

impl Room {
    pub(super) async fn look(cx: Context<'_>) -> Self {
        let access = cx.access;
        let name = &cx.site.database.chat;
        let on = primary_side(cx).await;
        let has_mirror = on.contains(&Role::PrimaryMirror);
        let mut folders = vec![("the full backup", &cx.site.shares.backup)];
        if let Some(mirror) = cx.site.shares.mirror.as_ref().filter(|_| has_mirror) {
            folders.push(("the backup by the set-up of the mirror", mirror));
        }
        let mut shares = Vec::new();
        for (what, folder) in folders {
            shares.push(Share {
                what,
                path: folder.to_string(),
                free: share_room(access, folder.as_str(), cx.site.limits.query).await,
            });
        }
        let mut sides = Vec::new();
        for role in on {
            let instance = Instance::chat(role);
            sides.push(Side {
                role,
                own: placed_files(access, instance, name).await,
                volumes: volumes(access, instance).await,
            });
        }
        Self {
            files: placed_files(access, Instance::chat(Role::Backup), name).await,
            shares,
            sides,
            share_is_accepted: cx.terms.overrides(SHARE),
            disk_is_accepted: cx.terms.overrides(DISK),
        }
    }

    /// Where there is certainly too little.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let Some(files) = self.files.seen() else {
            return Vec::new();
        };
        let whole: u64 = files.iter().map(|file| file.bytes).sum();
        let mut blocks = Vec::new();
        for (index, share) in self.shares.iter().enumerate() {
            let before = self.shares[..index].iter();
            let together = before
                .filter(|other| other.is_one_volume_with(share))
                .count() as u64
                + 1;
            let whole = whole.saturating_mul(together);
            if let Observed::Seen(free) = share.free
                && free < whole
                && !self.share_is_accepted
            {
                let takes = if together > 1 {
                    "and the other backup, on one volume as it seems, take"
                } else {
                    "takes"
                };
                blocks.push(
                    Block::site(
                        SHARE,
                        format!(
                            "`{}` has {} free; {} {takes} up to {}, by the files of the chat database",
                            share.path,
                            gb(free),
                            share.what,
                            gb(whole)
                        ),
                        format!(
                            "make room there; or, if the pages in use fit, say so with --override {SHARE}=REASON"
                        ),
                    )
                    .lifted_by(Lift::Override),
                );
            }
        }
        for side in &self.sides {
            let Ok(needs) = self.needs(side, files) else {
                continue;
            };
            let short = needs.iter().filter(|need| need.room < need.bytes);
            for need in short.filter(|_| !self.disk_is_accepted) {
                blocks.push(
                    Block::site(
                        DISK,
                        format!(
                            "the volume `{}` of the {} has room for {}, and the files of the chat database that go there are {}",
                            need.mount,
                            side.role,
                            gb(need.room),
                            gb(need.bytes)
                        ),
                        format!(
                            "make room there: a restore makes the files as large as they are on the backup (3257); or, if their folder is a volume of its own, say so with --override {DISK}=REASON"
                        ),
                    )
                    .lifted_by(Lift::Override),
                );
            }
        }
        blocks
    }

    /// Where it cannot be told, a sentence each.
    pub(super) fn unseen(&self) -> Vec<String> {
        let files = match &self.files {
            Observed::Seen(files) => files,
            Observed::Unknown(why) => {
                return vec![format!("how large the chat database is: {why}")];
            }
            Observed::Absent => return vec!["how large the chat database is".to_owned()],
        };
        let mut unseen = Vec::new();
        for share in &self.shares {
            if let Some(why) = share.free.unknown() {
                unseen.push(format!("room on `{}`: {why}", share.path));
            }
        }
        for side in &self.sides {
            if let Err(why) = self.needs(side, files) {
                unseen.push(format!("room on the {}: {why}", side.role));
            }
        }
        unseen
    }

    /// What each volume of an instance has to take. Files of the chat database that lie there now are
    /// written over: their bytes count as room.
    fn needs(&self, side: &Side, files: &[PlacedFile]) -> Result<Vec<Need>, Problem> {
        let volumes = match &side.volumes {
            Observed::Seen(volumes) => volumes,
            Observed::Unknown(why) => return Err(why.clone()),
            Observed::Absent => return Err("no volume is told".into()),
        };
        if let Some(why) = side.own.unknown() {
            return Err(why.clone());
        }
        let incoming: Vec<Incoming<'_>> = files
            .iter()
            .map(|file| Incoming {
                name: &file.name,
                path: &file.path,
                log: file.log,
            })
            .collect();
        // The mirror's files go to the primary's paths; what it has of its own is dropped before.
        let primary = self.sides.iter().find(|side| side.role == Role::Primary);
        let paths = primary
            .and_then(|primary| targets(&incoming, primary.own.seen()?))
            .ok_or("where the files will lie is not known")?;
        let mut needs: Vec<Need> = Vec::new();
        for (file, path) in files.iter().zip(&paths) {
            let volume = volume_of(volumes, path)
                .ok_or_else(|| format!("no volume is told for `{path}`"))?;
            charge(&mut needs, volumes, volume, side.own.seen(), file.bytes);
        }
        Ok(needs)
    }
}

/// Bytes for people: `12.4 GB`, as Windows counts them.
pub(super) fn gb(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 30;
    if tenths < 10 {
        return format!("{} MB", bytes >> 20);
    }
    format!("{}.{} GB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, log: bool, bytes: u64) -> PlacedFile {
        PlacedFile {
            name: path.to_owned(),
            path: path.to_owned(),
            log,
            bytes,
        }
    }

    fn room(free: u64, mount: &str) -> Room {
        let own = vec![
            file(r"E:\data\mgc.mdf", false, 1 << 30),
            file(r"E:\log\mgc.ldf", true, 1 << 30),
        ];
        let volume = Volume {
            mount: mount.to_owned(),
            free,
        };
        Room {
            files: Observed::Seen(vec![
                file(r"D:\mgc.mdf", false, 50 << 30),
                file(r"D:\mgc.ldf", true, 10 << 30),
            ]),
            shares: Vec::new(),
            sides: vec![Side {
                role: Role::Primary,
                own: Observed::Seen(own),
                volumes: Observed::Seen(vec![volume]),
            }],
            share_is_accepted: false,
            disk_is_accepted: false,
        }
    }

    #[test]
    fn two_backups_on_one_volume_need_room_for_both() {
        let share = |path: &str, free| Share {
            what: "a backup",
            path: path.to_owned(),
            free: Observed::Seen(free),
        };
        let mut room = room(100 << 30, r"E:\");
        let mut short = |second: Share| {
            room.shares = vec![share(r"\\fs1\logs", 90 << 30), second];
            room.blocks().len()
        };
        assert_eq!(short(share(r"\\FS1\mirror", 90 << 30)), 1);
        assert_eq!(short(share(r"\\fs1\mirror", 70 << 30)), 0, "another volume");
        assert_eq!(short(share(r"\\fs2\mirror", 90 << 30)), 0, "another host");
        room.share_is_accepted = true;
        room.shares[1] = share(r"\\fs1\mirror", 90 << 30);
        assert!(room.blocks().is_empty());
    }

    #[test]
    fn a_folder_that_may_be_a_volume_of_its_own_can_be_accepted() {
        let mut room = room(1, r"e:\");
        assert_eq!(room.blocks().len(), 1);
        room.disk_is_accepted = true;
        assert!(room.blocks().is_empty());
    }

    #[test]
    fn own_files_that_cannot_be_seen_are_not_taken_for_none() {
        let mut room = room(1, r"e:\");
        room.sides[0].own = Observed::unseen("a reason");
        assert!(room.blocks().is_empty());
        assert!(room.unseen()[0].contains("a reason"));
    }

    #[test]
    fn files_that_are_written_over_make_room_and_one_byte_less_is_too_little() {
        assert_eq!(room(58 << 30, r"e:\").blocks(), Vec::new());
        let blocks = room((58 << 30) - 1, r"e:\").blocks();
        let why = blocks.first().expect("a block").why();
        assert!(why.contains(r"`e:\` of the primary"), "{why}");
        assert!(why.contains("59.9 GB") && why.contains("60.0 GB"), "{why}");
    }

    #[test]
    fn a_volume_that_is_not_told_is_named_and_does_not_block() {
        let room = room(1, r"F:\");
        assert_eq!(room.blocks(), Vec::new());
        let unseen = room.unseen();
        assert!(
            unseen[0].contains(r"no volume is told for `E:\data"),
            "{unseen:?}"
        );
    }

    #[test]
    fn bytes_are_told_in_gigabytes_from_one_on() {
        assert_eq!(gb(80 << 20), "80 MB");
        assert_eq!(gb((50 << 30) + (512 << 20)), "50.5 GB");
    }
}
