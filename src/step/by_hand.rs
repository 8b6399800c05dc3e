//! What is typed by hand where the backup is lost for good, and with it the lock of the site: then no run
//! can begin, and chat is brought into service from what has all of it (`design.md` 3, rule 13).

use serde_json::json;

use super::command::Values;
use super::failback::clear_active_servers::ClearActiveServers;
use super::failback::restore_database::{self, Key, Rest, RestoreDatabase, log_values};
use super::failover::set_active_servers::add;
use super::observe::database::{Database, database};
use super::observe::instance::{Presence, presence};
use super::observe::sets::sets;
use super::pool::set_state;
use super::shared::{address, full_path, is_mirror, log_path, only_set, tail_path};
use super::{Context, Kind as _, Step};
use crate::model::states::DatabaseState;
use crate::model::{Direction, Fqdn, Instance, Remedy, Role, quote};
use crate::site::Site;

/// The statements, whole and in order, each behind the words that say where; none where nothing that
/// answers has all of it, or where the backup is not dead.
/// `left`: the run has taken the mirroring of the second data center away.
pub async fn without_the_backup(cx: Context<'_>, direction: Direction, left: bool) -> Vec<Remedy> {
    let backup = presence(cx.access, Instance::chat(Role::Backup)).await;
    if !matches!(backup, Presence::Dead(_)) {
        return Vec::new();
    }
    let mut ways = match direction {
        Direction::Failback => failback(cx, left).await,
        Direction::Failover if cx.planned => on_the_closed_primary(cx).await,
        Direction::Failover => on_the_mirror(cx, false).await,
        Direction::Fence => Vec::new(),
    };
    if !ways.is_empty() {
        ways.push(Remedy::to_do(
            "should the backup come back, see first that its chat database is not ONLINE",
        ));
    }
    ways
}

async fn failback(cx: Context<'_>, left: bool) -> Vec<Remedy> {
    let facts = RestoreDatabase::observe(cx).await;
    let shipped = sets(cx.access, Instance::chat(Role::Primary), &log_path(cx)).await;
    let shipped = only_set(&shipped, 2, cx.site.database.chat.as_str());
    let rest = restore_database::rest(&facts, shipped);
    if rest == Rest::Nothing {
        return on_the_primary(cx, Vec::new());
    }
    let mut ways = on_the_mirror(cx, left).await;
    if !ways.is_empty() {
        if restore_database::holds_another(&facts) {
            let name = quote::identifier(cx.site.database.chat.as_str());
            let close = format!("ALTER DATABASE {name} SET OFFLINE WITH ROLLBACK IMMEDIATE;");
            ways.splice(
                0..0,
                [at(cx, Role::Primary), Remedy::Statement(close.into())],
            );
        }
        return ways;
    }
    let text = |name: &str, path: String| Values::from([(name.to_owned(), json!(path))]);
    let (mut sent, log) = match rest {
        Rest::All { moves, log } => {
            let mut values = text("file", full_path(cx));
            values.insert("moves".to_owned(), json!(moves));
            (vec![(Key::Full, values)], Some(log))
        }
        Rest::Log(log) => (Vec::new(), Some(log)),
        Rest::Recovery => (Vec::new(), None),
        Rest::Nothing | Rest::Unknown => return Vec::new(),
    };
    if log.is_some_and(|log| log.shipped) {
        sent.push((Key::Log, log_values(&log_path(cx), 1)));
    }
    if log.is_some_and(|log| log.tail) {
        sent.push((Key::Tail, text("tail", tail_path(cx))));
    }
    sent.push((Key::Recover, Values::new()));
    let commands = RestoreDatabase::commands(cx.site);
    let bound = sent.iter().filter_map(|(key, values)| {
        let (_, command) = commands.iter().find(|(its, _)| its == key)?;
        command.bind(values).ok()
    });
    let mut ways = on_the_primary(cx, bound.collect());
    if log.is_some_and(|log| !log.tail) {
        ways.insert(
            0,
            Remedy::to_do(
                "the backup was not closed: what was written there behind the last of these files is lost with it",
            ),
        );
    }
    ways
}

/// Where something is typed.
fn at(cx: Context<'_>, role: Role) -> Remedy {
    Remedy::to_do(format!(
        "where the backup is lost for good, on the {role} ({}), in this order",
        address(cx.site, role)
    ))
}

fn cmdlets(cx: Context<'_>, steps: &[Step]) -> Vec<Remedy> {
    let mut ways = vec![Remedy::to_do(
        "in the management shell, which brings chat into service",
    )];
    for step in steps {
        let all = spelled_changes(cx.site, *step, None).into_iter();
        ways.extend(all.map(|cmdlet| Remedy::Statement(cmdlet.into())));
    }
    ways
}

fn on_the_primary(cx: Context<'_>, statements: Vec<String>) -> Vec<Remedy> {
    let mut ways = vec![at(cx, Role::Primary)];
    if statements.is_empty() {
        ways.clear();
        ways.push(Remedy::to_do(
            "where the backup is lost for good: the primary has all of it",
        ));
    }
    ways.extend(
        statements
            .into_iter()
            .map(|it| Remedy::Statement(it.into())),
    );
    ways.extend(cmdlets(
        cx,
        &[Step::ReturnActiveServers, Step::ReturnPoolState],
    ));
    ways
}

/// A planned failover that did not come to recovery: the primary has all of it, closed or not.
async fn on_the_closed_primary(cx: Context<'_>) -> Vec<Remedy> {
    let primary = Instance::chat(Role::Primary);
    let seen = database(cx.access, primary, &cx.site.database.chat).await;
    let Some(row) = seen.seen() else {
        return Vec::new();
    };
    let mut ways = Vec::new();
    if row.state == DatabaseState::Restoring && row.mirroring.is_none() {
        let name = quote::identifier(cx.site.database.chat.as_str());
        let recover = format!("RESTORE DATABASE {name} WITH RECOVERY;");
        ways.push(at(cx, Role::Primary));
        ways.push(Remedy::Statement(recover.into()));
    } else if row.serves() {
        ways.push(Remedy::to_do(
            "where the backup is lost for good: the primary has all of it",
        ));
    } else {
        return Vec::new();
    }
    ways.extend(cmdlets(cx, &[Step::ReturnActiveServers]));
    ways
}

/// The backup mirror has it: as the mirror of what is lost, or as the copy that was left when the
/// mirroring was removed, since when nobody wrote.
async fn on_the_mirror(cx: Context<'_>, left: bool) -> Vec<Remedy> {
    let mirror = Instance::chat(Role::BackupMirror);
    if !cx.access.sql.has(mirror) {
        return Vec::new();
    }
    let seen = database(cx.access, mirror, &cx.site.database.chat).await;
    let Some(row) = seen.seen() else {
        return Vec::new();
    };
    let name = quote::identifier(cx.site.database.chat.as_str());
    let mut ways = vec![at(cx, Role::BackupMirror)];
    let is_left = left && row.state == DatabaseState::Restoring && row.mirroring.is_none();
    if is_mirror(row) {
        let force = format!("ALTER DATABASE {name} SET PARTNER FORCE_SERVICE_ALLOW_DATA_LOSS;");
        ways.push(Remedy::Statement(force.into()));
    } else if is_left {
        let recover = format!("RESTORE DATABASE {name} WITH RECOVERY;");
        ways.push(Remedy::Statement(recover.into()));
    } else if !Database::serves(row) {
        return Vec::new();
    }
    ways.extend(cmdlets(cx, &[Step::SetPoolState, Step::SetActiveServers]));
    ways
}

/// The cmdlets of a step that serves users, as a person types them; `before`: the list that the undoing of
/// B1 brings back, where it was kept.
pub fn spelled_changes(site: &Site, step: Step, before: Option<&[String]>) -> Vec<String> {
    let identity = site.pool.identity.clone();
    let identity = identity.unwrap_or_else(|| format!("service:{}", site.pool.fqdn));
    let state = |word: &str| {
        let values = Values::from([("identity".to_owned(), json!(identity))]);
        vec![set_state(word).bind(&values)]
    };
    let named = |servers: &[Fqdn]| servers.iter().map(ToString::to_string).collect();
    let list = |servers: Vec<String>| {
        let clear = ClearActiveServers::commands(site).into_iter().next();
        let clear = clear.map(|(_, command)| command.bind(&Values::new()));
        let add = add(site, &site.pool.normal);
        let each = servers
            .into_iter()
            .map(move |server| add.bind(&Values::from([("server".to_owned(), json!(server))])));
        clear.into_iter().chain(each).collect()
    };
    let spelled: Vec<_> = if step == Step::SetPoolState {
        state("FailedOver")
    } else if step == Step::ReturnPoolState {
        state("Normal")
    } else if step == Step::ReturnActiveServers {
        list(named(&site.pool.normal))
    } else {
        list(before.map_or_else(|| named(&site.pool.failed_over), <[String]>::to_vec))
    };
    spelled.into_iter().flatten().collect()
}
