//! What is lost by recovering now, and whether that is accepted (`design.md` 3, rule 3).

use super::Facts;
use super::primary::damaged_but_up;
use crate::step::observe::folders::{Chain, named};
use crate::step::terms::{AcceptedLoss, Terms};
use crate::step::{Block, Lift};

/// Whether what lies beyond the chain's end is accepted as lost. `end-of-chain` is no answer to a
/// gap, to files that cannot be read, or to a share that is unknown. While files are still to be
/// copied and asked for, the end is not known: then it is judged anew behind `copy-backups`, and a
/// time says nothing.
pub(in crate::step) fn accepts(terms: &Terms, chain: &Chain) -> bool {
    let rehearsed = terms.rehearsal.then_some(AcceptedLoss::EndOfChain);
    let open = !chain.pending.is_empty();
    match terms.accepted.or(rehearsed) {
        None => false,
        Some(AcceptedLoss::EndOfChain) => open || chain.is_plain(),
        Some(AcceptedLoss::Lsn(lsn)) => open || chain.to >= lsn,
        Some(AcceptedLoss::Time(time)) => {
            !open && chain.last_finished.is_some_and(|finished| finished >= time)
        }
    }
}

pub(super) fn loss_block(facts: &Facts, chain: &Chain) -> Block {
    if !chain.pending.is_empty() {
        return not_known_yet(facts, chain);
    }
    let end = chain.last_finished.map_or_else(String::new, |time| {
        format!(", {time} by the clock of its server")
    });
    let mut why = format!(
        "what was written after the end of the chain, LSN {}{end}, is lost",
        chain.to
    );
    if !chain.whole {
        why.push_str("; there is log beyond it that cannot be applied");
        let beyond = chain.left_out.iter().take(5);
        let beyond: Vec<String> = beyond
            .map(|(path, reason)| format!("`{path}` ({reason})"))
            .collect();
        if !beyond.is_empty() {
            why = format!("{why}: {}", beyond.join(", "));
        }
    }
    let unread = named(chain.unreadable.iter().chain(&chain.unread_folders));
    if !unread.is_empty() {
        why = format!("{why}; not read, and may hold more of it: {unread}");
    }
    for role in damaged_but_up(facts) {
        why = format!(
            "{why}; the {role} answers, and its damaged database may still give its tail (BACKUP LOG … WITH NO_TRUNCATE)"
        );
    }
    if let Some(accepted) = &facts.accepted {
        why = format!("{why}; accepted was only: {accepted}");
    }
    let hint = if chain.is_plain() {
        "accept it with --accept-loss-after end-of-chain".to_owned()
    } else {
        format!("accept exactly that with --accept-loss-after {}", chain.to)
    };
    // Only the plain one is there on every day.
    let id = if chain.is_plain() {
        "loss"
    } else {
        "loss-unclear"
    };
    Block::site(id, why, hint).lifted_by(Lift::Loss)
}

/// The loss, before all files are copied that only the instance can read.
fn not_known_yet(facts: &Facts, chain: &Chain) -> Block {
    let mut why = format!(
        "how much is lost is known when `copy-backups` is done: of {}, only the backup instance can tell what it holds, in the copy folder",
        named(&chain.pending)
    );
    if let Some(accepted) = &facts.accepted {
        why = format!("{why}; a time cannot be accepted before that: {accepted}");
    }
    Block::site(
        "loss-unclear",
        why,
        "accept the end of all log that can be had with --accept-loss-after end-of-chain, or an LSN: it is judged again before recovery",
    )
    .lifted_by(Lift::Loss)
}
