//! Documents: what parses is exactly what its encoder makes of it.
#![no_main]

use communique::{
    client::chartering::{self, Host},
    domain::{
        act::Act,
        certified::CertifiedCopy,
        charter::{Adoption, Charter, Party},
        document::Document,
        entry::Entry,
        json::{self, Form},
        manifest::Manifest,
        powers::{Powers, Revocation},
        remark::Remark,
        trust::Trust,
    },
};
use communique_fuzz::wire::said;

fn check(data: &[u8]) {
    let forms = [
        form::<Act>,
        form::<Adoption>,
        form::<CertifiedCopy>,
        form::<Charter>,
        form::<Entry>,
        form::<Host>,
        form::<Manifest>,
        form::<Party>,
        form::<Powers>,
        form::<Remark>,
        form::<Revocation>,
        form::<Trust>,
    ];
    for (n, form) in forms.iter().enumerate() {
        // Twelve refusals of one input teach no more than one.
        form(data, data.len() % forms.len() == n);
    }
    drop((chartering::description::<Host>(data), chartering::description::<Party>(data)));
}

fn form<F: Form>(data: &[u8], say: bool) {
    match Document::<F>::parse(data.to_vec()) {
        Ok(document) => {
            assert!(data.len() <= F::LIMIT);
            assert_eq!(json::encode(&*document), data);
            assert_eq!(Document::of(&*document).map(|again| again.digest()), Ok(document.digest()));
        }
        Err(refusal) if say => said(&refusal),
        Err(_) => {}
    }
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("document"), |data: &[u8]| check(data));
