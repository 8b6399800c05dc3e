use super::*;
use crate::step::Lift;
use crate::step::sample::{identity, in_short, job, row, unknown, way_out, words};

fn facts(rows: Vec<Secondary>) -> Facts {
    Facts {
        database: "mgc".to_owned(),
        identity: Observed::Seen(identity(r"SQL3\CHAT")),
        rows: Observed::Seen(rows),
        jobs: Observed::Seen(vec![job("Copy"), job("Restore")]),
        agent_runs: Some(true),
        ignores_monitor: Observed::Seen(true),
        kept: true,
        rows_may_stay: false,
    }
}

fn judge(facts: &Facts) -> Standing {
    DropLogShipping::judge(facts)
}

fn running() -> Observed<Vec<Job>> {
    Observed::Seen(vec![Job {
        started_and_not_stopped: true,
        ..job("Restore")
    }])
}

fn enabled() -> Observed<Vec<Job>> {
    Observed::Seen(vec![Job {
        enabled: true,
        ..job("Copy")
    }])
}

#[test]
fn it_is_pending_while_the_row_is_there() {
    assert_eq!(in_short(&judge(&facts(vec![row("MGC")]))), "pending");
}

#[test]
fn it_is_satisfied_when_row_and_jobs_are_gone() {
    let mut facts = facts(Vec::new());
    facts.jobs = Observed::Absent;
    assert_eq!(in_short(&judge(&facts)), "satisfied");
}

#[test]
fn it_is_satisfied_when_siblings_remain_and_their_jobs_are_disabled() {
    let mut facts = facts(vec![row("other")]);
    assert!(words(&judge(&facts)).contains("2 jobs left behind, disabled"));
    facts.jobs = enabled();
    let cleared = Some("stop-log-shipping-jobs".to_owned());
    assert_eq!(way_out(judge(&facts)), (cleared, Lift::Site));
}

#[test]
fn it_is_blocked_until_the_configuration_is_kept() {
    let mut facts = facts(vec![row("mgc")]);
    facts.kept = false;
    let cleared = Some("save-log-shipping".to_owned());
    assert_eq!(way_out(judge(&facts)), (cleared, Lift::Site));
}

#[test]
fn it_is_blocked_until_the_jobs_are_disabled_and_idle() {
    for jobs in [enabled(), running()] {
        let mut facts = facts(vec![row("mgc")]);
        facts.jobs = jobs;
        assert_eq!(in_short(&judge(&facts)), "jobs-not-idle");
    }
}

#[test]
fn a_job_of_a_stopped_agent_is_idle() {
    let mut facts = facts(vec![row("mgc")]);
    facts.jobs = running();
    facts.agent_runs = Some(false);
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn a_server_without_its_own_name_and_a_login_without_sysadmin_block() {
    let mut facts = facts(vec![row("mgc")]);
    for at_servername in [None, Some("OLD".to_owned())] {
        facts.identity = Observed::Seen(Identity {
            at_servername,
            ..identity("SQL3")
        });
        assert_eq!(in_short(&judge(&facts)), "server-name");
    }
    facts.identity = Observed::Seen(Identity {
        sysadmin: false,
        ..identity("SQL3")
    });
    assert_eq!(in_short(&judge(&facts)), "not-sysadmin");
}

#[test]
fn users_do_not_wait_for_a_dead_monitor_but_jobs_must_still_be_idle() {
    let mut facts = facts(vec![row("mgc")]);
    facts.rows_may_stay = true;
    facts.identity = unknown();
    assert_eq!(in_short(&judge(&facts)), "satisfied");
    facts.jobs = enabled();
    assert_eq!(in_short(&judge(&facts)), "jobs-not-idle");
}

#[test]
fn rows_jobs_or_an_instance_that_cannot_be_seen_are_unknown() {
    let mut no_rows = facts(Vec::new());
    no_rows.rows = unknown();
    let mut no_jobs = facts(vec![row("mgc")]);
    no_jobs.jobs = unknown();
    let mut nobody = facts(vec![row("mgc")]);
    nobody.identity = unknown();
    for facts in [no_rows, no_jobs, nobody] {
        assert_eq!(in_short(&judge(&facts)), "unknown");
    }
}
