//! Times that the operator types.

use jiff::ToSpan as _;
use jiff::civil::DateTime;
use pchadr::step::terms::{AcceptedLoss, Terms};

use super::{Held, hold_on};
use crate::site::{disaster, litware, paused, terms};
use pchadr::cli::rehearse::Stage;
use pchadr::run::store::MemoryStore;

/// A run with what is typed by somebody who knows when the data center was lost.
fn typed(terms: impl Fn(DateTime) -> Terms) -> Held {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &disaster()).expect("the site can be simulated");
        let terms = terms(stage.simulated.lost_at);
        hold_on(&site, &mut stage, &terms, &MemoryStore::default()).await
    })
}

fn lost(at: DateTime) -> Terms {
    Terms {
        disaster_at: Some(at),
        ..terms()
    }
}

#[test]
fn a_disaster_that_cannot_have_been_then_is_refused_before_anything_is_changed() {
    let hint = ["leave --disaster-at out"];
    let held = typed(|at| lost(at + 4.years()));
    held.assert_refused(3, "recover-database", &["is in the future"], &hint);
    let held = typed(|at| lost(at - 6.years()));
    held.assert_refused(3, "recover-database", &["it lived then"], &hint);
    let held = typed(|at| lost(at - 3.hours()));
    held.assert_refused(3, "recover-database", &["it lived then"], &hint);
}

#[test]
fn a_disaster_between_the_last_log_backup_and_now_is_what_the_loss_is_counted_to() {
    let held = typed(lost);
    held.assert_done();
    assert!(held.finished.loss_seconds.is_some_and(|loss| loss > 0));
}

#[test]
fn a_loss_that_is_accepted_from_years_ago_on_is_refused_before_anything_is_changed() {
    let held = typed(|at| Terms {
        accepted: Some(AcceptedLoss::Time(at - 10.years())),
        ..terms()
    });
    let hint = ["type a time by the clock of the primary's server"];
    held.assert_refused(3, "recover-database", &["is more than a year ago"], &hint);
}
