//! What may be asked again, and what never.
//!
//! 1. The server refused the command before it ran (`MOVED`, `ASK`, `TRYAGAIN`, `CLUSTERDOWN`, `MASTERDOWN`, `LOADING`, `READONLY`, `NOSCRIPT`):
//!    it is asked again, for a bounded time.
//! 2. The connection was known to be gone before the command was sent: another one is made, the command goes there.
//! 3. A read whose answer was lost is asked again, once.
//! 4. Of a write in a cluster and what waits for replicas behind it the driver says only that one was refused. It is sent again if that can be the
//!    write alone: what follows names no key, so no `MOVED`, `ASK` or `TRYAGAIN` is its.
//! 5. A write whose answer was lost may have happened. It is never sent again: with a code, for which there is no grace, the second of
//!    the two would be taken for a thief.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What an error leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Nothing: it may have happened, or will not go better.
    No,
    /// It did not run: again, in a moment.
    Soon,
    /// It did not run there, it will run over there, this once.
    There(String, u16),
    /// It did not run: the server does not know the script.
    WithText,
}

/// What may be done after `error`.
pub(super) fn judge(error: &RedisError) -> Again {
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::Moved
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::BusyLoading
            | ServerErrorKind::ReadOnly,
        )
        // The driver knows of no connection to the node: nothing was sent.
        | ErrorKind::ClusterConnectionNotFound => Again::Soon,
        ErrorKind::Server(ServerErrorKind::Ask) => redirect(error).unwrap_or(Again::Soon),
        ErrorKind::Server(ServerErrorKind::NoScript) => Again::WithText,
        _ => Again::No,
    }
}

/// What may be done after `error`, which befell a write or what waits for its replicas behind it.
pub(super) fn judge_waiting(error: &RedisError) -> Again {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::TryAgain | ServerErrorKind::Ask)
        | ErrorKind::ClusterConnectionNotFound => judge(error),
        // A master that became a replica after the write refuses the mark as it would have refused the write.
        _ => Again::No,
    }
}

fn redirect(error: &RedisError) -> Option<Again> {
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    Some(Again::There(host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> RedisError {
        redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap().extract_error().unwrap_err()
    }

    #[test]
    fn only_what_did_not_run_is_asked_again() {
        for (text, again) in [
            ("MOVED 1 127.0.0.1:7000", Again::Soon),
            ("ASK 1 127.0.0.1:7000", Again::There("127.0.0.1".into(), 7000)),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Again::Soon),
            ("CLUSTERDOWN The cluster is down", Again::Soon),
            ("MASTERDOWN Link with MASTER is down", Again::Soon),
            ("LOADING Redis is loading the dataset in memory", Again::Soon),
            ("READONLY You can't write against a read only replica.", Again::Soon),
            ("NOSCRIPT No matching script. Please use EVAL.", Again::WithText),
            ("OOM command not allowed when used memory > 'maxmemory'.", Again::No),
            ("BUSY Redis is busy running a script.", Again::No),
            ("MISCONF Redis is configured to save RDB snapshots", Again::No),
            ("NOREPLICAS Not enough good replicas to write.", Again::No),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Again::No),
        ] {
            assert_eq!(judge(&server(text)), again, "{text}");
        }
        for text in
            ["READONLY You can't write", "CLUSTERDOWN It is down", "LOADING It is", "MASTERDOWN It is"]
        {
            assert_eq!(judge_waiting(&server(text)), Again::No, "{text}");
        }
        for text in ["MOVED 1 127.0.0.1:7000", "ASK 1 127.0.0.1:7000", "TRYAGAIN Multiple keys"] {
            assert_eq!(judge_waiting(&server(text)), judge(&server(text)), "{text}");
        }
        let lost = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(judge(&lost), Again::No, "it may have happened");
    }
}
