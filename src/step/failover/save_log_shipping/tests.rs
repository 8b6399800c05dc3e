use super::*;
use crate::step::sample::{identity, in_short, job, row, unknown, words};

fn schedule() -> Schedule {
    Schedule {
        job: "Copy".to_owned(),
        name: "DefaultCopyJobSchedule".to_owned(),
        enabled: true,
        freq_type: Some(4),
        freq_interval: Some(1),
        freq_subday_type: Some(4),
        freq_subday_interval: Some(15),
        freq_relative_interval: Some(0),
        freq_recurrence_factor: Some(0),
        active_start_date: Some(20_200_101),
        active_end_date: Some(99_991_231),
        active_start_time: Some(0),
        active_end_time: Some(235_900),
    }
}

fn facts(rows: Vec<Secondary>) -> Facts {
    Facts {
        identity: Observed::Seen(identity(r"SQL3\CHAT")),
        rows: Observed::Seen(rows),
        jobs: Observed::Seen(vec![job("Copy")]),
        schedules: Observed::Seen(vec![schedule()]),
        database: Observed::Absent,
        primary: None,
        primary_mirror: None,
        others: Vec::new(),
        kept: None,
        unreadable: Vec::new(),
        run: "run-1".to_owned(),
        shares: vec![r"\\fs1\logs".parse().unwrap()],
        may_differ: false,
        copy_local: r"E:\copy".to_owned(),
        first_hosts: Vec::new(),
    }
}

fn kept(run: &str, facts: &Facts) -> Saved {
    Saved {
        run: run.to_owned(),
        taken_at: "2026-11-24T03:00:00Z".parse().unwrap(),
        backup: SavedSecondary {
            rows: facts.rows.seen().cloned().unwrap(),
            jobs: facts.jobs.seen().cloned().unwrap(),
            schedules: facts.schedules.seen().cloned().unwrap(),
            database: None,
        },
        primary: None,
        primary_mirror: None,
    }
}

fn judge(facts: &Facts) -> Standing {
    SaveLogShipping::judge(facts)
}

#[test]
fn it_is_pending_while_a_row_is_not_saved_for_this_run() {
    let mut facts = facts(vec![row("mgc")]);
    assert_eq!(words(&judge(&facts)), "keep 1 row, 1 job and 1 schedule");
    facts.kept = Some(kept("run-0", &facts));
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn it_is_satisfied_when_the_saved_document_of_this_run_equals_what_is_there() {
    let mut facts = facts(vec![row("mgc")]);
    facts.kept = Some(kept("run-1", &facts));
    assert_eq!(in_short(&judge(&facts)), "satisfied");
    facts.schedules = Observed::Seen(Vec::new());
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn what_the_next_step_changes_and_what_log_shipping_writes_itself_do_not_make_it_differ() {
    let mut facts = facts(vec![row("mgc")]);
    facts.kept = Some(kept("run-1", &facts));
    facts.jobs = Observed::Seen(vec![Job {
        enabled: true,
        started_and_not_stopped: true,
        ..job("Copy")
    }]);
    facts.rows = Observed::Seen(vec![Secondary {
        last_copied_file: Some("mgc_2.trn".to_owned()),
        ..row("mgc")
    }]);
    assert_eq!(in_short(&judge(&facts)), "satisfied");
}

#[test]
fn without_a_row_it_is_satisfied_and_says_what_is_not_known_any_more() {
    let mut facts = facts(Vec::new());
    facts.jobs = Observed::Absent;
    facts.schedules = Observed::Absent;
    assert!(words(&judge(&facts)).contains("schedules and thresholds are not known"));
    facts.kept = Some(kept("run-0", &super::tests::facts(vec![row("mgc")])));
    assert!(words(&judge(&facts)).contains("run run-0 kept it"));
}

#[test]
fn rows_that_cannot_be_read_or_may_be_hidden_are_never_taken_for_none() {
    let mut dark = facts(Vec::new());
    dark.rows = unknown();
    assert_eq!(in_short(&judge(&dark)), "unknown");
    let mut hidden = facts(Vec::new());
    hidden.identity = Observed::Seen(Identity {
        sysadmin: false,
        ..identity("SQL3")
    });
    assert_eq!(in_short(&judge(&hidden)), "not-sysadmin");
    let mut nobody = facts(Vec::new());
    nobody.identity = unknown();
    assert_eq!(in_short(&judge(&nobody)), "unknown");
    let mut no_jobs = facts(vec![row("mgc")]);
    no_jobs.jobs = unknown();
    assert_eq!(in_short(&judge(&no_jobs)), "unknown");
}

#[test]
fn two_rows_that_disagree_on_folders_block() {
    let second = Secondary {
        source: r"\\fs2\logs".to_owned(),
        ..row("mgc")
    };
    assert_eq!(
        in_short(&judge(&facts(vec![row("mgc"), second]))),
        "two-configurations"
    );
    assert_eq!(
        in_short(&judge(&facts(vec![row("mgc"), row("other")]))),
        "pending"
    );
}

#[test]
fn a_server_older_than_2012_is_refused() {
    let mut facts = facts(vec![row("mgc")]);
    facts.identity = Observed::Seen(Identity {
        major: 10,
        ..identity("SQL3")
    });
    assert_eq!(in_short(&judge(&facts)), "version");
}

#[test]
fn two_roles_that_are_one_instance_block_everything() {
    let mut facts = facts(vec![row("mgc")]);
    facts.others = vec![
        (Role::Primary, r"SQL1\CHAT".to_owned()),
        (Role::BackupMirror, r"sql3\chat".to_owned()),
    ];
    assert_eq!(in_short(&judge(&facts)), "one-instance");
    facts.others.pop();
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn a_folder_of_log_shipping_that_the_site_file_does_not_name_is_an_interlock_with_both_paths() {
    let mut facts = facts(vec![row("mgc")]);
    facts.shares = vec![r"\\FS1\Logs\".parse().unwrap()];
    assert_eq!(in_short(&judge(&facts)), "pending");
    facts.shares = vec![r"\\fs2\logs".parse().unwrap()];
    let Standing::Blocked { blocks } = judge(&facts) else {
        panic!("not blocked")
    };
    assert_eq!(blocks[0].id, OTHER_FOLDER);
    assert!(
        blocks[0]
            .why()
            .contains(r"`\\fs1\logs`, and `[shares] backup` is `\\fs2\logs`")
    );
    facts.may_differ = true;
    assert_eq!(in_short(&judge(&facts)), "pending");
    facts.may_differ = false;
    facts.shares.push(r"\\fs1\logs".parse().unwrap());
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn a_copy_folder_that_differs_from_the_site_file_and_a_monitor_password_are_told() {
    let mut facts = facts(vec![row("mgc")]);
    facts.copy_local = r"F:\copy".to_owned();
    assert!(words(&judge(&facts)).contains(r"the site file names `F:\copy`"));
    facts.rows = Observed::Seen(vec![Secondary {
        monitor_security: Some(0),
        ..row("mgc")
    }]);
    assert!(words(&judge(&facts)).contains("password cannot be kept"));
}

#[test]
fn a_share_and_a_monitor_that_stand_in_the_first_data_center_are_named() {
    let mut monitored = row("mgc");
    monitored.monitor = Some(r"MON1\X".to_owned());
    let mut facts = facts(vec![monitored]);
    let mut told = |hosts: &[&str]| {
        facts.first_hosts = hosts.iter().map(|it| (*it).to_owned()).collect();
        words(&judge(&facts))
    };
    let both = told(&["fs1.dc1.x.com", "mon1.dc1.x.com"]);
    for part in [
        r"`\\fs1\logs` stands in the first data center",
        r"its monitor MON1\X stands in the first data center",
    ] {
        assert_eq!(both.matches(part).count(), 1, "{both}");
    }
    for others in [&["fs10.dc1.x.com"][..], &["10.1.0.1"], &[]] {
        let none = told(others);
        assert!(!none.contains("first data center"), "{none}");
    }
}
