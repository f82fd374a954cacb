//! An exchange with a log of some length, in a process of its own, and who asks it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use communique::{
    domain::{
        act::ActKind,
        document::Document,
        id::{CommuniqueId, Role},
        json,
        manifest::Manifest,
    },
    store::sqlite::{Options, SqliteContent},
    wire::{
        page,
        v1::{
            GetCheckpointRequest, GetCommuniqueRequest, GetInclusionProofRequest, ListActsRequest,
            ListCommuniquesRequest, ProposeRevisionRequest, SubmitActRequest, WatchRequest,
            communique_service_client::CommuniqueServiceClient, event_service_client::EventServiceClient,
            log_service_client::LogServiceClient, watch_response::Item,
        },
    },
};
use rusqlite::OpenFlags;
use tonic::transport::Channel;

use crate::{
    course::{Course, TEXT},
    process::{Process, configuration, log_of},
    world::{World, dial, key, sign},
};

/// What awaits the party that asks for its inbox; of all others of its communiqués nothing does.
pub const AWAITING: u64 = 10;
/// Rows of a page.
const PAGE: usize = 50;
/// Entries that a watcher catches up with.
const CAUGHT_UP: u64 = 200;
/// Longer than reading any log again takes.
const LONGEST: Duration = Duration::from_secs(3600);
/// Entries of the long communiqués, and how many there are of each length.
pub const LENGTHS: [u64; 3] = [10, 100, 1000];
pub const OF_A_LENGTH: u64 = 40;
/// From one to the next of those that are asked for in turn: a prime, so that none comes again before all had theirs.
const STEP: u64 = 7_919;
/// Acts on a long communiqué between two revisions: what two parties may say of one, objections and declarations.
pub const TALK: usize = 16;

/// The parties of nearly all communiqués. The last one asks for pages and its inbox.
const ALL: [&str; 3] = ["north", "south", "east"];
/// The parties of those that are acted on: not the one that asks for its inbox.
const ACTING: [&str; 2] = ["north", "east"];
const ASKING: &str = "south";

pub struct Scene {
    // Dropped before the folder that it serves.
    process: Option<Process>,
    /// Communiqués.
    pub size: u64,
    world: World,
    most: Course,
    /// To be acted on yet, to be revised yet.
    initials: VecDeque<Document<Manifest>>,
    revisions: VecDeque<Document<Manifest>>,
    /// Long communiqués as they stand, by [`LENGTHS`].
    long: Vec<Vec<Document<Manifest>>>,
    clients: Option<Clients>,
    mark: String,
    turn: u64,
}

struct Clients {
    north: CommuniqueServiceClient<Channel>,
    east: CommuniqueServiceClient<Channel>,
    south: CommuniqueServiceClient<Channel>,
    log: LogServiceClient<Channel>,
    events: EventServiceClient<Channel>,
}

impl Scene {
    /// Founds an exchange and fills its log: so many communiqués, some to be acted on, and long ones of these
    /// lengths.
    pub async fn new(size: u64, acts: u64, revisions: u64, lengths: &[u64]) -> Self {
        let world = World::new().await;
        world.stop().await;
        let store = log_of(&world);
        let mut most = Course::new(&world, ALL.to_vec());
        most.seal_text(&SqliteContent::open(&world.config.data.content(), Options::default()).unwrap()).await;
        most.extend(&store, size, size - AWAITING).await;
        let mut acted = most.then(&world, ACTING.to_vec());
        acted.extend(&store, acts + revisions, 0).await;
        let mut to_act: VecDeque<_> = acted.numbers().map(|n| acted.manifest(n)).collect();
        let to_revise = to_act.split_off(usize::try_from(acts).unwrap());
        let mut long = Vec::new();
        for entries in lengths {
            let mut of_length = Vec::new();
            for _ in 0..OF_A_LENGTH {
                of_length.push(acted.long(&world, &store, *entries).await);
            }
            long.push(of_length);
        }
        Self {
            process: None,
            size,
            world,
            most,
            initials: to_act,
            revisions: to_revise,
            long,
            clients: None,
            mark: String::new(),
            turn: 0,
        }
    }

    /// Starts it anew. How long it took until it had answered a call.
    pub async fn start(&mut self) -> Duration {
        self.clients = None;
        self.process = None;
        let begun = Instant::now();
        let process = Process::start(&self.world, &[]);
        let line = async |of| dial(&self.world.connection_to(process.address, of, Role::Official)).await.unwrap();
        let south = line(ASKING).await;
        let mut first = CommuniqueServiceClient::new(south.clone());
        first.get_communique(GetCommuniqueRequest { name: name(self.most.id(0)) }).await.unwrap();
        let took = begun.elapsed();
        let north = line("north").await;
        self.clients = Some(Clients {
            east: CommuniqueServiceClient::new(line("east").await),
            log: LogServiceClient::new(south.clone()),
            events: EventServiceClient::new(north.clone()),
            north: CommuniqueServiceClient::new(north),
            south: CommuniqueServiceClient::new(south),
        });
        self.process = Some(process);
        took
    }
    /// Starts it anew, to read all that it holds again as fast as it can; waits until it says that it has.
    pub async fn read_again(&mut self) {
        self.clients = None;
        self.process = None;
        let mut process = Process::start(&self.world, &[("COMMUNIQUE__SCRUB__MIB_PER_SECOND", "1024".into())]);
        let begun = Instant::now();
        while !process.said(&self.world).contains("were read again and are sound") {
            assert!(begun.elapsed() < LONGEST, "{}", process.said(&self.world));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.process = Some(process);
    }
    pub fn resident(&self) -> f64 {
        self.process.as_ref().unwrap().resident()
    }
    fn clients(&mut self) -> &mut Clients {
        self.clients.as_mut().unwrap()
    }
    /// A number below this one, another at each call, spread over all.
    fn turn(&mut self, of: u64) -> u64 {
        self.turn += 1;
        self.turn * STEP % of
    }

    pub async fn act(&mut self) -> Duration {
        let manifest = self.initials.pop_front().unwrap();
        let statement = sign(self.world.act(ActKind::Initial, "east.a", &manifest, None), &key("east.a"));
        let east = &mut self.clients().east;
        timed(east.submit_act(SubmitActRequest { statement })).await
    }
    pub async fn revision(&mut self) -> Duration {
        let manifest = self.revisions.pop_front().unwrap();
        self.revise(&manifest).await.0
    }
    async fn revise(&mut self, before: &Document<Manifest>) -> (Duration, Document<Manifest>) {
        let manifest = Document::of(&self.world.next(before, TEXT)).unwrap();
        let propose = sign(self.world.act(ActKind::Propose, "north.a", &manifest, None), &key("north.a"));
        let request = ProposeRevisionRequest { manifest: manifest.bytes().to_vec(), propose };
        (timed(self.clients().north.propose_revision(request)).await, manifest)
    }
    /// One that was not asked for before, unless there are not so many.
    pub async fn get_first(&mut self) -> Duration {
        let n = self.turn(self.size - AWAITING);
        let name = name(self.most.id(n));
        timed(self.clients().south.get_communique(GetCommuniqueRequest { name })).await
    }
    /// One of those that are asked for again and again.
    pub async fn get_again(&mut self) -> Duration {
        let n = self.size - 1 - self.turn(AWAITING);
        let name = name(self.most.id(n));
        timed(self.clients().south.get_communique(GetCommuniqueRequest { name })).await
    }
    /// The page after this share of all communiqués.
    pub async fn page(&mut self, share: f64) -> Duration {
        if self.mark.is_empty() {
            let one = ListCommuniquesRequest { page_size: 1, ..Default::default() };
            let token = self.clients().south.list_communiques(one).await.unwrap().into_inner().next_page_token;
            let token = String::from_utf8(json::unbase64(&token).unwrap()).unwrap();
            self.mark = token.rsplit_once('.').unwrap().1.to_owned();
        }
        let before = ((self.size - PAGE as u64) as f64 * share) as u64;
        let key = before.checked_sub(1).map(|n| self.most.id(n).to_string()).unwrap_or_default();
        let page_token = page::token(&page::marked(&key, &self.mark));
        let request = ListCommuniquesRequest { page_size: PAGE as i32, page_token, ..Default::default() };
        let begun = Instant::now();
        let found = self.clients().south.list_communiques(request).await.unwrap().into_inner();
        let took = begun.elapsed();
        assert_eq!(found.communiques.len(), PAGE);
        took
    }
    pub async fn inbox(&mut self) -> Duration {
        let request = ListCommuniquesRequest { awaiting: true, ..Default::default() };
        let begun = Instant::now();
        let found = self.clients().south.list_communiques(request).await.unwrap().into_inner();
        let took = begun.elapsed();
        assert_eq!((found.communiques.len() as u64, found.next_page_token), (AWAITING, String::new()));
        took
    }
    /// Entries of the log.
    pub async fn entries(&mut self) -> u64 {
        let head = self.clients().log.get_checkpoint(GetCheckpointRequest {}).await.unwrap().into_inner();
        head.checkpoint.lines().nth(1).unwrap().parse().unwrap()
    }
    /// The newest entries, from the first asked for to the last.
    pub async fn catch_up(&mut self) -> Duration {
        let end = self.entries().await;
        let request = WatchRequest { from_index: Some(end - CAUGHT_UP), communique: String::new() };
        let begun = Instant::now();
        let mut stream = self.clients().events.watch(request).await.unwrap().into_inner();
        loop {
            match stream.message().await.unwrap().unwrap().item {
                Some(Item::Event(event)) if event.index == end - 1 => return begun.elapsed(),
                _ => {}
            }
        }
    }
    pub async fn proof(&mut self) -> Duration {
        let index = self.turn(2 * self.size);
        timed(self.clients().log.get_inclusion_proof(GetInclusionProofRequest { index })).await
    }

    /// What is done to the long communiqués of this length: a revision of each, and what is said of it.
    pub async fn negotiate(&mut self, length: usize, n: usize) -> (Duration, Vec<Duration>) {
        let manifest = self.long[length][n].clone();
        let (revision, manifest) = self.revise(&manifest).await;
        let mut acts = Vec::new();
        for said in 0..TALK {
            let who = ["north.a", "east.a"][said % 2];
            let kind = [ActKind::Object, ActKind::Declare][said / 2 % 2];
            let statement = sign(self.world.act(kind, who, &manifest, None), &key(who));
            let clients = self.clients();
            let client = if said % 2 == 0 { &mut clients.north } else { &mut clients.east };
            acts.push(timed(client.submit_act(SubmitActRequest { statement })).await);
        }
        self.long[length][n] = manifest;
        (revision, acts)
    }
    pub async fn get_long(&mut self, length: usize, n: usize) -> Duration {
        let name = name(self.long[length][n].communique);
        timed(self.clients().north.get_communique(GetCommuniqueRequest { name })).await
    }
    pub async fn acts_of_long(&mut self, length: usize, n: usize) -> Duration {
        let parent = name(self.long[length][n].communique);
        let request = ListActsRequest { parent, page_size: 8, ..Default::default() };
        timed(self.clients().north.list_acts(request)).await
    }

    /// Bytes that the log's file has in use, what is in its write-ahead log taken as if it were moved.
    pub fn log_bytes(&self) -> f64 {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db = rusqlite::Connection::open_with_flags(self.world.config.data.log(), flags).unwrap();
        let ask = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).unwrap();
        ((ask("page_count") - ask("freelist_count")) * ask("page_size")) as f64
    }
    /// A backup while it serves, by the shipped program: its bytes, and how long it took.
    pub fn backup(&self) -> (f64, Duration) {
        let folder = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        self.program(&["backup", "--to", folder.path().to_str().unwrap()]);
        let took = begun.elapsed();
        let bytes = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
        (bytes.sum::<u64>() as f64, took)
    }
    /// That nothing is wrong with what was made and done.
    pub fn check(&self) {
        self.program(&["fsck"]);
    }
    fn program(&self, arguments: &[&str]) {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_communiqued"));
        let output = command.args(arguments).arg("--config").arg(configuration(&self.world)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
    }
}

fn name(id: CommuniqueId) -> String {
    format!("communiques/{id}")
}

async fn timed<T>(call: impl Future<Output = Result<T, tonic::Status>>) -> Duration {
    let begun = Instant::now();
    call.await.unwrap();
    begun.elapsed()
}
