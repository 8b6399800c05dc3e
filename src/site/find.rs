//! Which site file is meant.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Site;

/// Says that there is no site file, where one was looked for, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct NotFound {
    /// Where one was looked for, in order.
    pub looked: Vec<PathBuf>,
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "there is no site file; looked in this order:")?;
        writeln!(f, "  --config (not given)")?;
        writeln!(f, "  PCHADR_CONFIG (not set)")?;
        for path in &self.looked {
            writeln!(f, "  {} (not there)", path.display())?;
        }
        write!(
            f,
            "  hint: name one with --config FILE, or write one from the example with pchadr init"
        )
    }
}

impl Site {
    /// Names the site file: `explicit` (`--config`), else `env` (`PCHADR_CONFIG`; empty counts as
    /// not set), else `./site.toml`, else the one in the machine's configuration folder.
    ///
    /// The first two are taken at their word; whether they can be read is found when they are
    /// loaded. `program_data` is the value of `%ProgramData%`, which only Windows has.
    pub fn find(
        explicit: Option<&Path>,
        env: Option<&OsStr>,
        program_data: Option<&OsStr>,
    ) -> Result<PathBuf, NotFound> {
        let places = [PathBuf::from("site.toml"), machine_file(program_data)];
        find_among(explicit, env, places)
    }
}

fn machine_file(program_data: Option<&OsStr>) -> PathBuf {
    if cfg!(windows) {
        let folder = program_data.map_or_else(|| PathBuf::from(r"C:\ProgramData"), PathBuf::from);
        folder.join("pchadr").join("site.toml")
    } else {
        PathBuf::from("/etc/pchadr/site.toml")
    }
}

fn find_among(
    explicit: Option<&Path>,
    env: Option<&OsStr>,
    places: [PathBuf; 2],
) -> Result<PathBuf, NotFound> {
    if let Some(path) = explicit.or(env.filter(|v| !v.is_empty()).map(Path::new)) {
        return Ok(path.to_owned());
    }
    // A file that may not be looked at is chosen: loading it says why it cannot be read.
    let is_there = |path: &&PathBuf| path.try_exists().unwrap_or(true);
    match places.iter().find(is_there) {
        Some(path) => Ok(path.clone()),
        None => Err(NotFound {
            looked: places.into(),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> [PathBuf; 2] {
        [folder.join("here.toml"), folder.join("machine.toml")]
    }

    #[test]
    fn the_option_wins_over_the_variable_and_the_variable_over_the_folders() {
        let folder = tempfile::tempdir().unwrap();
        let [here, machine] = places(folder.path());
        let find = |explicit: Option<&str>, env: Option<&str>| {
            find_among(
                explicit.map(Path::new),
                env.map(OsStr::new),
                places(folder.path()),
            )
        };
        std::fs::write(&machine, "").unwrap();
        assert_eq!(find(None, None).unwrap(), machine);
        std::fs::write(&here, "").unwrap();
        assert_eq!(find(None, None).unwrap(), here);
        assert_eq!(find(None, Some("")).unwrap(), here);
        assert_eq!(find(None, Some("e.toml")).unwrap(), Path::new("e.toml"));
        assert_eq!(
            find(Some("o.toml"), Some("e.toml")).unwrap(),
            Path::new("o.toml")
        );
    }

    #[test]
    fn a_site_file_that_is_nowhere_is_an_error_that_says_where_it_was_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let error = find_among(None, None, places(folder.path())).unwrap_err();
        let text = error.to_string();
        for part in [
            "--config",
            "PCHADR_CONFIG",
            "here.toml",
            "machine.toml",
            "hint",
        ] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }
}
