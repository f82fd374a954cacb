//! Manifests, texts and annexes.

use super::{GOOD, Row, row, scene::Scene};
use crate::world::{self, fresh, outcome, party};
use communique::{
    domain::{
        id::{Digest, Role},
        manifest::{ANNEX_LIMIT, Annex, MediaType},
        text::TEXT_LIMIT,
    },
    wire::{
        CHUNK_LIMIT, names,
        v1::{self, content_service_client::ContentServiceClient, upload_content_request::Part},
    },
};

/// Texts that break the rules, one fault each.
pub(super) const TEXTS: &[(&str, &[u8])] = &[
    ("a text that is not UTF-8", b"caf\xe9\n"),
    ("a text that is not NFC", "e\u{301}tat\n".as_bytes()),
    ("a text with a bidi override", "a\u{202e}b\n".as_bytes()),
    ("a text with a bidi isolate", "a\u{2066}b\u{2069}\n".as_bytes()),
    ("a text with a bidi embedding", "a\u{202a}b\u{202c}\n".as_bytes()),
    ("a left-to-right text with a right-to-left mark", "a\u{200f}b\n".as_bytes()),
    ("a text with an invisible letter", "a\u{200b}b\n".as_bytes()),
    ("a text with a soft hyphen", "a\u{ad}b\n".as_bytes()),
    ("a text with a tag character", "a\u{e0041}b\n".as_bytes()),
    ("a text with a word joiner", "a\u{2060}b\n".as_bytes()),
    ("a text with an unassigned code point", "a\u{378}b\n".as_bytes()),
    ("a text with a code point of a later Unicode", "a\u{20c1}b\n".as_bytes()),
    ("a text with a private code point", "a\u{e000}b\n".as_bytes()),
    ("a text with a byte order mark", "\u{feff}ab\n".as_bytes()),
    ("a text with a carriage return", b"ab\r\n"),
    ("a text with an escape sequence", b"a\x1b[2Jb\n"),
    ("a text without its last line feed", b"ab"),
];

/// Titles that break the rules, as JSON writes them.
pub(super) const TITLES: &[(&str, &str)] = &[
    ("a title that is not NFC", "e\u{301}tat"),
    ("a title with a bidi override", "a\u{202e}b"),
    ("a title with an invisible letter", "a\u{200b}b"),
    ("a title with an unassigned code point", "a\u{378}b"),
    ("a title with a line feed", "a\\nb"),
    ("a title with an escape sequence", "a\\u001b[2Jb"),
    ("a title with a lone surrogate", "a\\ud800b"),
];

/// JSON has one encoding: in a manifest. And what a manifest may say.
pub(super) fn manifests<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let bytes = |what: &str, change: fn(String) -> String| {
        row(what, "MALFORMED", s.propose_bytes(move |j| change(j).into_bytes()))
    };
    let annex = |size| Annex {
        titles: world::names("Annexe"),
        media_type: MediaType::Pdf,
        size,
        sha256: Digest::of(b"an annex"),
    };
    let mut rows =
        vec![
            bytes("a manifest with a duplicate key", |j| j.replacen('{', r#"{"annexes":[],"#, 1)),
            bytes("a manifest with a space", |j| j.replacen(':', ": ", 1)),
            bytes("a manifest with a float", |j| j.replace(r#""revision":1"#, r#""revision":1.0"#)),
            bytes("a manifest with a needless escape", |j| j.replace("Communiqu", "\\u0043ommuniqu")),
            bytes("a manifest with a missing member", |j| j.replace(r#""rectifies":null,"#, "")),
            bytes("a manifest with an added member", |j| j.replacen('{', r#"{"aaa":null,"#, 1)),
            bytes("a manifest with a byte after it", |j| format!("{j} ")),
            bytes("a manifest in another order", |j| {
                let rest = j.strip_prefix(r#"{"annexes":[],"#).unwrap().strip_suffix('}').unwrap();
                format!(r#"{{{rest},"annexes":[]}}"#)
            }),
            bytes("a manifest of another type", |j| j.replace("v1.manifest", "v1.charter")),
            bytes("a manifest of other text rules", |j| j.replace("text.v1", "text.v2")),
            bytes("a manifest that rectifies", |j| j.replace(r#""rectifies":null"#, r#""rectifies":"x""#)),
            row(
                "a manifest that is not UTF-8",
                "MALFORMED",
                s.propose_bytes(|j| {
                    let at = j.find("Communiqu").unwrap();
                    let mut bytes = j.into_bytes();
                    bytes[at] = 0xff;
                    bytes
                }),
            ),
            row("a manifest without a text", "MALFORMED", async move { s.propose(|m| m.texts.clear()).await }),
            row("a manifest with an empty text", "MALFORMED", async move { s.propose(|m| m.texts[0].size = 0).await }),
            row("a manifest of one party", "MALFORMED", async move { s.propose(|m| m.parties.truncate(1)).await }),
            row("a manifest that names a party twice", "MALFORMED", async move {
                s.propose(|m| m.parties.push(party("north"))).await
            }),
            row("a manifest whose proposer is not named", "MALFORMED", async move {
                s.propose(|m| m.proposer = party("west")).await
            }),
            row("a first revision that follows one", "MALFORMED", async move {
                s.propose(|m| m.previous = Some(Digest::of(b"before"))).await
            }),
            row("an oversized text", "TOO_LARGE", async move {
                s.propose(|m| m.texts[0].size = TEXT_LIMIT as u64 + 1).await
            }),
            row("an oversized annex", "TOO_LARGE", async move {
                s.propose(|m| m.annexes.push(annex(ANNEX_LIMIT + 1))).await
            }),
            row("too much in all", "TOO_LARGE", async move {
                s.propose(|m| m.annexes = (0..17).map(|_| annex(ANNEX_LIMIT)).collect()).await
            }),
            row("too many annexes", "TOO_LARGE", async move {
                s.propose(|m| m.annexes = (0..100).map(|_| annex(1)).collect()).await
            }),
            row(
                "an oversized manifest",
                "TOO_LARGE",
                s.propose_bytes(|j| j.replace("Communiqu", &"C".repeat(600 << 10)).into_bytes()),
            ),
            row(
                "an oversized title",
                "MALFORMED",
                s.propose_bytes(|j| j.replace("Communiqu", &"C".repeat(2 << 10)).into_bytes()),
            ),
        ];
    for (what, title) in TITLES {
        rows.push(row(
            *what,
            "MALFORMED",
            s.propose_bytes(move |j| j.replace("Communiqué conjoint (exemple)", title).into_bytes()),
        ));
    }
    rows
}

/// Texts are looked at when a manifest first names them.
pub(super) fn texts<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    TEXTS
        .iter()
        .map(|(what, text)| {
            row(*what, "TEXT_RULES", async move { s.propose(|m| m.texts = vec![world::french(text)]).await })
        })
        .collect()
}

/// Content: whose it is, and that it is what was announced.
pub(super) fn content<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let bytes = b"some bytes";
    let chunk = || Part::Chunk(bytes.to_vec());
    vec![
        row("a digest that nobody has uploaded", "CONTENT_MISSING", async move {
            s.propose(|m| m.texts = vec![world::french(b"Jamais.\n")]).await
        }),
        row("a foreign blob's digest", "CONTENT_MISSING", async move {
            s.propose(|m| m.texts = vec![world::french("Texte du Sud.\n".as_bytes())]).await
        }),
        row("a digest of another communiqué of one's own", "CONTENT_MISSING", async move {
            s.propose(|m| m.communique = fresh()).await
        }),
        row("a text of another size", "WRONG_SIZE", async move { s.propose(|m| m.texts[0].size += 1).await }),
        row("a foreign blob, downloaded", "NOT_FOUND", async move { s.download("north", s.blank, s.souths).await }),
        row("one's own blob in another communiqué, downloaded", "NOT_FOUND", async move {
            s.download("north", s.drafting.communique, Digest::of("a\u{202e}b\n".as_bytes())).await
        }),
        row("a foreign blob that no manifest names yet, downloaded", "NOT_FOUND", async move {
            s.download("north", s.drafting.communique, s.souths).await
        }),
        row("a blob of a communiqué of others, downloaded", "NOT_FOUND", async move {
            s.download("north", s.foreign.communique, s.foreign.texts[0].sha256).await
        }),
        row("an upload of another digest", "WRONG_DIGEST", async move {
            s.upload(vec![s.header(bytes, |h| h.sha256 = Digest::of(b"other").to_string()), chunk()]).await
        }),
        row("a repeated upload with other bytes", "WRONG_DIGEST", async move {
            let other = vec![b'x'; GOOD.len()];
            s.upload(vec![s.header(GOOD.as_bytes(), |_| ()), Part::Chunk(other)]).await
        }),
        row("an upload shorter than announced", "WRONG_SIZE", async move {
            s.upload(vec![s.header(bytes, |h| h.size += 1), chunk()]).await
        }),
        row("an upload longer than announced", "WRONG_SIZE", async move {
            s.upload(vec![s.header(bytes, |h| h.size -= 1), chunk()]).await
        }),
        row("an upload longer than announced, that does not end", "WRONG_SIZE", async move {
            let mut client = ContentServiceClient::new(s.world.channel("north", Role::System).await);
            let parts = [s.header(bytes, |h| h.size -= 1), chunk()];
            let parts = parts.map(|part| v1::UploadContentRequest { part: Some(part) });
            let endless = futures_util::StreamExt::chain(tokio_stream::iter(parts), tokio_stream::pending());
            let answered = tokio::time::timeout(world::PATIENCE, client.upload_content(endless)).await;
            answered.map_or_else(|_| "nothing".into(), |answered| outcome(&answered))
        }),
        row("an upload of nothing", "MALFORMED", async move { s.upload(vec![s.header(b"", |_| ())]).await }),
        row("an upload that says nothing", "MALFORMED", async move { s.upload(vec![]).await }),
        row("an upload without a header", "MALFORMED", async move { s.upload(vec![chunk()]).await }),
        row("an upload with two headers", "MALFORMED", async move {
            s.upload(vec![s.header(bytes, |_| ()), s.header(bytes, |_| ()), chunk()]).await
        }),
        row("an upload with an empty chunk", "MALFORMED", async move {
            s.upload(vec![s.header(bytes, |_| ()), Part::Chunk(vec![]), chunk()]).await
        }),
        row("an upload with an oversized chunk", "TOO_LARGE", async move {
            let bytes = vec![b'x'; CHUNK_LIMIT + 1];
            s.upload(vec![s.header(&bytes, |_| ()), Part::Chunk(bytes)]).await
        }),
        row("an oversized upload", "TOO_LARGE", async move {
            s.upload(vec![s.header(bytes, |h| h.size = ANNEX_LIMIT + 1), chunk()]).await
        }),
        row("an upload for no communiqué", "MALFORMED", async move {
            s.upload(vec![s.header(bytes, |h| h.communique = "communiques/-".into()), chunk()]).await
        }),
        row("an upload with a digest in capitals", "MALFORMED", async move {
            s.upload(vec![s.header(bytes, |h| h.sha256 = h.sha256.to_uppercase()), chunk()]).await
        }),
        row("an upload that goes on where nothing is held", "WRONG_OFFSET", async move {
            s.upload(vec![s.header(bytes, |h| h.offset = 4), Part::Chunk(bytes[4..].to_vec())]).await
        }),
        row("an upload from beyond its end", "MALFORMED", async move {
            s.upload(vec![s.header(bytes, |h| h.offset = h.size + 1), chunk()]).await
        }),
        row("an upload that goes on with other bytes than it began with", "WRONG_DIGEST", async move {
            let other = vec![b'x'; GOOD.len() - 3];
            s.upload(vec![s.header(GOOD.as_bytes(), |h| h.offset = 3), Part::Chunk(other)]).await
        }),
        row("the state of an upload for no communiqué", "MALFORMED", async move {
            s.get_upload(|r| r.communique = "communiques/-".into()).await
        }),
        row("the state of an upload by a digest in capitals", "MALFORMED", async move {
            s.get_upload(|r| r.sha256 = r.sha256.to_uppercase()).await
        }),
        row("a download from beyond the end", "MALFORMED", async move {
            let mut client = ContentServiceClient::new(s.world.channel("north", Role::Official).await);
            let request = v1::DownloadContentRequest {
                communique: names::communique(s.blank),
                sha256: Digest::of(GOOD.as_bytes()).to_string(),
                offset: GOOD.len() as u64 + 1,
            };
            outcome(&client.download_content(request).await)
        }),
    ]
}
