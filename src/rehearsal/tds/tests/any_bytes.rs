//! Whatever a client sends, in clear or through TLS, the server neither panics nor stays.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::{Encryption, serve_with, tls_config};
use super::Toy;
use super::raw::{
    ATTENTION, BATCH, LOGIN, PRELOGIN, RPC, TRANSACTION, end, login, packet, prelogin,
    prelogin_asking,
};
use crate::rehearsal::certificate::{Authority, Certificate};

/// How far a connection gets before the bytes are any.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Nothing,
    Prelogin,
    Login,
}

/// What the bytes are thrown at.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// A server without encryption.
    Clear,
    /// A server that takes the bytes for a handshake.
    Handshake(Encryption),
    /// A strict server, through TLS.
    Inside,
}

/// A server's certificate, and a client that trusts it.
static TRUST: LazyLock<(Certificate, Arc<ClientConfig>)> = LazyLock::new(|| {
    let begin = "2020-01-01T00:00:00Z".parse().unwrap();
    let until = "2100-01-01T00:00:00Z".parse().unwrap();
    let authority = Authority::new(begin).unwrap();
    let certificate = authority.issue(&["sql1"], begin, until).unwrap();
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem().as_bytes());
    roots.add(root.unwrap()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (certificate, Arc::new(client))
});

/// Writes bytes at a server and goes away; returns when the server has ended.
async fn throw(target: Target, stage: Stage, bytes: &[u8]) {
    let encryption = match target {
        Target::Clear => Encryption::NotSupported,
        Target::Handshake(encryption) => encryption,
        Target::Inside => Encryption::Strict,
    };
    let (certificate, client) = &*TRUST;
    let config = tls_config(encryption, certificate).unwrap();
    let (ours, theirs) = tokio::io::duplex(4096);
    let toy = Arc::new(Toy::default());
    let server = tokio::spawn(serve_with(toy, theirs, encryption, config));
    let asking = match target {
        Target::Handshake(_) => prelogin_asking(0),
        _ => prelogin(),
    };
    let polite = match stage {
        Stage::Nothing => vec![],
        Stage::Prelogin => asking,
        Stage::Login => [asking, login()].concat(),
    };
    let bytes = [&polite, bytes].concat();
    if let Target::Inside = target {
        let name = ServerName::try_from("sql1").unwrap();
        let connector = TlsConnector::from(client.clone());
        write_and_go(connector.connect(name, ours).await.unwrap(), bytes).await;
    } else {
        write_and_go(ours, bytes).await;
    }
    let _ = end(server).await;
}

async fn write_and_go<S>(stream: S, bytes: Vec<u8>)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut answers, mut requests) = tokio::io::split(stream);
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        let _ = answers.read_to_end(&mut all).await;
    });
    // The server may hang up at any byte.
    let _ = requests.write_all(&bytes).await;
    let _ = requests.shutdown().await;
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
        target in prop::sample::select(vec![
            Target::Clear,
            Target::Handshake(Encryption::Optional),
            Target::Handshake(Encryption::Required),
            Target::Handshake(Encryption::Strict),
            Target::Inside,
        ]),
        stage in prop::sample::select(vec![Stage::Nothing, Stage::Prelogin, Stage::Login]),
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), any_packets()],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(throw(target, stage, &bytes));
    }
}
