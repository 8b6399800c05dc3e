//! What goes over the wire, byte for byte.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::super::Request;
use super::Toy;
use crate::rehearsal::value::{Datum, SqlType};

pub(super) const BATCH: u8 = 0x01;
pub(super) const RPC: u8 = 0x03;
pub(super) const ATTENTION: u8 = 0x06;
pub(super) const TRANSACTION: u8 = 0x0E;
pub(super) const LOGIN: u8 = 0x10;
pub(super) const PRELOGIN: u8 = 0x12;

const LAST: u8 = 0x01;
const LAST_IGNORED: u8 = 0x03;
const LAST_RESET: u8 = 0x09;

const ACKNOWLEDGEMENT: [u8; 13] = [0xFD, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const FAILED: [u8; 13] = [0xFD, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const DONE: [u8; 13] = [0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

const HOUR: Duration = Duration::from_hours(1);

/// How a connection ended.
pub(super) async fn end(server: JoinHandle<std::io::Result<()>>) -> std::io::Result<()> {
    tokio::time::timeout(HOUR, server).await.unwrap().unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub(super) fn packet(kind: u8, status: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&[kind, status, length[0], length[1], 0, 0, 1, 0], body].concat()
}

/// A batch behind empty headers.
fn batch(sql: &str) -> Vec<u8> {
    [&[4, 0, 0, 0][..], &utf16(sql)].concat()
}

/// VERSION, ENCRYPTION not supported.
pub(super) fn prelogin() -> Vec<u8> {
    prelogin_asking(2)
}

/// VERSION and this ENCRYPTION.
pub(super) fn prelogin_asking(encryption: u8) -> Vec<u8> {
    let table = [0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF];
    packet(
        PRELOGIN,
        LAST,
        &[&table[..], &[0; 6], &[encryption]].concat(),
    )
}

/// LOGIN7 of a nameless client with the right password.
pub(super) fn login() -> Vec<u8> {
    let password = utf16("geheim");
    let mut body = vec![0; 94];
    body[..4].copy_from_slice(&106_u32.to_le_bytes());
    body[4..8].copy_from_slice(&[4, 0, 0, 0x74]);
    body[44..48].copy_from_slice(&[94, 0, 6, 0]);
    body.extend(password.iter().map(|byte| byte.rotate_left(4) ^ 0xA5));
    packet(LOGIN, LAST, &body)
}

struct Raw {
    stream: DuplexStream,
    server: JoinHandle<std::io::Result<()>>,
}

impl Raw {
    async fn signed_in(toy: &Toy) -> Self {
        let (stream, server) = toy.start();
        let mut raw = Self { stream, server };
        raw.write(&prelogin()).await;
        raw.message().await;
        raw.write(&login()).await;
        raw.message().await;
        raw
    }

    /// Reads as many bytes as fit; fails where the server stays silent.
    async fn read(&mut self, bytes: &mut [u8]) {
        let read = self.stream.read_exact(bytes);
        tokio::time::timeout(HOUR, read).await.unwrap().unwrap();
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn send(&mut self, kind: u8, status: u8, body: &[u8]) {
        self.write(&packet(kind, status, body)).await;
    }

    /// The next message: its packets' bodies, joined.
    async fn message(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        loop {
            let mut header = [0; 8];
            self.read(&mut header).await;
            assert_eq!(header[0], 0x04);
            let length = u16::from_be_bytes([header[2], header[3]]);
            assert!((8..=4096).contains(&length));
            let begin = message.len();
            message.resize(begin + usize::from(length) - 8, 0);
            self.read(&mut message[begin..]).await;
            if header[1] == 1 {
                return message;
            }
        }
    }

    /// That the server says nothing more for an hour.
    async fn assert_silent(&mut self) {
        let silence = tokio::time::timeout(HOUR, self.stream.read_u8()).await;
        assert!(silence.is_err(), "{silence:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_is_divided_into_full_packets() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    raw.send(BATCH, LAST, &batch("numbers 100")).await;
    let mut packets = Vec::new();
    loop {
        let mut header = [0; 8];
        raw.read(&mut header).await;
        let length = u16::from_be_bytes([header[2], header[3]]);
        raw.read(&mut vec![0; usize::from(length) - 8]).await;
        packets.push(length);
        assert_eq!(usize::from(header[6]), packets.len());
        if header[1] == 1 {
            break;
        }
    }
    let (last, full) = packets.split_last().unwrap();
    assert!(full.len() > 10 && full.iter().all(|length| *length == 4096));
    assert!(*last <= 4096);
}

#[tokio::test(start_paused = true)]
async fn a_prelogin_that_points_outside_itself_ends_the_connection() {
    for (offset, length) in [(6, 2), (8, 0), (0xFFFF, 0xFF)] {
        let toy = Toy::default();
        let (mut stream, server) = toy.start();
        let [high, low] = u16::to_be_bytes(offset);
        let body = [1, high, low, 0, length, 0xFF, 2];
        stream
            .write_all(&packet(PRELOGIN, LAST, &body))
            .await
            .unwrap();
        let error = end(server).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    }
}

#[tokio::test(start_paused = true)]
async fn prelogin_says_that_there_is_no_encryption() {
    let toy = Toy::default();
    let (stream, server) = toy.start();
    let mut raw = Raw { stream, server };
    raw.write(&prelogin()).await;
    let answer = [
        &[0, 0, 26, 0, 6, 1, 0, 32, 0, 1, 2, 0, 33, 0, 1][..],
        &[3, 0, 34, 0, 0, 4, 0, 34, 0, 1, 0xFF],
        &[12, 0, 0x17, 0x88, 0, 0, 2, 0, 0],
    ]
    .concat();
    assert_eq!(raw.message().await, answer);
}

#[tokio::test(start_paused = true)]
async fn an_attention_ends_the_request_and_is_answered_by_two_messages() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    raw.send(BATCH, LAST, &batch("update; forever")).await;
    raw.assert_silent().await;
    assert!(!toy.was_dropped());
    raw.send(ATTENTION, LAST, &[]).await;
    let more = [0xFD, 0x11, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(raw.message().await, [more, FAILED].concat());
    assert_eq!(raw.message().await, ACKNOWLEDGEMENT);
    assert!(toy.was_dropped());
    raw.assert_silent().await;
    raw.send(BATCH, LAST, &batch("done")).await;
    assert_eq!(raw.message().await, DONE);
}

#[tokio::test(start_paused = true)]
async fn an_idle_attention_is_only_acknowledged() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    raw.send(ATTENTION, LAST, &[]).await;
    assert_eq!(raw.message().await, ACKNOWLEDGEMENT);
    raw.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn an_attention_split_over_two_reads_is_one() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    raw.send(BATCH, LAST, &batch("forever")).await;
    let attention = packet(ATTENTION, LAST, &[]);
    raw.write(&attention[..3]).await;
    raw.assert_silent().await;
    raw.write(&attention[3..]).await;
    assert_eq!(raw.message().await, FAILED);
    assert_eq!(raw.message().await, ACKNOWLEDGEMENT);
}

#[tokio::test(start_paused = true)]
async fn an_attention_takes_an_unfinished_request_back() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    raw.send(BATCH, 0, &batch("forever")).await;
    raw.send(ATTENTION, LAST, &[]).await;
    assert_eq!(raw.message().await, ACKNOWLEDGEMENT);
    raw.assert_silent().await;
    assert!(toy.0.requests.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_ignored_request_fails_without_acknowledgement() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    raw.send(BATCH, 0, &batch("forever")).await;
    raw.send(BATCH, LAST_IGNORED, &[]).await;
    assert_eq!(raw.message().await, FAILED);
    raw.assert_silent().await;
    assert!(toy.0.requests.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_request_of_several_packets_is_one() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    let body = batch("numbers 3; done");
    // In the middle of a character.
    raw.send(BATCH, 0, &body[..9]).await;
    raw.send(BATCH, LAST, &body[9..]).await;
    raw.message().await;
    assert_eq!(
        toy.last_request(),
        Request::Batch {
            sql: "numbers 3; done".to_owned(),
            parameters: Vec::new(),
        }
    );
}

#[tokio::test(start_paused = true)]
async fn every_done_but_the_last_says_that_more_follows_and_which_statement_failed() {
    let done = |status, rows| [0xFD, status, 0, 0, 0, rows, 0, 0, 0, 0, 0, 0, 0];
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    raw.send(BATCH, LAST, &batch("update; done; update")).await;
    let expected = [done(0x11, 7), done(0x01, 0), done(0x10, 7)].concat();
    assert_eq!(raw.message().await, expected);

    raw.send(BATCH, LAST, &batch("fail 102; done; update"))
        .await;
    let answer = raw.message().await;
    assert_eq!(answer[0], 0xAA);
    let expected = [done(0x03, 0), done(0x10, 7)].concat();
    assert_eq!(answer[answer.len() - 26..], expected);

    // What is said after the last DONE needs one of its own.
    raw.send(BATCH, LAST, &batch("update; fail 102")).await;
    let answer = raw.message().await;
    assert_eq!(answer[..13], done(0x11, 7));
    assert_eq!(answer[answer.len() - 13..], FAILED);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_in_its_return_status_and_its_own_done() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    let call = |sql: &str| {
        let text = utf16(sql);
        let length = u16::try_from(text.len()).unwrap().to_le_bytes();
        [
            &[4, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, 0][..],
            &[0, 0, 0xE7, 0x40, 0x1F, 0, 0, 0, 0, 0],
            &length,
            &text,
        ]
        .concat()
    };
    raw.send(RPC, LAST, &call("update")).await;
    let expected = [
        &[0xFF, 0x11, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0][..],
        &[0x79, 0, 0, 0, 0],
        &[0xFE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    assert_eq!(raw.message().await, expected);

    raw.send(RPC, LAST, &call("fail 4305")).await;
    let answer = raw.message().await;
    let expected = [
        &[0x79, 0xD1, 0x10, 0, 0][..],
        &[0xFE, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    assert_eq!(answer[answer.len() - 18..], expected);
}

#[tokio::test(start_paused = true)]
async fn a_prepared_statement_gives_its_handle_back_and_is_forgotten_by_a_reset() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    let call = |number: u8, arguments: &[u8]| {
        let head = [4, 0, 0, 0, 0xFF, 0xFF, number, 0, 0, 0];
        [&head[..], arguments].concat()
    };
    let text = utf16("update");
    let length = u16::try_from(text.len()).unwrap().to_le_bytes();
    let prepare = [
        &[2][..],
        &utf16("@h"),
        &[1, 0x26, 4, 0],                         // handle: int NULL OUTPUT
        &[0, 0, 0xE7, 2, 0, 0, 0, 0, 0, 0, 0, 0], // no declarations
        &[0, 0, 0xE7, 0x40, 0x1F, 0, 0, 0, 0, 0],
        &length,
        &text,
    ]
    .concat();
    let status = [0x79, 0, 0, 0, 0];
    let done = [0xFE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let handle = [
        &[0xAC, 0, 0, 2][..],
        &utf16("@h"),
        &[1, 0, 0, 0, 0, 9, 0, 0x26, 4, 4, 1, 0, 0, 0],
    ]
    .concat();
    raw.send(RPC, LAST, &call(11, &prepare)).await;
    assert_eq!(raw.message().await, [&status[..], &handle, &done].concat());
    assert!(toy.0.requests.lock().unwrap().is_empty());

    let first = [0, 0, 0x26, 4, 4, 1, 0, 0, 0];
    let rows = [0xFF, 0x11, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
    raw.send(RPC, LAST, &call(12, &first)).await;
    assert_eq!(raw.message().await, [&rows[..], &status, &done].concat());

    raw.send(RPC, LAST_RESET, &call(12, &first)).await;
    let answer = raw.message().await;
    // Behind the word that all is new: the error 8179.
    assert_eq!((answer[6], &answer[9..11]), (0xAA, &[0xF3, 0x1F][..]));
}

#[tokio::test(start_paused = true)]
async fn a_message_of_severity_10_goes_out_as_class_0() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    raw.send(BATCH, LAST, &batch("say x")).await;
    let answer = raw.message().await;
    // Token, length, 3211, state, class, one character.
    assert_eq!(answer[0], 0xAB);
    assert_eq!(answer[3..11], [0x8B, 0x0C, 0, 0, 1, 0, 1, 0]);
    assert_eq!(answer[answer.len() - 13..], DONE);
}

#[tokio::test(start_paused = true)]
async fn a_procedure_is_passed_on_by_name() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    let body = [
        &[4, 0, 0, 0, 5, 0][..],
        &utf16("sp_do"),
        &[0, 0, 2],
        &utf16("@n"),
        &[0, 0x26, 4, 4, 9, 0, 0, 0],
    ]
    .concat();
    raw.send(RPC, LAST, &body).await;
    raw.message().await;
    let Request::Procedure { name, parameters } = toy.last_request() else {
        panic!("{:?}", toy.last_request());
    };
    assert_eq!(
        (name.as_str(), parameters[0].name.as_str()),
        ("sp_do", "@n")
    );
    assert_eq!(
        (parameters[0].sql_type, &parameters[0].value),
        (SqlType::Int, &Datum::Int(9))
    );
}

#[tokio::test(start_paused = true)]
async fn a_reset_begins_a_new_session_and_is_acknowledged() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    raw.send(BATCH, LAST_RESET, &batch("done")).await;
    let acknowledged = [0xE3, 3, 0, 18, 0, 0];
    assert_eq!(raw.message().await, [&acknowledged[..], &DONE].concat());
    assert_eq!(toy.0.logins.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_says_that_it_undoes_nothing() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    let transaction = |kind: u8| [4, 0, 0, 0, kind, 0, 0, 0];
    raw.send(TRANSACTION, LAST, &transaction(5)).await;
    let begun = [0xE3, 11, 0, 8, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(raw.message().await, [&begun[..], &DONE].concat());
    raw.send(BATCH, LAST, &batch("done")).await;
    raw.message().await;
    raw.send(TRANSACTION, LAST, &transaction(8)).await;
    let answer = raw.message().await;
    let ended = [0xE3, 11, 0, 10, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(answer[..14], ended);
    assert_eq!(answer[14], 0xAB);
    raw.send(TRANSACTION, LAST, &transaction(0)).await;
    assert_eq!(raw.message().await[0], 0xAA);
}

#[tokio::test(start_paused = true)]
async fn a_request_while_another_runs_ends_both() {
    let toy = Toy::default();
    let mut raw = Raw::signed_in(&toy).await;
    raw.send(BATCH, LAST, &batch("forever")).await;
    raw.send(BATCH, LAST, &batch("done")).await;
    let error = end(raw.server).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert!(toy.was_dropped());
}

#[tokio::test(start_paused = true)]
async fn a_packet_shorter_than_its_header_ends_the_connection() {
    for length in 0..8 {
        let toy = Toy::default();
        let (mut stream, server) = toy.start();
        let header = [PRELOGIN, LAST, 0, length, 0, 0, 1, 0];
        stream.write_all(&header).await.unwrap();
        let error = end(server).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("shorter than its header"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tls_client_is_refused_at_its_first_byte() {
    let toy = Toy::default();
    let (mut stream, server) = toy.start();
    stream.write_all(&[0x16]).await.unwrap();
    let error = end(server).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn the_future_of_a_connection_can_be_spawned() {
    fn is_send<T: Send>(_: T) {}
    let (_, theirs) = tokio::io::duplex(1);
    is_send(super::serve(Arc::new(Toy::default()), theirs));
}
