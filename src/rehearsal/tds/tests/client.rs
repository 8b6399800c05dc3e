//! What tiberius sees.

use std::time::Duration;

use tiberius::numeric::Numeric;
use tiberius::time::{Date, DateTime, DateTime2, Time};
use tiberius::{AuthMethod, Client, ColumnData, Config, EncryptionLevel, Row, Uuid};
use tokio::io::DuplexStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use super::super::{Parameter, Request};
use super::raw::end;
use super::{Toy, all_types};
use crate::rehearsal::value::{Datum, SqlType};

type Toyed = Client<Compat<DuplexStream>>;

fn config() -> Config {
    let mut config = Config::new();
    config.host("sql1");
    config.encryption(EncryptionLevel::NotSupported);
    config.authentication(AuthMethod::sql_server("pchadr", "geheim"));
    config.application_name("pchadr test");
    config.client_name("admin1");
    config.database("msdb");
    // Both would measure the real clock.
    config.handshake_timeout(None);
    config.command_timeout(None);
    config
}

async fn connect(toy: &Toy) -> Toyed {
    let (stream, _) = toy.start();
    Client::connect(config(), stream.compat()).await.unwrap()
}

async fn sets(client: &mut Toyed, sql: &str) -> tiberius::Result<Vec<Vec<Row>>> {
    let asked = async { client.simple_query(sql).await?.into_results().await };
    let day = Duration::from_hours(24);
    tokio::time::timeout(day, asked).await.unwrap()
}

fn server_error(error: tiberius::error::Error) -> tiberius::error::TokenError {
    match error {
        tiberius::error::Error::Server(error) => error,
        other => panic!("no server error: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_tells_who_the_client_is() {
    let toy = Toy::default();
    connect(&toy).await;
    let login = toy.0.logins.lock().unwrap()[0].clone();
    assert_eq!(login.user, "pchadr");
    assert_eq!(login.password, "geheim");
    assert_eq!(login.host_name, "admin1");
    assert_eq!(login.program_name, "pchadr test");
    assert_eq!(login.database, "msdb");
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_reads_why_and_the_end() {
    let toy = Toy::default();
    let (stream, server) = toy.start();
    let mut config = config();
    config.authentication(AuthMethod::sql_server("sa", "wrong"));
    let error = Client::connect(config, stream.compat()).await.unwrap_err();
    let error = server_error(error);
    assert_eq!((error.code(), error.class()), (18456, 14));
    assert_eq!(error.message(), "Login failed for user 'sa'.");
    end(server).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_packet_size_serves() {
    for size in [0, 512, 4096, 32_767] {
        let toy = Toy::default();
        let (stream, _) = toy.start();
        let mut config = config();
        config.packet_size(size);
        let mut client = Client::connect(config, stream.compat()).await.unwrap();
        let sets = sets(&mut client, "numbers 200").await.unwrap();
        assert_eq!(sets[0].len(), 200, "{size}");
    }
}

/// The value that tiberius should make of ours.
fn expected(sql_type: SqlType, datum: &Datum) -> ColumnData<'static> {
    let int = |value: &Datum| match value {
        Datum::Int(number) => *number,
        other => panic!("{other:?}"),
    };
    match (sql_type, datum) {
        (SqlType::Bit, value) => ColumnData::Bit(Some(int(value) == 1)),
        (SqlType::TinyInt, value) => ColumnData::U8(Some(int(value).try_into().unwrap())),
        (SqlType::SmallInt, value) => ColumnData::I16(Some(int(value).try_into().unwrap())),
        (SqlType::Int | SqlType::Variant, Datum::Int(number)) => {
            ColumnData::I32(Some((*number).try_into().unwrap()))
        }
        (SqlType::BigInt, value) => ColumnData::I64(Some(int(value))),
        (_, Datum::Float(number)) => ColumnData::F64(Some(*number)),
        (SqlType::Numeric(_, scale), Datum::Numeric(number)) => {
            ColumnData::Numeric(Some(Numeric::new_with_scale(*number, scale)))
        }
        (_, Datum::Numeric(number)) => {
            ColumnData::Numeric(Some(Numeric::new_with_scale(*number, 0)))
        }
        (_, Datum::Text(text)) => ColumnData::String(Some(text.clone().into())),
        (_, Datum::Guid(guid)) => ColumnData::Guid(Some(Uuid::from_bytes(*guid))),
        (_, Datum::Bytes(bytes)) => ColumnData::Binary(Some(bytes.clone().into())),
        // 2016-02-29 13:14:15.1234567, days and fractions by hand
        (SqlType::DateTime, _) => {
            ColumnData::DateTime(Some(DateTime::new(42_427, 47_655 * 300 + 37)))
        }
        (SqlType::DateTime2, _) => ColumnData::DateTime2(Some(DateTime2::new(
            Date::new(42_427 + 693_595),
            Time::new(476_551_234_567, 7),
        ))),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_type_and_null_arrives_in_batches_and_in_calls() {
    let toy = Toy::default();
    let mut client = connect(&toy).await;
    let from_batch = sets(&mut client, "types").await.unwrap().remove(0);
    let from_call = client.query("types", &[]).await.unwrap();
    let from_call = from_call.into_first_result().await.unwrap();
    for rows in [from_batch, from_call] {
        assert_eq!(rows.len(), 2);
        for (at, (column, datum)) in all_types().into_iter().enumerate() {
            assert_eq!(rows[0].columns()[at].name(), column.name);
            let value: ColumnData<'static> = rows[0].cells().nth(at).unwrap().1.clone();
            assert_eq!(value, expected(column.sql_type, &datum), "{column:?}");
            let null = format!("{:?}", rows[1].cells().nth(at).unwrap().1);
            assert!(null.ends_with("(None)"), "{column:?}: {null}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn several_result_sets_arrive_in_order() {
    let toy = Toy::default();
    let mut client = connect(&toy).await;
    let sql = "numbers 2; say between; update; numbers 0; numbers 3";
    let batch = sets(&mut client, sql).await.unwrap();
    let counts: Vec<usize> = batch.iter().map(Vec::len).collect();
    assert_eq!(counts, [2, 0, 3]);
    let call = client.query(sql, &[]).await.unwrap();
    assert_eq!(call.into_results().await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_arrives_whole() {
    let toy = Toy::default();
    let mut client = connect(&toy).await;
    let rows = sets(&mut client, "numbers 5000").await.unwrap().remove(0);
    assert_eq!(rows.len(), 5000);
    assert_eq!(rows[4999].get::<i64, _>("n"), Some(5000));
    assert!(
        rows[4999]
            .get::<&str, _>("text")
            .unwrap()
            .ends_with("row 5000 ")
    );
}

#[tokio::test(start_paused = true)]
async fn counted_rows_are_told() {
    let toy = Toy::default();
    let mut client = connect(&toy).await;
    let result = client.execute("update; update", &[]).await.unwrap();
    assert_eq!(result.rows_affected(), [7, 7]);
}

#[tokio::test(start_paused = true)]
async fn parameters_reach_the_server_with_name_type_and_value() {
    let toy = Toy::default();
    let mut client = connect(&toy).await;
    let guid = Uuid::from_bytes(*b"0123456789abcdef");
    let long = "x".repeat(5000);
    client
        .query(
            "done",
            &[
                &5_i32,
                &"mgc",
                &Option::<String>::None,
                &true,
                &255_u8,
                &-2_i16,
                &(1_i64 << 40),
                &0.25_f64,
                &Numeric::new_with_scale(-12_345, 2),
                &guid,
                &vec![1_u8, 2],
                &long.as_str(),
                &Option::<i64>::None,
                &ColumnData::DateTime(Some(DateTime::new(42_427, 300))),
                &ColumnData::DateTime2(Some(DateTime2::new(
                    Date::new(42_427 + 693_595),
                    Time::new(10_000_000, 7),
                ))),
            ],
        )
        .await
        .unwrap();
    let second = jiff::civil::DateTime::constant(2016, 2, 29, 0, 0, 1, 0);
    let expected = [
        (SqlType::Int, Datum::Int(5)),
        (SqlType::NVarChar(Some(4000)), Datum::Text("mgc".to_owned())),
        (SqlType::NVarChar(Some(4000)), Datum::Null),
        (SqlType::Bit, Datum::Int(1)),
        (SqlType::TinyInt, Datum::Int(255)),
        (SqlType::SmallInt, Datum::Int(-2)),
        (SqlType::BigInt, Datum::Int(1 << 40)),
        (SqlType::Float, Datum::Float(0.25)),
        (SqlType::Numeric(5, 2), Datum::Numeric(-12_345)),
        (SqlType::UniqueIdentifier, Datum::Guid(*b"0123456789abcdef")),
        (SqlType::VarBinary(Some(8000)), Datum::Bytes(vec![1, 2])),
        (SqlType::NVarChar(None), Datum::Text(long.clone())),
        (SqlType::BigInt, Datum::Null),
        (SqlType::DateTime, Datum::DateTime(second)),
        (SqlType::DateTime2, Datum::DateTime(second)),
    ];
    let parameters = expected
        .into_iter()
        .enumerate()
        .map(|(at, (sql_type, value))| Parameter {
            name: format!("@P{}", at + 1),
            sql_type,
            value,
        })
        .collect();
    assert_eq!(
        toy.last_request(),
        Request::Batch {
            sql: "done".to_owned(),
            parameters,
        }
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_keeps_number_state_class_and_text_and_the_connection_lives() {
    let toy = Toy::default();
    let mut client = connect(&toy).await;
    for call in [false, true] {
        let error = if call {
            let result = client.query("numbers 1; fail 4305", &[]).await.unwrap();
            result.into_results().await.unwrap_err()
        } else {
            sets(&mut client, "numbers 1; fail 4305").await.unwrap_err()
        };
        let error = server_error(error);
        assert_eq!((error.code(), error.state(), error.class()), (4305, 3, 15));
        assert_eq!(error.message(), "Error 4305.");
        assert_eq!(error.server(), "SQL1\\CHAT");
        assert_eq!(sets(&mut client, "numbers 1").await.unwrap().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_errors_the_client_returns_the_first() {
    let toy = Toy::default();
    let mut client = connect(&toy).await;
    let error = sets(&mut client, "fail 4305; fail 3013; done").await;
    assert_eq!(server_error(error.unwrap_err()).code(), 4305);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_severity_10_is_no_error() {
    let toy = Toy::default();
    let mut client = connect(&toy).await;
    let rows = sets(&mut client, "say 10 percent processed.; numbers 1").await;
    assert_eq!(rows.unwrap()[0].len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_its_column_cannot_hold_is_an_error_of_the_statement() {
    let toy = Toy::default();
    let mut client = connect(&toy).await;
    let error = sets(&mut client, "misfit").await.unwrap_err();
    assert_eq!(server_error(error).code(), 8114);
}

#[tokio::test(start_paused = true)]
async fn a_statement_of_three_hours_ends_in_a_moment() {
    let toy = Toy::default();
    let mut client = connect(&toy).await;
    let begin = tokio::time::Instant::now();
    let rows = sets(&mut client, "sleep 10800; numbers 1").await.unwrap();
    assert_eq!(rows[0].len(), 1);
    assert_eq!(begin.elapsed(), Duration::from_hours(3));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_ends_its_request() {
    let toy = Toy::default();
    let (stream, server) = toy.start();
    let mut client = Client::connect(config(), stream.compat()).await.unwrap();
    let hour = Duration::from_hours(1);
    tokio::time::timeout(hour, client.simple_query("forever"))
        .await
        .unwrap_err();
    assert!(!toy.was_dropped());
    drop(client);
    end(server).await.unwrap();
    assert!(toy.was_dropped());
}

#[tokio::test(start_paused = true)]
async fn a_killed_session_reads_596_and_the_end() {
    let toy = Toy::default();
    let (stream, server) = toy.start();
    let mut client = Client::connect(config(), stream.compat()).await.unwrap();
    let kill = toy.0.kill.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_mins(1)).await;
        kill.cancel();
    });
    let error = sets(&mut client, "numbers 2; forever").await.unwrap_err();
    let error = server_error(error);
    assert_eq!((error.code(), error.class()), (596, 21));
    assert!(toy.was_dropped());
    end(server).await.unwrap();
    assert!(sets(&mut client, "done").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_session_killed_while_idle_ends() {
    let toy = Toy::default();
    let (stream, server) = toy.start();
    let mut client = Client::connect(config(), stream.compat()).await.unwrap();
    toy.0.kill.cancel();
    end(server).await.unwrap();
    let error = sets(&mut client, "done").await.unwrap_err();
    assert!(
        matches!(error, tiberius::error::Error::Io { .. }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_is_an_io_error_and_nothing_was_answered() {
    let toy = Toy::default();
    let (stream, server) = toy.start();
    let mut client = Client::connect(config(), stream.compat()).await.unwrap();
    let error = sets(&mut client, "numbers 1000; fail 4305; cut")
        .await
        .unwrap_err();
    assert!(
        matches!(error, tiberius::error::Error::Io { .. }),
        "{error:?}"
    );
    end(server).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn transactions_begin_and_end_and_a_stray_commit_is_an_error() {
    let toy = Toy::default();
    let mut client = connect(&toy).await;
    client.begin_transaction().await.unwrap();
    sets(&mut client, "numbers 1").await.unwrap();
    client.commit_transaction().await.unwrap();
    client.begin_transaction().await.unwrap();
    client.rollback_transaction().await.unwrap();
    let error = client.commit_transaction().await.unwrap_err();
    assert_eq!(server_error(error).code(), 3902);
}
