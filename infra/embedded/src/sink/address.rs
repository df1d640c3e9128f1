//! The addresses of the envelope.

/// The longest address (RFC 5321 § 4.5.3.1.3, less its angle brackets).
const MAX: usize = 254;

/// Splits `<address> PARAMETERS`. The address may be empty; nothing in it can break out of a header.
pub(super) fn path(text: &str) -> Option<(&str, &str)> {
    let (address, rest) = text.trim_start().strip_prefix('<')?.split_once('>')?;
    let fits = address.len() <= MAX && address.bytes().all(|b| b.is_ascii_graphic() && b != b'<');
    let parted = rest.is_empty() || rest.starts_with(' ');
    (fits && parted).then(|| (address, rest.trim()))
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_path_is_an_address_in_angle_brackets_and_perhaps_parameters() {
        assert_eq!(path("<ada@example.org>"), Some(("ada@example.org", "")));
        assert_eq!(path(" <> SIZE=5 BODY=7BIT"), Some(("", "SIZE=5 BODY=7BIT")));
        for bad in ["", "ada@example.org", "<ada@example.org", "<a\tb>", "<a b>", "<a<b>", "<ä@b>", "<a@b>x", "<a\0b>"]
        {
            assert_eq!(path(bad), None, "{bad:?}");
        }
        assert_eq!(path(&format!("<{}>", "a".repeat(255))), None);
    }
}
