//! Everything that the step may send, in the order of the console's script (`sql-server.md` 1.3;
//! `steps.md` 6.5).

use std::fmt::Write as _;

use crate::model::{Role, quote};
use crate::site::Site;
use crate::step::command::{Command, Hole, HoleType};
use crate::step::shared::address;

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    FollowLog,
    AddPrimary(Role, bool),
    AddSchedule(Role),
    Enable(Role),
    AddPointer(Role),
    AddSecondary(bool),
    AddSecondaryDatabase,
    ToMirror,
    ToPrimary,
    Start(Role),
}

fn text(name: &'static str, rule: &str, sample: &str) -> Hole {
    Hole::new(name, HoleType::Text, rule, sample)
}

fn integer(name: &'static str, rule: &str, sample: i64) -> Hole {
    Hole::new(name, HoleType::Integer, rule, sample)
}

fn job() -> Hole {
    text(
        "job",
        "job_id of the job",
        "5F0C2C54-1D9E-4D0B-9C5A-2D3F6E7A8B90",
    )
}

/// A procedure of log shipping, its return code shown. A watching job comes first where there is no
/// monitor: the instance watches itself.
fn procedure(name: &str, arguments: &str, outputs: &str, monitored: bool) -> String {
    let alert = if monitored {
        ""
    } else {
        "EXEC master.dbo.sp_add_log_shipping_alert_job; "
    };
    let outputs = outputs.split(", ").filter(|output| !output.is_empty());
    let (mut declared, mut passed) = (String::new(), String::new());
    for output in outputs {
        // Writing to a String cannot fail.
        let _ = write!(declared, ", @{output} uniqueidentifier");
        let _ = write!(passed, ", @{output} = @{output} OUTPUT");
    }
    format!(
        "DECLARE @rc int{declared}; {alert}EXEC @rc = master.dbo.{name} {arguments}{passed}, \
         @overwrite = 1; SELECT @rc AS rc;"
    )
}

const MONITOR: &str = ", @monitor_server = {monitor}, @monitor_server_security_mode = 1";

fn monitor() -> Hole {
    text(
        "monitor",
        "monitor_server of the saved configuration",
        "SQLMON",
    )
}

/// The commands by their keys.
pub(super) fn table(site: &Site) -> Vec<(Key, Command)> {
    let has_mirror = site.chat(Role::PrimaryMirror).is_some();
    let name = quote::literal(site.database.chat.as_str());
    let database = quote::identifier(site.database.chat.as_str());
    let send = |role: Role, text: String, holes: Vec<Hole>| {
        Command::tsql(role, &address(site, role), text, holes)
    };
    let fail_over = |role: Role| {
        send(
            role,
            format!("ALTER DATABASE {database} SET PARTNER FAILOVER;"),
            Vec::new(),
        )
    };
    let mut table = vec![(
        Key::FollowLog,
        send(
            Role::Backup,
            format!(
                "RESTORE LOG {database} FROM DISK = {{log}} WITH FILE = {{position}}, NORECOVERY;"
            ),
            vec![
                text(
                    "log",
                    "physical_device_name of the log backup in the primary's msdb",
                    r"\\fs1\pchat-mirror\mgc_20261124031500.trn",
                ),
                integer("position", "its place in the file", 1),
            ],
        )
        .long()
        .each(
            "log backup of the primary beyond the backup's redo start that is not on the log-shipping share (the set-up of the mirror took it), in LSN order",
        ),
    )];
    primary_half(site, Role::Primary, &name, &mut table);
    table.extend(backup_half(site));
    if has_mirror {
        table.push((
            Key::ToMirror,
            fail_over(Role::Primary)
                .when("the primary mirror lacks its half: it is made the principal, SYNCHRONIZED"),
        ));
        primary_half(site, Role::PrimaryMirror, &name, &mut table);
        table.push((
            Key::ToPrimary,
            fail_over(Role::PrimaryMirror).when("the primary mirror is the principal"),
        ));
    }
    for (role, rule) in [
        (Role::Primary, "the backup job, for the first log backup"),
        (
            Role::Backup,
            "the copy job, then the restore job, for that log backup",
        ),
    ] {
        table.push((
            Key::Start(role),
            send(
                role,
                "EXEC msdb.dbo.sp_start_job @job_id = {job};".to_owned(),
                vec![job()],
            )
            .each(rule),
        ));
    }
    table
}

/// What sets up the backup's half.
pub(super) fn backup_half(site: &Site) -> Vec<(Key, Command)> {
    let name = quote::literal(site.database.chat.as_str());
    let send = |text: String, holes: Vec<Hole>| {
        Command::tsql(Role::Backup, &address(site, Role::Backup), text, holes)
    };
    let mut table = Vec::new();
    for monitored in [false, true] {
        let arguments = format!(
            "@primary_server = {{primary_server}}, @primary_database = {name}, \
             @backup_source_directory = {{source}}, @backup_destination_directory = {{destination}}, \
             @copy_job_name = {{copy_job}}, @restore_job_name = {{restore_job}}, \
             @file_retention_period = {{retention}}{}",
            if monitored { MONITOR } else { "" }
        );
        let text = procedure(
            "sp_add_log_shipping_secondary_primary",
            &arguments,
            "copy_job_id, restore_job_id, secondary_id",
            monitored,
        );
        let mut holes = secondary_holes();
        if monitored {
            holes.push(monitor());
        }
        table.push((
            Key::AddSecondary(monitored),
            send(text, holes).when(monitored_when(monitored)),
        ));
    }
    table.push((
        Key::AddSchedule(Role::Backup),
        schedule(site, Role::Backup)
            .each("schedule of the copy job, then of the restore job, as saved"),
    ));
    table.push((
        Key::AddSecondaryDatabase,
        send(secondary_database(&name), secondary_database_holes()),
    ));
    table.push((
        Key::Enable(Role::Backup),
        enable(site, Role::Backup).each("the copy job, then the restore job"),
    ));
    table
}

fn monitored_when(monitored: bool) -> &'static str {
    if monitored {
        "the saved configuration has a monitor server"
    } else {
        "the saved configuration has no monitor server"
    }
}

fn primary_half(site: &Site, role: Role, name: &str, table: &mut Vec<(Key, Command)>) {
    let server = address(site, role);
    for monitored in [false, true] {
        let arguments = format!(
            "@database = {name}, @backup_directory = {{directory}}, @backup_share = {{share}}, \
             @backup_job_name = {{backup_job}}, @backup_retention_period = {{retention}}, \
             @backup_compression = {{compression}}, @backup_threshold = {{threshold}}, \
             @threshold_alert = {{alert}}, @threshold_alert_enabled = {{alert_enabled}}, \
             @history_retention_period = {{history}}{}",
            if monitored { MONITOR } else { "" }
        );
        let batch = procedure(
            "sp_add_log_shipping_primary_database",
            &arguments,
            "backup_job_id, primary_id",
            monitored,
        );
        let mut holes = vec![
            text(
                "directory",
                "backup_directory, as saved",
                r"\\fs1\pchat-logs",
            ),
            text("share", "backup_share, as saved", r"\\fs1\pchat-logs"),
            text(
                "backup_job",
                "name of the backup job, as saved",
                "LSBackup_mgc",
            ),
            integer("retention", "backup_retention_period, as saved", 4320),
            integer("compression", "backup_compression, as saved", 2),
            integer("threshold", "backup_threshold, as saved", 60),
            integer("alert", "threshold_alert, as saved", 14_420),
            integer("alert_enabled", "threshold_alert_enabled, as saved", 1),
            integer("history", "history_retention_period, as saved", 5760),
        ];
        if monitored {
            holes.push(monitor());
        }
        table.push((
            Key::AddPrimary(role, monitored),
            Command::tsql(role, &server, batch, holes).when(monitored_when(monitored)),
        ));
    }
    table.push((
        Key::AddSchedule(role),
        schedule(site, role).each("schedule of the backup job, as saved"),
    ));
    table.push((Key::Enable(role), enable(site, role)));
    table.push((
        Key::AddPointer(role),
        Command::tsql(
            role,
            &server,
            format!(
                "DECLARE @rc int; EXEC @rc = master.dbo.sp_add_log_shipping_primary_secondary \
                 @primary_database = {name}, @secondary_server = {{secondary_server}}, \
                 @secondary_database = {{secondary_database}}, @overwrite = 1; SELECT @rc AS rc;"
            ),
            vec![
                text(
                    "secondary_server",
                    "secondary_server, as saved",
                    r"SQL3\chat",
                ),
                text("secondary_database", "secondary_database, as saved", "mgc"),
            ],
        )
        .each("secondary of the saved configuration"),
    ));
}

fn secondary_holes() -> Vec<Hole> {
    vec![
        text(
            "primary_server",
            "@@SERVERNAME of the primary",
            r"SQL1\chat",
        ),
        text(
            "source",
            "backup_source_directory, as saved",
            r"\\fs1\pchat-logs",
        ),
        text(
            "destination",
            "backup_destination_directory, as saved",
            r"E:\pchat-copy",
        ),
        text(
            "copy_job",
            "name of the copy job, as saved",
            r"LSCopy_SQL1\chat_mgc",
        ),
        text(
            "restore_job",
            "name of the restore job, as saved",
            r"LSRestore_SQL1\chat_mgc",
        ),
        integer("retention", "file_retention_period, as saved", 4320),
    ]
}

fn secondary_database(name: &str) -> String {
    format!(
        "DECLARE @rc int; EXEC @rc = master.dbo.sp_add_log_shipping_secondary_database \
         @secondary_database = {name}, @primary_server = {{primary_server}}, \
         @primary_database = {name}, @restore_delay = {{delay}}, @restore_all = {{all}}, \
         @restore_mode = {{mode}}, @disconnect_users = {{disconnect}}, @block_size = {{block_size}}, \
         @buffer_count = {{buffer_count}}, @max_transfer_size = {{max_transfer_size}}, \
         @restore_threshold = {{threshold}}, @threshold_alert = {{alert}}, \
         @threshold_alert_enabled = {{alert_enabled}}, @history_retention_period = {{history}}, \
         @overwrite = 1; SELECT @rc AS rc;"
    )
}

fn secondary_database_holes() -> Vec<Hole> {
    vec![
        text(
            "primary_server",
            "@@SERVERNAME of the primary",
            r"SQL1\chat",
        ),
        integer("delay", "restore_delay, as saved", 0),
        integer("all", "restore_all, as saved", 1),
        integer("mode", "restore_mode, as saved: 0 is NORECOVERY", 0),
        integer("disconnect", "disconnect_users, as saved", 0),
        integer(
            "block_size",
            "block_size, as saved; -1 lets the instance choose",
            -1,
        ),
        integer("buffer_count", "buffer_count, likewise", -1),
        integer("max_transfer_size", "max_transfer_size, likewise", -1),
        integer("threshold", "restore_threshold, as saved", 45),
        integer("alert", "threshold_alert, as saved", 14_421),
        integer("alert_enabled", "threshold_alert_enabled, as saved", 1),
        integer("history", "history_retention_period, as saved", 5760),
    ]
}

/// Attached by its number: names need not be unique (14371).
fn schedule(site: &Site, role: Role) -> Command {
    let batch = "DECLARE @schedule int; EXEC msdb.dbo.sp_add_schedule @schedule_name = {schedule_name}, \
         @enabled = {enabled}, @freq_type = {freq_type}, @freq_interval = {freq_interval}, \
         @freq_subday_type = {freq_subday_type}, @freq_subday_interval = {freq_subday_interval}, \
         @freq_relative_interval = {freq_relative_interval}, \
         @freq_recurrence_factor = {freq_recurrence_factor}, \
         @active_start_date = {start_date}, @active_end_date = {end_date}, \
         @active_start_time = {start_time}, @active_end_time = {end_time}, \
         @schedule_id = @schedule OUTPUT; \
         EXEC msdb.dbo.sp_attach_schedule @job_id = {job}, @schedule_id = @schedule;";
    let number = |name: &'static str, sample: i64| integer(name, "as saved", sample);
    Command::tsql(
        role,
        &address(site, role),
        batch,
        vec![
            text("schedule_name", "as saved", "DefaultCopyJobSchedule"),
            number("enabled", 1),
            number("freq_type", 4),
            number("freq_interval", 1),
            number("freq_subday_type", 4),
            number("freq_subday_interval", 15),
            number("freq_relative_interval", 0),
            number("freq_recurrence_factor", 0),
            number("start_date", 20_260_101),
            number("end_date", 99_991_231),
            number("start_time", 0),
            number("end_time", 235_900),
            job(),
        ],
    )
}

fn enable(site: &Site, role: Role) -> Command {
    Command::tsql(
        role,
        &address(site, role),
        "EXEC msdb.dbo.sp_update_job @job_id = {job}, @enabled = 1, @owner_login_name = {owner};",
        vec![
            job(),
            text(
                "owner",
                "owner of the job as saved, where it has a login there; else the owner that it has",
                "sa",
            ),
        ],
    )
}
