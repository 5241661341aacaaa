//! The page at the server's own address, for somebody who opens it in a browser: what this is, and the lines that connect an app.
//!
//! It is there for browsers alone: what asks for JSON or an event stream is told, as at every path without an endpoint, that there is nothing.
//! Nothing of the request goes into it, and nothing that metadata does not say as well.

use http::header::{ACCEPT, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use oauth_core::ResourceUri;

use crate::interaction::show;
use crate::pages::{HttpsLink, LandingPage, Page, ServerView, WayView};
use crate::server::Context;
use crate::wire::Reply;

/// Whether somebody wants to see a page, who opens an address in a browser.
pub(crate) fn is_visit(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && takes_html(headers)
}

/// Where it is.
pub(crate) fn path(context: &Context) -> String {
    format!("{}/", context.issuer.path())
}

pub(crate) fn handle(context: &Context) -> Reply {
    let resources: Vec<(&ResourceUri, Option<&str>, String, [Way; 3])> = context
        .resources
        .iter()
        .map(|(id, name)| (id, name.as_deref(), id.metadata_url(), ways(id, name.as_deref())))
        .collect();
    let ways: Vec<Vec<WayView<'_>>> = resources
        .iter()
        .map(|(.., ways)| {
            ways.iter().map(|way| WayView { app: way.app, line: &way.line, then: way.then }).collect()
        })
        .collect();
    let servers: Vec<ServerView<'_>> = resources
        .iter()
        .zip(&ways)
        .map(|((id, name, metadata, _), ways)| ServerView { name: *name, url: id.as_str(), metadata, ways })
        .collect();
    let link = |url: &Option<String>| url.as_deref().and_then(HttpsLink::parse);
    let links = &context.links;
    let (documentation, privacy, terms) =
        (link(&links.documentation), link(&links.policy), link(&links.terms));
    let issuer = &context.issuer;
    let metadata = format!("{}/.well-known/oauth-authorization-server{}", issuer.origin(), issuer.path());
    let page = LandingPage {
        servers: &servers,
        metadata: &metadata,
        documentation: documentation.as_ref(),
        privacy: privacy.as_ref(),
        terms: terms.as_ref(),
    };
    let mut reply = show::page(context, StatusCode::OK, &Page::Landing(page));
    // The same address says something else to others.
    reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    reply
}

/// `text/html` by its name. `*/*` is what programs send that do not mind; they are told nothing new.
fn takes_html(headers: &HeaderMap) -> bool {
    let ranges = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    ranges
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .any(|kind| kind.eq_ignore_ascii_case("text/html"))
}

/// A line to paste.
struct Way {
    app: &'static str,
    line: String,
    then: Option<&'static str>,
}

fn ways(id: &ResourceUri, name: Option<&str>) -> [Way; 3] {
    let name = short_name(id, name);
    let url = id.as_str();
    let entry = serde_json::json!({ "name": name, "type": "http", "url": url }).to_string();
    [
        Way {
            app: "Claude Code",
            line: format!("claude mcp add --transport http {name} {}", word(url)),
            then: None,
        },
        Way { app: "VS Code", line: format!("code --add-mcp {}", word(&entry)), then: None },
        Way {
            app: "MCP Inspector",
            line: "npx @modelcontextprotocol/inspector".to_owned(),
            then: Some("Choose Streamable HTTP there, and paste the address above."),
        },
    ]
}

/// What an app may call the server by itself: lower-case letters, digits and hyphens, of its name or else of its host.
fn short_name(id: &ResourceUri, name: Option<&str>) -> String {
    let host = id.origin().split("://").nth(1).unwrap_or_default();
    [name.unwrap_or_default(), host]
        .into_iter()
        .map(slug)
        .find(|slug| !slug.is_empty())
        .unwrap_or_else(|| "mcp".to_owned())
}

fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// The text as one word of a shell.
fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/._-%".contains(&byte);
    if text.bytes().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_words_of_a_shell() {
        for (id, name, claude) in [
            ("https://notes.example/mcp", Some("My Notes!"), "my-notes https://notes.example/mcp"),
            ("https://notes.example/mcp", None, "notes-example https://notes.example/mcp"),
            ("http://127.0.0.1:8080/mcp", Some("✎"), "127-0-0-1-8080 http://127.0.0.1:8080/mcp"),
            (
                "https://notes.example/$(id)&'x'",
                Some("a; rm -rf"),
                r"a-rm-rf 'https://notes.example/$(id)&'\''x'\'''",
            ),
        ] {
            let id: ResourceUri = id.parse().unwrap();
            let [first, second, _] = ways(&id, name);
            assert_eq!(first.line, format!("claude mcp add --transport http {claude}"));
            let entry = second.line.strip_prefix("code --add-mcp '").unwrap().strip_suffix('\'').unwrap();
            let entry: serde_json::Value = serde_json::from_str(&entry.replace(r"'\''", "'")).unwrap();
            assert_eq!(entry["url"], id.as_str());
        }
    }

    #[test]
    fn only_who_asks_for_a_page_gets_one() {
        let takes = |value: &'static str| {
            takes_html(&[(ACCEPT, HeaderValue::from_static(value))].into_iter().collect())
        };
        assert!(
            takes("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
                && takes("Text/HTML; q=0.5")
        );
        for other in
            ["*/*", "application/json", "application/json, text/event-stream", "text/*", "text/htmlx", ""]
        {
            assert!(!takes(other), "{other}");
        }
        assert!(!takes_html(&HeaderMap::new()));
    }
}
