use std::time::Duration;

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::{Client, DEADLINE, Running, files};
use crate::sink::SinkLimits;

#[tokio::test]
async fn a_message_that_is_cut_off_leaves_nothing_behind() {
    let sink = Running::with_defaults().await;
    let mut client = sink.connect().await;
    client.begin().await;
    client.write(b"Subject: half\r\n\r\nHel").await;
    drop(client);
    // The next conversation comes to its end, so the first has been dealt with or never will be.
    let mut client = sink.connect().await;
    client.say("QUIT", "221").await;
    assert_eq!(files(&sink.data.path().join("mail")), [""; 0]);
}

#[tokio::test]
async fn binary_noise_is_answered_and_harms_nobody() {
    let sink = Running::with_defaults().await;
    let mut client = sink.connect().await;
    client.write(&(0..=255).chain(*b"\r\n").collect::<Vec<u8>>()).await;
    // A line feed and a carriage return stand in the middle: two lines.
    client.expect("500").await;
    client.expect("500").await;
    client.begin().await;
    client.write(b"\x00\xff\xfe no header \x00\r\n\r\n\x80\x81\r\n.\r\n").await;
    client.expect("250").await;
    let mails = sink.mailbox().list().unwrap();
    assert_eq!((mails.len(), mails[0].to.as_slice()), (1, ["ada@example.org".to_owned()].as_slice()));
}

#[tokio::test]
async fn a_line_of_ten_megabytes_is_refused_and_the_client_may_go_on() {
    let sink = Running::with_defaults().await;
    let mut client = sink.connect().await;
    let line = vec![b'x'; 10 * 1024 * 1024];
    client.write(&line).await;
    client.say("", "500").await;
    client.begin().await;
    client.write(&line).await;
    client.say("\r\n.", "554").await;
    client.begin().await;
    client.say("Subject: after\r\n\r\n.", "250").await;
    assert_eq!(sink.mailbox().list().unwrap().len(), 1);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_one_without_end_is_cut_off() {
    let sink = Running::start(SinkLimits { message: 10_000, ..SinkLimits::default() }).await;
    let mut client = sink.connect().await;
    client.begin().await;
    client.say(&format!("{}.", "0123456789\r\n".repeat(1000)), "552").await;
    client.begin().await;
    let mut endless = sink.connect().await;
    endless.begin().await;
    let lines = "0123456789\r\n".repeat(1000);
    let mut sent = 0;
    while timeout(DEADLINE, endless.0.get_mut().write_all(lines.as_bytes())).await.unwrap().is_ok() {
        sent += lines.len();
        assert!(sent < 100_000_000, "the sink takes whatever comes");
    }
    client.say("Subject: small\r\n\r\n.", "250").await;
    assert_eq!(sink.mailbox().list().unwrap().len(), 1);
}

#[tokio::test]
async fn one_client_too_many_is_sent_away_and_the_others_are_served() {
    let sink = Running::start(SinkLimits { connections: 1, ..SinkLimits::default() }).await;
    let mut first = sink.connect().await;
    let stream = TcpStream::connect(("127.0.0.1", sink.port)).await.unwrap();
    let mut second = Client(BufReader::new(stream));
    second.expect("421").await;
    second.ends().await;
    first.say("QUIT", "221").await;
    first.ends().await;
}

#[tokio::test]
async fn a_silent_client_is_hung_up_on() {
    let short = Duration::from_millis(100);
    let sink = Running::start(SinkLimits { idle: short, ..SinkLimits::default() }).await;
    let mut silent = sink.connect().await;
    silent.expect("421 4.4.2").await;
    silent.ends().await;
    let sink = Running::start(SinkLimits { message_time: short, ..SinkLimits::default() }).await;
    let mut slow = sink.connect().await;
    slow.begin().await;
    slow.write(b"Subject: ").await;
    slow.expect("421 4.4.2").await;
    assert_eq!(sink.mailbox().list().unwrap(), []);
}
