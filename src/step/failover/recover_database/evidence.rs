//! What the primary data center showed: for each instance, Front End, chat server and host of a share
//! what was asked, what came and when. It stands in a refusal, at consent and in the record.

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Facts;
use super::lag;
use super::primary::PrimarySide;
use crate::access::Access;
use crate::access::sql::{Failure, Life};
use crate::model::states::MirroringRole;
use crate::model::{Fqdn, Problem};
use crate::site::Site;
use crate::step::observe::Observed;
use crate::step::observe::instance::Presence;
use crate::step::{Block, Lift};

/// Interlock: something else of the primary data center answers.
pub(super) const ANSWERS: &str = "primary-answers";

/// Ports that are knocked at (`skype-powershell.md` 9).
const FRONT_END: u16 = 5061;
const CHAT: u16 = 5041;
const SMB: u16 = 445;

/// A host of the primary data center, and what came from it.
#[derive(Debug, Serialize)]
pub(super) struct Host {
    pub what: &'static str,
    pub name: String,
    pub port: u16,
    /// It took the connection.
    pub answers: bool,
    pub came: String,
    pub at: Timestamp,
}

/// What is looked at beside the instances; nothing where the database is recovered already, which is
/// not judged by what else answers.
pub(super) async fn others(
    site: &Site,
    access: &Access,
    recovered: bool,
) -> (Vec<Host>, Observed<NewestLog>) {
    if recovered {
        return (Vec::new(), Observed::Absent);
    }
    tokio::join!(hosts(site, access), newest_log(site, access))
}

/// Knocks at every host of the primary data center that the site names, at once.
async fn hosts(site: &Site, access: &Access) -> Vec<Host> {
    let named = |what, port, names: &[Fqdn]| {
        let named = |name: &Fqdn| (what, port, name.to_string());
        names.iter().map(named).collect::<Vec<_>>()
    };
    let all = [
        named("Front End", FRONT_END, &site.pool.front_ends),
        named("chat server", CHAT, &site.pool.primary_servers),
        named("host of a share", SMB, &site.shares.hosts_in_primary),
    ];
    let knock = async |(what, port, name): (&'static str, u16, String)| {
        let knocked = access.sql.knock(&name, port).await;
        Host {
            what,
            port,
            answers: match &knocked {
                Ok(()) => true,
                Err(failure) => failure.life() == Life::Lives,
            },
            came: knocked.map_or_else(|failure: Failure| failure.to_string(), |()| ANSWERED.into()),
            name,
            at: access.clock.now(),
        }
    };
    join_all(all.concat().into_iter().map(knock)).await
}

const ANSWERED: &str = "it answers";

/// The log backup on the share that was written last.
#[derive(Debug, Serialize)]
pub(super) struct NewestLog {
    pub name: String,
    /// Between its last write and the look, by the clocks of the share and of this machine.
    pub seconds: i64,
    pub at: Timestamp,
}

async fn newest_log(site: &Site, access: &Access) -> Observed<NewestLog> {
    let listed = access.shares.list(site.shares.backup.as_str()).await;
    let at = access.clock.now();
    let entries = match listed {
        Ok(entries) => entries,
        Err(error) => return Observed::Unknown(error.into()),
    };
    let is_log = |name: &str| name.to_ascii_lowercase().ends_with(".trn");
    let logs = entries.into_iter().filter(|it| is_log(&it.name));
    match logs.max_by_key(|it| it.modified) {
        None => Observed::Absent,
        Some(newest) => Observed::Seen(NewestLog {
            name: newest.name,
            seconds: at.as_second().saturating_sub(newest.modified),
            at,
        }),
    }
}

/// The interlock, where a host answers.
pub(super) fn answers_block(facts: &Facts) -> Option<Block> {
    let answer = |host: &&Host| host.answers;
    let named = |host: &Host| format!("the {} {}", host.what, host.name);
    let hosts: Vec<String> = facts.hosts.iter().filter(answer).map(named).collect();
    if hosts.is_empty() || facts.overrides.iter().any(|id| id == ANSWERS) {
        return None;
    }
    let block = Block::site(
        ANSWERS,
        format!(
            "the first data center is not gone: {} answer{}",
            hosts.join(", "),
            if hosts.len() == 1 { "s" } else { "" }
        ),
        format!(
            "see whether its chat database can be brought back there; if the failover is wanted all the same, say why with --override {ANSWERS}=REASON"
        ),
    );
    Some(block.lifted_by(Lift::Override))
}

/// The table, a line each.
pub(super) fn table(facts: &Facts) -> Vec<String> {
    let clock = |at: Timestamp| at.strftime("%H:%M:%S UTC").to_string();
    let mut lines = Vec::new();
    for side in &facts.primary_side {
        lines.push(format!(
            "{} {}, SQL Server: {} ({})",
            side.role,
            side.server,
            came(side),
            clock(side.at)
        ));
    }
    for host in &facts.hosts {
        lines.push(format!(
            "{} {}, TCP {}: {} ({})",
            host.what,
            host.name,
            host.port,
            host.came,
            clock(host.at)
        ));
    }
    lines.push(match &facts.newest_log {
        Observed::Seen(log) => format!(
            "newest log backup on the share: `{}`, last written {} before this look ({})",
            log.name,
            format_args!("{:#}", SignedDuration::from_secs(log.seconds)),
            clock(log.at)
        ),
        Observed::Absent => "newest log backup on the share: there is none".to_owned(),
        Observed::Unknown(why) => format!("newest log backup on the share: not seen: {why}"),
    });
    lines.extend(lag::lines(facts));
    lines
}

/// What came from an instance; of a mirror, its own view of the other one.
fn came(side: &PrimarySide) -> String {
    let reason = |why: &Problem| why.reason();
    match &side.presence {
        Presence::Dead(why) => format!("dead: {}", reason(why)),
        Presence::Lives(why) => format!("alive: {}", reason(why)),
        Presence::Unseen(why) => format!("not known: {}", reason(why)),
        Presence::Answers(identity) => {
            let database = match &side.database {
                Observed::Absent => "no chat database".to_owned(),
                Observed::Unknown(why) => format!("its chat database was not seen: {why}"),
                Observed::Seen(row) => {
                    let mut text = format!("its chat database is {}", row.state);
                    if let Some(it) = &row.mirroring {
                        let word = |it: Option<String>| it.unwrap_or_else(|| "?".to_owned());
                        text = format!(
                            "{text}, by its own view {} of {}, {}",
                            match it.role {
                                Some(MirroringRole::Principal) => "principal",
                                Some(MirroringRole::Mirror) => "mirror",
                                None => "partner",
                            },
                            word(it.partner.clone()),
                            word(it.state.map(|state| state.to_string()))
                        );
                    }
                    text
                }
            };
            format!("answers as {}; {database}", identity.server_name)
        }
    }
}
