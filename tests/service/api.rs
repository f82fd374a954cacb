//! What `docs/API.md` tells systems: each command of it is run with `buf curl` against an exchange, and its table of refusals
//! is the program's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Cursor,
    path::PathBuf,
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use communique::{
    domain::{
        act::ActKind,
        document::Document,
        id::{Digest, Role},
        manifest::{Initialling, Manifest},
        refusal::Refusal,
        remark::Audience,
    },
    exchange::access::RIGHTS,
    log::checkpoint::{Log, Unverified},
    package::verify::verify,
    wire::status::code,
};
use serde_json::{Deserializer, Value};

use crate::{
    missing::missing,
    watch::remark,
    world::{EXCHANGE, NAMED, World, fresh, key, sign},
};

const PAGE: &str = include_str!("../../docs/API.md");
/// Methods that no command can show, since they need what the page has not: a succession, a new CA set, an end of full powers, a
/// certificate of a witness.
const NOT_SHOWN: [&str; 5] = [
    "CharterService/ProposeCharter",
    "CharterService/SubmitAdoption",
    "CharterService/SubmitTrust",
    "LogService/SubmitCosignature",
    "PowersService/SubmitRevocation",
];

/// The fenced blocks that follow `<!-- ci:NAME -->`, in order.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let found: Vec<_> = PAGE
        .split("<!-- ci:")
        .skip(1)
        .map(|rest| {
            let (name, rest) = rest.split_once(" -->\n```sh\n").expect("a fenced block follows the mark");
            (name, rest.split_once("```\n").expect("it ends").0)
        })
        .collect();
    assert_eq!(found.len(), PAGE.matches("```sh").count(), "a command without a mark");
    found
}

/// The JSON values that a command printed, and nothing else.
fn values(out: &[u8]) -> Vec<Value> {
    Deserializer::from_slice(out).into_iter().collect::<Result<_, _>>().unwrap()
}

/// An exchange with one communiqué that waits for North, and a published one; what the page calls them.
struct Told {
    world: World,
    open: Document<Manifest>,
    published: Document<Manifest>,
    variables: BTreeMap<&'static str, String>,
    dir: tempfile::TempDir,
}

impl Told {
    async fn new() -> Self {
        let world = World::new().await;
        let text = "Texte d'essai.\n";
        let manifest = Document::of(&world.manifest(fresh(), &NAMED, text)).unwrap();
        world.upload("north", manifest.communique, text.as_bytes()).await.unwrap();
        let propose = sign(world.act(ActKind::Propose, "north.a", &manifest, None), &key("north.a"));
        world.carry_proposal("north", manifest.bytes(), &propose).await.unwrap();
        let said = remark(&world, "north", &manifest, Audience::All, "Le deuxième alinéa.");
        world.remote("north").await.add_remark(said.bytes()).await.unwrap();
        world.open(&manifest).await;
        let act =
            sign(world.act(ActKind::Sign, "north.a", &manifest, Some(world.opening(&manifest).await)), &key("north.a"));
        world.carry("north", &act).await.unwrap();

        let published = world.draft(&["south", "north"], |m| m.procedure.initialling = Initialling::Waived).await;
        world.submit("south.a", world.act(ActKind::Open, "south.a", &published, None)).await.unwrap();
        world.sign_all(&published, world.opening(&published).await).await;
        world.remote("south").await.publish(published.communique).await.unwrap();

        let dir = tempfile::tempdir().unwrap();
        let connection = world.connection("north", Role::System);
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let file = |name: &str, bytes: &[u8]| {
            fs::write(path(name), bytes).unwrap();
            path(name)
        };
        let variables = BTreeMap::from([
            ("ADDRESS", world.bound().exchange.to_string()),
            ("NAME", EXCHANGE.to_owned()),
            ("CHARTER", file("charter.json", world.pinned.charter().bytes())),
            ("CA", path("ca.pem")),
            ("CERT", file("system.pem", &connection.certificate_pem)),
            ("KEY", file("system-key.pem", &connection.key_pem)),
            ("GRANT", world.granted("north.a").digest().to_string()),
            ("POWERS", file("powers.jws", world.granted("north.a").compact().as_bytes())),
            ("ID", manifest.communique.to_string()),
            ("DIGEST", Digest::of(text.as_bytes()).to_string()),
            ("ACT", file("act.jws", act.as_bytes())),
            ("REMARK", file("remark.json", said.bytes())),
            ("MANIFEST", file("manifest.json", manifest.bytes())),
            ("PROPOSE", file("propose.jws", propose.as_bytes())),
            ("PUBLISHED", published.communique.to_string()),
            ("PACKAGE", path("package.zip")),
            // What the commands keep for themselves stays here.
            ("HOME", path("home")),
            ("BUF_CACHE_DIR", path("cache")),
        ]);
        Self { world, open: manifest, published, variables, dir }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Whether this is what the page promises of the command of this name.
    fn holds(&self, name: &str, out: &[u8]) -> bool {
        let first = || values(out).into_iter().next().unwrap();
        let communique = |manifest: &Manifest| format!("communiques/{}", manifest.communique);
        let (open, published) = (communique(&self.open), communique(&self.published));
        let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
        let rows = |member: &str| first()[member].as_array().unwrap().len();
        match name {
            // The exchange is not asked.
            "ca" => fs::read_to_string(self.path("ca.pem")).unwrap().starts_with("-----BEGIN CERTIFICATE-----\n"),
            "ask" => out.is_empty(),
            "charter" => bytes(&first()["charter"]["document"]) == self.world.pinned.charter().bytes(),
            "fingerprint" => String::from_utf8_lossy(out).starts_with(&self.world.pinned.founding().to_string()),
            "services" => ["communique.v1.EventService", "grpc.health.v1.Health"]
                .iter()
                .all(|service| String::from_utf8_lossy(out).lines().any(|line| line == *service)),
            "health" => first()["status"] == "SERVING",
            "charters" => rows("charters") == 1,
            "trust" => rows("trust") == 4,
            "powers" => rows("powers") == 3,
            "page" => rows("powers") == 2 && first()["nextPageToken"] != Value::Null,
            "grant" | "grant-again" => first()["powers"]["statement"] == self.world.granted("north.a").compact(),
            "inbox" => rows("communiques") == 1 && first()["communiques"][0]["name"] == open,
            "communique" => first()["communique"]["name"] == open && first()["communique"]["state"] == "STATE_OPEN",
            "revisions" => rows("revisions") == 1,
            "revision" | "revision-again" => bytes(&first()["revision"]["manifest"]) == self.open.bytes(),
            "acts" => rows("acts") == 4,
            "remarks" => rows("remarks") == 1,
            "events" => rows("events") == 6,
            // A heartbeat, the seven entries, and where the stream has come to.
            "watch" => {
                let items = values(out);
                items[0]["heartbeat"].is_object() && items.iter().filter(|item| item["event"].is_object()).count() == 7
            }
            "publications" => rows("publications") == 1,
            "publication" | "publish-again" => first()["publication"]["communique"] == published,
            "upload" => first()["size"] == "17",
            "held" => first()["complete"] == true && first()["held"] == "15",
            "text" => out == "Texte d'essai.\n".as_bytes(),
            "package" => {
                let package = fs::read(self.path("package.zip")).unwrap();
                verify(Cursor::new(package), Some(self.world.pinned.founding())).exit_code() == 0
            }
            "act-again" | "remark-again" => first()["receipt"]["index"].is_string(),
            "checkpoint" => {
                let checkpoint = first()["checkpoint"].as_str().unwrap().to_owned();
                let log = Log::of_charter(&self.world.pinned.charter().log).unwrap();
                Unverified::parse(checkpoint.as_bytes()).unwrap().verify(&log).is_ok()
            }
            "inclusion" => first()["proof"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1\nindex 1\n"),
            "consistency" => rows("hashes") > 0,
            "digests" => {
                let digests = bytes(&first()["digests"]);
                digests.len() % 32 == 0 && digests.len() > 32 * 12
            }
            "refused" => out.is_empty(),
            other => panic!("what does `{other}` promise?"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_on_the_page_does_what_it_says() {
    let tools = "buf --version && base64 -w 0 /dev/null && sha256sum --version && python3 --version";
    if !Command::new("bash").args(["-c", tools]).output().is_ok_and(|there| there.status.success()) {
        return missing("buf, python3 or GNU coreutils", "`npm install -g @bufbuild/buf` has the first");
    }
    let told = Told::new().await;
    let stored = told.world.stored();
    let ask = blocks().into_iter().find(|(name, _)| *name == "ask").unwrap().1;
    for (name, block) in blocks() {
        let mut shell = Command::new("bash");
        shell
            .args(["-euc", &format!("{ask}\n{block}")])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("LC_ALL", "C.UTF-8")
            .envs(&told.variables);
        let ran = tokio::task::spawn_blocking(move || shell.output()).await.unwrap().unwrap();
        let said =
            || format!("{name}: {}\n{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success() && told.holds(name, &ran.stdout), "{}", said());
    }
    // Of all that is sent again, nothing was done again; the one upload is new.
    assert_eq!(told.world.stored()[..4], stored[..4]);
    told.world.stop().await;
}

#[test]
fn every_method_is_on_the_page() {
    let commands: Vec<_> = blocks().into_iter().map(|(_, block)| block).collect();
    for (method, _) in RIGHTS {
        let shown = commands.iter().any(|block| block.contains(method));
        assert_eq!(shown, !NOT_SHOWN.contains(method), "{method}");
    }
}

#[test]
fn the_table_of_refusals_is_the_program_s() {
    let mut told: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let (_, table) = PAGE.split_once("| code | reasons |").unwrap();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let reasons = cells[2].split(", ").map(|reason| reason.trim_matches('`')).collect();
        told.insert(cells[1].trim_matches('`').to_owned(), reasons);
    }
    let mut meant: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (reason, class) in Refusal::TABLE {
        // `PermissionDenied` as gRPC writes it.
        let code = format!("{:?}", code(*class));
        let words =
            code.char_indices().flat_map(|(at, c)| (at > 0 && c.is_uppercase()).then_some('_').into_iter().chain([c]));
        meant.entry(words.collect::<String>().to_uppercase()).or_default().insert(reason);
    }
    assert_eq!(told, meant);
}
