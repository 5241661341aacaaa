//! Whether a stream's token is still good.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use oauth_core::{CredentialKey, Epoch, GrantId, Secret, Timestamp, TokenVerifier, VerifyFault};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use crate::authorized::Authorized;
use crate::bearer::MAX_LEEWAY;
use crate::stream::service::Settings;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);
/// For how long a verifier may think. One that hangs has not said that the token is good.
const PATIENCE: Duration = Duration::from_secs(10);

type Asking = Pin<Box<dyn Future<Output = Asked> + Send>>;

/// What the verifier said.
enum Asked {
    /// Good until then.
    Good {
        ends: Timestamp,
        grant: Option<GrantId>,
    },
    Over(&'static str),
    /// Nobody could say.
    Nothing,
}

/// Looks after one stream.
pub(super) struct Watch {
    token: Arc<Secret>,
    verify: Arc<dyn TokenVerifier>,
    settings: Arc<Settings>,
    epoch: Epoch,
    grant: Option<GrantId>,
    ends: Option<Timestamp>,
    asked_at: Timestamp,
    sleep: Option<Pin<Box<Sleep>>>,
    asking: Option<Asking>,
}

impl Watch {
    pub(super) fn new<V: TokenVerifier>(token: Secret, verify: Arc<V>, settings: Arc<Settings>) -> Self {
        let grant = CredentialKey::of(token.expose()).map(|key| key.grant);
        Self {
            epoch: settings.revocations.epoch(grant.as_ref()),
            grant,
            token: Arc::new(token),
            verify,
            // It was judged at the door; it is asked again at the first look.
            asked_at: Timestamp::default(),
            settings,
            ends: None,
            sleep: None,
            asking: None,
        }
    }

    /// This is who was let in: the stream ends with the token even if nobody can be asked again.
    pub(super) fn opened_by(&mut self, authorized: &Authorized) {
        let claims = authorized.claims();
        self.ends = Some(claims.expires_at + self.leeway(claims.leeway));
    }

    /// Ready with the reason once the stream is to end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<&'static str> {
        loop {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(LOOK)));
            // The clock before the verifier: no outage makes a token live longer.
            if sleep.as_mut().poll(cx).is_ready() {
                *sleep = Box::pin(sleep_until(Instant::now() + LOOK));
                let now = self.settings.clock.now();
                if self.ends.is_some_and(|ends| now >= ends) {
                    return Poll::Ready("expired");
                }
                if self.asking.is_none()
                    && (!self.settings.revocations.is_current(self.epoch)
                        || now.since(self.asked_at) >= self.settings.recheck)
                {
                    self.ask(now);
                }
                continue;
            }
            let Some(asking) = &mut self.asking else { return Poll::Pending };
            let asked = ready!(asking.as_mut().poll(cx));
            self.asking = None;
            match asked {
                Asked::Good { ends, grant } => {
                    self.ends = Some(ends);
                    if grant != self.grant {
                        self.grant = grant;
                        self.epoch = self.settings.revocations.epoch(grant.as_ref());
                    }
                }
                Asked::Over(reason) => return Poll::Ready(reason),
                Asked::Nothing => {}
            }
        }
    }

    fn leeway(&self, of_issuer: Duration) -> Duration {
        self.settings.leeway.max(of_issuer.min(MAX_LEEWAY))
    }

    fn ask(&mut self, now: Timestamp) {
        self.asked_at = now;
        // Before the verifier reads: what is revoked between the two is noticed at the next look.
        self.epoch = self.settings.revocations.epoch(self.grant.as_ref());
        let (verify, token, leeway) = (self.verify.clone(), self.token.clone(), self.settings.leeway);
        self.asking = Some(Box::pin(async move {
            let Ok(answer) = timeout(PATIENCE, verify.verify(token.expose(), now)).await else {
                return Asked::Nothing;
            };
            match answer {
                Ok(claims) => {
                    let ends = claims.expires_at + leeway.max(claims.leeway.min(MAX_LEEWAY));
                    if now >= ends {
                        Asked::Over("expired")
                    } else {
                        Asked::Good { ends, grant: claims.grant }
                    }
                }
                Err(VerifyFault::Unavailable { .. }) => Asked::Nothing,
                Err(fault) => Asked::Over(fault.reason()),
            }
        }));
    }
}
