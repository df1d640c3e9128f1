use std::{
    collections::BTreeSet,
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::json;

use crate::{
    program::{run, wait_for},
    server::{Api, Server, events_of},
};

/// Makes submissions until the server stops answering; gives the events that it has confirmed.
async fn submit_until_it_stops(api: Api) -> Vec<String> {
    let mut confirmed = Vec::new();
    for number in 0.. {
        let body = json!({ "fields": { "number": number } });
        match api.send(reqwest::Method::POST, "/v1/apps/expenses/submissions", Some(&body)).await {
            Ok(answer) if answer.status().is_success() => confirmed.extend(events_of(&answer)),
            // A server that stops may still refuse properly; then, or when the connection breaks, nothing was promised.
            _ => break,
        }
    }
    confirmed
}

/// The five channels, and the kick-off of workflows.
const CONSUMERS: usize = 6;

/// Whether every consumer is done with the event.
fn is_done(data: &std::path::Path, event: &str) -> Option<()> {
    let life = run(data, ["trace", event, "--output", "json"]).json(0);
    let consumers = life["consumers"].as_array()?;
    (consumers.len() == CONSUMERS && consumers.iter().all(|c| c["outcome"] == "done")).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_nothing_and_the_next_start_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.api.prepare().await;
    let load: Vec<_> = (0..4).map(|_| tokio::spawn(submit_until_it_stops(server.api.clone()))).collect();
    server.api.submit(json!({ "the load": "is running" })).await;
    wait_for("some mail has gone", || (fs::read_dir(folder.path().join("mail")).ok()?.count() >= 10).then_some(()));
    assert_eq!(server.process.stop("TERM"), Some(0));
    let mut confirmed = BTreeSet::new();
    for task in load {
        confirmed.extend(task.await.unwrap());
    }
    assert!(confirmed.len() >= 10, "the load was real: {}", confirmed.len());

    let server = Server::start(folder.path());
    for event in &confirmed {
        wait_for("the event is done", || is_done(folder.path(), event));
    }
    // One mail for each, though the server was stopped in between.
    let mails = run(folder.path(), ["mail", "ls", "--output", "json"]).json(0);
    assert!(mails.as_array().unwrap().len() >= confirmed.len());
    assert_eq!(server.process.stop("TERM"), Some(0));
}

/// A connection to the server that has sent this, and can be waited on for less time than running handlers have at the end.
fn connection(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.api.base.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

#[test]
fn requests_that_never_become_whole_do_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let token = run(folder.path(), ["token", "--user", "admin"]).with(0).trim().to_owned();
    let head = format!("authorization: Bearer {token}\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n");
    let halves = [
        connection(&server, "GET /health HTTP/1.1\r\nho"),
        connection(&server, &format!("PUT /v1/users/ada HTTP/1.1\r\n{head}{{")),
    ];
    server.process.signal("TERM");
    for mut half in halves {
        let closed = half.read_to_end(&mut Vec::new());
        let closed = closed.map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true);
        assert!(closed, "a connection without a whole request is closed at once");
    }
    assert_eq!(server.process.wait(), Some(0));
    let told = server.process.err();
    assert!(!told.contains("did not end in time"), "{told}");
}

/// More than are taken at a time.
const TOO_MANY: usize = 600;

#[tokio::test]
async fn connections_that_ask_for_nothing_do_not_silence_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let silent: Vec<_> = (0..TOO_MANY).map(|_| connection(&server, "G")).collect();
    let health = reqwest::get(format!("{}/health", server.api.base)).await.unwrap();
    assert_eq!(health.status(), 200);
    wait_for("it is told", || server.process.err().contains("too many connections").then_some(()));
    drop(silent);
    assert_eq!(server.process.stop("TERM"), Some(0));
}

#[tokio::test]
async fn a_killed_server_goes_on_at_once_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.api.prepare().await;
    let mut events = Vec::new();
    for number in 0..20 {
        events.push(server.api.submit(json!({ "number": number })).await);
    }
    server.process.kill();
    let server = Server::start(folder.path());
    // Far sooner than the leases of the killed process would have run out.
    for event in &events {
        wait_for("the event is done", || is_done(folder.path(), event));
    }
    assert_eq!(server.process.stop("TERM"), Some(0));
}

#[tokio::test]
async fn the_api_says_who_may_not_and_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let health = reqwest::get(format!("{}/health", server.api.base)).await.unwrap();
    assert_eq!(health.status(), 200);
    let stranger = reqwest::get(format!("{}/v1/users", server.api.base)).await.unwrap();
    assert_eq!(stranger.status(), 401);
    let huge = json!({ "name": "x".repeat(2 << 20) });
    let refused = server.api.send(reqwest::Method::PUT, "/v1/users/ada", Some(&huge)).await.unwrap();
    assert_eq!(refused.status(), 413);
    assert_eq!(server.process.stop("TERM"), Some(0));
}

#[test]
fn the_start_tells_what_to_try_next_with_a_token_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let told =
        wait_for("everything is told", || Some(server.process.err()).filter(|err| err.contains("Ctrl-C stops it")));
    for line in
        ["export TOKEN=ey", "curl -X PUT http://127.0.0.1:", "sendoff tail", "sendoff mail ls", "and no further"]
    {
        assert!(told.contains(line), "{line}\nnot in\n{told}");
    }
}

#[test]
fn an_address_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), ["--listen", &taken.local_addr().unwrap().to_string()]);
    ended.with(1);
    assert!(ended.err.contains("can't listen at 127.0.0.1:") && ended.err.contains("--listen"), "{}", ended.err);
}
