//! Which slot of a cluster a key is in: the CRC16 of its hash tag, or of all of it.

use std::sync::LazyLock;

use redis::cluster_routing::{Route, SingleNodeRoutingInfo, SlotAddr};

const SLOTS: u16 = 16_384;

/// The way to the master that has the key.
pub(super) fn master_of(key: &str) -> SingleNodeRoutingInfo {
    SingleNodeRoutingInfo::SpecificNode(Route::new(slot(key), SlotAddr::Master))
}

/// A number that is in the same slot as the key, if it stands there as a hash tag. The same one for all keys of a slot.
pub(super) fn neighbour(key: &str) -> u32 {
    static NUMBERS: LazyLock<Vec<u32>> = LazyLock::new(|| {
        let mut numbers = vec![None; usize::from(SLOTS)];
        let mut missing = SLOTS;
        for number in 0.. {
            let place = &mut numbers[usize::from(slot(&number.to_string()))];
            if place.is_none() {
                (*place, missing) = (Some(number), missing - 1);
            }
            if missing == 0 {
                break;
            }
        }
        numbers.into_iter().flatten().collect()
    });
    NUMBERS[usize::from(slot(key))]
}

/// The slot of a key.
fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    crc16(tag.filter(|tag| !tag.is_empty()).unwrap_or(key).as_bytes()) % SLOTS
}

/// CRC-16/XMODEM, as the cluster's specification says.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        // As `CLUSTER KEYSLOT` says.
        for (key, expected) in [("foo", 12_182), ("bar", 5061), ("hello", 866)] {
            assert_eq!(slot(key), expected, "{key}");
        }
        assert_eq!(slot("oauth:{foo}:c:x"), slot("{foo}"));
        assert_eq!(slot("{foo}"), slot("foo"));
        assert_ne!(slot("a{}b"), slot("a{}c"));
    }

    #[test]
    fn every_slot_has_a_number_in_it() {
        for key in
            ["oauth:{foo}:c:x", "oauth:client:https://app.example/a}b{c", "oauth:{clients}:all", "a{}b"]
        {
            assert_eq!(slot(&format!("oauth:mark:{{{}}}", neighbour(key))), slot(key), "{key}");
        }
    }
}
