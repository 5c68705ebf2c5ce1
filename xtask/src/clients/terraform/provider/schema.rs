//! The answer of GetProviderSchema, with only the types in use. Pure.
//!
//! It is a message of Protocol Buffers, of which nothing is understood but which bytes belong to which
//! field: <https://protobuf.dev/programming-guides/encoding/>. The fields are those of `tfplugin5.proto`
//! in <https://github.com/hashicorp/terraform/tree/main/docs/plugin-protocol>.

use std::collections::BTreeSet;

/// Maps from the name of a type to its schema: resources, data sources, ephemeral resources, list
/// resources, state stores and actions. Everything else stays as it is: the provider's own schema,
/// functions, and what the server is capable of.
const MAPS: [u64; 6] = [2, 3, 8, 9, 10, 11];
const DIAGNOSTICS: u64 = 4;
/// The key of an entry in a map.
const KEY: u64 = 1;

/// The message with those entries alone whose type is in use. None if it cannot be read, or if the
/// provider had something to say, which belongs to people.
pub fn trimmed(message: &[u8], in_use: &BTreeSet<String>) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let (field, after) = Field::read(rest)?;
        if field.number == DIAGNOSTICS {
            return None;
        }
        let whole = &rest[..rest.len() - after.len()];
        if !MAPS.contains(&field.number) || in_use.contains(key(field.bytes?)?) {
            kept.extend_from_slice(whole);
        }
        rest = after;
    }
    Some(kept)
}

fn key(mut entry: &[u8]) -> Option<&str> {
    while !entry.is_empty() {
        let (field, after) = Field::read(entry)?;
        if field.number == KEY {
            return std::str::from_utf8(field.bytes?).ok();
        }
        entry = after;
    }
    None
}

struct Field<'a> {
    number: u64,
    /// None where the value is a number.
    bytes: Option<&'a [u8]>,
}

impl<'a> Field<'a> {
    /// The first field of a message, and what comes after it.
    fn read(message: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (tag, rest) = varint(message)?;
        let (bytes, rest) = match tag & 7 {
            0 => (None, varint(rest)?.1),
            1 => (None, rest.get(8..)?),
            2 => {
                let (length, rest) = varint(rest)?;
                let length = usize::try_from(length).ok()?;
                let (bytes, rest) = rest.split_at_checked(length)?;
                (Some(bytes), rest)
            }
            5 => (None, rest.get(4..)?),
            _ => return None,
        };
        let field = Field {
            number: tag >> 3,
            bytes,
        };
        Some((field, rest))
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2];
        let length = u8::try_from(bytes.len()).unwrap();
        if length >= 0x80 {
            field.extend([length | 0x80, 1]);
        } else {
            field.push(length);
        }
        [field, bytes.to_vec()].concat()
    }

    fn entry(map: u8, name: &str) -> Vec<u8> {
        field(
            map,
            &[field(1, name.as_bytes()), field(2, &[b'x'; 100])].concat(),
        )
    }

    #[test]
    fn types_that_are_not_in_use_are_left_out_and_nothing_else() {
        let provider = field(1, b"provider");
        let capabilities = field(6, &[8, 1, 16, 1]);
        let message = [
            provider.clone(),
            entry(2, "aws_iam_role"),
            entry(2, "aws_vpc"),
            entry(3, "aws_vpc"),
            entry(3, "aws_region"),
            capabilities.clone(),
            entry(7, "arn_parse"),
            entry(8, "aws_secret"),
        ]
        .concat();
        let in_use = ["aws_vpc", "aws_secret"].map(str::to_owned).into();
        let expected = [
            provider,
            entry(2, "aws_vpc"),
            entry(3, "aws_vpc"),
            capabilities,
            entry(7, "arn_parse"),
            entry(8, "aws_secret"),
        ]
        .concat();
        assert_eq!(trimmed(&message, &in_use), Some(expected));
    }

    #[test]
    fn what_cannot_be_read_is_left_to_terraform() {
        let in_use = BTreeSet::new();
        let whole = entry(2, "aws_vpc");
        assert_eq!(trimmed(&[], &in_use), Some(Vec::new()));
        for (what, message) in [
            ("cut off", whole[..whole.len() - 1].to_vec()),
            ("a group", vec![2 << 3 | 3]),
            ("an endless number", vec![0xff; 20]),
            ("a map without a key", field(2, &field(2, b"x"))),
            ("a number for a map", vec![2 << 3, 1]),
            ("diagnostics", field(4, b"deprecated")),
        ] {
            assert_eq!(trimmed(&message, &in_use), None, "{what}");
        }
    }
}
