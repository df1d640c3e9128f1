//! Email addresses, parsed once at the edge, so that nothing in one can break a header or an SMTP command.

use std::{fmt, str::FromStr};

use url::Host;

/// An email address: a plain local part (RFC 5321 `Dot-string`) at a domain name, which is kept in its ASCII form.
///
/// Its `Debug` hides it, like any personal data.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(lettre::Address);

/// The text is not an email address that we send to. It doesn't repeat the text: that is personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the email address is not valid: {0}")]
pub struct AddressError(&'static str);

/// Of the whole address, from the 256 octets of a path with its angle brackets (RFC 5321 § 4.5.3.1.3).
const MAX_LENGTH: usize = 254;
/// Of the part before the `@` (RFC 5321 § 4.5.3.1.1).
const MAX_LOCAL: usize = 64;

impl EmailAddress {
    /// The address in ASCII. Call it only where it leaves for its purpose.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_ref()
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    pub(super) const fn as_lettre(&self) -> &lettre::Address {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_LENGTH {
            return Err(AddressError("it has more than 254 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(AddressError("it has a line break or another control character"));
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError("it has no `@`"))?;
        if local.is_empty() || local.len() > MAX_LOCAL {
            return Err(AddressError("the part before the `@` must have 1 to 64 bytes"));
        }
        if !local.is_ascii() {
            return Err(AddressError("the part before the `@` must be ASCII: few servers take others (SMTPUTF8)"));
        }
        if !local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext)) {
            return Err(AddressError("the part before the `@` has a character or a dot where it may not stand"));
        }
        let domain = match Host::parse(domain) {
            Ok(Host::Domain(domain)) => domain,
            Ok(_) => return Err(AddressError("the part after the `@` must be a name, not a number")),
            Err(_) => return Err(AddressError("the part after the `@` is no domain name")),
        };
        let address = lettre::Address::new(local, domain)
            .map_err(|_| AddressError("the part after the `@` is no domain name"))?;
        if AsRef::<str>::as_ref(&address).len() > MAX_LENGTH {
            return Err(AddressError("its ASCII form has more than 254 bytes"));
        }
        Ok(Self(address))
    }
}

/// RFC 5322 § 3.2.3.
const fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~')
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[address]")
    }
}

/// Who a mail is from: an address, perhaps with a name. Reads `Acme Apps <apps@acme.example>` or `apps@acme.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// What readers see.
    pub name: Option<String>,
    /// The address.
    pub address: EmailAddress,
}

impl FromStr for Sender {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some((name, rest)) = text.split_once('<') else {
            return Ok(Self { name: None, address: text.trim().parse()? });
        };
        let address = rest.trim_end().strip_suffix('>').ok_or(AddressError("the `<` is never closed"))?.parse()?;
        let name = name.trim().trim_matches('"');
        if name.chars().any(char::is_control) {
            return Err(AddressError("the name has a line break or another control character"));
        }
        Ok(Self { name: (!name.is_empty()).then(|| name.to_owned()), address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_taken_and_a_domain_is_brought_to_ascii() {
        for (given, kept) in [
            ("ada@example.org", "ada@example.org"),
            ("ada.l+apps_1@sub.example.org", "ada.l+apps_1@sub.example.org"),
            ("o'hara@localhost", "o'hara@localhost"),
            ("ada@Bücher.example", "ada@xn--bcher-kva.example"),
        ] {
            assert_eq!(given.parse::<EmailAddress>().unwrap().expose(), kept);
        }
    }

    #[test]
    fn nothing_that_could_break_out_of_a_header_or_a_command_is_taken() {
        for hostile in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example.org\r\nBcc: eve@example.org",
            "ada\n@example.org",
            "ada@example.org>\0",
            "ada> RCPT TO:<eve@example.org",
            "<ada@example.org>",
            "ada eve@example.org",
            "\"ada eve\"@example.org",
            ".ada@example.org",
            "ada..l@example.org",
            "ada@exa mple.org",
            "ada@[127.0.0.1]",
            "ada@127.0.0.1",
            "ädä@example.org",
            "ada,eve@example.org",
        ] {
            assert!(hostile.parse::<EmailAddress>().is_err(), "{hostile:?} was taken");
        }
        assert!(format!("{}@example.org", "a".repeat(65)).parse::<EmailAddress>().is_err());
        assert!(format!("a@{}.org", "a.".repeat(130)).parse::<EmailAddress>().is_err());
    }

    #[test]
    fn neither_debug_output_nor_errors_show_an_address() {
        let address: EmailAddress = "ada@example.org".parse().unwrap();
        assert_eq!(format!("{address:?}"), "[address]");
        let error = "ada@exa mple.org".parse::<EmailAddress>().unwrap_err();
        assert!(!error.to_string().contains("ada"));
    }

    #[test]
    fn a_sender_has_an_optional_name() {
        let sender: Sender = "Acme Apps <apps@acme.example>".parse().unwrap();
        assert_eq!((sender.name.as_deref(), sender.address.expose()), (Some("Acme Apps"), "apps@acme.example"));
        let sender: Sender = "apps@acme.example".parse().unwrap();
        assert_eq!((sender.name, sender.address.expose()), (None, "apps@acme.example"));
        assert!("Acme\r\nBcc: x <apps@acme.example>".parse::<Sender>().is_err());
        assert!("Acme <apps@acme.example".parse::<Sender>().is_err());
    }
}
