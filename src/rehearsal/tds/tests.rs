//! The server against tiberius, and against bytes of our own, over in-memory pipes and a paused
//! clock.

#![allow(clippy::unwrap_used, clippy::large_futures)]

mod any_bytes;
mod client;
mod raw;
mod tls;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::civil::DateTime;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Flow, Login, Reply, Request, Server, Session, serve};
use crate::rehearsal::value::{Column, Datum, ServerError, SqlType};

/// A server whose SQL is a handful of words.
#[derive(Clone, Default)]
struct Toy(Arc<Inner>);

#[derive(Default)]
struct Inner {
    logins: Mutex<Vec<Login>>,
    requests: Mutex<Vec<Request>>,
    /// A request that runs forever was dropped.
    dropped: AtomicBool,
    kill: CancellationToken,
}

impl Toy {
    /// Serves one connection; gives the client's end of it.
    fn start(&self) -> (DuplexStream, JoinHandle<std::io::Result<()>>) {
        let (ours, theirs) = tokio::io::duplex(4096);
        let server: Arc<dyn Server> = Arc::new(self.clone());
        (ours, tokio::spawn(serve(server, theirs)))
    }

    fn last_request(&self) -> Request {
        self.0.requests.lock().unwrap().last().unwrap().clone()
    }

    fn was_dropped(&self) -> bool {
        self.0.dropped.load(Ordering::SeqCst)
    }
}

impl Server for Toy {
    fn name(&self) -> String {
        "SQL1\\CHAT".to_owned()
    }

    fn login(&self, login: &Login) -> Result<Box<dyn Session>, ServerError> {
        self.0.logins.lock().unwrap().push(login.clone());
        if login.password == "geheim" {
            Ok(Box::new(self.clone()))
        } else {
            Err(ServerError {
                class: 14,
                ..ServerError::new(18456, format!("Login failed for user '{}'.", login.user))
            })
        }
    }
}

impl Session for Toy {
    fn run<'a>(&'a mut self, request: Request, reply: &'a mut dyn Reply) -> BoxFuture<'a, Flow> {
        self.0.requests.lock().unwrap().push(request.clone());
        async move {
            let Request::Batch { sql, .. } = request else {
                return Flow::Go;
            };
            for word in sql.split(';') {
                if self.word(word.trim(), reply).await == Flow::Cut {
                    return Flow::Cut;
                }
            }
            Flow::Go
        }
        .boxed()
    }

    fn killed(&self) -> CancellationToken {
        self.0.kill.clone()
    }
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Toy {
    async fn word(&self, word: &str, reply: &mut dyn Reply) -> Flow {
        match word.split_once(' ').unwrap_or((word, "")) {
            ("types", _) => types(reply),
            ("numbers", count) => numbers(count.parse().unwrap(), reply),
            ("say", text) => reply.info(&ServerError {
                class: 10,
                ..ServerError::new(3211, text)
            }),
            ("fail", number) => {
                reply.error(&ServerError {
                    number: number.parse().unwrap(),
                    class: 15,
                    state: 3,
                    message: format!("Error {number}."),
                });
            }
            ("update", _) => reply.done(Some(7)),
            ("done", _) => reply.done(None),
            ("misfit", _) => {
                reply.columns(&[Column::new("n", SqlType::Int)]);
                reply.row(&[Datum::Text("x".to_owned())]);
                reply.done(Some(1));
            }
            ("sleep", seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds.parse().unwrap())).await;
            }
            ("forever", _) => {
                let _guard = SetOnDrop(&self.0.dropped);
                std::future::pending::<()>().await;
            }
            ("cut", _) => return Flow::Cut,
            _ => {}
        }
        Flow::Go
    }
}

/// Numbers 1 to `count`, each with a text that fills packets.
fn numbers(count: i64, reply: &mut dyn Reply) {
    reply.columns(&[
        Column::new("n", SqlType::BigInt),
        Column::new("text", SqlType::NVarChar(None)),
    ]);
    for number in 1..=count {
        reply.row(&[
            Datum::Int(number),
            Datum::Text(format!("row {number} ").repeat(50)),
        ]);
    }
    reply.done(u64::try_from(count).ok());
}

fn when() -> DateTime {
    DateTime::constant(2016, 2, 29, 13, 14, 15, 123_456_700)
}

/// Every type with a value; then all NULL.
fn all_types() -> Vec<(Column, Datum)> {
    let text = |text: &str| Datum::Text(text.to_owned());
    [
        ("bit", SqlType::Bit, Datum::Int(1)),
        ("tinyint", SqlType::TinyInt, Datum::Int(255)),
        ("smallint", SqlType::SmallInt, Datum::Int(-2)),
        ("int", SqlType::Int, Datum::Int(-70_000)),
        ("bigint", SqlType::BigInt, Datum::Int(1 << 40)),
        ("float", SqlType::Float, Datum::Float(0.25)),
        (
            "lsn",
            SqlType::Numeric(25, 0),
            Datum::Numeric(34_000_000_012_300_001),
        ),
        ("money", SqlType::Numeric(9, 2), Datum::Numeric(-12_345)),
        ("nvarchar", SqlType::NVarChar(Some(128)), text("mgc ä😀")),
        ("nvarchar max", SqlType::NVarChar(None), text("")),
        ("varchar", SqlType::VarChar(Some(20)), text("5 €")),
        ("varchar max", SqlType::VarChar(None), text("é")),
        ("datetime", SqlType::DateTime, Datum::DateTime(when())),
        ("datetime2", SqlType::DateTime2, Datum::DateTime(when())),
        (
            "guid",
            SqlType::UniqueIdentifier,
            Datum::Guid(*b"0123456789abcdef"),
        ),
        (
            "varbinary",
            SqlType::VarBinary(Some(4)),
            Datum::Bytes(vec![1, 2]),
        ),
        (
            "varbinary max",
            SqlType::VarBinary(None),
            Datum::Bytes(vec![7; 5000]),
        ),
        ("variant text", SqlType::Variant, text("12.0.6024.0")),
        ("variant int", SqlType::Variant, Datum::Int(3)),
        ("variant numeric", SqlType::Variant, Datum::Numeric(-5)),
        ("variant bytes", SqlType::Variant, Datum::Bytes(vec![9])),
        ("variant guid", SqlType::Variant, Datum::Guid([1; 16])),
    ]
    .into_iter()
    .map(|(name, sql_type, datum)| (Column::new(name, sql_type), datum))
    .collect()
}

fn types(reply: &mut dyn Reply) {
    let (columns, row): (Vec<_>, Vec<_>) = all_types().into_iter().unzip();
    reply.columns(&columns);
    reply.row(&row);
    reply.row(&vec![Datum::Null; columns.len()]);
    reply.done(Some(2));
}
