//! A colour, and how well another can be read on it (WCAG 2.2, contrast ratio).

use std::fmt;

/// An sRGB colour, shown as `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour([u8; 3]);

impl Colour {
    pub(super) const BLACK: Self = Self([0; 3]);
    pub(super) const WHITE: Self = Self([255; 3]);

    pub(super) const fn new(r: u8, g: u8, b: u8) -> Self {
        Self([r, g, b])
    }

    /// `#rrggbb`, and no other notation.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let [_, r, g, b] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self([r, g, b]))
    }

    /// Black or white, whichever reads better on it: always 4.58 to 1 or more.
    pub(super) fn ink(self) -> Self {
        if self.contrast(Self::BLACK) > self.contrast(Self::WHITE) { Self::BLACK } else { Self::WHITE }
    }

    /// The nearest shade of it that stands out from `ground` by 3 to 1, as WCAG 1.4.11 asks of controls.
    pub(super) fn visible_on(self, ground: Self) -> Self {
        self.apart_from(ground, 3.0)
    }

    /// The nearest shade of it that is clear on `ground` as a line of three pixels: 4.5 to 1.
    pub(super) fn clear_on(self, ground: Self) -> Self {
        self.apart_from(ground, 4.5)
    }

    fn apart_from(self, ground: Self, ratio: f64) -> Self {
        let ink = ground.ink();
        (0..=20).map(|step| self.mix(ink, step)).find(|shade| shade.contrast(ground) >= ratio).unwrap_or(ink)
    }

    /// `step` twentieths of the way to `other`.
    fn mix(self, other: Self, step: u16) -> Self {
        Self(std::array::from_fn(|i| {
            let sum = u16::from(self.0[i]) * (20 - step) + u16::from(other.0[i]) * step;
            u8::try_from(sum / 20).unwrap_or(u8::MAX)
        }))
    }

    pub(super) fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(self) -> f64 {
        let [r, g, b] = self.0.map(|channel| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_accent_can_be_seen_and_read() {
        let dark = Colour::new(0x15, 0x19, 0x1f);
        for r in (0..=255).step_by(51) {
            for g in (0..=255).step_by(51) {
                for b in (0..=255).step_by(51) {
                    let colour = Colour::new(r, g, b);
                    for ground in [Colour::WHITE, dark] {
                        let shade = colour.visible_on(ground);
                        assert!(shade.contrast(ground) >= 3.0, "{colour} on {ground}");
                        assert!(shade.ink().contrast(shade) >= 4.5, "ink on {shade}");
                        assert!(colour.clear_on(ground).contrast(ground) >= 4.5, "{colour} around {ground}");
                    }
                }
            }
        }
        assert_eq!(
            Colour::parse("#2f5fd0").map(|c| c.visible_on(Colour::WHITE).to_string()).unwrap(),
            "#2f5fd0"
        );
    }
}
