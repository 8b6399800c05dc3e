//! The dead ends that are known, each to be mended: nothing else is one, and where every point is tried
//! they are exactly as many.

use std::collections::BTreeMap;

use crate::sweep::is_full;

/// A kind of dead end: all points of a runbook at which the same was lost in the same step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeadEnd {
    pub(crate) runbook: String,
    pub(crate) loss: String,
    pub(crate) stopped_at: String,
}

/// Runbook, what is lost, the step that stopped, and how many points.
const KNOWN: &[(&str, &str, &str, usize)] = &[
    ("failover", "share: copy", "apply-logs", 6),
    ("failover", "share: copy", "copy-backups", 37),
    ("failover", "share: copy", "drop-log-shipping", 1),
    ("failover", "share: copy", "recover-database", 2),
    ("failover", "share: copy", "stop-log-shipping-jobs", 4),
    ("failover --service-first", "share: copy", "apply-logs", 6),
    (
        "failover --service-first",
        "share: copy",
        "copy-backups",
        37,
    ),
    (
        "failover --service-first",
        "share: copy",
        "drop-log-shipping",
        1,
    ),
    (
        "failover --service-first",
        "share: copy",
        "recover-database",
        2,
    ),
    (
        "failover --service-first",
        "share: copy",
        "stop-log-shipping-jobs",
        4,
    ),
    ("failback", "first data center", "configure-log-shipping", 1),
    ("failback", "primary", "configure-log-shipping", 1),
    ("failback", "share: mirror", "configure-log-shipping", 1),
    ("failback", "second data center", "back-up-database", 3),
    ("failback", "second data center", "prove-share", 3),
    ("failback", "share: backup", "configure-log-shipping", 1),
    ("failback", "share: backup", "set-active-servers", 6),
    ("failback", "share: backup", "set-pool-state", 1),
    // It was the principal for a moment, for its half of log shipping: forced service on the primary.
    (
        "failback --service-first",
        "primary mirror",
        "configure-log-shipping",
        13,
    ),
    (
        "failback --service-first",
        "first data center",
        "configure-log-shipping",
        1,
    ),
    (
        "failback --service-first",
        "second data center",
        "back-up-database",
        3,
    ),
    (
        "failback --service-first",
        "second data center",
        "prove-share",
        3,
    ),
    (
        "failback --service-first",
        "share: backup",
        "set-active-servers",
        6,
    ),
    (
        "failback --service-first",
        "share: backup",
        "set-pool-state",
        1,
    ),
];

/// Fails where a dead end is found that is not known, or one that is known is not found any more.
pub(crate) fn assert_known(found: &BTreeMap<DeadEnd, usize>, name: &str) {
    let known = |end: &DeadEnd| {
        let mut all = KNOWN.iter();
        all.find(|it| (it.0, it.1, it.2) == (name, &end.loss, &end.stopped_at))
            .map_or(0, |it| it.3)
    };
    for (end, times) in found {
        let most = known(end);
        assert!(
            *times <= most,
            "{end:?}: {times} dead ends, {most} are known"
        );
    }
    if is_full() {
        let only = std::env::var("PCHADR_LOST");
        let is_it = |loss: &str| only.as_ref().map_or(true, |it| it == loss);
        let known = KNOWN.iter().filter(|it| it.0 == name && is_it(it.1));
        let all = known.map(|it| it.3).sum::<usize>();
        assert_eq!(found.values().sum::<usize>(), all, "dead ends of a {name}");
    }
}
