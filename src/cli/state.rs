//! Where this machine keeps its runs.

use std::ffi::OsString;
use std::path::PathBuf;

/// What names the state folder; read once, in `main`.
#[derive(Clone, Debug, Default)]
pub struct StatePlaces {
    /// `PCHADR_STATE`.
    pub explicit: Option<OsString>,
    /// `%ProgramData%`, which only Windows has.
    pub program_data: Option<OsString>,
    /// `$XDG_STATE_HOME`.
    pub xdg_state: Option<OsString>,
    /// `$HOME`.
    pub home: Option<OsString>,
}

impl StatePlaces {
    /// `PCHADR_STATE`; else `%ProgramData%\pchadr`, or `$XDG_STATE_HOME/pchadr`, or
    /// `~/.local/state/pchadr`. `None` where none of them is set.
    pub fn folder(&self) -> Option<PathBuf> {
        let set = |value: &Option<OsString>| {
            value
                .as_ref()
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        set(&self.explicit)
            .or_else(|| Some(set(&self.program_data)?.join("pchadr")))
            .or_else(|| Some(set(&self.xdg_state)?.join("pchadr")))
            .or_else(|| Some(set(&self.home)?.join(".local/state/pchadr")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_is_the_named_one_else_the_machines_own() {
        let mut places = StatePlaces {
            home: Some("/home/a".into()),
            ..StatePlaces::default()
        };
        assert_eq!(
            places.folder(),
            Some(PathBuf::from("/home/a/.local/state/pchadr"))
        );
        places.explicit = Some("".into());
        places.xdg_state = Some("/state".into());
        assert_eq!(places.folder(), Some(PathBuf::from("/state/pchadr")));
        places.explicit = Some("/here".into());
        assert_eq!(places.folder(), Some(PathBuf::from("/here")));
        assert_eq!(StatePlaces::default().folder(), None);
    }
}
