//! Size and profile from an AV1 configuration record (AV1-ISOBMFF 2.3.3) and its sequence header (AV1 5.5.1).

use super::{Picture, bits::Bits};

const OBU_SEQUENCE_HEADER: u8 = 1;

pub(super) fn parse(record: &[u8]) -> Option<Picture> {
    sequence_header(first_sequence_header(record.get(4..)?)?)
}

fn first_sequence_header(mut obus: &[u8]) -> Option<&[u8]> {
    loop {
        let first = *obus.first()?;
        let header = if first & 4 != 0 { 2 } else { 1 };
        let body = obus.get(header..)?;
        let (length, size) = if first & 2 != 0 { leb128(body)? } else { (body.len(), 0) };
        let content = body.get(size..size.checked_add(length)?)?;
        if (first >> 3) & 15 == OBU_SEQUENCE_HEADER {
            return Some(content);
        }
        obus = body.get(size + length..)?;
    }
}

fn leb128(data: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, byte) in data.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

fn sequence_header(data: &[u8]) -> Option<Picture> {
    let mut bits = Bits::new(data);
    let profile = match bits.bits(3)? {
        0 => "main",
        1 => "high",
        2 => "professional",
        _ => "",
    };
    bits.skip(1)?; // still_picture
    if bits.flag()? {
        bits.skip(5)?; // reduced_still_picture_header: level only
    } else {
        operating_points(&mut bits)?;
    }
    let (width_bits, height_bits) = (bits.bits(4)? + 1, bits.bits(4)? + 1);
    let (width, height) = (bits.bits(width_bits)? + 1, bits.bits(height_bits)? + 1);
    Some(Picture { width, height, profile })
}

fn operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            bits.ue()?; // uvlc has Exp-Golomb's form
        }
        if bits.flag()? {
            delay_bits = Some(bits.bits(5)? + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let display_delay = bits.flag()?;
    for _ in 0..=bits.bits(5)? {
        bits.skip(12)?;
        if bits.bits(5)? > 7 {
            bits.skip(1)?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits as usize + 1)?;
        }
        if display_delay && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Some(())
}
