//! What is lost by recovering now, and whether that is accepted (`design.md` 3, rule 3).

use super::Facts;
use super::primary::damaged_but_up;
use crate::model::words::count;
use crate::step::observe::folders::Chain;
use crate::step::terms::{AcceptedLoss, Terms};
use crate::step::{Block, Lift};

/// Whether what lies beyond the chain's end is accepted as lost. `end-of-chain` is no answer to a
/// gap, to files that cannot be read, or to a share that is unknown.
pub(in crate::step) fn accepts(terms: &Terms, chain: &Chain) -> bool {
    let rehearsed = terms.rehearsal.then_some(AcceptedLoss::EndOfChain);
    match terms.accepted.or(rehearsed) {
        None => false,
        Some(AcceptedLoss::EndOfChain) => is_plain(chain),
        Some(AcceptedLoss::Lsn(lsn)) => chain.to >= lsn,
        Some(AcceptedLoss::Time(time)) => {
            chain.last_finished.is_some_and(|finished| finished >= time)
        }
    }
}

/// True where the chain gives all the log that its folders hold.
fn is_plain(chain: &Chain) -> bool {
    chain.whole && chain.unreadable.is_empty() && chain.share_is_known
}

pub(super) fn loss_block(facts: &Facts, chain: &Chain) -> Block {
    let end = chain.last_finished.map_or_else(String::new, |time| {
        format!(", {time} by the clock of its server")
    });
    let mut why = format!(
        "what was written after the end of the chain, LSN {}{end}, is lost",
        chain.to
    );
    if !chain.whole {
        why.push_str("; there is log beyond it that cannot be applied");
    }
    if !chain.unreadable.is_empty() {
        why = format!(
            "{why}; {} could not be read",
            count(chain.unreadable.len(), "file")
        );
    }
    for role in damaged_but_up(facts) {
        why = format!(
            "{why}; the {role} answers, and its damaged database may still give its tail (BACKUP LOG … WITH NO_TRUNCATE)"
        );
    }
    if let Some(accepted) = &facts.accepted {
        why = format!("{why}; accepted was only: {accepted}");
    }
    let hint = if is_plain(chain) {
        "accept it with --accept-loss-after end-of-chain".to_owned()
    } else {
        format!("accept exactly that with --accept-loss-after {}", chain.to)
    };
    Block::site("loss", why, hint).lifted_by(Lift::Loss)
}
