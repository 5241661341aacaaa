//! What the scope layer finds in a body is what serde_json finds in it, or it finds that it cannot tell; and the body arrives whole.
#![no_main]

use std::convert::Infallible;
use std::sync::Mutex;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use libfuzzer_sys::fuzz_target;
use oauth_core::{Claims, ScopeHierarchy, ScopeSet, Timestamp};
use oauth_fuzz::oracle;
use oauth_resource::{Asked, Authorized, Need, Operation, PeekedBody, RequireScopeLayer, ScopePolicy};
use tokio::runtime::Runtime;
use tower::{Layer as _, ServiceExt as _, service_fn};

static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

const UNCLASSIFIED: &str = "?";

/// Needs nothing, and remembers what it was asked.
struct Listening {
    none: ScopeSet,
    hierarchy: ScopeHierarchy,
}

impl ScopePolicy for Listening {
    fn need(&self, asked: Asked<'_>) -> Need {
        let text = match asked.operation {
            Operation::Tool { name } => format!("tool {name}"),
            Operation::Prompt { name } => format!("prompt {name}"),
            Operation::Resource { method, uri } => format!("resource {method} {uri}"),
            Operation::Method { name } => format!("method {name}"),
            Operation::Response => "response".to_owned(),
            _ => UNCLASSIFIED.to_owned(),
        };
        ASKED.lock().expect("one thread").push(text);
        Need::Nothing
    }

    fn minimum(&self) -> &ScopeSet {
        &self.none
    }

    fn hierarchy(&self) -> &ScopeHierarchy {
        &self.hierarchy
    }
}

thread_local! {
    static RUNTIME: Runtime = oauth_fuzz::runtime();
    static LAYER: RequireScopeLayer = RequireScopeLayer::new(
        &"https://mcp.example/mcp".parse().expect("it is a resource"),
        Listening { none: ScopeSet::empty(), hierarchy: ScopeHierarchy::new() },
    );
    static CALLER: Authorized = Authorized::assertion(Claims::new(
        "https://as.example",
        "alice".parse().expect("it is a subject"),
        "app".parse().expect("it is a client"),
        Timestamp::MAX,
    ));
}

fuzz_target!(|body: &[u8]| {
    ASKED.lock().expect("one thread").clear();
    let sent = Bytes::copy_from_slice(body);
    let request =
        Request::post("/mcp").extension(CALLER.with(Authorized::clone)).body(Full::new(sent.clone()));
    let echo = service_fn(|request: Request<PeekedBody<Full<Bytes>>>| async {
        let Ok(body) = request.into_body().collect().await;
        Ok::<_, Infallible>(Response::new(Full::new(body.to_bytes())))
    });
    let service = LAYER.with(|layer| layer.layer(echo));
    let response = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let Ok(response) = service.oneshot(request.expect("its parts are valid")).await;
            let (head, body) = response.into_parts();
            let Ok(body) = body.collect().await;
            (head.status, body.to_bytes())
        })
    });
    let asked = std::mem::take(&mut *ASKED.lock().expect("one thread"));
    let unclassified = asked.iter().any(|asked| asked == UNCLASSIFIED);
    match response {
        (status, echoed) if status.is_success() => assert_eq!(echoed, sent),
        // Only what could be read in two ways is refused where nothing is needed.
        (status, _) => assert!(status == 400 && unclassified, "{status} {asked:?}"),
    }
    match oracle::operations(body) {
        oracle::Reading::Classified(expected) => assert_eq!(asked, expected),
        oracle::Reading::Ambiguous => assert!(unclassified, "{asked:?}"),
        oracle::Reading::Unreadable => {}
    }
});
