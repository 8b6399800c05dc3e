//! Why nothing may be written over.

use super::Facts;
use crate::model::Role;
use crate::model::states::DatabaseState;
use crate::step::observe::Observed;
use crate::step::shared::one_instance;
use crate::step::without_mirror::interlock;
use crate::step::{Block, Step};

/// Versions: an older primary cannot restore (3169), a newer one can never ship back (`steps.md` 6.6).
pub(super) fn version_blocks(facts: &Facts) -> Vec<Block> {
    let Some(primary) = facts.primary.seen() else {
        return Vec::new();
    };
    let mut blocks = Vec::new();
    let named = facts
        .others
        .iter()
        .filter_map(|(role, it)| Some((*role, it.seen()?.server_name.as_str())));
    blocks.extend(one_instance(
        std::iter::once((Role::Primary, primary.server_name.as_str())).chain(named),
    ));
    for (role, other) in &facts.others {
        match other {
            Observed::Seen(other) if other.major != primary.major => blocks.push(Block::site(
                "versions-differ",
                format!(
                    "the primary is SQL Server {}, the {role} {}",
                    primary.version, other.version
                ),
                "a backup never goes to an older version (3169), and log shipping must go both ways: bring all to one version",
            )),
            Observed::Seen(_) => {}
            Observed::Unknown(why) if *role == Role::PrimaryMirror => {
                let about = format!("the version of the {role} cannot be seen");
                blocks.push(interlock(why.about(about)));
            }
            Observed::Absent | Observed::Unknown(_) => blocks.push(Block::site(
                "version-unknown",
                format!("the version of the {role} cannot be seen"),
                "see that it is up and reachable from here",
            )),
        }
    }
    if !primary.sysadmin {
        blocks.push(Block::site(
            "not-sysadmin",
            "we are not sysadmin on the primary",
            "sign in as a member of sysadmin there",
        ));
    }
    blocks
}

/// What stands on the primary may be written over.
pub(super) fn target_blocks(facts: &Facts) -> Vec<Block> {
    let Some(row) = facts.row() else {
        return vec![Block::site(
            "not-installed",
            "the primary has no chat database",
            "install it there with Topology Builder (Install-CsDatabase), as the vendor's page assumes: its files say where the restored ones go",
        )];
    };
    let mut blocks = facts.holders.blocks();
    if row.mirroring.is_some() {
        blocks.push(
            Block::site(
                "primary-mirrored",
                "the primary's chat database is mirrored: a restore is refused (3104)",
                "run `retire-old-primary` first",
            )
            .cleared_by(Step::RetireOldPrimary),
        );
    }
    if row.serves() {
        // Before B3 there is no file yet, and the database that it will hold says its family.
        let ours = facts
            .full_set()
            .and_then(|set| set.family.as_ref())
            .or(facts.backup_family.as_ref());
        let theirs = facts.lineage.seen().and_then(|it| it.family.as_ref());
        let same = ours
            .zip(theirs)
            .is_none_or(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs));
        let holds = same || !facts.content.is_absent();
        if holds && facts.archive_verified.seen().is_none() {
            blocks.push(
                Block::site(
                    "not-kept",
                    "the primary's chat database is no fresh installation, and what it holds is not kept",
                    "run `retire-old-primary` first",
                )
                .cleared_by(Step::RetireOldPrimary),
            );
        }
    }
    blocks
}

/// What is restored is there, and can be read there.
pub(super) fn full_blocks(facts: &Facts) -> Vec<Block> {
    let mut blocks = Vec::new();
    if facts.full_set().is_none() {
        blocks.push(
            Block::site(
                "no-full-backup",
                "the primary does not see this run's full backup",
                "run `back-up-database` first",
            )
            .cleared_by(Step::BackUpDatabase),
        );
    }
    let thumbprints = facts
        .full_set()
        .and_then(|set| set.encryptor.as_ref())
        .into_iter()
        .chain(
            facts
                .listed
                .seen()
                .into_iter()
                .flatten()
                .filter_map(|file| file.thumbprint.as_ref()),
        )
        .chain(facts.encryptor.seen());
    for thumbprint in thumbprints {
        let without: Vec<String> = facts
            .certificates
            .iter()
            .filter(|(_, there)| {
                let there = there.seen().map_or(&[][..], Vec::as_slice);
                !there.iter().any(|it| it.eq_ignore_ascii_case(thumbprint))
            })
            .map(|(role, _)| format!("the {role}"))
            .collect();
        if !without.is_empty() {
            // One is enough to say it.
            blocks.extend(facts.wanted.certificate_block(thumbprint, &without));
            break;
        }
    }
    blocks
}

/// The backup's database is not closed.
pub(super) fn closed_block(facts: &Facts) -> Option<Block> {
    let closed = match &facts.backup {
        Observed::Seen(row) => row.state == DatabaseState::Restoring && row.mirroring.is_none(),
        Observed::Absent | Observed::Unknown(_) => false,
    };
    (facts.tail_set().is_none() || !closed).then(|| {
        Block::site(
            "backup-not-closed",
            "the backup's chat database is not closed by this run's end of the log: there would be two writable ones",
            "run `fence-backup` first; this cannot be overridden",
        )
        .cleared_by(Step::FenceBackup)
    })
}
