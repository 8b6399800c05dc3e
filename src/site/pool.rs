//! `[pool]`: the pool and its servers.

use super::Pool;
use crate::model::Fqdn;
use crate::problem::nearest;
use crate::problem::toml::{Field, Reported, Table};

/// A server as the file lists it, and where.
pub(super) struct Listed<'a> {
    server: Fqdn,
    field: Field<'a>,
}

pub(super) type Servers<'a> = Vec<Listed<'a>>;

/// As many chat servers may be active at a time (`procedure.md`, The site).
const MOST_ACTIVE: usize = 4;

pub(super) fn read(root: &mut Table<'_>) -> Result<Pool, Reported> {
    let mut pool = root.required("pool", POOL, Field::table)?;
    let fqdn = pool.required("fqdn", "fqdn = \"pchat.litwareinc.com\"", |f| {
        let hint = "write the pool's fully qualified name, as the topology has it";
        let fqdn = f.name(hint)?;
        if is_address(&fqdn) {
            return Err(f.problem(&format!("`{fqdn}` is an address, no name"), hint));
        }
        Ok(fqdn)
    });
    let identity = pool.optional("identity", |f| f.text().map(str::to_owned));
    let active_identity = pool.optional("active_identity", |f| f.text().map(str::to_owned));

    let every = pool
        .required("servers", SERVERS, Field::table)
        .map(|mut table| {
            let primary = table.required("primary", PRIMARY, servers);
            let backup = table.required("backup", BACKUP, servers);
            table.finish();
            (primary, backup)
        });
    let active = pool
        .required("active_servers", ACTIVE, Field::table)
        .map(|mut table| {
            let normal = table.required("normal", NORMAL, active_servers);
            let failed_over = table.required("failed_over", FAILED_OVER, active_servers);
            table.finish();
            (normal, failed_over)
        });
    let front_ends = pool.table("front_ends").and_then(|mut table| {
        let primary = table.or("primary", Vec::new(), servers);
        table.finish();
        primary
    });
    pool.finish();

    let (primary, backup) = every?;
    let (normal, failed_over) = active?;
    for list in [&primary, &backup, &normal, &failed_over]
        .into_iter()
        .flatten()
    {
        refuse_addresses(list);
    }
    // Who is a stranger is only known when both lists are.
    if let (Ok(primary), Ok(backup)) = (&primary, &backup) {
        refuse_in_both(primary, backup);
        let known: Vec<&Fqdn> = primary.iter().chain(backup).map(|l| &l.server).collect();
        for list in [&normal, &failed_over].into_iter().flatten() {
            refuse_strangers(list, &known);
        }
        if let Ok(failed_over) = &failed_over {
            refuse_lost(failed_over, primary);
        }
    }
    Ok(Pool {
        fqdn: fqdn?,
        identity: identity?,
        active_identity: active_identity?,
        primary_servers: names(primary?),
        backup_servers: names(backup?),
        normal: names(normal?),
        failed_over: names(failed_over?),
        front_ends: names(front_ends?),
    })
}

/// What a file without these tables lacks, so that it need not be asked twice.
const POOL: &str = "[pool]`, and below it `fqdn = \"pchat.litwareinc.com\"`, `[pool.servers]` with `primary` and `backup`, `[pool.active_servers]` with `normal` and `failed_over";
const SERVERS: &str = "[pool.servers]`, and below it `primary = [\"pc1.dc1.litwareinc.com\"]` and `backup = [\"pc5.dc2.litwareinc.com\"]";
const ACTIVE: &str = "[pool.active_servers]`, and below it `normal = [\"pc1.dc1.litwareinc.com\"]` and `failed_over = [\"pc5.dc2.litwareinc.com\"]";
const PRIMARY: &str = "primary = [\"pc1.dc1.litwareinc.com\"]";
const BACKUP: &str = "backup = [\"pc5.dc2.litwareinc.com\"]";
const NORMAL: &str = "normal = [\"pc1.dc1.litwareinc.com\"]";
const FAILED_OVER: &str = "failed_over = [\"pc5.dc2.litwareinc.com\"]";

pub(super) fn names(servers: Servers<'_>) -> Vec<Fqdn> {
    servers.into_iter().map(|l| l.server).collect()
}

/// Reads a list of servers: at least one, each once.
pub(super) fn servers<'a>(field: &Field<'a>) -> Result<Servers<'a>, Reported> {
    let items = field.list()?;
    if items.is_empty() {
        return Err(field.problem("is an empty list", "name at least one server"));
    }
    let read: Vec<Result<Listed<'a>, Reported>> = items
        .into_iter()
        .map(|field| {
            let server = field.name("write the server's fully qualified name")?;
            Ok(Listed { server, field })
        })
        .collect();
    for (n, later) in read.iter().enumerate() {
        let Ok(later) = later else { continue };
        let same = |l: &&Listed<'_>| l.server.is(later.server.as_str());
        if let Some(first) = read.iter().take(n).flatten().find(same) {
            later.field.problem(
                &format!(
                    "`{}` is in this list already (line {})",
                    later.server,
                    first.field.line()
                ),
                "name each server once",
            );
        }
    }
    read.into_iter().collect()
}

fn active_servers<'a>(field: &Field<'a>) -> Result<Servers<'a>, Reported> {
    let servers = servers(field)?;
    if servers.len() > MOST_ACTIVE {
        field.problem(
            &format!("{} servers are listed", servers.len()),
            "at most four servers of a pool may be active at a time; the others stand by",
        );
    }
    Ok(servers)
}

/// The topology and the sessions on the database know a chat server by its name alone
/// (`skype-powershell.md` 1.2; `sql-server.md` 3.1).
fn refuse_addresses(servers: &Servers<'_>) {
    for Listed { server, field } in servers {
        if is_address(server) {
            field.problem(
                &format!("`{server}` is an address, no name"),
                "write the server's fully qualified name, as Get-CsPool shows it under Computers",
            );
        }
    }
}

fn is_address(name: &Fqdn) -> bool {
    name.as_str().parse::<std::net::Ipv4Addr>().is_ok()
}

/// A failover to servers of the lost data center alone would end without one that serves.
fn refuse_lost(failed_over: &Servers<'_>, primary: &Servers<'_>) {
    let is_lost = |l: &Listed<'_>| primary.iter().any(|p| p.server.is(l.server.as_str()));
    if let Some(first) = failed_over
        .first()
        .filter(|_| failed_over.iter().all(is_lost))
    {
        first.field.problem(
            "every server for the failed-over state stands in the first data center, which is lost then",
            "name servers of pool.servers.backup; those of the first data center may stand beside them",
        );
    }
}

fn refuse_in_both(primary: &Servers<'_>, backup: &Servers<'_>) {
    for later in backup {
        let same = |l: &&Listed<'_>| l.server.is(later.server.as_str());
        if let Some(first) = primary.iter().find(same) {
            later.field.problem(
                &format!(
                    "`{}` is in both data centers' lists (also in line {})",
                    later.server,
                    first.field.line()
                ),
                "keep it in the list of the data center where it stands",
            );
        }
    }
}

fn refuse_strangers(active: &Servers<'_>, known: &[&Fqdn]) {
    let words: Vec<&str> = known.iter().map(|s| s.as_str()).collect();
    for Listed { server, field } in active {
        if known.iter().any(|k| k.is(server.as_str())) {
            continue;
        }
        let add = "add it to pool.servers, under the data center where it stands";
        let hint = match nearest(server.as_str(), &words) {
            Some(word) => format!("did you mean `{word}`? Else {add}"),
            None => add.to_owned(),
        };
        field.problem(&format!("`{server}` is no server of the pool"), &hint);
    }
}
