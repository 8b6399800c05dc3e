//! The chains that a heap of files holds.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::DateTime;

use super::build::Members;
use super::{LogChain, LogFile, build};
use crate::model::Lsn;
use crate::model::header::BackupKind;

/// The log chains of files, each with the name of its database, by name and LSN: one for a name
/// (compared without case), from its lowest `FirstLSN`. Sets of a database created at another date
/// are a chain of their own, unless their lowest `FirstLSN` is the `LastLSN` of one of the others (the
/// mirror partner's database was created by a restore). Full and differential backups are left out
/// of the chain of their database; without any log backup it has none.
pub fn survey(files: &[LogFile]) -> Vec<(String, LogChain)> {
    let mut names: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        let name = file.header.database.to_lowercase();
        names.entry(name).or_default().push(index);
    }
    let mut chains = Vec::new();
    for members in names.into_values() {
        for part in parts(files, members) {
            let name = part
                .iter()
                .map(|file| &files[*file])
                .min_by_key(|it| (it.header.first_lsn, &it.header.database))
                .map(|it| it.header.database.clone())
                .unwrap_or_default();
            chains.push((
                name,
                build::build(files, Members::plain(part), None, None, Vec::new()),
            ));
        }
    }
    chains
}

/// Log backups whose databases were created at one date, or that join.
struct Part {
    created: HashSet<DateTime>,
    ends: HashSet<Lsn>,
    files: Vec<usize>,
}

/// Divides the files of one name.
fn parts(files: &[LogFile], members: Vec<usize>) -> Vec<Vec<usize>> {
    let (logs, others): (Vec<usize>, Vec<usize>) = members
        .into_iter()
        .partition(|file| files[*file].header.kind == BackupKind::Log);

    let mut by_date: HashMap<DateTime, Vec<usize>> = HashMap::new();
    for file in logs {
        let created = files[file].header.database_created;
        by_date.entry(created).or_default().push(file);
    }
    let lowest = |group: &[usize]| group.iter().map(|it| files[*it].header.first_lsn).min();
    let mut groups: Vec<_> = by_date
        .into_iter()
        .map(|(created, group)| (lowest(&group), created, group))
        .collect();
    groups.sort_unstable();

    let mut parts: Vec<Part> = Vec::new();
    for (first, created, group) in groups {
        let ends = group.iter().map(|file| files[*file].header.last_lsn);
        let joined = parts
            .iter_mut()
            .find(|part| first.is_some_and(|first| part.ends.contains(&first)));
        if let Some(part) = joined {
            part.created.insert(created);
            part.ends.extend(ends);
            part.files.extend(group);
        } else {
            parts.push(Part {
                created: HashSet::from([created]),
                ends: ends.collect(),
                files: group,
            });
        }
    }
    for file in others {
        let created = files[file].header.database_created;
        let own = parts.iter().position(|it| it.created.contains(&created));
        if let Some(part) = parts.get_mut(own.unwrap_or(0)) {
            part.files.push(file);
        }
    }
    parts.into_iter().map(|part| part.files).collect()
}
