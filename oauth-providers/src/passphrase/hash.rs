//! The stored form of a passphrase, Argon2id ([RFC 9106](https://www.rfc-editor.org/rfc/rfc9106)), and the time and memory that it may take.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::password_hash::{Error, PasswordHasher as _};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use oauth_core::{Entropy, Secret, StoreError, random};
use tokio::sync::Semaphore;

use super::generated;

/// Memory of one hash: 19 MiB, with two passes the least that OWASP's Password Storage Cheat Sheet takes for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// RFC 9106 §3.1.
const SALT_BYTES: usize = 16;

/// Hashes at once: bounds the memory that attempts can take to 38 MiB, however many there are.
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
pub(super) struct Hasher {
    turns: Arc<Semaphore>,
    memory: Arc<Memory>,
}

/// What attempts work in. Kept for the next ones: given back each time, so much leaves holes in the allocator's own that the next attempt no
/// longer fits into.
#[derive(Default)]
struct Memory(Mutex<Vec<Vec<Block>>>);

impl Memory {
    /// Runs `work` in so many blocks.
    fn with<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let kept = self.kept().pop();
        let mut memory = kept.unwrap_or_default();
        if memory.len() < blocks {
            // Nothing of the old needs to be carried over.
            memory = vec![Block::new(); blocks];
        }
        let done = work(&mut memory[..blocks]);
        self.kept().push(memory);
        done
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hasher {
    pub(super) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), memory: Arc::default() }
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
        let memory = self.memory.clone();
        self.blocking(move || is_of(&hash, &typed, &memory)).await?.map_err(|_| corrupt())
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        // Waiting callers queue in order; how many there can be is bounded by the limits on attempts.
        let turn = self.turns.clone().acquire_owned().await.map_err(StoreError::unavailable)?;
        // The turn ends with the work: who hangs up meanwhile makes no room for one more.
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(StoreError::unavailable)
    }
}

/// Whether the hash is that of `typed`.
fn is_of(hash: &PasswordHash, typed: &Secret, memory: &Memory) -> Result<bool, Error> {
    let (Some(salt), Some(stored)) = (&hash.salt, &hash.hash) else { return Err(Error::PasswordInvalid) };
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let params = Params::try_from(hash)?;
    let blocks = params.block_count();
    let argon2 = Argon2::new(algorithm, version, params);
    let mut computed = vec![0; stored.as_bytes().len()];
    memory.with(blocks, |memory| {
        argon2.hash_password_into_with_memory(typed.expose().as_bytes(), salt.as_ref(), &mut computed, memory)
    })?;
    // Compared in constant time.
    Ok(Output::new(&computed).map_err(|_| Error::OutputSize)? == *stored)
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
    async fn attempts_share_what_they_work_in_however_many_there_are() {
        let hasher = Arc::new(Hasher::new());
        let secret = Secret::new("correct horse battery staple".to_owned());
        let stored = hasher.hash(&secret, Origin::Chosen, &OsEntropy).await.unwrap();
        let attempts: Vec<_> = (0..12)
            .map(|n| {
                let (hasher, stored) = (hasher.clone(), stored.clone());
                let typed = if n % 3 == 0 { secret.expose().to_owned() } else { format!("wrong {n}") };
                tokio::spawn(async move { (n % 3 == 0, hasher.matches(&stored, &typed).await.unwrap()) })
            })
            .collect();
        // Some of them hang up.
        attempts[1].abort();
        attempts[4].abort();
        for attempt in attempts {
            if let Ok((is_right, matches)) = attempt.await {
                assert_eq!(is_right, matches);
            }
        }
        let all = hasher.turns.acquire_many(u32::try_from(AT_ONCE).unwrap()).await.unwrap();
        let kept: Vec<usize> = hasher.memory.kept().iter().map(Vec::len).collect();
        assert!(
            kept.len() <= AT_ONCE && kept.iter().all(|blocks| *blocks == MEMORY_KIB as usize),
            "{kept:?}"
        );
        drop(all);
    }

    #[tokio::test]
    async fn a_turn_ends_with_its_work_and_not_with_who_waits_for_it() {
        let hasher = Arc::new(Hasher::new());
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let waits = tokio::spawn({
            let hasher = hasher.clone();
            async move {
                let work = move || {
                    begun.send(()).unwrap();
                    let _ = ends.recv();
                };
                hasher.blocking(work).await
            }
        });
        begins.await.unwrap();
        waits.abort();
        assert!(waits.await.unwrap_err().is_cancelled());
        assert_eq!(hasher.turns.available_permits(), AT_ONCE - 1, "it still works");
        drop(end);
        let _all = hasher.turns.acquire_many(u32::try_from(AT_ONCE).unwrap()).await.unwrap();
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
