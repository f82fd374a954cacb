//! What an exchange would show of what a package holds.

use std::collections::BTreeMap;

use communique::{
    domain::id::Digest,
    wire::v1::{self, act::View},
};
use serde_json::Value;

use crate::package::unpacked;

/// As the messages of the contract have it.
#[derive(Default)]
pub struct Shown {
    /// The file of charters, one on a line, and the fingerprint of the newest.
    pub charters: Vec<u8>,
    pub pin: Option<Digest>,
    pub succession: v1::ListChartersResponse,
    pub communique: v1::Communique,
    pub powers: Vec<v1::Powers>,
}

impl Shown {
    /// `None` for what is no package.
    pub fn of(zip: &[u8]) -> Option<Self> {
        let files = unpacked(zip)?;
        let (folder, _) = files.first()?.0.split_once('/')?;
        let mut shown = Self::default();
        shown.communique.name = format!("communiques/{}", folder.strip_prefix("communique-")?);
        shown.communique.state = v1::State::Published.into();
        let numbered = |under: &str| {
            let number = |name: &str| name.split_once(under)?.1.strip_suffix(".json")?.parse::<u64>().ok();
            files.iter().filter_map(|(name, bytes)| Some((number(name)?, bytes))).collect::<BTreeMap<_, _>>()
        };
        for charter in numbered("/data/charters/").into_values() {
            shown.charters.extend(charter.iter().chain(b"\n"));
            shown.pin = Some(Digest::of(charter));
        }
        let objects: BTreeMap<_, _> = files.iter().map(|(_, bytes)| (Digest::of(bytes).to_string(), bytes)).collect();
        for (index, bytes) in numbered("/data/entries/") {
            let entry: Value = serde_json::from_slice(bytes).ok()?;
            let named = |list: &str| objects.get(entry[list][0].as_str()?).map(|bytes| bytes.to_vec());
            let document = named("documents").unwrap_or_default();
            let statement = String::from_utf8(named("statements").unwrap_or_default()).ok()?;
            shown.log(
                &entry["kind"],
                v1::Receipt { index, entry: bytes.clone(), proof: String::new() },
                document,
                statement,
            );
        }
        Some(shown)
    }

    fn log(&mut self, kind: &Value, receipt: v1::Receipt, document: Vec<u8>, statement: String) {
        let (receipt, communique) = (Some(receipt), &mut self.communique);
        match kind.as_str().unwrap_or_default() {
            "charter" => self.succession.charters.push(v1::Charter { document, receipt, ..Default::default() }),
            "adoption" => {
                let last = self.succession.charters.last_mut();
                last.into_iter().for_each(|c| {
                    c.adoptions.push(v1::Adoption { statement: statement.clone(), receipt: receipt.clone() });
                });
            }
            "powers" => self.powers.push(v1::Powers { statement, receipt, revocation: None }),
            "revision" => {
                communique.newest = Some(v1::Revision { manifest: document, propose: statement, receipt });
                communique.acts.clear();
            }
            "act" => communique.acts.push(v1::Act { view: Some(View::Shown(v1::ShownAct { statement, receipt })) }),
            "opened" => communique.opened = receipt,
            _ => {}
        }
    }
}
