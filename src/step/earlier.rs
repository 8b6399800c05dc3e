//! What must stand before a step.

use super::Step;

/// Steps that stand before a step in the list of its direction.
#[derive(Clone, Copy, Debug)]
pub(in crate::step) enum Earlier {
    /// All of them.
    All,
    /// These only.
    These(&'static [Step]),
}

impl Earlier {
    pub(in crate::step) fn than(self, step: Step) -> &'static [Step] {
        match self {
            Self::These(steps) => steps,
            Self::All => {
                let list = Step::of(step.direction());
                let own = list.iter().position(|it| *it == step);
                &list[..own.unwrap_or(0)]
            }
        }
    }
}
