//! Keys in an ssh-agent: the two messages of its protocol that list keys and sign (draft-ietf-sshm-ssh-agent, sections 3.5 and
//! 3.6). A plain `ssh-ed25519` key signs the bytes themselves (RFC 8709, section 6), so what comes back is the signature that
//! statements carry. Keys on FIDO devices (`sk-…`) sign something else, and certificates are no keys: neither is taken.
//!
//! The messages are written here and not by a library: they are two, and each field of an answer has its limit.

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    path::Path,
    time::Duration,
};
#[cfg(unix)]
use std::{os::unix::net::UnixStream, path::PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{AgentKey, Checked, reference::fingerprint};
use crate::{
    domain::{
        id::Digest,
        key::{PublicKey, Signer},
        message::{Fact, Message, Tell},
        text::escape_line,
    },
    msg,
};

/// Largest answer of an agent, in bytes: what OpenSSH's own client takes.
pub const ANSWER_LIMIT: usize = 256 << 10;
/// Most keys that an agent may list.
pub const KEYS_LIMIT: usize = 2048;
/// Largest file with a public key of ssh, in bytes.
pub const PUBLIC_FILE_LIMIT: usize = 16 << 10;
/// How long an agent may take to answer. It may ask a person first (`ssh-add -c`).
pub const PATIENCE: Duration = Duration::from_secs(120);

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// The one kind of key that is taken.
const ED25519: &[u8] = b"ssh-ed25519";

/// What is wrong with an agent or what it was asked for, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.tell())]
#[allow(missing_docs)]
pub enum AgentFault {
    None,
    Gone { socket: String, error: io::Error },
    Odd(Message),
    NoKey { asked: String, there: Vec<String> },
    Keys { asked: String, count: usize, there: Vec<String> },
    Kind { asked: String, kind: String },
    File { path: String, problem: Message },
    Refused,
}

impl Tell for AgentFault {
    fn tell(&self) -> Fact {
        let message = match self {
            Self::None => msg!(
                "there is no ssh-agent: SSH_AUTH_SOCK is not set; start one (eval $(ssh-agent)) and load the key (ssh-add FILE)"
            ),
            Self::Gone { socket, error } => msg!(
                "the ssh-agent at {socket} cannot be reached ({error}); start one, and load the key (ssh-add FILE)",
                socket,
                error
            ),
            Self::Odd(problem) => msg!("the ssh-agent did not answer as one should: {problem}", problem),
            Self::NoKey { asked, there } if there.is_empty() => {
                msg!("the ssh-agent has no key {asked}; load it with ssh-add FILE. It has: none", asked)
            }
            Self::NoKey { asked, there } => msg!(
                "the ssh-agent has no key {asked}; load it with ssh-add FILE. It has: {keys}",
                asked,
                keys = there.join(", ")
            ),
            Self::Keys { asked, count, there } => msg!(
                "one key in the ssh-agent fits {asked}; name it by its fingerprint: {keys}"
                    | "{n} keys in the ssh-agent fit {asked}; name one by its fingerprint: {keys}",
                n = count,
                asked,
                keys = there.join(", ")
            ),
            Self::Kind { asked, kind } => msg!(
                "{asked} is a key of the kind {kind}; only a plain ssh-ed25519 key makes signatures that all can verify (ssh-keygen -t ed25519)",
                asked,
                kind
            ),
            Self::File { path, problem } => msg!("{path}: no public key of ssh ({problem})", path, problem),
            Self::Refused => {
                msg!("the ssh-agent refuses to sign: it is locked, the key was taken out, or somebody said no")
            }
        };
        message.into()
    }
}

/// A key that an agent lists.
#[derive(Clone, Debug)]
pub struct Identity {
    blob: Vec<u8>,
    kind: String,
    comment: String,
    public: Option<PublicKey>,
}

impl Identity {
    fn new(blob: &[u8], comment: &[u8]) -> Option<Self> {
        let mut fields = Fields(blob);
        let kind = fields.string()?;
        let public = (kind == ED25519).then(|| fields.string()).flatten().filter(|_| fields.0.is_empty());
        Some(Self {
            blob: blob.to_vec(),
            kind: escape_line(&String::from_utf8_lossy(kind)),
            comment: String::from_utf8_lossy(comment).into_owned(),
            public: public.and_then(|point| PublicKey::from_bytes(point.try_into().ok()?).ok()),
        })
    }
    /// The public half, if it is a plain Ed25519 key.
    #[must_use]
    pub const fn public(&self) -> Option<PublicKey> {
        self.public
    }
    /// How it is named for certain.
    #[must_use]
    pub fn name(&self) -> AgentKey {
        AgentKey::Fingerprint(*Digest::of(&self.blob).as_bytes())
    }
    /// What its owner called it.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }
}

/// In one line, as `ssh-add -l` shows it.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = fingerprint(Digest::of(&self.blob).as_bytes());
        write!(f, "{digest} “{}” ({})", escape_line(&self.comment), self.kind)
    }
}

/// An agent, by its socket. Each request has a connection of its own.
#[derive(Clone, Debug)]
pub struct Agent {
    #[cfg(unix)]
    socket: PathBuf,
}

impl Agent {
    /// The agent at this socket: `$SSH_AUTH_SOCK`, which the caller reads.
    ///
    /// # Errors
    /// [`AgentFault::None`] without one.
    pub fn at(socket: Option<&Path>) -> Result<Self, AgentFault> {
        let socket = socket.filter(|socket| !socket.as_os_str().is_empty()).ok_or(AgentFault::None)?;
        Ok(Self {
            #[cfg(unix)]
            socket: socket.into(),
        })
    }
    /// What it holds, of all kinds.
    ///
    /// # Errors
    /// [`AgentFault::Gone`], [`AgentFault::Odd`].
    pub fn identities(&self) -> Result<Vec<Identity>, AgentFault> {
        let answer = self.ask(&[REQUEST_IDENTITIES])?;
        identities(&answer)
    }
    /// The one key that is meant.
    ///
    /// # Errors
    /// [`AgentFault::NoKey`], [`AgentFault::Keys`], [`AgentFault::Kind`], [`AgentFault::File`], those of
    /// [`Agent::identities`].
    pub fn find(&self, which: &AgentKey) -> Result<Identity, AgentFault> {
        let wanted = match which {
            AgentKey::Public(path) => Some(public_file(path)?),
            _ => None,
        };
        let all = self.identities()?;
        choose(which, wanted.as_ref(), &all).cloned()
    }
    /// The key, to sign with. What comes back is verified before it is used.
    ///
    /// # Errors
    /// [`AgentFault::Kind`] for a key that is not of Ed25519.
    pub fn signer(&self, identity: Identity) -> Result<Box<dyn Signer>, AgentFault> {
        let public = plain(&identity)?;
        let agent = self.clone();
        Ok(Box::new(Checked::new(public, move |message: &[u8]| {
            agent.sign(&identity.blob, message).map_err(|fault| fault.message())
        })))
    }
    fn sign(&self, blob: &[u8], message: &[u8]) -> Result<Vec<u8>, AgentFault> {
        let mut request = vec![SIGN_REQUEST];
        for field in [blob, message] {
            let length =
                u32::try_from(field.len()).map_err(|_| AgentFault::Odd(msg!("what is to be signed is too long")))?;
            request.extend(length.to_be_bytes());
            request.extend(field);
        }
        // No flags: they choose digests for RSA.
        request.extend([0; 4]);
        signature(&self.ask(&request)?)
    }
    #[cfg(unix)]
    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, AgentFault> {
        let gone = |error| AgentFault::Gone { socket: escape_line(&self.socket.display().to_string()), error };
        let mut stream = UnixStream::connect(&self.socket).map_err(gone)?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .map_err(gone)?;
        let length =
            u32::try_from(request.len()).map_err(|_| AgentFault::Odd(msg!("what is to be signed is too long")))?;
        stream.write_all(&[&length.to_be_bytes(), request].concat()).map_err(gone)?;
        let mut head = [0; 4];
        stream.read_exact(&mut head).map_err(gone)?;
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        if length > ANSWER_LIMIT {
            return Err(AgentFault::Odd(msg!("its answer is too long")));
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).map_err(gone)?;
        Ok(answer)
    }
    #[cfg(not(unix))]
    fn ask(&self, _: &[u8]) -> Result<Vec<u8>, AgentFault> {
        Err(AgentFault::None)
    }
}

fn plain(identity: &Identity) -> Result<PublicKey, AgentFault> {
    identity.public.ok_or_else(|| AgentFault::Kind { asked: identity.name().to_string(), kind: identity.kind.clone() })
}

fn choose<'a>(which: &AgentKey, wanted: Option<&Identity>, all: &'a [Identity]) -> Result<&'a Identity, AgentFault> {
    let fits = |identity: &&Identity| match which {
        AgentKey::Only => identity.public.is_some(),
        AgentKey::Fingerprint(digest) => Digest::of(&identity.blob).as_bytes() == digest,
        AgentKey::Comment(comment) => identity.comment == *comment,
        AgentKey::Public(_) => wanted.is_some_and(|wanted| wanted.blob == identity.blob),
    };
    let (asked, there) = (which.to_string(), |found: &[&Identity]| found.iter().map(ToString::to_string).collect());
    match all.iter().filter(fits).collect::<Vec<_>>().as_slice() {
        [one] => plain(one).map(|_| *one),
        [] => Err(AgentFault::NoKey { asked, there: there(&all.iter().collect::<Vec<_>>()) }),
        several => Err(AgentFault::Keys { asked, count: several.len(), there: there(several) }),
    }
}

/// The key of a .pub file, as `ssh-keygen` writes it: kind, base64, comment.
fn public_file(path: &Path) -> Result<Identity, AgentFault> {
    let shown = escape_line(&path.display().to_string());
    let fault = |problem: Message| AgentFault::File { path: shown.clone(), problem };
    let file = std::fs::File::open(path).map_err(|e| fault(e.message()))?;
    let mut text = String::new();
    file.take(PUBLIC_FILE_LIMIT as u64).read_to_string(&mut text).map_err(|e| fault(e.message()))?;
    let blob = text.split_ascii_whitespace().nth(1).and_then(|blob| BASE64_STANDARD.decode(blob).ok());
    let identity = blob.and_then(|blob| Identity::new(&blob, b""));
    identity.ok_or_else(|| fault(msg!("it does not hold `ssh-ed25519 AAAA…`")))
}

fn identities(answer: &[u8]) -> Result<Vec<Identity>, AgentFault> {
    let odd = || AgentFault::Odd(msg!("its list of keys cannot be read"));
    let Some((&IDENTITIES_ANSWER, rest)) = answer.split_first() else { return Err(odd()) };
    let mut fields = Fields(rest);
    let count = fields.number().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= KEYS_LIMIT).ok_or_else(odd)?;
    let mut all = Vec::new();
    for _ in 0..count {
        let (blob, comment) = fields.string().zip(fields.string()).ok_or_else(odd)?;
        all.push(Identity::new(blob, comment).ok_or_else(odd)?);
    }
    if fields.0.is_empty() { Ok(all) } else { Err(odd()) }
}

fn signature(answer: &[u8]) -> Result<Vec<u8>, AgentFault> {
    let Some((&SIGN_RESPONSE, rest)) = answer.split_first() else { return Err(AgentFault::Refused) };
    let mut fields = Fields(rest);
    let signature = fields.string().filter(|_| fields.0.is_empty()).and_then(|blob| {
        let mut fields = Fields(blob);
        let (kind, signature) = (fields.string()?, fields.string()?);
        (kind == ED25519 && fields.0.is_empty()).then(|| signature.to_vec())
    });
    signature.ok_or(AgentFault::Odd(msg!("its signature is not one of Ed25519")))
}

/// Numbers and strings as ssh writes them (RFC 4251, section 5).
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }
    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::SecretKey;

    fn string(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }
    fn blob(kind: &str, point: &[u8]) -> Vec<u8> {
        [string(kind.as_bytes()), string(point)].concat()
    }
    fn listing(keys: &[(Vec<u8>, &str)]) -> Vec<u8> {
        let mut answer = vec![IDENTITIES_ANSWER];
        answer.extend(u32::try_from(keys.len()).unwrap().to_be_bytes());
        for (blob, comment) in keys {
            answer.extend(string(blob));
            answer.extend(string(comment.as_bytes()));
        }
        answer
    }
    fn key(seed: u8) -> PublicKey {
        SecretKey::from_seed(&[seed; 32]).public()
    }

    #[test]
    fn one_plain_key_is_chosen_and_nothing_else() {
        let one = blob("ssh-ed25519", &key(1).to_bytes());
        let all = identities(&listing(&[
            (one.clone(), "a sample"),
            (blob("ssh-ed25519", &key(2).to_bytes()), "twice"),
            (blob("ssh-ed25519", &key(3).to_bytes()), "twice"),
            (blob("ssh-rsa", &[1; 256]), "rsa"),
            (blob("sk-ssh-ed25519@openssh.com", &key(4).to_bytes()), "sk"),
            ([blob("ssh-ed25519", &key(5).to_bytes()), vec![0]].concat(), "more behind it"),
            (blob("ssh-ed25519", &[0; 32]), "weak"),
        ]))
        .unwrap();
        let comment = |words: &str| choose(&AgentKey::Comment(words.into()), None, &all);
        assert_eq!(comment("a sample").unwrap().public(), Some(key(1)));
        let by = AgentKey::Fingerprint(*Digest::of(&one).as_bytes());
        assert_eq!(choose(&by, None, &all).unwrap().public(), Some(key(1)));
        for kind in ["rsa", "sk", "more behind it", "weak"] {
            assert!(matches!(comment(kind), Err(AgentFault::Kind { .. })), "{kind}");
        }
        assert!(matches!(comment("twice"), Err(AgentFault::Keys { count: 2, .. })));
        assert!(matches!(comment("absent"), Err(AgentFault::NoKey { .. })));
        assert!(matches!(choose(&AgentKey::Only, None, &all), Err(AgentFault::Keys { count: 3, .. })));
        assert!(choose(&AgentKey::Only, None, &all[..1]).is_ok());
    }

    #[test]
    fn answers_that_are_cut_or_go_on_are_refused() {
        let good = listing(&[(blob("ssh-ed25519", &key(1).to_bytes()), "a")]);
        assert!(identities(&good).is_ok());
        for cut in 0..good.len() {
            assert!(identities(&good[..cut]).is_err(), "{cut}");
        }
        assert!(identities(&[&good[..], &[0]].concat()).is_err());
        let many = [&[IDENTITIES_ANSWER][..], &2049_u32.to_be_bytes()].concat();
        assert!(identities(&many).is_err());
        let signed = [vec![SIGN_RESPONSE], string(&blob("ssh-ed25519", &[7; 64]))].concat();
        assert_eq!(signature(&signed).unwrap(), [7; 64]);
        for cut in 0..signed.len() {
            assert!(signature(&signed[..cut]).is_err(), "{cut}");
        }
        assert!(signature(&[&signed[..], &[0]].concat()).is_err());
        assert!(signature(&[vec![SIGN_RESPONSE], string(&blob("ssh-rsa", &[7; 64]))].concat()).is_err());
        assert!(matches!(signature(&[5]), Err(AgentFault::Refused)));
    }
}
