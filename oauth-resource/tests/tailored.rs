//! Answers that are cut to who asks, and streams that end with their token.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use oauth_core::{Claims, Clock, Revocations, Timestamp, TokenVerifier, VerifyFault, async_trait};
use oauth_resource::{
    PeekedBody, ProtectedResource, ProtectedResourceBuilder, ScopeRules, TailorAnswersLayer,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::{Layer as _, ServiceExt as _, service_fn};

const RESOURCE: &str = "https://mcp.example/mcp";
const ISSUER: &str = "https://as.example";
const NOW: u64 = 1_700_000_000;

/// `subject.scope.scope`
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Option<VerifyFault>>>, Arc<AtomicBool>);

#[async_trait]
impl TokenVerifier for Names {
    async fn verify(&self, token: &str, _: Timestamp) -> Result<Claims, VerifyFault> {
        if self.1.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if let Some(fault) = self.0.lock().unwrap().take() {
            return Err(fault);
        }
        let (subject, scopes) = token.split_once('.').ok_or(VerifyFault::Invalid)?;
        let scopes = scopes.split('.').map(|name| format!("notes:{name}")).collect::<Vec<_>>().join(" ");
        let claims = Claims::new(
            ISSUER,
            subject.parse().unwrap(),
            "app".parse().unwrap(),
            Timestamp::from_secs(NOW + 600),
        );
        Ok(claims.with_audience([RESOURCE]).with_scopes(scopes.parse().unwrap()))
    }
}

#[derive(Clone)]
struct Hands(Arc<AtomicU64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

fn resource(
    names: Names,
    bend: impl FnOnce(ProtectedResourceBuilder<Names>) -> ProtectedResourceBuilder<Names>,
) -> (Hands, ProtectedResource<Names>) {
    let clock = Hands(Arc::new(AtomicU64::new(NOW * 1000)));
    let rules = ScopeRules::builder("notes:read")
        .tool("list_notes", "notes:read")
        .tool("add_note", "notes:write")
        .prompt("digest", "notes:read")
        .prompt("audit", "notes:admin")
        .resources_below("notes://all/", "notes:read")
        .resources_below("notes://all/private/", "notes:admin")
        .anonymous("tools/list")
        .implies("notes:admin", "notes:write")
        .implies("notes:write", "notes:read");
    let builder = ProtectedResource::builder(RESOURCE, ISSUER)
        .scopes(rules)
        .verifier(names)
        .clock(Arc::new(clock.clone()));
    (clock, bend(builder).build().unwrap())
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

/// What the caller sees of what an MCP server answers.
async fn seen(
    token: &str,
    asked: &Value,
    (kind, answer): (&'static str, Vec<Bytes>),
    tailor: impl FnOnce(TailorAnswersLayer) -> TailorAnswersLayer,
) -> Reply {
    let (_, resource) = resource(Names::default(), |builder| builder);
    let mcp = service_fn(move |_: Request<PeekedBody<Full<Bytes>>>| {
        let frames = answer.clone().into_iter().map(|data| Ok::<_, Infallible>(Frame::data(data)));
        let body = StreamBody::new(futures::stream::iter(frames));
        let response =
            Response::builder().header("content-type", kind).header("cache-control", "public, max-age=60");
        let response = response.header("content-length", "999").body(body).unwrap();
        async { Ok::<_, Infallible>(response) }
    });
    let service = resource.layer().layer(tailor(resource.tailor()).layer(mcp));
    let mut request = Request::post("/mcp").header("content-type", "application/json");
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = service.oneshot(request.body(Full::from(asked.to_string())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

fn ask(method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method })
}

fn tools() -> Value {
    // Digits that a float would lose, and a member whose order shows who wrote it.
    let tools: Value = serde_json::from_str(
        r#"[{"name":"list_notes","inputSchema":{"z":1,"a":12345678901234567890}},{"name":"add_note"},{"name":"forgotten"}]"#,
    )
    .unwrap();
    json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools, "nextCursor": "page 2", "cacheScope": "public" } })
}

fn names(reply: &Value, list: &str, member: &str) -> Vec<String> {
    let entries = reply["result"][list].as_array().unwrap_or_else(|| panic!("{reply}"));
    entries.iter().map(|entry| entry[member].as_str().unwrap().to_owned()).collect()
}

const JSON: &str = "application/json";

#[tokio::test]
async fn a_list_holds_what_the_caller_may_use() {
    // RS-89
    for (token, expected) in [
        ("", vec![]),
        ("alice.read", vec!["list_notes"]),
        ("alice.write", vec!["list_notes", "add_note"]),
        ("root.admin", vec!["list_notes", "add_note", "forgotten"]),
    ] {
        let reply =
            seen(token, &ask("tools/list"), (JSON, vec![tools().to_string().into()]), |layer| layer).await;
        assert_eq!(reply.status, 200);
        let json: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(names(&json, "tools", "name"), expected, "{token}");
        // The next page is still there, and this one is nobody else's.
        assert_eq!(
            (&json["result"]["nextCursor"], &json["result"]["cacheScope"]),
            (&"page 2".into(), &"private".into())
        );
        assert_eq!(reply.headers["cache-control"], "private, no-store");
        assert!(!reply.headers.contains_key("content-length"));
    }
    let reply =
        seen("alice.read", &ask("tools/list"), (JSON, vec![tools().to_string().into()]), |layer| layer).await;
    // As it was written.
    assert!(String::from_utf8_lossy(&reply.body).contains("12345678901234567890"));
}

#[tokio::test]
async fn prompts_resources_and_templates_are_lists_too() {
    let list =
        |member: &str, entries: Value| json!({ "jsonrpc": "2.0", "id": 1, "result": { member: entries } });
    let prompts = list("prompts", json!([{ "name": "digest" }, { "name": "audit" }]));
    let resources =
        list("resources", json!([{ "uri": "notes://all/a" }, { "uri": "notes://all/private/a" }]));
    let templates = list(
        "resourceTemplates",
        json!([{ "uriTemplate": "notes://all/open/{x}" }, { "uriTemplate": "notes://all/{x}" }, { "uriTemplate": "notes://all/private/{x}" }]),
    );
    for (method, answer, list, member, few, all) in [
        ("prompts/list", &prompts, "prompts", "name", 1, 2),
        ("resources/list", &resources, "resources", "uri", 1, 2),
        ("resources/templates/list", &templates, "resourceTemplates", "uriTemplate", 1, 3),
    ] {
        for (token, count) in [("alice.read", few), ("root.admin", all)] {
            let reply =
                seen(token, &ask(method), (JSON, vec![answer.to_string().into()]), |layer| layer).await;
            let json: Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(names(&json, list, member).len(), count, "{method} {token}: {json}");
            assert_eq!(json["result"]["cacheScope"], "private");
        }
    }
}

#[tokio::test]
async fn tools_say_what_they_need_where_that_is_wanted() {
    let reply = seen("alice.read", &ask("tools/list"), (JSON, vec![tools().to_string().into()]), |layer| {
        layer.with_everything_listed().with_security_schemes()
    })
    .await;
    let json: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(names(&json, "tools", "name"), ["list_notes", "add_note", "forgotten"]);
    let schemes = json!([{ "type": "oauth2", "scopes": ["notes:write"] }]);
    let tool = &json["result"]["tools"][1];
    assert_eq!((&tool["securitySchemes"], &tool["_meta"]["securitySchemes"]), (&schemes, &schemes));
    // What the server says itself stays.
    let own = json!({ "id": 1, "result": { "tools": [{ "name": "add_note", "securitySchemes": [{ "type": "noauth" }] }] } });
    let reply = seen(
        "alice.write",
        &ask("tools/list"),
        (JSON, vec![own.to_string().into()]),
        TailorAnswersLayer::with_security_schemes,
    )
    .await;
    assert!(String::from_utf8_lossy(&reply.body).contains("noauth"));
}

#[tokio::test]
async fn events_are_cut_one_by_one_and_all_others_pass_as_they_are() {
    let progress = "event: message\nid: 7\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\", \"params\":{}}\n\n";
    let text =
        format!(": hello\r\n\r\n{progress}event: message\r\nid: 8\r\ndata: {}\r\n\r\n{progress}", tools());
    // Whole, and byte by byte.
    let whole = vec![Bytes::from(text.clone())];
    let bytes: Vec<Bytes> = text.bytes().map(|byte| Bytes::copy_from_slice(&[byte])).collect();
    for frames in [whole, bytes] {
        let reply =
            seen("alice.read", &ask("tools/list"), ("text/event-stream; charset=utf-8", frames), |layer| {
                layer
            })
            .await;
        let out = String::from_utf8(reply.body.to_vec()).unwrap();
        assert_eq!(out.matches(progress).count(), 2, "{out}");
        assert!(
            out.starts_with(": hello\r\n\r\n") && out.contains("event: message\nid: 8\ndata: {"),
            "{out}"
        );
        assert!(
            out.contains("list_notes") && !out.contains("add_note") && !out.contains("forgotten"),
            "{out}"
        );
    }
    // A message over several lines is one.
    let lines = serde_json::to_string_pretty(&tools()).unwrap();
    let split: String = lines.lines().map(|line| format!("data: {line}\n")).collect();
    let reply = seen(
        "alice.read",
        &ask("tools/list"),
        ("text/event-stream", vec![format!("{split}\n").into()]),
        |layer| layer,
    )
    .await;
    let out = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(out.contains("list_notes") && !out.contains("add_note"), "{out}");
    assert_eq!(out.matches("data:").count(), 1, "{out}");
}

#[tokio::test]
async fn what_is_no_list_passes_byte_for_byte() {
    let odd = Bytes::from_static(b"{\"result\":{\"tools\":[{\"name\":\"add_note\"}]}}  \xff");
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "list_notes", "arguments": { "x": "tools/list" } } });
    for kind in [JSON, "text/event-stream"] {
        let reply = seen("alice.read", &call, (kind, vec![odd.clone()]), |layer| layer).await;
        assert_eq!(reply.body, odd, "{kind}");
        assert_eq!(reply.headers["cache-control"], "private, no-store");
    }
    let error =
        json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32601, "message": "no" } }).to_string();
    let reply =
        seen("alice.read", &ask("tools/list"), (JSON, vec![error.clone().into()]), |layer| layer).await;
    assert_eq!(reply.body, error);
}

#[tokio::test]
async fn a_list_that_cannot_be_cut_is_not_shown() {
    let long = tools().to_string();
    for (kind, body) in [
        (JSON, "{".to_owned()),
        (JSON, format!("{} x", tools())),
        (JSON, json!({ "result": { "tools": [{ "title": "add_note" }] } }).to_string()),
        (JSON, json!({ "result": { "tools": "add_note" } }).to_string()),
        ("text/event-stream", format!("data: {}x\n\n", tools())),
    ] {
        let reply =
            seen("alice.read", &ask("tools/list"), (kind, vec![body.clone().into()]), |layer| layer).await;
        let out = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(out.contains("-32603") && !out.contains("add_note"), "{body}: {out}");
    }
    for kind in [JSON, "text/event-stream"] {
        let frames = long.as_bytes().chunks(10).map(Bytes::copy_from_slice).collect();
        let reply =
            seen("alice.read", &ask("tools/list"), (kind, frames), |layer| layer.with_max_list(64)).await;
        let out = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(out.contains("-32603") && !out.contains("list_notes"), "{out}");
    }
}

#[tokio::test]
async fn each_list_of_a_batch_is_cut() {
    // RS-83
    let asked = json!([ask("tools/list"), ask("ping")]);
    let answer = json!([tools(), { "jsonrpc": "2.0", "id": 2, "result": {} }]).to_string();
    let reply = seen("alice.read", &asked, (JSON, vec![answer.into()]), |layer| layer).await;
    let json: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(names(&json[0], "tools", "name"), ["list_notes"]);
    assert_eq!(json[1]["id"], 2);
}

/// A stream that is open, and its other end.
struct Open {
    clock: Hands,
    names: Names,
    revocations: Revocations,
    events: mpsc::Sender<Bytes>,
    body: std::pin::Pin<Box<dyn Body<Data = Bytes, Error = Infallible> + Send>>,
}

async fn open(leeway: Duration) -> Open {
    open_by(leeway, &[Request::get("/mcp").body(Full::default()).unwrap()]).await
}

/// The stream that answers the last of these requests.
async fn open_by(leeway: Duration, requests: &[Request<Full<Bytes>>]) -> Open {
    let (names, revocations) = (Names::default(), Revocations::default());
    let shared = revocations.clone();
    let (clock, resource) = resource(names.clone(), |builder| builder.leeway(leeway).revocations(shared));
    let (events, received) = mpsc::channel::<Bytes>(8);
    let last = requests.len() - 1;
    let received = Arc::new(Mutex::new((last, Some(received))));
    let mcp = service_fn(move |_: Request<PeekedBody<Full<Bytes>>>| {
        let mut told = received.lock().unwrap();
        let received = match told.0.checked_sub(1) {
            Some(left) => {
                told.0 = left;
                mpsc::channel(1).1
            }
            None => told.1.take().unwrap(),
        };
        let stream = futures::stream::unfold(received, |mut received| async {
            received.recv().await.map(|data| (Ok::<_, Infallible>(Frame::data(data)), received))
        });
        async { Ok::<_, Infallible>(Response::new(StreamBody::new(stream))) }
    });
    let service = resource.end_streams().layer(resource.layer().layer(mcp));
    let mut answers = Vec::new();
    for request in requests {
        let mut request = request.clone();
        request.headers_mut().insert("authorization", "Bearer alice.read".parse().unwrap());
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        answers.push(response);
    }
    let response = answers.pop().unwrap();
    Open { clock, names, revocations, events, body: Box::pin(response.into_body()) }
}

impl Open {
    /// Nobody can be asked from now on.
    fn down(&self) {
        let down = VerifyFault::Unavailable { retry_after: Duration::from_secs(1), source: "down".into() };
        *self.names.0.lock().unwrap() = Some(down);
    }

    /// Both clocks at once.
    async fn forward(&self, by: Duration) {
        self.clock.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
        tokio::time::advance(by).await;
    }

    async fn is_open(&mut self) -> bool {
        self.events.send(Bytes::from_static(b"data: x\n\n")).await.unwrap();
        tokio::time::timeout(Duration::ZERO, self.body.frame()).await.expect("an event, or the end").is_some()
    }

    /// Whether it ends by itself, with nothing to say.
    async fn ends(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(1500), self.body.frame())
            .await
            .is_ok_and(|end| end.is_none())
    }
}

#[tokio::test(start_paused = true)]
async fn a_aud_13_a_stream_ends_when_its_token_does() {
    // RS-86
    let mut stream = open(Duration::ZERO).await;
    for _ in 0..59 {
        assert!(stream.is_open().await);
        stream.forward(Duration::from_secs(10)).await;
    }
    assert!(stream.is_open().await);
    stream.forward(Duration::from_secs(10)).await;
    assert!(stream.ends().await);
    assert!(stream.body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_given_the_leeway_and_no_more() {
    let mut stream = open(Duration::from_secs(30)).await;
    stream.forward(Duration::from_secs(2)).await;
    assert!(stream.is_open().await);
    stream.forward(Duration::from_secs(627)).await;
    assert!(stream.is_open().await);
    stream.forward(Duration::from_secs(1)).await;
    assert!(stream.ends().await);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_always_talks_is_cut_off_too() {
    let mut stream = open(Duration::ZERO).await;
    // The first look, at which the verifier is asked in any case, is over.
    assert!(stream.is_open().await);
    stream.forward(Duration::from_secs(1)).await;
    assert!(stream.is_open().await);
    stream.forward(Duration::from_secs(600)).await;
    assert!(!stream.is_open().await);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_in_this_process_ends_a_stream_within_a_second() {
    let mut stream = open(Duration::ZERO).await;
    // The first look, at which the verifier is asked in any case, is over.
    assert!(stream.is_open().await);
    stream.forward(Duration::from_secs(1)).await;
    assert!(stream.is_open().await);
    *stream.names.0.lock().unwrap() = Some(VerifyFault::Revoked);
    stream.revocations.announce(None);
    stream.forward(Duration::from_secs(1)).await;
    assert!(stream.ends().await);
}

#[tokio::test(start_paused = true)]
async fn a_aud_13_a_revocation_elsewhere_ends_a_stream_at_the_next_look() {
    let mut stream = open(Duration::ZERO).await;
    // The first look is a second after the first event.
    assert!(stream.is_open().await);
    stream.forward(Duration::from_secs(1)).await;
    assert!(stream.is_open().await);
    stream.forward(Duration::from_secs(28)).await;
    *stream.names.0.lock().unwrap() = Some(VerifyFault::Revoked);
    assert!(stream.is_open().await);
    stream.forward(Duration::from_secs(3)).await;
    assert!(stream.ends().await);
}

#[tokio::test(start_paused = true)]
async fn no_outage_makes_a_token_live_longer() {
    // RS-86: the verifier was never heard of again after the door.
    let mut stream = open(Duration::ZERO).await;
    for _ in 0..60 {
        stream.down();
        assert!(stream.is_open().await);
        stream.forward(Duration::from_secs(10)).await;
    }
    stream.down();
    assert!(stream.ends().await);
    // Nor does one that hangs.
    let mut stream = open(Duration::ZERO).await;
    stream.names.1.store(true, Ordering::SeqCst);
    for _ in 0..60 {
        assert!(stream.is_open().await);
        stream.forward(Duration::from_secs(10)).await;
    }
    assert!(stream.ends().await);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_token_that_is_known_already_ends_with_it_too() {
    // RS-86
    let call = ask("tools/list").to_string();
    let request =
        || Request::post("/mcp").header("content-type", JSON).body(Full::from(call.clone())).unwrap();
    let mut stream = open_by(Duration::ZERO, &[request(), request()]).await;
    for _ in 0..60 {
        stream.down();
        assert!(stream.is_open().await);
        stream.forward(Duration::from_secs(10)).await;
    }
    stream.down();
    assert!(stream.ends().await);
}

#[tokio::test(start_paused = true)]
async fn a_verifier_that_hung_once_is_asked_again() {
    let mut stream = open(Duration::ZERO).await;
    stream.names.1.store(true, Ordering::SeqCst);
    assert!(stream.is_open().await);
    stream.forward(Duration::from_secs(1)).await;
    assert!(stream.is_open().await);
    stream.names.1.store(false, Ordering::SeqCst);
    *stream.names.0.lock().unwrap() = Some(VerifyFault::Revoked);
    stream.forward(Duration::from_secs(11)).await;
    assert!(stream.is_open().await);
    stream.forward(Duration::from_secs(31)).await;
    assert!(stream.ends().await);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_verifier_ends_nothing() {
    // RS-72
    let mut stream = open(Duration::ZERO).await;
    stream.forward(Duration::from_secs(1)).await;
    assert!(stream.is_open().await);
    let down = VerifyFault::Unavailable { retry_after: Duration::from_secs(1), source: "down".into() };
    *stream.names.0.lock().unwrap() = Some(down);
    stream.forward(Duration::from_secs(31)).await;
    assert!(stream.is_open().await);
    stream.forward(Duration::from_secs(31)).await;
    assert!(stream.is_open().await);
}
