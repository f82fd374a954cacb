//! What is there when somebody begins to type a guide, and what others do meanwhile.

use std::{fs, path::PathBuf};

use crate::{
    desk::Desk,
    job::{Served, found, founded, grant, grant_to, ministry, official, profiles},
    secrets::words_on,
};

/// The communiqué's id in the guides; the exchange gives another each time.
const ID: &str = "019ad3b0-6f00-7d3a-9c41-5e8f1b2a7c60";
/// Where the exchange is, in the guides.
const ADDRESS: &str = "exchange.example:8443";

pub trait World {
    fn desk(&self) -> &Desk;
    /// What others do at this mark of the page.
    fn meanwhile(&mut self, mark: &str);
    /// The language of the reader's machine.
    fn locale(&self) -> &'static str;
    /// What differs each time: as the page has it, and as it is.
    fn differing(&self) -> Vec<(String, String)>;
    /// What is typed where the page says this.
    fn answer(&self, shown: &str) -> String {
        shown.to_owned()
    }
    fn home(&self) -> PathBuf {
        self.desk().path("home")
    }
    /// Commands of the page, as they are typed here.
    fn of_this_run(&self, commands: &str) -> String {
        self.differing().iter().fold(commands.to_owned(), |commands, (shown, real)| commands.replace(shown, real))
    }
    /// What was printed, as the page has it.
    fn seen_by_a_reader(&self, printed: &str) -> String {
        let home = (self.reader().to_owned(), self.home().display().to_string());
        let differing = self.differing().into_iter().chain([home]);
        differing.fold(printed.to_owned(), |printed, (shown, real)| printed.replace(&real, &shown))
    }
    /// The reader's home directory, in the page.
    fn reader(&self) -> &'static str;
}

/// The two parties of a guide, and the text that waits for a signature, in two languages.
struct Words {
    locale: &'static str,
    reader: &'static str,
    /// Id, name by language.
    own: (&'static str, &'static str),
    other: (&'static str, &'static str),
    /// The holder of full powers of the reader's party, of the other: id, name, title.
    holder: (&'static str, &'static str, &'static str),
    counterpart: (&'static str, &'static str, &'static str),
    /// What the administrator hands over, and the charter in it.
    handed: [&'static str; 2],
    /// Language, title, place, text.
    texts: [[&'static str; 4]; 2],
}

/// An official who has just got the program, a file from the ministry's administrator, and a communiqué to sign.
pub struct Official {
    desk: Desk,
    served: Served,
    words: Words,
    id: String,
    granted: bool,
}

const FRENCH: [&str; 4] = [
    "fr",
    "Communiqué conjoint sur les crues (exemple)",
    "Portneuf (exemple)",
    "COMMUNIQUÉ CONJOINT (TEXTE D’EXEMPLE)\n\nLes ministres de deux États imaginaires se sont réunis à Portneuf le 2 mars 2026.\n\n\
     Les parties échangent tous les 7 jours les relevés de leurs stations hydrologiques.\n",
];
const ENGLISH: [&str; 4] = [
    "en",
    "Joint communiqué on floods (sample)",
    "Portneuf (sample)",
    "JOINT COMMUNIQUÉ (SAMPLE TEXT)\n\nThe ministers of two imaginary states met in Portneuf on 2 March 2026.\n\n\
     The parties exchange the readings of their gauging stations every 7 days.\n",
];
const RUSSIAN: [&str; 4] = [
    "ru",
    "Совместное коммюнике о паводках (образец)",
    "Портнёф (образец)",
    "СОВМЕСТНОЕ КОММЮНИКЕ (ОБРАЗЕЦ)\n\nМинистры двух вымышленных государств встретились в Портнёфе 2 марта 2026 года.\n\n\
     Стороны каждые 7 дней обмениваются показаниями своих гидрологических станций.\n",
];

impl Official {
    pub fn french() -> Self {
        Self::new(Words {
            locale: "fr_FR.UTF-8",
            reader: "/home/a.essai",
            own: ("nord", "fr=République du Nord (exemple)"),
            other: ("sud", "fr=République du Sud (exemple)"),
            holder: ("a.essai", "fr=A. Essai", "fr=Ministre des affaires étrangères (exemple)"),
            counterpart: ("b.essai", "fr=B. Essai", "fr=Ministre des affaires étrangères (exemple)"),
            handed: ["remise.tar", "charte.json"],
            texts: [FRENCH, RUSSIAN],
        })
    }
    pub fn english() -> Self {
        Self::new(Words {
            locale: "en_GB.UTF-8",
            reader: "/home/a.sample",
            own: ("north", "en=Republic of the North (sample)"),
            other: ("south", "en=Republic of the South (sample)"),
            holder: ("a.sample", "en=A. Sample", "en=Minister for Foreign Affairs (sample)"),
            counterpart: ("b.sample", "en=B. Sample", "en=Minister for Foreign Affairs (sample)"),
            handed: ["handover.tar", "charter.json"],
            texts: [ENGLISH, FRENCH],
        })
    }
    pub fn russian() -> Self {
        Self::new(Words {
            locale: "ru_RU.UTF-8",
            reader: "/home/a.obrazets",
            own: ("sever", "ru=Северная Республика (образец)"),
            other: ("yug", "ru=Южная Республика (образец)"),
            holder: ("a.obrazets", "ru=А. Образец", "ru=Министр иностранных дел (образец)"),
            counterpart: ("b.obrazets", "ru=Б. Образец", "ru=Министр иностранных дел (образец)"),
            handed: ["peredacha.tar", "khartiya.json"],
            texts: [RUSSIAN, FRENCH],
        })
    }

    fn new(words: Words) -> Self {
        let desk = Desk::new();
        let ((own, own_name), (other, other_name)) = (words.own, words.other);
        desk.charter_of(&[(own, own_name.to_owned()), (other, other_name.to_owned())]);
        let (served, pin) = founded(&desk, &[own, other], "");
        for party in [own, other] {
            profiles(&desk, party, &served.address, &pin);
        }
        let (holder, name, title) = words.counterpart;
        let key = format!("{other}-holder.pem.jwk");
        grant_to(&desk, other, holder, &key, "charter.json", [name, title, &in_a_year()]).ends(0);
        let id = propose(&desk, &words);
        for act in ["open", "sign"] {
            official(&desk, other, &format!("{act} {id}")).ends(0);
        }

        // What the administrator hands over: all but the key to sign with, which the official makes.
        let [file, charter] = words.handed;
        let folder = "handed/.config/communique";
        fs::create_dir_all(desk.path(folder)).unwrap();
        fs::create_dir(desk.path("home")).unwrap();
        fs::copy(desk.path("charter.json"), desk.path(&format!("{folder}/{charter}"))).unwrap();
        let holder = words.holder.0;
        desk.run(&format!("certs issue --ca {own}-ca --role official --name {holder} --out {folder}")).ends(0);
        let profile = format!(
            "address = '{}'\ncharter = '{charter}'\npin = '{pin}'\ncertificate = 'official-{holder}.pem'\n\
             key = 'official-{holder}-key.pem'\nsigning_key = 'signature.pem'\n",
            served.address
        );
        desk.write(&format!("{folder}/default.toml"), profile);
        let packed = std::process::Command::new("tar")
            .args(["--create", "--sort=name", "--file"])
            .arg(desk.path(&format!("home/{file}")))
            .args(["--directory"])
            .arg(desk.path("handed"))
            .arg(".config")
            .status();
        assert!(packed.unwrap().success());
        Self { desk, served, words, id, granted: false }
    }
}

/// A year and half a day from now, so that every run of a guide has as many days before it, however fast it is.
fn in_a_year() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let then = jiff::Timestamp::from_second(i64::try_from(now).unwrap() + 365 * 86_400 + 43_200).unwrap();
    then.to_string()
}

/// The other party proposes the text.
fn propose(desk: &Desk, words: &Words) -> String {
    let each = |row: &dyn Fn(&[&str; 4]) -> String| words.texts.iter().map(row).collect::<Vec<_>>().join(", ");
    for [lang, _, _, text] in words.texts {
        desk.write(&format!("{lang}.txt"), text);
    }
    let draft = format!(
        "parties = ['{}', '{}']\ntitles = {{ {} }}\ntexts = [{}]\n\
         [meeting]\nplaces = {{ {} }}\ndate = '2026-03-02'\nhost = '{1}'\n[procedure]\ninitialling = 'waived'\n",
        words.own.0,
        words.other.0,
        each(&|[lang, title, ..]| format!("{lang} = '{title}'")),
        each(&|[lang, ..]| format!("{{ lang = '{lang}', file = '{lang}.txt' }}")),
        each(&|[lang, _, place, _]| format!("{lang} = '{place}'")),
    );
    desk.write("draft.toml", draft);
    let proposed = official(desk, words.other.0, "new draft.toml --json").ends(0).json();
    proposed["communique"].as_str().unwrap().to_owned()
}

impl World for Official {
    fn desk(&self) -> &Desk {
        &self.desk
    }
    fn locale(&self) -> &'static str {
        self.words.locale
    }
    fn reader(&self) -> &'static str {
        self.words.reader
    }
    fn differing(&self) -> Vec<(String, String)> {
        vec![(ID.into(), self.id.clone()), (ADDRESS.into(), self.served.address.clone())]
    }
    fn meanwhile(&mut self, mark: &str) {
        assert_eq!((mark, self.granted), ("powers", false), "nobody knows what happens here");
        self.granted = true;
        let (holder, name, title) = self.words.holder;
        let key = "home/.config/communique/signature.pem.jwk";
        grant_to(&self.desk, self.words.own.0, holder, key, "charter.json", [name, title, &in_a_year()]).ends(0);
    }
}

/// An administrator who begins with nothing, while the other party and the operator do their part.
pub struct Delegation {
    desk: Desk,
    served: Option<Served>,
    id: Option<String>,
}

impl Delegation {
    const OWN: &str = "north";
    const OTHERS: [&str; 2] = ["south", "east"];

    pub fn new() -> Self {
        let desk = Desk::new();
        desk.host();
        for (party, name) in Self::OTHERS.into_iter().zip(["en=Republic of the South (sample)", "en=East (sample)"]) {
            desk.key(&format!("{party}.pem"));
            desk.party_named(party, name, &format!("{party}.pem"), &format!("{party}.json"));
        }
        fs::create_dir(desk.path("home")).unwrap();
        Self { desk, served: None, id: None }
    }
    /// A file that travels.
    fn carry(&self, from: &str, to: &str) {
        fs::copy(self.desk.path(from), self.desk.path(to)).unwrap();
    }
    /// An official makes a key, and sends its public half.
    fn official_makes_a_key(&self, name: &str) {
        self.desk.key(&format!("{name}.pem"));
        self.carry(&format!("{name}.pem.jwk"), &format!("home/{name}.jwk"));
    }
    fn proposed(&self) -> String {
        self.desk.write("en.txt", ENGLISH[3]);
        self.desk.write(
            "draft.toml",
            "parties = ['north', 'south']\ntitles = { en = 'Joint communiqué (sample)' }\n\
             texts = [{ lang = 'en', file = 'en.txt' }]\n\
             [meeting]\nplaces = { en = 'Portneuf (sample)' }\ndate = '2026-03-02'\nhost = 'south'\n",
        );
        let proposed = official(&self.desk, Self::OTHERS[0], "new draft.toml --json").ends(0).json();
        proposed["communique"].as_str().unwrap().to_owned()
    }
}

impl World for Delegation {
    fn desk(&self) -> &Desk {
        &self.desk
    }
    fn locale(&self) -> &'static str {
        "en_GB.UTF-8"
    }
    fn reader(&self) -> &'static str {
        "/home/registry"
    }
    fn differing(&self) -> Vec<(String, String)> {
        let id = self.id.iter().map(|id| (ID.into(), id.clone()));
        id.chain(self.served.iter().map(|served| (ADDRESS.into(), served.address.clone()))).collect()
    }
    fn answer(&self, shown: &str) -> String {
        let Some(numbers) = shown.strip_prefix("words ").and_then(|rest| rest.strip_suffix(" of the page")) else {
            return shown.to_owned();
        };
        let (first, last) = numbers.split_once(" to ").unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let words = words_on(&self.desk.read("home/page.txt"));
        words[first - 1..last].join(" ")
    }
    fn meanwhile(&mut self, mark: &str) {
        match mark {
            "the charter is drafted" => {
                let parties = "--party home/north.json south.json east.json --succession all-but-one";
                self.desk.run(&format!("charter draft --host host/host.json {parties} --out charter.json")).ends(0);
                self.carry("charter.json", "home/charter.json");
            }
            "the exchange is founded" => {
                self.carry("home/adoption.jws", "north-adoption.jws");
                self.carry("home/trust-1.jws", "north-trust.jws");
                for party in Self::OTHERS {
                    let adoption = format!("--key {party}.pem --out {party}-adoption.jws --yes");
                    self.desk.sign(&format!("charter adopt charter.json {adoption}")).ends(0);
                    ministry(&self.desk, party, "charter.json");
                }
                let (served, pin) = found(&self.desk, &[Self::OWN, Self::OTHERS[0], Self::OTHERS[1]], "");
                for party in Self::OTHERS {
                    profiles(&self.desk, party, &served.address, &pin);
                    grant(&self.desk, party, "a.sample", "charter.json").ends(0);
                }
                self.served = Some(served);
            }
            "a.sample sends a key" => self.official_makes_a_key("a.sample"),
            "south proposes a text and b.sample sends a key" => {
                self.id = Some(self.proposed());
                self.official_makes_a_key("b.sample");
            }
            "south proposes the charter" => {
                self.carry("home/two.jsonl", "two.jsonl");
                for party in Self::OTHERS {
                    let adoption = format!("--key {party}.pem --out {party}-2.jws --yes");
                    self.desk.sign(&format!("charter adopt two.jsonl {adoption}")).ends(0);
                }
                self.desk
                    .run("charter propose two.jsonl --adoption south-2.jws --profile south-authority.toml")
                    .ends(0);
                self.desk.run("charter submit-adoption east-2.jws --profile east-authority.toml").ends(0);
            }
            other => panic!("nobody knows what happens at {other:?}"),
        }
    }
}
