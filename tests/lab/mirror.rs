//! A backup mirror that dies in a failover on real sockets, whichever step is under way: users are served
//! (`design.md` 3, rule 18).

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bench::Lab;
use crate::drive::{Machine, outcomes};

const STEPS: [&str; 11] = [
    "save-log-shipping",
    "stop-log-shipping-jobs",
    "drop-log-shipping",
    "copy-backups",
    "apply-logs",
    "end-connections",
    "recover-database",
    "set-pool-state",
    "install-mirror",
    "set-active-servers",
    "mirror-compliance",
];

/// Takes the mirror down as soon as the turn of that step is recorded, while the program is stopped.
fn die_at(step: &str) {
    let mut lab = Lab::open(&["--state", "disaster", "--logs", "4"]);
    // Behind the users the run waits for a mirror that was begun: here not for two minutes.
    let site = std::fs::read_to_string(lab.folder.join("site.toml")).unwrap();
    let impatient = lab.folder.join("impatient.toml");
    let limited = site.replace("mirror = \"2m\"", "mirror = \"5s\"");
    assert_ne!(limited, site);
    std::fs::write(&impatient, limited).unwrap();
    let machine = Machine::with_site(impatient);
    let running = machine.start(&[]);
    machine.wait_for(step, |record| {
        let event = record["event"].as_str().unwrap_or_default();
        // A step that has nothing to do is never started.
        (event == "step_started" || event == "step_finished") && record["id"] == step
    });
    running.signal("STOP");
    // Whatever the program did until the signal reached it.
    let set_up = |record: &serde_json::Value| {
        record["event"] == "step_started" && record["id"] == "install-mirror"
    };
    let before = !machine.journal().iter().any(set_up);
    assert_eq!(
        lab.happen("down instance backup_mirror"),
        "down instance backup_mirror: done"
    );
    running.signal("CONT");
    let (status, told) = running.end();
    assert_eq!(status, Some(0), "{step}: {told}");
    let ends = outcomes(&machine.journal());
    assert_eq!(ends["set-active-servers"], "done", "{step}: {told}");
    assert_eq!(ends["recover-database"], "done", "{step}: {told}");
    if before {
        assert_eq!(ends["install-mirror"], "left", "{step}: {told}");
        assert!(told.contains("done, without a mirror"), "{step}: {told}");
    }
}

#[test]
fn users_are_served_whichever_step_is_under_way_when_the_backup_mirror_dies() {
    let next = AtomicUsize::new(0);
    let failed = std::thread::scope(|scope| {
        let work = || {
            while let Some(step) = STEPS.get(next.fetch_add(1, Ordering::Relaxed)) {
                die_at(step);
            }
        };
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.map(|it| it.join().is_err()).contains(&true)
    });
    assert!(!failed, "see above");
}
