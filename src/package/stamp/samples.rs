//! Answers of an authority that signs nothing: of the right form, field by field. Nobody verifies them.

/// One value in DER.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = value.len();
    let head = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        0x100..0x1_0000 => vec![tag, 0x82, (length >> 8) as u8, length as u8],
        _ => vec![tag, 0x83, (length >> 16) as u8, (length >> 8) as u8, length as u8],
    };
    [head, value].concat()
}

pub(super) const SIGNED_DATA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
pub(super) const TST_INFO: [u8; 13] = [0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
pub(super) const SHA_256: [u8; 11] = [0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
pub(super) const POLICY: [u8; 4] = [0x06, 0x02, 0x2a, 0x03];

/// What an answer is made of.
#[derive(Clone)]
pub(crate) struct Parts {
    /// Contents of the integer.
    pub status: Vec<u8>,
    /// A name of an algorithm, with its tag.
    pub algorithm: Vec<u8>,
    /// What is stamped.
    pub digest: Vec<u8>,
    /// Contents of the integer; `None` leaves it out.
    pub nonce: Option<Vec<u8>>,
    /// What stands between time and nonce.
    pub before_nonce: Vec<u8>,
    /// What stands behind the nonce.
    pub after_nonce: Vec<u8>,
    /// Contents; `None` leaves them out.
    pub certificates: Option<Vec<u8>>,
    /// How many sign.
    pub signers: usize,
    /// Kind of the token's content, and of the content's.
    pub kinds: [Vec<u8>; 2],
    /// Contents of the version of TSTInfo.
    pub version: u8,
}

impl Parts {
    /// A stamp of this digest with this nonce.
    pub(crate) fn of(digest: &[u8], nonce: &[u8]) -> Self {
        Self {
            status: vec![0],
            algorithm: SHA_256.to_vec(),
            digest: digest.to_vec(),
            nonce: Some(nonce.to_vec()),
            before_nonce: vec![],
            after_nonce: vec![],
            certificates: Some(tlv(0x30, &[b"a certificate (sample)"])),
            signers: 1,
            kinds: [SIGNED_DATA.to_vec(), TST_INFO.to_vec()],
            version: 1,
        }
    }
    /// What a TimeStampReq of ours asks for.
    pub(crate) fn asked(request: &[u8]) -> Self {
        Self::of(&request[24..56], &request[58..66])
    }
    /// TSTInfo.
    pub(crate) fn info(&self) -> Vec<u8> {
        let algorithm = tlv(0x30, &[&self.algorithm, &[0x05, 0x00]]);
        let imprint = tlv(0x30, &[&algorithm, &tlv(0x04, &[&self.digest])]);
        let nonce = self.nonce.as_ref().map_or(vec![], |nonce| tlv(0x02, &[nonce]));
        let (version, serial, time) =
            (tlv(0x02, &[&[self.version]]), tlv(0x02, &[&[9]]), tlv(0x18, &[b"20260302120000Z"]));
        let parts: [&[u8]; 8] =
            [&version, &POLICY, &imprint, &serial, &time, &self.before_nonce, &nonce, &self.after_nonce];
        tlv(0x30, &parts)
    }
    /// The TimeStampResp.
    pub(crate) fn response(&self) -> Vec<u8> {
        let content = tlv(0x30, &[&self.kinds[1], &tlv(0xa0, &[&tlv(0x04, &[&self.info()])])]);
        let certificates = self.certificates.as_ref().map_or(vec![], |some| tlv(0xa0, &[some]));
        let signer = tlv(0x30, &[b"a signer (sample)"]);
        let (version, algorithms) = (tlv(0x02, &[&[3]]), tlv(0x31, &[&tlv(0x30, &[&SHA_256])]));
        let signers = tlv(0x31, &vec![&*signer; self.signers]);
        let signed = tlv(0x30, &[&version, &algorithms, &content, &certificates, &signers]);
        let token = tlv(0x30, &[&self.kinds[0], &tlv(0xa0, &[&signed])]);
        tlv(0x30, &[&tlv(0x30, &[&tlv(0x02, &[&self.status])]), &token])
    }
}
