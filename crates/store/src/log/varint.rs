//! Numbers in as few bytes as they need: seven bits a byte, the lowest first, the highest bit set
//! in all bytes but the last (LEB128). Signed numbers alternate: 0, -1, 1, -2, … (zigzag).

/// Appends a number.
pub(super) fn write(mut number: u64, buffer: &mut Vec<u8>) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return buffer.push(low);
        }
        buffer.push(low | 0x80);
    }
}

/// Takes a number from the beginning of some bytes; `None` when there is none in 64 bits.
pub(super) fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7F);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Appends a signed number.
pub(super) fn write_signed(number: i64, buffer: &mut Vec<u8>) {
    write((number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned(), buffer);
}

/// Takes a signed number from the beginning of some bytes.
pub(super) fn read_signed(bytes: &mut &[u8]) -> Option<i64> {
    let number = read(bytes)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_numbers_are_short() {
        let check = |number, expect: &[u8]| {
            let mut bytes = Vec::new();
            write(number, &mut bytes);
            assert_eq!(bytes, expect, "{number}");
        };
        check(0, &[0]);
        check(127, &[127]);
        check(128, &[0x80, 1]);
        check(16_384, &[0x80, 0x80, 1]);
        check(u64::MAX, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]);
    }

    #[test]
    fn what_is_no_number_is_told() {
        let check = |bytes: &[u8]| assert_eq!(read(&mut &*bytes), None, "{bytes:?}");
        check(&[]);
        check(&[0x80]);
        check(&[0xFF; 9]);
        check(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2]);
        check(&[0x80; 11]);
    }

    proptest! {
        #[test]
        fn numbers_come_back(number: u64, signed: i64) {
            let mut bytes = Vec::new();
            write(number, &mut bytes);
            write_signed(signed, &mut bytes);
            let mut rest = &bytes[..];
            prop_assert_eq!(read(&mut rest), Some(number));
            prop_assert_eq!(read_signed(&mut rest), Some(signed));
            prop_assert!(rest.is_empty());
        }
    }
}
