//! As much of HTTP/1.1 as reading one endless body from our own relay takes. Sans-IO.
//!
//! A general client hands the body over piece by piece through a task of its own; at forty pieces a second and session
//! that is half of what a copy session costs (measured). Here the session itself empties the socket when it wants to.

/// Longest response head taken.
pub const MAX_HEAD: usize = 16 << 10;
/// Longest line before a chunk.
const MAX_SIZE_LINE: usize = 128;

/// The relay's answer, up to its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Whether the body is chunked. One that is not has no end that can be told from a break.
    pub chunked: bool,
    /// `x-source-info`.
    pub source_info: Option<String>,
    /// Where the body starts.
    pub length: usize,
}

/// The peer doesn't speak HTTP/1.1 as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the HTTP that a relay speaks")]
pub struct Broken;

/// The request. `path` and `ticket` hold no line ends: one is made of a UUID, the other is checked here.
pub fn request(authority: &str, path: &str, ticket: &str) -> Option<String> {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    (plain(authority) && plain(path) && plain(ticket)).then(|| {
        format!(
            "GET {path} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {ticket}\r\nuser-agent: encoder-worker\r\n\
             accept: video/x-flv\r\n\r\n"
        )
    })
}

/// Reads the head; `None` when more bytes are needed.
///
/// # Errors
/// It is none, or too long.
pub fn head(input: &[u8]) -> Result<Option<Head>, Broken> {
    let Some(end) = input.windows(4).position(|w| w == b"\r\n\r\n") else {
        return if input.len() > MAX_HEAD { Err(Broken) } else { Ok(None) };
    };
    let text = std::str::from_utf8(&input[..end]).map_err(|_| Broken)?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()).ok_or(Broken)?;
    let mut found = Head { status, chunked: false, source_info: None, length: end + 4 };
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Broken)?;
        match name.to_ascii_lowercase().as_str() {
            "transfer-encoding" => found.chunked = value.trim().eq_ignore_ascii_case("chunked"),
            "x-source-info" => found.source_info = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Ok(Some(found))
}

/// Takes a chunked body apart.
#[derive(Debug)]
pub struct Dechunker {
    state: State,
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Data(usize),
    AfterData,
    Trailer,
    Done,
}

impl Default for Dechunker {
    fn default() -> Self {
        Self { state: State::Size, line: Vec::new() }
    }
}

impl Dechunker {
    /// Appends what `input` holds of the body to `out`. Returns whether the body has ended, properly.
    ///
    /// # Errors
    /// The framing is broken.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<bool, Broken> {
        while !input.is_empty() && self.state != State::Done {
            if let State::Data(left) = self.state {
                let (now, rest) = input.split_at(left.min(input.len()));
                out.extend_from_slice(now);
                self.state = if now.len() == left { State::AfterData } else { State::Data(left - now.len()) };
                input = rest;
                continue;
            }
            let Some(line) = self.take_line(&mut input)? else { break };
            self.state = match (self.state, line.as_slice()) {
                (State::Size, line) => match size(line)? {
                    0 => State::Trailer,
                    size => State::Data(size),
                },
                (State::AfterData, b"") => State::Size,
                (State::Trailer, b"") => State::Done,
                (State::Trailer, _) => State::Trailer,
                _ => return Err(Broken),
            };
        }
        Ok(self.state == State::Done)
    }

    fn take_line(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        let end = input.iter().position(|b| *b == b'\n');
        let (now, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        *input = rest;
        self.line.extend_from_slice(now);
        if self.line.len() > MAX_SIZE_LINE {
            return Err(Broken);
        }
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        line.truncate(line.len() - 1);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }
}

/// A chunk's size in hex; extensions after `;` mean nothing to us.
fn size(line: &[u8]) -> Result<usize, Broken> {
    let digits = line.split(|b| *b == b';').next().unwrap_or(line);
    let text = std::str::from_utf8(digits).map_err(|_| Broken)?.trim();
    let plain = (1..=7).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    if plain { usize::from_str_radix(text, 16).map_err(|_| Broken) } else { Err(Broken) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_is_read() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-type: video/x-flv\r\nX-Source-Info: {\"fps\":30}\r\n\
            Transfer-Encoding: chunked\r\n\r\n5\r\n";
        let read = head(text).unwrap().unwrap();
        assert_eq!((read.status, read.chunked, read.length), (200, true, text.len() - 3));
        assert_eq!(read.source_info.as_deref(), Some("{\"fps\":30}"));
        assert_eq!(head(&text[..50]), Ok(None));
        assert_eq!(head(b"SSH-2.0-x\r\n\r\n"), Err(Broken));
        assert_eq!(head(&vec![b'a'; MAX_HEAD + 1]), Err(Broken));
    }

    #[test]
    fn a_ticket_cannot_smuggle_headers() {
        assert!(request("127.0.0.1:1", "/live/x.flv", "abc.def").is_some());
        assert_eq!(request("127.0.0.1:1", "/live/x.flv", "abc\r\nx: y"), None);
    }

    fn body(chunks: &[Vec<u8>], ended: bool) -> Vec<u8> {
        let mut wire = Vec::new();
        for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
            wire.extend_from_slice(format!("{:X};x=1\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(if ended { b"0\r\n\r\n" } else { b"" });
        wire
    }

    #[test]
    fn broken_framing_is_refused() {
        for wire in [&b"xyz\r\n"[..], b"\r\n", b"5\r\nabcdefg\r\n", b"-1\r\n", b"FFFFFFFFF\r\n", &[b'1'; 200]] {
            assert_eq!(Dechunker::default().push(wire, &mut Vec::new()), Err(Broken), "{wire:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_chunked_comes_out(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8), ended: bool, step in 1_usize..400) {
            let mut dechunker = Dechunker::default();
            let (mut out, mut done) = (Vec::new(), false);
            for piece in body(&chunks, ended).chunks(step) {
                done = dechunker.push(piece, &mut out).unwrap();
            }
            prop_assert_eq!(out, chunks.concat());
            prop_assert_eq!(done, ended);
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Dechunker::default().push(&bytes, &mut Vec::new());
            let _ = head(&bytes);
        }
    }
}
