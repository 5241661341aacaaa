//! The rate limits that the command line can change.

use std::time::Duration;

use oauth_core::Quota;
use oauth_server::Limits;

/// All of them.
pub(crate) struct Rates {
    pub(crate) server: Limits,
    pub(crate) passphrase_source: Quota,
    pub(crate) passphrase_total: Quota,
}

impl Rates {
    pub(crate) fn read(texts: &[String]) -> Result<Self, Box<dyn std::error::Error>> {
        let mut rates = Self {
            server: Limits::default(),
            passphrase_source: Quota::new(5, Duration::from_secs(300)),
            passphrase_total: Quota::new(50, Duration::from_secs(3600)),
        };
        let mut faults = Vec::new();
        for text in texts {
            let own = match text.split_once('=') {
                Some(("passphrase-source", quota)) => Some((&mut rates.passphrase_source, quota)),
                Some(("passphrase-total", quota)) => Some((&mut rates.passphrase_total, quota)),
                _ => None,
            };
            match own {
                Some((limit, quota)) => match quota_of(quota) {
                    Some(read) => *limit = read,
                    None => faults.push(format!(
                        "limit {text:?} must be NAME=COUNT/SECONDS, both at least 1: a COUNT of 0 would let nobody in"
                    )),
                },
                None => faults.extend(rates.server.set(text).err().map(|error| error.to_string())),
            }
        }
        if faults.is_empty() { Ok(rates) } else { Err(faults.join("\n  ").into()) }
    }
}

fn quota_of(text: &str) -> Option<Quota> {
    let (count, seconds) = text.split_once('/')?;
    let (count, seconds) = (count.parse().ok()?, seconds.parse().ok()?);
    (count > 0 && seconds > 0).then(|| Quota::new(count, Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_lets_nobody_in_is_refused_and_told_why() {
        for text in ["passphrase-source=0/60", "passphrase-total=0/60", "register-total=0/60"] {
            let error = Rates::read(&[text.to_owned()]).err().unwrap().to_string();
            assert!(error.contains(text) && error.contains("would let nobody in"), "{error}");
        }
        let rates = Rates::read(&["passphrase-source=9/60".to_owned()]).unwrap();
        assert_eq!(rates.passphrase_source, Quota::new(9, Duration::from_secs(60)));
    }
}
