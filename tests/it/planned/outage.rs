//! How long users are without chat in a planned failover.

use std::io::Write as _;
use std::time::Duration;

use pchadr::plan::Plan;
use pchadr::report::account::Account;
use pchadr::report::downtime::{measured, whole};
use pchadr::report::read_lines;
use pchadr::runbook::{Direction, FAILOVER_PLANNED};

use super::drill;
use crate::site::{Drill, litware, plan_by};

/// The outage of a plan on a chat database of 50 GB.
fn outage(text: &str) -> Duration {
    let mut drill = Drill {
        plan: plan_by(text, Direction::Failover, &litware()),
        ..drill(litware())
    };
    drill.prepare = |stage, _| {
        stage.simulated.world.with(|state| {
            for server in state.instances.values_mut() {
                if let Some(mgc) = server.database_mut("mgc") {
                    mgc.files[0].bytes = 50 << 30;
                }
            }
        });
    };
    let account = Account::of(&read_lines(&drill.undisturbed().journal).records());
    whole(&measured(&account).unwrap())
}

#[test]
fn users_wait_minutes_for_fifty_gigabytes_and_not_for_the_mirror_as_in_the_vendors_order() {
    let mirror = "[[step]]\nid = \"install-mirror\"\n\n";
    let servers = "[[step]]\nid = \"set-active-servers\"";
    let vendors = FAILOVER_PLANNED
        .replace(mirror, "")
        .replace(servers, &format!("{mirror}{servers}"));
    let (ours, vendors) = (outage(FAILOVER_PLANNED), outage(&vendors));
    let told = format!(
        "50 GB: {} s without chat; with F6 before F7, as the vendor has it, {} s: {:.1} times as long\n",
        ours.as_secs(),
        vendors.as_secs(),
        vendors.as_secs_f64() / ours.as_secs_f64()
    );
    // Not `eprintln!`: the test runner would swallow it.
    let _ = std::io::stderr().write_all(told.as_bytes());
    assert!(ours < Duration::from_mins(5), "{ours:?}");
    assert!(vendors > 4 * ours, "{vendors:?}, ours {ours:?}");
}

#[test]
fn the_outage_of_a_planned_failover_moves_no_database_and_that_of_the_vendors_failback_five() {
    let ours = drill(litware()).plan;
    let vendors = Drill::failback(litware()).in_vendor_order().plan;
    let moves = |plan: &Plan| -> u32 {
        let parts = plan.steps.iter().filter_map(|step| step.downtime.as_ref());
        parts.map(|part| part.moves).sum()
    };
    assert_eq!((moves(&ours), moves(&vendors)), (0, 5));
}
