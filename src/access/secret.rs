//! Passwords: where they are found, and how they are kept from showing themselves (`design.md` 3, rule 11).

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::site::{Auth, Secret};

/// More than any password; less than a file named by mistake.
const LONGEST: usize = 4096;

/// A password. It has no text form, is never serialized, and is wiped from memory when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Keeps a password.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The password itself: for the doors only.
    pub(in crate::access) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(password)")
    }
}

/// Why a password was not had. Names the place, never what was found there.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No such environment variable.
    #[error("the environment variable `{0}` is not set")]
    NotSet(String),
    /// The file cannot be read.
    #[error("the password file `{}` cannot be read: {cause}", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Nothing before the first end of line.
    #[error("the password in {0} is empty")]
    Empty(String),
    /// Not UTF-8, or far too long.
    #[error("the password in {place} is no text: {why}")]
    NoText {
        /// Where it is.
        place: String,
        /// What is wrong.
        why: &'static str,
    },
    /// It could not be asked for.
    #[error("the password could not be asked for: {0}")]
    NotAsked(io::Error),
}

impl SecretError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotSet(_) => {
                "set it before pchadr is started, or name another place in `[sql.auth] password`"
            }
            Self::Unreadable { .. } => {
                "see the path in `[sql.auth] password`, and that this user may read the file"
            }
            Self::Empty(_) => "put the password on the first line, and nothing before it",
            Self::NoText { .. } => "write the password as UTF-8, on the first line",
            Self::NotAsked(_) => {
                "start pchadr at a terminal, or take the password from `{ env = … }` or `{ file = … }`"
            }
        }
    }
}

/// The password that a sign-in needs; `None` where it needs none. `prompt` is called with the
/// user's name, and only where the site file says `{ prompt = true }`.
pub fn password_of(
    auth: &Auth,
    prompt: impl FnOnce(&str) -> io::Result<String>,
) -> Result<Option<Password>, SecretError> {
    match auth {
        Auth::Integrated => Ok(None),
        Auth::Sql { user, password } | Auth::Windows { user, password } => {
            resolve(password, || prompt(user)).map(Some)
        }
    }
}

/// Gets a password from where it is.
pub fn resolve(
    secret: &Secret,
    prompt: impl FnOnce() -> io::Result<String>,
) -> Result<Password, SecretError> {
    resolve_in(secret, |name| std::env::var_os(name), prompt)
}

fn resolve_in(
    secret: &Secret,
    environment: impl Fn(&str) -> Option<OsString>,
    prompt: impl FnOnce() -> io::Result<String>,
) -> Result<Password, SecretError> {
    let (place, text) = match secret {
        Secret::Env(name) => {
            let place = format!("the environment variable `{name}`");
            let value = environment(name).ok_or_else(|| SecretError::NotSet(name.clone()))?;
            let Ok(text) = value.into_string() else {
                let why = "it is not Unicode";
                return Err(SecretError::NoText { place, why });
            };
            (place, Zeroizing::new(text))
        }
        Secret::File(path) => (format!("the file `{}`", path.display()), first_line(path)?),
        Secret::Prompt => {
            let text = prompt().map_err(SecretError::NotAsked)?;
            ("the answer".to_owned(), Zeroizing::new(text))
        }
    };
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(SecretError::Empty(place));
    }
    Ok(Password::new(password.to_owned()))
}

/// First line of a file, without its end, and without the mark that some editors put before it.
fn first_line(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    // Room for all of it at once: growing would leave pieces behind in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    File::open(path)
        .and_then(|file| file.take(LONGEST as u64 + 1).read_to_end(&mut bytes))
        .map_err(|cause| SecretError::Unreadable {
            path: path.to_owned(),
            cause,
        })?;
    let no_text = |why| SecretError::NoText {
        place: format!("the file `{}`", path.display()),
        why,
    };
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(no_text("it is UTF-16, as PowerShell's `>` writes it"));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if line.len() > LONGEST {
        return Err(no_text("its first line is longer than 4096 bytes"));
    }
    match std::str::from_utf8(line) {
        Ok(text) => Ok(Zeroizing::new(text.trim_end_matches('\r').to_owned())),
        Err(_) => Err(no_text("it is not UTF-8")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn no_prompt() -> io::Result<String> {
        Err(io::Error::other("no terminal"))
    }

    fn of_file(content: &[u8]) -> Result<Password, SecretError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, content).unwrap();
        resolve(&Secret::File(path), no_prompt)
    }

    #[test]
    fn a_password_does_not_show_itself() {
        let password = Password::new("geheim".to_owned());
        let auth = format!("{password:?} {:#?}", Some(&password));
        assert!(!auth.contains("geheim"), "{auth}");
    }

    #[test]
    fn a_file_gives_its_first_line_without_its_end() {
        for content in [
            "ge heim",
            "ge heim\n",
            "ge heim\r\n",
            "ge heim\nmore\n",
            "\u{feff}ge heim\r\nmore",
        ] {
            assert_eq!(of_file(content.as_bytes()).unwrap().expose(), "ge heim");
        }
        assert_eq!(of_file(b" geheim ").unwrap().expose(), " geheim ");
    }

    #[test]
    fn a_file_without_a_password_is_told_apart() {
        assert!(matches!(of_file(b""), Err(SecretError::Empty(_))));
        assert!(matches!(of_file(b"\ngeheim"), Err(SecretError::Empty(_))));
        assert!(matches!(
            of_file(b"\xFF\xFEg\0"),
            Err(SecretError::NoText { .. })
        ));
        assert!(matches!(
            of_file(b"gr\xFC\xDFe"),
            Err(SecretError::NoText { .. })
        ));
        assert!(matches!(
            of_file(&[b'x'; 5000]),
            Err(SecretError::NoText { .. })
        ));
        let nowhere = Secret::File(PathBuf::from("/no/such/file"));
        assert!(matches!(
            resolve(&nowhere, no_prompt),
            Err(SecretError::Unreadable { .. })
        ));
    }

    #[test]
    fn a_variable_gives_its_value_or_its_name() {
        let secret = Secret::Env("PCHADR_SQL_PASSWORD".to_owned());
        let with = |value: Option<&str>| {
            resolve_in(&secret, |_| value.map(OsString::from), no_prompt)
                .map(|password| password.expose().to_owned())
        };
        assert_eq!(with(Some("geheim")).unwrap(), "geheim");
        assert!(matches!(with(Some("")), Err(SecretError::Empty(_))));
        let error = with(None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable `PCHADR_SQL_PASSWORD` is not set"
        );
    }

    #[test]
    fn a_prompt_is_called_with_the_user_and_only_when_asked_for() {
        let auth = |password| Auth::Sql {
            user: "pchadr".to_owned(),
            password,
        };
        let asked = password_of(&auth(Secret::Prompt), |user| Ok(format!("{user}!\n")));
        assert_eq!(asked.unwrap().unwrap().expose(), "pchadr!");
        let none = password_of(&Auth::Integrated, |_| panic!("nobody is to be asked"));
        assert!(none.unwrap().is_none());
        assert!(matches!(
            resolve(&Secret::Prompt, no_prompt),
            Err(SecretError::NotAsked(_))
        ));
    }

    proptest! {
        #[test]
        fn no_file_panics_and_none_shows_its_content(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            match of_file(&content) {
                Ok(password) => prop_assert!(!password.expose().is_empty()),
                Err(error) => prop_assert!(!error.hint().is_empty()),
            }
        }
    }
}
