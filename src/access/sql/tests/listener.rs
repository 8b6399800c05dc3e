//! A listener that gets as far as TLS and no further: PRELOGIN, the handshake, the first packet of
//! the sign-in, the end.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion, version};

/// An authority for certificates.
pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(super) fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate that a listener shows, with its key.
#[derive(Clone)]
pub(super) struct Shown {
    certificate: CertificateDer<'static>,
    key: Arc<Vec<u8>>,
}

impl Shown {
    /// For `name`, valid in these years, signed by `authority` or by itself.
    pub(super) fn new(authority: Option<&Authority>, name: &str, years: [i32; 2]) -> Self {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years[0], 1, 1);
        params.not_after = date_time_ymd(years[1], 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = match authority {
            Some(authority) => params.signed_by(&key, authority).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        Self {
            certificate: certificate.der().clone(),
            key: Arc::new(key.serialize_der()),
        }
    }

    /// One that names its host in its subject alone, signed by `authority`.
    pub(super) fn without_names(authority: &Authority, host: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, host);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, authority).unwrap();
        Self {
            certificate: certificate.der().clone(),
            key: Arc::new(key.serialize_der()),
        }
    }

    /// That of an authority for `name`, shown as a server's; and the same as PEM.
    pub(super) fn of_authority(name: &str) -> (Self, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let shown = Self {
            certificate: certificate.der().clone(),
            key: Arc::new(key.serialize_der()),
        };
        (shown, certificate.pem())
    }

    /// TLS 1.2 inside PRELOGIN packets: 1.3 says more after the client is done with wrapping.
    fn config(&self, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(self.key.to_vec()).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"tds/8.0".to_vec()];
        Arc::new(config)
    }
}

/// What it does with a connection.
#[derive(Clone)]
pub(super) enum Manner {
    /// Answers PRELOGIN with this ENCRYPTION byte, then shakes hands.
    Negotiates(u8, Shown),
    /// Answers PRELOGIN with this ENCRYPTION byte, and the first TLS packet with these bytes, then
    /// closes.
    Says(u8, &'static [u8]),
    /// Answers PRELOGIN with this ENCRYPTION byte, and resets the connection at the first TLS packet.
    Resets(u8),
    /// Answers PRELOGIN with packets that never end.
    Endless,
    /// Shakes hands at once.
    Strict(Shown),
    /// Reads once, writes this, closes.
    Foreign(&'static [u8]),
    /// Reads and never answers.
    Silent,
}

/// A listener on loopback.
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    signed_in: Arc<AtomicBool>,
}

impl Listener {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let signed_in = Arc::new(AtomicBool::new(false));
        let seen = signed_in.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (manner, seen) = (manner.clone(), seen.clone());
                // A client that goes away is what these tests are about.
                tokio::spawn(async move { meet(stream, manner, &seen).await.ok() });
            }
        });
        Self { address, signed_in }
    }

    /// True when a client got as far as sending its name and password.
    pub(super) fn saw_sign_in(&self) -> bool {
        self.signed_in.load(Ordering::SeqCst)
    }
}

async fn meet(mut stream: TcpStream, manner: Manner, seen: &AtomicBool) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    match manner {
        Manner::Silent => while stream.read(&mut buffer).await? > 0 {},
        Manner::Foreign(answer) => {
            let _ = stream.read(&mut buffer).await?;
            stream.write_all(answer).await?;
        }
        Manner::Strict(shown) => {
            let mut stream = TlsAcceptor::from(shown.config(&version::TLS13))
                .accept(stream)
                .await?;
            let (_, _) = packet(&mut stream).await?;
            stream.write_all(&prelogin(0)).await?;
            note(packet(&mut stream).await?.0, seen);
        }
        Manner::Says(encryption, answer) => {
            let (_, _) = packet(&mut stream).await?;
            stream.write_all(&prelogin(encryption)).await?;
            note(packet(&mut stream).await?.0, seen);
            if !answer.is_empty() {
                stream.write_all(&wrapped(answer)).await?;
            }
        }
        Manner::Resets(encryption) => {
            let (_, _) = packet(&mut stream).await?;
            stream.write_all(&prelogin(encryption)).await?;
            let (_, _) = packet(&mut stream).await?;
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        }
        Manner::Endless => {
            let (_, _) = packet(&mut stream).await?;
            let mut packet = prelogin(1);
            // Not the last of the answer.
            packet[1] = 0;
            loop {
                stream.write_all(&packet).await?;
            }
        }
        Manner::Negotiates(encryption, shown) => {
            let (_, _) = packet(&mut stream).await?;
            stream.write_all(&prelogin(encryption)).await?;
            let mut tls = ServerConnection::new(shown.config(&version::TLS12))
                .map_err(std::io::Error::other)?;
            while tls.is_handshaking() {
                let (kind, body) = packet(&mut stream).await?;
                assert_eq!(kind, 0x12, "the handshake travels inside PRELOGIN packets");
                tls.read_tls(&mut body.as_slice())?;
                let processed = tls.process_new_packets();
                let mut out = Vec::new();
                while tls.wants_write() {
                    tls.write_tls(&mut out)?;
                }
                if !out.is_empty() {
                    stream.write_all(&wrapped(&out)).await?;
                }
                processed.map_err(std::io::Error::other)?;
            }
            // What follows is bare.
            let mut first = [0];
            while tls.reader().read(&mut first).is_err() {
                let length = stream.read(&mut buffer).await?;
                if length == 0 {
                    return Ok(());
                }
                tls.read_tls(&mut &buffer[..length])?;
                tls.process_new_packets().map_err(std::io::Error::other)?;
            }
            note(first[0], seen);
        }
    }
    Ok(())
}

fn note(kind: u8, seen: &AtomicBool) {
    if kind == 0x10 {
        seen.store(true, Ordering::SeqCst);
    }
}

async fn packet(
    stream: &mut (impl tokio::io::AsyncRead + Unpin),
) -> std::io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).await?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let mut body = vec![0; length - 8];
    stream.read_exact(&mut body).await?;
    Ok((header[0], body))
}

fn prelogin(encryption: u8) -> Vec<u8> {
    let mut bytes = vec![0x04, 0x01, 0, 26, 0, 0, 1, 0];
    bytes.extend_from_slice(&[0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF]);
    bytes.extend_from_slice(&[12, 0, 7, 208, 0, 0, encryption]);
    bytes
}

fn wrapped(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 8).unwrap().to_be_bytes();
    let mut bytes = vec![0x12, 0x01, length[0], length[1], 0, 0, 1, 0];
    bytes.extend_from_slice(body);
    bytes
}
