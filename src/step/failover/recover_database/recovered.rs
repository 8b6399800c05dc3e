//! The backup's chat database, once it was recovered.

use super::primary::{self, primary_blocks};
use super::{BackupDatabase, Facts};
use crate::model::Remedy;
use crate::model::words::count;
use crate::step::observe::Observed;
use crate::step::{Block, Standing};

/// It was recovered: is it as it should be? Owner, TRUSTWORTHY, broker and users are only reported.
pub(super) fn judge_recovered(facts: &Facts) -> Standing {
    let Some(row) = facts.row() else {
        return Standing::unknown("the database");
    };
    let in_service = facts.class() == BackupDatabase::InService;
    if !in_service {
        // A primary that came back before the pool changed sides: two writable databases.
        let serving: Vec<Block> = primary_blocks(facts)
            .into_iter()
            .filter(|block| block.id == primary::SERVES)
            .map(|mut block| {
                // Each writes its own log by now: a tail of the other fits nowhere.
                block.problem.remedies = vec![
                    Remedy::to_do("close the one that came back in the first data center"),
                    Remedy::Command("pchadr fence".into()),
                ];
                block
            })
            .collect();
        if !serving.is_empty() {
            return Standing::Blocked { blocks: serving };
        }
    }
    if row.collation.is_none() {
        return Standing::underway("it takes no connections yet");
    }
    if row.user_access != 0 {
        return Standing::pending("make it MULTI_USER");
    }
    if !row.is_sound() {
        return Standing::Blocked {
            blocks: vec![Block::site(
                "unsound",
                format!("it is ONLINE, but {}", row.unsound().join(", ")),
                "mend that with ALTER DATABASE, then go on",
            )],
        };
    }
    let mut why = if in_service {
        "in service: the pool uses it".to_owned()
    } else {
        "ONLINE, recovered".to_owned()
    };
    if let Observed::Seen(sets @ 1..) = &facts.files.look.sets_beyond {
        let sets = count(*sets, "log backup");
        why = format!("{why}; {sets} of the share end beyond it and were left out");
    }
    if let Some(orphans) = facts.orphans.seen().filter(|names| !names.is_empty()) {
        why = format!("{why}; users without a login here: {}", orphans.join(", "));
    }
    if let Some(wanted) = &facts.wanted {
        let unlike = |one: &Option<String>, other: &Option<String>| match (one, other) {
            (Some(one), Some(other)) => !one.eq_ignore_ascii_case(other),
            _ => one.is_some(),
        };
        if unlike(&wanted.owner, &row.owner) {
            let owner = |owner: &Option<String>| owner.clone().unwrap_or_else(|| "?".to_owned());
            why = format!(
                "{why}; its owner is {}, the primary had {}",
                owner(&row.owner),
                owner(&wanted.owner)
            );
        }
        if wanted.trustworthy && !row.trustworthy {
            why.push_str("; TRUSTWORTHY is off, the primary had it on");
        }
        if wanted.broker && !row.broker {
            why.push_str("; Service Broker is off, the primary had it on");
        }
    }
    Standing::satisfied(why)
}
