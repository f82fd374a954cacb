//! What moved is told as moved, what changed by its words.

use proptest::prelude::*;

use super::*;

fn told(old: &str, new: &str) -> Vec<String> {
    compare(old, new)
        .iter()
        .map(|change| match change {
            Change::Added { new, text } => format!("+{new} {text}"),
            Change::Removed { old, text } => format!("-{old} {text}"),
            Change::Moved { old, new, text } => format!("{old}>{new} {text}"),
            Change::Changed { old, new, moved, words } => {
                let words: String = words
                    .iter()
                    .map(|piece| match piece.fate {
                        Fate::Same => piece.text.clone(),
                        Fate::Removed => format!("[-{}-]", piece.text),
                        Fate::Added => format!("[+{}+]", piece.text),
                    })
                    .collect();
                format!("{old}{}{new} {words}", if *moved { '>' } else { '~' })
            }
        })
        .collect()
}

#[test]
fn paragraphs_that_changed_moved_came_and_went() {
    for (old, new, expected) in [
        ("a\n", "a\n", &[][..]),
        ("", "a\n", &["+1 a"]),
        ("a\n", "", &["-1 a"]),
        (
            "La réunion eut lieu hier.\n",
            "La réunion eut lieu ce matin.\n",
            &["1~1 La réunion eut lieu [-hier-][+ce matin+]."],
        ),
        // Moved, not removed and added.
        ("one\n\ntwo\n\nthree\n", "three\n\none\n\ntwo\n", &["3>1 three"]),
        ("one\n\ntwo\n\nthree\n\nfour\n", "two\n\nthree\n\nfour\n\none\n", &["1>4 one"]),
        // Moved and changed.
        (
            "The parties thank the host city.\n\nb\n\nc\n",
            "b\n\nc\n\nThe parties thank the host country.\n",
            &["1>3 The parties thank the host [-city-][+country+]."],
        ),
        // What has nothing in common is not one paragraph that changed.
        (
            "x\n\nDes mots quelconques.\n\ny\n",
            "x\n\nAutre chose ici.\n\ny\n",
            &["-2 Des mots quelconques.", "+2 Autre chose ici."],
        ),
        // One of several in one place is the one that changed.
        (
            "x\n\nLes parties saluent le dialogue.\n\ny\n",
            "x\n\nUn mot neuf.\n\nLes parties saluent ce dialogue.\n\ny\n",
            &["+2 Un mot neuf.", "2~3 Les parties saluent [-le-][+ce+] dialogue."],
        ),
        // A number is one word, whatever parts its digits.
        (
            "il y en a 2\u{202f}025 ici\n",
            "il y en a 2\u{202f}035 ici\n",
            &["1~1 il y en a [-2\u{202f}025-][+2\u{202f}035+] ici"],
        ),
        // Logical order stays, right to left as left to right; scripts without spaces letter by letter.
        ("اجتمع الطرفان أمس.\n", "اجتمع الطرفان اليوم.\n", &["1~1 اجتمع الطرفان [-أمس-][+اليوم+]."]),
        ("双方昨日举行会谈\n", "双方今日举行会谈\n", &["1~1 双方[-昨-][+今+]日举行会谈"]),
        // Lines of one paragraph.
        ("a b c d\ne\n", "a b c d\nf\n", &["1~1 a b c d\n[-e-][+f+]"]),
    ] {
        assert_eq!(told(old, new), expected, "{old:?} {new:?}");
    }
}

#[test]
fn a_summary_counts_and_names_numbers() {
    let fr: Lang = "fr".parse().unwrap();
    let old =
        "Un titre.\n\nIl y a 2\u{202f}025 places au 3 avril 2025.\n\nUne phrase à déplacer.\n\nUne phrase à ôter.\n";
    let new = "Une phrase à déplacer.\n\nUn titre.\n\nIl y a 2\u{202f}035 places au 4 avril 2025, dont 7 debout.\n\nTout autre chose.\n";
    let changes = compare(old, new);
    let summary = Summary::of(&changes, &fr);
    assert_eq!((summary.changed, summary.added, summary.removed, summary.moved), (1, 1, 1, 1), "{changes:#?}");
    assert_eq!(
        summary.to_string(),
        "1 paragraph changed, 1 added, 1 removed, 1 moved; numbers changed: 2\u{202f}025 → 2\u{202f}035, 3 avril 2025 → 4 avril 2025, none → 7"
    );
    assert_eq!(Summary::of(&[], &fr).to_string(), "unchanged");
}

#[test]
fn both_sides_can_be_read_from_the_changes() {
    for change in compare("a b c d e\n\nx\n", "a b ç d e f\n\ny\n\nz\n") {
        if let Change::Changed { words, .. } = &change {
            assert_eq!(side(words, Fate::Removed), "a b c d e");
            assert_eq!(change.after().map(|(_, text)| text).as_deref(), Some("a b ç d e f"));
        }
    }
}

#[test]
fn tokens_joined_are_the_text() {
    for text in ["l’accord n° 2 025, soit 1,5 %…", "a\u{301}b \u{200c}", "ไทย ครับ 双方", "1.2. 3", "’tis ‘so’", ""]
    {
        assert_eq!(tokens(text).concat(), text);
    }
    assert_eq!(tokens("l’an 2\u{a0}035."), ["l", "’", "an", " ", "2\u{a0}035", "."]);
}

/// Texts that differ everywhere end in bounded time: what is too much to compare is one replacement.
#[test]
fn hostile_texts_are_compared_coarsely() {
    let (old, new): (Vec<_>, Vec<_>) = (0..60_000).map(|n| (format!("a{n}"), format!("b{n}"))).unzip();
    assert_eq!(compare(&old.join("\n\n"), &new.join("\n\n")).len(), 60_000);
    let words = |first: &str, factor: usize| {
        let words: Vec<_> = (1..4000_usize).map(|n| format!("w{}", (n * n * factor) % 61)).collect();
        format!("{first} {} {first}", words.join(" "))
    };
    let (old, new) = (words("début", 7), words("fin", 11));
    let pieces = by_word(&old, &new);
    assert_eq!(pieces.iter().map(|piece| piece.fate).collect::<Vec<_>>(), [Fate::Removed, Fate::Added]);
}

proptest! {
    /// Every paragraph is accounted for once; those that are not told are the same, in the same order.
    #[test]
    fn nothing_is_lost(
        old in proptest::collection::vec("[a-c]( [a-c]){0,5}", 0..8),
        new in proptest::collection::vec("[a-c]( [a-c]){0,5}", 0..8),
    ) {
        let changes = compare(&old.join("\n\n"), &new.join("\n\n"));
        let (mut olds, mut news) = (old.iter().map(Some).collect::<Vec<_>>(), new.iter().map(Some).collect::<Vec<_>>());
        for change in &changes {
            if let Some((at, text)) = change.before() {
                prop_assert_eq!(olds[at - 1].take(), Some(&text));
            }
            if let Some((at, text)) = change.after() {
                prop_assert_eq!(news[at - 1].take(), Some(&text));
            }
        }
        let left = |side: Vec<Option<&String>>| side.into_iter().flatten().cloned().collect::<Vec<_>>();
        prop_assert_eq!(left(olds), left(news));
    }

    /// The words of a changed paragraph are both paragraphs.
    #[test]
    fn words_are_both_paragraphs(old in "[ab1., \u{a0}é]{0,20}", new in "[ab1., \u{a0}é]{0,20}") {
        let pieces = by_word(&old, &new);
        prop_assert_eq!(side(&pieces, Fate::Removed), old);
        prop_assert_eq!(side(&pieces, Fate::Added), new);
    }
}
