//! The disk that `disk.c` puts before a store's files: armed here, and cut from its power here.
//!
//! A cut leaves of each file what was synced, and of what was written since nothing, or any part of it in pieces of 512 bytes. A sync that
//! failed syncs nothing ever after: what it should have synced may be there or not, until it is written and synced again.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{chance::Chance, missing::missing};

/// The files, in the order of `disk.c`.
#[allow(dead_code, reason = "at the content's checkpoints no fault is aimed")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    Log,
    LogWal,
    Content,
    ContentWal,
}

const FILES: [&str; 4] = ["log.sqlite", "log.sqlite-wal", "content.sqlite", "content.sqlite-wal"];
/// What a cut keeps or loses as one, in bytes.
const SECTOR: usize = 512;

/// A place in the process's course.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Point {
    /// As a write begins.
    Write,
    /// As a sync begins.
    Sync,
    /// As a sync has ended.
    Synced,
    /// As something is sent, after a sync of the log's WAL.
    Send,
}

/// What happens there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// SIGKILL.
    Kill,
    /// ENOSPC.
    Full,
    /// EIO.
    Io,
    /// EIO of a sync, and SIGKILL before it is answered.
    IoKill,
}

/// What of all that was written and not synced a cut leaves.
pub enum Left<'a> {
    Nothing,
    Parts(&'a mut Chance),
}

/// Where fields lie in `struct control`.
const FIRED: u64 = 20;
const LIES: u64 = 24;
const ORPHANS: u64 = 32;
const CONTROL: usize = 48;

pub struct Disk {
    folder: PathBuf,
    control: File,
    library: &'static Path,
}

impl Disk {
    /// None where it cannot be made, and that is said.
    pub fn new(folder: &Path) -> Option<Self> {
        let library = library()?;
        fs::create_dir_all(folder).unwrap();
        let path = folder.join("control");
        fs::write(&path, [0; CONTROL]).unwrap();
        let control = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        Some(Self { folder: folder.to_owned(), control, library })
    }
    /// Puts it before the files of a process that is to be started.
    pub fn before(&self, command: &mut Command) {
        command.env("LD_PRELOAD", self.library).env("CRASH_DISK", &self.folder);
    }
    /// Lets the fault happen at the nth such point from now on, and at every one after it too if it lasts.
    pub fn arm(&self, fault: Fault, point: Point, on: On, nth: u32, lasts: bool) {
        let action = match fault {
            Fault::Kill => 1,
            Fault::Full => 28,
            Fault::Io => 5,
            Fault::IoKill => 256 + 5,
        };
        self.disarm();
        // The action comes last: before, nothing happens.
        self.set(4, &[point as u32 + 1, 1 << on as u32, nth, u32::from(lasts)]);
        self.set(0, &[action]);
    }
    pub fn disarm(&self) {
        self.set(0, &[0; 6]);
        self.set(28, &[0]);
    }
    /// How often what was armed has happened.
    pub fn fired(&self) -> u32 {
        self.get(FIRED)
    }
    /// A disk that says that it has synced, and has not.
    pub fn lies(&self) {
        self.set(LIES, &[1]);
    }
    fn set(&self, at: u64, values: &[u32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        self.control.write_all_at(&bytes, at).unwrap();
    }
    fn get(&self, at: u64) -> u32 {
        let mut bytes = [0; 4];
        self.control.read_exact_at(&mut bytes, at).unwrap();
        u32::from_ne_bytes(bytes)
    }

    /// Cuts the power of a machine whose process is dead. Answers how many writes were at stake.
    pub fn cut(&self, data: &Path, mut left: Left<'_>) -> usize {
        let mut at_stake = 0;
        for (n, name) in FILES.into_iter().enumerate() {
            let journal = self.folder.join(format!("{name}.journal"));
            let records = records(&fs::read(&journal).unwrap_or_default());
            if records.iter().any(|record| record.op <= TRUNCATE) {
                let file = OpenOptions::new().read(true).write(true).open(data.join(name)).unwrap();
                at_stake += cut(&file, &records, &mut left);
            }
            OpenOptions::new().write(true).create(true).truncate(true).open(&journal).unwrap();
            self.set(ORPHANS + 4 * n as u64, &[0]);
        }
        at_stake
    }
}

const WRITE: u64 = 1;
const TRUNCATE: u64 = 2;
const SYNCED: u64 = 3;
const HEADER: usize = 40;

/// What was done to a file: `struct record` and the bytes behind it.
struct Record {
    op: u64,
    offset: u64,
    size_before: u64,
    old: Vec<u8>,
    new: Vec<u8>,
}

/// The last one may end too soon: the process was killed before it wrote anything.
fn records(mut bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some((header, rest)) = bytes.split_at_checked(HEADER) {
        let field = |n: usize| u64::from_ne_bytes(header[8 * n..8 * n + 8].try_into().unwrap());
        let (op, old) = (field(0), usize::try_from(field(4)).unwrap());
        let new = if op == WRITE { usize::try_from(field(2)).unwrap() } else { 0 };
        let Some((held, rest)) = rest.split_at_checked(old + new) else { break };
        let (old, new) = held.split_at(old);
        records.push(Record { op, offset: field(1), size_before: field(3), old: old.to_vec(), new: new.to_vec() });
        bytes = rest;
    }
    records
}

/// Takes everything back, and does again what is on the disk in any case, and what happens to be.
fn cut(file: &File, records: &[Record], left: &mut Left<'_>) -> usize {
    for record in records.iter().rev().filter(|record| record.op <= TRUNCATE) {
        file.write_all_at(&record.old, record.offset).unwrap();
        file.set_len(record.size_before).unwrap();
        if record.op == TRUNCATE {
            file.write_all_at(&record.old, record.offset).unwrap();
        }
    }
    let mut at_stake = 0;
    for (n, record) in records.iter().enumerate().filter(|(_, record)| record.op <= TRUNCATE) {
        let synced = records[n..].iter().find(|later| later.op > TRUNCATE).is_some_and(|sync| sync.op == SYNCED);
        at_stake += usize::from(!synced);
        let mut stays = || match left {
            _ if synced => true,
            Left::Nothing => false,
            Left::Parts(chance) => chance.next() & 1 == 0,
        };
        if record.op == TRUNCATE {
            if stays() {
                file.set_len(record.offset).unwrap();
            }
            continue;
        }
        for (m, piece) in record.new.chunks(SECTOR).enumerate() {
            if stays() {
                file.write_all_at(piece, record.offset + (m * SECTOR) as u64).unwrap();
            }
        }
    }
    at_stake
}

/// Compiled once for a run.
fn library() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = LIBRARY.get_or_init(|| {
        if cfg!(not(target_os = "linux")) {
            missing(
                "Linux",
                "what a power cut takes away is kept by a library that is preloaded, which is written for it",
            );
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = folder.join(format!("crash-disk-{}.so", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/disk.c");
        let compiled = Command::new("gcc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .output();
        match compiled {
            Ok(output) if output.status.success() => Some(library),
            Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => {
                missing(&format!("gcc ({error})"), "apt-get install gcc libc6-dev");
                None
            }
        }
    });
    made.as_deref()
}
