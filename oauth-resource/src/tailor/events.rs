//! A stream of events (HTML standard §9.2), event by event: what is no list goes on byte for byte.

use bytes::{Bytes, BytesMut};

use crate::tailor::lists::{Tailor, Unreadable};

/// What has come of an event that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Events {
    pending: BytesMut,
    /// How far `pending` was looked through for an end.
    looked: usize,
}

impl Events {
    /// Takes what came, and gives back the events that are whole, cut.
    pub(super) fn push(&mut self, data: &[u8], tailor: &Tailor) -> Result<Bytes, Unreadable> {
        self.pending.extend_from_slice(data);
        let mut out = BytesMut::new();
        while let Some(end) = self.end() {
            let event = self.pending.split_to(end);
            self.looked = 0;
            match cut(&event, tailor)? {
                Some(cut) => out.extend_from_slice(&cut),
                None => out.extend_from_slice(&event),
            }
        }
        if self.pending.len() > tailor.settings.max_list { Err(Unreadable) } else { Ok(out.freeze()) }
    }

    /// What is left when the stream ends: an event that is not whole is none, and a client ignores it.
    pub(super) fn rest(&mut self) -> Bytes {
        self.looked = 0;
        self.pending.clear();
        Bytes::new()
    }

    /// Where the first event ends: behind a line that is empty.
    fn end(&mut self) -> Option<usize> {
        let bytes = &self.pending[..];
        let mut at = self.looked;
        while let Some(first) = bytes.get(at).copied() {
            let line_end = |at: usize| match (bytes.get(at), bytes.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => Some(at + 2),
                (Some(b'\r' | b'\n'), _) => Some(at + 1),
                _ => None,
            };
            if matches!(first, b'\r' | b'\n')
                && let Some(next) = line_end(at)
            {
                if let Some(end) = line_end(next) {
                    return Some(end);
                }
                if next >= bytes.len() {
                    break;
                }
                at = next;
            } else {
                at += 1;
            }
        }
        // What ends a line may be the half of what ends an event.
        self.looked = bytes.len().saturating_sub(3);
        None
    }
}

fn cut(event: &[u8], tailor: &Tailor) -> Result<Option<Vec<u8>>, Unreadable> {
    let text = std::str::from_utf8(event).map_err(|_| Unreadable)?;
    let lines = || text.split(['\r', '\n']).filter(|line| !line.is_empty());
    let data = |line: &str| {
        let rest = line.strip_prefix("data")?;
        let rest = if rest.is_empty() { rest } else { rest.strip_prefix(':')? };
        Some(rest.strip_prefix(' ').unwrap_or(rest).to_owned())
    };
    let joined = lines().filter_map(data).collect::<Vec<_>>().join("\n");
    if joined.trim().is_empty() {
        return Ok(None);
    }
    let Some(cut) = tailor.cut(joined.as_bytes())? else { return Ok(None) };
    let mut whole = Vec::with_capacity(event.len());
    for line in lines().filter(|line| data(line).is_none()) {
        whole.extend_from_slice(line.as_bytes());
        whole.push(b'\n');
    }
    whole.extend_from_slice(b"data: ");
    // Compact but for what was passed on as it was written: a line break within would end the line.
    whole.extend(cut.into_iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    whole.extend_from_slice(b"\n\n");
    Ok(Some(whole))
}
