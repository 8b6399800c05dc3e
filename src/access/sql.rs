//! SQL Server (`design.md` 9, `tds.md` 7.2). The driver is named in one file below.
//!
//! Reads are parameterized and go over one control connection an instance; an effect is a literal
//! batch on a connection of its own. A connection is used again only after the server answered in
//! full: on any other end it is dropped, for the driver would answer the next question with the
//! rest of the last answer (`tds.md` 5.3).

mod browser;
mod control;
mod driver;
mod error;
mod lock;
mod lost;
mod round;
mod senders;
mod sign_in;
mod table;
mod tcp;
#[cfg(test)]
mod tests;
mod tls_text;
mod wait;
mod watch;
mod witness;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::ByteStream;
use super::secret::Password;
use crate::model::Instance;
use crate::site::Site;
use control::Control;
use driver::Driver;
pub use driver::SERVER_MESSAGES;
use round::Rounds;
use senders::Tag;

#[cfg(test)]
pub(crate) use error::first_line;
pub use error::{Certificate, Failure, Fate, Life, SqlError};
pub use lock::{LockError, LockHolder, SiteLock, site_resource};
pub use round::Round;
pub use senders::{Sender, StillThere};
pub use sign_in::{SignIn, SignInError};
pub use table::{Row, Table, Value};
pub use tcp::Tcp;
pub use watch::Watched;

/// Opens a byte stream to an instance: a socket, or the rehearsal's pipe.
pub trait Dial: Send + Sync {
    /// Connects to the instance; TLS is not its matter. An error that carries a [`Failure`] is
    /// shown as that, any other as "not reachable".
    fn dial(&self, instance: Instance) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>>;

    /// Sees whether a host takes a connection at a TCP port, and lets it go. Errors as those of
    /// [`Dial::dial`].
    fn knock<'a>(&'a self, _host: &'a str, _port: u16) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async {
            Err(io::Error::other(
                "nothing but the instances is reached here",
            ))
        })
    }

    /// What the instance that was last dialed is called in its certificate and its SPN; `None` where
    /// neither matters.
    fn peer(&self, _instance: Instance) -> Option<Peer> {
        None
    }
}

/// The name of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Host, as the site file writes it.
    pub host: String,
    /// TCP port, as stated or found.
    pub port: u16,
}

/// Time limits of the door.
#[derive(Clone, Copy, Debug)]
pub struct DoorLimits {
    /// Dialing, whole: name, port, connection.
    pub connect: Duration,
    /// Sign-in.
    pub login: Duration,
    /// One read.
    pub query: Duration,
}

/// A read: its text with `@P1`, `@P2`, … and the values of these.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// T-SQL.
    pub text: &'a str,
    /// Texts, bound as `nvarchar`; `None` is NULL.
    pub parameters: Vec<Option<&'a str>>,
}

impl<'a> Query<'a> {
    /// A read without parameters.
    pub fn plain(text: &'a str) -> Self {
        Self {
            text,
            parameters: Vec::new(),
        }
    }

    /// A read with one parameter.
    pub fn of(text: &'a str, parameter: &'a str) -> Self {
        Self {
            text,
            parameters: vec![Some(parameter)],
        }
    }
}

/// Every connection of a run.
pub struct SqlDoor {
    dial: Arc<dyn Dial>,
    servers: BTreeMap<Instance, String>,
    sign_in: SignIn,
    limits: DoorLimits,
    control: BTreeMap<Instance, tokio::sync::Mutex<Control>>,
    tag: std::sync::Mutex<Tag>,
    rounds: std::sync::Mutex<Rounds>,
}

impl SqlDoor {
    /// A door to these instances, by the addresses that messages name.
    pub fn new(
        dial: Arc<dyn Dial>,
        servers: BTreeMap<Instance, String>,
        sign_in: SignIn,
        limits: DoorLimits,
    ) -> Self {
        let control = servers
            .keys()
            .map(|instance| (*instance, tokio::sync::Mutex::default()))
            .collect();
        Self {
            dial,
            servers,
            sign_in,
            limits,
            control,
            tag: std::sync::Mutex::default(),
            rounds: std::sync::Mutex::default(),
        }
    }

    /// A door to the real instances of a site. `password` is what `[sql.auth] password` resolved to
    /// ([`super::secret::password_of`]); `ports` are those at which named instances were last seen.
    /// Opens no connection.
    pub fn live(
        site: &Site,
        password: Option<Password>,
        ports: BTreeMap<Instance, u16>,
    ) -> Result<Self, SignInError> {
        let sign_in = SignIn::from_site(&site.sql.auth, &site.sql.tls, password)?;
        let servers = &site.sql.instances;
        let names = servers
            .iter()
            .map(|(instance, server)| (*instance, server.to_string()))
            .collect();
        let limits = DoorLimits {
            // The dial keeps its limits itself and tells what it waited for; ours stands behind them.
            connect: Tcp::longest(site.limits.connect),
            login: site.limits.login,
            query: site.limits.query,
        };
        let dial = Tcp::new(servers.clone(), site.limits.connect).with_recorded(ports);
        Ok(Self::new(Arc::new(dial), names, sign_in, limits))
    }

    /// Says whether the site has that instance.
    pub fn has(&self, instance: Instance) -> bool {
        self.servers.contains_key(&instance)
    }

    /// Address of an instance, as messages name it.
    pub fn server(&self, instance: Instance) -> &str {
        self.servers.get(&instance).map_or("?", String::as_str)
    }

    /// TCP port of an instance as it was last dialed; `None` where it was not, or has none.
    pub fn port(&self, instance: Instance) -> Option<u16> {
        self.dial.peer(instance).map(|peer| peer.port)
    }

    /// Sees whether a host takes a connection at a TCP port.
    ///
    /// # Errors
    /// Why not.
    pub async fn knock(&self, host: &str, port: u16) -> Result<(), Failure> {
        let waited_for = format!("`{host}` on port {port}");
        reached(
            self.limits.connect,
            &waited_for,
            self.dial.knock(host, port),
        )
        .await
    }

    /// Opens a connection of its own, for effects.
    pub async fn open(&self, instance: Instance) -> Result<Session<'_>, SqlError> {
        let mut driver = self.connect(instance, "sign-in").await?;
        let query = Query::plain(include_str!("../sql/session_id.sql"));
        let tables = self.ask(instance, &mut driver, &query).await?;
        let row = tables.first().and_then(|table| table.rows().next());
        Ok(Session {
            door: self,
            instance,
            driver: Some(driver),
            spid: row.and_then(|row| row.int("spid")),
            login_time: row.and_then(|row| row.text("login_time")),
        })
    }

    async fn connect(&self, instance: Instance, statement: &str) -> Result<Driver, SqlError> {
        if !self.has(instance) {
            return Err(self.no_instance(instance, statement));
        }
        let place = self.place(instance);
        let failed = |failure| place.error(statement, failure, Fate::NotSent);
        let limit = self.limits.connect;
        let stream = reached(limit, "the instance", self.dial.dial(instance))
            .await
            .map_err(failed)?;
        let peer = self.dial.peer(instance);
        let application = self.application();
        let signing_in = Driver::connect(stream, &self.sign_in, peer, &application);
        let signed_in = tokio::time::timeout(self.limits.login, signing_in)
            .await
            .map_err(|_| failed(Failure::SignInTimedOut(self.limits.login)))?
            .map_err(failed);
        tracing::debug!(server = place.server, ok = signed_in.is_ok(), "signed in");
        let mut driver = signed_in?;
        self.speak_english(&place, &mut driver)
            .await
            .map_err(failed)?;
        Ok(driver)
    }

    /// Has the server's texts in English, whatever the language of our login: they are shown, and in two
    /// of them alone stands the number of the operating system's error (`sql-server.md` 10.3). Nothing
    /// else is decided by them, so a server that refuses is heard all the same.
    async fn speak_english(&self, place: &Place, driver: &mut Driver) -> Result<(), Failure> {
        let text = include_str!("../sql/english.sql");
        let began = Instant::now();
        let answer = limited(place, text, self.limits.query, driver.send(text)).await;
        place.log("sent", text, began, &answer);
        match answer {
            Err(error) if !error.keeps_connection() => Err(error.failure),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn ask(
        &self,
        instance: Instance,
        driver: &mut Driver,
        query: &Query<'_>,
    ) -> Result<Vec<Table>, SqlError> {
        let place = self.place(instance);
        let began = Instant::now();
        let mut answer = limited(&place, query.text, self.limits.query, driver.ask(query)).await;
        if let Err(error) = &mut answer {
            error.before = driver.take_before();
        }
        place.log("read", query.text, began, &answer);
        answer
    }

    fn place(&self, instance: Instance) -> Place {
        Place {
            instance,
            server: self.server(instance).to_owned(),
        }
    }

    fn no_instance(&self, instance: Instance, statement: &str) -> SqlError {
        self.place(instance)
            .error(statement, Failure::NoInstance, Fate::NotSent)
    }

    /// An answer that lacks what it must have.
    fn garbled(&self, instance: Instance, statement: &str, why: &str) -> SqlError {
        self.place(instance)
            .error(statement, Failure::Garbled(why.to_owned()), Fate::Refused)
    }
}

/// Waits for a connection no longer than that.
async fn reached<T>(
    limit: Duration,
    waited_for: &str,
    connecting: impl Future<Output = io::Result<T>>,
) -> Result<T, Failure> {
    let Ok(connected) = tokio::time::timeout(limit, connecting).await else {
        return Err(Failure::ConnectTimedOut {
            waited_for: waited_for.to_owned(),
            limit,
        });
    };
    connected.map_err(|cause| match cause.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(cause) => Failure::NotTried(cause.to_string()),
    })
}

/// Where something is asked.
struct Place {
    instance: Instance,
    server: String,
}

impl Place {
    fn error(&self, statement: &str, failure: Failure, fate: Fate) -> SqlError {
        SqlError {
            instance: self.instance,
            server: self.server.clone(),
            statement: error::first_line(statement),
            failure,
            fate,
            before: Vec::new(),
        }
    }

    /// Notes what was asked and how it went; never what rows hold.
    fn log(
        &self,
        how: &str,
        statement: &str,
        began: Instant,
        answer: &Result<Vec<Table>, SqlError>,
    ) {
        let (server, statement) = (&self.server, error::first_line(statement));
        let took = began.elapsed();
        match answer {
            Ok(_) => tracing::debug!(server, statement, ?took, "{how}"),
            Err(error) => {
                tracing::info!(server, statement, ?took, failure = %error.failure, "{how}");
            }
        }
    }

    /// The error of a statement that was sent.
    fn sent(&self, statement: &str, failure: Failure) -> SqlError {
        let fate = if failure.number().is_some() {
            Fate::Refused
        } else {
            Fate::Unknown
        };
        self.error(statement, failure, fate)
    }
}

/// Waits for an answer no longer than that.
async fn limited<T>(
    place: &Place,
    statement: &str,
    limit: Duration,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, SqlError> {
    tokio::time::timeout(limit, answer)
        .await
        .unwrap_or(Err(Failure::TimedOut(limit)))
        .map_err(|failure| place.sent(statement, failure))
}

/// One connection that carries effects. Dropping it ends what still runs on it: see
/// [`SqlDoor::watch_gone`].
pub struct Session<'a> {
    door: &'a SqlDoor,
    instance: Instance,
    driver: Option<Driver>,
    spid: Option<i64>,
    login_time: Option<String>,
}

impl Session<'_> {
    /// Sends a literal batch and reads its answer to the end. There is no time limit here: the
    /// caller has one, and drops the session when it is past.
    ///
    /// After any end but a full answer the session is dead, and every later call says so.
    pub async fn send(&mut self, batch: &str) -> Result<Vec<Table>, SqlError> {
        let place = self.door.place(self.instance);
        let Some(mut driver) = self.driver.take() else {
            let failure = Failure::Cut("the connection was lost before".to_owned());
            return Err(place.error(batch, failure, Fate::NotSent));
        };
        let began = Instant::now();
        // The driver is put back only after a full answer: a dropped future leaves none.
        let answer = driver
            .send(batch)
            .await
            .map_err(|failure| place.sent(batch, failure));
        place.log("sent", batch, began, &answer);
        let keeps = answer.as_ref().err().is_none_or(SqlError::keeps_connection);
        self.driver = keeps.then_some(driver);
        answer
    }

    /// Reads every result set of a batch, within the limit of reads.
    pub async fn read_all(&mut self, query: Query<'_>) -> Result<Vec<Table>, SqlError> {
        let Some(mut driver) = self.driver.take() else {
            let place = self.door.place(self.instance);
            let failure = Failure::Cut("the connection was lost before".to_owned());
            return Err(place.error(query.text, failure, Fate::NotSent));
        };
        let answer = self.door.ask(self.instance, &mut driver, &query).await;
        let keeps = answer.as_ref().err().is_none_or(SqlError::keeps_connection);
        self.driver = keeps.then_some(driver);
        answer
    }

    /// Where it is.
    pub fn instance(&self) -> Instance {
        self.instance
    }

    /// Session id on the server, where it said so.
    pub fn spid(&self) -> Option<i64> {
        self.spid
    }

    /// When the session signed in, by the clock of the server: with the id, it tells this session
    /// from a later one of the same number.
    pub fn login_time(&self) -> Option<&str> {
        self.login_time.as_deref()
    }
}
