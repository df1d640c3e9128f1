use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    callbacks::Fetch,
    channels::http::{HttpClient, HttpSettings},
};

/// Fetches from a peer that answers with this.
async fn fetched(answer: &'static str) -> Result<bytes::Bytes, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/SimpleNotificationService-1.pem", listener.local_addr().unwrap());
    let peer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut seen, mut some) = (Vec::new(), [0; 1024]);
        while !seen.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut some).await.unwrap();
            seen.extend_from_slice(&some[..read]);
        }
        assert!(seen.starts_with(b"GET /SimpleNotificationService-1.pem HTTP/1.1\r\n"));
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    let client = HttpClient::new(&HttpSettings::default()).unwrap();
    let fetch: &dyn Fetch = &client;
    tokio::join!(fetch.get(&url), peer).0
}

#[tokio::test]
async fn only_what_stands_at_the_address_itself_is_fetched() {
    assert_eq!(fetched("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\npem").await.unwrap(), "pem");
    for (answer, why) in [
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\n\r\npem", "403"),
        ("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", "302"),
        ("", "no answer"),
    ] {
        let error = fetched(answer).await.unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}
