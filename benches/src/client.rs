//! A client that costs little: connections that stay open, requests as bytes, all of them sent before the first answer is read.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// Connections to one server.
#[derive(Debug)]
pub struct Connections {
    all: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    /// What its client remembers from one answer to the next request.
    kept: String,
}

impl Connections {
    /// Opens `count` of them.
    ///
    /// # Panics
    /// If nobody listens.
    #[must_use]
    pub fn open(address: SocketAddr, count: usize) -> Self {
        let connect = |_| {
            let stream = TcpStream::connect(address).expect("the server listens");
            stream.set_nodelay(true).expect("a socket has that option");
            Connection { stream, answer: Vec::new(), kept: String::new() }
        };
        Self { all: (0..count).map(connect).collect() }
    }

    /// Sends what `request` writes for each connection, then reads all answers. What `each` keeps of an answer, the next request sees.
    ///
    /// # Panics
    /// If the server hangs up.
    pub fn ask(
        &mut self,
        mut request: impl FnMut(&str, &mut Vec<u8>),
        mut each: impl FnMut(&mut String, &[u8]),
    ) {
        let mut bytes = Vec::with_capacity(1024);
        for Connection { stream, kept, .. } in &mut self.all {
            bytes.clear();
            request(kept, &mut bytes);
            stream.write_all(&bytes).expect("the server reads");
        }
        let mut buffer = [0; 4096];
        for Connection { stream, answer, kept } in &mut self.all {
            answer.clear();
            while !is_whole(answer) {
                let read = stream.read(&mut buffer).expect("the server answers");
                assert!(read > 0, "the server hung up: {}", String::from_utf8_lossy(answer));
                answer.extend_from_slice(&buffer[..read]);
            }
            each(kept, answer);
        }
    }
}

/// Whether all of an answer is there: as long as it says, or to its last chunk.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = find(answer, b"\r\n\r\n") else { return false };
    let (head, body) = (&answer[..end], &answer[end + 4..]);
    match value(head, b"content-length: ") {
        Some(length) => length.parse() == Ok(body.len()),
        None => body.ends_with(b"0\r\n\r\n"),
    }
}

/// What stands after `name` in the head of an answer.
#[must_use]
pub fn value<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a str> {
    between(head, name, b'\r')
}

/// What stands between `start` and the next `end`.
#[must_use]
pub fn between<'a>(text: &'a [u8], start: &[u8], end: u8) -> Option<&'a str> {
    let from = &text[find(text, start)? + start.len()..];
    let length = from.iter().position(|byte| *byte == end).unwrap_or(from.len());
    std::str::from_utf8(&from[..length]).ok()
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
