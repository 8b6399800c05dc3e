//! Everything that the step may send, in order.

use crate::model::{Role, quote};
use crate::site::Site;
use crate::step::command::{Command, Hole, HoleType};
use crate::step::shared::address;

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Recover,
    MultiUser,
    Owner,
}

pub(super) fn list(site: &Site) -> Vec<(Key, Command)> {
    let database = quote::identifier(site.database.chat.as_str());
    let server = address(site, Role::Backup);
    vec![
        Command::tsql(
            Role::Backup,
            &server,
            format!("RESTORE DATABASE {database} WITH RECOVERY;"),
            Vec::new(),
        )
        .when("the database is RESTORING")
        .long()
        .keyed(Key::Recover),
        Command::tsql(
            Role::Backup,
            &server,
            format!("ALTER DATABASE {database} SET MULTI_USER;"),
            Vec::new(),
        )
        .when("it is not MULTI_USER after recovery")
        .keyed(Key::MultiUser),
        Command::tsql(
            Role::Backup,
            &server,
            format!("ALTER AUTHORIZATION ON DATABASE::{database} TO {{owner}};"),
            vec![Hole::new(
                "owner",
                HoleType::Identifier,
                "owner of the primary's database, as it was kept",
                r"LITWARE\svc-chat",
            )],
        )
        .when("the primary's owner is known, and this one is another")
        .keyed(Key::Owner),
    ]
}
