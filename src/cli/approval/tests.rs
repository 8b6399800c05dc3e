//! Which runs go on under an approval.

use std::path::PathBuf;

use super::*;
use crate::cli::check::plain;
use crate::run::archive::{Copy, CopyIs, Kept};
use crate::run::event::{ClockKind, Event, FORMAT, RunStarted};
use crate::run::fold::RunState;

fn found(approved: Option<&str>) -> Found {
    let started = Event::RunStarted(RunStarted {
        format: FORMAT,
        run: "r1".to_owned(),
        runbook: "failover".to_owned(),
        plan_digest: "p1".to_owned(),
        site_digest: "s1".to_owned(),
        pool: "pchat.litwareinc.com".to_owned(),
        tool: String::new(),
        host: String::new(),
        user: String::new(),
        clock: ClockKind::Wall,
        steps: Vec::new(),
        until: None,
        continues: None,
        approved: approved.map(str::to_owned),
    });
    let copy = Copy {
        path: PathBuf::new(),
        is: CopyIs::Missing,
    };
    Found {
        run: "r1".to_owned(),
        state: RunState::begin(&started).unwrap(),
        whole: 1,
        site: Kept::default(),
        plan: Kept::default(),
        copies: [copy.clone(), copy],
    }
}

#[test]
fn an_approved_run_goes_on_with_another_plan_only_when_that_is_approved_too() {
    let mut options = plain(Some(PathBuf::from("/etc/site.toml")));
    let refused = |approved, changed, options: &RunOptions| {
        goes_on(&found(approved), changed, options).err().map(|it| {
            let hint = it.problem.hint(crate::model::WayOn::Resume);
            (it.exit, it.problem.why, hint)
        })
    };
    // The plan that it began with needs no other word.
    assert_eq!(refused(Some("a1"), false, &options), None);
    assert_eq!(refused(None, false, &options), None);
    assert_eq!(refused(None, true, &options), None);

    options.runbook = Some(PathBuf::from("/etc/other.toml"));
    let (exit, why, hint) = refused(Some("a1"), true, &options).unwrap();
    assert_eq!(exit, Exit::Blocked);
    assert!(why.contains("this is another one"), "{why}");
    let save = "pchadr failover --config /etc/site.toml --resume=r1 --runbook /etc/other.toml --plan-out failover-plan.json";
    assert!(hint.contains(save), "{hint}");
    let typed = crate::cli::typed(save.split_whitespace().map(Into::into));
    assert!(typed.is_ok());

    options.approval.approved = Some(PathBuf::from("plan.json"));
    assert_eq!(refused(Some("a1"), true, &options), None);
    assert_eq!(refused(Some("a1"), false, &options), None);
    // What was sent without an approval is not approved by what comes later.
    let (exit, why, _) = refused(None, false, &options).unwrap();
    assert_eq!(exit, Exit::Refused);
    assert!(why.contains("was not approved"), "{why}");
}
