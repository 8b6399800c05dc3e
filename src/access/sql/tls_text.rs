//! What the TLS library's texts mean. The driver passes on texts only; the tests pin each against a
//! real handshake, so that an upgrade that words them otherwise fails at once.

use jiff::Timestamp;

use super::error::{Certificate, Failure};

/// Reads a text of a failed handshake; `None` where it speaks of something else.
pub(super) fn read(text: &str) -> Option<Failure> {
    certificate(text)
        .map(Failure::Certificate)
        .or_else(|| version(text))
}

fn certificate(text: &str) -> Option<Certificate> {
    let Some((_, reason)) = text.split_once("rejected during the TLS handshake: ") else {
        return before_the_handshake(text);
    };
    // The driver's advice to programmers begins there.
    let reason = reason.split(" To connect anyway").next().unwrap_or(reason);
    Some(if reason.starts_with("certificate expired") {
        Certificate::Expired {
            since: moment_after(reason, "not valid after "),
        }
    } else if reason.starts_with("certificate not valid yet") {
        Certificate::NotYetValid {
            from: moment_after(reason, "not valid before "),
        }
    } else if reason.starts_with("certificate not valid for name") {
        let names = reason
            .split_once("only valid for ")
            .map_or("", |(_, names)| names);
        let names = names.replace("DnsName(\"", "").replace("\")", "");
        if names.is_empty() {
            Certificate::NoName
        } else {
            Certificate::OtherName {
                names: names.trim_end_matches('.').to_owned(),
            }
        }
    } else if reason.contains("CaUsedAsEndEntity") {
        Certificate::Authority
    } else if reason.contains("UnsupportedSignatureAlgorithm") {
        Certificate::Weak
    } else if ["UnknownIssuer", "BadSignature"]
        .iter()
        .any(|word| reason.contains(word))
    {
        // A bad signature is that of another authority of the same name.
        Certificate::UnknownAuthority
    } else if reason.contains("UnsupportedCertVersion") {
        Certificate::Other("it is of an X.509 version before 3".to_owned())
    } else {
        tracing::info!(reason, "a certificate that is not accepted");
        Certificate::Other("it is not one for a server that can be checked".to_owned())
    })
}

/// What stands in the way on this side.
fn before_the_handshake(text: &str) -> Option<Certificate> {
    let speaks_of = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if speaks_of(&["CA bundle", "CA source", "platform"]) {
        Some(Certificate::Authorities(text.to_owned()))
    } else if speaks_of(&["invalid dns name"]) {
        let names = String::new();
        Some(Certificate::OtherName { names })
    } else {
        None
    }
}

/// The time behind `mark`, in seconds since 1970, as a date.
fn moment_after(text: &str, mark: &str) -> Option<String> {
    let (_, rest) = text.split_once(mark)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let moment = Timestamp::from_second(digits.parse().ok()?).ok()?;
    Some(moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Words of an end for want of a common version or cipher.
const TOO_OLD: [&str; 5] = [
    "ProtocolVersion",
    "HandshakeFailure",
    "ServerDoesNotSupportTls12Or13",
    "ServerTlsVersionIsDisabledByOurConfig",
    "UnsupportedProtocolVersion",
];

/// Words of any other end of TLS.
const TLS: [&str; 5] = [
    "peer is incompatible",
    "peer misbehaved",
    "received fatal alert",
    "received corrupt message",
    "received unexpected",
];

fn version(text: &str) -> Option<Failure> {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&TOO_OLD) {
        Some(Failure::TlsTooOld(text.to_owned()))
    } else if has(&TLS) {
        Some(Failure::Tls(text.to_owned()))
    } else {
        None
    }
}
