//! Writing canonical JSON (RFC 8785) straight from a value, without a tree between.

use std::{borrow::Cow, fmt};

use serde::ser::{self, Serialize, Serializer};

/// The canonical bytes, or what of the value this format has no form for.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, NoForm> {
    let mut out = Vec::with_capacity(512);
    value.serialize(Writer(&mut out))?;
    Ok(out)
}

/// The value holds something other than strings, integers from 0, booleans, `null`, lists and objects.
#[derive(Debug)]
pub(super) struct NoForm;
impl fmt::Display for NoForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value has no form in canonical JSON")
    }
}
impl std::error::Error for NoForm {}
impl ser::Error for NoForm {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Writer<'a>(&'a mut Vec<u8>);

/// RFC 8785, section 3.2.2.2: quote, backslash and controls are escaped, in the shortest way; all else stands as it is.
fn string(s: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    // Of all bytes at once, which takes few instructions: hardly any string has something to escape.
    let escapes = s.bytes().fold(false, |found, byte| found | escaped(byte));
    let mut from = 0;
    let bytes = if escapes { s.as_bytes() } else { &[] };
    for (at, &byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0C => b'f',
            b'\r' => b'r',
            0..0x20 => b'u',
            _ => continue,
        };
        out.extend_from_slice(&s.as_bytes()[from..at]);
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            out.extend_from_slice(format!("{byte:04x}").as_bytes());
        }
        from = at + 1;
    }
    out.extend_from_slice(&s.as_bytes()[from..]);
    out.push(b'"');
}

fn escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// A list: items as they come.
struct List<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}
impl List<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), NoForm> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        item.serialize(Writer(self.out))
    }
    fn close(self) {
        self.out.push(b']');
    }
}

/// An object: members are written as they come, with their names, and sorted at the end if they did not come in order.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    /// Name of each member, and where it begins, from `start`, and ends.
    members: Vec<(Cow<'static, str>, usize, usize)>,
    name: String,
}
impl Object<'_> {
    fn member<T: Serialize + ?Sized>(&mut self, name: Cow<'static, str>, value: &T) -> Result<(), NoForm> {
        self.out.push(if self.members.is_empty() { b'{' } else { b',' });
        let from = self.out.len() - self.start;
        string(&name, self.out);
        self.out.push(b':');
        value.serialize(Writer(self.out))?;
        self.members.push((name, from, self.out.len() - self.start));
        Ok(())
    }
    /// RFC 8785 sorts by UTF-16 code units; names of the format are ASCII, where that is byte order.
    fn close(mut self) {
        if self.members.is_empty() {
            self.out.push(b'{');
        }
        if !self.members.is_sorted_by_key(|(name, ..)| name) {
            let written = self.out.split_off(self.start);
            self.members.sort_by(|(a, ..), (b, ..)| a.cmp(b));
            for (n, (_, from, to)) in self.members.into_iter().enumerate() {
                self.out.push(if n == 0 { b'{' } else { b',' });
                self.out.extend_from_slice(&written[from..to]);
            }
        }
        self.out.push(b'}');
    }
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = NoForm;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = ser::Impossible<(), NoForm>;
    type SerializeTupleVariant = ser::Impossible<(), NoForm>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = ser::Impossible<(), NoForm>;

    fn serialize_str(self, s: &str) -> Result<(), NoForm> {
        string(s, self.0);
        Ok(())
    }
    fn serialize_u64(self, n: u64) -> Result<(), NoForm> {
        self.0.extend_from_slice(n.to_string().as_bytes());
        Ok(())
    }
    fn serialize_bool(self, b: bool) -> Result<(), NoForm> {
        self.0.extend_from_slice(if b { b"true" } else { b"false" });
        Ok(())
    }
    fn serialize_unit(self) -> Result<(), NoForm> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }
    fn serialize_none(self) -> Result<(), NoForm> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NoForm> {
        value.serialize(self)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), NoForm> {
        value.serialize(self)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), NoForm> {
        self.serialize_str(variant)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, NoForm> {
        self.0.push(b'[');
        Ok(List { out: self.0, first: true })
    }
    fn serialize_tuple(self, length: usize) -> Result<List<'a>, NoForm> {
        self.serialize_seq(Some(length))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, NoForm> {
        let start = self.0.len();
        Ok(Object { out: self.0, start, members: Vec::with_capacity(16), name: String::new() })
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'a>, NoForm> {
        self.serialize_map(None)
    }

    fn serialize_u8(self, n: u8) -> Result<(), NoForm> {
        self.serialize_u64(n.into())
    }
    fn serialize_u16(self, n: u16) -> Result<(), NoForm> {
        self.serialize_u64(n.into())
    }
    fn serialize_u32(self, n: u32) -> Result<(), NoForm> {
        self.serialize_u64(n.into())
    }
    fn serialize_i8(self, n: i8) -> Result<(), NoForm> {
        self.serialize_i64(n.into())
    }
    fn serialize_i16(self, n: i16) -> Result<(), NoForm> {
        self.serialize_i64(n.into())
    }
    fn serialize_i32(self, n: i32) -> Result<(), NoForm> {
        self.serialize_i64(n.into())
    }
    fn serialize_i64(self, n: i64) -> Result<(), NoForm> {
        self.serialize_u64(n.try_into().map_err(|_| NoForm)?)
    }
    fn serialize_char(self, c: char) -> Result<(), NoForm> {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }
    fn serialize_f32(self, _: f32) -> Result<(), NoForm> {
        Err(NoForm)
    }
    fn serialize_f64(self, _: f64) -> Result<(), NoForm> {
        Err(NoForm)
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<(), NoForm> {
        Err(NoForm)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), NoForm> {
        Err(NoForm)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), NoForm> {
        Err(NoForm)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, NoForm> {
        Err(NoForm)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, NoForm> {
        Err(NoForm)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, NoForm> {
        Err(NoForm)
    }
}

impl ser::SerializeSeq for List<'_> {
    type Ok = ();
    type Error = NoForm;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), NoForm> {
        self.item(item)
    }
    fn end(self) -> Result<(), NoForm> {
        self.close();
        Ok(())
    }
}
impl ser::SerializeTuple for List<'_> {
    type Ok = ();
    type Error = NoForm;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), NoForm> {
        self.item(item)
    }
    fn end(self) -> Result<(), NoForm> {
        self.close();
        Ok(())
    }
}
impl ser::SerializeStruct for Object<'_> {
    type Ok = ();
    type Error = NoForm;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), NoForm> {
        self.member(Cow::Borrowed(name), value)
    }
    fn end(self) -> Result<(), NoForm> {
        self.close();
        Ok(())
    }
}
impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = NoForm;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), NoForm> {
        let quoted = encode(name)?;
        self.name = serde_json::from_slice(&quoted).map_err(|_| NoForm)?;
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoForm> {
        let name = std::mem::take(&mut self.name);
        self.member(Cow::Owned(name), value)
    }
    fn end(self) -> Result<(), NoForm> {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    fn canonical<T: Serialize>(value: T) -> Option<String> {
        encode(&value).ok().map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// Of strings alone the canonical form is that of serde_json.
    #[test]
    fn every_string_is_escaped_in_the_shortest_way() {
        let awkward = ('\0'..='\u{FF}').chain(['\u{2028}', '\u{2029}', '\u{FEFF}', '\u{FFFF}', '\u{10000}']);
        for c in awkward {
            for s in [c.to_string(), format!("{c}{c}"), format!("é{c}\u{1F}z"), format!("{c}\"{c}")] {
                assert_eq!(canonical(&s), Some(serde_json::to_string(&s).unwrap()), "{s:?}");
            }
        }
    }

    #[test]
    fn integers_from_0_words_lists_and_objects_have_a_form() {
        #[derive(Serialize)]
        struct Wrapped(u8);
        assert_eq!(canonical((1_u8, 2_u16, 3_u32, u64::MAX)).unwrap(), "[1,2,3,18446744073709551615]");
        assert_eq!(canonical((0_i8, 1_i16, 2_i32, i64::MAX)).unwrap(), "[0,1,2,9223372036854775807]");
        assert_eq!(canonical(('é', "é", true, false)).unwrap(), r#"["é","é",true,false]"#);
        assert_eq!(canonical(((), None::<u8>, Some(1), Wrapped(2))).unwrap(), "[null,null,1,2]");
        assert_eq!(canonical([[1; 2]; 2]).unwrap(), "[[1,1],[1,1]]");
    }

    #[test]
    fn what_json_has_several_forms_for_has_none() {
        #[derive(Serialize)]
        struct Nothing;
        #[derive(Serialize)]
        struct Pair(u8, u8);
        #[derive(Serialize)]
        enum Choice {
            One(u8),
            Two(u8, u8),
            Named { n: u8 },
        }
        struct Bytes;
        impl Serialize for Bytes {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(b"bytes")
            }
        }
        let none = [
            canonical((-1_i8, -1_i64)),
            canonical(-1_i16),
            canonical(-1_i32),
            canonical(1.0_f32),
            canonical(1.0_f64),
            canonical(Bytes),
            canonical(Nothing),
            canonical(Pair(1, 2)),
            canonical(Choice::One(1)),
            canonical(Choice::Two(1, 2)),
            canonical(Choice::Named { n: 1 }),
            canonical(std::collections::BTreeMap::from([(1, 2)])),
        ];
        assert_eq!(none, [const { None }; 12]);
    }
}
