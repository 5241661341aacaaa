//! The provider: one form, one field, one hash.

use std::fmt;

use oauth_core::{
    Entropy, FieldKind, IdError, Identity, IdentityProvider, ProviderId, Quota, Secret, SignInFault,
    SignInField, SignInForm, SignInReply, SignInStart, SignInStep, SignedIn, StoreError, Stores, Verdict,
    async_trait,
};

use super::attempts::Attempts;
use super::generated;
use super::hash::{Hasher, Origin};

/// The provider's name in paths and identities.
pub const PROVIDER: &str = "passphrase";
/// The owner's identifier at this provider.
pub const OWNER: &str = "owner";
/// How many characters a passphrase that a person chooses has at least: NIST SP 800-63B-4 §3.1.1.2, for a password that stands alone.
pub const MIN_PASSPHRASE_CHARACTERS: usize = 15;
/// How many bytes are read of one. More is never right, and is not hashed.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;

const FIELD: &str = "passphrase";

/// The passphrase of a server's one user: made at the first start, shown once, kept as an Argon2id hash.
///
/// 1. Every attempt is counted before anything else, by address and in total, in the store: a restart or a second server gives no
///    more of them (AS-82, LIM-1). Over the limit is [`SignInFault::Limited`].
/// 2. Every other attempt is hashed and answered alike: empty, too long or wrong (AS-82).
/// 3. At most two are hashed at once, on blocking threads, with 19 MiB each, kept for the next ones from the first attempt on.
///
/// Several servers over one store share the passphrase: it is read from the store at every attempt.
///
/// ```
/// use oauth_core::{Form, IdentityProvider, OsEntropy, SignInReply, SignInStep, Stores, Timestamp};
/// use oauth_providers::OwnerPassphrase;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let stores = Stores::memory();
/// let (provider, passphrase) = OwnerPassphrase::open(&stores, &OsEntropy).await?;
/// let passphrase = passphrase.expect("made at the first start");
///
/// let typed = format!("passphrase={}", passphrase.expose().to_uppercase());
/// let fields = Form::read(typed.as_bytes(), &[], &[]).unwrap();
/// let now = Timestamp::from_secs(1_700_000_000);
/// let step = provider.resume(SignInReply::new(&fields, &[], "https://as.example/sign-in", now)).await?;
/// assert!(matches!(step, SignInStep::Done(who) if who.identity.id == "owner"));
///
/// let (_, again) = OwnerPassphrase::open(&stores, &OsEntropy).await?;
/// assert!(again.is_none(), "the second start knows the hash alone");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Deployment
/// Behind a proxy, let the server know the browser's address: without it all attempts come from one source, and a stranger's use up
/// the owner's.
pub struct OwnerPassphrase {
    id: ProviderId,
    owner: Identity,
    stores: Stores,
    attempts: Attempts,
    hasher: Hasher,
}

/// Why a passphrase was not set.
///
/// ```
/// use oauth_core::{OsEntropy, Secret, Stores};
/// use oauth_providers::{OwnerPassphrase, PassphraseError};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let short = Secret::new("hunter2".to_owned());
/// let error = OwnerPassphrase::with_passphrase(&Stores::memory(), &short, &OsEntropy).await.unwrap_err();
/// assert!(matches!(error, PassphraseError::TooShort));
/// assert_eq!(error.to_string(), "a passphrase must have at least 15 characters");
/// # });
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// Fewer characters than [`MIN_PASSPHRASE_CHARACTERS`].
    #[error("a passphrase must have at least {MIN_PASSPHRASE_CHARACTERS} characters")]
    TooShort,
    /// More bytes than [`MAX_PASSPHRASE_BYTES`].
    #[error("a passphrase must have at most {MAX_PASSPHRASE_BYTES} bytes")]
    TooLong,
    /// A character that no form brings back.
    #[error("a passphrase must not have control characters")]
    Control,
    /// The store cannot be asked now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OwnerPassphrase {
    /// Opens the provider; at the first start over these stores it makes a passphrase, and returns it this once. Of two
    /// servers that start at once, one returns it.
    ///
    /// # Errors
    /// [`PassphraseError::Store`] if the store fails.
    pub async fn open(
        stores: &Stores,
        entropy: &dyn Entropy,
    ) -> Result<(Self, Option<Secret>), PassphraseError> {
        let provider = Self::over(stores);
        let accounts = &provider.stores.accounts;
        if accounts.verifier(&provider.owner).await?.is_some() {
            return Ok((provider, None));
        }
        let passphrase = generated::passphrase(entropy);
        let candidate = provider.hasher.hash(&passphrase, Origin::Generated, entropy).await?;
        // Salted: only our own candidate is equal to it.
        let won = accounts.first_verifier(&provider.owner, &candidate).await? == candidate;
        Ok((provider, won.then_some(passphrase)))
    }

    /// Opens the provider with a passphrase from the operator's configuration, in place of what is stored. See [`set`](Self::set).
    ///
    /// ```
    /// use oauth_core::{OsEntropy, Secret, Stores};
    /// use oauth_providers::OwnerPassphrase;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let stores = Stores::memory();
    /// let chosen = Secret::new("correct horse battery staple".to_owned());
    /// OwnerPassphrase::with_passphrase(&stores, &chosen, &OsEntropy).await?;
    ///
    /// let (_, made) = OwnerPassphrase::open(&stores, &OsEntropy).await?;
    /// assert!(made.is_none());
    /// # Ok::<(), oauth_providers::PassphraseError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// See [`PassphraseError`].
    pub async fn with_passphrase(
        stores: &Stores,
        passphrase: &Secret,
        entropy: &dyn Entropy,
    ) -> Result<Self, PassphraseError> {
        let provider = Self::over(stores);
        provider.set(passphrase, entropy).await?;
        Ok(provider)
    }

    /// Sets another passphrase, for all servers over the same stores, at once. Spaces around it do not count.
    ///
    /// Whoever is signed in stays so, and grants stay: whether to end them
    /// ([`SessionStore::end_all`](oauth_core::SessionStore::end_all), [`GrantStore::revoke`](oauth_core::GrantStore::revoke)) is the caller's to decide, by
    /// why it is changed.
    ///
    /// # Errors
    /// See [`PassphraseError`]; then nothing has changed.
    pub async fn set(&self, passphrase: &Secret, entropy: &dyn Entropy) -> Result<(), PassphraseError> {
        let text = passphrase.expose().trim_matches(|char: char| char.is_ascii_whitespace());
        if text.chars().count() < MIN_PASSPHRASE_CHARACTERS {
            return Err(PassphraseError::TooShort);
        }
        if text.len() > MAX_PASSPHRASE_BYTES {
            return Err(PassphraseError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(PassphraseError::Control);
        }
        let hash = self.hasher.hash(passphrase, Origin::Chosen, entropy).await?;
        Ok(self.stores.accounts.set_verifier(&self.owner, &hash).await?)
    }

    /// Other limits on attempts: for each source address (default: 5, then one a minute), and for all addresses together from
    /// which nobody signed in within 30 days (default: 50 an hour).
    ///
    /// ```
    /// use std::time::Duration;
    /// use oauth_core::{OsEntropy, Quota, Stores};
    /// use oauth_providers::OwnerPassphrase;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let (provider, _) = OwnerPassphrase::open(&Stores::memory(), &OsEntropy).await?;
    /// let hour = Duration::from_secs(60 * 60);
    /// let provider = provider.with_attempts(Quota::new(3, hour), Quota::new(20, hour));
    /// assert!(format!("{provider:?}").contains("burst: 3"));
    /// # Ok::<(), oauth_providers::PassphraseError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_attempts(mut self, per_address: Quota, in_total: Quota) -> Self {
        self.attempts = Attempts { per_address, in_total };
        self
    }

    fn over(stores: &Stores) -> Self {
        let id: Result<ProviderId, IdError> = PROVIDER.parse();
        // The constant above: not empty, ten printable characters.
        let id = id.expect("the provider's name is one");
        let owner = Identity { provider: id.clone(), id: OWNER.to_owned() };
        Self { id, owner, stores: stores.clone(), attempts: Attempts::default(), hasher: Hasher::new() }
    }

    fn form() -> SignInForm {
        SignInForm::new([SignInField::new(FIELD, "Passphrase", FieldKind::Password)])
    }
}

#[async_trait]
impl IdentityProvider for OwnerPassphrase {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn label(&self) -> &str {
        "Passphrase"
    }

    async fn begin(&self, _start: SignInStart<'_>) -> Result<SignInStep, SignInFault> {
        Ok(SignInStep::Form(Self::form()))
    }

    async fn resume(&self, reply: SignInReply<'_>) -> Result<SignInStep, SignInFault> {
        let (limits, now) = (&*self.stores.limits, reply.now);
        if let Verdict::Limited { retry_after } = self.attempts.count(limits, reply.address, now).await? {
            return Err(SignInFault::Limited { retry_after });
        }
        let stored = self.stores.accounts.verifier(&self.owner).await?;
        let stored = stored.ok_or_else(|| StoreError::corrupt("the passphrase's hash is gone"))?;
        // Nothing, or too much, is hashed as nothing: as wrong as any other, in the same time.
        let typed =
            reply.fields.get(FIELD).filter(|typed| typed.len() <= MAX_PASSPHRASE_BYTES).unwrap_or_default();
        if !self.hasher.matches(&stored, typed).await? {
            return Ok(SignInStep::Form(Self::form().with_error("That is not the passphrase.")));
        }
        self.attempts.succeeded(limits, reply.address, now).await?;
        Ok(SignInStep::Done(SignedIn::new(self.owner.clone(), now).with_name("Owner")))
    }
}

impl fmt::Debug for OwnerPassphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerPassphrase").field("attempts", &self.attempts).finish_non_exhaustive()
    }
}
