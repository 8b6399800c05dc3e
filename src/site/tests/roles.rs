//! Instances and their roles.

use super::super::*;
use super::{accepted_with, refused, refused_with};

#[test]
fn two_roles_on_one_instance_are_refused_however_they_are_spelled() {
    assert_eq!(
        refused_with("[database]\nchat = 'mgc'\n[sql.compliance]"),
        ["17 sql.compliance: is there, but the site has no compliance database"]
    );
    let mirror = |text: &str| {
        refused(
            "backup = 'sql3.dc2.litwareinc.com\\chat'",
            &format!("backup = 'sql3,1433'\nbackup_mirror = '{text}'"),
        )
    };
    let (first, missing) = (
        "12 sql.backup_mirror: `SQL3` is the backup already (line 11)",
        "13 shares.mirror: is missing",
    );
    assert_eq!(mirror("SQL3"), [first, missing]);
    assert_eq!(mirror("sql4"), [missing]);
}

#[test]
fn an_instance_that_cannot_be_read_hides_no_problem_of_the_others() {
    assert_eq!(
        refused(
            "primary = 'sql1.dc1.litwareinc.com\\chat'",
            "primary = 'sql 1'\nbackup_mirror = 'sql3.dc2.litwareinc.com\\chat'"
        ),
        [
            "10 sql.primary: `sql 1` is no SQL Server instance: expected `host`, `host\\instance`, `host,port` or `host\\instance,port`",
            r"11 sql.backup_mirror: `sql3.dc2.litwareinc.com\chat` is the backup already (line 12)",
            "13 shares.mirror: is missing",
        ]
    );
}

#[test]
fn compliance_instances_are_distinct_where_they_are_own_ones() {
    let with = |entries: &str| {
        format!("[database]\nchat = 'mgc'\ncompliance = 'mgccomp'\n[sql.compliance]\n{entries}")
    };
    assert_eq!(
        refused_with(&with("primary = 'c1'\nbackup = 'c1'")),
        ["20 sql.compliance.backup: `c1` is the compliance primary already (line 19)"]
    );
    assert_eq!(
        refused_with(&with("primary = 'sql3.dc2.litwareinc.com\\chat'")),
        [
            r"19 sql.compliance.primary: `sql3.dc2.litwareinc.com\chat` is the backup already (line 11)"
        ]
    );
    let own = accepted_with(&with("primary = 'c1'\nbackup = 'c3'"));
    assert_eq!(
        own.server(Instance::compliance(Role::Backup)),
        Some(&"c3".parse().unwrap())
    );
    let same = accepted_with(&with("primary = 'SQL1.dc1.litwareinc.com\\chat'"));
    assert_eq!(same.sql.instances.len(), 2);
}
