//! The port of the providers inside the process: the same at each start, since their addresses are kept elsewhere.

use std::{fs, io, path::Path};

use tokio::net::TcpListener;

use crate::db::folder::{create_private, private_file};

/// The file in the data folder that holds it, as text.
const FILE: &str = "sink.port";

/// Takes the port that is written down, or a free one, and writes that down.
pub(super) async fn bind(data: &Path) -> io::Result<TcpListener> {
    let file = data.join(FILE);
    let last = match fs::read_to_string(&file) {
        Ok(text) => text.trim().parse::<u16>().ok().filter(|port| *port != 0),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    if let Some(port) = last {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => tracing::warn!(
                port,
                %error,
                "the providers inside the process can't listen where they did the last time: webhook endpoints that were \
                 registered there have to be registered again"
            ),
        }
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    create_private(data)?;
    let mut written = private_file().create(true).truncate(true).open(&file)?;
    io::Write::write_all(&mut written, format!("{}\n", listener.local_addr()?.port()).as_bytes())?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_port_stays_the_same_until_somebody_else_has_it() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join(FILE);
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let written = || fs::read_to_string(&file).unwrap().trim().parse::<u16>().unwrap();
        // Whatever is in the file is no reason not to start.
        fs::write(&file, "0 or so").unwrap();
        let first = bind(data.path()).await.unwrap();
        assert_eq!(written(), port(&first));
        // The first one still listens, as somebody else might.
        let second = bind(data.path()).await.unwrap();
        assert_ne!(port(&first), port(&second));
        assert_eq!(written(), port(&second));

        // One of those that are given to nobody who asks for any free port.
        let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let known = (20_000..30_000).find(free).unwrap();
        fs::write(&file, format!("{known}\n")).unwrap();
        for _ in 0..2 {
            assert_eq!(port(&bind(data.path()).await.unwrap()), known);
        }
    }
}
