//! Documents made by hand, tame and hostile.

use std::io::{Cursor, Write as _};

use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const TYPES: &str = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;
const RELS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#;

fn zipped(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn document(body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:document xmlns:w="{WORD}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"><w:body>{body}</w:body></w:document>"#
    )
}

fn docx_with(body: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let document = document(body);
    let mut entries = vec![("[Content_Types].xml", TYPES), ("_rels/.rels", RELS), ("word/document.xml", &document)];
    entries.extend(more);
    zipped(&entries)
}

fn docx(body: &str) -> Result<Imported, ImportFault> {
    import(&docx_with(body, &[]))
}

const ODF: &str = r#"xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0" xmlns:script="urn:oasis:names:tc:opendocument:xmlns:script:1.0""#;

fn odt_with(styles: &str, body: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let content = format!(
        "<office:document-content {ODF}><office:scripts/><office:automatic-styles>{styles}</office:automatic-styles><office:body><office:text>{body}</office:text></office:body></office:document-content>"
    );
    let mut entries = vec![("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", &content)];
    entries.extend(more);
    zipped(&entries)
}

fn odt(styles: &str, body: &str) -> Result<Imported, ImportFault> {
    import(&odt_with(styles, body, &[]))
}

fn read(imported: Result<Imported, ImportFault>) -> (Vec<String>, Vec<(Loss, usize)>) {
    let imported = imported.unwrap();
    (imported.paragraphs, imported.dropped.iter().map(|d| (d.what, d.count)).collect())
}

fn run(words: &str) -> String {
    format!("<w:r><w:t xml:space=\"preserve\">{words}</w:t></w:r>")
}

#[test]
fn what_a_docx_holds() {
    let t = |words: &str| run(words);
    for (body, paragraphs, dropped) in [
        (format!("<w:p>{}{}</w:p><w:p/><w:p>{}</w:p>", t("Un "), t("mot."), t("Deux.")), &["Un mot.", "Deux."][..], &[][..]),
        ("<w:p><w:r><w:t> a &amp; b&#233; </w:t><w:br/><w:t>c</w:t><w:tab/><w:t>d</w:t><w:noBreakHyphen/></w:r></w:p>".into(), &["a & bé\nc d\u{2011}"], &[]),
        // Outside of runs and paragraphs nothing is text.
        (format!("stray<w:p>stray{}stray</w:p><w:t>stray</w:t>", t("a")), &["a"], &[]),
        (format!("<w:p>{}</w:p><w:tbl><w:tr><w:tc><w:p>{}</w:p></w:tc></w:tr></w:tbl>", t("a"), t("cell")), &["a"], &[(Loss::Tables, 1)]),
        (
            format!("<w:p>{}<w:r><w:footnoteReference w:id=\"1\"/></w:r><w:r><w:endnoteReference w:id=\"1\"/></w:r><w:commentRangeStart w:id=\"0\"/>{}<w:r><w:commentReference w:id=\"0\"/></w:r></w:p>", t("a"), t("b")),
            &["ab"],
            &[(Loss::Footnotes, 1), (Loss::Endnotes, 1), (Loss::Comments, 1)],
        ),
        (format!("<w:p>{}<w:r><w:drawing><x/></w:drawing></w:r><w:r><w:pict/></w:r></w:p>", t("a")), &["a"], &[(Loss::Pictures, 2)]),
        (
            format!("<w:p>{}<w:r><mc:AlternateContent><mc:Choice Requires=\"wps\"><w:drawing><w:txbxContent><w:p>{}</w:p></w:txbxContent></w:drawing></mc:Choice><mc:Fallback><w:pict><w:txbxContent><w:p>{}</w:p></w:txbxContent></w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>", t("a"), t("box"), t("box")),
            &["a"],
            &[(Loss::TextBoxes, 1)],
        ),
        // Tracked changes, as if accepted.
        (
            format!("<w:p>{}<w:ins>{}</w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:moveFrom>{}</w:moveFrom><w:moveTo>{}</w:moveTo></w:p>", t("a"), t(" new"), t("moved"), t(" moved")),
            &["a new moved"],
            &[(Loss::Insertions, 1), (Loss::Deletions, 1), (Loss::Moves, 1)],
        ),
        (
            format!("<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr>{}</w:p><w:p>{}</w:p>", t("one "), t("two")),
            &["one two"],
            &[(Loss::Deletions, 1)],
        ),
        (format!("<w:p>{}<w:r><w:rPr><w:vanish/></w:rPr><w:t>hid</w:t></w:r></w:p>", t("a")), &["a"], &[(Loss::Hidden, 1)]),
        (format!("<w:p>{}<w:r><w:rPr><w:vanish w:val=\"0\"/><w:rPrChange><w:rPr><w:vanish/></w:rPr></w:rPrChange></w:rPr><w:t>b</w:t></w:r></w:p>", t("a")), &["ab"], &[]),
        (
            format!("<w:p><w:pPr><w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"3\"/></w:numPr></w:pPr>{}</w:p><w:p><w:pPr><w:numPr><w:numId w:val=\"0\"/></w:numPr></w:pPr>{}</w:p>", t("a"), t("1. b")),
            &["a", "1. b"],
            &[(Loss::AutomaticNumbers, 1)],
        ),
        (
            format!("<w:p><w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText> DATE </w:instrText></w:r>{}<w:r><w:fldChar w:fldCharType=\"separate\"/></w:r>{}<w:r><w:fldChar w:fldCharType=\"end\"/></w:r><w:fldSimple w:instr=\"HYPERLINK x\">{}</w:fldSimple><w:hyperlink>{}</w:hyperlink></w:p>", t("code"), t("3 mai"), t(" ici"), t(" là")),
            &["3 mai ici là"],
            &[(Loss::Fields, 1), (Loss::Links, 2)],
        ),
        (
            format!("<w:p>{}<w:r><w:rPr><w:vertAlign w:val=\"superscript\"/></w:rPr><w:t>2</w:t></w:r><w:r><w:rPr><w:strike/></w:rPr><w:t>s</w:t></w:r><w:r><w:rPr><w:caps/></w:rPr><w:t>c</w:t></w:r></w:p>", t("10")),
            &["102sc"],
            &[(Loss::Struck, 1), (Loss::Raised, 1), (Loss::Capitals, 1)],
        ),
        (format!("<w:p>{}<m:oMath><m:t>x</m:t></m:oMath><w:r><w:sym w:char=\"F0B7\"/></w:r></w:p><w:sectPr><w:headerReference/><w:footerReference/></w:sectPr>", t("a")), &["a"], &[(Loss::Formulas, 1), (Loss::HeadersFooters, 2), (Loss::Symbols, 1)]),
        (format!("<w:sdt><w:sdtPr><w:rPr><w:vanish/></w:rPr></w:sdtPr><w:sdtContent><w:p>{}</w:p></w:sdtContent></w:sdt>", t("a")), &["a"], &[]),
    ] {
        let (paragraphs, dropped) = (paragraphs.iter().map(ToString::to_string).collect(), dropped.to_vec());
        assert_eq!(read(docx(&body)), (paragraphs, dropped), "{body}");
    }
}

#[test]
fn what_styles_hide_or_number_is_found() {
    let styles = format!(
        r#"<w:styles xmlns:w="{WORD}"><w:style w:type="paragraph" w:styleId="N" w:default="1"><w:pPr/></w:style><w:style w:type="paragraph" w:styleId="H"><w:basedOn w:val="B"/></w:style><w:style w:type="paragraph" w:styleId="B"><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style><w:style w:type="character" w:styleId="V"><w:rPr><w:vanish/></w:rPr></w:style><w:style w:type="character" w:styleId="VV"><w:basedOn w:val="V"/></w:style></w:styles>"#
    );
    let body = "<w:p><w:pPr><w:pStyle w:val=\"H\"/></w:pPr><w:r><w:t>Titre</w:t></w:r></w:p><w:p><w:r><w:rPr><w:rStyle w:val=\"VV\"/></w:rPr><w:t>hid</w:t></w:r><w:r><w:t>seen</w:t></w:r></w:p>";
    let imported = import(&docx_with(body, &[("word/styles.xml", &styles)]));
    assert_eq!(
        read(imported),
        (vec!["Titre".into(), "seen".into()], vec![(Loss::Hidden, 1), (Loss::AutomaticNumbers, 1)])
    );
    // Hidden unless it says otherwise.
    let styles = format!(
        r#"<w:styles xmlns:w="{WORD}"><w:docDefaults><w:rPrDefault><w:rPr><w:vanish/></w:rPr></w:rPrDefault></w:docDefaults></w:styles>"#
    );
    let body =
        "<w:p><w:r><w:t>hid</w:t></w:r><w:r><w:rPr><w:vanish w:val=\"false\"/></w:rPr><w:t>seen</w:t></w:r></w:p>";
    let imported = import(&docx_with(body, &[("word/styles.xml", &styles)]));
    assert_eq!(read(imported), (vec!["seen".into()], vec![(Loss::Hidden, 1)]));
    // Styles that stand on one another in a ring end.
    let ring = format!(
        r#"<w:styles xmlns:w="{WORD}"><w:style w:styleId="A"><w:basedOn w:val="B"/></w:style><w:style w:styleId="B"><w:basedOn w:val="A"/></w:style></w:styles>"#
    );
    let body = "<w:p><w:pPr><w:pStyle w:val=\"A\"/></w:pPr><w:r><w:t>a</w:t></w:r></w:p>";
    assert_eq!(read(import(&docx_with(body, &[("word/styles.xml", &ring)]))).0, ["a"]);
}

#[test]
fn what_an_odt_holds() {
    let hidden = "<style:style style:name=\"T1\" style:family=\"text\"><style:text-properties text:display=\"none\"/></style:style><style:style style:name=\"T2\" style:family=\"text\" style:parent-style-name=\"T1\"/><style:style style:name=\"T3\" style:family=\"text\"><style:text-properties style:text-position=\"super 58%\"/></style:style>";
    for (body, paragraphs, dropped) in [
        (
            "<text:p>Un \n  mot<text:s text:c=\"2\"/>et<text:tab/>un<text:line-break/>autre.</text:p><text:p/><text:h>Titre</text:h>",
            &["Un mot  et un\nautre.", "Titre"][..],
            &[][..],
        ),
        (
            "<text:p>a<text:span text:style-name=\"T2\">hid</text:span>b<text:span>c<text:span text:style-name=\"T3\">2</text:span></text:span></text:p>",
            &["abc2"],
            &[(Loss::Hidden, 1), (Loss::Raised, 1)],
        ),
        (
            "<text:list><text:list-item><text:p>a</text:p><text:p>b</text:p></text:list-item><text:list-item><text:list><text:list-item><text:p>c</text:p></text:list-item></text:list></text:list-item></text:list>",
            &["a", "b", "c"],
            &[(Loss::AutomaticNumbers, 2)],
        ),
        (
            "<text:p>a<text:note text:note-class=\"footnote\"><text:note-body><text:p>n</text:p></text:note-body></text:note><text:note text:note-class=\"endnote\"/><office:annotation><text:p>c</text:p></office:annotation></text:p><table:table><text:p>t</text:p></table:table>",
            &["a"],
            &[(Loss::Tables, 1), (Loss::Footnotes, 1), (Loss::Endnotes, 1), (Loss::Comments, 1)],
        ),
        (
            "<text:p>a<draw:frame><draw:image/></draw:frame><draw:frame><draw:text-box><text:p>b</text:p></draw:text-box></draw:frame></text:p>",
            &["a"],
            &[(Loss::TextBoxes, 1), (Loss::Pictures, 1)],
        ),
        (
            "<text:tracked-changes><text:changed-region><text:insertion/></text:changed-region><text:changed-region><text:deletion><text:p>old</text:p></text:deletion></text:changed-region></text:tracked-changes><text:p>a<text:change-start/> new<text:change-end/></text:p>",
            &["a new"],
            &[(Loss::Insertions, 1), (Loss::Deletions, 1)],
        ),
        (
            "<text:p>a <text:date>3 mai</text:date> <text:a>ici</text:a><text:hidden-text>h</text:hidden-text></text:p><text:section text:display=\"none\"><text:p>s</text:p></text:section>",
            &["a 3 mai ici"],
            &[(Loss::Hidden, 2), (Loss::Fields, 1), (Loss::Links, 1)],
        ),
    ] {
        let (paragraphs, dropped) = (paragraphs.iter().map(ToString::to_string).collect(), dropped.to_vec());
        assert_eq!(read(odt(hidden, body)), (paragraphs, dropped), "{body}");
    }
    let styles = format!(
        "<office:document-styles {ODF}><text:outline-style><text:outline-level-style text:level=\"1\" style:num-format=\"1\"/><text:outline-level-style text:level=\"2\" style:num-format=\"\"/></text:outline-style><style:master-page><style:header><text:p>h</text:p></style:header><style:footer><text:p/></style:footer></style:master-page></office:document-styles>"
    );
    let body = "<text:h text:outline-level=\"1\">a</text:h><text:h text:outline-level=\"2\">b</text:h>";
    let imported = import(&odt_with("", body, &[("styles.xml", &styles)]));
    assert_eq!(
        read(imported),
        (vec!["a".into(), "b".into()], vec![(Loss::HeadersFooters, 1), (Loss::AutomaticNumbers, 1)])
    );
}

#[test]
fn what_must_not_be_opened_is_refused() {
    let plain = "<w:p><w:r><w:t>a</w:t></w:r></w:p>";
    let with = |entry: &str| import(&docx_with(plain, &[(entry, "x")]));
    for entry in ["word/vbaProject.bin", "word/vbaData.xml", "word/activeX/activeX1.xml"] {
        assert!(matches!(with(entry), Err(ImportFault::Programs(_))), "{entry}");
    }
    let types = TYPES.replace("wordprocessingml.document.main", "ms-word.document.macroEnabled.main");
    let document = document(plain);
    let macros = zipped(&[("[Content_Types].xml", &types), ("_rels/.rels", RELS), ("word/document.xml", &document)]);
    assert!(matches!(import(&macros), Err(ImportFault::Programs(_))));
    for entry in ["Basic/Standard/Module1.xml", "Scripts/python/a.py"] {
        let refused = import(&odt_with("", "<text:p>a</text:p>", &[(entry, "x")]));
        assert!(matches!(refused, Err(ImportFault::Programs(_))), "{entry}");
    }
    let listener = "<office:event-listeners><script:event-listener/></office:event-listeners><text:p>a</text:p>";
    assert!(matches!(odt("", listener), Err(ImportFault::Programs(_))));
    let manifest = "<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\"><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>";
    let locked = odt_with("", "<text:p>a</text:p>", &[("META-INF/manifest.xml", manifest)]);
    assert_eq!(import(&locked), Err(ImportFault::Encrypted));

    let mut compound = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1].to_vec();
    assert!(matches!(import(&compound), Err(ImportFault::Other(why)) if why.to_string().contains(".doc)")));
    compound.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(import(&compound), Err(ImportFault::Encrypted));

    // A zip's own password.
    let mut locked = docx_with(plain, &[]);
    for signature in [b"PK\x03\x04", b"PK\x01\x02"] {
        let flags = if signature[2] == 3 { 6 } else { 8 };
        let starts: Vec<_> = locked.windows(4).enumerate().filter(|(_, w)| w == signature).map(|(at, _)| at).collect();
        for at in starts {
            locked[at + flags] |= 1;
        }
    }
    assert_eq!(import(&locked), Err(ImportFault::Encrypted));

    assert!(matches!(import(b""), Err(ImportFault::Other(_))));
    assert!(matches!(import(b"Texte."), Err(ImportFault::Other(_))));
    assert!(matches!(import(&zipped(&[("a", "b")])), Err(ImportFault::Other(_))));
    let sheet = zipped(&[("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", "<a/>")]);
    assert!(matches!(import(&sheet), Err(ImportFault::Other(_))));
    let none = docx("<w:tbl/>");
    assert_eq!(none, Err(ImportFault::NoText(vec![Dropped { what: Loss::Tables, count: 1 }])));
}

#[test]
fn hostile_files_end_soon_and_well() {
    let refused = |body: &str| docx(body).unwrap_err();
    let whole = |xml: &str| {
        import(&zipped(&[("[Content_Types].xml", TYPES), ("_rels/.rels", RELS), ("word/document.xml", xml)]))
            .unwrap_err()
    };
    let laughs = "<!DOCTYPE d [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]>";
    assert!(matches!(whole(&format!("{laughs}<d>&b;</d>")), ImportFault::DocumentType(_)));
    assert!(matches!(refused("<w:p><w:r><w:t>&b;</w:t></w:r></w:p>"), ImportFault::Damaged(..)));
    assert!(matches!(refused("<w:p><w:r><w:t>&#0;</w:t></w:r></w:p>"), ImportFault::Damaged(..)));
    assert!(matches!(refused(&"<w:sdt>".repeat(DEPTH_LIMIT)), ImportFault::TooDeep(_)));
    assert!(matches!(refused("<w:tbl>"), ImportFault::Damaged(..)));
    assert!(matches!(refused("<w:p><w:p></w:p></w:p>"), ImportFault::Damaged(..)));
    assert!(matches!(
        refused("<w:p><w:r><w:fldChar w:fldCharType=\"begin\"/><w:t>a</w:t></w:r></w:p>"),
        ImportFault::Damaged(..)
    ));
    assert!(matches!(whole("<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>"), ImportFault::Damaged(..)));
    assert!(matches!(whole("<a"), ImportFault::Damaged(..)));

    let many: String = (0..1000).map(|n| format!(" xmlns:n{n}=\"u{n}\"")).collect();
    assert!(matches!(whole(&format!("<a{many}/>")), ImportFault::Damaged(..)));

    let many = " a=\"\"".repeat(ATTRIBUTES_LIMIT + 1);
    assert!(
        matches!(whole(&format!("<a{many}/>")), ImportFault::Damaged(_, why) if why.to_string().contains("too many"))
    );

    // A bomb: a few kilobytes that come to megabytes.
    let bomb = " ".repeat(40 << 20);
    assert!(matches!(refused(&bomb), ImportFault::Bomb(_)));
    // A long text, too long all the same.
    let mut state = 1_u64;
    let noise: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    })
    .take(WORDS_LIMIT + 1)
    .collect();
    assert!(matches!(
        refused(&format!("<w:p>{}</w:p>", run(&noise))),
        ImportFault::TooLarge { what: Measured::Text, .. }
    ));
    assert!(matches!(import(&vec![0; FILE_LIMIT + 1]), Err(ImportFault::TooLarge { what: Measured::File, .. })));
    let names: Vec<_> = (0..=ENTRIES_LIMIT).map(|n| n.to_string()).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(import(&zipped(&entries)), Err(ImportFault::TooManyEntries));
}

/// Whatever byte is cut or turned: an answer, never a panic.
#[test]
fn damaged_files_are_answered() {
    let body = "<w:p><w:pPr><w:pStyle w:val=\"a\"/></w:pPr><w:ins><w:r><w:t>Un mot.</w:t></w:r></w:ins></w:p><w:tbl/>";
    for good in [docx_with(body, &[]), odt_with("", "<text:p>a<text:span>b</text:span></text:p>", &[])] {
        import(&good).unwrap();
        for at in 0..good.len() {
            let _ = import(&good[..at]);
            for bit in [1, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= bit;
                let _ = import(&bad);
            }
        }
    }
    let text = document(body);
    for (at, _) in text.char_indices() {
        for damage in ["<", "&", "\"", "</w:p>", "]]>", "<!--"] {
            let damaged = [&text[..at], damage, &text[at..]].concat();
            let _ = import(&zipped(&[("[Content_Types].xml", TYPES), ("word/document.xml", &damaged)]));
        }
    }
}
