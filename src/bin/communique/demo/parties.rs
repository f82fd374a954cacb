//! The sample parties: invented states and people, marked as samples wherever they appear.

/// A sample party.
pub struct Sample {
    pub id: &'static str,
    pub quorum: u64,
    /// Its name by language.
    pub names: [(&'static str, &'static str); 4],
    pub officials: &'static [SampleOfficial],
}

/// A sample official: holder id, name, titles in French and English.
pub struct SampleOfficial {
    pub holder: &'static str,
    pub name: &'static str,
    pub titles: [(&'static str, &'static str); 2],
}

const MINISTER: [(&str, &str); 2] =
    [("fr", "Ministre des affaires étrangères (exemple)"), ("en", "Minister for Foreign Affairs (sample)")];
const ENVOY: [(&str, &str); 2] =
    [("fr", "Porte-parole de la Confédération (exemple)"), ("en", "Spokesperson (sample)")];

/// Four parties: one an entity of several states, that two spokespersons sign for; one of its members.
pub const PARTIES: [Sample; 4] = [
    Sample {
        id: "boreal",
        quorum: 1,
        names: [
            ("fr", "Fédération boréale (exemple)"),
            ("ru", "Бореальская Федерация (образец)"),
            ("ar", "الاتحاد الشمالي (نموذج)"),
            ("en", "Boreal Federation (sample)"),
        ],
        officials: &[SampleOfficial { holder: "b.specimen", name: "B. Specimen", titles: MINISTER }],
    },
    Sample {
        id: "three-rivers",
        quorum: 2,
        names: [
            ("fr", "Confédération des Trois-Rivières (exemple)"),
            ("ru", "Конфедерация Трёх Рек (образец)"),
            ("ar", "اتحاد الأنهار الثلاثة (نموذج)"),
            ("en", "Confederation of the Three Rivers (sample)"),
        ],
        officials: &[
            SampleOfficial { holder: "r.specimen", name: "R. Specimen", titles: ENVOY },
            SampleOfficial { holder: "t.specimen", name: "T. Specimen", titles: ENVOY },
        ],
    },
    Sample {
        id: "alder",
        quorum: 1,
        names: [
            ("fr", "République d’Aulne, membre de la Confédération (exemple)"),
            ("ru", "Ольховая Республика, член Конфедерации (образец)"),
            ("ar", "جمهورية الحور، عضو في الاتحاد (نموذج)"),
            ("en", "Republic of Alder, a member of the Confederation (sample)"),
        ],
        officials: &[SampleOfficial { holder: "a.specimen", name: "A. Specimen", titles: MINISTER }],
    },
    Sample {
        id: "cedar",
        quorum: 1,
        names: [
            ("fr", "Royaume de Cèdre (exemple)"),
            ("ru", "Кедровое Королевство (образец)"),
            ("ar", "مملكة الأرز (نموذج)"),
            ("en", "Kingdom of Cedar (sample)"),
        ],
        officials: &[SampleOfficial { holder: "c.specimen", name: "C. Specimen", titles: MINISTER }],
    },
];

/// One change of the second revision in each language: what stood, what stands.
pub const SECOND: [(&str, &str, &str); 3] =
    [("fr", "chaque mois", "chaque semaine"), ("ru", "ежемесячно", "еженедельно"), ("ar", "كل شهر", "كل أسبوع")];

/// The paragraph that the third revision adds.
pub const THIRD: [(&str, &str); 3] = [
    ("fr", "Chaque partie supporte ses propres frais."),
    ("ru", "Каждая сторона несёт свои собственные расходы."),
    ("ar", "ويتحمل كل طرف نفقاته الخاصة."),
];

/// Why the second revision is declined.
pub const REASON: &str = "Le texte ne dit pas qui supporte les frais des stations (motif d’exemple).";

/// The passphrase of every sample key. A sample: real ones are chosen by those who keep the keys.
pub const PASSPHRASE: &str = "sample passphrase, not a secret";
