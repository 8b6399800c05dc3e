//! What stays: the chat database that serves in the second data center. What is closed must not be the
//! only one of its family; nothing overrides that.

use serde::Serialize;

use crate::model::{Instance, Role};
use crate::step::observe::instance::identity;
use crate::step::observe::writable::Writable;
use crate::step::shared::one_instance;
use crate::step::{Block, Context};

/// The second data center, and who answers for which role.
#[derive(Debug, Serialize)]
pub(super) struct Survivor {
    serves: Vec<Writable>,
    names: Vec<(Role, String)>,
}

impl Survivor {
    pub(super) async fn look(cx: Context<'_>) -> Self {
        let mut serves = Vec::new();
        for role in [Role::Backup, Role::BackupMirror] {
            serves.extend(Writable::at(cx.site, cx.access, role).await);
        }
        let mut names = Vec::new();
        for role in Role::ALL {
            let at = Instance::chat(role);
            if cx.access.sql.has(at)
                && let Some(it) = identity(cx.access, at).await.seen()
            {
                names.push((role, it.server_name.clone()));
            }
        }
        Self { serves, names }
    }

    /// Why nothing may be taken away from the first data center.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let names = self.names.iter().map(|(role, name)| (*role, name.as_str()));
        let mut blocks: Vec<Block> = one_instance(names).into_iter().collect();
        if self.serves.is_empty() {
            blocks.push(Block::site(
                "only-one",
                "no chat database is seen to serve in the second data center: the one that would be closed may be the only one",
                "see where each stands with `pchadr status`; this cannot be overridden",
            ));
        }
        blocks
    }

    /// Why this one must not be closed.
    pub(super) fn block(&self, of: &Writable) -> Option<Block> {
        if self.serves.is_empty() || self.serves.iter().any(|it| it.is_kin(of)) {
            return None;
        }
        let family = if of.family.is_some() {
            "is of another family than what serves in the second data center, and holds messages"
        } else {
            "does not show its family"
        };
        Some(Block::site(
            "other-family",
            format!(
                "the chat database of the {} {family}: it may be the only one of its own",
                of.role
            ),
            "see what it is and who uses it; keep what it holds, then take it OFFLINE by hand",
        ))
    }

    /// True for a fresh installation, which is left alone.
    pub(super) fn is_fresh(&self, of: &Writable) -> bool {
        of.empty && !self.serves.iter().any(|it| it.is_kin(of))
    }
}
