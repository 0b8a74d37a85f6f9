//! Size and profile from an AVC decoder configuration record (ISO 14496-15 5.2.4.1) and its first SPS (H.264 7.3.2.1).

use super::{
    Picture,
    bits::{Bits, unescape},
};

pub(super) fn parse(record: &[u8]) -> Option<Picture> {
    let sets = record.get(5)? & 0x1f;
    if sets == 0 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([*record.get(6)?, *record.get(7)?]));
    sps(record.get(8..8 + length)?)
}

fn sps(nal: &[u8]) -> Option<Picture> {
    let data = unescape(nal.get(1..)?);
    let mut bits = Bits::new(&data);
    let (profile_idc, constraints) = (bits.bits(8)?, bits.bits(8)?);
    bits.skip(8)?; // level
    bits.ue()?; // seq_parameter_set_id
    let chroma = if has_chroma_format(profile_idc) { chroma_format(&mut bits)? } else { 1 };
    bits.ue()?; // log2_max_frame_num
    match bits.ue()? {
        0 => {
            bits.ue()?;
        }
        1 => picture_order_type_1(&mut bits)?,
        _ => {}
    }
    bits.ue()?; // max_num_ref_frames
    bits.bit()?;
    let (columns, rows) = (bits.ue()?, bits.ue()?);
    let frames_only = bits.flag()?;
    if !frames_only {
        bits.bit()?;
    }
    bits.bit()?; // direct_8x8_inference
    let fields = if frames_only { 1 } else { 2 };
    let (crop_x, crop_y) = cropping(&mut bits, chroma, fields)?;
    let width = columns.checked_add(1)?.checked_mul(16)?.checked_sub(crop_x)?;
    let height = rows.checked_add(1)?.checked_mul(16 * fields)?.checked_sub(crop_y)?;
    Some(Picture { width, height, profile: profile_name(profile_idc, constraints) })
}

fn has_chroma_format(profile_idc: u32) -> bool {
    matches!(profile_idc, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

fn chroma_format(bits: &mut Bits<'_>) -> Option<u32> {
    let chroma = bits.ue()?;
    if chroma == 3 {
        bits.bit()?;
    }
    bits.ue()?;
    bits.ue()?;
    bits.bit()?;
    if bits.flag()? {
        for list in 0..if chroma == 3 { 12 } else { 8 } {
            if bits.flag()? {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(chroma)
}

fn scaling_list(bits: &mut Bits<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            next = last.wrapping_add(bits.se()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

fn picture_order_type_1(bits: &mut Bits<'_>) -> Option<()> {
    bits.bit()?;
    bits.se()?;
    bits.se()?;
    let count = bits.ue()?;
    if count > 255 {
        return None;
    }
    for _ in 0..count {
        bits.se()?;
    }
    Some(())
}

/// Pixels cut from width and height.
fn cropping(bits: &mut Bits<'_>, chroma: u32, fields: u32) -> Option<(u32, u32)> {
    if !bits.flag()? {
        return Some((0, 0));
    }
    let (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
    let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
    let unit_y = if chroma == 1 { 2 } else { 1 } * fields;
    Some((left.checked_add(right)?.checked_mul(unit_x)?, top.checked_add(bottom)?.checked_mul(unit_y)?))
}

fn profile_name(profile_idc: u32, constraints: u32) -> &'static str {
    match profile_idc {
        66 if constraints & 0x40 != 0 => "constrained baseline",
        66 => "baseline",
        77 => "main",
        88 => "extended",
        100 => "high",
        110 => "high 10",
        122 => "high 4:2:2",
        244 => "high 4:4:4",
        _ => "",
    }
}
