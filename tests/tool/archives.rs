//! Hostile archives before the real tool, in an empty folder: refused by a check with an id, nothing written, and within bounds
//! of memory and time, whatever they claim.

use std::{
    fs,
    io::{BufRead as _, BufReader, Lines, Write as _},
    process::{Child, ChildStdout, Command, Stdio},
};

use communique::domain::{charter::Der, id::Digest, manifest::Initialling};
use flate2::{Compression, write::DeflateEncoder};

use crate::{
    desk::Desk,
    missing::missing,
    played::{Plan, Turn, join, start},
};

/// Most memory that a verification may take, in kB.
const MEMORY: u64 = 256 * 1024;
/// Longest that one may take, in seconds of the processor: what else the machine does is not its fault.
const SECONDS: f64 = 10.0;
const FOLDER: &str = "communique-01a207a2-3280-7707-8707-070707070707";

/// A header's fields, both headers', as they are written.
#[derive(Clone)]
struct Header {
    made_by: u16,
    needed: u16,
    flags: u16,
    method: u16,
    time: u16,
    date: u16,
    crc: u32,
    compressed: u32,
    size: u32,
    name: Vec<u8>,
    extra: Vec<u8>,
    comment: Vec<u8>,
    disk: u16,
    internal: u16,
    external: u32,
}

/// A file in an archive, with headers that need not agree.
#[derive(Clone)]
struct Entry {
    local: Header,
    central: Header,
    data: Vec<u8>,
    /// Where the central header says that it is, if not where it is.
    offset: Option<u32>,
    /// Whether it has a local header and contents.
    there: bool,
}

/// An archive.
#[derive(Clone, Default)]
struct Zip {
    before: Vec<u8>,
    entries: Vec<Entry>,
    /// Whether zip64's records stand between the directory and the end record.
    zip64: bool,
    comment: Vec<u8>,
    after: Vec<u8>,
    /// Bytes of the end record, by offset, instead of the right ones.
    end: Vec<(usize, Vec<u8>)>,
}

impl Entry {
    fn new(name: &[u8], method: u16, plain: &[u8], data: Vec<u8>) -> Self {
        let header = Header {
            made_by: 0x030A,
            needed: 10,
            flags: 0,
            method,
            time: 0x4900,
            date: 0x5D77,
            crc: crc32fast::hash(plain),
            compressed: u32::try_from(data.len()).unwrap(),
            size: u32::try_from(plain.len()).unwrap(),
            name: name.to_vec(),
            extra: vec![],
            comment: vec![],
            disk: 0,
            internal: 0,
            external: 0x81A4_0000,
        };
        Self { local: header.clone(), central: header, data, offset: None, there: true }
    }
    fn stored(name: &str, plain: &[u8]) -> Self {
        Self::new(name.as_bytes(), 0, plain, plain.to_vec())
    }
    /// Deflated as a common encoder does.
    fn squeezed(name: &str, plain: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(vec![], Compression::best());
        encoder.write_all(plain).unwrap();
        Self::new(name.as_bytes(), 8, plain, encoder.finish().unwrap())
    }
    fn both(mut self, change: impl Fn(&mut Header)) -> Self {
        change(&mut self.local);
        change(&mut self.central);
        self
    }
    fn write(&self, zip: &mut Vec<u8>, directory: &mut Vec<u8>) {
        let at = u32::try_from(zip.len()).unwrap();
        let shared = |out: &mut Vec<u8>, h: &Header| {
            for field in [h.needed, h.flags, h.method, h.time, h.date] {
                out.extend(field.to_le_bytes());
            }
            for field in [h.crc, h.compressed, h.size] {
                out.extend(field.to_le_bytes());
            }
            for length in [h.name.len(), h.extra.len()] {
                out.extend(u16::try_from(length).unwrap().to_le_bytes());
            }
        };
        if self.there {
            zip.extend(b"PK\x03\x04");
            shared(zip, &self.local);
            [&self.local.name, &self.local.extra, &self.data].into_iter().for_each(|piece| zip.extend(piece));
        }
        let h = &self.central;
        directory.extend(b"PK\x01\x02");
        directory.extend(h.made_by.to_le_bytes());
        shared(directory, h);
        for field in [u16::try_from(h.comment.len()).unwrap(), h.disk, h.internal] {
            directory.extend(field.to_le_bytes());
        }
        directory.extend(h.external.to_le_bytes());
        directory.extend(self.offset.unwrap_or(at).to_le_bytes());
        [&h.name, &h.extra, &h.comment].into_iter().for_each(|piece| directory.extend(piece));
    }
}

impl Zip {
    /// Three files, as in a package.
    fn good() -> Self {
        let names = ["bagit.txt", "data/communique.json", "data/texts/fr.txt"];
        let contents: [&[u8]; 3] = [b"BagIt-Version: 1.0\n", b"x", b"y"];
        let entries = names.iter().zip(contents).map(|(name, plain)| Entry::stored(&format!("{FOLDER}/{name}"), plain));
        Self { entries: entries.collect(), ..Self::default() }
    }
    fn with(entry: Entry) -> Self {
        let mut zip = Self::good();
        zip.entries.push(entry);
        zip
    }
    /// The same, but for this in its second file.
    fn changed(change: impl FnOnce(&mut Entry)) -> Self {
        let mut zip = Self::good();
        change(&mut zip.entries[1]);
        zip
    }
    fn bytes(&self) -> Vec<u8> {
        let (mut zip, mut directory) = (self.before.clone(), vec![]);
        self.entries.iter().for_each(|entry| entry.write(&mut zip, &mut directory));
        let offset = u32::try_from(zip.len()).unwrap();
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        let count = (self.entries.len() & 0xFFFF) as u16;
        end.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
        end.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
        end.extend(offset.to_le_bytes());
        end.extend(u16::try_from(self.comment.len()).unwrap().to_le_bytes());
        for (at, bytes) in &self.end {
            end[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        let zip64 = if self.zip64 { self.zip64(u64::from(offset), directory.len() as u64) } else { vec![] };
        [zip, directory, zip64, end, self.comment.clone(), self.after.clone()].concat()
    }
}

impl Zip {
    /// Zip64's end record and its locator, both right (APPNOTE 4.3.14, 4.3.15).
    fn zip64(&self, offset: u64, directory: u64) -> Vec<u8> {
        let mut records = b"PK\x06\x06".to_vec();
        records.extend(44_u64.to_le_bytes());
        records.extend([45_u16.to_le_bytes(), 45_u16.to_le_bytes()].concat());
        records.extend([0; 8]); // disks
        for number in [self.entries.len() as u64, self.entries.len() as u64, directory, offset] {
            records.extend(number.to_le_bytes());
        }
        records.extend(b"PK\x06\x07\0\0\0\0");
        records.extend((offset + directory).to_le_bytes());
        records.extend(1_u32.to_le_bytes());
        records
    }
}

/// What the tool said, and what it took.
struct Judged {
    code: i32,
    out: String,
    /// Most memory that it held, in kB.
    memory: u64,
    seconds: f64,
}

/// Runs the tool in an empty folder, by a program that measures what each run took.
struct Judge {
    desk: Desk,
    child: Child,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Judge {
    /// None if what measures is missing.
    fn begin() -> Option<Self> {
        const MEASURE: &str = "import json, os, subprocess, sys\n\
            for line in sys.stdin:\n\
            \x20   child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)\n\
            \x20   out = child.stdout.read().decode()\n\
            \x20   _, status, usage = os.wait4(child.pid, 0)\n\
            \x20   print(json.dumps([os.waitstatus_to_exitcode(status), out, usage.ru_maxrss, usage.ru_utime + usage.ru_stime]), flush=True)\n";
        let desk = Desk::new();
        let empty = desk.path("empty");
        fs::create_dir(&empty).unwrap();
        let mut command = Command::new("python3");
        command
            .args(["-c", MEASURE])
            .arg(assert_cmd::cargo::cargo_bin("communique"))
            .args(["verify", "../package.zip"]);
        command.current_dir(&empty).env("HOME", &empty).env("TMPDIR", &empty).env_remove("COLUMNS");
        let Ok(mut child) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
            missing("python3", "install Debian's package python3");
            return None;
        };
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Self { desk, child, answers })
    }
    fn judge(&mut self, zip: &[u8]) -> Judged {
        self.desk.write("package.zip", zip);
        writeln!(self.child.stdin.as_mut().unwrap()).unwrap();
        let answer = self.answers.next().unwrap().unwrap();
        let (code, out, memory, seconds) = serde_json::from_str(&answer).unwrap();
        // Nothing in it, and nothing beside it.
        let lies = |folder: &str| -> Vec<_> {
            let found = fs::read_dir(self.desk.path(folder)).unwrap();
            let mut names: Vec<_> = found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!((lies("empty"), lies(".")), (vec![], vec!["empty".into(), "package.zip".into()]), "written");
        Judged { code, out, memory, seconds }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn every_hostile_archive() -> Vec<(String, Vec<u8>)> {
    let named = |name: &str| Zip::with(Entry::stored(name, b"x"));
    let mut all: Vec<(String, Zip)> = vec![];
    for name in [
        "../slip",
        "communique/../../slip",
        "a/../b",
        "..",
        ".",
        "./x",
        "/etc/passwd",
        "//host/share",
        "C:/x",
        "C:\\x",
        "c:x",
        "..\\slip",
        "a\\b",
        "a\0b",
        "a\nb",
        "\u{202e}gpj",
        "é",
        "a b",
        "",
        "a//b",
        "a/",
        "CON.",
        "x.",
        "~/x:y",
    ] {
        all.push((format!("the name {name:?}"), named(name)));
    }
    all.push(("a long name".into(), named(&"n".repeat(256))));
    all.push(("the longest name".into(), named(&"n".repeat(65_535))));
    let first = format!("{FOLDER}/bagit.txt");
    for (what, name) in [
        ("a name twice", first.clone()),
        ("a name in capitals", first.to_uppercase()),
        ("a file that is a folder", FOLDER.to_owned()),
        ("a folder that is a file", format!("{first}/x")),
        ("a folder in capitals", format!("{}/x", FOLDER.to_uppercase())),
    ] {
        all.push((what.into(), named(&name)));
    }
    // Both headers, then each alone.
    type Change = fn(&mut Header);
    let fields: &[(&str, Change)] = &[
        ("made by DOS", |h| h.made_by = 20),
        ("a later version", |h| h.needed = 45),
        ("encrypted", |h| h.flags = 1),
        ("strongly encrypted", |h| h.flags = 0x41),
        ("a data descriptor", |h| h.flags = 8),
        ("UTF-8", |h| h.flags = 0x800),
        ("a patch", |h| h.flags = 0x20),
        ("shrunk", |h| h.method = 1),
        ("deflate64", |h| h.method = 9),
        ("bzip2", |h| h.method = 12),
        ("LZMA", |h| h.method = 14),
        ("Zstandard", |h| h.method = 93),
        ("AES", |h| h.method = 99),
        ("said to be deflated", |h| h.method = 8),
        ("another time", |h| h.time ^= 1),
        ("no time", |h| h.time = 0xFFFF),
        ("no date", |h| h.date = 0),
        ("another checksum", |h| h.crc ^= 1),
        ("said to be longer", |h| (h.compressed, h.size) = (2, 2)),
        ("said to be empty", |h| (h.compressed, h.size) = (0, 0)),
        ("said to be huge", |h| (h.compressed, h.size) = (0xFFFF_FFFE, 0xFFFF_FFFE)),
        ("compressed to nothing", |h| h.compressed = 0),
        ("said to hold 1 GiB", |h| h.size = 0x4000_0000),
        ("zip64 sizes", |h| (h.compressed, h.size) = (u32::MAX, u32::MAX)),
        ("a zip64 extra field", |h| h.extra = [&[1, 0, 16, 0][..], &[1, 0, 0, 0, 0, 0, 0, 0].repeat(2)].concat()),
        ("a Unicode name", |h| h.extra = b"up\x09\0\x01\0\0\0\0abcd".to_vec()),
        ("an extra field", |h| h.extra = vec![0xFF; 4]),
        ("a broken extra field", |h| h.extra = vec![0xFF; 3]),
        ("the longest extra field", |h| h.extra = vec![0; 65_535]),
        ("a comment", |h| h.comment = b"x".to_vec()),
        ("another disk", |h| h.disk = 1),
        ("text", |h| h.internal = 1),
        ("a symbolic link", |h| h.external = 0o120_777 << 16),
        ("a device", |h| h.external = 0o060_666 << 16),
        ("a folder", |h| h.external = 0o040_755 << 16 | 0x10),
        ("setuid", |h| h.external = 0o104_755 << 16),
        ("another name", |h| h.name = format!("{FOLDER}/other.txt").into_bytes()),
    ];
    for (n, (what, change)) in fields.iter().enumerate() {
        all.push((format!("{what}, in both"), Zip::changed(|entry| *entry = entry.clone().both(change))));
        // A name in both is another file, which the next check misses.
        if n + 1 == fields.len() {
            all.pop();
        }
        all.push((format!("{what}, in the directory"), Zip::changed(|entry| change(&mut entry.central))));
        let local = ["made by DOS", "a comment", "another disk", "text"].contains(what)
            || fields[n].0.starts_with("a symbolic")
            || ["a device", "a folder", "setuid"].contains(what);
        if !local {
            all.push((format!("{what}, before the contents"), Zip::changed(|entry| change(&mut entry.local))));
        }
    }
    all.push(("entries on one content".into(), {
        let mut zip = Zip::good();
        let twin = Entry { offset: Some(0), there: false, ..zip.entries[0].clone() };
        zip.entries.push(Entry {
            central: Header { name: format!("{FOLDER}/x").into_bytes(), ..twin.central.clone() },
            ..twin
        });
        zip
    }));
    all.push(("an offset before".into(), Zip::changed(|entry| entry.offset = Some(0))));
    all.push(("an offset behind".into(), Zip::changed(|entry| entry.offset = Some(u32::MAX - 1))));
    all.push(("an offset of zip64".into(), Zip::changed(|entry| entry.offset = Some(u32::MAX))));
    all.push(("no contents".into(), Zip::changed(|entry| entry.there = false)));
    for (what, at, bytes) in [
        ("disk", 4, vec![1, 0]),
        ("disk of the directory", 6, vec![1, 0]),
        ("files on this disk", 8, vec![1, 0]),
        ("fewer files", 8, vec![2, 0, 2, 0]),
        ("more files", 8, vec![9, 0, 9, 0]),
        ("no files", 8, vec![0; 4]),
        ("zip64 files", 8, vec![0xFF; 4]),
        ("a long directory", 12, vec![0, 0, 0, 1]),
        ("an empty directory", 12, vec![0; 4]),
        ("zip64 directory", 12, vec![0xFF; 8]),
        ("a directory at the start", 16, vec![0; 4]),
        ("a comment that is not there", 20, vec![9, 0]),
    ] {
        all.push((format!("end record: {what}"), Zip { end: vec![(at, bytes)], ..Zip::good() }));
    }
    all.push(("a comment".into(), Zip { comment: b"PK\x05\x06 not the end".to_vec(), ..Zip::good() }));
    all.push(("something after it".into(), Zip { after: vec![0], ..Zip::good() }));
    all.push(("an archive after it".into(), Zip { after: Zip::good().bytes(), ..Zip::good() }));
    all.push(("a program before it".into(), Zip { before: b"MZ\x90\0".repeat(100), ..Zip::good() }));
    all.push(("zip64 records".into(), Zip { zip64: true, ..Zip::good() }));
    // More than fits, said in three ways.
    let many: Vec<_> = (0..70_000).map(|n| Entry::stored(&format!("{FOLDER}/data/{n}"), b"")).collect();
    all.push(("70,000 files".into(), Zip { entries: many.clone(), ..Zip::default() }));
    all.push((
        "70,000 files, by zip64".into(),
        Zip { entries: many.clone(), zip64: true, end: vec![(8, vec![0xFF; 12])], ..Zip::default() },
    ));
    all.push(("65,001 files".into(), Zip { entries: many[..65_001].to_vec(), ..Zip::default() }));
    // Bombs: told, untold, of one content for many.
    let zeros = vec![0; 64 << 20];
    all.push(("a bomb".into(), Zip::with(Entry::squeezed(&format!("{FOLDER}/bomb"), &zeros))));
    for size in [0, 1, 65_536, 500_000] {
        let liar = Entry::squeezed(&format!("{FOLDER}/data/communique.json"), &zeros).both(|h| h.size = size);
        all.push((format!("a bomb that says {size}"), Zip { entries: vec![liar], ..Zip::default() }));
    }
    // Two terabytes in three megabytes.
    let kernel = Entry::squeezed(&format!("{FOLDER}/data/0"), &zeros);
    let again = (1..32_768).map(|n| {
        let central = Header { name: format!("{FOLDER}/data/{n}").into_bytes(), ..kernel.central.clone() };
        Entry { central, offset: Some(0), there: false, ..kernel.clone() }
    });
    all.push((
        "a bomb of one content".into(),
        Zip { entries: [kernel.clone()].into_iter().chain(again).collect(), ..Zip::default() },
    ));
    let mut all: Vec<_> = all.into_iter().map(|(what, zip)| (what, zip.bytes())).collect();
    for (what, bytes) in [
        ("nothing", vec![]),
        ("no zip", b"PK".to_vec()),
        ("an end alone", b"PK\x05\x06".iter().chain(&[0; 18]).copied().collect()),
    ] {
        all.push((what.into(), bytes));
    }
    all.push(("zeros".into(), zeros));
    all
}

#[test]
fn no_hostile_archive_is_let_in_or_costs_much() {
    let Some(mut judge) = Judge::begin() else { return };
    // What all of these were made from fails as a package, and not as an archive.
    let good = judge.judge(&Zip::good().bytes()).out;
    assert!(good.starts_with("FAILED at ") && !good.starts_with("FAILED at ZIP"), "{good}");
    let (mut memory, mut seconds) = ((0, String::new()), (0.0, String::new()));
    let all = every_hostile_archive();
    let count = all.len();
    for (what, zip) in all {
        let judged = judge.judge(&zip);
        assert_eq!(judged.code, 1, "{what}: {}", judged.out);
        assert!(judged.out.starts_with("FAILED at ZIP: “../package.zip”\n"), "{what}: {}", judged.out);
        assert!(
            judged.memory <= MEMORY && judged.seconds <= SECONDS,
            "{what}: {} kB, {} s",
            judged.memory,
            judged.seconds
        );
        if judged.memory > memory.0 {
            memory = (judged.memory, what.clone());
        }
        if judged.seconds > seconds.0 {
            seconds = (judged.seconds, what);
        }
    }
    eprintln!(
        "{count} hostile archives; most memory {} kB ({}), longest {:.2} s ({})",
        memory.0, memory.1, seconds.0, seconds.1
    );
    // The measure is one: this much is taken for nothing at all.
    assert!(memory.0 > 1_000);
}

/// What a package carries within, and more of them one below another than there may be.
#[test]
fn no_original_is_a_bomb() {
    let Some(mut judge) = Judge::begin() else { return };
    let zeros = vec![0; 64 << 20];
    let bombs = [
        Zip::with(Entry::squeezed(&format!("{FOLDER}/bomb"), &zeros)).bytes(),
        Zip {
            entries: vec![Entry::squeezed(&format!("{FOLDER}/data/communique.json"), &zeros).both(|h| h.size = 65_536)],
            ..Zip::default()
        }
        .bytes(),
        Zip::with(Entry::stored("../slip", b"x")).bytes(),
        zeros,
    ];
    let original = Plan::plain().play();
    for bomb in bombs {
        let mut plan = Plan::correcting(original.clone());
        plan.bag = Box::new(move |files| {
            let path = files.keys().find(|path| path.starts_with("data/rectifies/")).unwrap().clone();
            files.insert(path, bomb.clone());
        });
        let judged = judge.judge(&plan.play().zip);
        assert!(judged.out.starts_with("FAILED at RECTIFIES") && judged.out.contains("fails at ZIP"), "{}", judged.out);
        assert!(judged.memory <= MEMORY && judged.seconds <= SECONDS, "{} kB, {} s", judged.memory, judged.seconds);
    }
    let mut deep = original;
    for depth in 1..=9 {
        deep = Plan::correcting(deep).play();
        let judged = judge.judge(&deep.zip);
        let verdict = if depth <= 8 { "CONSISTENT" } else { "FAILED at RECTIFIES" };
        assert!(judged.out.starts_with(verdict), "{depth}: {}", judged.out);
        assert!(judged.memory <= MEMORY && judged.seconds <= SECONDS, "{} kB, {} s", judged.memory, judged.seconds);
    }
}

/// How much smaller the largest packages are made where the code is not optimised, which would take minutes.
const SMALLER: usize = if cfg!(debug_assertions) { 25 } else { 1 };

/// What has the right form and comes near the limits: refused late, or proven.
fn the_largest() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut all = vec![];
    let last = |files: &mut crate::played::Files, n: usize, entry: String| {
        files.insert(format!("data/entries/{}.json", 1_000_000 + n), entry.into_bytes());
    };
    let entry = |statements: &[String]| {
        let listed: Vec<_> = statements.iter().map(|digest| format!("\"{digest}\"")).collect();
        format!(
            "{{\"documents\":[],\"files\":null,\"kind\":\"adoption\",\"previous\":\"{0}\",\"salt\":\"{1}\",\"seq\":9,\
             \"statements\":[{2}],\"stream\":\"exchange\",\"time\":\"2026-11-23T09:00:00Z\"}}",
            "0".repeat(64),
            "A".repeat(43),
            listed.join(",")
        )
    };
    let statement = |n: usize, size: usize| {
        let bytes = format!("{n}{}", "x".repeat(size)).into_bytes();
        (Digest::of(&bytes).to_string(), bytes)
    };

    // 130 MB of statements, each named by an entry, and all of them by entries that name 1,024.
    for (what, many) in
        [("130 MB of statements", false), ("130 MB of statements that entries name 1,024 at a time", true)]
    {
        let mut plan = Plan::plain();
        plan.bag = Box::new(move |files| {
            let mut digests = vec![];
            for n in 0..1000 / SMALLER {
                let (digest, bytes) = statement(n, 130_000);
                files.insert(format!("data/statements/{digest}.jws"), bytes);
                digests.push(digest);
            }
            digests.sort();
            if many {
                (0..500 / SMALLER).for_each(|n| last(files, n, entry(&digests)));
            } else {
                digests.iter().enumerate().for_each(|(n, digest)| last(files, n, entry(std::slice::from_ref(digest))));
            }
        });
        all.push((what, "FAILED at ", plan.play().zip));
    }
    // As many files as an archive has.
    let mut plan = Plan::plain();
    plan.bag = Box::new(move |files| {
        for n in 0..16_000 / SMALLER {
            let (digest, bytes) = statement(n, 200);
            files.insert(format!("data/statements/{digest}.jws"), bytes);
            last(files, n, entry(&[digest]));
        }
    });
    all.push(("32,000 files", "FAILED at ", plan.play().zip));
    // Charter upon charter, most of whose parties never adopt it: more of them than an exchange takes.
    let beyond = if SMALLER == 1 { "FAILED at CHARTER-CHAIN" } else { "CONSISTENT" };
    for (what, versions, listed, verdict) in [
        ("1,300 charters of 30 parties", 1300, 30, "CONSISTENT"),
        ("5,000 charters of 2 parties", 5000, 2, beyond),
        ("more bytes of charters than there may be", 1340, 64, beyond),
    ] {
        let versions = versions / SMALLER;
        let mut plan = Plan::new(2, 1, Initialling::Required);
        for n in 0..versions {
            plan.successors.push(Box::new(move |charter| {
                (charter.parties.len()..listed).for_each(|p| join(charter, p));
                // What makes a charter longer at the least cost.
                if listed > 30 {
                    charter.server_ca = Der::new(vec![0; 6000]).unwrap();
                }
                charter.adopt_by = Some(start().plus(1000 + 600 * n as i64));
            }));
        }
        plan.under = versions + 1;
        let at = plan.position(Turn::Grant(0, 0));
        let upon = (0..versions).flat_map(|_| [Turn::Succession, Turn::Adopt(0), Turn::Adopt(1), Turn::Wait(360)]);
        plan.script.splice(at..at, [Turn::Wait(500)].into_iter().chain(upon));
        plan.powers = Box::new(|powers| powers.not_after = start().plus(366 * 86_400));
        all.push((what, verdict, plan.play().zip));
    }
    // The longest text in every language.
    let long = 1_000_000 / SMALLER;
    let mut plan = Plan::plain();
    plan.text = Box::new(move |text| {
        *text = format!(
            "{}\n",
            "é\u{301}a\u{316}\u{316}\u{316}\u{316}\u{316}\u{316}\u{316}\u{316} "
                .repeat(long / 22)
                .trim_end()
                .replace("é\u{301}", "e")
        )
    });
    all.push(("a long text of marks", "CONSISTENT", plan.play().zip));
    all
}

#[test]
fn the_largest_packages_are_judged_within_bounds() {
    let Some(mut judge) = Judge::begin() else { return };
    for (what, verdict, zip) in the_largest() {
        let judged = judge.judge(&zip);
        let said = judged.out.lines().find(|line| line.starts_with("but ")).unwrap_or_default();
        let head = judged.out.lines().next().unwrap_or_default();
        eprintln!(
            "{what}: {} kB of zip, {:.2} s, {} kB of memory: {head} {said}",
            zip.len() / 1000,
            judged.seconds,
            judged.memory
        );
        assert!(judged.out.starts_with(verdict), "{what}: {head} {said}");
        assert!(
            judged.seconds <= SECONDS && judged.memory <= MEMORY,
            "{what}: {:.2} s, {} kB",
            judged.seconds,
            judged.memory
        );
    }
}
