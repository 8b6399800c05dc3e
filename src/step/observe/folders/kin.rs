//! Whose log it is (`steps.md` 2). The creation date of the database tells it, and where several are
//! there, family and fork, as the backup instance reads them: plain headers do not have these. A
//! mirror's database was created by a restore, at another date, and is the same; another database of
//! the same name is not, wherever its LSNs lie.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::civil::DateTime;

use super::{File, Folders, chain};
use crate::access::Access;
use crate::model::chain::LogFile;
use crate::model::header::BackupKind;
use crate::model::{Lsn, SharePath};
use crate::site::Site;
use crate::step::observe::Observed;
use crate::step::observe::database::{RedoStart, Restored};
use crate::step::observe::sets::{Asked, SetHeader, sets_facts};

/// A set in all its copies: the fingerprint of its file, and its place there. What is said of one set
/// of a file is not said of the others: NOINIT is the default of BACKUP, and a file with a fixed name
/// may hold sets of two databases (`sql-server.md` 2.3).
pub(super) type Print = ([u8; 32], u16);

/// The print of a set.
pub(super) fn print(set: &LogFile) -> Print {
    (set.fingerprint, set.header.position)
}

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
    /// Sets that are not to be taken for its log: why.
    pub strangers: HashMap<Print, String>,
    /// Sets that cannot be applied: why. Unlike those of strangers their log is lost, and they count.
    pub unfit: HashMap<Print, String>,
    /// Creation dates of which it is not known yet, and a file of each that would tell.
    pub unclear: BTreeMap<DateTime, String>,
    /// Sets that their files hold alone, each the whole of it.
    pub alone: HashSet<Print>,
    /// Files of which it is not known whether they are stripes of one set, or copies with bytes of
    /// their own.
    pub rivals: Vec<String>,
}

/// A set, and where it lies.
#[derive(Clone, Copy)]
struct Placed<'a> {
    /// As the backup instance sees it.
    engine: &'a SharePath,
    file: &'a File,
    set: &'a LogFile,
}

impl Placed<'_> {
    fn print(&self) -> Print {
        print(self.set)
    }
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

    /// Asks the backup instance about a set of each creation date that is not the database's own, and
    /// about sets that compete: of two that overlap one may be of another database or fork. Asked of a
    /// set in the copy folder first: the instance need not reach a share.
    pub async fn ask(mut self, access: &Access, site: &Site, folders: &Folders, redo: Lsn) -> Self {
        let copies = folders.copies.seen();
        let sources = folders.sources.iter().filter_map(|(_, seen)| seen.seen());
        let all = copies.into_iter().chain(sources).flat_map(|folder| {
            let engine = &folder.engine;
            let sets = folder.sets();
            sets.map(move |(file, set)| Placed { engine, file, set })
        });
        let mut sets: Vec<Placed<'_>> = all
            .filter(|it| {
                let header = &it.set.header;
                header.kind == BackupKind::Log
                    && site.database.chat.is(&header.database)
                    && header.last_lsn > redo
            })
            .collect();
        let mut dates: BTreeMap<DateTime, Vec<Placed<'_>>> = BTreeMap::new();
        for it in &sets {
            let date = it.set.header.database_created;
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
        sets.sort_by_key(|it| (it.set.identity(), it.print()));
        let mut asked = competing(&sets, redo);
        let rivals = rivals(&sets);
        asked.extend(&rivals);
        let mut known: HashSet<_> = self.strangers.keys().copied().collect();
        asked.retain(|it| known.insert(it.print()));
        let mut untold = HashSet::new();
        for (it, told) in asked.iter().zip(told(access, &asked).await) {
            match told {
                Observed::Seen(facts) => match self.stranger(&facts, true) {
                    Some(why) => drop(self.strangers.insert(it.print(), why)),
                    None => drop(self.alone.insert(it.print())),
                },
                // A stripe.
                Observed::Absent => {}
                Observed::Unknown(_) => drop(untold.insert(it.print())),
            }
        }
        let unclear = rivals.iter().filter(|it| untold.contains(&it.print()));
        self.rivals = unclear.map(|it| it.set.path.clone()).collect();
        self.ask_ends(access, site, folders, redo).await;
        self
    }

    /// Asks about the first and the last set of the chain, until both can be applied: one that is
    /// damaged, of another family or on another fork is left out. Between them error 4330 guards.
    async fn ask_ends(&mut self, access: &Access, site: &Site, folders: &Folders, redo: Lsn) {
        loop {
            let chain = chain(site, folders, redo, self);
            let last = chain.sets.len().saturating_sub(1);
            let ends = chain.sets.iter().enumerate();
            let ends = ends.filter(|(at, _)| [0, last].contains(at));
            let mut found = Vec::new();
            for (at, set) in ends {
                let path = match (&set.in_copy, &set.source) {
                    (Some(name), _) => site.shares.copy_local.join(name),
                    // Where it does not read the share it tells once it is copied.
                    (None, Some(it)) if !access.headers.is_closed(it.folder.as_str()) => {
                        it.folder.join(&it.name)
                    }
                    (None, _) => continue,
                };
                let fingerprint = set.fingerprint;
                let asked = [(Asked { path, fingerprint }, set.position)];
                let told = sets_facts(access, &asked).await.pop();
                let first = (at == 0).then_some(redo);
                if let Some(Observed::Seen(facts)) = told
                    && let Some(why) = self.unfit(&facts, first)
                {
                    found.push(((fingerprint, set.position), why));
                }
            }
            if found.is_empty() {
                return;
            }
            self.unfit.extend(found);
        }
    }

    /// Why a set cannot be applied; `redo` where it would be the first.
    fn unfit(&self, set: &SetHeader, redo: Option<Lsn>) -> Option<String> {
        if set.damaged {
            return Some("damaged: the instance says so of its header".to_owned());
        }
        if differ(self.family.as_ref(), set.family.as_ref()) {
            return Some("of another database of the same name: its family is another".to_owned());
        }
        let fits = redo.is_none_or(|redo| self.fork_fits(set, redo));
        (!fits).then(|| {
            let from = set.fork_point;
            let from = from.map_or_else(String::new, |point| format!(" from LSN {point} on"));
            format!("on another recovery fork than the backup's database{from} (4330)")
        })
    }

    /// Whether a set goes on where the database stands: in one in which the fork changes, on the old
    /// fork up to the fork point, and on the new one from there (`sql-server.md` 2.3).
    fn fork_fits(&self, set: &SetHeader, redo: Lsn) -> bool {
        let is = |fork: &Option<String>| !differ(self.fork.as_ref(), fork.as_ref());
        match set.fork_point {
            Some(point) if differ(set.first_fork.as_ref(), set.fork.as_ref()) => {
                redo <= point && is(&set.first_fork) || redo >= point && is(&set.fork)
            }
            Some(_) | None => is(&set.first_fork),
        }
    }

    /// One of a date that is ours speaks for all; one that is not speaks for itself.
    async fn ask_date(&mut self, access: &Access, date: DateTime, sets: &[Placed<'_>]) {
        let mut asked = 0;
        for it in sets {
            let told = told(access, std::slice::from_ref(it)).await.pop();
            let Some(Observed::Seen(facts)) = told else {
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
            self.strangers.insert(it.print(), why);
        }
        let open = sets
            .iter()
            .find(|it| !self.strangers.contains_key(&it.print()));
        if let Some(it) = open {
            self.unclear.insert(date, it.set.path.clone());
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

/// What the backup instance says of sets. Nothing of one that its file does not hold alone.
async fn told(access: &Access, sets: &[Placed<'_>]) -> Vec<Observed<SetHeader>> {
    let asked: Vec<(Asked, u16)> = sets
        .iter()
        .map(|it| {
            let asked = Asked {
                path: it.engine.join(&it.file.name),
                fingerprint: it.set.fingerprint,
            };
            (asked, it.set.header.position)
        })
        .collect();
    sets_facts(access, &asked).await
}

/// Of sets in LSN order, those that overlap another one that is no copy of it, or what is applied.
fn competing<'a>(sets: &[Placed<'a>], redo: Lsn) -> Vec<Placed<'a>> {
    let applied = sets.iter().filter(|it| it.set.header.first_lsn < redo);
    let mut found: Vec<_> = applied.copied().collect();
    let mut longest: Option<Placed<'a>> = None;
    for it in sets {
        let header = &it.set.header;
        if let Some(other) = longest
            && header.first_lsn < other.set.header.last_lsn
            && header.first_lsn < header.last_lsn
            && it.print() != other.print()
        {
            found.extend([other, *it]);
        }
        if longest.is_none_or(|other| other.set.header.last_lsn <= header.last_lsn) {
            longest = Some(*it);
        }
    }
    found
}

/// Of sets in their order, those that are told by the same LSNs and start as another of other bytes:
/// stripes of one backup, or its second copy (MIRROR TO), which has a media header of its own.
fn rivals<'a>(sets: &[Placed<'a>]) -> Vec<Placed<'a>> {
    sets.chunk_by(|a, b| a.set.identity() == b.set.identity())
        .filter(|same| {
            let print = |it: &Placed<'_>| it.set.fingerprint;
            same.iter().any(|it| print(it) != print(&same[0]))
        })
        .flatten()
        .copied()
        .collect()
}

/// Sets of one date that are asked for and do not answer before the others are not asked.
const TRIALS: usize = 3;

fn differ(one: Option<&String>, other: Option<&String>) -> bool {
    one.zip(other)
        .is_some_and(|(one, other)| !one.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::sample::{lsn, set_facts};

    #[test]
    fn a_set_fits_by_its_fork_point_and_by_nothing_that_is_not_known() {
        let kin = Kin {
            family: Some("FAMILY".to_owned()),
            fork: Some("FORK".to_owned()),
            ..Kin::default()
        };
        let forked = |first: &str, last: &str, point: Option<u16>| SetHeader {
            first_fork: Some(first.to_owned()),
            fork: Some(last.to_owned()),
            fork_point: point.map(lsn),
            ..set_facts()
        };
        for (set, fits) in [
            (set_facts(), true),
            (forked("fork", "fork", None), true),
            (forked("OTHER", "OTHER", None), false),
            (forked("FORK", "NEW", Some(19)), true),
            (forked("FORK", "NEW", Some(15)), true),
            (forked("FORK", "NEW", Some(14)), false),
            (forked("OLD", "FORK", Some(14)), true),
            (forked("OLD", "FORK", Some(15)), true),
            (forked("OLD", "FORK", Some(16)), false),
            // A server that says where and not that it changes.
            (forked("FORK", "FORK", Some(12)), true),
        ] {
            let why = kin.unfit(&set, Some(lsn(15)));
            assert_eq!(why.is_none(), fits, "{set:?}");
            // Of one that is not the first, the error of the RESTORE tells.
            assert_eq!(kin.unfit(&set, None), None);
            assert_eq!(Kin::default().unfit(&set, Some(lsn(15))), None);
        }
        let damaged = SetHeader {
            damaged: true,
            ..set_facts()
        };
        let foreign = SetHeader {
            family: Some("OTHER".to_owned()),
            ..set_facts()
        };
        for (set, word) in [(damaged, "damaged"), (foreign, "family")] {
            let why = kin.unfit(&set, None);
            assert!(why.as_ref().is_some_and(|it| it.contains(word)), "{why:?}");
        }
    }
}
