//! Where the links in messages lead to, and what they are signed with.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
};

use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::SecretString;
use sendoff_consumers::links::Links;

use super::SystemError;
use crate::{
    config::{Config, Mail},
    db::folder::{private_file, sync},
};

/// The file of the data folder that keeps the secret where none is configured.
const FILE: &str = "links.secret";

/// What makes links, if there is an address that they can lead to and a secret to sign them with. Where neither is configured,
/// only this machine can ask for anything and no mail leaves it, they lead to this process: approvals can be tried out without
/// settings.
pub(super) fn links(config: &Config, address: SocketAddr) -> Result<Option<Links>, SystemError> {
    let (public, secret) = (config.settings.public_url.as_ref(), config.channels.link_secret.as_ref());
    let is_closed = !config.has_keys && address.ip().is_loopback() && matches!(config.mail, Mail::Sink);
    Ok(match (public, secret) {
        (Some(base), Some(secret)) => Some(Links::new(base, secret)?),
        (None, None) if is_closed => {
            let folder = &config.settings.data;
            let failed = |source| SystemError::LinkSecret { path: folder.join(FILE), source };
            Some(Links::new(&format!("http://{address}"), &kept(folder).map_err(failed)?)?)
        }
        _ => None,
    })
}

/// The secret that this data folder keeps. A link that was mailed is good for longer than a process.
fn kept(folder: &Path) -> io::Result<SecretString> {
    let path = folder.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(text.trim().into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // Nobody else makes it: this process has the folder's lock.
    let unfinished = folder.join(".links.secret.tmp");
    let mut file = private_file().create(true).truncate(true).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    sync(folder)?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_folder_keeps_one_secret_that_is_its_own() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = |folder: &tempfile::TempDir| kept(folder.path()).unwrap().expose_secret().to_owned();
        let first = secret(&one);
        assert_eq!((first.len(), secret(&one)), (64, first.clone()));
        assert_ne!(secret(&other), first);
        // What broke off while it was written is no secret.
        fs::rename(one.path().join(FILE), one.path().join(".links.secret.tmp")).unwrap();
        assert_ne!(secret(&one), first);
    }
}
