//! Tokens that an application knows by itself.

use std::fmt;

use oauth_core::{Claims, Secret, Timestamp, TokenVerifier, VerifyFault, async_trait};

/// A verifier made of a function, by [`verify_fn`].
///
/// ```
/// use oauth_core::VerifyFault;
/// use oauth_resource::{VerifyFn, verify_fn};
/// let _: VerifyFn<_> = verify_fn(|_, _| async { Err(VerifyFault::Invalid) });
/// ```
#[derive(Clone)]
pub struct VerifyFn<F>(F);

/// Verifies tokens by a function: the one place where an application that keeps sessions of its own says what they are. The layer checks
/// audience, expiry and binding all the same. What cannot be asked is [`VerifyFault::Unavailable`], never a refusal.
///
/// ```
/// use std::collections::HashMap;
/// use oauth_core::{Claims, Secret, Timestamp, TokenHash, TokenVerifier, VerifyFault};
/// use oauth_resource::verify_fn;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let sessions = HashMap::from([(TokenHash::of("session-of-alice"), "alice")]);
/// let verifier = verify_fn(move |token: Secret, now: Timestamp| {
///     let user = sessions.get(&token.hash()).copied();
///     async move {
///         let subject = user.ok_or(VerifyFault::Invalid)?.parse().map_err(|_| VerifyFault::Invalid)?;
///         let until = now + std::time::Duration::from_secs(60);
///         Ok(Claims::new("https://app.example", subject, "web".parse().unwrap(), until).with_audience(["https://app.example/mcp"]))
///     }
/// });
/// let claims = verifier.verify("session-of-alice", Timestamp::from_secs(1_700_000_000)).await?;
/// assert_eq!(claims.subject.as_str(), "alice");
/// # Ok::<(), VerifyFault>(())
/// # }).unwrap();
/// ```
pub const fn verify_fn<F, R>(function: F) -> VerifyFn<F>
where
    F: Fn(Secret, Timestamp) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Claims, VerifyFault>> + Send,
{
    VerifyFn(function)
}

#[async_trait]
impl<F, R> TokenVerifier for VerifyFn<F>
where
    F: Fn(Secret, Timestamp) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Claims, VerifyFault>> + Send,
{
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
        self.0(Secret::new(token.to_owned()), now).await
    }
}

impl<F> fmt::Debug for VerifyFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyFn")
    }
}
