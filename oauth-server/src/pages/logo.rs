//! The picture of a client, as a page may show it.

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// How many bytes a picture may have: it travels inside the page.
pub(crate) const LARGEST: usize = 64 * 1024;

/// How many pixels a picture may be wide and high. Far more than is shown, far less than fills a browser's memory.
const LARGEST_SIDE: u32 = 1024;

/// A client's logo that was looked at: a PNG, JPEG, WebP or GIF, by what it holds and not by what it is called. An SVG is a document with
/// scripts and links of its own, and never one.
///
/// ```
/// use oauth_server::pages::ClientLogo;
///
/// let gif = *b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
/// let logo = ClientLogo::sniff(&gif).expect("a picture of one pixel");
/// assert!(logo.as_str().starts_with("data:image/gif;base64,"));
/// assert!(ClientLogo::sniff(b"<svg xmlns='http://www.w3.org/2000/svg'/>").is_none());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ClientLogo(Box<str>);

impl ClientLogo {
    /// Looks at the bytes of a picture. `None`: of another kind, or too large.
    #[must_use]
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > LARGEST {
            return None;
        }
        let (kind, (width, height)) = kind_and_size(bytes)?;
        let sides = 1..=LARGEST_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return None;
        }
        Some(Self(format!("data:image/{kind};base64,{}", BASE64_STANDARD.encode(bytes)).into()))
    }

    /// It, as a `data:` URL: nobody learns who looks at the page, and the page's policy stays closed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ClientLogo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientLogo").field("bytes", &self.0.len()).finish()
    }
}

/// What the first bytes say. Each kind has its size in a fixed place, but for JPEG; and GIF has more than one.
fn kind_and_size(bytes: &[u8]) -> Option<(&'static str, (u32, u32))> {
    let at = |from: usize, len: usize| bytes.get(from..from + len);
    let big =
        |from: usize, len: usize| Some(at(from, len)?.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)));
    let little =
        |from: usize, len: usize| Some(at(from, len)?.iter().rfold(0, |n, byte| n << 8 | u32::from(*byte)));
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] if at(12, 4)? == b"IHDR" => {
            Some(("png", (big(16, 4)?, big(20, 4)?)))
        }
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(("gif", gif_size(bytes)?)),
        [0xff, 0xd8, 0xff, ..] => Some(("jpeg", jpeg_size(bytes)?)),
        [b'R', b'I', b'F', b'F', ..] if at(8, 4)? == b"WEBP" => {
            let size = match at(12, 4)? {
                b"VP8X" => (little(24, 3)? + 1, little(27, 3)? + 1),
                b"VP8 " => (little(26, 2)? & 0x3fff, little(28, 2)? & 0x3fff),
                b"VP8L" => (little(21, 4)?, little(21, 4)? >> 14),
                _ => return None,
            };
            // Without loss it has 14 bits a side, less one.
            let lossless = at(12, 4)? == b"VP8L";
            let size = if lossless { ((size.0 & 0x3fff) + 1, (size.1 & 0x3fff) + 1) } else { size };
            Some(("webp", size))
        }
        _ => None,
    }
}

/// The size of the screen, if every frame stays within it: a browser makes room for one that does not.
fn gif_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let byte = |at: usize| bytes.get(at).map(|byte| usize::from(*byte));
    let pair = |at: usize| Some(u32::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    // The table of colours behind a header, if the header says that there is one.
    let table = |flags: usize| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let (width, height) = (pair(6)?, pair(8)?);
    let mut at = 13 + table(byte(10)?);
    let mut frames = 0;
    loop {
        match byte(at)? {
            // An extension: its kind, then blocks.
            0x21 => at += 2,
            // A frame: its place and size, its colours, the size of its codes, then blocks.
            0x2c => {
                let (right, bottom) = (pair(at + 1)? + pair(at + 5)?, pair(at + 3)? + pair(at + 7)?);
                if right > width || bottom > height {
                    return None;
                }
                frames += 1;
                at += 11 + table(byte(at + 9)?);
            }
            0x3b => return (frames > 0).then_some((width, height)),
            _ => return None,
        }
        // Blocks, each behind its length; one without length ends them.
        loop {
            let length = byte(at)?;
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
}

/// The size stands in the frame's header, behind segments of any length.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let [0xff, marker, high, low] = *bytes.get(at..at + 4)?.first_chunk::<4>()? else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        // The frames' headers; between them stand tables (C4, CC) and an extension (C8).
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let side = |from: usize| Some(u32::from(u16::from_be_bytes(*bytes.get(from..)?.first_chunk()?)));
            return Some((side(at + 7)?, side(at + 5)?));
        }
        if length < 2 {
            return None;
        }
        at += 2 + length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 6, 0, 0, 0]);
        bytes
    }

    fn webp(chunk: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        [b"RIFF\0\0\0\0WEBP", &chunk[..], &[0; 4], payload].concat()
    }

    /// A GIF with a screen of 32 by 32 and frames at these places and of these sizes.
    fn gif(frames: &[[u16; 4]]) -> Vec<u8> {
        let mut bytes = b"GIF89a\x20\0\x20\0\x80\0\0".to_vec();
        bytes.extend([0; 6]);
        bytes.extend(b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0");
        for frame in frames {
            bytes.extend(b"!\xf9\x04\0\x0a\0\0\0,");
            bytes.extend(frame.iter().flat_map(|number| number.to_le_bytes()));
            bytes.extend(b"\x81\0\0\0\0\0\0\0\0\0\0\0\0\x02\x02D\x01\0");
        }
        bytes.push(b';');
        bytes
    }

    #[test]
    fn no_frame_of_a_gif_is_larger_than_its_screen() {
        // CIMD-16, A-CIMDX-19
        for frames in [&[[0, 0, 32, 32]][..], &[[0, 0, 32, 32], [16, 16, 16, 16]], &[[0, 0, 1, 1]]] {
            assert!(ClientLogo::sniff(&gif(frames)).is_some(), "{frames:?}");
        }
        for frames in [
            &[[0, 0, 33, 32]][..],
            &[[0, 0, 32, 33]],
            &[[1, 0, 32, 32]],
            &[[0, 1, 32, 32]],
            &[[0, 0, 32, 32], [0, 0, u16::MAX, u16::MAX]],
            &[[u16::MAX, 0, u16::MAX, 1]],
            &[],
        ] {
            assert_eq!(ClientLogo::sniff(&gif(frames)), None, "{frames:?}");
        }
        let whole = gif(&[[0, 0, 32, 32], [0, 0, 32, 32]]);
        for length in 0..whole.len() {
            assert_eq!(ClientLogo::sniff(&whole[..length]), None, "cut off after {length}");
        }
    }

    #[test]
    fn pictures_are_told_by_what_they_hold() {
        // CIMD-16, AS-78, A-CIMDX-19
        let jpeg = [
            &b"\xff\xd8\xff\xe0\0\x04ab"[..],
            b"\xff\xc4\0\x03c",
            b"\xff\xc2\0\x0b\x08\0\x20\0\x40\x01\0\0\0",
        ]
        .concat();
        for (bytes, kind) in [
            (png(32, 32), "png"),
            (gif(&[[0, 0, 32, 32]]), "gif"),
            (jpeg, "jpeg"),
            (webp(b"VP8X", &[0, 0, 0, 0, 31, 0, 0, 31, 0, 0]), "webp"),
            (webp(b"VP8 ", &[0, 0, 0, 0x9d, 0x01, 0x2a, 32, 0, 32, 0]), "webp"),
            (webp(b"VP8L", &[0x2f, 0x1f, 0xc0, 0x07, 0]), "webp"),
        ] {
            let logo = ClientLogo::sniff(&bytes).unwrap_or_else(|| panic!("{kind}"));
            assert!(logo.as_str().starts_with(&format!("data:image/{kind};base64,")));
        }
        for (bytes, why) in [
            (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec(), "svg"),
            (b"<?xml version='1.0'?><svg/>".to_vec(), "svg"),
            (b"\xef\xbb\xbf<svg/>".to_vec(), "svg"),
            (b"<html>".to_vec(), "html"),
            (Vec::new(), "nothing"),
            (b"\x89PNG\r\n\x1a\n".to_vec(), "cut off"),
            (b"GIF89a\x20".to_vec(), "cut off"),
            (b"\xff\xd8\xff".to_vec(), "cut off"),
            (b"\xff\xd8\xff\xe0\0\0\0\0\0\0".to_vec(), "a segment without an end"),
            (webp(b"VP8Z", &[0; 20]), "of no kind"),
            (png(0, 32), "without width"),
            (png(32, 100_000), "a bomb"),
            (b"GIF89a\xff\xff\xff\xff".to_vec(), "a bomb"),
            ([png(32, 32), vec![0; LARGEST]].concat(), "too many bytes"),
        ] {
            assert_eq!(ClientLogo::sniff(&bytes), None, "{why}");
        }
    }
}
