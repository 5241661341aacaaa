//! RFC 7519's `NumericDate`, read strictly (RS-50, RS-51).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::time::Timestamp;

/// Seconds since 1970, as a JSON number. A string, a negative number, one above what 64 signed bits hold, infinity: none of them is a
/// date, and the token that has it is refused.
///
/// RFC 7519 allows fractions; RFC 9068's tokens have none, and a reader that rounds another way than its neighbour lets through what
/// the other refuses. Whether one was there is therefore kept, and whoever judges decides; by default a fraction is refused.
///
/// ```
/// use oauth_core::jose::NumericDate;
///
/// assert_eq!(serde_json::from_str::<NumericDate>("1700000000")?.secs(), 1_700_000_000);
/// assert!(serde_json::from_str::<NumericDate>("1700000000.5")?.is_fractional());
/// for none in [r#""1700000000""#, "-1", "9223372036854775808", "1e400", "null", "true"] {
///     assert!(serde_json::from_str::<NumericDate>(none).is_err(), "{none}");
/// }
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumericDate {
    secs: u64,
    fractional: bool,
}

/// Up to here a floating-point number tells whole seconds apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl NumericDate {
    /// These seconds, written without a fraction. 18 digits are never too many.
    pub(super) const fn whole(secs: u64) -> Self {
        Self { secs, fractional: false }
    }

    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn secs(self) -> u64 {
        self.secs
    }

    /// Whether it was written with a fraction or an exponent.
    #[must_use]
    pub const fn is_fractional(self) -> bool {
        self.fractional
    }

    /// As a point in time, which saturates: nothing overflows (A-JWT-13).
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        Timestamp::from_secs(self.secs)
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;

        impl Visitor<'_> for Reads {
            type Value = NumericDate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds since 1970")
            }

            fn visit_u64<E: Error>(self, secs: u64) -> Result<NumericDate, E> {
                if i64::try_from(secs).is_err() {
                    return Err(E::custom("a date beyond all time"));
                }
                Ok(NumericDate { secs, fractional: false })
            }

            fn visit_i64<E: Error>(self, secs: i64) -> Result<NumericDate, E> {
                u64::try_from(secs)
                    .map_or_else(|_| Err(E::custom("a date before 1970")), |secs| self.visit_u64(secs))
            }

            fn visit_f64<E: Error>(self, secs: f64) -> Result<NumericDate, E> {
                if !(0.0..EXACT).contains(&secs) {
                    return Err(E::custom("not a date"));
                }
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "within the range that was just checked, and rounding down is what is said"
                )]
                Ok(NumericDate { secs: secs as u64, fractional: true })
            }
        }

        deserializer.deserialize_any(Reads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_numbers_within_bounds() {
        // RS-50, RS-51, A-JWT-13, A-JWT-14
        let read = |text| serde_json::from_str::<NumericDate>(text).ok();
        for (text, secs, fractional) in [
            ("0", 0, false),
            ("9223372036854775807", i64::MAX.unsigned_abs(), false),
            ("1.5e9", 1_500_000_000, true),
            ("0.9", 0, true),
            ("1700000000.0", 1_700_000_000, true),
        ] {
            assert_eq!(read(text), Some(NumericDate { secs, fractional }), "{text}");
        }
        for bad in [
            "-1",
            "-0.5",
            "-1e3",
            "9223372036854775808",
            "18446744073709551616",
            "1e17",
            "1e400",
            "[1]",
            "{}",
            "\"1\"",
            "NaN",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read("9223372036854775807").unwrap().timestamp(), Timestamp::MAX);
    }
}
