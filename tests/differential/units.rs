//! What is no package: documents, statements, keys and texts of the test vectors, judged by the functions of `docs/verify.py`.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::{Other, missing};

const FILES: [&str; 4] = ["statements.json", "documents.json", "keys.json", "texts.json"];

/// Of what no package holds, the other verifier knows nothing.
fn in_a_package(item: &Value) -> bool {
    item["typ"] != "communique.v1.trust" && item["kind"] != "remark"
}

#[test]
fn both_verifiers_say_the_same_of_every_vector_that_is_no_package() {
    if !Other::python_has("cryptography") {
        return missing("python3 with cryptography", "pip install cryptography");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let items = |name: &&str| -> Vec<Value> {
        let file = fs::read(root.join("tests/vectors").join(name)).unwrap();
        serde_json::from_slice(&file).unwrap()
    };
    let counts = FILES.each_ref().map(|name| items(name).iter().filter(|item| in_a_package(item)).count());
    let output = Command::new(Other::python()).arg(root.join("tests/differential/units.py")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or_default();
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    assert_eq!(last, format!("units: {} items, differences: 0", counts.iter().sum::<usize>()), "{said}{errors}");
    assert!(output.status.success(), "{said}{errors}");
}
