//! A bit reader for codec headers: big endian, Exp-Golomb, `None` past the end.

pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    pub(super) fn bit(&mut self) -> Option<u32> {
        let byte = *self.data.get(self.at / 8)?;
        let bit = (byte >> (7 - self.at % 8)) & 1;
        self.at += 1;
        Some(bit.into())
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        Some(self.bit()? == 1)
    }

    /// Up to 32 bits.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0u32, |value, _| Some(value << 1 | self.bit()?))
    }

    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count)?;
        (self.at <= self.data.len() * 8).then_some(())
    }

    /// Unsigned Exp-Golomb, H.264 9.1.
    pub(super) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.bits(zeros)?;
        Some(((1u64 << zeros) - 1 + u64::from(rest)).min(u32::MAX.into()) as u32)
    }

    /// Signed Exp-Golomb, H.264 9.1.1.
    pub(super) fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) } as i32)
    }
}

/// Removes emulation prevention bytes (`00 00 03` → `00 00`), H.264 7.4.1.
pub(super) fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for byte in nal {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb() {
        // 1 010 011 00100 00101
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!(
            [bits.ue(), bits.ue(), bits.ue(), bits.ue(), bits.ue()],
            [Some(0), Some(1), Some(2), Some(3), Some(4)]
        );
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([bits.se(), bits.se(), bits.se(), bits.se()], [Some(0), Some(1), Some(-1), Some(2)]);
        assert_eq!(Bits::new(&[0; 8]).ue(), None);
    }

    #[test]
    fn escapes_are_removed() {
        assert_eq!(unescape(&[1, 0, 0, 3, 1, 0, 0, 3]), [1, 0, 0, 1, 0, 0]);
    }
}
