//! An API that answers as it is told, on a port of this machine.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

/// By the method and path of a request, such as `GET /health`: the status and the body.
type Answer = fn(&str) -> (u16, String);

/// Answers until the process ends.
pub(crate) fn answering(answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || one(&stream.unwrap(), answer));
        }
    });
    address
}

fn one(mut stream: &TcpStream, answer: Answer) {
    let mut reader = BufReader::new(stream);
    let mut lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let Some(first) = lines.next() else { return };
    let length =
        lines.filter_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let length: u64 = length.last().unwrap_or_default();
    // The whole body, or the other side would be cut off while it sends.
    let _ = std::io::copy(&mut reader.take(length), &mut std::io::sink());
    let (status, body) = answer(first.trim_end_matches(" HTTP/1.1"));
    let _ = write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
}
