//! `docs/verify.py` as an archivist types it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use crate::{Other, missing::missing, played::Plan};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify.py")
}

fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output: Output = Command::new(Other::python()).arg(script()).args(args).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn it_is_used_by_hand() {
    if !Other::python_has("cryptography") {
        return missing("python3 with cryptography", "pip install cryptography");
    }
    let folder = tempfile::tempdir().unwrap();
    let played = Plan::small().play();
    let mut altered = played.zip.clone();
    let at = altered.len() / 2;
    altered[at] ^= 1;
    fs::write(folder.path().join("good.zip"), &played.zip).unwrap();
    fs::write(folder.path().join("bad.zip"), &altered).unwrap();
    // A name that means to be taken for a verdict.
    let feint = "x\u{1b}[31m\nVERDICT: PROVEN.zip";
    fs::write(folder.path().join(feint), b"no package").unwrap();
    let pin = played.pin_given().to_string();
    let run = |args: &[&str]| run(folder.path(), args);

    let verdicts = |out: &str| out.lines().filter(|l| l.starts_with("VERDICT:")).map(str::to_owned).collect::<Vec<_>>();
    for (args, code, first) in [
        (&["--charter-pin", &pin, "good.zip"][..], 0, "VERDICT: PROVEN"),
        (&["good.zip"], 3, "VERDICT: NOT PROVEN"),
        (&["--charter-pin", &pin, "bad.zip"], 1, "VERDICT: FAILED"),
        (&["--charter-pin", &"0".repeat(64), "good.zip"], 1, "VERDICT: FAILED"),
        (&["absent.zip"], 2, "VERDICT: CANNOT"),
        (&[feint], 1, "VERDICT: FAILED"),
        (&["--charter-pin", &pin, "good.zip", "absent.zip", "bad.zip"], 1, "VERDICT: PROVEN"),
    ] {
        let (ended, out, err) = run(args);
        assert_eq!(ended, code, "{args:?}: {out}{err}");
        assert!(out.starts_with(first), "{args:?}: {out}");
        let packages = args.iter().filter(|a| a.ends_with(".zip")).count();
        assert_eq!(verdicts(&out).len(), packages, "{args:?}: {out}");
        assert!(!out.contains('\u{1b}') && err.is_empty(), "{args:?}: {out}{err}");
    }

    let (_, out, _) = run(&["--json", "--charter-pin", &pin, "good.zip", "bad.zip"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["exit_code"], &json["packages"][1]["verdict"]), (&1.into(), &"failed".into()));
    let mut ours = played.verify().to_json();
    ours["path"] = "good.zip".into();
    assert_eq!(json["packages"][0], ours);

    for wrong in [&[][..], &["--charter-pin"], &["--charter-pin", "12", "good.zip"], &["--what", "good.zip"]] {
        let (ended, out, err) = run(wrong);
        assert_eq!((ended, out.as_str()), (64, ""), "{wrong:?}");
        assert!(!err.is_empty() && !err.contains("Traceback"), "{err}");
    }
    let (ended, help, _) = run(&["--help"]);
    assert_eq!(ended, 0);
    assert!(help.contains("WITHOUT A PIN NOTHING IS PROVEN") && help.lines().all(|l| l.len() <= 130), "{help}");
}

/// The standard library and `cryptography`, and no other file.
#[test]
fn it_needs_what_it_says() {
    if !Other::python_has("cryptography") {
        return missing("python3 with cryptography", "pip install cryptography");
    }
    let list = "import ast, sys\n\
        tree = ast.parse(open(sys.argv[1], encoding='utf-8').read())\n\
        for node in ast.walk(tree):\n\
        \x20   names = [a.name for a in node.names] if isinstance(node, ast.Import) else []\n\
        \x20   names += [node.module] if isinstance(node, ast.ImportFrom) else []\n\
        \x20   for name in (name.split('.')[0] for name in names):\n\
        \x20       print(name if name not in sys.stdlib_module_names else '', end=' ')\n";
    let output = Command::new(Other::python()).args(["-c", list]).arg(script()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let foreign = String::from_utf8(output.stdout).unwrap();
    let foreign: Vec<_> = foreign.split_whitespace().collect();
    assert!(!foreign.is_empty() && foreign.iter().all(|name| *name == "cryptography"), "{foreign:?}");
}
