//! The public keys in the certificates of SNS.

use std::sync::{Arc, Mutex, PoisonError};

use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::{
    pki_types::{CertificateDer, pem::PemObject as _},
    server::ParsedCertificate,
};

use super::Fetch;
use crate::callbacks::{SES, answer::Refusal};

/// How many keys are kept: SNS has one per region, and a second one while it replaces it.
const MAX_KEYS: usize = 8;

/// The hash that a signature is made of: SHA-1 in version 1 of SNS's signatures, SHA-256 in version 2.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

/// The public key of a certificate: an RSA key as PKCS #1 has it.
pub(super) struct Key(Vec<u8>);

impl Key {
    /// The key of the first certificate in a PEM file.
    fn of_certificate(pem: &[u8]) -> Option<Self> {
        let certificate = CertificateDer::from_pem_slice(pem).ok()?;
        let info = ParsedCertificate::try_from(&certificate).ok()?.subject_public_key_info();
        rsa_key(&info).map(|key| Self(key.to_vec()))
    }

    /// Whether it signed the text.
    pub(super) fn signed(&self, hash: Hash, text: &[u8], signature: &[u8]) -> bool {
        let rule = match hash {
            Hash::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(rule, &self.0).verify(text, signature).is_ok()
    }
}

/// The RSA key inside a `SubjectPublicKeyInfo`, which ring wants without its shell (RFC 5280 § 4.1.2.7, RFC 3279 § 2.3.1).
fn rsa_key(info: &[u8]) -> Option<&[u8]> {
    /// `SEQUENCE { OBJECT IDENTIFIER rsaEncryption, NULL }`
    const RSA: [u8; 15] = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    let bits = whole(0x30, info)?.strip_prefix(&RSA)?;
    // The first byte counts the bits that are left over.
    whole(0x03, bits)?.strip_prefix(&[0])
}

/// The content of a DER value with this tag that takes up all of `der`.
fn whole(tag: u8, der: &[u8]) -> Option<&[u8]> {
    let (length, content) = match der.strip_prefix(&[tag])? {
        [length @ 0..=0x7f, content @ ..] => (usize::from(*length), content),
        [0x81, length @ 0x80..=0xff, content @ ..] => (usize::from(*length), content),
        [0x82, high @ 1..=0xff, low, content @ ..] => (usize::from(*high) << 8 | usize::from(*low), content),
        _ => return None,
    };
    (content.len() == length).then_some(content)
}

/// Keys by the address of their certificate. What stands at such an address never changes.
#[derive(Default)]
pub(super) struct Certificates(Mutex<Vec<(String, Arc<Key>)>>);

impl Certificates {
    /// The key of the certificate at `url`, which must have been checked.
    pub(super) async fn key(&self, url: &str, fetch: &dyn Fetch) -> Result<Arc<Key>, Refusal> {
        if let Some((_, key)) = self.keys().iter().find(|(known, _)| known == url) {
            return Ok(key.clone());
        }
        let pem = fetch.get(url).await.map_err(|why| Refusal::Unavailable(format!("the certificate of SNS: {why}")))?;
        let key = Key::of_certificate(&pem).ok_or(Refusal::Forged(SES, "its certificate has no RSA key"))?;
        let (mut keys, key) = (self.keys(), Arc::new(key));
        if keys.len() == MAX_KEYS {
            keys.remove(0);
        }
        keys.push((url.to_owned(), key.clone()));
        Ok(key)
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, Vec<(String, Arc<Key>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_rsa_key_and_nothing_around_it_is_taken() {
        let mut info =
            vec![0x30, 21, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0, 3, 4, 0, 7, 8, 9];
        assert_eq!(rsa_key(&info), Some(&[7, 8, 9][..]));
        for cut in 0..info.len() {
            assert_eq!(rsa_key(&info[..cut]), None, "{cut}");
        }
        for (at, byte) in [(0, 0x31), (1, 20), (3, 12), (14, 2), (17, 4), (18, 3), (19, 1)] {
            let before = std::mem::replace(&mut info[at], byte);
            assert_eq!(rsa_key(&info), None, "{at}");
            info[at] = before;
        }
        info.push(0);
        assert_eq!(rsa_key(&info), None, "one byte too many");
    }

    #[test]
    fn lengths_are_read_in_their_one_right_form() {
        let value = |head: &[u8], length: usize| [&[3], head, &vec![9; length]].concat();
        assert_eq!(whole(3, &value(&[0x81, 200], 200)).map(<[u8]>::len), Some(200));
        assert_eq!(whole(3, &value(&[0x82, 1, 44], 300)).map(<[u8]>::len), Some(300));
        for (head, length) in [(&[0x81, 5][..], 5), (&[0x82, 0, 200], 200), (&[0x80], 0), (&[0x83, 0, 0, 5], 5)] {
            assert_eq!(whole(3, &value(head, length)), None, "{head:?}");
        }
    }
}
