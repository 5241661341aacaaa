//! What the keys are called. Keys of a grant stand under one hash tag, so they are in one slot of a cluster.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_core::{
    ClientId, CredentialKey, GrantId, Identity, KeyPurpose, LimitKey, ProviderId, Subject, TokenHash,
};

/// Over how many keys the index of all grants is spread: no slot has all the work.
pub(super) const BUCKETS: usize = 16;

/// The names under a deployment's prefix.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: Box<str>,
}

/// Hashes as they stand in names and values: 43 characters.
pub(super) fn text(hash: &TokenHash) -> String {
    URL_SAFE_NO_PAD.encode(hash.as_bytes())
}

impl Names {
    /// `None` if the prefix has characters that mean something in a name or in a pattern.
    pub(super) fn new(prefix: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
        let fits = (1..=64).contains(&prefix.len()) && prefix.bytes().all(plain);
        fits.then(|| Self { prefix: prefix.into() })
    }

    fn name(&self, rest: std::fmt::Arguments<'_>) -> String {
        format!("{}:{rest}", self.prefix)
    }

    pub(super) fn schema(&self) -> String {
        self.name(format_args!("schema"))
    }

    pub(super) fn grant(&self, id: &GrantId) -> String {
        self.name(format_args!("{{{id}}}"))
    }

    pub(super) fn credential(&self, key: &CredentialKey) -> String {
        self.credential_by(&key.grant, &text(&key.hash))
    }

    pub(super) fn credential_by(&self, grant: &GrantId, hash: &str) -> String {
        self.name(format_args!("{{{grant}}}:c:{hash}"))
    }

    pub(super) fn reply(&self, grant: &GrantId, hash: &str) -> String {
        self.name(format_args!("{{{grant}}}:r:{hash}"))
    }

    /// A pattern of the names of grants, credentials and replies.
    pub(super) fn ledger(&self) -> String {
        self.name(format_args!("{{*}}*"))
    }

    /// What a name that [`ledger`](Self::ledger) matches is about.
    pub(super) fn read_ledger(&self, name: &str) -> Option<(GrantId, Option<String>)> {
        let rest = name.strip_prefix(&*self.prefix)?.strip_prefix(":{")?;
        let (grant, rest) = rest.split_once('}')?;
        let credential = match rest {
            "" => None,
            _ => Some(rest.strip_prefix(":c:")?.to_owned()),
        };
        Some((grant.parse().ok()?, credential))
    }

    pub(super) fn all_grants(&self, bucket: usize) -> String {
        self.name(format_args!("grants:all:{bucket}"))
    }

    /// The index of all grants in which this one is.
    pub(super) fn bucket_of(id: &GrantId) -> usize {
        // The identifier is random: any of its bits will do.
        usize::from(id.as_bytes()[0]) % BUCKETS
    }

    pub(super) fn grants_of_subject(&self, subject: &Subject) -> String {
        self.name(format_args!("grants:s:{subject}"))
    }

    pub(super) fn grants_of_client(&self, client: &ClientId) -> String {
        self.name(format_args!("grants:c:{client}"))
    }

    pub(super) fn client(&self, id: &ClientId) -> String {
        self.name(format_args!("client:{id}"))
    }

    pub(super) fn fingerprint(&self, fingerprint: &str) -> String {
        self.name(format_args!("fingerprint:{fingerprint}"))
    }

    pub(super) fn all_clients(&self) -> String {
        self.name(format_args!("{{clients}}:all"))
    }

    pub(super) fn unused_clients(&self) -> String {
        self.name(format_args!("{{clients}}:unused"))
    }

    /// The clients whose identifier is the URL of a document.
    pub(super) fn document_clients(&self) -> String {
        self.name(format_args!("{{clients}}:documents"))
    }

    pub(super) fn consents(&self, subject: &Subject) -> String {
        self.name(format_args!("consents:{subject}"))
    }

    pub(super) fn all_consents(&self) -> String {
        self.name(format_args!("consents:*"))
    }

    pub(super) fn account(&self, subject: &str) -> String {
        self.name(format_args!("account:{subject}"))
    }

    pub(super) fn identity(&self, identity: &Identity) -> String {
        // A provider has no colon in its name.
        self.name(format_args!("identity:{}:{}", identity.provider, identity.id))
    }

    pub(super) fn verifier(&self, identity: &Identity) -> String {
        self.name(format_args!("verifier:{}:{}", identity.provider, identity.id))
    }

    pub(super) fn session(&self, key: &str) -> String {
        self.name(format_args!("session:{key}"))
    }

    pub(super) fn sessions_of_subject(&self, subject: &Subject) -> String {
        self.name(format_args!("sessions:{subject}"))
    }

    pub(super) fn replay(&self, key: &TokenHash) -> String {
        self.name(format_args!("replay:{}", text(key)))
    }

    pub(super) fn limit(&self, key: &LimitKey) -> String {
        self.name(format_args!("limit:{}", URL_SAFE_NO_PAD.encode(key.as_bytes())))
    }

    /// A pattern of the names of one kind.
    pub(super) fn each(&self, kind: &str) -> String {
        self.name(format_args!("{kind}:*"))
    }

    pub(super) fn keys(&self, purpose: KeyPurpose) -> String {
        self.name(format_args!("{{keys}}:{}", purpose.as_str()))
    }

    pub(super) fn keys_made(&self, purpose: KeyPurpose) -> String {
        self.name(format_args!("{{keys}}:{}:made", purpose.as_str()))
    }

    /// What is written only so that replicas are waited for, in the slot of this tag.
    pub(super) fn mark(&self, tag: u32) -> String {
        self.name(format_args!("mark:{{{tag}}}"))
    }

    pub(super) fn vault(&self, subject: &Subject, provider: &ProviderId) -> String {
        self.name(format_args!("vault:{provider}:{subject}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oauth_core::OsEntropy;

    #[test]
    fn names_of_a_grant_are_read_back() {
        let names = Names::new("oauth").unwrap();
        let grant = GrantId::generate(&OsEntropy);
        assert_eq!(names.read_ledger(&names.grant(&grant)), Some((grant, None)));
        let key = CredentialKey { grant, hash: TokenHash::of("a") };
        let read = names.read_ledger(&names.credential(&key));
        assert_eq!(read, Some((grant, Some(text(&key.hash)))));
        assert_eq!(names.read_ledger(&names.reply(&grant, "x")), None);
        assert_eq!(names.read_ledger(&names.all_clients()), None);
    }

    #[test]
    fn a_prefix_has_nothing_that_means_something_in_a_name() {
        for bad in ["", "a{b", "a*", "a b", "a[", "ä", &"a".repeat(65)] {
            assert!(Names::new(bad).is_none(), "{bad}");
        }
    }
}
