//! Faults of the shell: what goes wrong, at which call.

use super::binding::Spec;

/// A call that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerShellFault {
    /// Name of a cmdlet, or `*` for any that changes state.
    pub cmdlet: String,
    /// Which of the matching calls from now on, from 1.
    pub nth: usize,
    /// What goes wrong.
    pub kind: FaultKind,
}

/// How a call goes wrong, before its effect or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Two errors, and no effect.
    ErrorBefore,
    /// Two errors, though it took effect.
    ErrorAfter,
    /// Two warnings, no error, and no effect (`skype-powershell.md` 1.4).
    WarningBefore,
    /// Two warnings, though it took effect.
    WarningAfter,
    /// The process dies.
    CutBefore,
    /// The process dies after the effect.
    CutAfter,
    /// It never answers.
    SilenceBefore,
    /// It takes effect and never answers.
    SilenceAfter,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    After,
}

impl FaultKind {
    pub(super) fn moment(self) -> Moment {
        match self {
            Self::ErrorBefore | Self::WarningBefore | Self::CutBefore | Self::SilenceBefore => {
                Moment::Before
            }
            Self::ErrorAfter | Self::WarningAfter | Self::CutAfter | Self::SilenceAfter => {
                Moment::After
            }
        }
    }
}

/// The faults that are still to come; `nth` counts down.
#[derive(Default)]
pub(super) struct Faults(Vec<PowerShellFault>);

impl Faults {
    pub(super) fn add(&mut self, fault: PowerShellFault) {
        self.0.push(fault);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts a call in, and gives the fault that strikes it.
    pub(super) fn strike(&mut self, spec: &Spec) -> Option<FaultKind> {
        let mut struck = None;
        self.0.retain_mut(|fault| {
            let any = fault.cmdlet == "*" && spec.changes();
            if struck.is_some() || !(any || fault.cmdlet.eq_ignore_ascii_case(spec.name)) {
                return true;
            }
            fault.nth = fault.nth.saturating_sub(1);
            if fault.nth == 0 {
                struck = Some(fault.kind);
            }
            fault.nth > 0
        });
        struck
    }
}
