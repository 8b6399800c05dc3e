//! The lock of a site: one run at a time, on the instance that survives (`sql-server.md` 8).

use std::fmt;
use std::time::Duration;

use tokio::sync::Mutex;

use super::driver::Driver;
use super::error::{Failure, Fate, SqlError};
use super::table::Row;
use super::{Place, Query, SqlDoor, limited};
use crate::model::{Fqdn, Instance, IntoRemedies as _, Problem, Remedy};

/// As many characters of a resource does the server show (`sql-server.md` 8).
const SHOWN: usize = 32;

/// What a run of this pool locks. Lower case: the server compares byte by byte.
pub fn site_resource(pool: &Fqdn) -> String {
    format!("pchadr:{}", pool.as_str().to_lowercase())
}

/// A held lock. It lives and dies with its connection.
pub struct SiteLock {
    place: Place,
    resource: String,
    limit: Duration,
    driver: Mutex<Option<Driver>>,
}

/// Who holds a lock, as the instance knows it. Host and program are what the client said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockHolder {
    /// Session id.
    pub spid: i64,
    /// Its machine.
    pub host: String,
    /// Its login.
    pub login: String,
    /// Its program.
    pub program: String,
    /// Since when it is signed in, by the clock of the server.
    pub login_time: String,
}

/// Why a lock is not held.
#[derive(Clone, Debug, PartialEq)]
pub enum LockError {
    /// Somebody else holds it.
    Held {
        /// Where.
        server: String,
        /// Who; several where long names of sites begin alike; none where it was let go since.
        holders: Vec<LockHolder>,
    },
    /// It was held, and is no more: its connection broke or does not answer.
    Lost(Box<SqlError>),
    /// It could not be asked for.
    Sql(Box<SqlError>),
    /// `sp_getapplock` ended with a code of its own: -2 cancelled, -3 deadlock victim, -999 bad
    /// arguments.
    Code {
        /// Where.
        server: String,
        /// The code.
        code: i64,
    },
}

impl LockError {
    /// What to do.
    pub fn remedies(&self) -> Vec<Remedy> {
        match self {
            Self::Held { .. } => "wait until that run has ended, or end it there".into_remedies(),
            Self::Lost(_) => "see that nobody else has begun a run".into_remedies(),
            Self::Sql(error) => error.remedies(),
            Self::Code { .. } => "see the SQL Server error log".into_remedies(),
        }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { server, holders } => {
                write!(f, "another run holds the site (lock on {server})")?;
                for (n, holder) in holders.iter().enumerate() {
                    write!(f, "{} {holder}", if n == 0 { ":" } else { " or" })?;
                }
                Ok(())
            }
            Self::Lost(error) => write!(f, "the lock of the site is lost: {error}"),
            Self::Sql(error) => write!(f, "the lock of the site could not be asked for: {error}"),
            Self::Code { server, code } => {
                write!(
                    f,
                    "the lock of the site was refused on {server}: sp_getapplock gave {code}"
                )
            }
        }
    }
}

impl std::error::Error for LockError {}

impl From<&LockError> for Problem {
    fn from(error: &LockError) -> Self {
        Self {
            what: "the lock of the site".to_owned(),
            ..Self::new(error.to_string(), error.remedies())
        }
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            spid,
            host,
            login,
            program,
            login_time,
        } = self;
        write!(
            f,
            "{login} on {host} ({program}, session {spid}, signed in {login_time} by that server's clock)"
        )
    }
}

impl SqlDoor {
    /// Takes the lock of a site without waiting, in `master`, on a connection that does nothing else.
    pub async fn lock_site(
        &self,
        instance: Instance,
        resource: &str,
    ) -> Result<SiteLock, LockError> {
        let sql = |error| LockError::Sql(Box::new(error));
        let text = include_str!("../../sql/app_lock.sql");
        let place = self.place(instance);
        let limit = self.limits.query;
        let mut driver = self.connect(instance, text).await.map_err(sql)?;
        let query = Query::of(text, resource);
        let tables = limited(&place, text, limit, driver.ask(&query))
            .await
            .map_err(sql)?;
        let code = tables
            .last()
            .and_then(|table| table.rows().next()?.int("rc"));
        match code {
            Some(0 | 1) => Ok(SiteLock {
                place,
                resource: resource.to_owned(),
                limit,
                driver: Mutex::new(Some(driver)),
            }),
            Some(-1) => Err(LockError::Held {
                // Who holds it is told where it can be; that it is held is known already.
                holders: self
                    .site_holders(instance, resource)
                    .await
                    .unwrap_or_default(),
                server: place.server,
            }),
            Some(code) => Err(LockError::Code {
                server: place.server,
                code,
            }),
            None => Err(sql(self.garbled(instance, text, "there is no return code"))),
        }
    }

    /// Who holds what a run of that pool locks; none where nobody does.
    ///
    /// # Errors
    /// Why that cannot be seen.
    pub async fn site_holders(
        &self,
        instance: Instance,
        resource: &str,
    ) -> Result<Vec<LockHolder>, SqlError> {
        let query = Query::plain(include_str!("../../sql/app_lock_holders.sql"));
        let table = self.read(instance, query).await?;
        Ok(table
            .rows()
            .filter(|row| {
                row.text("resource_description")
                    .is_some_and(|shown| is_shown_as(resource, &shown))
            })
            .map(holder)
            .collect())
    }
}

impl SiteLock {
    /// What is locked.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Asks the server, on the lock's own connection, whether it still holds.
    pub async fn still_held(&self) -> Result<(), LockError> {
        let lost = |error| LockError::Lost(Box::new(error));
        let text = include_str!("../../sql/app_lock_mode.sql");
        let mut slot = self.driver.lock().await;
        let Some(mut driver) = slot.take() else {
            let failure = Failure::Cut("the connection was lost before".to_owned());
            return Err(lost(self.place.error(text, failure, Fate::NotSent)));
        };
        let query = Query::of(text, &self.resource);
        let tables = limited(&self.place, text, self.limit, driver.ask(&query))
            .await
            .map_err(lost)?;
        let mode = tables
            .last()
            .and_then(|table| table.rows().next()?.text("mode"));
        if mode.as_deref() != Some("Exclusive") {
            let failure = Failure::Garbled(format!(
                "the lock's mode is {}",
                mode.as_deref().unwrap_or("not told")
            ));
            return Err(lost(self.place.error(text, failure, Fate::Refused)));
        }
        *slot = Some(driver);
        Ok(())
    }
}

fn holder(row: Row<'_>) -> LockHolder {
    let text = |column| row.text(column).unwrap_or_default();
    LockHolder {
        spid: row.int("session_id").unwrap_or_default(),
        host: text("host_name"),
        login: text("login_name"),
        program: text("program_name"),
        login_time: text("login_time"),
    }
}

/// Says whether the server shows this resource so: `<principal>:[<first 32 characters>]:(<hash>)`;
/// the documentation has it without the brackets.
fn is_shown_as(resource: &str, shown: &str) -> bool {
    let Some((_, rest)) = shown.split_once(':') else {
        return false;
    };
    let rest = rest.strip_prefix('[').unwrap_or(rest);
    // Characters as the server counts them: UTF-16 units.
    let cut: Vec<u16> = resource.encode_utf16().take(SHOWN).collect();
    let rest: Vec<u16> = rest.encode_utf16().collect();
    let end = rest.get(cut.len()).copied();
    rest.starts_with(&cut) && (end == Some(u16::from(b']')) || end == Some(u16::from(b':')))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_long_resource_is_known_by_what_the_server_shows_of_it() {
        let long = "pchadr:pchat.emea.corp.litwareinc.com";
        assert!(is_shown_as(
            long,
            "0:[pchadr:pchat.emea.corp.litwarein]:(6de3cd2c)"
        ));
        assert!(is_shown_as(
            long,
            "0:pchadr:pchat.emea.corp.litwarein:(6de3cd2c)"
        ));
        assert!(is_shown_as("pchadr:p.x", "0:[pchadr:p.x]:(6de3cd2c)"));
        assert!(!is_shown_as("pchadr:p.x", "0:[pchadr:p.xy]:(6de3cd2c)"));
        assert!(!is_shown_as("pchadr:p.x", "0:[Pchadr:p.x]:(6de3cd2c)"));
        assert!(!is_shown_as("pchadr:p.x", "nonsense"));
    }

    #[test]
    fn two_spellings_of_a_pool_are_one_resource() {
        let resource = |pool: &str| site_resource(&pool.parse().unwrap());
        assert_eq!(
            resource("PChat.LitwareInc.com"),
            resource("pchat.litwareinc.com")
        );
    }
}
