//! Keys on tokens, by PKCS#11: made there, never taken out. The token's library is loaded into this process when a key on a token
//! is asked for, and at no other time.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11},
    error::{Error, RvError},
    mechanism::{
        Mechanism, MechanismType,
        eddsa::{EddsaParams, EddsaSignatureScheme},
    },
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::{Slot, TokenInfo},
    types::AuthPin,
};

use super::{Checked, TokenUri};
use crate::{
    domain::{
        key::{PublicKey, Signer},
        message::{Fact, Message, Tell},
        text::escape_line,
    },
    msg,
};

/// Most tokens that are looked at.
pub const TOKENS_LIMIT: usize = 64;
/// Most keys of one token that are listed.
pub const KEYS_LIMIT: usize = 256;
/// id-Ed25519 in DER (RFC 8410, section 3): how the curve is named to a token, and how older ones want it (PKCS#11 3.0, section
/// 2.3.10).
const CURVES: [&[u8]; 2] = [&[0x06, 0x03, 0x2b, 0x65, 0x70], b"\x13\x0cedwards25519"];
/// What a new key signs once, so that its public half is known to be its own. No statement and no note begins so.
const TRIAL: &[u8] = b"communique key new: does this key sign?";

/// What is wrong with a token or what it was asked for, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.tell())]
#[allow(missing_docs)]
pub enum TokenFault {
    NoModule,
    Module(PathBuf, Message),
    NoToken { uri: String, there: Vec<Message> },
    Tokens { uri: String, count: usize, there: Vec<Message> },
    NoKey { token: String, uri: String },
    Keys { token: String, uri: String, count: usize },
    Hidden { token: String, uri: String },
    NotEd25519 { token: String, problem: Message },
    OtherKey { token: String },
    WrongPin { token: String, left: PinState },
    Pin { token: String, state: PinState },
    PinLength { token: String, least: usize, most: usize },
    CannotMake { token: String },
    Exists { token: String, uri: String },
    Failed { token: String, what: Message },
}

impl Tell for TokenFault {
    fn tell(&self) -> Fact {
        let message = match self {
            Self::NoModule => msg!(
                "no library is named that talks to the token: add ?module-path=/…/library.so to the key's name, or set COMMUNIQUE_PKCS11_MODULE"
            ),
            Self::Module(path, problem) => msg!(
                "{path}: cannot be loaded as a PKCS#11 library ({problem}); check module-path, and whether the token's software is installed",
                path,
                problem
            ),
            Self::NoToken { uri, there } if there.is_empty() => {
                msg!("no token fits {uri}; there is none: is it plugged in?", uri)
            }
            Self::NoToken { uri, there } => {
                msg!("no token fits {uri}; there are: {tokens}", uri, tokens = there)
            }
            Self::Tokens { uri, count, there } => msg!(
                "one token fits {uri}; name it by serial=: {tokens}"
                    | "{n} tokens fit {uri}; name one by serial=: {tokens}",
                n = count,
                uri,
                tokens = there
            ),
            Self::NoKey { token, uri } => msg!(
                "token {token} has no Ed25519 key that fits {uri}; `communique key list` shows those that it has",
                token,
                uri
            ),
            Self::Keys { token, uri, count } => msg!(
                "one key on token {token} fits {uri}; name it by object= or id= (`communique key list` shows it)"
                    | "{n} keys on token {token} fit {uri}; name one by object= or id= (`communique key list` shows them)",
                n = count,
                token,
                uri
            ),
            Self::Hidden { token, uri } => msg!(
                "token {token} shows no Ed25519 key that fits {uri}; `communique key list` shows those that it has. If it shows them only after the PIN, write the public half to a file once (communique key show KEY --out FILE.jwk), and add jwk=FILE.jwk behind the ? of the key's name",
                token,
                uri
            ),
            Self::NotEd25519 { token, problem } => msg!(
                "what token {token} shows as the public half of this key is none of Ed25519: {problem}",
                token,
                problem
            ),
            Self::OtherKey { token } => msg!(
                "token {token} holds another key than the public half that was given for it; nothing was signed",
                token
            ),
            Self::WrongPin { token, left } => {
                msg!("wrong PIN for token {token}: one try is used up. {left}", token, left)
            }
            Self::Pin { token, state } => msg!("token {token}: {state}", token, state),
            Self::PinLength { token, least, most } => msg!(
                "the PIN of token {token} has {least} to {most} characters; this one was not tried, so no try is used up",
                token,
                least,
                most
            ),
            Self::CannotMake { token } => msg!(
                "token {token} makes no Ed25519 keys (CKM_EC_EDWARDS_KEY_PAIR_GEN); take another token, or a key file",
                token
            ),
            Self::Exists { token, uri } => msg!(
                "token {token} has a key that fits {uri} already, and it is not replaced; choose another object=",
                token,
                uri
            ),
            Self::Failed { token, what } => msg!("token {token}: {what}", token, what),
        };
        message.into()
    }
}

/// What a token says of its PIN. Tokens say no number: only that tries were lost, that one is left, that none is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinState {
    /// Nothing was tried in vain since the last right one.
    Usual,
    /// At least one wrong PIN since the last right one (CKF_USER_PIN_COUNT_LOW).
    Low,
    /// One more wrong PIN locks it (CKF_USER_PIN_FINAL_TRY).
    Final,
    /// Locked (CKF_USER_PIN_LOCKED).
    Locked,
    /// No user PIN was ever set.
    Unset,
}

impl PinState {
    fn of(info: &TokenInfo) -> Self {
        match info {
            info if info.user_pin_locked() => Self::Locked,
            info if info.user_pin_final_try() => Self::Final,
            info if info.user_pin_count_low() => Self::Low,
            info if !info.user_pin_initialized() => Self::Unset,
            _ => Self::Usual,
        }
    }
    /// Whether a PIN may be tried at all.
    ///
    /// # Errors
    /// [`TokenFault::Pin`] for a token that is locked or has no PIN; `token` is its label.
    pub fn open(self, token: &str) -> Result<Self, TokenFault> {
        match self {
            Self::Locked | Self::Unset => Err(TokenFault::Pin { token: token.into(), state: self }),
            Self::Usual | Self::Low | Self::Final => Ok(self),
        }
    }
}

impl Tell for PinState {
    fn tell(&self) -> Fact {
        let message = match self {
            Self::Usual => msg!("The token says that the tries are not running low."),
            Self::Low => msg!(
                "A wrong PIN was typed before: few tries may be left before the token locks, it does not say how many."
            ),
            Self::Final => msg!("ONE TRY IS LEFT: the next wrong PIN locks the token."),
            Self::Locked => msg!(
                "the PIN is locked after too many wrong ones; the token's administrator unlocks it with the SO PIN (or PUK)"
            ),
            Self::Unset => {
                msg!("no user PIN is set; the token's administrator sets it with the token's own software")
            }
        };
        message.into()
    }
}

/// A token with a session on it.
pub struct Token {
    uri: TokenUri,
    label: String,
    module: Pkcs11,
    slot: Slot,
    session: Mutex<Session>,
}

/// A key as a token shows it.
pub struct Listed {
    /// How it is named; complete but for the module, which is as it was asked for.
    pub uri: TokenUri,
    /// The public half.
    pub public: PublicKey,
}

impl Token {
    /// Opens the one token that fits. `module` is taken where the URI names none. `write` is for making keys.
    ///
    /// # Errors
    /// [`TokenFault`]: no library, no token, several tokens, what the token fails with.
    pub fn open(uri: &TokenUri, module: Option<&Path>, write: bool) -> Result<Self, TokenFault> {
        let tokens = tokens(uri, module)?;
        let there = || tokens.all.iter().map(described).collect();
        let written = || uri.to_string();
        match tokens.fitting.as_slice() {
            [(slot, info)] => {
                let label = shown(info.label());
                let failed = |e| failed(&label, &e);
                let session =
                    if write { tokens.module.open_rw_session(*slot) } else { tokens.module.open_ro_session(*slot) };
                let session = Mutex::new(session.map_err(failed)?);
                Ok(Self { uri: uri.clone(), label, slot: *slot, session, module: tokens.module })
            }
            [] => Err(TokenFault::NoToken { uri: written(), there: there() }),
            several => Err(TokenFault::Tokens {
                uri: written(),
                count: several.len(),
                there: several.iter().map(|(_, info)| described(info)).collect(),
            }),
        }
    }
    /// Its label, in one line.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }
    /// What it says of its PIN now.
    ///
    /// # Errors
    /// [`TokenFault::Failed`].
    pub fn pin_state(&self) -> Result<PinState, TokenFault> {
        Ok(PinState::of(&self.info()?))
    }
    /// Whether the PIN is typed at the token itself, and never comes here (CKF_PROTECTED_AUTHENTICATION_PATH).
    ///
    /// # Errors
    /// [`TokenFault::Failed`].
    pub fn has_keypad(&self) -> Result<bool, TokenFault> {
        Ok(self.info()?.protected_authentication_path())
    }
    fn info(&self) -> Result<TokenInfo, TokenFault> {
        self.module.get_token_info(self.slot).map_err(|e| self.failed(&e))
    }
    /// The public half of the key, if the token shows one now.
    ///
    /// # Errors
    /// [`TokenFault::Keys`] if several fit, [`TokenFault::NotEd25519`], [`TokenFault::Failed`].
    pub fn public(&self) -> Result<Option<PublicKey>, TokenFault> {
        let session = self.session();
        match self.find(&session, ObjectClass::PUBLIC_KEY)?.as_slice() {
            [] => Ok(None),
            [one] => self.public_of(&session, *one).map(Some),
            several => Err(self.several(several.len())),
        }
    }
    /// Logs in, once: a wrong PIN is told and never tried again. A PIN that cannot be right by its length is not tried. `None`
    /// has it typed at the token.
    ///
    /// # Errors
    /// [`TokenFault::WrongPin`] with what the token says is left; [`TokenFault::Pin`], [`TokenFault::PinLength`],
    /// [`TokenFault::Failed`].
    pub fn log_in(&self, pin: Option<&str>) -> Result<(), TokenFault> {
        let token = || self.label.clone();
        let info = self.info()?;
        PinState::of(&info).open(&self.label)?;
        if let Some(pin) = pin {
            let (least, most) = (info.min_pin_length().max(1), info.max_pin_length().max(1));
            if !(least..=most).contains(&pin.len()) {
                return Err(TokenFault::PinLength { token: token(), least, most });
            }
        }
        // A box of its own size: nothing is moved and left behind in memory.
        let pin = pin.map(|pin| AuthPin::new(pin.into()));
        match self.session().login(UserType::User, pin.as_ref()) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(RvError::PinIncorrect, _)) => {
                Err(TokenFault::WrongPin { token: token(), left: self.pin_state()? })
            }
            Err(Error::Pkcs11(RvError::PinLocked, _)) => {
                Err(TokenFault::Pin { token: token(), state: PinState::Locked })
            }
            Err(e) => Err(self.failed(&e)),
        }
    }
    /// The key, to sign with; the token is logged in. What it signs is verified under `public` before it is used.
    ///
    /// # Errors
    /// [`TokenFault::NoKey`], [`TokenFault::Keys`]; [`TokenFault::OtherKey`] if the token shows another public half;
    /// [`TokenFault::Failed`].
    pub fn signer(self: Arc<Self>, public: PublicKey) -> Result<Box<dyn Signer>, TokenFault> {
        if self.public()?.is_some_and(|shown| shown != public) {
            return Err(TokenFault::OtherKey { token: self.label.clone() });
        }
        let found = self.find(&self.session(), ObjectClass::PRIVATE_KEY)?;
        let key = match found.as_slice() {
            [key] => *key,
            [] => return Err(TokenFault::NoKey { token: self.label.clone(), uri: self.uri.to_string() }),
            several => return Err(self.several(several.len())),
        };
        Ok(Box::new(Checked::new(public, move |message: &[u8]| {
            self.sign(key, message).map_err(|e| self.failed(&e).message())
        })))
    }
    /// Makes a key pair on the token, under the label and id of the URI. The private half is sensitive and cannot be taken out.
    /// The new key signs a trial text, by which its public half is known to be its own.
    ///
    /// # Errors
    /// [`TokenFault::Exists`], [`TokenFault::CannotMake`], [`TokenFault::NotEd25519`], [`TokenFault::Failed`].
    pub fn make(self: Arc<Self>) -> Result<PublicKey, TokenFault> {
        let token = || self.label.clone();
        let public = {
            let session = self.session();
            for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
                if !self.find(&session, class)?.is_empty() {
                    return Err(TokenFault::Exists { token: token(), uri: self.uri.to_string() });
                }
            }
            let mechanisms = self.module.get_mechanism_list(self.slot).map_err(|e| self.failed(&e))?;
            if !mechanisms.contains(&MechanismType::ECC_EDWARDS_KEY_PAIR_GEN) {
                return Err(TokenFault::CannotMake { token: token() });
            }
            let handle = self.generate(&session)?;
            self.public_of(&session, handle)?
        };
        let signer = Arc::clone(&self).signer(public)?;
        signer.sign(TRIAL).map_err(|what| TokenFault::Failed { token: token(), what })?;
        Ok(public)
    }
    fn generate(&self, session: &Session) -> Result<ObjectHandle, TokenFault> {
        let named = |mut template: Vec<Attribute>| {
            template.extend(self.uri.object.as_ref().map(|label| Attribute::Label(label.clone().into())));
            template.extend(self.uri.id.as_ref().map(|id| Attribute::Id(id.clone())));
            template
        };
        let private = named(vec![
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ]);
        let mut made = Err(Error::NotSupported);
        for curve in CURVES {
            let public = named(vec![
                Attribute::Token(true),
                Attribute::Private(false),
                Attribute::Verify(true),
                Attribute::EcParams(curve.into()),
            ]);
            made = session.generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public, &private);
            if made.is_ok() {
                break;
            }
        }
        made.map(|(public, _)| public).map_err(|e| self.failed(&e))
    }
    /// Every Ed25519 key that fits and whose public half the token shows.
    ///
    /// # Errors
    /// [`TokenFault::Failed`].
    pub fn keys(&self) -> Result<Vec<Listed>, TokenFault> {
        let session = self.session();
        let info = self.info()?;
        let mut keys = Vec::new();
        for handle in self.find(&session, ObjectClass::PUBLIC_KEY)?.into_iter().take(KEYS_LIMIT) {
            let Ok(public) = self.public_of(&session, handle) else { continue };
            let named = session.get_attributes(handle, &[AttributeType::Label, AttributeType::Id]);
            let mut uri = TokenUri {
                token: Some(info.label().to_owned()),
                serial: Some(info.serial_number().to_owned()),
                object: None,
                id: None,
                ..self.uri.clone()
            };
            for attribute in named.map_err(|e| self.failed(&e))? {
                match attribute {
                    Attribute::Label(label) => uri.object = String::from_utf8(label).ok().filter(|l| !l.is_empty()),
                    Attribute::Id(id) => uri.id = Some(id).filter(|id| !id.is_empty()),
                    _ => {}
                }
            }
            keys.push(Listed { uri, public });
        }
        Ok(keys)
    }
    fn sign(&self, key: ObjectHandle, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.session().sign(&Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)), key, message)
    }
    fn find(&self, session: &Session, class: ObjectClass) -> Result<Vec<ObjectHandle>, TokenFault> {
        let mut template = vec![Attribute::Class(class), Attribute::KeyType(KeyType::EC_EDWARDS)];
        template.extend(self.uri.object.as_ref().map(|label| Attribute::Label(label.clone().into())));
        template.extend(self.uri.id.as_ref().map(|id| Attribute::Id(id.clone())));
        session.find_objects(&template).map_err(|e| self.failed(&e))
    }
    fn public_of(&self, session: &Session, handle: ObjectHandle) -> Result<PublicKey, TokenFault> {
        let attributes = session.get_attributes(handle, &[AttributeType::EcPoint]).map_err(|e| self.failed(&e))?;
        let not_ed25519 = |problem: Message| TokenFault::NotEd25519 { token: self.label.clone(), problem };
        let point = attributes.iter().find_map(|attribute| match attribute {
            Attribute::EcPoint(point) => Some(point.as_slice()),
            _ => None,
        });
        let bytes = point.and_then(point_bytes).ok_or_else(|| not_ed25519(msg!("its point is not of 32 bytes")))?;
        PublicKey::from_bytes(bytes).map_err(|refusal| not_ed25519(refusal.message()))
    }
    fn several(&self, count: usize) -> TokenFault {
        TokenFault::Keys { token: self.label.clone(), uri: self.uri.to_string(), count }
    }
    fn session(&self) -> std::sync::MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn failed(&self, error: &Error) -> TokenFault {
        failed(&self.label, error)
    }
}

/// The point of an Ed25519 key as tokens write it: in an OCTET STRING (PKCS#11 3.0), a BIT STRING, or bare.
fn point_bytes(point: &[u8]) -> Option<&[u8; 32]> {
    let bare = match point {
        [0x04, 0x20, bare @ ..] if bare.len() == 32 => bare,
        [0x03, 0x21, 0x00, bare @ ..] if bare.len() == 32 => bare,
        bare => bare,
    };
    bare.try_into().ok()
}

struct Tokens {
    module: Pkcs11,
    fitting: Vec<(Slot, TokenInfo)>,
    all: Vec<TokenInfo>,
}

/// The tokens that a library shows, and those that fit.
fn tokens(uri: &TokenUri, module: Option<&Path>) -> Result<Tokens, TokenFault> {
    let path = uri.module.as_deref().or(module).ok_or(TokenFault::NoModule)?;
    let cannot = |e: &Error| TokenFault::Module(path.into(), plain(e));
    let module = Pkcs11::new(path).map_err(|e| cannot(&e))?;
    // The library stays in memory until the process ends: some fall over their own exit handlers when they are unloaded before.
    std::mem::forget(module.clone());
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(e) => return Err(cannot(&e)),
    }
    let mut tokens = Tokens { module, fitting: Vec::new(), all: Vec::new() };
    let slots = tokens.module.get_slots_with_initialized_token().map_err(|e| cannot(&e))?;
    for slot in slots.into_iter().take(TOKENS_LIMIT) {
        // One that was pulled out meanwhile is not there.
        let Ok(info) = tokens.module.get_token_info(slot) else { continue };
        let is = |asked: &Option<String>, there: &str| asked.as_deref().is_none_or(|asked| asked == there);
        if is(&uri.token, info.label())
            && is(&uri.manufacturer, info.manufacturer_id())
            && is(&uri.model, info.model())
            && is(&uri.serial, info.serial_number())
        {
            tokens.fitting.push((slot, info.clone()));
        }
        tokens.all.push(info);
    }
    Ok(tokens)
}

/// The tokens that fit, each by its own URI: for lists.
///
/// # Errors
/// As [`Token::open`], but for the number of tokens.
pub fn fitting(uri: &TokenUri, module: Option<&Path>) -> Result<Vec<TokenUri>, TokenFault> {
    let there = tokens(uri, module)?.fitting;
    let one = |info: &TokenInfo| TokenUri {
        token: Some(info.label().to_owned()).filter(|l| !l.is_empty()),
        serial: Some(info.serial_number().to_owned()).filter(|l| !l.is_empty()),
        ..uri.clone()
    };
    Ok(there.iter().map(|(_, info)| one(info)).collect())
}

fn described(info: &TokenInfo) -> Message {
    msg!("{label} (serial {serial})", label = shown(info.label()), serial = shown(info.serial_number()))
}

/// A token's words, in one line and in quotation marks.
fn shown(words: &str) -> String {
    format!("“{}”", escape_line(words))
}

fn failed(token: &str, error: &Error) -> TokenFault {
    let what = match error {
        Error::Pkcs11(RvError::TokenNotPresent | RvError::DeviceRemoved, _) => msg!("it is gone; plug it in again"),
        Error::Pkcs11(RvError::TokenWriteProtected, _) => msg!("it is write-protected"),
        Error::Pkcs11(RvError::UserNotLoggedIn, Function::Sign | Function::SignInit) => {
            msg!(
                "it wants the PIN again for each signature, which this tool does not do; make a key without CKA_ALWAYS_AUTHENTICATE"
            )
        }
        Error::Pkcs11(RvError::FunctionCanceled | RvError::FunctionRejected, _) => {
            msg!("it was cancelled at the token; nothing was signed")
        }
        other => msg!("it failed with {error}", error = plain(other)),
    };
    TokenFault::Failed { token: token.into(), what }
}

/// An error of the library in few words, in one line.
fn plain(error: &Error) -> Message {
    match error {
        Error::Pkcs11(code, function) => {
            msg!("{code} in {function}", code = format!("{code:?}"), function = function.to_string())
        }
        other => Message::words(escape_line(&other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_in_all_three_forms_and_in_no_fourth() {
        let bare = [7; 32];
        let octets = [&[0x04, 0x20][..], &bare].concat();
        let bits = [&[0x03, 0x21, 0][..], &bare].concat();
        for good in [&bare[..], &octets, &bits] {
            assert_eq!(point_bytes(good), Some(&bare));
        }
        for bad in [&bare[1..], &octets[..33], &bits[..34], &[&octets[..], &[0]].concat(), &[0x04, 0x39], &[]] {
            assert_eq!(point_bytes(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_locked_token_or_one_without_a_pin_is_tried_with_none() {
        for (state, open) in [
            (PinState::Usual, true),
            (PinState::Low, true),
            (PinState::Final, true),
            (PinState::Locked, false),
            (PinState::Unset, false),
        ] {
            assert_eq!(state.open("a").is_ok(), open, "{state:?}");
        }
    }
}
