//! SQL Server: the one file that names the driver (DESIGN 9, `reference/tds.md` 7.2).
//!
//! Reads are parameterized and go over one control connection an instance; an effect is a literal
//! batch on a connection of its own. A connection is used again only after the server answered in
//! full: on any other end it is dropped, for the driver would answer the next question with the
//! rest of the last answer (`tds.md` 5.3).

mod error;
mod table;
mod wait;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tiberius::{AuthMethod, Client, ColumnData, EncryptionLevel};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use super::ByteStream;
use crate::model::Instance;

pub use error::{Failure, Fate, SqlError};
pub use table::{Row, Table, Value};

/// Opens a byte stream to an instance: a socket, or the rehearsal's pipe.
pub trait Dial: Send + Sync {
    /// Connects to the instance; TLS is not its matter.
    fn dial(&self, instance: Instance) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>>;
}

/// A SQL login, over a stream that needs no TLS: the rehearsal's.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Login name.
    pub user: String,
    /// Its password.
    pub password: String,
}

/// Time limits of the door.
#[derive(Clone, Copy, Debug)]
pub struct DoorLimits {
    /// Connect.
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

type Driver = Client<Compat<Box<dyn ByteStream>>>;

/// Every connection of a run.
pub struct SqlDoor {
    dial: Arc<dyn Dial>,
    servers: BTreeMap<Instance, String>,
    sign_in: SignIn,
    limits: DoorLimits,
    control: BTreeMap<Instance, tokio::sync::Mutex<Option<Driver>>>,
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
            .map(|instance| (*instance, tokio::sync::Mutex::new(None)))
            .collect();
        Self {
            dial,
            servers,
            sign_in,
            limits,
            control,
        }
    }

    /// Says whether the site has that instance.
    pub fn has(&self, instance: Instance) -> bool {
        self.servers.contains_key(&instance)
    }

    /// Address of an instance, as messages name it.
    pub fn server(&self, instance: Instance) -> &str {
        self.servers.get(&instance).map_or("?", String::as_str)
    }

    /// Reads one result set; the last one where the batch gives several.
    pub async fn read(&self, instance: Instance, query: Query<'_>) -> Result<Table, SqlError> {
        let mut tables = self.read_all(instance, query).await?;
        Ok(tables.pop().unwrap_or_default())
    }

    /// Reads every result set of a batch.
    ///
    /// A control connection that was found broken is opened anew, once: a read can be repeated.
    pub async fn read_all(
        &self,
        instance: Instance,
        query: Query<'_>,
    ) -> Result<Vec<Table>, SqlError> {
        let Some(slot) = self.control.get(&instance) else {
            return Err(self.error(instance, query.text, Failure::NoInstance, Fate::NotSent));
        };
        let mut slot = slot.lock().await;
        if let Some(mut driver) = slot.take() {
            match self.ask(instance, &mut driver, &query).await {
                Ok(tables) => {
                    *slot = Some(driver);
                    return Ok(tables);
                }
                Err(error) if error.fate == Fate::Refused => {
                    *slot = error.keeps_connection().then_some(driver);
                    return Err(error);
                }
                // Broken or silent: one fresh connection decides. A silent server would cost a
                // second limit; it is not asked again.
                Err(error) if matches!(error.failure, Failure::TimedOut(_)) => return Err(error),
                Err(_) => {}
            }
        }
        let mut driver = self.connect(instance, query.text).await?;
        let answer = self.ask(instance, &mut driver, &query).await;
        if answer.as_ref().err().is_none_or(SqlError::keeps_connection) {
            *slot = Some(driver);
        }
        answer
    }

    /// Opens a connection of its own, for effects.
    pub async fn open(&self, instance: Instance) -> Result<Session<'_>, SqlError> {
        let driver = self.connect(instance, "sign-in").await?;
        let mut session = Session {
            door: self,
            instance,
            driver: Some(driver),
            spid: None,
        };
        let table = session.send("SELECT CAST(@@SPID AS int) AS spid").await?;
        session.spid = table
            .first()
            .and_then(|table| table.rows().next()?.int("spid"));
        Ok(session)
    }

    async fn connect(&self, instance: Instance, statement: &str) -> Result<Driver, SqlError> {
        if !self.has(instance) {
            return Err(self.error(instance, statement, Failure::NoInstance, Fate::NotSent));
        }
        let dialed = tokio::time::timeout(self.limits.connect, self.dial.dial(instance)).await;
        let stream = match dialed {
            Ok(Ok(stream)) => stream,
            Ok(Err(cause)) => {
                let failure = Failure::Unreachable(cause.to_string());
                return Err(self.error(instance, statement, failure, Fate::NotSent));
            }
            Err(_) => {
                let failure = Failure::Unreachable(format!(
                    "no answer within {} s",
                    self.limits.connect.as_secs()
                ));
                return Err(self.error(instance, statement, failure, Fate::NotSent));
            }
        };
        let mut config = tiberius::Config::new();
        config.database("master");
        config.application_name("pchadr");
        config.encryption(EncryptionLevel::NotSupported);
        config.authentication(AuthMethod::sql_server(
            &self.sign_in.user,
            &self.sign_in.password,
        ));
        // The driver's own limits run on a thread of their own and leave a dead connection behind.
        config.command_timeout(None);
        config.handshake_timeout(None);
        let signing_in = Client::connect(config, stream.compat());
        match tokio::time::timeout(self.limits.login, signing_in).await {
            Ok(Ok(driver)) => Ok(driver),
            Ok(Err(cause)) => Err(self.error(instance, statement, cause.into(), Fate::NotSent)),
            Err(_) => {
                let failure = Failure::TimedOut(self.limits.login);
                Err(self.error(instance, statement, failure, Fate::NotSent))
            }
        }
    }

    async fn ask(
        &self,
        instance: Instance,
        driver: &mut Driver,
        query: &Query<'_>,
    ) -> Result<Vec<Table>, SqlError> {
        let answer = async {
            if query.parameters.is_empty() {
                collect(driver.simple_query(query.text).await?).await
            } else {
                let parameters: Vec<&dyn tiberius::ToSql> = query
                    .parameters
                    .iter()
                    .map(|value| value as &dyn tiberius::ToSql)
                    .collect();
                collect(driver.query(query.text, &parameters).await?).await
            }
        };
        self.limited(instance, query.text, self.limits.query, answer)
            .await
    }

    async fn limited<T>(
        &self,
        instance: Instance,
        statement: &str,
        limit: Duration,
        answer: impl Future<Output = Result<T, tiberius::error::Error>>,
    ) -> Result<T, SqlError> {
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(cause)) => {
                let fate = match cause {
                    tiberius::error::Error::Server(_) => Fate::Refused,
                    _ => Fate::Unknown,
                };
                Err(self.error(instance, statement, cause.into(), fate))
            }
            Err(_) => Err(self.error(instance, statement, Failure::TimedOut(limit), Fate::Unknown)),
        }
    }

    fn error(&self, instance: Instance, statement: &str, failure: Failure, fate: Fate) -> SqlError {
        SqlError {
            instance,
            server: self.server(instance).to_owned(),
            statement: error::first_line(statement),
            failure,
            fate,
        }
    }
}

/// One connection that carries effects. Dropping it ends what still runs on it.
pub struct Session<'a> {
    door: &'a SqlDoor,
    instance: Instance,
    driver: Option<Driver>,
    spid: Option<i64>,
}

impl Session<'_> {
    /// Sends a literal batch and reads its answer to the end. There is no time limit here: the
    /// caller has one, and drops the session when it is past.
    ///
    /// After any end but a full answer the session is dead, and every later call says so.
    pub async fn send(&mut self, batch: &str) -> Result<Vec<Table>, SqlError> {
        let door = self.door;
        let Some(mut driver) = self.driver.take() else {
            let failure = Failure::Cut("the connection was lost before".to_owned());
            return Err(door.error(self.instance, batch, failure, Fate::NotSent));
        };
        // The driver is put back only after a full answer: a dropped future leaves none.
        let answer = match driver.simple_query(batch).await {
            Ok(stream) => collect(stream).await,
            Err(cause) => Err(cause),
        };
        match answer {
            Ok(tables) => {
                self.driver = Some(driver);
                Ok(tables)
            }
            Err(cause) => {
                let fate = match cause {
                    tiberius::error::Error::Server(_) => Fate::Refused,
                    _ => Fate::Unknown,
                };
                let error = door.error(self.instance, batch, cause.into(), fate);
                self.driver = error.keeps_connection().then_some(driver);
                Err(error)
            }
        }
    }

    /// Session id on the server, where it said so.
    pub fn spid(&self) -> Option<i64> {
        self.spid
    }
}

async fn collect(
    mut stream: tiberius::QueryStream<'_>,
) -> Result<Vec<Table>, tiberius::error::Error> {
    use futures_util::TryStreamExt as _;
    let mut tables = Vec::new();
    while let Some(item) = stream.try_next().await? {
        match item {
            tiberius::QueryItem::Metadata(metadata) => {
                let names = metadata
                    .columns()
                    .iter()
                    .map(|column| column.name().to_owned())
                    .collect();
                tables.push(Table::new(names));
            }
            tiberius::QueryItem::Row(row) => {
                if let Some(table) = tables.last_mut() {
                    table.push(row.into_iter().map(value).collect());
                }
            }
        }
    }
    Ok(tables)
}

fn value(data: ColumnData<'static>) -> Value {
    use table::{binary, datetime, decimal};
    let read = match data {
        ColumnData::U8(v) => v.map(|v| Value::Int(v.into())),
        ColumnData::I16(v) => v.map(|v| Value::Int(v.into())),
        ColumnData::I32(v) => v.map(|v| Value::Int(v.into())),
        ColumnData::I64(v) => v.map(Value::Int),
        ColumnData::F32(v) => v.map(|v| Value::Float(v.into())),
        ColumnData::F64(v) => v.map(Value::Float),
        ColumnData::Bit(v) => v.map(|v| Value::Int(v.into())),
        ColumnData::String(v) => v.map(|v| Value::Text(v.into_owned())),
        ColumnData::Guid(v) => v.map(|v| Value::Text(v.to_string().to_uppercase())),
        ColumnData::Binary(v) => v.map(|v| Value::Text(binary(&v))),
        ColumnData::Numeric(v) => v.map(|v| Value::Text(decimal(v.value(), v.scale()))),
        ColumnData::DateTime(v) => {
            // Days since 1900, 1/300 s since midnight.
            v.map(|v| {
                let nanoseconds = u64::from(v.seconds_fragments()) * 10_000_000 / 3;
                Value::Text(datetime(v.days().into(), nanoseconds))
            })
        }
        ColumnData::DateTime2(v) => v.map(|v| {
            let scale = u32::from(v.time().scale()).min(9);
            let nanoseconds = v.time().increments().saturating_mul(10_u64.pow(9 - scale));
            // Days since 0001-01-01; 693595 days lie before 1900.
            Value::Text(datetime(i64::from(v.date().days()) - 693_595, nanoseconds))
        }),
        // No read of ours asks for another type: all are cast.
        _ => Some(Value::Text("(another type)".to_owned())),
    };
    read.unwrap_or(Value::Null)
}

impl From<tiberius::error::Error> for Failure {
    fn from(cause: tiberius::error::Error) -> Self {
        use tiberius::error::Error;
        match cause {
            Error::Server(token) => Failure::Server {
                number: token.code(),
                state: token.state(),
                class: token.class(),
                text: token.message().to_owned(),
            },
            Error::Io { message, .. } => Self::Cut(message),
            Error::Tls(text) => Self::Unreachable(format!("TLS: {text}")),
            other => Self::Garbled(other.to_string()),
        }
    }
}
