//! What may be put under load: this machine, and what somebody has named.

use reqwest::Url;

use crate::target::TargetError;

/// The URL, if it leads to this machine or to a host that is allowed.
pub(super) fn endpoint(what: &str, text: &str, allow: &[String]) -> Result<Url, TargetError> {
    let url: Url = text.parse().map_err(|e| TargetError::unusable(what, format!("`{text}` is no URL: {e}")))?;
    let Some(host) = url.host_str() else {
        return Err(TargetError::unusable(what, format!("`{text}` names no host")));
    };
    if is_loopback(&url) || allow.iter().any(|allowed| allowed == host) {
        return Ok(url);
    }
    let why = format!("`{host}` is another machine: if it may be put under load, say so with --allow {host}");
    Err(TargetError::forbidden(what, why))
}

/// Whether a URL leads to this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::endpoint;
    use crate::target::Trouble;

    #[test]
    fn only_this_machine_is_put_under_load_unless_another_one_is_named() {
        for own in ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:8080"] {
            assert!(endpoint("x", own, &[]).is_ok(), "{own}");
        }
        for other in ["https://api.example.org", "http://127.0.0.1.example.org", "http://10.0.0.7", "http://0.0.0.0"] {
            assert_eq!(
                endpoint("x", other, &["example.org".into()]).unwrap_err().trouble,
                Trouble::Forbidden,
                "{other}"
            );
        }
        assert!(endpoint("x", "https://api.example.org/", &["api.example.org".into()]).is_ok());
        assert_eq!(endpoint("x", "somewhere", &[]).unwrap_err().trouble, Trouble::Unusable);
    }
}
