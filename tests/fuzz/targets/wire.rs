//! Messages of the contract: what is understood is written again to the same; what is refused is said.
#![no_main]

fn check(data: &[u8]) {
    let Some((kind, message)) = data.split_first() else { return };
    communique_fuzz::wire::check(*kind, message);
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("wire"), |data: &[u8]| check(data));
