//! Certificates of the lab: an authority of its own, and what it issues to the simulated servers.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How long an authority lasts, and how long before its birth it is valid: clocks differ.
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 3650);
const LEEWAY: SignedDuration = SignedDuration::from_hours(24);

/// A certificate that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate")]
pub struct NotIssued(#[from] rcgen::Error);

/// A certificate authority. Its key exists in memory only.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A server's certificate with its key.
#[derive(Debug)]
pub struct Certificate {
    /// DER, the server's own first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
}

impl Authority {
    /// Makes an authority whose time begins (a day before) now.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(now: Timestamp) -> Result<Self, NotIssued> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        // Part of the key is in the name: clients tell two authorities apart by their names.
        let part = key.public_key_raw().last_chunk().copied();
        let part = u32::from_be_bytes(part.unwrap_or_default());
        let name = format!("pchadr lab authority {part:08x}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_time(
            &mut params,
            now.saturating_sub(LEEWAY).unwrap_or(now),
            now.saturating_add(LIFE).unwrap_or(now),
        );
        Ok(Self(CertifiedIssuer::self_signed(params, key)?))
    }

    /// Issues a certificate for a server's names (DNS names and addresses).
    ///
    /// # Errors
    /// When a name is no host name, or the system gives no random numbers.
    pub fn issue(
        &self,
        names: &[&str],
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<Certificate, NotIssued> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_time(&mut params, not_before, not_after);
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Certificate {
            chain: vec![certificate.der().clone()],
            key: key.into(),
        })
    }

    /// Its own certificate, which clients are to trust.
    pub fn pem(&self) -> String {
        self.0.pem()
    }
}

/// Certificates know no time before 1970 here.
fn set_time(params: &mut CertificateParams, not_before: Timestamp, not_after: Timestamp) {
    let epoch = date_time_ymd(1970, 1, 1);
    let since = |time: Timestamp| Duration::from_secs(time.as_second().try_into().unwrap_or(0));
    params.not_before = epoch + since(not_before);
    params.not_after = epoch + since(not_after);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn a_name_that_no_host_has_is_refused() {
        let now = at("2026-01-02T03:04:05Z");
        let authority = Authority::new(now).unwrap();
        assert!(
            authority
                .issue(&["sql1.dc1.example", "127.0.0.1"], now, now)
                .is_ok()
        );
        assert!(authority.issue(&["größe"], now, now).is_err());
    }

    #[test]
    fn any_time_is_a_time_of_a_certificate() {
        for now in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            let authority = Authority::new(now).unwrap();
            assert!(authority.issue(&["sql1"], now, now).is_ok());
            assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
        }
    }
}
