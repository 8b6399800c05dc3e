//! Whose log it is (`steps.md` 2). The creation date of the database tells it, and where several are
//! there, family and fork, as the backup instance reads them: plain headers do not have these. A
//! mirror's database was created by a restore, at another date, and is the same; another database of
//! the same name is not, wherever its LSNs lie.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::civil::DateTime;

use super::Folders;
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
    /// Other creation dates of which a set was found to be of the same database.
    pub ours: BTreeSet<DateTime>,
    /// What is not to be taken for its log, by the fingerprint of its file: why.
    pub strangers: HashMap<[u8; 32], String>,
    /// Creation dates of which it is not known yet, and a file of each that would tell.
    pub unclear: BTreeMap<DateTime, String>,
}

/// A set, and where the backup instance sees it.
type Placed<'a> = (&'a SharePath, &'a Arc<LogFile>);

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

    /// Asks the backup instance about a set of each creation date that is not the database's own, and
    /// about sets that compete: of two that overlap one may be of another database or fork. Asked of a
    /// set in the copy folder first: the instance need not reach a share.
    pub async fn ask(mut self, access: &Access, site: &Site, folders: &Folders, redo: Lsn) -> Self {
        let copies = folders.copies.seen();
        let sources = folders.sources.iter().filter_map(|(_, seen)| seen.seen());
        let all = copies.into_iter().chain(sources).flat_map(|folder| {
            let engine = &folder.engine;
            folder.sets().map(move |set| (engine, set))
        });
        let mut sets: Vec<Placed<'_>> = all
            .filter(|(_, set)| {
                let header = &set.header;
                header.kind == BackupKind::Log
                    && site.database.chat.is(&header.database)
                    && header.last_lsn > redo
            })
            .collect();
        let mut dates: BTreeMap<DateTime, Vec<Placed<'_>>> = BTreeMap::new();
        for it in &sets {
            let date = it.1.header.database_created;
            if self.created != Some(date) {
                dates.entry(date).or_default().push(*it);
            }
        }
        // Without a date of its own, one alone has nothing that competes with it.
        if self.created.is_some() || dates.len() > 1 {
            for (date, sets) in dates {
                self.ask_date(access, date, &sets).await;
            }
        }
        sets.sort_by_key(|(_, set)| (set.header.first_lsn, set.header.last_lsn, set.fingerprint));
        for it in competing(&sets) {
            if !self.strangers.contains_key(&it.1.fingerprint)
                && let Some(facts) = told(access, it).await
                && let Some(why) = self.stranger(&facts, true)
            {
                self.strangers.insert(it.1.fingerprint, why);
            }
        }
        self
    }

    /// One of a date that is ours speaks for all; one that is not speaks for itself.
    async fn ask_date(&mut self, access: &Access, date: DateTime, sets: &[Placed<'_>]) {
        let mut asked = 0;
        for it in sets {
            let Some(facts) = told(access, *it).await else {
                // What does not answer here may lie elsewhere too.
                asked += 1;
                if asked == TRIALS {
                    break;
                }
                continue;
            };
            let Some(why) = self.stranger(&facts, false) else {
                self.ours.insert(date);
                return;
            };
            self.strangers.insert(it.1.fingerprint, why);
        }
        let open = sets
            .iter()
            .find(|(_, set)| !self.strangers.contains_key(&set.fingerprint));
        if let Some((_, set)) = open {
            self.unclear.insert(date, set.path.clone());
        }
    }

    /// Whether a set of that creation date is taken for the database's, as far as dates tell.
    pub fn is_of(&self, date: DateTime) -> bool {
        self.created.is_none() || self.created == Some(date) || self.ours.contains(&date)
    }

    /// Why a set is none of the database's.
    fn stranger(&self, set: &SetHeader, competes: bool) -> Option<String> {
        if differ(self.family.as_ref(), set.family.as_ref()) {
            return Some("of another database of the same name: its family is another".to_owned());
        }
        let forks = [&set.first_fork, &set.fork];
        let other = (competes || self.family.is_none())
            && forks
                .iter()
                .all(|fork| differ(self.fork.as_ref(), fork.as_ref()));
        other.then(|| "of another recovery fork than the backup's database".to_owned())
    }
}

/// What the backup instance says of a set.
async fn told(access: &Access, (engine, set): Placed<'_>) -> Option<SetHeader> {
    let path = engine.join(name_of(&set.path));
    let facts = set_facts(access, &path, set.fingerprint, set.header.position).await;
    facts.seen().cloned()
}

/// Of sets in LSN order, those that overlap another one that is no copy of it.
fn competing<'a>(sets: &[Placed<'a>]) -> Vec<Placed<'a>> {
    let mut found = Vec::new();
    let mut longest: Option<Placed<'a>> = None;
    for it in sets {
        let header = &it.1.header;
        if let Some(other) = longest
            && header.first_lsn < other.1.header.last_lsn
            && header.first_lsn < header.last_lsn
            && it.1.fingerprint != other.1.fingerprint
        {
            found.extend([other, *it]);
        }
        if longest.is_none_or(|other| other.1.header.last_lsn <= header.last_lsn) {
            longest = Some(*it);
        }
    }
    found
}

/// Sets of one date that are asked for and do not answer before the others are not asked.
const TRIALS: usize = 3;

fn differ(one: Option<&String>, other: Option<&String>) -> bool {
    one.zip(other)
        .is_some_and(|(one, other)| !one.eq_ignore_ascii_case(other))
}

pub(super) fn name_of(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}
