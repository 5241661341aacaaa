//! What becomes of an MCP server's answers where they are not simply one list: streams of before, extensions, what cannot be read.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use oauth_resource::extensions::{CLIENT_CREDENTIALS, DPOP, RequireExtensionLayer};
use oauth_resource::{Authorized, PeekedBody, ProtectedResource, RequireScopeLayer, TailorAnswersLayer};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::fixture::{Bench, ISSUER, RESOURCE, StandingClock, Tokens, call, claims, method, post, rules};

const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";

/// A server that gives this answer to whatever is asked, and a reader who asks.
struct Server {
    kind: &'static str,
    encoding: Option<&'static str>,
    frames: Vec<Bytes>,
}

impl Server {
    fn whole(kind: &'static str, text: impl Into<Bytes>) -> Self {
        Self { kind, encoding: None, frames: vec![text.into()] }
    }

    /// In frames of so many bytes.
    fn in_pieces(kind: &'static str, text: &str, bytes: usize) -> Self {
        Self {
            kind,
            encoding: None,
            frames: text.as_bytes().chunks(bytes).map(Bytes::copy_from_slice).collect(),
        }
    }

    async fn answer(
        &self,
        request: Request<Full<Bytes>>,
        bend: impl FnOnce(TailorAnswersLayer) -> TailorAnswersLayer,
    ) -> (u16, String) {
        let (kind, encoding, frames) = (self.kind, self.encoding, self.frames.clone());
        let mcp = service_fn(move |request: Request<PeekedBody<Full<Bytes>>>| {
            assert!(!request.headers().contains_key("accept-encoding"), "a list must not come encoded");
            let frames = frames.clone().into_iter().map(|data| Ok::<_, Infallible>(Frame::data(data)));
            let mut response = Response::builder().header("content-type", kind);
            if let Some(encoding) = encoding {
                response = response.header("content-encoding", encoding);
            }
            let response = response.body(StreamBody::new(futures::stream::iter(frames))).unwrap();
            async { Ok::<_, Infallible>(response) }
        });
        let resource = resource();
        let service = resource.layer().layer(bend(resource.tailor()).layer(mcp));
        let answer = service.oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn seen(&self, request: Request<Full<Bytes>>) -> String {
        self.answer(request, |layer| layer).await.1
    }
}

fn resource() -> ProtectedResource<Tokens> {
    let tokens = Tokens::default();
    tokens.put("reader", claims("alice", "notes:read"));
    let clock = std::sync::Arc::new(StandingClock::default());
    ProtectedResource::builder(RESOURCE, ISSUER)
        .scopes(rules())
        .verifier(tokens)
        .clock(clock)
        .build()
        .unwrap()
}

/// Takes up a stream where it broke off.
fn resume() -> Request<Full<Bytes>> {
    Request::get("/mcp")
        .header("authorization", "Bearer reader")
        .header("accept", EVENTS)
        .header("accept-encoding", "gzip")
        .header("last-event-id", "stream-1_7")
        .body(Full::default())
        .unwrap()
}

fn tools(id: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {"tools": [{"name": "list_notes"}, {"name": "add_note"}]}})
}

fn event(id: u32, message: &Value) -> String {
    format!("id: {id}\ndata: {message}\n\n")
}

#[tokio::test]
async fn a_list_that_comes_again_in_a_resumed_stream_is_cut_too() {
    // RS-89
    let progress =
        event(8, &json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"tools": 1}}));
    let called = event(
        9,
        &json!({"jsonrpc": "2.0", "id": 3, "result": {"content": [{"type": "text", "text": "tools"}]}}),
    );
    let prompts = event(
        11,
        &json!({"jsonrpc": "2.0", "id": 5, "result": {"prompts": [{"name": "digest"}, {"name": "secret"}]}}),
    );
    let text = format!(": hello\n\n{progress}{called}{}{prompts}", event(10, &tools(&json!(4))));
    for bytes in [1, 7, text.len()] {
        let out = Server::in_pieces(EVENTS, &text, bytes).seen(resume()).await;
        assert!(out.contains(&progress) && out.contains(&called), "{out}");
        assert!(out.contains("id: 10\n") && out.contains("list_notes") && out.contains("digest"), "{out}");
        assert!(!out.contains("add_note") && !out.contains("secret"), "{out}");
        assert_eq!(out.matches(r#""cacheScope":"private""#).count(), 2, "{out}");
    }
    // One mark at the beginning of a stream is none of its text.
    let out = Server::whole(EVENTS, format!("\u{feff}data: {}\n\n", tools(&json!(4)))).seen(resume()).await;
    assert!(!out.contains("add_note"), "{out}");
}

#[tokio::test]
async fn what_a_resumed_stream_holds_besides_passes_as_it_is() {
    // The transport of 2024-11-05 names an address there.
    let endpoint = "event: endpoint\ndata: /messages?session=1\n\n";
    assert_eq!(Server::whole(EVENTS, endpoint).seen(resume()).await, endpoint);
    // What is no stream answers no request of before.
    let page = tools(&json!(1)).to_string();
    assert_eq!(Server::whole(JSON, page.clone()).seen(resume()).await, page);
    // Where one goes by the body alone, its answer is of this request.
    let mut asks = resume();
    *asks.body_mut() = Full::from(method("tools/list"));
    assert!(!Server::whole(JSON, page).seen(asks).await.contains("add_note"));
}

#[tokio::test]
async fn one_event_that_cannot_be_read_takes_no_other_along() {
    let long = json!({"jsonrpc": "2.0", "id": "long", "result": {"content": "x".repeat(9000)}});
    let broken = r#"data: {"jsonrpc":"2.0","id":6,"result":{"tools":[{"title":"add_note"}]}}"#;
    let text = format!(
        "{}{}{broken}\n\ndata: {{\"id\":9 add_note\n\n{}",
        event(1, &tools(&json!(4))),
        event(2, &long),
        event(3, &json!({"jsonrpc": "2.0", "id": 7, "result": {}}))
    );
    for bytes in [1, 1000, text.len()] {
        let server = Server::in_pieces(EVENTS, &text, bytes);
        let (_, out) = server.answer(resume(), |layer| layer.with_max_list(4096)).await;
        assert!(!out.contains("add_note") && !out.contains("xxxx"), "{bytes}: {out:.300}");
        for id in [r#""id":"long","error""#, r#""id":6,"error""#, r#""id":9,"error""#, r#""id":7,"jsonrpc""#]
        {
            assert!(out.contains(id), "{bytes} {id}: {out:.600}");
        }
        assert_eq!(out.matches("-32603").count(), 3, "{bytes}");
    }
}

#[tokio::test]
async fn an_error_in_place_of_a_list_has_the_id_that_is_waited_for() {
    let ask = |id: &str| post("reader", &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#));
    for id in ["7", r#""a \"b\"""#] {
        let named = format!(r#""id":{id},"error""#);
        for server in [
            Server::whole(JSON, "{"),
            Server::whole(JSON, "x".repeat(5000)),
            Server::whole(EVENTS, "data: x\n\n"),
            Server::in_pieces(EVENTS, &format!("data: {}\n\n", "x".repeat(5000)), 100),
            Server { encoding: Some("gzip"), ..Server::whole(JSON, "x") },
            Server { encoding: Some("gzip"), ..Server::whole(EVENTS, "x") },
        ] {
            let (status, out) = server.answer(ask(id), |layer| layer.with_max_list(4096)).await;
            assert!(out.contains(&named), "{id}: {out}");
            assert_eq!(status, if server.encoding.is_some() { 500 } else { 200 });
        }
    }
    // Of a batch, each has its own.
    let batch = format!("[{},{}]", method("tools/list"), method("ping"));
    let answers = json!([{"jsonrpc": "2.0", "id": 2, "result": {"tools": "add_note"}}, tools(&json!(1))]);
    let out = Server::whole(JSON, answers.to_string()).seen(post("reader", &batch)).await;
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&out[0]["id"], &out[0]["error"]["code"]), (&json!(2), &json!(-32603)));
    assert_eq!(out[1]["result"]["tools"], json!([{"name": "list_notes"}]));
}

#[tokio::test]
async fn a_server_is_said_to_have_the_extensions_around_it() {
    // EXT-2
    let with = |layer: TailorAnswersLayer| layer.with_extension(DPOP).with_extension(CLIENT_CREDENTIALS);
    for (asked, capabilities, extensions) in [
        ("initialize", json!({"tools": {}}), json!({DPOP: {}, CLIENT_CREDENTIALS: {}})),
        (
            "server/discover",
            json!({"extensions": {"x/y": {"a": 1}}}),
            json!({DPOP: {}, CLIENT_CREDENTIALS: {}, "x/y": {"a": 1}}),
        ),
        // What the server says itself stays.
        (
            "server/discover",
            json!({"extensions": {DPOP: {"a": 1}}}),
            json!({DPOP: {"a": 1}, CLIENT_CREDENTIALS: {}}),
        ),
    ] {
        let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"capabilities": capabilities, "serverInfo": {"name": "n"}}});
        for kind in [JSON, EVENTS] {
            let text = if kind == JSON { answer.to_string() } else { event(1, &answer) };
            let server = Server::whole(kind, text.clone());
            let (_, out) = server.answer(post("reader", &method(asked)), with).await;
            let message = out.lines().find(|line| line.contains('{')).unwrap().trim_start_matches("data: ");
            let message: Value = serde_json::from_str(message).unwrap();
            assert_eq!(message["result"]["capabilities"]["extensions"], extensions, "{out}");
            assert_eq!(message["result"]["serverInfo"], answer["result"]["serverInfo"]);
            assert!(message["result"].get("cacheScope").is_none());
            // Without any to name, nothing is read.
            assert_eq!(server.answer(post("reader", &method(asked)), |layer| layer).await.1, text);
        }
    }
    for odd in [
        json!({"result": {"capabilities": []}}),
        json!({"result": {"capabilities": {"extensions": 1}}}),
        json!({"error": {}}),
    ] {
        let server = Server::whole(JSON, odd.to_string());
        assert_eq!(server.answer(post("reader", &method("initialize")), with).await.1, odd.to_string());
    }
}

#[tokio::test]
async fn what_needs_an_extension_says_so_to_who_has_not_named_it() {
    // RS-85, EXT-1, EXT-3
    let mcp = service_fn(|_: Request<PeekedBody<Full<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let needs = RequireExtensionLayer::new(DPOP).tool("list_notes").method("prompts/get");
    let service = resource().layer().layer(needs.layer(mcp));
    let send = async |token: &str, body: String| {
        let answer = service.clone().oneshot(post(token, &body)).await.unwrap();
        let challenged = answer.headers().contains_key("www-authenticate");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, challenged, serde_json::from_slice::<Value>(&body).unwrap_or_default())
    };
    let with = |name: &str, capabilities: &Value| {
        let meta = json!({"io.modelcontextprotocol/clientCapabilities": capabilities});
        json!({"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": {"name": name, "_meta": meta}})
    };
    let (has, lacks) = (json!({"extensions": {DPOP: {}}}), json!({}));
    let (status, challenged, answer) = send("reader", with("list_notes", &lacks).to_string()).await;
    assert_eq!(
        (status, challenged, &answer["id"], &answer["error"]["code"]),
        (400, false, &json!("a"), &json!(-32021))
    );
    assert_eq!(answer["error"]["data"]["requiredCapabilities"], json!({"extensions": {DPOP: {}}}));
    assert_eq!(send("reader", with("list_notes", &has).to_string()).await.0, 200);
    assert_eq!(send("reader", call("list_notes")).await.0, 400);
    assert_eq!(send("reader", method("tools/list")).await.0, 200);
    // Who may not call at all is told that first, and with another tool there is nothing to tell.
    assert_eq!(send("", with("list_notes", &lacks).to_string()).await.0, 401);
    assert_eq!(send("reader", with("add_note", &lacks).to_string()).await.0, 403);
    // Each of a batch speaks for itself.
    let batch =
        |one: &Value, other: &Value| json!([with("list_notes", one), with("list_notes", other)]).to_string();
    assert_eq!(send("reader", batch(&has, &has)).await.0, 200);
    assert_eq!(send("reader", batch(&has, &lacks)).await.0, 400);
    let escaped = with("list_notes", &lacks).to_string().replace("list_notes", r"list\u005fnotes");
    assert_eq!(send("reader", escaped).await.0, 400);
    // What another reader makes of these, nobody can tell.
    for odd in [r#"{"x":1e999}"#, r#"{"x":"\ud800"}"#] {
        let odd = with("list_notes", &has)
            .to_string()
            .replace(r#""params":{"#, &format!(r#""params":{{"arguments":{odd},"#));
        assert_eq!(send("reader", odd).await.0, 400);
    }
    let prompt = json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "digest"}});
    assert_eq!(send("reader", prompt.to_string()).await.0, 400);
}

#[tokio::test]
async fn what_is_told_to_one_caller_is_kept_by_nobody_between() {
    // RS-89
    let bench = Bench::new();
    // Looked at by the layers, then known; and without a body.
    for _ in 0..2 {
        let reply = bench.post("reader", &method("tools/list")).await;
        assert_eq!(reply.header("cache-control"), "private, no-store");
    }
    let get = Request::get("/mcp").header("authorization", "Bearer reader");
    let reply = bench.send(get.body(Full::<Bytes>::default()).unwrap()).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, "private, no-store"));
    // What the server behind says as strictly stands; what it lets others keep does not.
    for (said, told) in [
        ("no-cache", "private, no-store"),
        ("public, max-age=60", "private, no-store"),
        ("private, max-age=5", "private, max-age=5"),
        ("No-Store", "No-Store"),
        ("no-cache, no-transform", "private, no-store, no-transform"),
        ("private=\"set-cookie\", s-maxage=60", "private, no-store"),
        ("private, public", "private, no-store"),
    ] {
        let answer = move |_: Request<PeekedBody<Full<Bytes>>>| async move {
            let answer = Response::builder().header("cache-control", said);
            Ok::<_, Infallible>(answer.body(Full::<Bytes>::default()).unwrap())
        };
        let layer = RequireScopeLayer::new(&RESOURCE.parse().unwrap(), rules().build().unwrap());
        let mut request = post("", &method("tools/list"));
        request.extensions_mut().insert(Authorized::assertion(claims("alice", "notes:read")));
        let answer = layer.layer(service_fn(answer)).oneshot(request).await.unwrap();
        assert_eq!(answer.headers()["cache-control"], told, "{said}");
    }
}
