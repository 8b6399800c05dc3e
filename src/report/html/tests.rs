//! The page: what stands on it, and that no value becomes markup.

use super::*;
use crate::report::sample::{self, resumed_run, stopped_run};
use crate::run::event::{Event, Record};

fn origin() -> Origin {
    Origin {
        path: "/state/runs/r7".to_owned(),
        records: 15,
    }
}

fn page_of(records: &[Record], plan: Option<&StoredPlan>) -> String {
    let mut page = Vec::new();
    write_run(&Account::of(records), plan, &origin(), &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

/// The tags of a page without what their attributes say, in order.
fn tags(page: &str) -> Vec<&str> {
    let tags = page.split('<').skip(1);
    tags.map(|tag| tag.split([' ', '>']).next().unwrap())
        .collect()
}

/// Every text of the records that is somebody else's word, replaced.
fn said(records: &[Record], word: &str) -> Vec<Record> {
    let mut records = records.to_vec();
    for record in &mut records {
        match &mut record.event {
            Event::RunStarted(it) => {
                for text in [
                    &mut it.pool,
                    &mut it.host,
                    &mut it.user,
                    &mut it.run,
                    &mut it.tool,
                ] {
                    word.clone_into(text);
                }
                for line in &mut it.steps {
                    word.clone_into(&mut line.title);
                    line.vendor = Some(word.to_owned());
                }
            }
            Event::StepChecked { facts, .. } => {
                *facts = serde_json::json!({ word: word, "list": [word] });
            }
            Event::Consent { what, by, .. } => {
                word.clone_into(what);
                word.clone_into(by);
            }
            Event::Command { values, .. } => *values = serde_json::json!({ "name": word }),
            Event::StepFinished { note, .. } => word.clone_into(note),
            Event::RunFinished(it) => {
                it.resume = Some(word.to_owned());
                if let Some(error) = &mut it.error {
                    word.clone_into(&mut error.what);
                    word.clone_into(&mut error.why);
                    word.clone_into(&mut error.hint);
                    error.evidence = vec![word.to_owned()];
                }
            }
            _ => {}
        }
    }
    records
}

#[test]
fn the_page_has_the_verdict_the_steps_the_commands_the_consents_and_the_error() {
    let page = page_of(&stopped_run(), None);
    for part in [
        "<h1>Failover of pchat.litwareinc.com</h1>",
        "<p class=\"verdict\">stopped at `recover-database` (4/5): something was changed, not everything</p>",
        "<dt>loss (RPO)</dt>",
        "at most 4 min 12 s of chat",
        "<h2>Timeline</h2>",
        "aria-label=\"copy-backups: done 2 h 05 min\"",
        "id=\"step-4\"",
        "mgc_2.trn",
        "--accept-loss-after end-of-chain",
        "a fresh `mgc` is on the primary",
        "Exclusive access could not be obtained",
        "pchadr failover --resume=r7",
        "/state/runs/r7",
        "Nothing of the site was touched",
        "forecast: not known, the plan of this run is not at hand",
    ] {
        assert!(page.contains(part), "{part} is missing in\n{page}");
    }
}

#[test]
fn the_page_needs_no_script_and_nothing_from_outside() {
    let page = page_of(&stopped_run(), None);
    for part in [
        "<script", "http://", "https://", "src=", "url(", "@import", "<link",
    ] {
        assert!(!page.contains(part), "{part} is there");
    }
    for part in [
        "prefers-color-scheme: dark",
        "@media print",
        "<svg",
        "</html>",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
}

#[test]
fn whatever_a_record_says_the_page_has_the_same_tags() {
    let plain = page_of(&said(&stopped_run(), "word"), None);
    let hostile = "</style><script>alert('1')</script><b x=\"y\">&amp;";
    let page = page_of(&said(&stopped_run(), hostile), None);
    assert_eq!(tags(&page), tags(&plain));
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)"), "{page}");
}

#[test]
fn a_command_is_spelled_by_the_plan_of_the_run_and_by_no_other() {
    let plan = StoredPlan::of(&sample::plan()).unwrap();
    let mut records = stopped_run();
    assert!(!page_of(&records, Some(&plan)).contains("RESTORE DATABASE [mgc] WITH RECOVERY;"));
    if let Event::RunStarted(started) = &mut records[0].event {
        plan.digest().clone_into(&mut started.plan_digest);
    }
    let page = page_of(&records, Some(&plan));
    for part in [
        "RESTORE DATABASE [mgc] WITH RECOVERY;",
        r"copy \\fs1\pchat-logs\mgc_2.trn to \\sql3\pchat-copy\mgc_2.trn",
        "point of no return",
    ] {
        assert!(page.contains(part), "{part} is missing in\n{page}");
    }
}

#[test]
fn a_run_that_was_killed_and_one_that_was_resumed_have_a_page() {
    let (first, second) = resumed_run();
    let killed = page_of(&first, None);
    assert!(
        killed.contains("not finished: it is under way, or was killed"),
        "{killed}"
    );
    assert!(killed.contains("began, and no end is recorded"), "{killed}");
    let whole = page_of(&[first, second].concat(), None);
    assert!(
        whole.contains("done: everything is as the runbook wants it"),
        "{whole}"
    );
    assert!(whole.contains("bob on adm2"), "{whole}");
}
