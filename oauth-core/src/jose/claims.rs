//! A payload's claims, RFC 7519 §4, read once and borrowed from it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::jose::date::NumericDate;
use crate::jose::plain::Plain;
use crate::jose::text::Text;
use crate::json::json_value;

/// How many members a header or a payload may have.
pub const MAX_MEMBERS: usize = 128;

/// How many audiences a token may name.
pub const MAX_AUDIENCES: usize = 32;

/// Why a payload holds no claims: not a JSON object in which every member stands once and the registered ones are of their type.
///
/// ```
/// use oauth_core::jose::{ClaimsFault, Jws};
/// // {"exp":"soon"}
/// assert_eq!(Jws::parse("e30.eyJleHAiOiJzb29uIn0.QQ")?.claims().unwrap_err(), ClaimsFault);
/// # Ok::<(), oauth_core::jose::JwsFault>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token's payload is not a set of claims")]
pub struct ClaimsFault;

/// What a payload says. Nobody vouches for it before its signature is verified.
///
/// ```
/// use oauth_core::jose::{Jws, SigningKey};
///
/// let token = SigningKey::generate_es256()
///     .sign("at+jwt", &serde_json::json!({"aud": "https://mcp.example/mcp", "exp": 1_700_000_600, "scp": ["a", "b"]}))?;
/// let jws = Jws::parse(&token)?;
/// let claims = jws.claims()?;
/// assert_eq!(claims.audience, ["https://mcp.example/mcp"]);
/// assert_eq!(claims.expires_at.unwrap().secs(), 1_700_000_600);
/// assert_eq!(claims.value("scp").unwrap()?, serde_json::json!(["a", "b"]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
#[non_exhaustive]
pub struct ClaimSet<'a> {
    /// `iss`
    pub issuer: Option<Cow<'a, str>>,
    /// `sub`
    pub subject: Option<Cow<'a, str>>,
    /// `aud`: a string or an array of strings (RS-47).
    pub audience: Vec<Cow<'a, str>>,
    /// `exp`
    pub expires_at: Option<NumericDate>,
    /// `nbf`
    pub not_before: Option<NumericDate>,
    /// `iat`
    pub issued_at: Option<NumericDate>,
    /// `auth_time`
    pub auth_time: Option<NumericDate>,
    /// `jti`
    pub id: Option<Cow<'a, str>>,
    /// `client_id`
    pub client_id: Option<Cow<'a, str>>,
    /// `scope`, if it is a string.
    pub scope: Option<Cow<'a, str>>,
    /// The others, each as it stands in the payload.
    others: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> ClaimSet<'a> {
    pub(super) fn read(payload: &'a [u8]) -> Result<Self, ClaimsFault> {
        // Once for all of it, and not for each string.
        let payload = simdutf8::basic::from_utf8(payload).map_err(|_| ClaimsFault)?;
        Self::read_plain(payload).map_or_else(|| Self::read_any(payload), Ok)
    }

    /// What is written plainly, or nothing.
    fn read_plain(payload: &'a str) -> Option<Self> {
        let mut rest = Plain::new(payload)?;
        let mut claims = ClaimSet { others: Vec::with_capacity(8), ..ClaimSet::default() };
        rest.take(b'{')?;
        loop {
            let name = rest.string()?;
            rest.take(b':')?;
            match name {
                "iss" => first(&mut claims.issuer, rest.string()?.into())?,
                "sub" => first(&mut claims.subject, rest.string()?.into())?,
                "jti" => first(&mut claims.id, rest.string()?.into())?,
                "client_id" => first(&mut claims.client_id, rest.string()?.into())?,
                "exp" => first(&mut claims.expires_at, NumericDate::whole(rest.number()?))?,
                "nbf" => first(&mut claims.not_before, NumericDate::whole(rest.number()?))?,
                "iat" => first(&mut claims.issued_at, NumericDate::whole(rest.number()?))?,
                "auth_time" => first(&mut claims.auth_time, NumericDate::whole(rest.number()?))?,
                "aud" if claims.audience.is_empty() => {
                    claims.audience = Vec::with_capacity(2);
                    rest.strings(|one| {
                        claims.audience.push(one.into());
                        claims.audience.len() <= MAX_AUDIENCES
                    })?;
                }
                "aud" => return None,
                _ => {
                    let value = rest.value()?;
                    let stands = claims.others.iter().any(|(own, _)| own == name);
                    if stands || claims.others.len() >= MAX_MEMBERS {
                        return None;
                    }
                    if name == "scope" && value.starts_with('"') {
                        claims.scope = value.get(1..value.len() - 1).map(Cow::Borrowed);
                    }
                    claims.others.push((name.into(), value));
                }
            }
            match rest.next()? {
                b',' => {}
                b'}' => return rest.is_at_end().then_some(claims),
                _ => return None,
            }
        }
    }

    /// Whatever is JSON.
    fn read_any(payload: &'a str) -> Result<Self, ClaimsFault> {
        let mut reader = serde_json::Deserializer::from_str(payload);
        let claims = reader.deserialize_map(Reads).map_err(|_| ClaimsFault)?;
        reader.end().map_err(|_| ClaimsFault)?;
        Ok(claims)
    }

    /// Reads claims that no signature covers: an answer that came over a connection which vouches for it, as that of an introspection
    /// endpoint. What is in a token is read by [`Jws::claims`](crate::jose::Jws::claims).
    ///
    /// ```
    /// use oauth_core::jose::ClaimSet;
    /// assert_eq!(ClaimSet::parse(br#"{"active":true,"sub":"alice"}"#)?.subject.as_deref(), Some("alice"));
    /// # Ok::<(), oauth_core::jose::ClaimsFault>(())
    /// ```
    ///
    /// # Errors
    /// [`ClaimsFault`] if it is no JSON object of claims.
    pub fn parse(json: &'a [u8]) -> Result<Self, ClaimsFault> {
        Self::read(json)
    }

    /// Another claim, read strictly: no member of it stands twice. `None` if it is not there.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Result<Value, ClaimsFault>> {
        let raw = self.other(name)?;
        Some(json_value(raw.as_bytes()).map_err(|_| ClaimsFault))
    }

    /// Another claim that is a string. `None` if it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Result<Cow<'a, str>, ClaimsFault>> {
        let raw = self.other(name)?;
        Some(serde_json::from_str::<Text<'a>>(raw).map(|text| text.0).map_err(|_| ClaimsFault))
    }

    /// The names of the claims that have no field of their own.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        self.others.iter().map(|(name, _)| &**name)
    }

    /// Whether a date was written with a fraction.
    #[must_use]
    pub fn has_fractional_dates(&self) -> bool {
        let dates = [self.expires_at, self.not_before, self.issued_at, self.auth_time];
        dates.iter().flatten().any(|date| date.is_fractional())
    }

    fn other(&self, name: &str) -> Option<&'a str> {
        self.others.iter().find_map(|(own, raw)| (own == name).then_some(*raw))
    }
}

/// Says nothing of what is said.
impl fmt::Debug for ClaimSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimSet").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

struct Reads;

impl<'de> Visitor<'de> for Reads {
    type Value = ClaimSet<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<ClaimSet<'de>, A::Error> {
        let mut claims = ClaimSet { others: Vec::with_capacity(8), ..ClaimSet::default() };
        let mut audience = None;
        while let Some(Text(name)) = access.next_key::<Text<'de>>()? {
            match &*name {
                "iss" => text(&mut claims.issuer, &mut access)?,
                "sub" => text(&mut claims.subject, &mut access)?,
                "jti" => text(&mut claims.id, &mut access)?,
                "client_id" => text(&mut claims.client_id, &mut access)?,
                "exp" => once(&mut claims.expires_at, access.next_value()?)?,
                "nbf" => once(&mut claims.not_before, access.next_value()?)?,
                "iat" => once(&mut claims.issued_at, access.next_value()?)?,
                "auth_time" => once(&mut claims.auth_time, access.next_value()?)?,
                "aud" => once(&mut audience, access.next_value_seed(Audience)?)?,
                _ => {
                    let is_scope = name == "scope";
                    if claims.others.len() >= MAX_MEMBERS || claims.others.iter().any(|(own, _)| *own == name)
                    {
                        return Err(A::Error::custom("a member stands twice, or there are too many"));
                    }
                    let raw = access.next_value::<&'de RawValue>()?.get();
                    if is_scope && let Ok(Text(scope)) = serde_json::from_str(raw) {
                        claims.scope = Some(scope);
                    }
                    claims.others.push((name, raw));
                }
            }
        }
        claims.audience = audience.unwrap_or_default();
        Ok(claims)
    }
}

fn text<'de, A: MapAccess<'de>>(place: &mut Option<Cow<'de, str>>, access: &mut A) -> Result<(), A::Error> {
    once(place, access.next_value::<Text<'de>>()?.0)
}

fn first<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn once<T, E: serde::de::Error>(place: &mut Option<T>, value: T) -> Result<(), E> {
    first(place, value).ok_or_else(|| E::custom("a member stands twice"))
}

/// A string, or an array of strings: not empty, not too long, nothing else in it (RS-47, A-AUD-3).
struct Audience;

impl<'de> DeserializeSeed<'de> for Audience {
    type Value = Vec<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Audience {
    type Value = Vec<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(vec![Cow::Borrowed(text)])
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![Cow::Owned(text.to_owned())])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut audience = Vec::with_capacity(2);
        while let Some(Text(one)) = access.next_element::<Text<'de>>()? {
            if audience.len() >= MAX_AUDIENCES {
                return Err(A::Error::custom("too many audiences"));
            }
            audience.push(one);
        }
        if audience.is_empty() {
            return Err(A::Error::custom("no audience"));
        }
        Ok(audience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ClaimSet<'_>, ClaimsFault> {
        ClaimSet::read(json.as_bytes())
    }

    #[test]
    fn what_issuers_write_is_read_the_short_way() {
        for plain in [
            r#"{"iss":"a","sub":"b","aud":["c","d"],"exp":1700000600,"scope":"x y","email_verified":true,"n":7}"#,
            r#"{"aud":"c","scp":["a","b"],"iat":0,"nothing":null,"name":"Ö"}"#,
        ] {
            let said = ClaimSet::read_plain(plain).unwrap();
            assert!(said.others().all(|name| said.value(name).is_some_and(|value| value.is_ok())), "{plain}");
        }
        // Whatever is not so plain, another reader judges.
        for other in
            [r#"{ "sub":"a"}"#, r#"{"sub":"\u0061"}"#, r#"{"exp":1.5}"#, r#"{"x":{}}"#, r#"{"aud":[]}"#, "{}"]
        {
            assert!(ClaimSet::read_plain(other).is_none(), "{other}");
        }
        // And what is nearly plain is refused.
        for bad in [
            r#"{"x":["a"}}"#,
            r#"{"x":["a" "b"]}"#,
            r#"{"x":["a",]}"#,
            r#"{"x":1 "y":2}"#,
            r#"{"x":"a" "y":2}"#,
            r#"{"x":1,}"#,
            r#"{"x":1]"#,
            r#"{"x":1}}"#,
            r#"{"x":01}"#,
            r#"{"x":truer}"#,
            r#"{"x":tru}"#,
            r#"{"x":"a}"#,
            r#"{"x" 1}"#,
            r#"{x:1}"#,
            r#""x":1}"#,
            "{\"x\":\"\n\"}",
        ] {
            assert_eq!(read(bad).unwrap_err(), ClaimsFault, "{bad}");
        }
    }

    #[test]
    fn a_member_stands_once() {
        // RS-55, A-JWT-11
        for bad in [
            r#"{"aud":"me","aud":"other"}"#,
            r#"{"exp":1,"exp":2}"#,
            r#"{"sub":"a","\u0073ub":"b"}"#,
            r#"{"scope":"a","scope":"b"}"#,
            r#"{"x":1,"y":2,"x":3}"#,
            r#"{"cnf":{},"cnf":{}}"#,
        ] {
            assert_eq!(read(bad).unwrap_err(), ClaimsFault, "{bad}");
        }
        for (name, value) in [
            ("iss", "\"a\""),
            ("sub", "\"a\""),
            ("jti", "\"a\""),
            ("client_id", "\"a\""),
            ("exp", "1"),
            ("nbf", "1"),
        ]
        .into_iter()
        .chain([("iat", "1"), ("auth_time", "1"), ("aud", "\"a\""), ("scope", "\"a\""), ("x", "1")])
        {
            let (one, two) =
                (format!("\"{name}\":{value}"), format!("\"{name}\":{value},\"other\":1,\"{name}\":{value}"));
            assert!(read(&format!("{{{one}}}")).is_ok(), "{one}");
            assert_eq!(read(&format!("{{{two}}}")).unwrap_err(), ClaimsFault, "{two}");
        }
        // Within a claim as well, once it is looked at.
        let nested = read(r#"{"cnf":{"jkt":"a","jkt":"b"}}"#).unwrap();
        assert_eq!(nested.value("cnf"), Some(Err(ClaimsFault)));
    }

    #[test]
    fn registered_claims_are_of_their_type() {
        // RS-47, RS-50, RS-51, A-AUD-3, A-JWT-13, A-JWT-14
        for bad in [
            "",
            "null",
            "[]",
            "\"x\"",
            "{} {}",
            r#"{"iss":1}"#,
            r#"{"sub":null}"#,
            r#"{"jti":[]}"#,
            r#"{"client_id":{}}"#,
            r#"{"exp":"9999999999"}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":1e400}"#,
            r#"{"exp":9223372036854775808}"#,
            r#"{"exp":18446744073709551616}"#,
            r#"{"nbf":"1"}"#,
            r#"{"iat":-1}"#,
            r#"{"aud":1}"#,
            r#"{"aud":null}"#,
            r#"{"aud":[]}"#,
            r#"{"aud":{}}"#,
            r#"{"aud":[["a"]]}"#,
            r#"{"aud":["a",1]}"#,
            r#"{"sub":"\ud800"}"#,
        ] {
            assert_eq!(read(bad).unwrap_err(), ClaimsFault, "{bad}");
        }
        assert!(ClaimSet::read(b"{\"sub\":\"\xff\"}").is_err());
        let many = format!(r#"{{"aud":[{}"a"]}}"#, r#""a","#.repeat(10_000));
        assert!(read(&many).is_err());
        let claims = read(r#"{"aud":["a","b"],"scope":"x y","n":1.5,"iat":1.5}"#).unwrap();
        assert_eq!(claims.audience, ["a", "b"]);
        assert_eq!(claims.scope.as_deref(), Some("x y"));
        assert!(claims.has_fractional_dates());
        assert_eq!(claims.others().collect::<Vec<_>>(), ["scope", "n"]);
        assert_eq!(claims.text("n"), Some(Err(ClaimsFault)));
        assert_eq!(claims.text("none"), None);
    }

    #[test]
    fn size_and_depth_are_bounded() {
        // A-JWT-17
        let many: String = (0..=MAX_MEMBERS).map(|n| format!("\"c{n}\":1,")).collect();
        assert!(read(&format!("{{{many}\"end\":1}}")).is_err());
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(read(&deep).map_or(true, |claims| claims.value("x") == Some(Err(ClaimsFault))));
    }
}
