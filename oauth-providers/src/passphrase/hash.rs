//! The stored form of a passphrase, Argon2id ([RFC 9106](https://www.rfc-editor.org/rfc/rfc9106)), and the time and memory that it may take.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use oauth_core::{Entropy, Secret, StoreError, random};
use tokio::sync::Semaphore;

use super::generated;

/// Memory of one hash: 19 MiB, with two passes the least that OWASP's Password Storage Cheat Sheet takes for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// RFC 9106 §3.1.
const SALT_BYTES: usize = 16;

/// Hashes at once: bounds the memory that a flood of attempts can take to 38 MiB.
const AT_ONCE: usize = 2;

/// Who made a passphrase: decides how exactly it must be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This crate: case, dashes and look-alikes do not matter.
    Generated,
    /// A person: compared as it is, but for spaces around it.
    Chosen,
}

impl Origin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Chosen => "chosen",
        }
    }

    fn canonical(self, typed: &str) -> Secret {
        // ASCII alone: no table of a Unicode version decides whether a passphrase still works.
        let typed = typed.trim_matches(|char: char| char.is_ascii_whitespace());
        match self {
            Self::Generated => generated::canonical(typed),
            Self::Chosen => Secret::new(typed.to_owned()),
        }
    }
}

/// Makes and checks stored hashes, a few at once, off the runtime's threads.
#[derive(Debug)]
pub(super) struct Hasher {
    turns: Semaphore,
}

impl Hasher {
    pub(super) fn new() -> Self {
        Self { turns: Semaphore::new(AT_ONCE) }
    }

    /// What to store: who made it, and the hash as a PHC string (`generated $argon2id$v=19$m=…`).
    pub(super) async fn hash(
        &self,
        passphrase: &Secret,
        origin: Origin,
        entropy: &dyn Entropy,
    ) -> Result<String, StoreError> {
        let salt = random::<SALT_BYTES>(entropy);
        let passphrase = origin.canonical(passphrase.expose());
        self.blocking(move || {
            let hash = argon2id()?.hash_password_with_salt(passphrase.expose().as_bytes(), &salt)?;
            Ok(format!("{} {hash}", origin.as_str()))
        })
        .await?
        .map_err(|error: Error| StoreError::unavailable(error.to_string()))
    }

    /// Whether `typed` is the passphrase that `stored` was made of. Takes the same time either way.
    pub(super) async fn matches(&self, stored: &str, typed: &str) -> Result<bool, StoreError> {
        let corrupt = || StoreError::corrupt("the passphrase's hash");
        let (origin, hash) = match stored.split_once(' ') {
            Some(("generated", hash)) => (Origin::Generated, hash),
            Some(("chosen", hash)) => (Origin::Chosen, hash),
            _ => return Err(corrupt()),
        };
        let hash = PasswordHash::new(hash).map_err(|_| corrupt())?;
        let typed = origin.canonical(typed);
        // With the hash's own parameters: those of an older release still count.
        match self.blocking(move || argon2id()?.verify_password(typed.expose().as_bytes(), &hash)).await? {
            Ok(()) => Ok(true),
            Err(Error::PasswordInvalid) => Ok(false),
            Err(_) => Err(corrupt()),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        // Waiting callers queue in order; how many there can be is bounded by the limits on attempts.
        let _turn = self.turns.acquire().await.map_err(StoreError::unavailable)?;
        tokio::task::spawn_blocking(work).await.map_err(StoreError::unavailable)
    }
}

fn argon2id() -> Result<Argon2<'static>, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use oauth_core::OsEntropy;

    use super::*;

    #[tokio::test]
    async fn a_hash_names_its_parameters_and_is_salted() {
        let hasher = Hasher::new();
        let secret = Secret::new("correct horse battery staple".to_owned());
        let one = hasher.hash(&secret, Origin::Chosen, &OsEntropy).await.unwrap();
        let two = hasher.hash(&secret, Origin::Chosen, &OsEntropy).await.unwrap();
        assert!(one.starts_with("chosen $argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert!(!one.contains("horse"));
        assert_ne!(one, two);
        assert!(hasher.matches(&one, " correct horse battery staple\n").await.unwrap());
        for wrong in [
            "",
            "Correct horse battery staple",
            "correct-horse-battery-staple",
            "correct horse battery staple\u{a0}",
        ] {
            assert!(!hasher.matches(&one, wrong).await.unwrap(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_an_outage_not_a_wrong_passphrase() {
        for stored in
            ["", "chosen", "chosen nonsense", "other $argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"]
        {
            let answer = Hasher::new().matches(stored, "x").await;
            assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{stored:?}: {answer:?}");
        }
    }
}
