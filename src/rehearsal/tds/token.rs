//! Tokens: what an answer is made of (`tds.md` 2.1), and [`Answer`], which writes one down.

use super::Reply;
use super::prepared::Handle;
use super::types::{put_type, put_value};
use crate::rehearsal::message::message;
use crate::rehearsal::value::{Column, Datum, ServerError, SqlType};

/// `SQL_Latin1_General_CP1_CI_AS`.
pub(super) const COLLATION: [u8; 5] = [0x09, 0x04, 0xD0, 0x00, 0x34];

/// Kinds of DONE: of a batch's statement, of a call, of a statement within a call.
pub(super) const DONE: u8 = 0xFD;
const DONE_OF_CALL: u8 = 0xFE;
const DONE_IN_CALL: u8 = 0xFF;

/// Status of a DONE.
const MORE: u16 = 0x01;
pub(super) const FAILED: u16 = 0x02;
const COUNTED: u16 = 0x10;
pub(super) const ATTENTION: u16 = 0x20;
const SERVER_ERROR: u16 = 0x100;

/// Command of a DONE.
const SELECT: u16 = 0xC1;

const RETURN_STATUS: u8 = 0x79;
const RETURN_VALUE: u8 = 0xAC;
const COLUMN_METADATA: u8 = 0x81;
const ERROR: u8 = 0xAA;
const INFO: u8 = 0xAB;
const LOGIN_ACK: u8 = 0xAD;
pub(super) const FEATURE_ACK: u8 = 0xAE;
const ROW: u8 = 0xD1;
const ENVIRONMENT_CHANGE: u8 = 0xE3;

/// Kinds of environment change.
pub(super) const DATABASE: u8 = 1;
pub(super) const LANGUAGE: u8 = 2;
pub(super) const PACKET_SIZE: u8 = 4;
pub(super) const SQL_COLLATION: u8 = 7;
pub(super) const BEGIN_TRANSACTION: u8 = 8;
pub(super) const COMMIT_TRANSACTION: u8 = 9;
pub(super) const ROLLBACK_TRANSACTION: u8 = 10;
pub(super) const RESET: u8 = 18;

/// Longest message text, in UTF-16 units, that the server sends.
const LONGEST_TEXT: usize = 2047;
/// Longest name, likewise.
const LONGEST_NAME: usize = 128;

/// The answer to one request, in the bytes that go over the wire.
#[derive(Debug)]
pub(super) struct Answer {
    bytes: Vec<u8>,
    server: String,
    /// The request was a call, not a batch.
    call: bool,
    /// Of the result set that is open.
    columns: Option<Vec<SqlType>>,
    /// The last DONE, until it is known whether more follows.
    held: Option<Held>,
    /// Number of the last error; 0 = none.
    error: u32,
    /// An error came since the last DONE.
    failed: bool,
    /// Anything came since the last DONE.
    open: bool,
    /// What the call gives back.
    output: Option<Handle>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    status: u16,
    command: u16,
    rows: Option<u64>,
}

impl Answer {
    pub(super) fn to_batch(server: &str) -> Self {
        Self {
            bytes: Vec::new(),
            server: server.to_owned(),
            call: false,
            columns: None,
            held: None,
            error: 0,
            failed: false,
            open: false,
            output: None,
        }
    }

    pub(super) fn to_call(server: &str) -> Self {
        Self {
            call: true,
            ..Self::to_batch(server)
        }
    }

    /// Tells of a change of the environment before anything else.
    pub(super) fn change(&mut self, kind: u8, new: &[u8], old: &[u8]) {
        change_bytes(&mut self.bytes, kind, new, old);
    }

    /// Gives the handle of a prepared statement back at the end of the call.
    pub(super) fn output(&mut self, handle: Handle) {
        self.output = Some(handle);
    }

    /// The answer to a request that ran to its end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.call {
            self.release();
            let status = if self.error == 0 { 0 } else { FAILED };
            self.bytes.push(RETURN_STATUS);
            self.bytes.extend_from_slice(&self.error.to_le_bytes());
            if let Some(handle) = &self.output {
                return_value(&mut self.bytes, handle);
            }
            done(&mut self.bytes, DONE_OF_CALL, status);
        } else {
            if self.open || self.held.is_none() {
                self.done(None);
            }
            if let Some(Held {
                status,
                command,
                rows,
            }) = self.held
            {
                put_done(&mut self.bytes, DONE, status, command, rows);
            }
        }
        self.bytes
    }

    /// What an Attention leaves of the answer.
    pub(super) fn cut_short(mut self) -> Vec<u8> {
        self.release();
        done(&mut self.bytes, DONE, FAILED);
        self.bytes
    }

    /// What the session's client reads when another session killed it.
    pub(super) fn kill(mut self) -> Vec<u8> {
        self.error(&message(596, &[]));
        done(&mut self.bytes, DONE, FAILED | SERVER_ERROR);
        self.bytes
    }

    /// Writes the DONE that was held back: more follows it.
    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            let kind = if self.call { DONE_IN_CALL } else { DONE };
            put_done(
                &mut self.bytes,
                kind,
                held.status | MORE,
                held.command,
                held.rows,
            );
        }
    }

    fn begin_token(&mut self) {
        self.release();
        self.open = true;
    }

    fn put_row(&mut self, columns: &[SqlType], row: &[Datum]) -> Result<(), ServerError> {
        if columns.is_empty() || columns.len() != row.len() {
            return Err(message(213, &[]));
        }
        self.begin_token();
        let begin = self.bytes.len();
        self.bytes.push(ROW);
        for (sql_type, datum) in columns.iter().zip(row) {
            put_value(&mut self.bytes, *sql_type, datum)
                .inspect_err(|_| self.bytes.truncate(begin))?;
        }
        Ok(())
    }
}

impl Reply for Answer {
    fn columns(&mut self, columns: &[Column]) {
        self.begin_token();
        self.columns = Some(columns.iter().map(|column| column.sql_type).collect());
        self.bytes.push(COLUMN_METADATA);
        let count = u16::try_from(columns.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&count.to_le_bytes());
        for column in columns {
            self.bytes.extend_from_slice(&0_u32.to_le_bytes()); // user type
            self.bytes.extend_from_slice(&[0x09, 0x00]); // may be NULL, may be updatable
            put_type(&mut self.bytes, column.sql_type);
            put_name(&mut self.bytes, &column.name);
        }
    }

    /// A row that the columns cannot hold is an error of the statement, never a row of NULLs.
    fn row(&mut self, row: &[Datum]) {
        let columns = self.columns.take();
        if let Err(error) = self.put_row(columns.as_deref().unwrap_or_default(), row) {
            self.error(&error);
        }
        self.columns = columns;
    }

    fn info(&mut self, message: &ServerError) {
        self.error(message);
    }

    fn error(&mut self, error: &ServerError) {
        self.begin_token();
        if error.class > 10 {
            self.failed = true;
            self.error = error.number;
        }
        put_message(&mut self.bytes, error, &self.server);
    }

    fn done(&mut self, rows: Option<u64>) {
        self.release();
        let failed = if self.failed { FAILED } else { 0 };
        let counted = if rows.is_some() { COUNTED } else { 0 };
        self.held = Some(Held {
            status: failed | counted,
            command: if self.columns.take().is_some() {
                SELECT
            } else {
                0
            },
            rows,
        });
        (self.failed, self.open) = (false, false);
    }
}

/// RETURNVALUE of the call's first parameter.
fn return_value(out: &mut Vec<u8>, handle: &Handle) {
    out.push(RETURN_VALUE);
    out.extend_from_slice(&0_u16.to_le_bytes()); // ordinal
    put_name(out, &handle.parameter);
    out.push(0x01); // of a procedure, not of a function
    out.extend_from_slice(&0_u32.to_le_bytes()); // user type
    out.extend_from_slice(&[0x09, 0x00]); // as of a column
    put_type(out, SqlType::Int);
    out.push(4);
    out.extend_from_slice(&handle.number.to_le_bytes());
}

/// A DONE of no particular command.
pub(super) fn done(out: &mut Vec<u8>, kind: u8, status: u16) {
    put_done(out, kind, status, 0, None);
}

fn put_done(out: &mut Vec<u8>, kind: u8, status: u16, command: u16, rows: Option<u64>) {
    out.push(kind);
    out.extend_from_slice(&status.to_le_bytes());
    out.extend_from_slice(&command.to_le_bytes());
    out.extend_from_slice(&rows.unwrap_or(0).to_le_bytes());
}

/// ERROR, or INFO where the class is at most 10: those go over the wire as class 0, since clients
/// take any other class for an error.
pub(super) fn put_message(out: &mut Vec<u8>, error: &ServerError, server: &str) {
    let (token, class) = match error.class {
        0..=10 => (INFO, 0),
        class => (ERROR, class),
    };
    let mut body = Vec::new();
    body.extend_from_slice(&error.number.to_le_bytes());
    body.extend_from_slice(&[error.state, class]);
    let text = units(&error.message, LONGEST_TEXT);
    let length = u16::try_from(text.len() / 2).unwrap_or(u16::MAX);
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(&text);
    put_name(&mut body, server);
    put_name(&mut body, ""); // no procedure
    body.extend_from_slice(&1_u32.to_le_bytes()); // line
    put_counted(out, token, &body);
}

/// LOGINACK: the client is in.
pub(super) fn login_ack(out: &mut Vec<u8>, tds: u32, version: [u8; 4]) {
    let mut body = vec![1]; // Transact-SQL
    body.extend_from_slice(&tds.to_be_bytes());
    put_name(&mut body, "Microsoft SQL Server");
    body.extend_from_slice(&version);
    put_counted(out, LOGIN_ACK, &body);
}

/// ENVCHANGE of texts.
pub(super) fn change_text(out: &mut Vec<u8>, kind: u8, new: &str, old: &str) {
    let mut body = vec![kind];
    put_name(&mut body, new);
    put_name(&mut body, old);
    put_counted(out, ENVIRONMENT_CHANGE, &body);
}

/// ENVCHANGE of bytes.
pub(super) fn change_bytes(out: &mut Vec<u8>, kind: u8, new: &[u8], old: &[u8]) {
    let mut body = vec![kind];
    for value in [new, old] {
        body.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        body.extend_from_slice(value);
    }
    put_counted(out, ENVIRONMENT_CHANGE, &body);
}

/// A token whose length in bytes stands before it. No body comes near the limit: texts are cut.
fn put_counted(out: &mut Vec<u8>, token: u8, body: &[u8]) {
    out.push(token);
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(body);
}

/// A name, its length in UTF-16 units before it in one byte.
fn put_name(out: &mut Vec<u8>, name: &str) {
    let bytes = units(name, LONGEST_NAME);
    out.push(u8::try_from(bytes.len() / 2).unwrap_or(u8::MAX));
    out.extend_from_slice(&bytes);
}

/// UTF-16LE of a text, cut between two characters when it has more than so many units.
fn units(text: &str, limit: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for character in text.chars() {
        if out.len() / 2 + character.len_utf16() > limit {
            break;
        }
        let mut pair = [0_u16; 2];
        for unit in character.encode_utf16(&mut pair) {
            out.extend_from_slice(&unit.to_le_bytes());
        }
    }
    out
}
