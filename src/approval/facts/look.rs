//! Looks at the site. Reads only.

use futures_util::future::join_all;

use super::{
    Fact, Rule, Thing, alone, of_database, of_endpoint, of_files, of_identity, of_jobs, of_lineage,
    of_primary, of_redo, of_schedules, of_secondary, of_service, of_services, of_volumes, sorted,
};
use crate::access::Access;
use crate::access::shares::EntryKind;
use crate::model::{DatabaseName, Instance, Problem, Role, SharePath};
use crate::site::Site;
use crate::step::observe::Observed;
use crate::step::observe::backups::placed_files;
use crate::step::observe::database::{database, lineage, redo_start};
use crate::step::observe::instance::{clock, endpoint, identity, services};
use crate::step::observe::log_shipping::{JobIds, all_jobs, all_schedules, primary, secondary};
use crate::step::observe::pool;
use crate::step::observe::space::volumes;

/// Looks at the whole site. Reads only; what is dead costs one limit in all.
pub async fn observe(site: &Site, access: &Access) -> Vec<Thing> {
    let _round = access.sql.round();
    let chat = Role::ALL.into_iter().map(Instance::chat);
    let compliance = Role::ALL.into_iter().map(Instance::compliance);
    let all: Vec<Instance> = chat
        .chain(compliance)
        .filter(|at| access.sql.has(*at))
        .collect();
    let instances = join_all(all.iter().map(|at| Box::pin(instance(site, access, *at))));
    let (pool, shares, instances) = tokio::join!(
        Box::pin(of_pool(site, access)),
        Box::pin(of_shares(site, access)),
        instances
    );
    let mut things = pool;
    things.extend(instances.into_iter().flatten());
    things.extend(shares);
    things
}

/// Looks, unless the instance did not say who it is: what is known of it is why.
async fn ask<T>(unseen: Option<&Problem>, look: impl Future<Output = Observed<T>>) -> Observed<T> {
    match unseen {
        Some(why) => Observed::Unknown(why.clone()),
        None => Box::pin(look).await,
    }
}

async fn instance(site: &Site, access: &Access, at: Instance) -> Vec<Thing> {
    let who = identity(access, at).await;
    let unseen = who.unknown().cloned();
    let unseen = unseen.as_ref();
    let named = |what: &str| format!("{at}: {what}");
    let mut things = vec![Thing::of(named("instance"), &who, of_identity)];
    let seen = ask(unseen, services(access, at)).await;
    things.push(Thing::of(named("services"), &seen, |all| of_services(all)));
    let seen = ask(unseen, endpoint(access, at)).await;
    things.push(Thing::of(named("mirroring endpoint"), &seen, of_endpoint));
    let seen = ask(unseen, volumes(access, at)).await;
    things.push(Thing::of(named("volumes"), &seen, |all| of_volumes(all)));
    let seen = ask(unseen, clock(access, at)).await;
    things.push(Thing::of(named("clock"), &seen, alone("now", Rule::Ignore)));
    let own = site.database.compliance.as_ref();
    let holds = |at: Instance| at.compliance || !access.sql.has(Instance::compliance(at.role));
    let chat = (!at.compliance).then_some(&site.database.chat);
    for name in chat.into_iter().chain(own.filter(|_| holds(at))) {
        things.extend(of_one_database(access, at, name, unseen).await);
    }
    if let Some(name) = chat {
        things.extend(of_log_shipping(access, at, name, unseen).await);
    }
    things
}

async fn of_one_database(
    access: &Access,
    at: Instance,
    name: &DatabaseName,
    unseen: Option<&Problem>,
) -> Vec<Thing> {
    let named = |what: &str| format!("{at}: {what} {name}");
    let seen = ask(unseen, database(access, at, name)).await;
    let mut things = vec![Thing::of(named("database"), &seen, of_database)];
    let seen = ask(unseen, redo_start(access, at, name)).await;
    things.push(Thing::of(named("redo start of"), &seen, of_redo));
    let seen = ask(unseen, lineage(access, at, name)).await;
    things.push(Thing::of(named("lineage of"), &seen, of_lineage));
    let seen = ask(unseen, placed_files(access, at, name)).await;
    things.push(Thing::of(named("files of"), &seen, |all| of_files(all)));
    things
}

async fn of_log_shipping(
    access: &Access,
    at: Instance,
    name: &DatabaseName,
    unseen: Option<&Problem>,
) -> Vec<Thing> {
    let named = |what: &str| format!("{at}: log shipping of {name}, {what}");
    let mut things = Vec::new();
    let mut ids = Vec::new();
    let rows = ask(unseen, secondary(access, at, name)).await;
    ids.extend(JobIds::of(rows.seen().into_iter().flatten()));
    things.push(Thing::of(named("secondary"), &rows, |all| {
        of_secondary(all)
    }));
    let unknown = rows.unknown().cloned();
    let rows = ask(unseen, primary(access, at, name)).await;
    ids.extend(JobIds::of(rows.seen().into_iter().flatten()));
    things.push(Thing::of(named("primary"), &rows, |all| of_primary(all)));
    // Without its rows nobody knows which jobs are of log shipping.
    let unseen = unknown.as_ref().or(rows.unknown());
    let jobs = ask(unseen, all_jobs(access, at, &ids)).await;
    things.push(Thing::of(named("jobs"), &jobs, |all| of_jobs(all)));
    let seen = ask(unseen, all_schedules(access, at, &ids)).await;
    let jobs = jobs.seen().cloned().unwrap_or_default();
    things.push(Thing::of(named("schedules"), &seen, |all| {
        of_schedules(all, &jobs)
    }));
    things
}

async fn of_pool(site: &Site, access: &Access) -> Vec<Thing> {
    let service = pool::service(access, &site.pool.fqdn).await;
    let identity = site.pool.identity.clone();
    let identity = identity.or_else(|| service.seen().map(|it| it.identity.clone()));
    let state = match (&identity, service.unknown()) {
        (Some(identity), _) => pool::state(access, identity).await,
        (None, Some(why)) => Observed::Unknown(why.clone()),
        (None, None) => Observed::Absent,
    };
    let servers = pool::computers(access, &site.pool.fqdn).await;
    let servers = servers.map(|it| sorted(&it));
    let master = pool::central_management(access).await;
    vec![
        Thing::of("pool: service".to_owned(), &service, of_service),
        Thing::of(
            "pool: state".to_owned(),
            &state,
            alone("state", Rule::MustEqual),
        ),
        Thing::of(
            "pool: servers".to_owned(),
            &servers,
            alone("servers", Rule::MustEqual),
        ),
        Thing::of(
            "Central Management Store".to_owned(),
            &master,
            alone("master", Rule::MustEqual),
        ),
    ]
}

/// The share of the log backups and the copy folder.
async fn of_shares(site: &Site, access: &Access) -> Vec<Thing> {
    let mut things = Vec::new();
    for (what, folder) in [
        ("share of the log backups", &site.shares.backup),
        ("copy folder", &site.shares.copy),
    ] {
        let seen = log_backups(access, folder).await;
        things.push(Thing::of(what.to_owned(), &seen, |files| {
            let newest = files.iter().max_by_key(|name| (name.len(), *name));
            vec![
                Fact::new("", "newest", Rule::MayGrow, &newest),
                Fact::new("", "files", Rule::Ignore, &files.len()),
            ]
        }));
    }
    things
}

/// Names of the log backups in a folder, by their ending; their headers are not read.
async fn log_backups(access: &Access, folder: &SharePath) -> Observed<Vec<String>> {
    let listed = access.shares.list(folder.as_str()).await;
    let entries = match listed {
        Ok(entries) => entries,
        Err(error) => return Observed::unseen(&error),
    };
    let files = entries.into_iter();
    let files = files.filter(|it| it.kind == EntryKind::File);
    let names = files.map(|it| it.name);
    Observed::Seen(names.filter(|name| ends(name)).collect())
}

fn ends(name: &str) -> bool {
    let ending = std::path::Path::new(name).extension();
    ending.is_some_and(|it| it.eq_ignore_ascii_case("trn"))
}
