//! `[sql]`: where the instances listen, and how to sign in.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Auth, Encrypt, Sql, Tls, secret};
use crate::model::{Instance, Role, SqlServer};
use crate::problem::toml::{Field, Reported, Table};

/// An instance as the file names it, and where.
struct Named<'a> {
    instance: Instance,
    server: SqlServer,
    field: Field<'a>,
}

/// What a file without the table lacks, so that it need not be asked twice.
const SQL: &str = r"[sql]`, and below it `primary = 'sql1.dc1.litwareinc.com\chat'` and `backup = 'sql3.dc2.litwareinc.com\chat'";

/// Reads `[sql]`. `compliance_off` is true where the site has no compliance database.
pub(super) fn read(
    root: &mut Table<'_>,
    base_dir: &Path,
    compliance_off: bool,
) -> Result<Sql, Reported> {
    let mut sql = root.required("sql", SQL, Field::table)?;
    let (chat, all_chat) = instances(&mut sql, Instance::chat);
    let compliance = sql.table("compliance").map(|mut table| {
        if compliance_off && table.is_there() {
            table.problem(
                "is there, but the site has no compliance database",
                "add `compliance = \"mgccomp\"` to [database], or remove this table",
            );
        }
        let found = instances(&mut table, Instance::compliance);
        table.finish();
        found
    });
    let auth = sql.table("auth").and_then(|table| auth(table, base_dir));
    let tls = sql.table("tls").and_then(|table| tls(table, base_dir));
    sql.finish();
    // What could be read is compared even where something else could not.
    let (compliance, all_compliance) = compliance?;
    let instances = distinct(chat, compliance);
    all_chat.and(all_compliance)?;
    Ok(Sql {
        instances,
        auth: auth?,
        tls: tls?,
    })
}

/// Says whether the file names a backup mirror, be its address good or bad.
pub(super) fn names_backup_mirror(root: &Table<'_>) -> bool {
    let key = Role::BackupMirror.key();
    root.table_at("sql").is_some_and(|sql| {
        let compliance = sql.table_at("compliance");
        sql.has(key) || compliance.is_some_and(|table| table.has(key))
    })
}

/// Reads the four roles of a table; for chat, two of them must be there. The second value says
/// whether all went well.
fn instances<'a>(
    table: &mut Table<'a>,
    instance: fn(Role) -> Instance,
) -> (Vec<Named<'a>>, Result<(), Reported>) {
    let mut found = Vec::new();
    let mut all = Ok(());
    for role in Role::ALL {
        let instance = instance(role);
        let read = |field: &Field<'a>| {
            Ok(Named {
                instance,
                server: field.name(r"write it as 'sql1.dc1.litwareinc.com\chat' or 'sql1,1433'")?,
                field: field.clone(),
            })
        };
        let needed = !instance.compliance && matches!(role, Role::Primary | Role::Backup);
        let read = if needed {
            let server = match role {
                Role::Primary | Role::PrimaryMirror => "sql1.dc1",
                Role::Backup | Role::BackupMirror => "sql3.dc2",
            };
            let example = format!(r"{} = '{server}.litwareinc.com\chat'", role.key());
            table.required(role.key(), &example, read).map(Some)
        } else {
            table.optional(role.key(), read)
        };
        match read {
            Ok(named) => found.extend(named),
            Err(reported) => all = Err(reported),
        }
    }
    (found, all)
}

/// Refuses two roles on one instance, for chat and for compliance; compliance roles that have no
/// instance of their own count as the chat instance of the role. Keeps those that are own ones.
fn distinct(chat: Vec<Named<'_>>, compliance: Vec<Named<'_>>) -> BTreeMap<Instance, SqlServer> {
    let own: Vec<Named<'_>> = compliance
        .into_iter()
        .filter(|c| {
            !chat
                .iter()
                .any(|n| n.instance.role == c.instance.role && n.server.same(&c.server))
        })
        .collect();
    for (n, later) in chat.iter().enumerate() {
        refuse_same(later, chat.iter().take(n));
    }
    for (n, later) in own.iter().enumerate() {
        let is_replaced = |c: &&Named<'_>| {
            let role = c.instance.role;
            own.iter().any(|o| o.instance.role == role)
        };
        let borrowed = chat.iter().filter(|c| !is_replaced(c));
        refuse_same(later, own.iter().take(n).chain(borrowed));
    }
    chat.into_iter()
        .chain(own)
        .map(|n| (n.instance, n.server))
        .collect()
}

fn refuse_same<'n, 'a: 'n>(later: &Named<'_>, mut others: impl Iterator<Item = &'n Named<'a>>) {
    if let Some(first) = others.find(|o| o.server.same(&later.server)) {
        later.field.problem(
            &format!(
                "`{}` is the {} already (line {})",
                later.server,
                first.instance,
                first.field.line()
            ),
            "every role has an instance of its own; leave out a mirror that the site does not have",
        );
    }
}

fn auth(mut table: Table<'_>, base_dir: &Path) -> Result<Auth, Reported> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mode {
        Integrated,
        Sql,
        Windows,
    }
    let modes = [
        ("integrated", Mode::Integrated),
        ("sql", Mode::Sql),
        ("windows", Mode::Windows),
    ];
    let mode = table.or("mode", Mode::Integrated, |f| f.choice(&modes));
    let has_user = table.has("user");
    let has_password = table.has("password");
    let user = table.optional("user", |f| f.text().map(str::to_owned));
    let password = table.optional("password", |f| secret::read(f, base_dir));
    let auth = mode.and_then(|mode| {
        if mode == Mode::Integrated {
            if has_user || has_password {
                table.problem(
                    "names a user or a password, but the mode is integrated, which has none",
                    "write `mode = \"sql\"` or `mode = \"windows\"`, or remove `user` and `password`",
                );
            }
            return Ok(Auth::Integrated);
        }
        if !has_user {
            let example = if mode == Mode::Sql {
                "pchadr"
            } else {
                r"LITWARE\pchadr"
            };
            table.missing("user", &format!("write `user = '{example}'`"));
        }
        if !has_password {
            table.missing(
                "password",
                "write `password = { env = \"PCHADR_SQL_PASSWORD\" }`; never the password itself",
            );
        }
        Ok(match (user?, password?, mode) {
            (Some(user), Some(password), Mode::Sql) => Auth::Sql { user, password },
            (Some(user), Some(password), _) => Auth::Windows { user, password },
            // What is missing was reported.
            _ => Auth::Integrated,
        })
    });
    table.finish();
    auth
}

fn tls(mut table: Table<'_>, base_dir: &Path) -> Result<Tls, Reported> {
    let words = [
        ("strict", Encrypt::Strict),
        ("required", Encrypt::Required),
        ("login", Encrypt::Login),
        ("off", Encrypt::Off),
    ];
    let encrypt = table.or("encrypt", Encrypt::Required, |f| f.choice(&words));
    let ca = table.optional("ca", |f| Ok((base_dir.join(f.text()?), f.clone())));
    let trust = table.or("trust_server_certificate", false, Field::flag);
    table.finish();
    let (ca, trust) = (ca?, trust?);
    if let (Some((_, field)), true) = (&ca, trust) {
        field.problem(
            "a certificate authority is named, but `trust_server_certificate = true` takes any \
             certificate, so it would never be asked",
            "remove `trust_server_certificate`; or remove `ca`, and know that anybody may pose as \
             the server",
        );
    }
    Ok(Tls {
        encrypt: encrypt?,
        ca: ca.map(|(path, _)| path),
        trust_server_certificate: trust,
    })
}
