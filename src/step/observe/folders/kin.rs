//! Whose log it is (`steps.md` 2). The creation date of the database tells it, and where several are
//! there, family and fork, as the backup instance reads them: plain headers do not have these. A
//! mirror's database was created by a restore, at another date, and is the same; another database of
//! the same name is not, wherever its LSNs lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::DateTime;

use super::{Folders, Observed};
use crate::access::Access;
use crate::model::chain::LogFile;
use crate::model::header::BackupKind;
use crate::model::{Lsn, SharePath};
use crate::site::Site;
use crate::step::observe::database::{RedoStart, Restored};
use crate::step::observe::sets::{SetHeader, set_facts};

/// What is known of the backup's database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kin {
    /// When the source's database was created, by the set that was restored last.
    pub created: Option<DateTime>,
    /// Its family.
    pub family: Option<String>,
    /// The fork on which its log goes on.
    pub fork: Option<String>,
    /// What is not to be taken for its log, by creation date: why.
    pub strangers: BTreeMap<DateTime, String>,
    /// Creation dates of which it is not known yet, and a file of each that would tell.
    pub unclear: BTreeMap<DateTime, String>,
}

impl Kin {
    /// By the restore history and the redo start.
    pub fn of(history: &[Restored], redo: &RedoStart) -> Self {
        Self {
            created: history.iter().find_map(|row| row.created),
            family: history.iter().find_map(|row| row.family.clone()),
            fork: redo.fork.clone(),
            ..Self::default()
        }
    }

    /// Asks the backup instance about one set of each creation date that is not the database's own.
    /// Asked of a set in the copy folder first: the instance need not reach a share.
    pub async fn ask(mut self, access: &Access, site: &Site, folders: &Folders, redo: Lsn) -> Self {
        let mut dates: BTreeMap<DateTime, Vec<(&SharePath, &Arc<LogFile>)>> = BTreeMap::new();
        let copies = folders.copies.seen();
        let sources = folders.sources.iter().filter_map(|(_, seen)| seen.seen());
        for folder in copies.into_iter().chain(sources) {
            for set in folder.sets() {
                let header = &set.header;
                let ours = header.kind == BackupKind::Log
                    && site.database.chat.is(&header.database)
                    && header.last_lsn > redo;
                if ours && self.created != Some(header.database_created) {
                    let sets = dates.entry(header.database_created).or_default();
                    sets.push((&folder.engine, set));
                }
            }
        }
        if self.created.is_none() && dates.len() < 2 {
            // Nothing competes with it.
            return self;
        }
        for (date, sets) in dates {
            let mut told = None;
            // Copies of one set, and the first sets of a few folders: one answer is enough.
            for (engine, set) in sets.iter().take(3) {
                let path = engine.join(name_of(&set.path));
                let facts = set_facts(access, &path, set.fingerprint, set.header.position).await;
                if let Observed::Seen(facts) = facts {
                    told = Some(facts);
                    break;
                }
            }
            match told.as_ref().map(|set| self.stranger(set)) {
                Some(Some(why)) => {
                    self.strangers.insert(date, why);
                }
                Some(None) => {}
                None => {
                    let file = sets.first().map(|(_, set)| set.path.clone());
                    self.unclear.insert(date, file.unwrap_or_default());
                }
            }
        }
        self
    }

    /// Why a set is none of the database's.
    fn stranger(&self, set: &SetHeader) -> Option<String> {
        if differ(self.family.as_ref(), set.family.as_ref()) {
            return Some("of another database of the same name: its family is another".to_owned());
        }
        let forks = [&set.first_fork, &set.fork];
        let other = self.family.is_none()
            && forks
                .iter()
                .all(|fork| differ(self.fork.as_ref(), fork.as_ref()));
        other.then(|| "of another recovery fork than the backup's database".to_owned())
    }
}

fn differ(one: Option<&String>, other: Option<&String>) -> bool {
    one.zip(other)
        .is_some_and(|(one, other)| !one.eq_ignore_ascii_case(other))
}

pub(super) fn name_of(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}
