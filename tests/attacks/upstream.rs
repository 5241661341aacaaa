//! Ways to sign in that lead to another server: a mock of it, and the honest adapter before it.

use std::sync::{Arc, Mutex};

use oauth_core::{
    Identity, IdentityProvider, ProviderId, SignInFault, SignInReply, SignInStart, SignInStep, SignedIn,
    async_trait,
};
use oauth_testing::{Browser, Page};
use url::Url;

/// An adapter to `https://{id}.idp.example`. Its codes are names of people there.
#[derive(Clone)]
pub(crate) struct Upstream {
    id: ProviderId,
    /// Every callback that reached it.
    resumed: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    pub(crate) fn new(id: &str) -> Self {
        Self { id: id.parse().unwrap(), resumed: Arc::default() }
    }

    /// The codes that it was handed.
    pub(crate) fn resumed(&self) -> Vec<String> {
        self.resumed.lock().unwrap().clone()
    }
}

#[async_trait]
impl IdentityProvider for Upstream {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn label(&self) -> &str {
        self.id.as_str()
    }

    async fn begin(&self, start: SignInStart<'_>) -> Result<SignInStep, SignInFault> {
        let mut location = Url::parse(&format!("https://{}.idp.example/authorize", self.id)).unwrap();
        location.query_pairs_mut().append_pair("redirect_uri", start.callback);
        Ok(SignInStep::Redirect { location: location.into(), keep: self.id.as_str().into() })
    }

    async fn resume(&self, reply: SignInReply<'_>) -> Result<SignInStep, SignInFault> {
        assert_eq!(reply.kept, self.id.as_str().as_bytes(), "kept for another");
        let code = reply.fields.get("code").unwrap_or_default();
        self.resumed.lock().unwrap().push(code.to_owned());
        if code.is_empty() {
            return Err(SignInFault::Refused("access_denied"));
        }
        let identity = Identity { provider: self.id.clone(), id: code.to_owned() };
        Ok(SignInStep::Done(SignedIn::new(identity, reply.now).with_name(code)))
    }
}

/// Presses the button of a way that leads elsewhere. Where it leads.
pub(crate) async fn depart(browser: &mut Browser, page: &Page, provider: &str) -> Url {
    let button = format!("Continue with {provider}");
    let next = browser.submit(page.form_with_button(&button).unwrap(), &[], Some(&button)).await.unwrap();
    next.location().unwrap_or_else(|| panic!("{} {}", next.status, next.text()))
}

/// What the mock sends a browser back to, in which `who` is signed in there.
pub(crate) fn comes_back(departure: &Url, who: &str) -> Url {
    let value = |name: &str| {
        departure.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    };
    let mut back: Url = value("redirect_uri").unwrap().parse().unwrap();
    back.query_pairs_mut().append_pair("code", who).append_pair("state", &value("state").unwrap());
    back
}
