//! The observations of the reference, word for word, over an instance that has a little of everything.

use super::instance::{guid_text, instance};
use super::*;

const TEXTS: &str = include_str!("observations.sql");

/// Text of observation O`number`.
fn text_of(number: usize) -> &'static str {
    let mark = format!("-- O{number} ");
    let start = TEXTS.find(&mark).unwrap();
    let body = &TEXTS[start..];
    let end = body[2..].find("-- O").map_or(body.len(), |end| end + 2);
    &body[..end]
}

/// Rows of an observation.
fn observe(number: usize) -> Vec<Vec<Datum>> {
    select(text_of(number), &instance())
        .unwrap_or_else(|error| panic!("O{number}: {error}"))
        .rows
}

/// Rows of an observation, only these columns.
fn observed(number: usize, names: &[&str]) -> Vec<Vec<Datum>> {
    let all =
        select(text_of(number), &instance()).unwrap_or_else(|error| panic!("O{number}: {error}"));
    let place = |name: &&str| {
        let found = all.columns.iter().position(|column| column.name == *name);
        found.unwrap_or_else(|| panic!("O{number} has no {name}"))
    };
    let places: Vec<_> = names.iter().map(place).collect();
    all.rows
        .iter()
        .map(|row| places.iter().map(|at| row[*at].clone()).collect())
        .collect()
}

#[test]
fn o1_tells_who_the_instance_is() {
    let wanted = [
        text(r"SQL3\CHAT"),
        text(r"SQL3\CHAT"),
        text("CHAT"),
        text("13.0.5026.0"),
        int(3),
        text("SQL_Latin1_General_CP1_CI_AS"),
        int(1),
        text("2026-11-24T12:05:00"),
    ];
    assert_eq!(observe(1), [wanted]);
    let columns = select(text_of(1), &instance()).unwrap().columns;
    assert_eq!(
        columns[0],
        Column::new("at_servername", SqlType::NVarChar(Some(256)))
    );
    assert_eq!(columns[4], Column::new("engine_edition", SqlType::Int));
    assert_eq!(
        columns[7],
        Column::new("utc_now", SqlType::VarChar(Some(33)))
    );
}

#[test]
fn o2_tells_the_state_of_the_database() {
    let names = [
        "database_id",
        "state",
        "recovery_model",
        "owner_name",
        "create_date",
        "mirroring_guid",
    ];
    let wanted = [
        int(5),
        int(1),
        int(1),
        Datum::Null,
        text("2026-11-24T02:03:04.567"),
        Datum::Null,
    ];
    assert_eq!(observed(2, &names), [wanted]);
}

#[test]
fn o3_tells_the_files_and_the_redo_start() {
    let file = |id, kind, name, path, bytes| {
        let redo = text("34000000026400001");
        vec![
            int(id),
            int(kind),
            int(1),
            text(name),
            text(path),
            int(bytes),
            redo,
            guid_text(7),
        ]
    };
    assert_eq!(
        observe(3),
        [
            file(1, 0, "mgc", r"E:\mgc.mdf", 8_192_000_000),
            file(2, 1, "mgc_log", r"E:\mgc.ldf", 2_097_152)
        ]
    );
    let bytes = &select(text_of(3), &instance()).unwrap().columns[5];
    assert_eq!(*bytes, Column::new("bytes", SqlType::BigInt));
}

#[test]
fn o4_is_null_while_the_database_is_not_started() {
    assert_eq!(observe(4), [vec![Datum::Null; 5]]);
}

#[test]
fn o5_tells_what_was_restored_newest_first() {
    let names = [
        "restore_history_id",
        "replace",
        "first_lsn",
        "last_lsn",
        "family_guid",
        "backup_finish_date",
        "physical_device_name",
    ];
    let null = Datum::Null;
    assert_eq!(
        observed(5, &names),
        [
            [
                int(4),
                null.clone(),
                null.clone(),
                null.clone(),
                null.clone(),
                null.clone(),
                null.clone()
            ],
            [
                int(3),
                null,
                text("150"),
                text("300"),
                guid_text(6),
                text("2026-11-24T02:15:00.250"),
                text(r"\\fs1\b.trn")
            ],
            [
                int(1),
                int(1),
                text("100"),
                text("200"),
                guid_text(6),
                text("2026-11-24T02:00:00"),
                text(r"\\fs1\a.bak")
            ],
        ]
    );
}

#[test]
fn o6_and_o7_tell_both_halves_of_log_shipping() {
    let names = [
        "secondary_id",
        "copy_job_id",
        "secondary_database",
        "restore_threshold",
        "last_copied_utc",
    ];
    let wanted = [
        guid_text(1),
        guid_text(3),
        text("mgc"),
        int(45),
        text("2026-11-24T04:00:00"),
    ];
    assert_eq!(observed(6, &names), [wanted]);
    assert_eq!(
        observed(7, &["primary_id", "secondary_server", "backup_threshold"]),
        [
            [guid_text(2), text(r"SQL3\CHAT"), int(60)],
            [guid_text(2), text(r"SQL5\CHAT"), int(60)]
        ]
    );
}

#[test]
fn o8_tells_the_jobs_and_what_they_do_in_the_newest_agent_session() {
    assert_eq!(
        observed(
            8,
            &[
                "job_id",
                "name",
                "enabled",
                "owner_name",
                "category",
                "started",
                "stopped"
            ]
        ),
        [
            [
                guid_text(3),
                text("LSCopy"),
                int(1),
                text("sa"),
                text("Log Shipping"),
                text("2026-11-24T04:00:00"),
                text("2026-11-24T04:01:00")
            ],
            [
                guid_text(4),
                text("LSRestore"),
                int(0),
                text("sa"),
                text("Log Shipping"),
                Datum::Null,
                Datum::Null
            ],
            // Found by its command alone.
            [
                guid_text(9),
                text("odd"),
                int(1),
                text("sa"),
                text("[Uncategorized]"),
                Datum::Null,
                Datum::Null
            ],
        ]
    );
}

#[test]
fn o9_tells_the_schedules() {
    assert_eq!(
        observed(9, &["job_id", "name", "active_end_time"]),
        [
            [guid_text(3), text("LSCopy_S"), int(235_900)],
            [guid_text(4), text("LSRestore_S"), int(235_900)]
        ]
    );
}

#[test]
fn o10_finds_the_restore_of_this_database_only() {
    assert_eq!(
        observed(10, &["session_id", "command", "percent_complete"]),
        [[int(70), text("RESTORE LOG"), Datum::Float(42.5)]]
    );
}

#[test]
fn o11_finds_the_sessions_that_use_or_hold_the_database() {
    assert_eq!(
        observed(11, &["session_id", "open_transaction_count"]),
        [[int(61), int(1)], [int(62), int(0)], [int(70), int(0)]]
    );
}

#[test]
fn o12_and_o13_tell_services_and_endpoint() {
    assert_eq!(observe(12).len(), 2);
    let wanted = [
        text("mirroring_endpoint"),
        int(3),
        int(0),
        int(5022),
        text("sa"),
    ];
    assert_eq!(observe(13), [wanted]);
}

#[test]
fn o14_tells_who_took_log_backups() {
    let wanted = [
        text("150"),
        text("300"),
        text("2026-11-24T02:15:00.250"),
        text(r"\\fs1\b.trn"),
        text("sa"),
    ];
    assert_eq!(observe(14), [wanted]);
}

#[test]
fn o15_to_o17_look_into_open_databases() {
    assert_eq!(observe(15), [[int(1), int(20)], [int(2), int(30)]]);
    assert_eq!(observe(16), [[int(2)]]);
    let waiting = &select(text_of(16), &instance()).unwrap().columns[0];
    assert_eq!(*waiting, Column::new("waiting", SqlType::BigInt));
    assert_eq!(observe(17), [[text("lost")]]);
}

#[test]
fn every_observation_answers_where_nothing_is_there() {
    let mut empty = instance();
    for relation in empty.tables.values_mut() {
        relation.rows.clear();
    }
    for number in 2..=17 {
        let answer = select(text_of(number), &empty).unwrap();
        let full = select(text_of(number), &instance()).unwrap();
        assert_eq!(answer.columns, full.columns, "O{number}");
        assert_eq!(answer.rows.len(), usize::from(number == 16), "O{number}");
    }
}
