//! Exit status (`design.md` 8).

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Failed before anything was changed.
    Refused,
    /// Usage or configuration.
    Usage,
    /// A check blocks.
    Blocked,
    /// Stopped part-way.
    Stopped,
    /// The operator said no, or was not there to be asked.
    NoConsent,
    /// Another run holds the site.
    Held,
    /// A defect.
    Defect,
}

impl Exit {
    /// The status with that number; a number that is none is a defect.
    pub fn of(code: u8) -> Self {
        [
            Self::Done,
            Self::Refused,
            Self::Usage,
            Self::Blocked,
            Self::Stopped,
            Self::NoConsent,
            Self::Held,
        ]
        .into_iter()
        .find(|exit| exit.code() == code)
        .unwrap_or(Self::Defect)
    }

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Blocked => 3,
            Self::Stopped => 4,
            Self::NoConsent => 5,
            Self::Held => 6,
            Self::Defect => 70,
        }
    }
}
