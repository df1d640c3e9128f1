//! Real mail through `SMTP_URL`: a small SMTP server of the test's own takes it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use crate::{
    program::{PATIENCE, run, wait_for},
    server::Server,
};

/// A mail as the server was told it: its commands, and the message.
#[derive(Debug)]
struct Heard {
    recipient: String,
    message: String,
}

/// Serves SMTP on a free port until the test process ends. Gives its address and what it hears.
fn listen() -> (String, mpsc::Receiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
    let (sender, heard) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let sender = sender.clone();
            // A client that breaks off is its own affair; the test waits for what was heard.
            thread::spawn(move || serve(stream, &sender));
        }
    });
    (url, heard)
}

fn serve(mut stream: TcpStream, heard: &mpsc::Sender<Heard>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 test\r\n")?;
    let mut recipient = String::new();
    while let Some(line) = lines.next().transpose()? {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "RCPT" => {
                recipient = line;
                "250 ok"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut message = String::new();
                while let Some(line) = lines.next().transpose()?.filter(|line| line != ".") {
                    message.push_str(&(line + "\n"));
                }
                let _ = heard.send(Heard { recipient: std::mem::take(&mut recipient), message });
                "250 queued as 42"
            }
            "QUIT" => {
                return stream.write_all(b"221 bye\r\n");
            }
            _ => "250 ok",
        };
        stream.write_all(format!("{reply}\r\n").as_bytes())?;
    }
    Ok(())
}

#[tokio::test]
async fn with_smtp_url_mail_goes_to_that_server_and_not_into_the_sink() {
    let (url, heard) = listen();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), |command| {
        command.env("SMTP_URL", &url).env("SENDOFF_MAIL_FROM", "Acme <apps@acme.example>");
    });
    server.api.prepare().await;
    let event = server.api.change("PUT", "/v1/apps/expenses/assignments/ada", None).await.remove(0);

    let mail = heard.recv_timeout(PATIENCE).expect("the mail arrives");
    assert!(mail.recipient.contains("<ada@example.org>"), "{}", mail.recipient);
    assert!(mail.message.contains("Subject: Expenses is ready for you"), "{}", mail.message);
    assert!(mail.message.contains("apps@acme.example"), "{}", mail.message);
    assert!(mail.message.contains(&format!("X-Idempotency-Key: email/{event}/ada")), "{}", mail.message);

    wait_for("the provider's id is recorded", || {
        let life = run(folder.path(), ["trace", &event, "--output", "json"]).json(0);
        life["consumers"][0]["steps"][0]["provider_id"].as_str().filter(|id| id.contains("42")).map(drop)
    });
    assert!(server.process.err().contains("mail goes to smtp://127.0.0.1:"), "{}", server.process.err());
    assert_eq!(server.process.stop("TERM"), Some(0));
    run(folder.path(), ["mail", "ls"]).with(4);
}

#[tokio::test]
async fn a_second_signal_stops_at_once_and_the_mail_goes_after_the_next_start() {
    // It takes connections and never says a word, so the mail handler hangs.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}?tls=none", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), |command| {
        command.env("SMTP_URL", &url);
    });
    server.api.prepare().await;
    let event = server.api.change("PUT", "/v1/apps/expenses/assignments/ada", None).await.remove(0);
    let (_connection, _) = silent.accept().unwrap();
    server.process.signal("TERM");
    wait_for("the first signal is told", || server.process.err().contains("once more to stop at once").then_some(()));
    assert_eq!(server.process.stop("TERM"), Some(1));

    let server = Server::start(folder.path());
    wait_for("the mail is sent", || {
        let life = run(folder.path(), ["trace", &event, "--output", "json"]).json(0);
        (life["consumers"][0]["outcome"] == "done").then_some(())
    });
    let mails = run(folder.path(), ["mail", "ls", "--output", "json"]).json(0);
    assert_eq!(mails.as_array().unwrap().len(), 1);
    assert_eq!(server.process.stop("TERM"), Some(0));
}
