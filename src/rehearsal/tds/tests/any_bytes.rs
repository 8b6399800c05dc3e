//! Whatever a client sends, the server neither panics nor stays.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Toy;
use super::raw::{
    ATTENTION, BATCH, LOGIN, PRELOGIN, RPC, TRANSACTION, end, login, packet, prelogin,
};

/// How far a connection gets before the bytes are any.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Nothing,
    Prelogin,
    Login,
}

/// Writes bytes at a server and goes away; returns when the server has ended.
async fn throw(stage: Stage, bytes: &[u8]) {
    let toy = Toy::default();
    let (stream, server) = toy.start();
    let (mut answers, mut requests) = tokio::io::split(stream);
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        let _ = answers.read_to_end(&mut all).await;
    });
    let polite = match stage {
        Stage::Nothing => vec![],
        Stage::Prelogin => prelogin(),
        Stage::Login => [prelogin(), login()].concat(),
    };
    // The server may hang up at any byte.
    let _ = requests.write_all(&[&polite, bytes].concat()).await;
    let _ = requests.shutdown().await;
    let _ = end(server).await;
    reading.await.unwrap();
}

fn any_packets() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec![
        BATCH,
        RPC,
        ATTENTION,
        TRANSACTION,
        LOGIN,
        PRELOGIN,
        0x07,
        0x11,
    ]);
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        prop::collection::vec(any::<u8>(), 0..60)
            .prop_map(|bytes| [&[4, 0, 0, 0][..], &bytes].concat()),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(|bytes| [
            &[4, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, 0][..],
            &bytes
        ]
        .concat()),
    ];
    let one = (kind, 0_u8..32, body).prop_map(|(kind, status, body)| packet(kind, status, &body));
    prop::collection::vec(one, 0..6).prop_map(|packets| packets.concat())
}

proptest! {
    #[test]
    fn no_bytes_of_a_client_panic_and_the_server_ends(
        stage in prop::sample::select(vec![Stage::Nothing, Stage::Prelogin, Stage::Login]),
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), any_packets()],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(throw(stage, &bytes));
    }
}
