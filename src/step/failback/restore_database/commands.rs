//! Everything that the step may send, in order.

use serde_json::json;

use crate::model::{Role, quote};
use crate::site::Site;
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::shared::address;
use crate::step::shared::{file_hole, sample_path};

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
    Log,
}

/// The full backup, WITH NORECOVERY.
pub(in crate::step::failback) fn full(site: &Site) -> Command {
    let database = quote::identifier(site.database.chat.as_str());
    Command::tsql(
        Role::Primary,
        &address(site, Role::Primary),
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
    )
    .long()
}

/// A log backup that follows it.
pub(in crate::step::failback) fn log(site: &Site) -> Command {
    let database = quote::identifier(site.database.chat.as_str());
    Command::tsql(
        Role::Primary,
        &address(site, Role::Primary),
        format!(
            "RESTORE LOG {database} FROM DISK = {{log}} WITH FILE = {{position}}, NORECOVERY, STATS = 5;"
        ),
        vec![
            Hole::new(
                "log",
                HoleType::Text,
                "physical_device_name of the log backup in the msdb of the instance that took it",
                sample_path(site, "log"),
            ),
            Hole::new("position", HoleType::Integer, "its place in the file", 1),
        ],
    )
    .long()
    .each("log backup of the second data center beyond the copy's redo start, this run's and any that others took, in LSN order")
}

/// What such a log backup is restored with.
pub(in crate::step) fn log_values(path: &str, position: i64) -> Values {
    Values::from([
        ("log".to_owned(), json!(path)),
        ("position".to_owned(), json!(position)),
    ])
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
        full(site)
            .when("no copy of it waits there for the log")
            .keyed(Key::Full),
        send(
            format!(
                "RESTORE LOG {database} FROM DISK = {{tail}} WITH FILE = 1, NORECOVERY, STATS = 5;"
            ),
            vec![file_hole(site, "tail")],
        )
        .long()
        .keyed(Key::Tail),
        send(
            format!("RESTORE DATABASE {database} WITH RECOVERY;"),
            Vec::new(),
        )
        .long()
        .keyed(Key::Recover),
        send(
            format!("ALTER DATABASE {database} SET MULTI_USER;"),
            Vec::new(),
        )
        .when("it is not MULTI_USER after recovery")
        .keyed(Key::MultiUser),
        send(
            format!("ALTER AUTHORIZATION ON DATABASE::{database} TO {{owner}};"),
            vec![name(
                "owner",
                "owner of the primary's database, as it was kept",
                r"LITWARE\svc-chat",
            )],
        )
        .when("the owner is known, has a login there, and this one is another")
        .keyed(Key::Owner),
        send(
            format!("ALTER DATABASE {database} SET TRUSTWORTHY ON;"),
            Vec::new(),
        )
        .when("it was on")
        .keyed(Key::Trustworthy),
        send(
            format!("ALTER DATABASE {database} SET ENABLE_BROKER WITH ROLLBACK IMMEDIATE;"),
            Vec::new(),
        )
        .when("it was enabled")
        .keyed(Key::Broker),
        send(
            format!("USE {database}; ALTER USER {{user}} WITH LOGIN = {{login}};"),
            vec![
                name("user", "the user", "pchat-reader"),
                name("login", "the login of the same name", "pchat-reader"),
            ],
        )
        .each("user without a login (by its SID) where the primary has a login of that name")
        .keyed(Key::User),
        log(site).keyed(Key::Log),
    ]
}
