//! How many proofs each key has used: nobody fills the memory of what was used for everybody else (A-DPOPX-17).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::dpop::fault::ProofFault;
use crate::grant::Thumbprint;
use crate::time::Timestamp;

/// How many keys are counted at once. Beyond, new ones are refused: whom nobody counts nobody bounds.
const MAX_KEYS: usize = 1 << 18;

/// Counts, from one window to the next.
#[derive(Default)]
pub(super) struct Tally(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    window: u64,
    used: HashMap<Thumbprint, u32>,
}

impl Tally {
    /// Counts one more proof of `key`, if there may be one.
    pub(super) fn count(
        &self,
        key: Thumbprint,
        most: u32,
        window: Duration,
        now: Timestamp,
    ) -> Result<(), ProofFault> {
        let number = now.as_secs() / window.as_secs().max(1);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.window != number {
            *counts = Counts { window: number, used: HashMap::new() };
        }
        if counts.used.len() >= MAX_KEYS && !counts.used.contains_key(&key) {
            return Err(ProofFault::TooMany);
        }
        let used = counts.used.entry(key).or_default();
        if *used >= most {
            return Err(ProofFault::TooMany);
        }
        *used += 1;
        Ok(())
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tally")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_measure_and_each_window_a_new_one() {
        let (tally, window, now) =
            (Tally::default(), Duration::from_secs(300), Timestamp::from_secs(1_700_000_100));
        let key = |n: u8| Thumbprint::from_bytes([n; 32]);
        let count = |n, now| tally.count(key(n), 2, window, now).is_ok();
        assert!(count(1, now) && count(1, now) && !count(1, now));
        assert!(count(2, now));
        assert!(count(1, now + window));
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let (tally, window, now) = (Tally::default(), Duration::from_secs(300), Timestamp::from_secs(1));
        let key = |n: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            Thumbprint::from_bytes(bytes)
        };
        for n in 0..MAX_KEYS {
            assert!(tally.count(key(n), 5, window, now).is_ok());
        }
        assert!(tally.count(key(MAX_KEYS), 5, window, now).is_err());
        assert!(tally.count(key(0), 5, window, now).is_ok(), "who was here before stays");
    }
}
