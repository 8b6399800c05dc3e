//! How to sign in, and how much of a connection is encrypted: `[sql.auth]` and `[sql.tls]`.

use std::path::PathBuf;
use std::sync::Arc;

use crate::access::secret::Password;
use crate::site::{Auth, Encrypt, Tls};

/// How every connection of a door signs in. Shows no password.
#[derive(Clone, Debug)]
pub struct SignIn {
    pub(super) identity: Identity,
    pub(super) channel: Channel,
}

/// As whom.
#[derive(Clone, Debug)]
pub(super) enum Identity {
    /// A SQL login.
    Login { user: String, password: Password },
    /// Another Windows user, by NTLM.
    #[cfg(any(windows, feature = "ntlm"))]
    Windows { user: String, password: Password },
    /// The user who runs the program.
    #[cfg(any(windows, feature = "kerberos"))]
    Integrated,
}

/// Through what.
#[derive(Clone, Debug)]
pub(super) enum Channel {
    /// No TLS at all.
    Clear,
    /// TLS for the sign-in or for everything.
    Tls { scope: Scope, trust: Trust },
}

/// What TLS covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything, from the first byte (TDS 8.0).
    Strict,
    /// Everything after the first exchange.
    All,
    /// The sign-in only.
    Login,
}

/// Whose certificates are accepted.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    /// Those of this machine's authorities.
    System,
    /// Those, and the authorities of a PEM file.
    Bundle(Arc<[u8]>),
    /// Anybody's.
    Any,
}

/// Why there is no such sign-in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// This build cannot do it.
    #[error(
        "`[sql.auth] mode = \"{mode}\"` is not built into this pchadr: \
         outside Windows it needs the cargo feature `{feature}`"
    )]
    NotBuilt {
        /// The mode of the site file.
        mode: &'static str,
        /// What to build with.
        feature: &'static str,
    },
    /// The mode needs a password and was given none.
    #[error("`[sql.auth]` names a user, and there is no password")]
    NoPassword,
    /// The file of authorities cannot be used.
    #[error("`[sql.tls] ca`: {}: {why}", path.display())]
    Authorities {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl SignInError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotBuilt { .. } => {
                "use a SQL login (`mode = \"sql\"`), run pchadr on Windows, or build it with that feature"
            }
            Self::NoPassword => {
                "add `password = { env = … }`, `{ file = … }` or `{ prompt = true }`"
            }
            Self::Authorities { .. } => {
                "name a PEM file with one certificate or more (-----BEGIN CERTIFICATE-----)"
            }
        }
    }
}

impl SignIn {
    /// A SQL login over a stream that needs no TLS: the rehearsal's.
    pub fn clear(user: &str, password: Password) -> Self {
        Self {
            identity: Identity::Login {
                user: user.to_owned(),
                password,
            },
            channel: Channel::Clear,
        }
    }

    /// As a site file says. `password` is what `[sql.auth] password` resolved to. Reads the file of
    /// authorities, once.
    pub fn from_site(
        auth: &Auth,
        tls: &Tls,
        password: Option<Password>,
    ) -> Result<Self, SignInError> {
        let identity = match auth {
            Auth::Sql { user, .. } => Identity::Login {
                user: user.clone(),
                password: password.ok_or(SignInError::NoPassword)?,
            },
            #[cfg(any(windows, feature = "ntlm"))]
            Auth::Windows { user, .. } => Identity::Windows {
                user: user.clone(),
                password: password.ok_or(SignInError::NoPassword)?,
            },
            #[cfg(not(any(windows, feature = "ntlm")))]
            Auth::Windows { .. } => {
                return Err(SignInError::NotBuilt {
                    mode: "windows",
                    feature: "ntlm",
                });
            }
            #[cfg(any(windows, feature = "kerberos"))]
            Auth::Integrated => Identity::Integrated,
            #[cfg(not(any(windows, feature = "kerberos")))]
            Auth::Integrated => {
                return Err(SignInError::NotBuilt {
                    mode: "integrated",
                    feature: "kerberos",
                });
            }
        };
        let scope = match tls.encrypt {
            Encrypt::Strict => Some(Scope::Strict),
            Encrypt::Required => Some(Scope::All),
            Encrypt::Login => Some(Scope::Login),
            Encrypt::Off => None,
        };
        let channel = match scope {
            None => Channel::Clear,
            Some(scope) => Channel::Tls {
                scope,
                trust: trust(tls)?,
            },
        };
        Ok(Self { identity, channel })
    }
}

fn trust(tls: &Tls) -> Result<Trust, SignInError> {
    // Trusting everybody needs no authorities; the driver takes only one of the two.
    if tls.trust_server_certificate {
        return Ok(Trust::Any);
    }
    let Some(path) = &tls.ca else {
        return Ok(Trust::System);
    };
    let refuse = |why: String| SignInError::Authorities {
        path: path.clone(),
        why,
    };
    let bytes = std::fs::read(path).map_err(|cause| refuse(cause.to_string()))?;
    let pem = bytes
        .split(|byte| *byte == b'\n')
        .any(|line| line.starts_with(b"-----BEGIN CERTIFICATE-----"));
    let der = bytes.first() == Some(&0x30);
    if !pem && !der {
        return Err(refuse("it has no certificate".to_owned()));
    }
    Ok(Trust::Bundle(bytes.into()))
}
