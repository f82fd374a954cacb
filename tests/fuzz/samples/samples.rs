// Small samples by hand, where the vectors have none.

const DOCUMENTS: &[&str] = &[
    r#"{"audience":"all","author":"mfa.north.example/official/a.sample","communique":"0197776a-3800-7707-8707-070707070707","text":"x"}"#,
    r#"{"names":{"fr":"Nord"},"id":"north"}"#,
];
const ENTRIES: &[&str] = &["\x00\x03a/b\x05\x00hello\x01\x03a/c\x02\x00xx", "\x01\x05a/b/c\x09\x00aaaaaaaaa"];
const TEXTS: &[&str] = &[
    "Texte d’exemple.\n\nDeux.\n",
    "\u{feff}a\tb\r\nc\u{a0}d\u{2028}e\u{2029}f\u{ad}g\u{200b}h\n\n\n i \n",
    "می\u{200c}خواهم\n",
    "e\u{301}\u{302}\u{303}\u{304} a\u{20dd}\n",
    "क\u{94d}\u{200d}ष \u{1f1eb}\u{1f1f7} \u{fe0f}\u{e0001}\u{fffd}\n",
    "\u{202e}abc\u{202c} \u{2066}d\u{2069} \u{200f}\u{200e}\u{61c}\n",
    "한\u{1112}\u{1161}\u{11ab} ㍿ ﬁ Å\u{212b} \u{1820}\u{180b} 葛\u{e0100}\n",
];
const COMPARED: &[&str] = &[
    "Le 3 mai 2026, à 14 h 30, 1 250,50 €.\n\nArticle IV\n\0On 3 May 2026, at 2.30 p.m., €1,250.50.\n\nArticle 4\n",
    "в размере двух (2) млн\n\0١٢٣ و ۴۵۶\n",
    "a b c\n\nd e f\n\0d e f\n\na b x\n",
];
const NAMES: &[&str] = &[
    "pkcs11:token=The%20Software;serial=1a;object=my-cl%C3%A9;id=%69%95?module-path=/usr/lib/x.so&jwk=a.jwk",
    "ssh-agent:SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "ssh-agent:keys/a.pub",
    "2026-11-23T09:00:00Z",
    "2026-11-23",
    "0197776a-3800-7707-8707-070707070707",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "spiffe://mfa.north.example/official/a.sample",
    "communique/0197776a-3800-7707-8707-070707070707",
    "communiques/0197776a-3800-7707-8707-070707070707/revisions/3",
    "parties/north",
    "charters/2",
    "zh-Hant",
    "exchange.sample.example",
    "http://user:p%40ss@[::1]:3128/",
    "a.example:443, *.b.example, .c",
    "sign_ad_referendum",
    "MDE5Nzc3NmEtMzgwMC03NzA3LTg3MDctMDcwNzA3MDcwNzA3",
    "7|grpc-status: 9|grpc-message: a%20b|grpc-status-details-bin: CAkSA2FiYw",
];
const LOG: &[&str] = &[
    "checkpoint",
    "tile/0/x001/x234/067.p/3",
    "tile/entries/000",
    "tile/7/000.p/1",
    "exchange.example/log+2f1a9c3d+AQOhB7/zzhC+HXDdGOdLwJln5PYwm6UNXx3chmQSVTG4",
    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "old 3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\nexchange.example/log\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— exchange.example/log AAAAAAAA\n",
];
const TOML: &[&str] = &[
    "[exchange]\nname = \"exchange.example\"\n[data]\ndirectory = \"data\"\n[tls]\ncertificate = \"a\"\nkey = \"b\"\n[keys]\nlog = \"c\"\ndepositary = \"d\"\n[limits]\npage_max = 7\n[telemetry]\nformat = \"json\"\n",
    "stray = 1\n[limits]\nconnections = 1.5\npage_max = -1\n[listen]\naddress = \"localhost\"\n",
    "parties = [\"north\", \"south\"]\n[titles]\nfr = \"Titre\"\n[[texts]]\nlang = \"fr\"\nfile = \"fr.txt\"\nstatus = \"authentic\"\n[[annexes]]\nfile = \"a.pdf\"\n[annexes.titles]\nfr = \"A\"\n[procedure]\ninitialling = \"required\"\ndeadline = \"2026-12-01T00:00:00Z\"\n[meeting]\n",
];
// The first byte is the form: 0 and 1 for `.docx` and `.odt`; parts are separated by NUL.
const PARTS: &[&str] = &[
    "\x00<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body><w:p><w:pPr><w:pStyle w:val=\"A\"/></w:pPr><w:r><w:rPr><w:vanish/></w:rPr><w:t xml:space=\"preserve\">a &amp; b</w:t><w:br/><w:tab/></w:r><w:ins><w:r><w:t>c</w:t></w:r></w:ins><w:del><w:r><w:delText>d</w:delText></w:r></w:del></w:p><w:tbl><w:tr/></w:tbl></w:body></w:document>\0<w:styles xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:style w:styleId=\"A\"><w:basedOn w:val=\"B\"/></w:style><w:style w:styleId=\"B\"><w:rPr><w:caps/></w:rPr></w:style></w:styles>",
    "\x00<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body><w:p><w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText>PAGE</w:instrText></w:r><w:r><w:fldChar w:fldCharType=\"separate\"/></w:r><w:r><w:t>7</w:t></w:r><w:r><w:fldChar w:fldCharType=\"end\"/></w:r><w:r><w:footnoteReference w:id=\"1\"/><w:sym w:char=\"F0A7\"/><w:noBreakHyphen/></w:r><w:hyperlink><w:r><w:t>x</w:t></w:r></w:hyperlink></w:p></w:body></w:document>",
    "\x01<office:document-content xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" xmlns:style=\"urn:oasis:names:tc:opendocument:xmlns:style:1.0\" xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" xmlns:draw=\"urn:oasis:names:tc:opendocument:xmlns:drawing:1.0\" xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\"><office:automatic-styles><style:style style:name=\"T1\" style:family=\"text\"><style:text-properties text:display=\"none\"/></style:style></office:automatic-styles><office:body><office:text><text:tracked-changes/><text:h text:outline-level=\"1\">A</text:h><text:p>Un<text:s text:c=\"2\"/>et<text:tab/>un<text:line-break/><text:span text:style-name=\"T1\">h</text:span><text:note text:note-class=\"footnote\"/><draw:frame><draw:image/></draw:frame></text:p><text:list><text:list-item><text:p>b</text:p></text:list-item></text:list><table:table/></office:text></office:body></office:document-content>\0<office:document-styles xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\"/>\0<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\"/>",
];
// Sample keys in DER: of the seed 03 repeated, under `a sample passphrase`. The first byte is the label.
const KEYS: &[(u8, &str)] = &[
    (2, "302e020100300506032b6570042204200303030303030303030303030303030303030303030303030303030303030303"),
    (1, "308192304e06092a864886f70d01050d3041302006092b06010401da47040b3013040877e7b2d522b78bc9020102020108020101301d060960864801650304012a0410d6ffcc8c871ed7c3eac07391fe7d77750440f3e054e46de30facab68d704606aaf8b2565ee362819f1ddbd5a522a3443bc23d7632903fb6d498faca032981783f46f0c680968d69eaddf0f4a73bc354f884e"),
    (1, "308193304f06092a864886f70d01050d3042302106092b06010401da47040b30140408437f7a21ae0800f202024000020108020101301d060960864801650304012a04109535d10d31be5eb88e095fef367c018104402b504e08b316e0f0f8db28291db4dfe7f4ef608a78e5dab13b882c98d45ee7edb9b9f27d0e3fcb6d51309c4093720b617f199a428dcb53703cb214bd437be672"),
    (1, "30819a305606092a864886f70d01050d3049302806092a864886f70d01050c301b04088ad4ffe51f23f034020102300c06082a864886f70d02090500301d060960864801650304012a04109eaae6e37483976fe2fedb56ea5fead0044067602b12450227e95dab4401cd80aba319aae184a1c83ef1f64025882aeb421e151e8320cbdd49f5e853c83c4e91571b60c1bf2ab37f1c089a5a39ec685a7a09"),
    (1, "30818c304806092a864886f70d01050d303b301a06092a864886f70d01050c300d04089230f8e4ae4dd8a7020102301d0609608648016503040102041095fa46a6e4bb31fee97b778f060b20fc04403d4509ab52676ace6d733e621336ca6e25801ea4ccde282d39996dfd017966c110e0ca94536a52b4fed584c8bf6e7cd0b7253b4447ab1460f10ff964dc2876e8"),
    (1, "3058301c060a2a864886f70d010c0103300e0408ea99ac08e18813c80202080004385bb14cf30c94cc4a7cbc3cfc869d653514b85084d8bd0f1791346eaeb99e19089db37364eb60b71133f07341431d1fed6a7667615cd356fa"),
];
