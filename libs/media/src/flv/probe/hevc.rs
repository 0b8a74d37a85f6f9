//! Size and profile from an HEVC decoder configuration record (ISO 14496-15 8.3.3.1) and its SPS (H.265 7.3.2.2).

use super::{
    Picture,
    bits::{Bits, unescape},
};

const NAL_SPS: u8 = 33;

pub(super) fn parse(record: &[u8]) -> Option<Picture> {
    let profile = match record.get(1)? & 0x1f {
        1 => "main",
        2 => "main 10",
        3 => "main still picture",
        4 => "rext",
        _ => "",
    };
    let (width, height) = size(first_sps(record)?)?;
    Some(Picture { width, height, profile })
}

fn first_sps(record: &[u8]) -> Option<&[u8]> {
    let mut rest = record.get(23..)?;
    for _ in 0..*record.get(22)? {
        let (kind, count) = (rest.first()? & 0x3f, u16::from_be_bytes([*rest.get(1)?, *rest.get(2)?]));
        rest = rest.get(3..)?;
        for _ in 0..count {
            let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
            let nal = rest.get(2..2 + length)?;
            if kind == NAL_SPS {
                return Some(nal);
            }
            rest = rest.get(2 + length..)?;
        }
    }
    None
}

fn size(nal: &[u8]) -> Option<(u32, u32)> {
    let data = unescape(nal.get(2..)?);
    let mut bits = Bits::new(&data);
    bits.skip(4)?; // sps_video_parameter_set_id
    let sub_layers = bits.bits(3)?;
    bits.skip(1)?;
    profile_tier_level(&mut bits, sub_layers)?;
    bits.ue()?; // sps_seq_parameter_set_id
    let chroma = bits.ue()?;
    if chroma == 3 {
        bits.bit()?;
    }
    let (width, height) = (bits.ue()?, bits.ue()?);
    if !bits.flag()? {
        return Some((width, height));
    }
    let (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
    let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
    let unit_y = if chroma == 1 { 2 } else { 1 };
    let crop_x = left.checked_add(right)?.checked_mul(unit_x)?;
    let crop_y = top.checked_add(bottom)?.checked_mul(unit_y)?;
    Some((width.checked_sub(crop_x)?, height.checked_sub(crop_y)?))
}

fn profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    bits.skip(88 + 8)?;
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.flag()?, bits.flag()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers as usize))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(())
}
