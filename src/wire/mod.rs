//! The wire contract: generated code, and conversion both ways. Server and client convert in the same room, so that
//! neither can understand it otherwise than the other.

pub mod convert;
pub mod names;
pub mod page;
pub mod status;

/// Generated from `proto/communique/v1`: messages, clients, servers.
#[allow(clippy::all, clippy::pedantic, missing_docs, rustdoc::all)]
pub mod v1 {
    tonic::include_proto!("communique.v1");
}

/// The contract as an encoded `google.protobuf.FileDescriptorSet`, with imports and without comments: for server
/// reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/communique.v1.bin"));

/// Largest request message, in bytes: the largest manifest and statement, with room. As the contract says.
pub const REQUEST_LIMIT: usize = 1 << 20;
/// Largest response message, in bytes: an open communiqué of all parties, each at its largest quorum, fits. As the
/// contract says.
pub const RESPONSE_LIMIT: usize = 8 << 20;
/// The header of every answer that says what the exchange's clock showed when it answered, in RFC 3339 and UTC. Callers compare
/// their own with it; nothing is decided by it.
pub const TIME_HEADER: &str = "communique-time";
/// Largest chunk of a transfer, in bytes. As the contract says.
pub const CHUNK_LIMIT: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn descriptors_hold_the_services_and_their_imports() {
        let set = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
        let mut services: Vec<_> = set.file.iter().flat_map(|f| &f.service).map(|s| s.name().to_owned()).collect();
        services.sort();
        assert_eq!(
            services,
            [
                "CharterService",
                "CommuniqueService",
                "ContentService",
                "EventService",
                "LogService",
                "PowersService",
                "PublicationService"
            ]
        );
        let files: Vec<_> = set.file.iter().map(prost_types::FileDescriptorProto::name).collect();
        assert!(set.file.iter().flat_map(|f| &f.dependency).all(|d| files.contains(&d.as_str())), "{files:?}");
    }
}
