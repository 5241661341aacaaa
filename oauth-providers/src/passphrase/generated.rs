//! Passphrases that a server makes: 100 random bits, easy to read out and to type.

use oauth_core::{Entropy, Secret, random};
use zeroize::Zeroizing;

/// Crockford's base 32: without I, L, O and U. 32 divides 256, so a byte's low five bits are uniform.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const GROUPS: usize = 4;
const GROUP: usize = 5;

/// Four groups of five characters, with dashes between them: `7k3mq-x9d2f-4v8ha-n0bct`.
pub(super) fn passphrase(entropy: &dyn Entropy) -> Secret {
    let bytes = Zeroizing::new(random::<{ GROUPS * GROUP }>(entropy));
    let mut text = String::with_capacity(GROUPS * (GROUP + 1));
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    Secret::new(text)
}

/// What a person may type for one: in capitals, without dashes or with spaces, `O` for `0`, `I` and `L` for `1`.
pub(super) fn canonical(typed: &str) -> Secret {
    let mut text = String::with_capacity(typed.len());
    text.extend(typed.chars().filter(|char| !matches!(char, '-' | ' ')).map(|char| {
        match char.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        }
    }));
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use oauth_core::OsEntropy;

    use super::*;

    #[test]
    fn a_passphrase_has_100_bits_in_four_groups() {
        let one = passphrase(&OsEntropy);
        let groups: Vec<_> = one.expose().split('-').collect();
        assert_eq!(groups.len(), GROUPS);
        assert!(
            groups
                .iter()
                .all(|group| group.len() == GROUP && group.bytes().all(|byte| ALPHABET.contains(&byte)))
        );
        assert_ne!(one.expose(), passphrase(&OsEntropy).expose());
    }

    #[test]
    fn what_people_type_comes_to_the_same() {
        let same = canonical("abcde-f0h1j");
        for typed in ["ABCDE-F0H1J", "abcdef0h1j", "abcde f0h1j", "AbCdE-fOhIj", "abcde-fohlj"] {
            assert_eq!(canonical(typed).expose(), same.expose(), "{typed}");
        }
        assert_ne!(canonical("abcde-f0h1k").expose(), same.expose());
    }
}
