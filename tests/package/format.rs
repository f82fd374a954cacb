//! `docs/FORMAT.md` is true: its example, its limits, its checks.

use std::io::Cursor;

use super::outcome;
use crate::played::Plan;
use communique::{
    domain::{
        act::Act,
        certified::CertifiedCopy,
        charter::{self, Adoption, Charter},
        entry::{self, Entry},
        id::Digest,
        json::{self, Form},
        life,
        manifest::{self, Manifest},
        powers::{self, Powers, Revocation},
        register,
        remark::{REMARKS_BYTES_LIMIT, REMARKS_LIMIT, Remark},
        statement, succession,
        text::TEXT_LIMIT,
        trust::{self, Trust},
        words,
    },
    package::{
        bag,
        check::Check,
        evidence::{ORIGINALS_ENTRIES_LIMIT, PROOF_LIMIT, STAMP_LIMIT},
        write::{PARTY_FILES_LIMIT, PARTY_RECORDS_LIMIT, RECORDS_LIMIT},
        zip::{ARCHIVE_MAX, Archive, Limits},
    },
};

const FORMAT: &str = include_str!("../../docs/FORMAT.md");

/// The lines of the blocks that begin with this word, with what follows it on the fence.
fn blocks(word: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let fence = format!("```{word} ");
    let mut rest = FORMAT.lines();
    let mut found = vec![];
    while let Some(line) = rest.next() {
        if let Some(name) = line.strip_prefix(&fence) {
            found.push((name, rest.by_ref().take_while(|l| *l != "```").collect()));
        }
    }
    found
}

#[test]
fn the_format_shows_a_true_example() {
    let played = Plan::example().play();
    assert_eq!(outcome(&played), "proven: Null");
    let text = |path: &str| String::from_utf8(played.files[path].clone()).unwrap();
    let exact = blocks("exact");
    assert!(exact.len() >= 5);
    for (path, lines) in exact {
        assert_eq!(lines.concat(), text(path), "{path}");
    }
    assert!(!blocks("lines").is_empty());
    for (path, lines) in blocks("lines") {
        assert_eq!(lines.join("\n") + "\n", text(path), "{path}");
    }
    for (part, word) in ["header", "payload"].into_iter().enumerate() {
        assert!(!blocks(word).is_empty());
        for (path, lines) in blocks(word) {
            let compact = text(path);
            let decoded = json::unbase64(compact.split('.').nth(part).unwrap()).unwrap();
            assert_eq!(lines.concat().as_bytes(), decoded, "{path}");
        }
    }
    let names = Archive::open(Cursor::new(&played.zip), Limits::PACKAGE).unwrap();
    let listing: String =
        names.entries().iter().map(|e| format!("{:>7}  {}\n", e.size, e.name.split_once('/').unwrap().1)).collect();
    assert!(FORMAT.contains(&format!("```listing\n{listing}```")), "the listing is\n{listing}");
    assert!(FORMAT.contains(&format!("`{}`, is the manifest's name", played.manifest.digest())));
}

#[test]
fn the_format_names_every_check_and_limit() {
    let rows: Vec<_> = Check::ALL.iter().map(|c| format!("| `{}` | {} |", c.id(), c.line())).collect();
    assert!(FORMAT.contains(&format!("| check | what must hold |\n| --- | --- |\n{}\n\n", rows.join("\n"))));
    let package = Limits::PACKAGE;
    let limits: &[(&str, u64)] = &[
        ("a charter", Charter::LIMIT as u64),
        ("an adoption, its payload", Adoption::LIMIT as u64),
        ("a trust statement, its payload", Trust::LIMIT as u64),
        ("full powers, their payload", Powers::LIMIT as u64),
        ("a revocation, its payload", Revocation::LIMIT as u64),
        ("a manifest", Manifest::LIMIT as u64),
        ("an act, its payload", Act::LIMIT as u64),
        ("a remark", Remark::LIMIT as u64),
        ("*remarks of a party on a communiqué*", REMARKS_LIMIT),
        ("*remarks of a party on a communiqué, together*", REMARKS_BYTES_LIMIT),
        ("a certified copy, its payload", CertifiedCopy::LIMIT as u64),
        ("an entry", Entry::LIMIT as u64),
        ("a statement in compact form", statement::STATEMENT_LIMIT as u64),
        ("a certificate in DER", charter::CERTIFICATE_LIMIT as u64),
        ("a line of text", words::LINE_LIMIT as u64),
        ("prose", words::PROSE_LIMIT as u64),
        ("a text", TEXT_LIMIT as u64),
        ("an annex", manifest::ANNEX_LIMIT),
        ("all texts and annexes of a manifest", manifest::PARTS_LIMIT),
        ("*the same, with the package of what it corrects*", manifest::PARTS_LIMIT),
        ("*entries in the package of what it corrects, and in those below it*", ORIGINALS_ENTRIES_LIMIT as u64),
        (
            "all records of a package (and its README, certified copy, and tag files but the tag manifests)",
            RECORDS_LIMIT as u64,
        ),
        ("a proof of the evidence", PROOF_LIMIT as u64),
        ("a time stamp", STAMP_LIMIT as u64),
        ("charters and adoptions before no further charter is put forward", succession::SUCCESSION_BYTES_LIMIT as u64),
        ("*what one party brings into a package by its acts on one revision*", PARTY_RECORDS_LIMIT as u64),
        ("*the same, in files*", PARTY_FILES_LIMIT as u64),
        ("languages of a document, and of a declaration", words::LANGUAGES_LIMIT as u64),
        ("parties of a charter, and of a manifest", charter::PARTIES_LIMIT as u64),
        ("quorum of a party", charter::QUORUM_LIMIT),
        ("annexes", manifest::ANNEXES_LIMIT as u64),
        ("revisions of a communiqué", manifest::REVISIONS_LIMIT),
        ("sum of all quorums of a charter", charter::SEATS_LIMIT),
        ("entries of `exchange` before no further charter is put forward", succession::SUCCESSION_ENTRIES_LIMIT),
        ("adoptions of a party over one charter", succession::ADOPTIONS_LIMIT as u64),
        ("seconds from putting a charter forward to its `adopt_by`", succession::ADOPTION_PERIOD as u64),
        ("objections, and declarations, of a party on one revision", life::TALK_LIMIT as u64),
        ("signatures of a kind of a party on one revision, beyond its quorum", life::SPARE_SIGNATURES),
        ("originals below one another", manifest::RECTIFICATIONS_LIMIT as u64),
        ("grants of a party", register::GRANTS_LIMIT as u64),
        ("communiqués that full powers list", powers::SCOPE_LIMIT as u64),
        ("CA certificates in a trust statement", trust::AUTHORITIES_LIMIT as u64),
        ("revoked certificates in a trust statement", trust::REVOKED_LIMIT as u64),
        ("documents, and statements, that an entry names", entry::NAMED_LIMIT as u64),
        ("files that `published` lists", entry::FILES_LIMIT as u64),
        ("an archive", ARCHIVE_MAX),
        ("files of an archive", package.entries as u64),
        ("a file of an archive", package.file),
        ("length of a name in an archive", package.name as u64),
        ("clock tolerance in seconds", life::CLOCK_TOLERANCE as u64),
    ];
    let grouped = |n: u64| {
        let digits = n.to_string();
        let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
        groups.join(",")
    };
    let rows: Vec<_> = limits.iter().map(|(name, value)| format!("| {name} | {} |", grouped(*value))).collect();
    let table = format!("| limit | value |\n| --- | --- |\n{}\n\n", rows.join("\n"));
    assert!(FORMAT.contains(&table), "the table is\n{table}");
    let constant =
        format!("{} bytes, SHA-256 `{}`", grouped(bag::README.len() as u64), Digest::of(bag::README.as_bytes()));
    assert!(FORMAT.contains(&constant), "the README is {constant}");
}
