//! What the messages of a body are: their methods and what they name, found in one pass without building a tree.

use std::borrow::Cow;

use crate::scope::json::{Fault, Reader, Value};
use crate::scope::operation::Operation;

/// How many messages a batch may have.
pub(crate) const MAX_BATCH: usize = 256;

/// A message, as far as anybody here asks.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    method: Option<Cow<'a, str>>,
    is_response: bool,
    params: Params<'a>,
}

/// The members of `params` that name something.
#[derive(Debug, Default)]
struct Params<'a> {
    found: [Option<Value<'a>>; NAMING.len()],
}

const NAMING: [&str; 6] = ["name", "uri", "ref", "taskId", "notifications", "_meta"];
const NAME: usize = 0;
const URI: usize = 1;
const REF: usize = 2;
const TASK_ID: usize = 3;
const NOTIFICATIONS: usize = 4;
const META: usize = 5;

const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// Reads a body: one message, or a batch.
pub(crate) fn peek(body: &[u8]) -> Result<Messages<'_>, Fault> {
    let body = simdutf8::basic::from_utf8(body).map_err(|_| Fault::NotJson)?;
    let mut reader = Reader::new(body);
    let messages = if reader.ahead()? == b'[' {
        let mut batch = Vec::new();
        reader.elements(|reader| {
            if batch.len() == MAX_BATCH {
                return Err(Fault::TooMany);
            }
            batch.push(message(reader)?);
            Ok(())
        })?;
        Messages::Batch(batch)
    } else {
        Messages::One(message(&mut reader)?)
    };
    reader.end()?;
    Ok(messages)
}

/// What is in a body.
#[derive(Debug)]
pub(crate) enum Messages<'a> {
    One(Message<'a>),
    Batch(Vec<Message<'a>>),
}

impl<'a> Messages<'a> {
    pub(crate) fn as_slice(&self) -> &[Message<'a>] {
        match self {
            Self::One(message) => std::slice::from_ref(message),
            Self::Batch(messages) => messages,
        }
    }
}

fn message<'a>(reader: &mut Reader<'a>) -> Result<Message<'a>, Fault> {
    const WANTED: [&str; 4] = ["method", "params", "result", "error"];
    if reader.ahead()? != b'{' {
        return Err(Fault::NotAMessage);
    }
    let mut method = None;
    let mut params = None;
    let mut is_response = false;
    reader.members(|reader, key| {
        match key.which(&WANTED)? {
            Some(0) => once(&mut method, reader.value()?),
            Some(1) => {
                let read = if reader.ahead()? == b'{' {
                    named(reader)?
                } else {
                    // By position, or null: names nothing that can be told.
                    reader.skip()?;
                    Params::default()
                };
                once(&mut params, read)
            }
            Some(_) => {
                is_response = true;
                reader.skip()
            }
            None => reader.skip(),
        }
    })?;
    let method = match method {
        Some(Value::Text(text)) => Some(text.decode()?),
        Some(Value::Other(_)) => return Err(Fault::NotAMessage),
        None => None,
    };
    if method.is_some() == is_response {
        return Err(Fault::NotAMessage);
    }
    Ok(Message { method, is_response, params: params.unwrap_or_default() })
}

fn named<'a>(reader: &mut Reader<'a>) -> Result<Params<'a>, Fault> {
    let mut params = Params::default();
    reader.members(|reader, key| match key.which(&NAMING)? {
        Some(index) => once(&mut params.found[index], reader.value()?),
        None => reader.skip(),
    })?;
    Ok(params)
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Fault> {
    if slot.replace(value).is_some() { Err(Fault::Repeated) } else { Ok(()) }
}

impl<'a> Message<'a> {
    /// Its method, if it is no response.
    pub(crate) fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// What `Mcp-Name` has to say of it; `None` where the method names nothing.
    pub(crate) fn header_name(&self) -> Option<Result<Cow<'a, str>, Fault>> {
        let index = match self.method()? {
            "tools/call" | "prompts/get" => NAME,
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => URI,
            "tasks/get" | "tasks/update" | "tasks/cancel" => TASK_ID,
            _ => return None,
        };
        Some(self.text(index))
    }

    /// The protocol version that it says it is of.
    pub(crate) fn protocol_version(&self) -> Result<Option<Cow<'a, str>>, Fault> {
        let Some(Value::Other(meta)) = self.params.found[META] else { return Ok(None) };
        match member(meta, PROTOCOL_VERSION)? {
            Some(Value::Text(version)) => version.decode().map(Some),
            Some(Value::Other(_)) => Err(Fault::NotAMessage),
            None => Ok(None),
        }
    }

    /// Whether it says of no protocol version that it is of it.
    pub(crate) fn says_no_version(&self) -> bool {
        self.params.found[META].is_none() || matches!(self.protocol_version(), Ok(None))
    }

    /// What it asks for. More than one thing where it names several.
    pub(crate) fn operations(&self, mut each: impl FnMut(Operation<'a>)) {
        if self.read_operations(&mut each).is_err() {
            each(Operation::Unclassified);
        }
    }

    fn read_operations(&self, each: &mut impl FnMut(Operation<'a>)) -> Result<(), Fault> {
        let Some(method) = &self.method else {
            each(if self.is_response { Operation::Response } else { Operation::Unclassified });
            return Ok(());
        };
        match &**method {
            "tools/call" => each(Operation::Tool { name: self.text(NAME)? }),
            "prompts/get" => each(Operation::Prompt { name: self.text(NAME)? }),
            "resources/read"
            | "resources/subscribe"
            | "resources/unsubscribe"
            | "resources/directory/read"
            | "skills/get" => {
                each(Operation::Resource { method: method.clone(), uri: self.text(URI)? });
            }
            "completion/complete" => each(self.completed(method)?),
            "subscriptions/listen" => {
                each(Operation::Method { name: method.clone() });
                self.subscribed(each)?;
            }
            _ => each(Operation::Method { name: method.clone() }),
        }
        Ok(())
    }

    fn text(&self, index: usize) -> Result<Cow<'a, str>, Fault> {
        match self.params.found[index] {
            Some(Value::Text(text)) => text.decode(),
            _ => Err(Fault::NotAMessage),
        }
    }

    /// What `completion/complete` gives away: values of a prompt, or of a resource template.
    fn completed(&self, method: &Cow<'a, str>) -> Result<Operation<'a>, Fault> {
        let Some(Value::Other(reference)) = self.params.found[REF] else { return Err(Fault::NotAMessage) };
        let text = |value: Option<Value<'a>>| match value {
            Some(Value::Text(text)) => text.decode(),
            _ => Err(Fault::NotAMessage),
        };
        match &*text(member(reference, "type")?)? {
            "ref/prompt" => Ok(Operation::Prompt { name: text(member(reference, "name")?)? }),
            "ref/resource" => {
                Ok(Operation::Resource { method: method.clone(), uri: text(member(reference, "uri")?)? })
            }
            _ => Err(Fault::NotAMessage),
        }
    }

    /// The resources that `subscriptions/listen` wants to hear of.
    fn subscribed(&self, each: &mut impl FnMut(Operation<'a>)) -> Result<(), Fault> {
        let filter = match self.params.found[NOTIFICATIONS] {
            None => return Ok(()),
            Some(Value::Other(filter)) if filter.starts_with('{') => filter,
            Some(_) => return Err(Fault::NotAMessage),
        };
        // The Python SDK takes the names of its fields, too.
        if member(filter, "resource_subscriptions")?.is_some() {
            return Err(Fault::Alias);
        }
        let uris = match member(filter, "resourceSubscriptions")? {
            None | Some(Value::Other("null")) => return Ok(()),
            Some(Value::Other(uris)) if uris.starts_with('[') => uris,
            Some(_) => return Err(Fault::NotAMessage),
        };
        Reader::new(uris).elements(|reader| match reader.value()? {
            Value::Text(uri) => {
                each(Operation::Resource { method: "subscriptions/listen".into(), uri: uri.decode()? });
                Ok(())
            }
            Value::Other(_) => Err(Fault::NotAMessage),
        })
    }
}

/// The member `name` of an object that was read before.
fn member<'a>(object: &'a str, name: &str) -> Result<Option<Value<'a>>, Fault> {
    if !object.starts_with('{') {
        return Err(Fault::NotAMessage);
    }
    let mut found = None;
    Reader::new(object).members(|reader, key| match key.which(&[name])? {
        Some(_) => once(&mut found, reader.value()?),
        None => reader.skip(),
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations(body: &str) -> Result<Vec<Operation<'_>>, Fault> {
        let messages = peek(body.as_bytes())?;
        let mut found = Vec::new();
        for message in messages.as_slice() {
            message.operations(|operation| found.push(operation));
        }
        Ok(found)
    }

    fn tool(name: &str) -> Operation<'_> {
        Operation::Tool { name: name.into() }
    }

    #[test]
    fn the_operation_is_what_the_body_says() {
        // RS-81, RS-83
        let resource = |method: &'static str, uri: &'static str| Operation::Resource {
            method: method.into(),
            uri: uri.into(),
        };
        let method = |name: &'static str| Operation::Method { name: name.into() };
        for (body, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"name":"x"}}}"#,
                vec![tool("add")],
            ),
            (
                r#" {"params" : {"arguments":{},"name" : "add"}, "method" : "tools/call" } "#,
                vec![tool("add")],
            ),
            // Escapes are read before names are compared.
            (r#"{"m\u0065thod":"tools\/call","params":{"\u006eame":"d\u0061nger"}}"#, vec![tool("danger")]),
            (r#"{"method":"tools/call","params":{"name":"\ud83d\ude00"}}"#, vec![tool("😀")]),
            (
                r#"{"method":"prompts/get","params":{"name":"p"}}"#,
                vec![Operation::Prompt { name: "p".into() }],
            ),
            (
                r#"{"method":"resources/read","params":{"uri":"a://b","name":"c"}}"#,
                vec![resource("resources/read", "a://b")],
            ),
            (r#"{"method":"tools/list"}"#, vec![method("tools/list")]),
            (r#"{"method":"tools/list","params":null}"#, vec![method("tools/list")]),
            (r#"{"id":1,"result":{"method":"tools/call"}}"#, vec![Operation::Response]),
            (r#"{"id":1,"error":{"code":1}}"#, vec![Operation::Response]),
            (
                r#"{"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"}}}"#,
                vec![Operation::Prompt { name: "p".into() }],
            ),
            (
                r#"{"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"a://{x}"}}}"#,
                vec![resource("completion/complete", "a://{x}")],
            ),
            (
                r#"{"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a://b","a://c"]}}}"#,
                vec![
                    method("subscriptions/listen"),
                    resource("subscriptions/listen", "a://b"),
                    resource("subscriptions/listen", "a://c"),
                ],
            ),
            (
                r#"[{"method":"tools/call","params":{"name":"a"}},{"method":"ping"}]"#,
                vec![tool("a"), method("ping")],
            ),
            ("[]", vec![]),
        ] {
            assert_eq!(operations(body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_classified() {
        for body in [
            // A name that is no string, or not there.
            r#"{"method":"tools/call"}"#,
            r#"{"method":"tools/call","params":{}}"#,
            r#"{"method":"tools/call","params":{"name":1}}"#,
            r#"{"method":"tools/call","params":{"name":null}}"#,
            r#"{"method":"tools/call","params":{"name":["a"]}}"#,
            // By position.
            r#"{"method":"tools/call","params":["danger",{}]}"#,
            r#"{"method":"tools/call","params":"danger"}"#,
            r#"{"method":"tools/call","params":{"name":"\ud800"}}"#,
            r#"{"method":"resources/read","params":{"name":"a"}}"#,
            r#"{"method":"completion/complete","params":{"ref":{"type":"other","name":"p"}}}"#,
            r#"{"method":"completion/complete","params":{}}"#,
            r#"{"method":"subscriptions/listen","params":{"notifications":{"resource_subscriptions":["a://b"]}}}"#,
            r#"{"method":"subscriptions/listen","params":{"notifications":{"Resource_Subscriptions":["a://b"]}}}"#,
        ] {
            assert_eq!(
                operations(body).map(|found| found.last().cloned()),
                Ok(Some(Operation::Unclassified)),
                "{body}"
            );
        }
        for (body, fault) in [
            // A-AUD-10
            (r#"{"method":"tools/call","params":{"name":"safe","name":"danger"}}"#, Fault::Repeated),
            (r#"{"method":"tools/call","params":{"name":"safe","n\u0061me":"danger"}}"#, Fault::Repeated),
            (r#"{"method":"tools/list","method":"tools/call","params":{"name":"x"}}"#, Fault::Repeated),
            (
                r#"{"method":"tools/call","params":{"name":"safe"},"params":{"name":"danger"}}"#,
                Fault::Repeated,
            ),
            (r#"{"method":"tools/call","params":{"name":"safe","Name":"danger"}}"#, Fault::Alias),
            (r#"{"method":"tools/call","params":{"name":"safe"},"paramſ":{"name":"danger"}}"#, Fault::Alias),
            (
                r#"{"method":"tools/call","params":{"name":{"$serde_json::private::RawValue":"\"x\""}}}"#,
                Fault::Alias,
            ),
            (r#"{"$serde_json::private::RawValue":"{}"}"#, Fault::Alias),
            (r#"{"method":1}"#, Fault::NotAMessage),
            (r#"{"method":"ping","result":{}}"#, Fault::NotAMessage),
            (r#"{"id":1}"#, Fault::NotAMessage),
            (r#"["tools/call",{"name":"danger"}]"#, Fault::NotAMessage),
            (r#"[[{"method":"ping"}]]"#, Fault::NotAMessage),
            (r#""tools/call""#, Fault::NotAMessage),
            ("", Fault::NotJson),
            ("\u{feff}{\"method\":\"ping\"}", Fault::NotAMessage),
            (r#"{"method":"ping"}{"method":"tools/call"}"#, Fault::NotJson),
            (r#"{"method":"ping","x":"#, Fault::NotJson),
        ] {
            assert_eq!(operations(body), Err(fault), "{body}");
        }
        for bytes in [
            &b"{\"method\":\"\xff\"}"[..],
            b"{\"method\":\"0123456789abcdef\xc3\"}",
            b"\xff",
            b"{\"method\":\"ping\"}\xff",
        ] {
            assert_eq!(peek(bytes).err(), Some(Fault::NotJson), "{bytes:?}");
        }
        let many = format!("[{}]", vec![r#"{"method":"ping"}"#; MAX_BATCH + 1].join(","));
        assert_eq!(operations(&many), Err(Fault::TooMany));
    }
}
