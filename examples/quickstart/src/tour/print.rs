//! How the tour speaks: what was sent, what came back, why. In colour where the terminal has it.

use anstyle::{AnsiColor, Style};
use http::{Method, StatusCode};
use oauth_core::Form;
use serde_json::Value;

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const SENT: Style = AnsiColor::Yellow.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const QUIET: Style = Style::new().dimmed();

/// Begins a step.
pub(super) fn step(number: u8, title: &str, why: &str) {
    anstream::println!("\n{TITLE}{number:>2}. {title}{TITLE:#}\n    {QUIET}{why}{QUIET:#}");
}

/// What was sent.
pub(super) fn sent(method: &Method, url: &str, body: &[u8]) {
    anstream::println!("    {SENT}→ {method} {}{SENT:#}", readable_url(url));
    for line in body_lines(body) {
        anstream::println!("        {line}");
    }
}

/// What came back.
pub(super) fn received(status: StatusCode, body: &[u8]) {
    let style = if status.is_client_error() || status.is_server_error() { BAD } else { GOOD };
    anstream::println!("    {style}← {status}{style:#}");
    for line in body_lines(body) {
        anstream::println!("        {line}");
    }
}

/// What came of it.
pub(super) fn result(text: &str) {
    anstream::println!("    {GOOD}✓ {text}{GOOD:#}");
}

/// A refusal that was to be expected.
pub(super) fn refused(text: &str) {
    anstream::println!("    {BAD}← {text}{BAD:#}");
}

/// The end.
pub(super) fn done() {
    anstream::println!("\n{TITLE}That was the whole path.{TITLE:#} Now start it for yourself: quickstart");
}

fn body_lines(body: &[u8]) -> Vec<String> {
    if let Ok(Value::Object(members)) = serde_json::from_slice(body) {
        return members.iter().map(|(name, value)| format!("{name}: {}", shortened(&plain(value)))).collect();
    }
    let Ok(text) = std::str::from_utf8(body) else { return Vec::new() };
    pairs(text)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn pairs(text: &str) -> Vec<String> {
    // It is read the way the server reads it; the tour's own requests repeat nothing.
    if Form::read(text.as_bytes(), &["resource"], &["state"]).is_err() {
        return Vec::new();
    }
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| format!("{name}: {}", shortened(&decoded(value)))).collect()
}

fn decoded(value: &str) -> String {
    let pair = format!("v={value}");
    let form = Form::read(pair.as_bytes(), &[], &["v"]);
    form.ok().and_then(|form| form.get("v").map(str::to_owned)).unwrap_or_default()
}

/// The URL, its query in lines of its own.
fn readable_url(url: &str) -> String {
    match url.split_once('?') {
        Some((base, query)) => {
            let lines: String = pairs(query).iter().map(|line| format!("\n        {line}")).collect();
            format!("{base}{lines}")
        }
        None => url.to_owned(),
    }
}

/// Tokens and long texts by their beginning and end: a terminal's history is no place for secrets.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 32;
    let is_one_word = text.is_ascii() && !text.contains([' ', '/', ',']);
    if text.len() <= SHOWN || !is_one_word {
        return text.to_owned();
    }
    format!("{}…{}", &text[..8], &text[text.len() - 6..])
}
