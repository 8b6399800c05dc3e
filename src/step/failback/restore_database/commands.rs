//! Everything that the step may send, in order.

use serde_json::json;

use crate::model::{Role, quote};
use crate::site::Site;
use crate::step::command::{Command, Hole, HoleType};
use crate::step::shared::address;
use crate::step::shared::file_hole;

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Full,
    Tail,
    Recover,
    MultiUser,
    Owner,
    Trustworthy,
    Broker,
    User,
}

pub(super) fn list(site: &Site) -> Vec<(Key, Command)> {
    let database = quote::identifier(site.database.chat.as_str());
    let send = |text: String, holes: Vec<Hole>| {
        Command::tsql(Role::Primary, &address(site, Role::Primary), text, holes)
    };
    let name = |name: &'static str, rule: &str, sample: &str| {
        Hole::new(name, HoleType::Identifier, rule, sample)
    };
    vec![
        send(
            format!(
                "RESTORE DATABASE {database} FROM DISK = {{file}} WITH FILE = 1, REPLACE, {{moves}}, \
                 CHECKSUM, STATS = 5, NORECOVERY;"
            ),
            vec![
                file_hole(site, "full"),
                Hole::new(
                    "moves",
                    HoleType::Moves,
                    "every file of the backup (RESTORE FILELISTONLY) to the path of the primary's own file of that name and kind (sys.master_files)",
                    json!([
                        ["mgc_data", r"E:\SQLData\mgc.mdf"],
                        ["mgc_log", r"E:\SQLLog\mgc.ldf"]
                    ]),
                ),
            ],
        ).long().keyed(Key::Full),
        send(
            format!(
                "RESTORE LOG {database} FROM DISK = {{tail}} WITH FILE = 1, NORECOVERY, STATS = 5;"
            ),
            vec![file_hole(site, "tail")],
        ).long().keyed(Key::Tail),
        send(
            format!("RESTORE DATABASE {database} WITH RECOVERY;"),
            Vec::new(),
        ).long().keyed(Key::Recover),
        send(
            format!("ALTER DATABASE {database} SET MULTI_USER;"),
            Vec::new(),
        )
        .when("it is not MULTI_USER after recovery").keyed(Key::MultiUser),
        send(
            format!("ALTER AUTHORIZATION ON DATABASE::{database} TO {{owner}};"),
            vec![name(
                "owner",
                "owner of the primary's database, as it was kept",
                r"LITWARE\svc-chat",
            )],
        )
        .when("the owner is known, has a login there, and this one is another").keyed(Key::Owner),
        send(
            format!("ALTER DATABASE {database} SET TRUSTWORTHY ON;"),
            Vec::new(),
        )
        .when("it was on").keyed(Key::Trustworthy),
        send(
            format!("ALTER DATABASE {database} SET ENABLE_BROKER WITH ROLLBACK IMMEDIATE;"),
            Vec::new(),
        )
        .when("it was enabled").keyed(Key::Broker),
        send(
            format!("USE {database}; ALTER USER {{user}} WITH LOGIN = {{login}};"),
            vec![
                name("user", "the user", "pchat-reader"),
                name("login", "the login of the same name", "pchat-reader"),
            ],
        )
        .each("user without a login (by its SID) where the primary has a login of that name").keyed(Key::User),
    ]
}
