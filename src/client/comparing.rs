//! What changed from one revision to another: by paragraph and word in each text, by member around the texts.
//!
//! Pure, and the same every time: where a comparison would take too long it is made coarser by size, never by the clock. A
//! paragraph that stands elsewhere is moved, not removed and added; one that stands elsewhere and reads otherwise is both moved
//! and changed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    ops::Range,
};

use serde::Serialize;
use serde_json::{Value, json};
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices};

use super::numbers;
use crate::{
    domain::{
        id::Lang,
        manifest::{Manifest, Text},
        message::{Fact, Message, Tell},
    },
    msg,
};

/// Largest product of two sequences' lengths that are compared in full; beyond it what lies between their common beginning and
/// end is one replacement. Five thousand paragraphs against as many, all different, stay below it.
pub const EFFORT_LIMIT: usize = 32_000_000;
/// Most pairs of paragraphs that are weighed for likeness at a time; beyond it paragraphs in one place pair in their order.
pub const PAIRS_LIMIT: usize = 40_000;
/// How alike two paragraphs in one place must be to be one paragraph that changed, in percent of their words.
pub const ALIKE: usize = 35;
/// The same for paragraphs in different places.
pub const ALIKE_ELSEWHERE: usize = 60;
/// Fewest words of a paragraph that is looked for elsewhere when it reads otherwise.
pub const WORDS_ELSEWHERE: usize = 4;
/// Most changed numbers that a summary lists.
pub const NUMBERS_LISTED: usize = 20;

/// What changed between two revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Around the texts, in the order of importance to a reader.
    pub members: Vec<Member>,
    /// Each language of either revision.
    pub texts: BTreeMap<Lang, TextChange>,
}

/// A member of the manifest that is another one now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// What people call it.
    pub member: &'static str,
    /// As it was; null if it was not there.
    pub old: Value,
    /// As it is.
    pub new: Value,
}

/// What became of one language's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextChange {
    /// The language is new, with so many paragraphs.
    Added(usize),
    /// The language is no longer there; it had so many paragraphs.
    Removed(usize),
    /// Both revisions have it. No changes: the texts are the same.
    Compared(Vec<Change>),
}

/// What became of one paragraph. Paragraphs count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added {
        /// Its place in the new text.
        new: usize,
        /// Its words.
        text: String,
    },
    /// It is gone.
    Removed {
        /// Its place in the old text.
        old: usize,
        /// Its words.
        text: String,
    },
    /// It stands elsewhere, word for word.
    Moved {
        /// Its place in the old text.
        old: usize,
        /// Its place in the new text.
        new: usize,
        /// Its words.
        text: String,
    },
    /// It reads otherwise.
    Changed {
        /// Its place in the old text.
        old: usize,
        /// Its place in the new text.
        new: usize,
        /// Whether it stands elsewhere too.
        moved: bool,
        /// Its words, old and new; the old ones joined are the old paragraph, the new ones the new.
        words: Vec<Piece>,
    },
}

/// Some words of a changed paragraph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// What became of them.
    pub fate: Fate,
    /// The words, with their spaces.
    pub text: String,
}

/// What became of some words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// They are in both.
    Same,
    /// They are in the old paragraph alone.
    Removed,
    /// They are in the new paragraph alone.
    Added,
}

/// How much changed in one text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Paragraphs that read otherwise, wherever they stand.
    pub changed: usize,
    /// Paragraphs that are new.
    pub added: usize,
    /// Paragraphs that are gone.
    pub removed: usize,
    /// Paragraphs that stand elsewhere, whether or not they read otherwise.
    pub moved: usize,
    /// Numbers and dates of changed paragraphs, as written: old and new; `null` on one side if it has no counterpart.
    /// At most [`NUMBERS_LISTED`].
    pub numbers: Vec<(Option<String>, Option<String>)>,
}

/// Compares two revisions. Texts are those of the manifests, by language.
#[must_use]
pub fn revisions(old: (&Manifest, &BTreeMap<Lang, String>), new: (&Manifest, &BTreeMap<Lang, String>)) -> Comparison {
    let languages: BTreeSet<&Lang> = old.1.keys().chain(new.1.keys()).collect();
    let change = |lang| match (old.1.get(lang), new.1.get(lang)) {
        (None, Some(new)) => TextChange::Added(paragraphs(new).count()),
        (Some(old), None) => TextChange::Removed(paragraphs(old).count()),
        (old, new) => {
            let words = |text: Option<&String>| text.map_or("", String::as_str).to_owned();
            TextChange::Compared(compare(&words(old), &words(new)))
        }
    };
    let texts = languages.into_iter().map(|lang| (lang.clone(), change(lang))).collect();
    Comparison { members: members(old.0, new.0), texts }
}

impl Comparison {
    /// Whether there is no difference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let same = |text: &TextChange| matches!(text, TextChange::Compared(changes) if changes.is_empty());
        self.members.is_empty() && self.texts.values().all(same)
    }

    /// What moved, in a line for each text and one for what is around them.
    #[must_use]
    pub fn summary(&self) -> Vec<Message> {
        let text = |(lang, text): (&Lang, &TextChange)| msg!("{lang}: {change}", lang, change = text.summary(lang));
        let members = self.members.iter().map(Tell::message);
        let members = members.reduce(|said, next| msg!("{said}; {next}", said, next));
        self.texts.iter().map(text).chain(members).collect()
    }
}

/// That it changed.
impl Tell for Member {
    fn tell(&self) -> Fact {
        let message = match self.member {
            "titles" => msg!("titles changed"),
            "parties" => msg!("parties changed"),
            "status of texts" => msg!("status of texts changed"),
            "direction of texts" => msg!("direction of texts changed"),
            "legal effect" => msg!("legal effect changed"),
            "deadline" => msg!("deadline changed"),
            "embargo" => msg!("embargo changed"),
            "initialling" => msg!("initialling changed"),
            "meeting" => msg!("meeting changed"),
            "annexes" => msg!("annexes changed"),
            "charter" => msg!("charter changed"),
            "text rules" => msg!("text rules changed"),
            other => msg!("{member} changed", member = other),
        };
        message.into()
    }
}

impl TextChange {
    /// What became of the text, in one line.
    #[must_use]
    pub fn summary(&self, lang: &Lang) -> Message {
        match self {
            Self::Added(n) => msg!("a new language, {n} paragraph" | "a new language, {n} paragraphs", n),
            Self::Removed(n) => {
                msg!("no longer there, {n} paragraph removed" | "no longer there, {n} paragraphs removed", n)
            }
            Self::Compared(changes) => Summary::of(changes, lang).message(),
        }
    }
}

/// What differs in the manifests besides the texts' words, and besides what every revision has of its own (number, salt,
/// digests).
#[must_use]
pub fn members(old: &Manifest, new: &Manifest) -> Vec<Member> {
    let statuses = |m: &Manifest| m.texts.iter().map(|t: &Text| format!("{} {}", t.lang, t.status)).collect::<Vec<_>>();
    let directions =
        |m: &Manifest| m.texts.iter().map(|t: &Text| (t.lang.to_string(), t.dir)).collect::<BTreeMap<_, _>>();
    [
        ("titles", json!(old.titles), json!(new.titles)),
        ("parties", json!(old.parties), json!(new.parties)),
        ("status of texts", json!(statuses(old)), json!(statuses(new))),
        ("direction of texts", json!(directions(old)), json!(directions(new))),
        ("legal effect", json!(old.legal_effect), json!(new.legal_effect)),
        ("deadline", json!(old.procedure.deadline), json!(new.procedure.deadline)),
        ("embargo", json!(old.procedure.embargo), json!(new.procedure.embargo)),
        ("initialling", json!(old.procedure.initialling), json!(new.procedure.initialling)),
        ("meeting", json!(old.meeting), json!(new.meeting)),
        ("annexes", json!(old.annexes), json!(new.annexes)),
        ("charter", json!(old.charter), json!(new.charter)),
        ("text rules", json!(old.rules), json!(new.rules)),
    ]
    .into_iter()
    .filter(|(_, old, new)| old != new)
    .map(|(member, old, new)| Member { member, old, new })
    .collect()
}

/// The paragraphs of a text, as `text.v1` parts them; a paragraph may have several lines.
pub fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.split("\n\n").filter(|paragraph| !paragraph.is_empty())
}

/// Compares two texts by paragraph, and what changed by word. In the order of the new text; what was removed stands where it
/// was.
#[must_use]
pub fn compare(old: &str, new: &str) -> Vec<Change> {
    let (old, new): (Vec<&str>, Vec<&str>) = (paragraphs(old).collect(), paragraphs(new).collect());
    let mut pairing = Pairing { news: vec![None; new.len()], olds: vec![false; old.len()] };
    let gaps = pairing.in_place(&old, &new);
    pairing.word_for_word(&old, &new, &gaps);
    let mut bags = Bags::default();
    for (left, right) in &gaps {
        pairing.alike_in_place(&old, &new, left.clone(), right.clone(), &mut bags);
    }
    pairing.alike_elsewhere(&old, &new, &gaps, &mut bags);
    pairing.told(&old, &new)
}

/// Which old paragraph became which new one.
struct Pairing {
    /// For each new paragraph the old one, and whether it stands elsewhere now.
    news: Vec<Option<(usize, bool)>>,
    /// Whether an old paragraph has its pair.
    olds: Vec<bool>,
}

/// Paragraphs of the old text and paragraphs of the new that stand in one place, between two that did not change.
type Gap = (Range<usize>, Range<usize>);

impl Pairing {
    fn pair(&mut self, old: usize, new: usize, moved: bool) {
        if let (Some(left), Some(right)) = (self.olds.get_mut(old), self.news.get_mut(new)) {
            *left = true;
            *right = Some((old, moved));
        }
    }
    fn free_olds(&self, range: &Range<usize>) -> Vec<usize> {
        range.clone().filter(|at| self.olds.get(*at) == Some(&false)).collect()
    }
    fn free_news(&self, range: &Range<usize>) -> Vec<usize> {
        range.clone().filter(|at| self.news.get(*at) == Some(&None)).collect()
    }

    /// Pairs what stayed; answers what lies between.
    fn in_place(&mut self, old: &[&str], new: &[&str]) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for op in differences(old, new) {
            if op.tag() == DiffTag::Equal {
                for (old, new) in op.old_range().zip(op.new_range()) {
                    self.pair(old, new, false);
                }
            } else {
                gaps.push((op.old_range(), op.new_range()));
            }
        }
        gaps
    }

    /// Pairs what stands elsewhere word for word.
    fn word_for_word(&mut self, old: &[&str], new: &[&str], gaps: &[Gap]) {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for at in gaps.iter().rev().flat_map(|(olds, _)| olds.clone().rev()) {
            if let Some(text) = old.get(at) {
                places.entry(text).or_default().push(at);
            }
        }
        for at in gaps.iter().flat_map(|(_, news)| news.clone()) {
            let from = new.get(at).and_then(|text| places.get_mut(text)).and_then(Vec::pop);
            if let Some(from) = from {
                self.pair(from, at, true);
            }
        }
    }

    /// Pairs what is alike in one place, in order, so that as much as can be is alike.
    fn alike_in_place<'a>(
        &mut self,
        old: &[&'a str],
        new: &[&'a str],
        olds: Range<usize>,
        news: Range<usize>,
        bags: &mut Bags<'a>,
    ) {
        let (olds, news) = (self.free_olds(&olds), self.free_news(&news));
        if olds.len().saturating_mul(news.len()) > PAIRS_LIMIT {
            for (left, right) in olds.into_iter().zip(news) {
                self.pair(left, right, false);
            }
            return;
        }
        // best[i][j]: the most likeness that the first i and the first j can be paired with.
        let width = news.len() + 1;
        let mut best = vec![0_usize; (olds.len() + 1) * width];
        let at = |i: usize, j: usize| i * width + j;
        let read = |best: &[usize], i, j| best.get(at(i, j)).copied().unwrap_or_default();
        let mut likeness = vec![0; olds.len() * news.len()];
        for (i, left) in olds.iter().enumerate() {
            for (j, right) in news.iter().enumerate() {
                let (Some(left), Some(right)) = (old.get(*left), new.get(*right)) else { continue };
                let alike = Some(bags.likeness(left, right)).filter(|alike| *alike >= ALIKE).unwrap_or_default();
                if let Some(cell) = likeness.get_mut(i * news.len() + j) {
                    *cell = alike;
                }
                let paired = if alike > 0 { read(&best, i, j) + alike } else { 0 };
                let most = paired.max(read(&best, i, j + 1)).max(read(&best, i + 1, j));
                if let Some(cell) = best.get_mut(at(i + 1, j + 1)) {
                    *cell = most;
                }
            }
        }
        let (mut i, mut j) = (olds.len(), news.len());
        while i > 0 && j > 0 {
            let alike = likeness.get((i - 1) * news.len() + j - 1).copied().unwrap_or_default();
            let here = read(&best, i, j);
            if alike > 0 && here == read(&best, i - 1, j - 1) + alike {
                (i, j) = (i - 1, j - 1);
                if let (Some(left), Some(right)) = (olds.get(i), news.get(j)) {
                    self.pair(*left, *right, false);
                }
            } else if here == read(&best, i - 1, j) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }

    /// Pairs what is alike though it stands elsewhere, the most alike first.
    fn alike_elsewhere<'a>(&mut self, old: &[&'a str], new: &[&'a str], gaps: &[Gap], bags: &mut Bags<'a>) {
        let olds: Vec<_> = gaps.iter().flat_map(|(olds, _)| self.free_olds(olds)).collect();
        let news: Vec<_> = gaps.iter().flat_map(|(_, news)| self.free_news(news)).collect();
        if olds.len().saturating_mul(news.len()) > PAIRS_LIMIT {
            return;
        }
        let mut pairs = Vec::new();
        for left in &olds {
            for right in &news {
                let (Some(a), Some(b)) = (old.get(*left), new.get(*right)) else { continue };
                let alike = bags.likeness(a, b);
                if alike >= ALIKE_ELSEWHERE && bags.words(a).min(bags.words(b)) >= WORDS_ELSEWHERE {
                    pairs.push((std::cmp::Reverse(alike), *left, *right));
                }
            }
        }
        pairs.sort_unstable();
        for (_, left, right) in pairs {
            if self.olds.get(left) == Some(&false) && self.news.get(right) == Some(&None) {
                self.pair(left, right, true);
            }
        }
    }

    fn told(&self, old: &[&str], new: &[&str]) -> Vec<Change> {
        let mut changes = Vec::new();
        let words = |texts: &[&str], at: usize| texts.get(at).map_or_else(String::new, |text| (*text).to_owned());
        // Old paragraphs before this one were told.
        let mut next = 0;
        let mut gone = |until: usize, changes: &mut Vec<Change>| {
            for at in next..until {
                if self.olds.get(at) == Some(&false) {
                    changes.push(Change::Removed { old: at + 1, text: words(old, at) });
                }
            }
            next = next.max(until);
        };
        // For each new paragraph, the old one up to which all that is gone stood before it.
        let mut upto = vec![old.len(); self.news.len()];
        let mut stays = old.len();
        for (pair, upto) in self.news.iter().zip(&mut upto).rev() {
            if let Some((from, false)) = *pair {
                stays = from;
            }
            *upto = stays;
        }
        for ((at, pair), upto) in self.news.iter().enumerate().zip(upto) {
            gone(upto, &mut changes);
            match *pair {
                None => changes.push(Change::Added { new: at + 1, text: words(new, at) }),
                Some((from, moved)) => {
                    let (left, right) = (old.get(from).copied().unwrap_or_default(), words(new, at));
                    if left != right {
                        let words = by_word(left, &right);
                        changes.push(Change::Changed { old: from + 1, new: at + 1, moved, words });
                    } else if moved {
                        changes.push(Change::Moved { old: from + 1, new: at + 1, text: right });
                    }
                }
            }
        }
        gone(old.len(), &mut changes);
        changes
    }
}

/// The words of paragraphs, counted, each paragraph once.
#[derive(Default)]
struct Bags<'a> {
    known: HashMap<&'a str, (HashMap<&'a str, usize>, usize)>,
}

impl<'a> Bags<'a> {
    fn bag(&mut self, text: &'a str) {
        self.known.entry(text).or_insert_with(|| {
            let mut counts = HashMap::new();
            let mut all = 0;
            for token in tokens(text).into_iter().filter(|token| token.chars().any(char::is_alphanumeric)) {
                *counts.entry(token).or_default() += 1;
                all += 1;
            }
            (counts, all)
        });
    }

    fn words(&mut self, text: &'a str) -> usize {
        self.bag(text);
        self.known.get(text).map_or(0, |(_, all)| *all)
    }

    /// How many of their words two paragraphs share, in percent.
    fn likeness(&mut self, a: &'a str, b: &'a str) -> usize {
        self.bag(a);
        self.bag(b);
        let (Some((left, m)), Some((right, n))) = (self.known.get(a), self.known.get(b)) else { return 0 };
        let (few, many) = if left.len() < right.len() { (left, right) } else { (right, left) };
        let shared: usize =
            few.iter().map(|(word, count)| many.get(word).copied().unwrap_or_default().min(*count)).sum();
        (200 * shared).checked_div(m + n).unwrap_or_default()
    }
}

/// The differences of two sequences; what is alike at either end is taken off first.
fn differences<T: Eq + std::hash::Hash>(old: &[T], new: &[T]) -> Vec<DiffOp> {
    let front = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = |all: &'_ [T]| all.len() - front;
    let most = rest(old).min(rest(new));
    let back = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let (m, n) = (rest(old) - back, rest(new) - back);
    if m.saturating_mul(n) <= EFFORT_LIMIT {
        return capture_diff_slices(Algorithm::Myers, old, new);
    }
    let mut ops = Vec::new();
    if front > 0 {
        ops.push(DiffOp::Equal { old_index: 0, new_index: 0, len: front });
    }
    ops.push(DiffOp::Replace { old_index: front, old_len: m, new_index: front, new_len: n });
    if back > 0 {
        ops.push(DiffOp::Equal { old_index: front + m, new_index: front + n, len: back });
    }
    ops
}

/// What became of a paragraph's words.
#[must_use]
pub fn by_word(old: &str, new: &str) -> Vec<Piece> {
    let (olds, news) = (tokens(old), tokens(new));
    let mut pieces: Vec<Piece> = Vec::new();
    let joined = |tokens: &[&str], range: Range<usize>| tokens.get(range).unwrap_or_default().concat();
    // What was removed and added since the last words that stayed, told as one replacement.
    let (mut removed, mut added) = (String::new(), String::new());
    let flush = |pieces: &mut Vec<Piece>, removed: &mut String, added: &mut String| {
        for (fate, text) in [(Fate::Removed, std::mem::take(removed)), (Fate::Added, std::mem::take(added))] {
            if !text.is_empty() {
                pieces.push(Piece { fate, text });
            }
        }
    };
    let ops = differences(&olds, &news);
    for (n, op) in ops.iter().enumerate() {
        if op.tag() != DiffTag::Equal {
            removed.push_str(&joined(&olds, op.old_range()));
            added.push_str(&joined(&news, op.new_range()));
            continue;
        }
        let text = joined(&olds, op.old_range());
        // A lone space between two changes belongs to both: words are replaced together.
        let between = n > 0 && n + 1 < ops.len();
        if between && text.chars().all(char::is_whitespace) && !removed.is_empty() && !added.is_empty() {
            removed.push_str(&text);
            added.push_str(&text);
            continue;
        }
        flush(&mut pieces, &mut removed, &mut added);
        pieces.push(Piece { fate: Fate::Same, text });
    }
    flush(&mut pieces, &mut removed, &mut added);
    pieces
}

/// A text in words, spaces and signs; joined, they are the text. A number with its separators is one word. Scripts that are
/// written without spaces are taken letter by letter, each with its marks.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    let mut before: Option<char> = None;
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        if at > start && before.is_some_and(|before| !one_word(before, c, next)) {
            tokens.push(text.get(start..at).unwrap_or_default());
            start = at;
        }
        before = Some(c);
    }
    if start < text.len() {
        tokens.push(text.get(start..).unwrap_or_default());
    }
    tokens
}

/// Whether `c` goes on with the word that `before` stands in.
fn one_word(before: char, c: char, next: Option<char>) -> bool {
    let digit = |c: char| numbers::digit(c).is_some();
    if joins(c) {
        return !before.is_whitespace();
    }
    if joins(before) && c.is_alphanumeric() {
        return !alone(c);
    }
    if numbers::separates(c) {
        return digit(before) && next.is_some_and(digit);
    }
    if numbers::separates(before) {
        return digit(c);
    }
    before.is_alphanumeric() && c.is_alphanumeric() && !alone(before) && !alone(c)
}

/// Marks and joiners, which stand on the letter before them.
fn joins(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c) || matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE02}')
}

/// Letters of scripts that are written without spaces between words: Thai, Lao, Tibetan, Myanmar, Khmer, kana, ideographs.
fn alone(c: char) -> bool {
    matches!(u32::from(c),
        0xE00..=0xEFF | 0xF00..=0xFFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

impl Change {
    /// The old paragraph's number and words, if there was one.
    #[must_use]
    pub fn before(&self) -> Option<(usize, String)> {
        match self {
            Self::Added { .. } => None,
            Self::Removed { old, text } | Self::Moved { old, text, .. } => Some((*old, text.clone())),
            Self::Changed { old, words, .. } => Some((*old, side(words, Fate::Removed))),
        }
    }
    /// The new paragraph's number and words, if there is one.
    #[must_use]
    pub fn after(&self) -> Option<(usize, String)> {
        match self {
            Self::Removed { .. } => None,
            Self::Added { new, text } | Self::Moved { new, text, .. } => Some((*new, text.clone())),
            Self::Changed { new, words, .. } => Some((*new, side(words, Fate::Added))),
        }
    }
}

fn side(words: &[Piece], fate: Fate) -> String {
    words
        .iter()
        .filter(|piece| piece.fate == Fate::Same || piece.fate == fate)
        .map(|piece| piece.text.as_str())
        .collect()
}

impl Summary {
    /// Counts the changes of a text in a language.
    #[must_use]
    pub fn of(changes: &[Change], lang: &Lang) -> Self {
        let mut summary = Self::default();
        for change in changes {
            match change {
                Change::Added { .. } => summary.added += 1,
                Change::Removed { .. } => summary.removed += 1,
                Change::Moved { .. } => summary.moved += 1,
                Change::Changed { moved, words, .. } => {
                    summary.changed += 1;
                    summary.moved += usize::from(*moved);
                    summary.numbers.extend(numbers_changed(words, lang));
                }
            }
        }
        summary.numbers.truncate(NUMBERS_LISTED);
        summary
    }
}

/// The numbers and dates that one side of a changed paragraph has alone, in order, the old against the new.
fn numbers_changed(words: &[Piece], lang: &Lang) -> Vec<(Option<String>, Option<String>)> {
    let find = |fate| numbers::find(&side(words, fate), lang.as_str());
    let (mut old, mut new) = (find(Fate::Removed), find(Fate::Added));
    for side in [&mut old, &mut new] {
        side.retain(|found| !matches!(found.value, numbers::Value::Roman(_)));
    }
    let mut pairs = Vec::new();
    let values = |found: &[numbers::Found]| found.iter().map(|f| f.value.clone()).collect::<Vec<_>>();
    let ops = differences(&values(&old), &values(&new));
    for op in ops.iter().filter(|op| op.tag() != DiffTag::Equal) {
        let written = |found: &[numbers::Found], range: Range<usize>| -> Vec<String> {
            found.get(range).unwrap_or_default().iter().map(ToString::to_string).collect()
        };
        let (olds, news) = (written(&old, op.old_range()), written(&new, op.new_range()));
        for n in 0..olds.len().max(news.len()) {
            pairs.push((olds.get(n).cloned(), news.get(n).cloned()));
        }
    }
    pairs
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell().fmt(f)
    }
}

impl Tell for Summary {
    fn tell(&self) -> Fact {
        let paragraphs = [
            (self.changed, msg!("{n} paragraph changed" | "{n} paragraphs changed", n = self.changed)),
            (self.added, msg!("{n} paragraph added" | "{n} paragraphs added", n = self.added)),
            (self.removed, msg!("{n} paragraph removed" | "{n} paragraphs removed", n = self.removed)),
            (self.moved, msg!("{n} paragraph moved" | "{n} paragraphs moved", n = self.moved)),
        ];
        let further = [
            msg!("{n} changed" | "{n} changed", n = self.changed),
            msg!("{n} added" | "{n} added", n = self.added),
            msg!("{n} removed" | "{n} removed", n = self.removed),
            msg!("{n} moved" | "{n} moved", n = self.moved),
        ];
        // Paragraphs are named once, with the first of these.
        let said = paragraphs.into_iter().zip(further).filter(|((count, _), _)| *count > 0);
        let said = said.fold(None, |said, ((_, first), next)| {
            Some(match said {
                None => first,
                Some(said) => msg!("{said}, {next}", said, next),
            })
        });
        let Some(said) = said else { return msg!("unchanged").into() };
        let number = |(old, new): &(Option<String>, Option<String>)| match (old, new) {
            (Some(old), Some(new)) => msg!("{old} → {new}", old, new),
            (Some(old), None) => msg!("{old} → none", old),
            (None, Some(new)) => msg!("none → {new}", new),
            (None, None) => Message::words(""),
        };
        let numbers = self.numbers.iter().map(number).reduce(|said, next| msg!("{said}, {next}", said, next));
        match numbers {
            None => said.into(),
            Some(numbers) => msg!("{said}; numbers changed: {numbers}", said, numbers).into(),
        }
    }
}

#[cfg(test)]
mod tests;
