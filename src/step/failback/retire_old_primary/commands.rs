//! Everything that the step may send, in order.

use crate::model::{Role, quote};
use crate::site::Site;
use crate::step::command::{Command, Hole, HoleType};
use crate::step::shared::address;

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Disable(Role),
    FailOver,
    Archive(Role),
    PartnerOff(Role),
    DropSecondary(Role),
    DropPrimary(Role),
}

/// The commands by their keys.
pub(super) fn table(site: &Site) -> Vec<(Key, Command)> {
    let roles: Vec<Role> = [Role::Primary, Role::PrimaryMirror]
        .into_iter()
        .filter(|role| site.chat(*role).is_some())
        .collect();
    let database = quote::identifier(site.database.chat.as_str());
    let literal = quote::literal(site.database.chat.as_str());
    let send = |role: Role, text: String, holes: Vec<Hole>| {
        Command::tsql(role, &address(site, role), text, holes)
    };
    let mut table = Vec::new();
    for role in &roles {
        let job = Hole::new(
            "job",
            HoleType::Text,
            "job_id of the job",
            "5F0C2C54-1D9E-4D0B-9C5A-2D3F6E7A8B90",
        );
        let text = "EXEC msdb.dbo.sp_update_job @job_id = {job}, @enabled = 0;".to_owned();
        table.push((
            Key::Disable(*role),
            send(*role, text, vec![job]).each(format!("enabled backup job of the {role}")),
        ));
    }
    if roles.contains(&Role::PrimaryMirror) {
        let text = format!("ALTER DATABASE {database} SET PARTNER FAILOVER;");
        table.push((
            Key::FailOver,
            send(Role::PrimaryMirror, text, Vec::new())
                .when("the primary mirror is the principal, SYNCHRONIZED"),
        ));
    }
    for role in &roles {
        let archive = site
            .shares
            .archive
            .as_ref()
            .map_or_else(|| r"\\fs1\pchat-archive".to_owned(), ToString::to_string);
        let file = Hole::new(
            "file",
            HoleType::Text,
            format!(
                "<database>-failback-<run id>-{}.bak in `{archive}`",
                role.key()
            ),
            format!(r"{archive}\mgc-failback-20261124-0315-{}.bak", role.key()),
        );
        let text = format!(
            "BACKUP DATABASE {database} TO DISK = {{file}} WITH COPY_ONLY, INIT, CHECKSUM, STATS = 5;"
        );
        table.push((
            Key::Archive(*role),
            send(*role, text, vec![file]).long().when(format!(
                "the {role} serves a chat database of the backup's family, or one that holds messages"
            )),
        ));
    }
    for role in &roles {
        let text = format!("ALTER DATABASE {database} SET PARTNER OFF;");
        table.push((
            Key::PartnerOff(*role),
            send(*role, text, Vec::new()).when(format!("the {role}'s chat database is mirrored")),
        ));
    }
    for role in &roles {
        let text = format!(
            "DECLARE @rc int; EXEC @rc = master.dbo.sp_delete_log_shipping_primary_secondary \
             @primary_database = {literal}, @secondary_server = {{secondary_server}}, \
             @secondary_database = {{secondary_database}}; SELECT @rc AS rc;"
        );
        let holes = vec![
            Hole::new(
                "secondary_server",
                HoleType::Text,
                "secondary_server of the row",
                r"SQL3\chat",
            ),
            Hole::new(
                "secondary_database",
                HoleType::Text,
                "secondary_database of the row",
                "mgc",
            ),
        ];
        table.push((
            Key::DropSecondary(*role),
            send(*role, text, holes).each(format!(
                "row of log_shipping_primary_secondaries on the {role}"
            )),
        ));
        let text = format!(
            "DECLARE @rc int; EXEC @rc = master.dbo.sp_delete_log_shipping_primary_database \
             @database = {literal}; SELECT @rc AS rc;"
        );
        table.push((
            Key::DropPrimary(*role),
            send(*role, text, Vec::new()).when(format!(
                "the {role} has a row in log_shipping_primary_databases"
            )),
        ));
    }
    table
}
