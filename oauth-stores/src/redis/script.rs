//! The scripts: one for each atomic verb, known to the server by its hash.

use std::borrow::Cow;
use std::sync::LazyLock;

use redis::{Cmd, Script, cmd};

/// A script and its hash.
pub(super) struct Verb {
    text: &'static str,
    hash: LazyLock<String>,
}

macro_rules! verbs {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) static $name: Verb = Verb {
            text: include_str!(concat!("lua/", $file)),
            hash: LazyLock::new(|| Script::new(include_str!(concat!("lua/", $file))).get_hash().to_owned()),
        };)*
    };
}

verbs! {
    OPEN = "open.lua";
    EXCHANGE = "exchange.lua";
    REVOKE = "revoke.lua";
    DUE = "due.lua";
    STALE = "stale.lua";
    PURGE_GRANT = "purge_grant.lua";
    PURGE_CREDENTIAL = "purge_credential.lua";
    ENTER = "enter.lua";
    PAGE = "page.lua";
    REGISTER = "register.lua";
    CONFIRM = "confirm.lua";
    CLAIM = "claim.lua";
    RELEASE = "release.lua";
    EXTEND = "extend.lua";
    UPDATE_CLIENT = "update_client.lua";
    RENEW_CLIENT = "renew_client.lua";
    PLACE_CLIENT = "place_client.lua";
    PURGE_CLIENT = "purge_client.lua";
    STRIKE_CLIENT = "strike_client.lua";
    REMEMBER = "remember.lua";
    FORGET_CONSENT = "forget_consent.lua";
    HIT = "hit.lua";
    ADD_KEY = "add_key.lua";
    RETIRE_KEY = "retire_key.lua";
    REPLACE_SEALED = "replace_sealed.lua";
    MARK = "mark.lua";
}

/// A call of a script: the keys that it may touch, and its arguments.
pub(super) struct Call<'a> {
    verb: &'static Verb,
    keys: Vec<String>,
    arguments: Vec<Cow<'a, [u8]>>,
}

impl Verb {
    /// A call with these keys.
    pub(super) fn call<'a>(&'static self, keys: impl IntoIterator<Item = String>) -> Call<'a> {
        Call { verb: self, keys: keys.into_iter().collect(), arguments: Vec::new() }
    }
}

impl<'a> Call<'a> {
    /// Another argument, as it is.
    pub(super) fn bytes(mut self, argument: impl Into<Cow<'a, [u8]>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Another argument, a text.
    pub(super) fn text(self, argument: impl Into<Cow<'a, str>>) -> Self {
        match argument.into() {
            Cow::Borrowed(text) => self.bytes(text.as_bytes()),
            Cow::Owned(text) => self.bytes(text.into_bytes()),
        }
    }

    /// Another argument, a number.
    pub(super) fn number(self, argument: u64) -> Self {
        self.text(argument.to_string())
    }

    /// Another argument, a number; nothing for none.
    pub(super) fn optional(self, argument: Option<u64>) -> Self {
        match argument {
            Some(number) => self.number(number),
            None => self.text(""),
        }
    }

    /// Fields and values.
    pub(super) fn fields(mut self, fields: Vec<(&'static str, Cow<'a, str>)>) -> Self {
        for (field, value) in fields {
            self = self.text(field).text(value);
        }
        self
    }

    /// The command: by the script's hash, or with its whole text, from which the server learns it.
    pub(super) fn command(&self, whole: bool) -> Cmd {
        let mut command = if whole { cmd("EVAL") } else { cmd("EVALSHA") };
        command.arg(if whole { self.verb.text } else { self.verb.hash.as_str() });
        command.arg(self.keys.len()).arg(&self.keys);
        for argument in &self.arguments {
            command.arg(&**argument);
        }
        command
    }
}
