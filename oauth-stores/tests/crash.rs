//! `kill -9` at any instant: what was acknowledged is there, nothing was granted twice, nothing is half-written.
//!
//! The test starts itself again as a child that opens grants and exchanges credentials as fast as it can, and writes a line
//! *before* it asks the store and another *after* the store answered. The parent kills it, and holds the file to those lines.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![cfg(all(feature = "sqlite", unix))]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oauth_core::{
    Binding, Credential, CredentialKey, CredentialKind, Exchange, Exchanged, Grant, GrantId, GrantStore,
    OsEntropy, ResourceUri, SealedReply, SubjectKind, Timestamp, TokenHash, random,
};
use oauth_stores::SqliteStore;

const CHILD: &str = "OAUTH_CRASH_CHILD";
const KILLS: usize = 36;
const CALLERS: usize = 8;
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn grant(id: GrantId) -> Grant {
    Grant {
        id,
        subject: "alice".parse().unwrap(),
        subject_kind: SubjectKind::User,
        client_id: "app".parse().unwrap(),
        scopes: "notes:read notes:write".parse().unwrap(),
        resources: "https://mcp.example/mcp".parse::<ResourceUri>().unwrap().into(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(90 * 86_400),
        auth_time: Some(NOW),
        revoked_at: None,
    }
}

fn credential(grant: &Grant, kind: CredentialKind) -> Credential {
    Credential {
        key: CredentialKey { grant: grant.id, hash: TokenHash::from_bytes(random(&OsEntropy)) },
        kind,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(3600),
        code: None,
    }
}

fn reply(request: &str) -> SealedReply {
    SealedReply::from_parts(TokenHash::of(request), *b"sealed")
}

/// `<what> <grant> <hash>…`: one write, so that no line is torn but the last.
fn say(what: &str, grant: GrantId, keys: &[&CredentialKey]) {
    let mut line = format!("@{what} {grant}");
    for key in keys {
        line.push(' ');
        line.push_str(serde_json::to_string(&key.hash).unwrap().trim_matches('"'));
    }
    line.push('\n');
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    std::io::stdout().lock().flush().unwrap();
}

#[test]
fn child() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(path).unwrap();
        let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(work(store.clone()))).collect();
        for caller in callers {
            caller.await.unwrap();
        }
    });
}

/// Open, redeem, refresh twice, for ever.
async fn work(store: SqliteStore) {
    loop {
        let grant = grant(GrantId::generate(&OsEntropy));
        let mut held = credential(&grant, CredentialKind::AuthorizationCode);
        say("opening", grant.id, &[&held.key]);
        store.open(&grant, std::slice::from_ref(&held)).await.unwrap();
        say("opened", grant.id, &[&held.key]);
        for _ in 0..3 {
            let issued = [
                credential(&grant, CredentialKind::AccessToken),
                credential(&grant, CredentialKind::RefreshToken),
            ];
            let keys = [&held.key, &issued[0].key, &issued[1].key];
            say("spending", grant.id, &keys);
            let act = Exchange {
                spent: &held.key,
                issued: &issued,
                reply: reply("child"),
                now: NOW,
                grace: Duration::from_secs(120),
            };
            assert_eq!(store.exchange(act).await.unwrap(), Exchanged::Done);
            say("spent", grant.id, &keys);
            let [_, successor] = issued;
            held = successor;
        }
    }
}

/// What a child said, line by line; a torn last line was not said.
fn read(said: impl Read) -> Vec<(String, GrantId, Vec<CredentialKey>)> {
    let mut lines = Vec::new();
    let mut said = BufReader::new(said);
    let mut line = String::new();
    while said.read_line(&mut line).unwrap_or(0) > 0 {
        // The test harness's own first line may stand before the first of ours.
        if let Some(ours) = line.strip_suffix('\n').and_then(|line| line.split_once('@')) {
            let mut words = ours.1.split(' ');
            let what = words.next().unwrap().to_owned();
            let grant: GrantId = words.next().unwrap().parse().unwrap();
            let hash = |word| serde_json::from_str(&format!("\"{word}\"")).unwrap();
            lines.push((what, grant, words.map(|word| CredentialKey { grant, hash: hash(word) }).collect()));
        }
        line.clear();
    }
    lines
}

fn start(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Holds the file to what the killed children said. How many exchanges were acknowledged.
async fn judge(path: &Path, said: &[(String, GrantId, Vec<CredentialKey>)]) -> usize {
    let raw = rusqlite::Connection::open(path).unwrap();
    let check: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let orphans = "SELECT count(*) FROM credentials WHERE grant_id NOT IN (SELECT id FROM grants)";
    assert_eq!(
        raw.query_row(orphans, [], |row| row.get::<_, i64>(0)).unwrap(),
        0,
        "a credential without its grant"
    );
    drop(raw);

    let store = SqliteStore::open(path).unwrap();
    let (mut done, mut acknowledged) = (HashMap::new(), 0);
    for (what, grant, keys) in said {
        match what.as_str() {
            "opened" => {
                assert!(store.grant(grant).await.unwrap().is_some(), "an acknowledged grant is gone");
                assert!(store.find(&keys[0]).await.unwrap().is_some(), "an acknowledged code is gone");
            }
            "opening" => {
                // All of it or nothing, acknowledged or not.
                let grant = store.grant(grant).await.unwrap().is_some();
                assert_eq!(grant, store.find(&keys[0]).await.unwrap().is_some(), "a grant is half-open");
            }
            "spending" => {
                let spent = store.find(&keys[0]).await.unwrap().is_some_and(|found| found.spent.is_some());
                for issued in &keys[1..] {
                    let there = store.find(issued).await.unwrap().is_some();
                    assert_eq!(there, spent, "an exchange is half-written");
                }
                done.insert(keys[0], spent);
            }
            "spent" => {
                acknowledged += 1;
                assert_eq!(done.get(&keys[0]), Some(&true), "an acknowledged exchange is gone");
            }
            other => panic!("{other}"),
        }
    }
    // Last, since it revokes: who presents again what was spent never gets anything for it.
    for (key, spent) in done {
        let act = Exchange {
            spent: &key,
            issued: &[credential(&grant(key.grant), CredentialKind::RefreshToken)],
            reply: reply("somebody else"),
            now: NOW,
            grace: Duration::from_secs(120),
        };
        let exchanged = store.exchange(act).await.unwrap();
        if spent {
            assert!(
                matches!(exchanged, Exchanged::Replayed | Exchanged::Gone),
                "granted twice: {exchanged:?}"
            );
        }
    }
    acknowledged
}

#[tokio::test]
async fn killing_the_process_at_any_instant_loses_and_doubles_nothing() {
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oauth.sqlite");
    let (began, mut acknowledged) = (Instant::now(), 0);
    for round in 0..KILLS {
        // Every fourth time two processes share the file.
        let mut children: Vec<Child> = (0..1 + usize::from(round % 4 == 3)).map(|_| start(&path)).collect();
        let readers: Vec<_> = children
            .iter_mut()
            .map(|child| {
                let said = child.stdout.take().unwrap();
                std::thread::spawn(move || read(said))
            })
            .collect();
        for child in &mut children {
            let [low, high]: [u8; 2] = random(&OsEntropy);
            // This is no wait for something to have happened: any instant is as good as any other.
            std::thread::sleep(Duration::from_micros(
                20_000 + u64::from(u16::from_le_bytes([low, high])) * 3 / 2,
            ));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let said: Vec<_> = readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect();
        acknowledged += judge(&path, &said).await;
    }
    assert!(
        acknowledged > KILLS,
        "only {acknowledged} exchanges in {:?}: this showed nothing",
        began.elapsed()
    );
}
