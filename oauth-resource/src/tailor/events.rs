//! A stream of events (HTML standard §9.2), event by event: what is no list goes on byte for byte.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::tailor::lists::{Tailor, Unreadable};

/// What has come of an event that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Events {
    pending: BytesMut,
    /// How far `pending` was looked through for an end.
    looked: usize,
    /// It is of an event that was too long: its end is awaited, and nothing else of it.
    skipping: bool,
}

/// So much of what was looked through may still be the beginning of an end.
const BEGUN: usize = 3;

impl Events {
    /// Takes what came, and gives back the events that are whole, cut.
    pub(super) fn push(&mut self, data: &[u8], tailor: &Tailor) -> Bytes {
        self.pending.extend_from_slice(data);
        let mut out = BytesMut::new();
        while let Some(end) = self.end() {
            let event = self.pending.split_to(end);
            self.looked = 0;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            // What came at once may be too long as well.
            let is_short = event.len() <= tailor.settings.max_list;
            let outcome = if is_short { cut(&event, tailor) } else { Err(Unreadable) };
            match outcome {
                Ok(Some(cut)) => out.extend_from_slice(&cut),
                Ok(None) => out.extend_from_slice(&event),
                Err(Unreadable) => refuse(&mut out, &event, tailor),
            }
        }
        if self.pending.len() > tailor.settings.max_list.max(BEGUN) {
            if !std::mem::replace(&mut self.skipping, true) {
                refuse(&mut out, &self.pending, tailor);
            }
            self.pending.advance(self.pending.len() - BEGUN);
            self.looked = 0;
        }
        out.freeze()
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
        self.looked = bytes.len().saturating_sub(BEGUN);
        None
    }
}

/// Puts an error where the event was.
fn refuse(out: &mut BytesMut, event: &[u8], tailor: &Tailor) {
    tracing::warn!("a message of the mcp server is too long or cannot be read, and is not shown");
    let event = String::from_utf8_lossy(event);
    let error = tailor.refusal(message(&event).as_bytes());
    out.extend_from_slice(format!("data: {error}\n\n").as_bytes());
}

fn lines(event: &str) -> impl Iterator<Item = &str> {
    event.split(['\r', '\n']).filter(|line| !line.is_empty())
}

/// What a line adds to the message.
fn data(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("data")?;
    let rest = if rest.is_empty() { rest } else { rest.strip_prefix(':')? };
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

fn message(event: &str) -> String {
    lines(event).filter_map(data).collect::<Vec<_>>().join("\n")
}

fn cut(event: &[u8], tailor: &Tailor) -> Result<Option<Vec<u8>>, Unreadable> {
    let text = std::str::from_utf8(event).map_err(|_| Unreadable)?;
    // HTML standard §9.2.5: one mark at the beginning of a stream is no part of it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let message = message(text);
    let begin = message.trim_start();
    // An older transport names an address in its stream: no message, and no list.
    if begin.is_empty() || (tailor.resumed && !begin.starts_with(['{', '['])) {
        return Ok(None);
    }
    let Some(cut) = tailor.cut(message.as_bytes())? else { return Ok(None) };
    let mut whole = Vec::with_capacity(event.len());
    for line in lines(text).filter(|line| data(line).is_none()) {
        whole.extend_from_slice(line.as_bytes());
        whole.push(b'\n');
    }
    whole.extend_from_slice(b"data: ");
    // Compact but for what was passed on as it was written: a line break within would end the line.
    whole.extend(cut.into_iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    whole.extend_from_slice(b"\n\n");
    Ok(Some(whole))
}
