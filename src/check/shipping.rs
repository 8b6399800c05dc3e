//! How log shipping goes on while nobody looks: the age of the newest log backup, how far copy and
//! restore are behind it, what breaks the chain, and the log that grows after a failover (`steps.md` 5.8, 7).

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::item::{Item, State};
use crate::access::Access;
use crate::model::states::PoolState;
use crate::model::{Instance, Problem, Role};
use crate::site::Site;
use crate::status::Status;
use crate::step::observe::Observed;
use crate::step::observe::instance::clock;
use crate::step::observe::log_shipping::{Secondary, primary, secondary};
use crate::step::observe::shipped::{Shipped, own_log_backup, shipped};

/// A log backup on the share.
struct Log {
    name: String,
    /// Its last write.
    at: Timestamp,
}

/// What does not go on for ever as it is, of a site that nobody switches: a check each.
pub async fn what_runs_out(site: &Site, access: &Access, status: &Status) -> Vec<Item> {
    let backup = Instance::chat(Role::Backup);
    let rows = secondary(access, backup, &site.database.chat).await;
    let rows = rows.seen().cloned().unwrap_or_default();
    let mut items = while_it_serves(site, access, status).await;
    if !rows.is_empty() {
        items.extend(while_it_ships(site, access, status, &rows).await);
    }
    let warns = |it: &Item| it.state == State::Warning;
    let stands_still = items.iter().any(|it| it.id == RESTORE_LAG && warns(it));
    items.retain(|it| match it.id.as_str() {
        RETENTION => stands_still || warns(it),
        GROWS => warns(it),
        _ => false,
    });
    items
}

/// While the backup follows: age, lag, retention, the chain.
pub(super) async fn while_it_ships(
    site: &Site,
    access: &Access,
    status: &Status,
    rows: &[Secondary],
) -> Vec<Item> {
    let mut items: Vec<Item> = [Role::Primary, Role::PrimaryMirror]
        .into_iter()
        .filter_map(|role| taken_elsewhere(status, role))
        .collect();
    // A share that cannot be listed is told by the steps that read it.
    let Ok(entries) = access.shares.list(site.shares.backup.as_str()).await else {
        return items;
    };
    let is_log = |name: &str| name.to_ascii_lowercase().ends_with(".trn");
    let logs = entries.into_iter().filter(|it| is_log(&it.name));
    let mut logs: Vec<Log> = logs
        .filter_map(|it| {
            let at = Timestamp::from_second(it.modified).ok()?;
            Some(Log { name: it.name, at })
        })
        .collect();
    logs.sort_by_key(|log| log.at);
    items.push(age(site, access.clock.now(), logs.last()));
    let backup = Instance::chat(Role::Backup);
    if let Observed::Seen(shipped) = shipped(access, backup, &site.database.chat).await {
        items.extend(lag(site, &logs, shipped, rows));
        let kept = kept_for(site, access, rows).await;
        items.extend(retention(access.clock.now(), &logs, shipped, kept));
    }
    items
}

/// Once the backup serves: its log.
pub(super) async fn while_it_serves(site: &Site, access: &Access, status: &Status) -> Vec<Item> {
    let failed_over = PoolState::FailedOver.to_string();
    if status.pool.state.as_ref() != Some(&failed_over) {
        return Vec::new();
    }
    let mut items = Vec::new();
    for role in [Role::Backup, Role::BackupMirror] {
        let waits = status.instances.get(role.key()).map(|it| it.log_waits);
        let at = Instance::chat(role);
        let name = &site.database.chat;
        let serves = status
            .instances
            .get(role.key())
            .and_then(|it| it.databases.get(name.as_str()))
            .is_some_and(|it| {
                it.state == crate::model::states::DatabaseState::Online && !it.standby
            });
        if !serves {
            continue;
        }
        let (newest, now) = (
            own_log_backup(access, at, name).await,
            clock(access, at).await,
        );
        let age = newest
            .seen()
            .zip(now.seen())
            .map(|(newest, now)| now.duration_since(*newest));
        items.push(grows(site, role, waits == Some(true), &newest, age));
    }
    items
}

fn grows(
    site: &Site,
    role: Role,
    waits: bool,
    newest: &Observed<DateTime>,
    age: Option<SignedDuration>,
) -> Item {
    let what = format!("log backups keep the log of the {role} small");
    if let Some(why) = newest.unknown() {
        let why = why.about("whether log backups are taken cannot be seen");
        return Item::new(GROWS, State::Warning, what, why);
    }
    let told = age.map_or_else(
        || "it has taken none".to_owned(),
        |age| format!("the newest one is {} old", words(age)),
    );
    let old = age.is_none_or(|age| age > limit(site.limits.log_age));
    if !old {
        return Item::ok(GROWS, what, told);
    }
    let waits = if waits {
        ", and its log waits for one (LOG_BACKUP)"
    } else {
        ""
    };
    let why = format!("{told}{waits}: the log grows until its disk is full");
    let mend = "take log backups to a folder that is not the log-shipping share; `[log_backups]` of the site file has pchadr set that up";
    Item::new(GROWS, State::Warning, what, Problem::new(why, mend))
}

/// Ids that are looked for.
const RESTORE_LAG: &str = "restore-lag";
const RETENTION: &str = "retention";
const GROWS: &str = "log-grows";

/// Id of a log backup that log shipping does not know.
const ELSEWHERE: &str = "taken-elsewhere";

/// Whether a check says that the backup lacks a log backup.
pub(super) fn breaks_the_chain(item: &Item) -> bool {
    item.id == ELSEWHERE && item.state == State::Warning
}

fn taken_elsewhere(status: &Status, role: Role) -> Option<Item> {
    let shipping = status.instances.get(role.key())?.log_shipping.as_ref()?;
    let what = format!("every log backup of the {role} goes where log shipping looks");
    Some(match &shipping.taken_elsewhere {
        None => Item::ok(
            ELSEWHERE,
            what,
            format!("none of the {role} that the backup lacks was taken elsewhere"),
        ),
        Some(file) => {
            let why = format!(
                "{file} was taken by another job: log shipping stops before it, and a forced failover loses all that was written since"
            );
            let mend = format!(
                "put {file} into log shipping's folder, and take log backups with its job alone (others: COPY_ONLY)"
            );
            Item::new(ELSEWHERE, State::Warning, what, Problem::new(why, mend))
        }
    })
}

fn age(site: &Site, now: Timestamp, newest: Option<&Log>) -> Item {
    let share = &site.shares.backup;
    let what = "log backups reach the share";
    let mend = "see the backup job of log shipping (LSBackup) and the Agent of the primary, and their rights on the share";
    let Some(newest) = newest else {
        let why = format!("`{share}` holds no log backup");
        return Item::new("log-age", State::Warning, what, Problem::new(why, mend));
    };
    let age = now.duration_since(newest.at);
    let told = format!("the newest one, {}, is {} old", newest.name, words(age));
    if age <= limit(site.limits.log_age) {
        return Item::ok("log-age", what, told);
    }
    let why = format!("{told}: what was written since is lost with the first data center");
    Item::new("log-age", State::Warning, what, Problem::new(why, mend))
}

/// How far each job is behind the newest log backup.
fn lag(site: &Site, logs: &[Log], shipped: Shipped, rows: &[Secondary]) -> Vec<Item> {
    let Some(newest) = logs.last() else {
        return Vec::new();
    };
    let delay = rows.iter().filter_map(|row| row.restore_delay).max();
    let delay = SignedDuration::from_mins(delay.unwrap_or(0));
    [
        ("copy", shipped.copied, SignedDuration::ZERO),
        ("restore", shipped.restored, delay),
    ]
    .into_iter()
    .map(|(job, last, delay)| {
        let id = format!("{job}-lag");
        let what = format!("the {job} job keeps up with the log backups");
        let mend = format!(
            "see the history of the job LS{} and the Agent of the backup",
            capital(job)
        );
        let Some(last) = last.and_then(moment) else {
            let why = format!("the {job} job has done no file yet");
            return Item::new(id, State::Warning, what, Problem::new(why, mend));
        };
        let behind = newest.at.duration_since(last).max(SignedDuration::ZERO);
        let told = format!(
            "its last file came {} before the newest log backup",
            words(behind)
        );
        if behind.saturating_sub(delay) <= limit(site.limits.lag) {
            return Item::ok(id, what, told);
        }
        let why = format!("{told}: a failover takes longer by that");
        Item::new(id, State::Warning, what, Problem::new(why, mend))
    })
    .collect()
}

fn capital(job: &str) -> &'static str {
    if job == "copy" { "Copy" } else { "Restore" }
}

/// Minutes for which files are kept, the shorter of the share and of the copy folder.
async fn kept_for(site: &Site, access: &Access, rows: &[Secondary]) -> Option<i64> {
    let mut kept: Vec<i64> = rows.iter().filter_map(|row| row.file_retention).collect();
    for role in [Role::Primary, Role::PrimaryMirror] {
        let at = Instance::chat(role);
        if access.sql.has(at) {
            let rows = primary(access, at, &site.database.chat).await;
            kept.extend(
                rows.seen()
                    .into_iter()
                    .flatten()
                    .filter_map(|row| row.retention),
            );
        }
    }
    kept.into_iter().min()
}

/// Whether a log backup that is not restored is old enough to be deleted.
fn retention(now: Timestamp, logs: &[Log], shipped: Shipped, kept: Option<i64>) -> Option<Item> {
    let kept = SignedDuration::from_mins(kept?);
    let restored = shipped.restored.and_then(moment);
    let oldest = logs
        .iter()
        .find(|log| restored.is_none_or(|restored| log.at > restored))?;
    let age = now.duration_since(oldest.at);
    let what = "no log backup is deleted before it is restored";
    let told = format!(
        "the oldest one that is not restored is {} old, and files are kept for {}",
        words(age),
        words(kept)
    );
    Some(if age <= kept {
        Item::ok(RETENTION, what, told)
    } else {
        let why = format!(
            "{told}: {} may be deleted at any moment, and the chain would end there",
            oldest.name
        );
        let mend = "keep files for longer (backup and file retention of log shipping), and see why it stands still";
        Item::new(RETENTION, State::Warning, what, Problem::new(why, mend))
    })
}

fn moment(utc: DateTime) -> Option<Timestamp> {
    jiff::tz::TimeZone::UTC.to_timestamp(utc).ok()
}

fn limit(limit: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX)
}

fn words(duration: SignedDuration) -> String {
    let seconds = SignedDuration::from_secs(duration.as_secs().max(0));
    format!("{seconds:#}")
}
