//! Packages taken apart, edited as an input says, and put together again: with every digest, link, list and signature made
//! anew, or with only some of them, so that each check of the verifier is reached with what is before it in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Cursor,
};

use communique::{
    domain::{
        charter::Charter,
        document::Document,
        id::Digest,
        json::{self, base64, unbase64},
        key::{SecretKey, Signer as _},
        manifest::Manifest,
        time::Time,
    },
    log::{
        checkpoint::{Checkpoint, Head, Log, Origin},
        cosignature::{Cosigner, cosign},
        proof::Proof,
        tree::{Edge, Hash, Node as Subtree, Plan},
    },
    package::{
        bag::{self, PartDigests},
        verdict::Verdict,
        verify::verify,
        zip::{Archive, Limits, Writer},
    },
};
use serde_json::{Value, json};

use crate::bits::Bits;

/// Most edits of one input.
const EDITS: usize = 12;
/// Most nodes of one package: each is sealed anew.
const NODES: usize = 400;
/// How deep one document may name another; real ones stay below 6 and what an edit ties into a ring is cut.
const RING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A package taken apart. A digest that is another node's stands as `@` and that node's number.
pub struct Base {
    pub zip: Vec<u8>,
    /// The fingerprint of its newest charter.
    pub pin: Digest,
    /// Whether it is proven under that.
    pub proven: bool,
    parts: Parts,
}

#[derive(Clone)]
struct Parts {
    folder: String,
    manifest: Manifest,
    published: Time,
    /// By number; removed ones are none.
    nodes: Vec<Option<Node>>,
    /// What is not JSON, by path.
    raw: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone)]
struct Node {
    path: String,
    value: Value,
    /// Of a statement.
    signed: Option<Signed>,
}

#[derive(Clone)]
struct Signed {
    header: String,
    signature: String,
    typ: String,
    signer: Option<usize>,
}

/// Which of the derived things are made anew.
#[derive(Clone, Copy)]
struct Seal {
    sign: bool,
    link: bool,
    list: bool,
    tag: bool,
}

/// The keys of the sample packages, by the number that the vectors make each of.
pub fn keys() -> Vec<SecretKey> {
    let seed = |n: u16| match u8::try_from(n) {
        Ok(byte) => [byte; 32],
        Err(_) => *Digest::of(format!("sample key {n}").as_bytes()).as_bytes(),
    };
    (0..1024).map(|n| SecretKey::from_seed(&seed(n))).collect()
}

/// Files of an archive with their paths, as they lie in it.
pub fn unpacked(zip: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut archive = Archive::open(Cursor::new(zip), Limits::PACKAGE).ok()?;
    let names: Vec<_> = archive.entries().iter().map(|e| e.name.clone()).collect();
    names.into_iter().enumerate().map(|(n, name)| Some((name, archive.read_small(n, 8 << 20).ok()?))).collect()
}

impl Base {
    /// Takes a package apart; `None` for what is none.
    pub fn new(zip: Vec<u8>, keys: &[SecretKey]) -> Option<Self> {
        let files = unpacked(&zip)?;
        let folder = files.first()?.0.split_once('/')?.0.to_owned();
        let files: BTreeMap<String, Vec<u8>> =
            files.into_iter().filter_map(|(name, bytes)| Some((name.split_once('/')?.1.to_owned(), bytes))).collect();
        let manifest: Manifest = json::parse(files.get(bag::MANIFEST_PATH)?).ok()?;
        let mut parts = Parts { folder, manifest, published: Time::from_unix(0), nodes: vec![], raw: BTreeMap::new() };
        let thumbprints: Vec<_> = keys.iter().map(|k| k.public().thumbprint()).collect();
        let (mut numbers, mut newest) = (BTreeMap::new(), (0, None));
        for (path, bytes) in files.into_iter().filter(|(path, _)| !bag::TAG_FILES.contains(&path.as_str())) {
            let Some((value, signed)) = node(&path, &bytes, &thumbprints) else {
                parts.raw.insert(path, bytes);
                continue;
            };
            if let Some(version) = path.strip_prefix("data/charters/").and(value["version"].as_u64()) {
                newest = newest.max((version, Some(Digest::of(&bytes))));
            }
            if value["kind"] == "published" {
                parts.published = value["time"].as_str()?.parse().ok()?;
            }
            numbers.insert(Digest::of(&bytes).to_string(), format!("@{}", parts.nodes.len()));
            parts.nodes.push(Some(Node { path, value, signed }));
        }
        for node in parts.nodes.iter_mut().flatten() {
            each(&mut node.value, &mut |value| {
                if let Some(number) = value.as_str().and_then(|s| numbers.get(s)) {
                    *value = json!(number);
                }
            });
        }
        let pin = newest.1?;
        let proven = matches!(verify(Cursor::new(&zip), Some(pin)), Verdict::Proven(_));
        Some(Self { zip, pin, proven, parts })
    }
    /// Whether it can be sealed as it was: every signature is by a key that is known.
    pub fn is_ours(&self, keys: &[SecretKey]) -> bool {
        self.parts.clone().sealed(keys, Seal { sign: true, link: true, list: true, tag: true }, &[]).as_ref()
            == Some(&self.zip)
    }
    /// The package that an input makes of this one, and whether it was signed anew.
    pub fn edited(&self, bits: &mut Bits<'_>, keys: &[SecretKey]) -> (Option<Vec<u8>>, bool) {
        let flags = bits.byte();
        let seal = Seal { sign: flags & 1 != 0, link: flags & 2 != 0, list: flags & 4 == 0, tag: flags & 8 == 0 };
        let mut parts = self.parts.clone();
        let mut splices = vec![];
        for _ in 0..EDITS {
            if bits.is_empty() {
                break;
            }
            parts.edit(bits, &mut splices);
        }
        (parts.sealed(keys, seal, &splices), seal.sign)
    }
}

/// The JSON in a file of the bag.
fn node(path: &str, bytes: &[u8], thumbprints: &[String]) -> Option<(Value, Option<Signed>)> {
    if path.ends_with(".json") {
        return Some((serde_json::from_slice(bytes).ok()?, None));
    }
    let compact = std::str::from_utf8(bytes).ok().filter(|_| path.ends_with(".jws"))?;
    let [header, payload, signature] = compact.split('.').collect::<Vec<_>>().try_into().ok()?;
    let said: Value = serde_json::from_slice(&unbase64(header)?).ok()?;
    let signer = thumbprints.iter().position(|t| said["kid"] == t.as_str());
    let (header, signature, typ) = (header.to_owned(), signature.to_owned(), said["typ"].as_str()?.to_owned());
    let signed = Signed { header, signature, typ, signer };
    Some((serde_json::from_slice(&unbase64(payload)?).ok()?, Some(signed)))
}

/// Visits every value, a container before what is in it.
fn each(value: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, visit)),
        Value::Object(members) => members.values_mut().for_each(|member| each(member, visit)),
        _ => {}
    }
}

/// The value of this number within another, counted modulo how many there are.
fn pick<'a>(value: &'a mut Value, bits: &mut Bits<'_>) -> &'a mut Value {
    let wanted = usize::from(bits.byte());
    let mut paths = vec![];
    fn walk(value: &Value, pointer: String, paths: &mut Vec<String>) {
        paths.push(pointer.clone());
        match value {
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, item)| walk(item, format!("{pointer}/{n}"), paths));
            }
            Value::Object(members) => members.iter().for_each(|(name, member)| {
                walk(member, format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), paths)
            }),
            _ => {}
        }
    }
    walk(value, String::new(), &mut paths);
    let path = paths.swap_remove(wanted % paths.len());
    value.pointer_mut(&path).expect("a path that was just walked")
}

struct Splice {
    path: String,
    at: usize,
    cut: usize,
    bytes: Vec<u8>,
}

impl Parts {
    fn edit(&mut self, bits: &mut Bits<'_>, splices: &mut Vec<Splice>) {
        let op = bits.byte() % 16;
        let n = bits.of(self.nodes.len());
        if op >= 12 {
            return self.edit_files(op, n, bits, splices);
        }
        let other = (op == 1).then(|| {
            let n = bits.of(self.nodes.len());
            self.nodes.get_mut(n).and_then(Option::as_mut).map(|node| pick(&mut node.value, bits).clone())
        });
        let Some(node) = self.nodes.get_mut(n).and_then(Option::as_mut) else { return };
        match op {
            10 => {
                if let Some(signed) = &mut node.signed {
                    signed.signer = Some(usize::from(bits.byte()));
                }
                return;
            }
            11 => return self.again(n, bits),
            _ => {}
        }
        let value = pick(&mut node.value, bits);
        match op {
            0 => *value = literal(bits),
            1 => *value = other.flatten().unwrap_or_default(),
            2 => match value {
                Value::Array(items) if !items.is_empty() => drop(items.remove(bits.of(items.len()))),
                Value::Object(members) if !members.is_empty() => {
                    let name = members.keys().nth(bits.of(members.len())).cloned();
                    name.and_then(|name| members.remove(&name));
                }
                other => *other = Value::Null,
            },
            3 => match value {
                Value::Array(items) if !items.is_empty() => {
                    let (from, to) = (bits.of(items.len()), bits.of(items.len()));
                    let item = items[from].clone();
                    items.insert(to, item);
                }
                Value::Object(members) => drop(members.insert(bits.text(16), literal(bits))),
                _ => {}
            },
            4 => {
                if let Value::Array(items) = value
                    && !items.is_empty()
                {
                    let (a, b) = (bits.of(items.len()), bits.of(items.len()));
                    items.swap(a, b);
                }
            }
            5 | 6 => shift(value, bits),
            _ => match value {
                Value::String(s) => {
                    let at = s.floor_char_boundary(bits.of(s.len() + 1));
                    s.insert_str(at, &bits.text(64));
                }
                Value::Bool(b) => *b = !*b,
                other => shift(other, bits),
            },
        }
    }

    fn edit_files(&mut self, op: u8, n: usize, bits: &mut Bits<'_>, splices: &mut Vec<Splice>) {
        let paths: Vec<String> = self.paths();
        let path = paths.get(n % paths.len().max(1)).cloned().unwrap_or_default();
        match op {
            12 => {
                self.raw.remove(&path);
                self.nodes
                    .iter_mut()
                    .filter(|node| node.as_ref().is_some_and(|n| n.path == path))
                    .for_each(|n| *n = None);
            }
            13 => {
                let renamed = bits.text(128);
                if let Some(bytes) = self.raw.remove(&path) {
                    self.raw.insert(renamed, bytes);
                } else if let Some(node) = self.nodes.iter_mut().flatten().find(|n| n.path == path) {
                    node.path = renamed;
                }
            }
            14 => drop(self.raw.insert(bits.text(128), bits.some(1024).to_vec())),
            _ => {
                let (at, cut) = (usize::from(bits.short()), bits.of(16));
                splices.push(Splice { path, at, cut, bytes: bits.some(64).to_vec() });
            }
        }
    }

    fn paths(&self) -> Vec<String> {
        self.nodes.iter().flatten().map(|n| n.path.clone()).chain(self.raw.keys().cloned()).collect()
    }

    /// Logs what an entry records once more, right after it; statements become others of their own.
    fn again(&mut self, n: usize, bits: &mut Bits<'_>) {
        let Some(mut entry) = self.nodes.get(n).cloned().flatten() else { return };
        let Some(index) = index(&entry.path) else { return };
        if self.nodes.len() >= NODES {
            return;
        }
        for node in self.nodes.iter_mut().flatten() {
            if let Some(later) = self::index(&node.path).filter(|later| *later > index) {
                node.path = bag::entry_path(later.saturating_add(1));
            }
        }
        entry.path = bag::entry_path(index.saturating_add(1));
        let other = bits.byte() & 1 != 0;
        for statement in
            entry.value.pointer_mut("/statements").and_then(Value::as_array_mut).into_iter().flatten().filter(|_| other)
        {
            let held = statement.as_str().and_then(|s| s.strip_prefix('@')?.parse::<usize>().ok());
            let Some(mut node) = held.and_then(|held| self.nodes.get(held).cloned().flatten()) else { continue };
            node.path = format!("data/statements/{}.jws", self.nodes.len());
            *statement = json!(format!("@{}", self.nodes.len()));
            shift(pick(&mut node.value, bits), bits);
            self.nodes.push(Some(node));
        }
        self.nodes.push(Some(entry));
    }

    fn sealed(mut self, keys: &[SecretKey], seal: Seal, splices: &[Splice]) -> Option<Vec<u8>> {
        let mut entries: Vec<usize> = (0..self.nodes.len())
            .filter(|n| self.nodes[*n].as_ref().is_some_and(|node| index(&node.path).is_some()))
            .collect();
        entries.sort_by_key(|n| self.nodes[*n].as_ref().and_then(|node| index(&node.path)));
        if seal.link {
            let mut streams: BTreeMap<String, (u64, String)> = BTreeMap::new();
            for n in &entries {
                let Some(Value::Object(entry)) = self.nodes[*n].as_mut().map(|node| &mut node.value) else { continue };
                let stream = entry.get("stream").and_then(Value::as_str).unwrap_or_default().to_owned();
                let first = entry.get("seq").and_then(Value::as_u64).unwrap_or_default();
                if let Some((seq, before)) = streams.get(&stream)
                    // A gap that is there stays.
                    && first <= *seq
                {
                    entry.insert("seq".into(), json!(seq));
                    entry.insert("previous".into(), json!(before));
                }
                let seq = entry.get("seq").and_then(Value::as_u64).unwrap_or_default();
                streams.insert(stream, (seq.saturating_add(1), format!("@{n}")));
            }
        }
        let mut sealing = Sealing {
            nodes: &self.nodes,
            keys,
            sign: seal.sign,
            digests: BTreeMap::new(),
            open: BTreeSet::new(),
            bytes: BTreeMap::new(),
        };
        let last =
            entries.iter().rev().find(|n| self.nodes[**n].as_ref().is_some_and(|e| e.value["kind"] == "published"));
        let evidence = |n: &usize| self.nodes[*n].as_ref().is_some_and(|node| node.path.starts_with("evidence/"));
        for n in (0..self.nodes.len()).filter(|n| Some(n) != last && !evidence(n)) {
            sealing.digest(n);
        }
        let mut files: BTreeMap<String, Vec<u8>> = self.raw.clone();
        files.extend(sealing.files());
        let splice = |files: &mut BTreeMap<String, Vec<u8>>, shown: bool| {
            for splice in splices.iter().filter(|splice| splice.path.starts_with("evidence/") == shown) {
                if let Some(bytes) = files.get_mut(&splice.path) {
                    let at = splice.at % (bytes.len() + 1);
                    let end = (at + splice.cut).min(bytes.len());
                    bytes.splice(at..end, splice.bytes.iter().copied());
                }
            }
        };
        splice(&mut files, false);
        let spliced = |files: &BTreeMap<String, Vec<u8>>, nodes: &mut Vec<Option<Node>>| {
            let listed = files.iter().filter(|(path, _)| path.starts_with("data/") && *path != bag::README_PATH);
            let listed: Vec<_> =
                listed.map(|(path, bytes)| json!({ "path": path, "sha256": Digest::of(bytes).to_string() })).collect();
            if let Some(Some(node)) = last.map(|n| nodes[*n].as_mut()) {
                node.value["files"] = Value::Array(listed);
            }
        };
        let mut nodes = self.nodes.clone();
        if seal.list && last.is_some_and(|n| nodes[*n].as_ref().is_some_and(|node| node.value.is_object())) {
            spliced(&files, &mut nodes);
        }
        let mut sealing = Sealing {
            nodes: &nodes,
            keys,
            sign: seal.sign,
            digests: sealing.digests,
            open: BTreeSet::new(),
            bytes: BTreeMap::new(),
        };
        for n in (0..nodes.len()).filter(|n| Some(n) == last || evidence(n)) {
            sealing.digest(n);
        }
        files.extend(sealing.files());
        if seal.sign {
            let _ = prove(&mut files, keys);
        }
        splice(&mut files, true);

        let manifest: Option<Document<Manifest>> =
            files.get(bag::MANIFEST_PATH).and_then(|bytes| Document::parse(bytes.clone()).ok());
        let said = last.and_then(|n| nodes[*n].as_ref()?.value["time"].as_str()?.parse().ok());
        let published: Time = said.unwrap_or(self.published);
        if let (true, Some(manifest)) = (seal.tag, &manifest) {
            self.folder = bag::folder(manifest.communique);
        }
        let payload: BTreeMap<String, PartDigests> = files
            .iter()
            .filter(|(path, _)| path.starts_with("data/"))
            .map(|(path, bytes)| (path.clone(), PartDigests::of(bytes)))
            .collect();
        let evidence: BTreeMap<String, PartDigests> = files
            .iter()
            .filter(|(path, _)| path.starts_with("evidence/"))
            .map(|(path, bytes)| (path.clone(), PartDigests::of(bytes)))
            .collect();
        let tags = bag::tag_files(manifest.as_deref().unwrap_or(&self.manifest), published, &payload, &evidence);
        let mut writer = Writer::new(vec![], bag::archive_time(published));
        let tags = tags.into_iter().map(|(path, bytes)| (path.to_owned(), bytes));
        for (path, bytes) in tags.chain(files.clone()) {
            let name = format!("{}/{path}", self.folder);
            writer.small(&name, &bytes).ok()?;
        }
        writer.finish().ok()
    }
}

/// Makes all proofs anew, if there are any: of the entries as they are, under a head that the newest charter's log signs and the
/// witnesses of all its parties cosign. `None` where that cannot be done, and then they are as they were.
fn prove(files: &mut BTreeMap<String, Vec<u8>>, keys: &[SecretKey]) -> Option<()> {
    let proofs: Vec<String> = files.keys().filter(|path| path.ends_with(".tlog-proof")).cloned().collect();
    proofs.first()?;
    let charters = files.iter().filter(|(path, _)| path.starts_with("data/charters/"));
    let charters = charters.filter_map(|(_, bytes)| json::parse::<Charter>(bytes).ok());
    let newest = charters.max_by_key(|charter| charter.version)?;
    let signer = |public| keys.iter().find(|key| key.public() == public);
    let mut leaves = BTreeMap::new();
    shown(files, 0, &mut leaves);
    // What proves all of them already stays as it is.
    let proven = |(index, digest): (&u64, &Digest)| {
        let proof = Proof::parse(files.get(&bag::proof_path(*index))?).ok()?;
        let log = Log::of_charter(&newest.log).ok()?;
        (proof.index() == *index && proof.verify(Hash::of_entry(*digest), &log).is_ok()).then_some(())
    };
    if leaves.len() == proofs.len() && leaves.iter().all(|leaf| proven(leaf).is_some()) {
        return Some(());
    }
    let size = leaves.keys().next_back().filter(|last| **last < 4096)? + 1;
    let (mut edge, mut nodes) = (Edge::default(), BTreeMap::new());
    for index in 0..size {
        let leaf = leaves.get(&index).copied().unwrap_or_else(|| Digest::of(&index.to_be_bytes()));
        let keep = |node: Subtree, hash: Hash| {
            nodes.insert(node, hash);
        };
        edge.append(Hash::of_entry(leaf), keep).ok()?;
    }
    let checkpoint = Checkpoint::new(Origin::parse(newest.log.origin.as_str()).ok()?, size, edge.root()).ok()?;
    let head = Head::sign(checkpoint, signer(newest.log.key)?).ok()?;
    let mut lines = vec![];
    for party in &newest.parties {
        let Some((cosigner, key)) = Cosigner::of_party(party).zip(party.witness.and_then(signer)) else { continue };
        lines.push(cosign(&head, cosigner.hint().name(), 1_795_424_400, key).ok()?);
    }
    let head = head.with(lines).ok()?;
    let mut made = BTreeMap::new();
    for index in leaves.into_keys() {
        let hashes = Plan::inclusion(index, size).ok()?.build(|node| nodes.get(&node).copied().ok_or(())).ok()?;
        made.insert(bag::proof_path(index), Proof::new(index, hashes, head.clone()).ok()?.to_string().into_bytes());
    }
    proofs.iter().for_each(|path| drop(files.remove(path)));
    files.extend(made);
    Some(())
}

/// The digests of all entries of a package and of those that lie in it, by index.
fn shown(files: &BTreeMap<String, Vec<u8>>, depth: usize, leaves: &mut BTreeMap<u64, Digest>) {
    for (path, bytes) in files {
        let index = path.strip_prefix("data/entries/").and_then(|path| path.strip_suffix(".json"));
        if let Some(index) = index.and_then(|index| index.parse().ok()) {
            leaves.entry(index).or_insert(Digest::of(bytes));
        }
        if let Some(files) = path.strip_prefix("data/rectifies/").filter(|_| depth < 9).and_then(|_| unpacked(bytes)) {
            let below = |(name, bytes): (String, _)| Some((name.split_once('/')?.1.to_owned(), bytes));
            shown(&files.into_iter().filter_map(below).collect(), depth + 1, leaves);
        }
    }
}

/// Nodes on their way to bytes.
struct Sealing<'a> {
    nodes: &'a [Option<Node>],
    keys: &'a [SecretKey],
    sign: bool,
    digests: BTreeMap<usize, String>,
    open: BTreeSet<usize>,
    bytes: BTreeMap<usize, Vec<u8>>,
}

impl Sealing<'_> {
    /// The digest of a node, after those that it names; what names itself gets zeros.
    fn digest(&mut self, n: usize) -> String {
        if let Some(digest) = self.digests.get(&n) {
            return digest.clone();
        }
        let Some(node) = self.nodes.get(n).and_then(Option::as_ref).filter(|_| self.open.insert(n)) else {
            return RING.to_owned();
        };
        let mut value = node.value.clone();
        self.resolve(&mut value);
        let payload = json::encode(&value);
        let bytes = match &node.signed {
            None => payload,
            Some(signed) => {
                let key = signed.signer.filter(|_| self.sign).and_then(|k| self.keys.get(k));
                let compact = match key {
                    Some(key) => {
                        let header = json!({ "alg": "EdDSA", "kid": key.public().thumbprint(), "typ": signed.typ });
                        let signing = format!("{}.{}", base64(&json::encode(&header)), base64(&payload));
                        let signature = key.sign(signing.as_bytes()).unwrap_or([0; 64]);
                        format!("{signing}.{}", base64(&signature))
                    }
                    None => format!("{}.{}.{}", signed.header, base64(&payload), signed.signature),
                };
                compact.into_bytes()
            }
        };
        let digest = Digest::of(&bytes).to_string();
        self.open.remove(&n);
        self.bytes.insert(n, bytes);
        self.digests.insert(n, digest.clone());
        digest
    }
    fn resolve(&mut self, value: &mut Value) {
        match value {
            Value::String(s) => {
                if let Some(n) = s.strip_prefix('@').and_then(|n| n.parse().ok()) {
                    *s = self.digest(n);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.resolve(item)),
            Value::Object(members) => members.values_mut().for_each(|member| self.resolve(member)),
            _ => {}
        }
    }
    /// What was sealed, by path; a statement is named by its digest.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let path = |n: &usize| match self.nodes[*n].as_ref().map(|node| node.path.as_str()) {
            Some(path) if path.starts_with("data/statements/") => format!("data/statements/{}.jws", self.digests[n]),
            path => path.unwrap_or_default().to_owned(),
        };
        self.bytes.iter().map(|(n, bytes)| (path(n), bytes.clone())).collect()
    }
}

fn index(path: &str) -> Option<u64> {
    path.strip_prefix("data/entries/")?.strip_suffix(".json")?.parse().ok()
}

fn literal(bits: &mut Bits<'_>) -> Value {
    match bits.byte() % 8 {
        0 => Value::Null,
        1 => json!(bits.byte() & 1 != 0),
        2 => json!(bits.long()),
        3 => json!(bits.byte()),
        4 => json!([]),
        5 => json!({}),
        6 => json!(format!("@{}", bits.byte())),
        _ => json!(bits.text(256)),
    }
}

/// A number or a time a little more or less.
fn shift(value: &mut Value, bits: &mut Bits<'_>) {
    let by = i64::from(bits.short() as i16);
    match value {
        Value::Number(n) => {
            *value = json!(n.as_u64().unwrap_or_default().saturating_add_signed(by));
        }
        Value::String(s) => match s.parse::<Time>() {
            Ok(time) => *s = time.plus(by.saturating_mul([1, 60, 3600, 86_400][bits.of(4)])).to_string(),
            Err(_) => s.push_str(&bits.text(16)),
        },
        other => *other = literal(bits),
    }
}

/// The fingerprint of a charter, if these bytes are one.
pub fn fingerprint(bytes: &[u8]) -> Option<Digest> {
    json::parse::<Charter>(bytes).ok().map(|_| Digest::of(bytes))
}
