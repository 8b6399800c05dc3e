use super::*;
use crate::step::sample::{in_short, job, restore, row, unknown, words};

fn facts(jobs: Vec<Job>) -> Facts {
    Facts {
        ids: JobIds::of(&[row("mgc")]),
        jobs: Observed::Seen(jobs),
        agent_runs: Some(true),
        restores: Observed::Seen(Vec::new()),
        looks: 2,
    }
}

fn judge(facts: &Facts) -> Standing {
    StopLogShippingJobs::judge(facts)
}

fn enabled(id: &str) -> Job {
    Job {
        enabled: true,
        ..job(id)
    }
}

fn running(id: &str) -> Job {
    Job {
        started_and_not_stopped: true,
        ..job(id)
    }
}

#[test]
fn it_is_satisfied_when_every_job_is_disabled_and_idle_in_two_looks() {
    let mut facts = facts(vec![job("Copy"), job("Restore")]);
    assert_eq!(in_short(&judge(&facts)), "satisfied");
    facts.looks = 1;
    assert_eq!(in_short(&judge(&facts)), "underway");
}

#[test]
fn it_is_pending_while_a_job_is_enabled_or_runs() {
    let standing = judge(&facts(vec![enabled("Copy"), running("Restore")]));
    assert_eq!(words(&standing), "disable 1 job, wait for 1 running job");
}

#[test]
fn a_job_of_a_stopped_agent_does_not_run_whatever_its_row_says() {
    let mut facts = facts(vec![running("Restore")]);
    facts.agent_runs = Some(false);
    assert_eq!(in_short(&judge(&facts)), "satisfied");
    facts.agent_runs = None;
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn a_restore_of_the_running_restore_job_is_waited_for() {
    let mut facts = facts(vec![running("Restore")]);
    facts.restores = Observed::Seen(vec![restore(60)]);
    assert_eq!(in_short(&judge(&facts)), "pending");
}

#[test]
fn a_restore_that_no_listed_job_started_blocks_and_names_who_runs_it() {
    for jobs in [vec![job("Restore")], vec![running("Copy")], Vec::new()] {
        let mut facts = facts(jobs);
        facts.restores = Observed::Seen(vec![restore(60)]);
        assert_eq!(in_short(&judge(&facts)), "foreign-restore");
        assert!(words(&judge(&facts)).contains("report from sql3, Excel"));
    }
}

#[test]
fn without_a_row_and_a_saved_id_there_is_nothing_to_stop_but_a_restore_still_blocks() {
    let mut facts = facts(Vec::new());
    facts.jobs = Observed::Absent;
    assert_eq!(in_short(&judge(&facts)), "satisfied");
    facts.restores = Observed::Seen(vec![restore(60)]);
    assert_eq!(in_short(&judge(&facts)), "foreign-restore");
    facts.restores = unknown();
    assert_eq!(in_short(&judge(&facts)), "unknown");
}

#[test]
fn jobs_or_restores_that_cannot_be_seen_are_unknown() {
    let mut facts = facts(vec![job("Copy")]);
    facts.restores = unknown();
    assert_eq!(in_short(&judge(&facts)), "unknown");
    facts.jobs = unknown();
    facts.restores = Observed::Seen(Vec::new());
    assert_eq!(in_short(&judge(&facts)), "unknown");
}
