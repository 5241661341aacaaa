//! What a tool found out that its caller needs.

use std::sync::{Arc, Mutex, PoisonError};

use oauth_core::ScopeSet;

/// Stands in the extensions of each request behind [`TailorAnswers`](crate::TailorAnswers): a server of any kind writes into it which scopes
/// the arguments turned out to need, and refuses. Its answer becomes a 403 that tells the client what to ask for, if the demand stands there
/// before the answer's head does and the answer is no stream of events: what has been sent is sent, so **a demand alone keeps nothing
/// back**. With `rmcp`, `Caller::require` does both.
///
/// ```
/// use std::convert::Infallible;
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use oauth_core::{Claims, Stores, Timestamp};
/// use oauth_resource::{Authorized, Demand, PeekedBody, ProtectedResource};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example").stores(&Stores::memory()).build()?;
/// let server = service_fn(|request: Request<PeekedBody<Full<Bytes>>>| async move {
///     let caller = request.extensions().get::<Authorized>().expect("the layer lets nobody else through");
///     if !caller.covers("notes:purge") {
///         let demand = request.extensions().get::<Demand>().expect("the answers are tailored");
///         demand.add(&caller.scopes().union(&"notes:purge".parse().expect("it is a scope")));
///         return Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("this needs notes:purge")));
///     }
///     Ok(Response::new(Full::from("purged")))
/// });
/// let service = resource.tailor().layer(server);
///
/// let claims = Claims::new("https://as.example", "alice".parse()?, "app".parse()?, Timestamp::MAX);
/// let caller = Authorized::assertion(claims.with_scopes("notes:read".parse()?));
/// let request = Request::post("/mcp").extension(caller).body(PeekedBody::unread(Full::<Bytes>::from("{}")))?;
/// let answer = service.oneshot(request).await?;
/// assert_eq!(answer.status(), 403);
/// assert!(answer.headers()["www-authenticate"].to_str()?.contains(r#"scope="notes:purge notes:read""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Demand(Arc<Mutex<ScopeSet>>);

impl Demand {
    /// Adds scopes: those that the challenge shall name. What several calls of a batch ask for is told together (RS-22).
    pub fn add(&self, scopes: &ScopeSet) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all = all.union(scopes);
    }

    pub(super) fn take(&self) -> ScopeSet {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
