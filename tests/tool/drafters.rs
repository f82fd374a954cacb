//! What drafters type: documents imported, texts checked by name and language, revisions compared.

use std::io::{Cursor, Write as _};

use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    desk::Desk,
    job::{exchange, official, reader},
};

fn zipped(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// As Word writes it, but for what nobody reads.
fn docx(body: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let types = "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'/>";
    let document = format!(
        "<w:document xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'><w:body>{body}</w:body></w:document>"
    );
    zipped(&[&[("[Content_Types].xml", types), ("word/document.xml", &document)], more].concat())
}

#[test]
fn documents_become_texts_and_what_is_dropped_is_said() {
    let desk = Desk::new();
    let body = "<w:p><w:r><w:t>Communiqué d\u{ad}’essai\u{200b}</w:t></w:r></w:p>\
        <w:p><w:r><w:t xml:space='preserve'>Les parties </w:t></w:r><w:r><w:footnoteReference/></w:r>\
        <w:ins><w:r><w:t>se félicitent.</w:t></w:r></w:ins><w:del><w:r><w:delText>se plaignent.</w:delText></w:r></w:del></w:p>\
        <w:tbl><w:tr><w:tc><w:p><w:r><w:t>cellule</w:t></w:r></w:p></w:tc></w:tr></w:tbl>\
        <w:p><w:pPr><w:numPr><w:numId w:val='1'/></w:numPr></w:pPr><w:r><w:t>Un point.</w:t></w:r></w:p>\
        <w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>caché</w:t></w:r></w:p>";
    desk.write("a.docx", docx(body, &[]));
    let text = "Communiqué d’essai\n\nLes parties se félicitent.\n\nUn point.\n";
    let ran = desk.run("text import a.docx --out a.txt").ends(0);
    let ran = ran.tells("3 paragraphs, 2 mended").tells("WARNING: the document has tracked changes");
    let ran = ran.tells("1 tracked insertion: kept").tells("1 tracked deletion: left out").tells("1 table: dropped");
    let ran = ran.tells("1 footnote: dropped").tells("1 hidden passage: dropped").tells("1 automatic number or bullet");
    assert!(ran.out.is_empty());
    assert_eq!(desk.read("a.txt"), text);
    desk.run("text check a.txt").ends(0);
    assert_eq!(desk.run("text import a.docx").ends(0).out, text, "to another program, the text alone");
    desk.run("text import a.docx --out a.txt").ends(1).tells("not overwritten");
    let json = desk.run("text import a.docx --json").ends(0).json();
    assert_eq!((&json["good"], &json["format"], &json["text"]), (&true.into(), &"docx".into(), &text.into()));
    assert_eq!((&json["paragraphs"], &json["tracked_changes"]), (&3.into(), &true.into()));
    let dropped = json["dropped"].as_array().unwrap();
    let tables = dropped.iter().find(|d| d["what"] == "tables").unwrap();
    assert_eq!(tables["count"], 1);

    let content = "<office:document-content xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0' \
        xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0'><office:body><office:text>\
        <text:p>نص\u{200f} تجريبي.</text:p></office:text></office:body></office:document-content>";
    desk.write("b.odt", zipped(&[("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", content)]));
    // What is left for a person is said, and its code is 1, as of `text clean`; a direction mark is a matter of the language.
    desk.run("text import b.odt").ends(1).tells("U+200F RIGHT-TO-LEFT MARK").tells("by a person");
    assert_eq!(desk.run("text import b.odt --lang ar").ends(0).out, "نص\u{200f} تجريبي.\n");
}

#[test]
fn documents_that_must_not_be_opened_are_refused() {
    let desk = Desk::new();
    let plain = "<w:p><w:r><w:t>a</w:t></w:r></w:p>";
    desk.write("macro.docm", docx(plain, &[("word/vbaProject.bin", "x")]));
    desk.run("text import macro.docm --out x.txt").ends(1).tells("carries programs (word/vbaProject.bin)");
    let mut locked = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec();
    locked.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    desk.write("locked.docx", locked);
    desk.run("text import locked.docx --out x.txt").ends(1).tells("encrypted").tells("without a password");
    desk.write("bomb.docx", docx(&" ".repeat(40 << 20), &[]));
    desk.run("text import bomb.docx --out x.txt").ends(1).tells("zip bomb");
    desk.write("text.docx", "Texte.\n");
    let json = desk.run("text import text.docx --out x.txt --json").ends(1);
    assert!(json.err.contains("\"DOCUMENT\""), "{}", json.err);
    // What a document calls its parts reaches no terminal raw.
    desk.write("nasty.docx", docx(plain, &[("word/\u{1b}[31m\u{202e}vbaProject.bin", "x")]));
    let nasty = desk.run("text import nasty.docx --out x.txt").ends(1);
    assert!(!nasty.err.contains(['\u{1b}', '\u{202e}']), "{}", nasty.err);
    desk.run("text import absent.docx").ends(1).tells("absent.docx");
    assert!(!desk.path("x.txt").exists());
}

#[test]
fn a_fault_has_a_place_and_its_character_a_name() {
    let desk = Desk::new();
    desk.write("a.txt", "Un mot.\n\nUn ac\u{ad}cord \u{202e}ici.\n");
    let bad = desk.run("text check a.txt").ends(1);
    let bad = bad.prints("line 3, column 6: a soft hyphen (U+00AD SOFT HYPHEN)");
    bad.prints("line 3, column 12").prints("(U+202E RIGHT-TO-LEFT OVERRIDE)");
    let json = desk.run("text check a.txt --json").ends(1).json();
    let fault = &json["files"][0]["faults"][0];
    assert_eq!((&fault["line"], &fault["column"]), (&3.into(), &6.into()));
    assert_eq!(fault["name"], "U+00AD SOFT HYPHEN");
    desk.run("text clean a.txt").ends(1).tells("line 3, column 6: invisible character removed (U+00AD SOFT HYPHEN)");
}

#[test]
fn language_versions_are_held_against_one_another() {
    let desk = Desk::new();
    desk.write("fr.txt", "Réunion d’essai du 3 avril 2025.\n\nOn compte 2\u{202f}035 places.\n");
    desk.write("en.txt", "Sample meeting of April 3, 2025.\n\nThere are 2,025 seats.\n");
    desk.write("ar.txt", "اجتماع تجريبي في ٣ أبريل ٢٠٢٥.\n\nهناك ٢٬٠٣٥ مقعدا.\n");
    desk.write("ru.txt", "Встреча примера 03.04.2025. Мест: 2\u{a0}035.\n");
    let fine = desk.run("text check fr=fr.txt ar=ar.txt").ends(0);
    assert!(!fine.out.contains("Worth a look"), "{}", fine.out);
    // A warning: the code stays 0.
    let warned = desk.run("text check fr=fr.txt en=en.txt ru=ru.txt").ends(0);
    let warned = warned.prints("fr paragraph 2 has 2\u{202f}035, en paragraph 2 has 2,025");
    warned.prints("fr has 2 paragraphs, ru has 1 paragraph");
    let json = desk.run("text check fr=fr.txt en=en.txt --json").ends(0).json();
    assert_eq!(json["misaligned"][0]["kind"], "numbers");
    assert_eq!(json["misaligned"][0]["right"], serde_json::json!(["en", ["2,025"]]));
    // By a draft, each in its own direction.
    desk.write(
        "draft.toml",
        "parties = ['north', 'south']\ntitles = { fr = 'a', en = 'b' }\n\
         texts = [{ lang = 'fr', file = 'fr.txt' }, { lang = 'en', file = 'en.txt' }]\n",
    );
    desk.run("text check draft.toml").ends(0).prints("en paragraph 2 has 2,025");
    // A file that is called so is the file.
    desk.write("fr=fr.txt", "\n");
    desk.run("text check fr=fr.txt").ends(1).prints("File “fr=fr.txt” has 1 fault");
    desk.run("text check xx=absent.txt").ends(1).tells("absent.txt");
}

const FIRST: &str = "Communiqué d’essai.\n\nLes parties se sont réunies le 3 avril 2025.\n\n\
                     Une salle de 2\u{202f}025 places fut choisie.\n\nElles remercient la ville d’accueil.\n\nFin d’essai.\n";
const SECOND: &str = "Communiqué d’essai.\n\nElles remercient la ville d’accueil.\n\nLes parties se sont réunies le 3 avril 2025.\n\n\
                      Une salle de 2\u{202f}035 places fut choisie.\n\nUn paragraphe tout neuf \u{ab}\u{a0}ici\u{a0}\u{bb}.\n";

fn draft(desk: &Desk, fr: &str, ar: &str, title: &str, deadline: &str) {
    desk.write("fr.txt", fr);
    desk.write("ar.txt", ar);
    desk.write(
        "draft.toml",
        format!(
            "parties = ['north', 'south']\ntitles = {{ fr = '{title}', ar = 'بيان تجريبي' }}\n\
             texts = [{{ lang = 'fr', file = 'fr.txt' }}, {{ lang = 'ar', file = 'ar.txt' }}]\n\
             [procedure]\ndeadline = '{deadline}'\n"
        ),
    );
}

#[test]
fn what_moved_is_told_as_moved() {
    let (desk, _served) = exchange();
    draft(&desk, FIRST, "اجتمع الطرفان أمس.\n", "Communiqué d’essai", "2999-01-01T00:00:00Z");
    let proposed = official(&desk, "north", "new draft.toml --json").ends(0);
    // The languages differ in paragraphs: said before it is sent, and sent all the same.
    let proposed = proposed.tells("ar has 1 paragraph, fr has 5 paragraphs").tells("Worth a look");
    let id = proposed.json()["communique"].as_str().unwrap().to_owned();
    reader(&desk, "south", &format!("show {id} --texts")).ends(0).prints("ar has 1 paragraph, fr has 5 paragraphs");
    draft(&desk, SECOND, "اجتمع الطرفان اليوم.\n", "Communiqué commun d’essai", "2999-02-01T00:00:00Z");
    official(&desk, "south", &format!("revise {id} draft.toml")).ends(0).tells("fr has 5 paragraphs");

    let diff = reader(&desk, "north", &format!("diff {id}")).ends(0);
    let diff = diff
        .prints("fr: 1 paragraph changed, 1 added, 1 removed, 1 moved; numbers changed: 2\u{202f}025 → 2\u{202f}035\n");
    let diff = diff.prints("ar: 1 paragraph changed\n").prints("titles changed; deadline changed\n");
    let diff = diff.prints("Titles\n  - fr: Communiqué d’essai\n  + fr: Communiqué commun d’essai\n");
    let diff = diff.prints("paragraph 4 moved to 2").prints("  > Elles remercient").prints("paragraph 5 is gone");
    let diff = diff
        .prints("“2\u{202f}025” becomes “2\u{202f}035”")
        .prints("“أمس” becomes “اليوم”")
        .prints("paragraph 5 is new");
    assert_eq!(diff.out.matches("Elles remercient").count(), 1, "{}", diff.out);
    assert!(!diff.out.contains("réunies"), "what stayed is not shown: {}", diff.out);

    let json = reader(&desk, "north", &format!("diff {id} --json")).ends(0).json();
    assert_eq!((&json["from"], &json["to"]), (&1.into(), &2.into()));
    let fr = &json["texts"]["fr"];
    assert_eq!(fr["summary"]["numbers"], serde_json::json!([["2\u{202f}025", "2\u{202f}035"]]));
    let moved = fr["changes"].as_array().unwrap().iter().find(|c| c["what"] == "moved").unwrap();
    assert_eq!((&moved["old"]["paragraph"], &moved["new"]["paragraph"]), (&4.into(), &2.into()));
    assert_eq!(json["members"][1]["member"], "deadline");

    // A narrow terminal: nothing is wider, nothing is lost.
    let line = format!("diff {id} --profile north-official.toml");
    let narrow = desk.program("communique").args(line.split(' ')).env("COLUMNS", "40").output().unwrap();
    let narrow = String::from_utf8(narrow.stdout).unwrap();
    let widest = narrow.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(40), "{narrow}");
    assert!(narrow.contains("  ┆ "), "{narrow}");
    reader(&desk, "north", &format!("diff {id} --from 2 --to 2")).ends(0).prints("Nothing that is read changed");
}
