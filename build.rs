//! Compiles the wire contract. protox reads the .proto files, so nobody has to install protoc.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a build script is told by environment and tells by printing"
)]

use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 8] = ["receipt", "charter", "powers", "communique", "content", "publication", "event", "log"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = FILES.map(|file| format!("proto/communique/v1/{file}.proto"));

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    if let Err(error) = compiler.open_files(&files) {
        // Only the debug form shows the line.
        return Err(format!("{error:?}").into());
    }
    // Comments become documentation of the generated code.
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    // Reflection needs no comments.
    compiler.include_source_info(false);
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("communique.v1.bin"), compiler.encode_file_descriptor_set())?;
    Ok(())
}
