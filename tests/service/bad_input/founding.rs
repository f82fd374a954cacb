//! What founds no exchange.

use crate::world::{EXCHANGE, claims, key, papers, sign};
use communique::{
    app::serve::{self, ServeError},
    domain::{id::Digest, json::base64, key::Signer as _},
};

/// What the founding refuses, whole: nothing is in the log, and the good papers found it afterwards.
#[tokio::test]
async fn a_founding_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let good = papers(dir.path());
    let refused = |result: Result<Digest, ServeError>| match result {
        Err(ServeError::Refused(refusal)) => refusal.reason(),
        other => panic!("{other:?}"),
    };
    let bytes = || good.charter.bytes().to_vec();
    let text = || String::from_utf8(bytes()).unwrap();
    let found = async |charter: Vec<u8>, adoptions: &[String], trusts: &[String]| {
        refused(serve::found(&good.config, charter, adoptions.to_vec(), trusts.to_vec()).await)
    };
    let (a, t) = (&good.adoptions[..], &good.trusts[..]);
    let zero = text().replace(r#""quorum":2"#, r#""quorum":0"#).into_bytes();
    assert_ne!(zero, bytes());
    assert_eq!(found(zero, a, t).await, "MALFORMED", "quorum zero");
    let float = text().replace(r#""quorum":2"#, r#""quorum":2.0"#).into_bytes();
    assert_eq!(found(float, a, t).await, "MALFORMED", "a float");
    let other = text().replace(EXCHANGE, "other.example").into_bytes();
    assert_eq!(found(other, a, t).await, "DISAGREES", "a charter of another exchange");
    let depositary = base64(&good.host.depositary.to_bytes());
    let other = text().replace(&depositary, &base64(&key("another").public().to_bytes())).into_bytes();
    assert_eq!(found(other, a, t).await, "DISAGREES", "a charter of another depositary");
    assert_eq!(found(bytes(), &a[1..], t).await, "NOT_FOUND", "an adoption is missing");
    assert_eq!(found(bytes(), a, &t[1..]).await, "NOT_FOUND", "a trust statement is missing");
    let twice: Vec<String> = a.iter().chain(&a[..1]).cloned().collect();
    assert_eq!(found(bytes(), &twice, t).await, "ALREADY_EXISTS", "an adoption stands twice");
    let mut forged = a.to_vec();
    forged[0] = sign(claims::<communique::domain::charter::Adoption>(&a[0]), &key("authority of west"));
    assert_eq!(found(bytes(), &forged, t).await, "SIGNATURE_INVALID", "an adoption by another authority");

    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let count = || {
        let db = rusqlite::Connection::open_with_flags(good.config.data.log(), flags).unwrap();
        db.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(count(), 0);
    serve::found(&good.config, bytes(), a.to_vec(), t.to_vec()).await.unwrap();
    assert_eq!(count(), 9, "a charter, four adoptions, four trust statements");
    assert_eq!(found(bytes(), a, t).await, "ALREADY_EXISTS", "founded already");
    assert_eq!(count(), 9);
}
