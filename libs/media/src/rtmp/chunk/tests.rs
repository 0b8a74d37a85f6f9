//! Vectors from real senders, and properties over random ones.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::{ChunkError, Demuxer, Limits, Muxer};
use crate::rtmp::message::{self, Message};

/// (timestamp, type, length) of each message.
type Seen = Vec<(u32, u8, usize)>;

fn read(input: &[u8]) -> Result<Seen, ChunkError> {
    let (whole, bytewise) =
        (read_with(Demuxer::default(), input, input.len().max(1)), read_with(Demuxer::default(), input, 1));
    assert_eq!(whole, bytewise, "the cut of the input must not matter");
    whole
}

fn read_with(mut demuxer: Demuxer, input: &[u8], step: usize) -> Result<Seen, ChunkError> {
    let (mut buffer, mut seen) = (BytesMut::new(), Seen::new());
    for piece in input.chunks(step) {
        buffer.put_slice(piece);
        while let Some(message) = demuxer.next(&mut buffer)? {
            seen.push((message.timestamp, message.type_id, message.payload.len()));
        }
    }
    Ok(seen)
}

fn type0(csid: u8, time: u32, length: u32, type_id: u8) -> Vec<u8> {
    let mut header = vec![csid];
    header.extend(&time.to_be_bytes()[1..]);
    header.extend(&length.to_be_bytes()[1..]);
    header.push(type_id);
    header.extend([1, 0, 0, 0]);
    header
}

fn type1(csid: u8, delta: u32, length: u32, type_id: u8) -> Vec<u8> {
    let mut header = vec![0x40 | csid];
    header.extend(&delta.to_be_bytes()[1..]);
    header.extend(&length.to_be_bytes()[1..]);
    header.push(type_id);
    header
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn a_type_3_chunk_that_starts_a_message_repeats_the_delta() {
    let input = join(&[&type0(4, 10, 2, 8), &[1, 1], &type1(4, 40, 2, 8), &[2, 2, 0xc4, 3, 3, 0xc4, 4, 4]]);
    assert_eq!(read(&input).unwrap(), [(10, 8, 2), (50, 8, 2), (90, 8, 2), (130, 8, 2)]);
}

#[test]
fn audio_may_be_interleaved_in_a_video_message() {
    let input = join(&[
        &type0(6, 100, 300, 9),
        &[7; 128],
        &type0(4, 101, 5, 8),
        &[8; 5],
        &[0xc6],
        &[7; 128],
        &[0xc6],
        &[7; 44],
    ]);
    assert_eq!(read(&input).unwrap(), [(101, 8, 5), (100, 9, 300)]);
}

#[test]
fn a_delta_after_an_extended_timestamp() {
    let input =
        join(&[&type0(4, 0xff_ffff, 2, 8), &20_000_000u32.to_be_bytes(), &[1, 1], &type1(4, 21, 2, 8), &[2, 2]]);
    assert_eq!(read(&input).unwrap(), [(20_000_000, 8, 2), (20_000_021, 8, 2)]);
}

#[test]
fn time_wraps_at_32_bits() {
    let input = join(&[
        &type0(4, 0xff_ffff, 2, 8),
        &0xffff_fff0u32.to_be_bytes(),
        &[1, 1],
        &type1(4, 33, 2, 8),
        &[2, 2],
        &[0x84, 0, 0, 33, 3, 3],
    ]);
    assert_eq!(read(&input).unwrap(), [(4_294_967_280, 8, 2), (17, 8, 2), (50, 8, 2)]);
}

#[test]
fn continuations_with_and_without_the_extended_timestamp() {
    let time = 0x0100_0000u32.to_be_bytes();
    let with = join(&[&type0(6, 0xff_ffff, 200, 9), &time, &[7; 128], &[0xc6], &time, &[7; 72]]);
    let without = join(&[&type0(6, 0xff_ffff, 200, 9), &time, &[7; 128], &[0xc6], &[7; 72]]);
    assert_eq!(read(&with).unwrap(), [(0x0100_0000, 9, 200)]);
    assert_eq!(read(&without).unwrap(), [(0x0100_0000, 9, 200)]);
}

#[test]
fn librtmp_opens_its_control_channel_with_a_type_1_header() {
    let input = join(&[&type1(2, 0, 4, message::WINDOW_ACK_SIZE), &[0, 0x26, 0x25, 0xa0]]);
    assert_eq!(read(&input).unwrap(), [(0, message::WINDOW_ACK_SIZE, 4)]);
    assert_eq!(read(&type1(3, 0, 4, 20)), Err(ChunkError::NoPrevious(3)));
}

#[test]
fn a_header_inside_a_message_is_refused() {
    let input = join(&[&type0(6, 0, 300, 9), &[7; 128], &type0(6, 0, 300, 9)]);
    assert_eq!(read(&input), Err(ChunkError::HeaderInsideMessage(6)));
}

#[test]
fn set_chunk_size_takes_effect_at_once_and_is_checked() {
    let set = |size: u32| join(&[&type0(2, 0, 4, message::SET_CHUNK_SIZE), &size.to_be_bytes()]);
    let input = join(&[&set(4096), &type0(6, 5, 300, 9), &[7; 300]]);
    assert_eq!(read(&input).unwrap(), [(0, 1, 4), (5, 9, 300)]);
    assert_eq!(read(&set(0)), Err(ChunkError::ChunkSize(0)));
    assert_eq!(read(&set(0x8000_0001)), Err(ChunkError::ChunkSize(0x8000_0001)));
}

#[test]
fn an_abort_message_forgets_the_unfinished_one() {
    let abort = join(&[&type0(2, 0, 4, message::ABORT), &6u32.to_be_bytes()]);
    let input = join(&[&type0(6, 0, 300, 9), &[7; 128], &abort, &type0(6, 9, 1, 9), &[1]]);
    assert_eq!(read(&input).unwrap(), [(0, 2, 4), (9, 9, 1)]);
}

#[test]
fn limits_hold() {
    let limits = Limits { max_message: 1000, max_chunk_streams: 3, max_pending: 300 };
    let run = |input: &[u8]| read_with(Demuxer::new(limits), input, 7);
    assert_eq!(run(&type0(6, 0, 1001, 9)), Err(ChunkError::MessageTooLarge(1001)));
    let opened: Vec<u8> = (3..=6).flat_map(|csid| join(&[&type0(csid, 0, 1, 8), &[0]])).collect();
    assert_eq!(run(&opened), Err(ChunkError::TooManyStreams));
    let pending: Vec<u8> = (3..=5).flat_map(|csid| join(&[&type0(csid, 0, 1000, 9), &[0; 128]])).collect();
    assert_eq!(run(&pending), Err(ChunkError::TooMuchPending));
}

#[test]
fn large_chunk_stream_ids_are_read() {
    let input = join(&[&[0, 3], &type0(0, 1, 1, 8)[1..], &[1], &[1, 3, 1], &type0(0, 2, 1, 8)[1..], &[1]]);
    let (mut demuxer, mut buffer) = (Demuxer::default(), BytesMut::from(&input[..]));
    assert_eq!(demuxer.next(&mut buffer).unwrap().unwrap().csid, 67);
    assert_eq!(demuxer.next(&mut buffer).unwrap().unwrap().csid, 64 + 3 + 256);
}

fn any_message() -> impl Strategy<Value = Message> {
    let csid = prop_oneof![3u32..64, 64u32..320, 320u32..65_600];
    let time = prop_oneof![0u32..10_000, 0xff_fff0u32..0x0100_0010, any::<u32>()];
    let type_id = prop_oneof![Just(message::AUDIO), Just(message::VIDEO), Just(message::DATA_AMF0)];
    (csid, time, type_id, 0u32..3, prop::collection::vec(any::<u8>(), 0..700)).prop_map(
        |(csid, timestamp, type_id, stream_id, payload)| Message {
            csid,
            timestamp,
            type_id,
            stream_id,
            payload: Bytes::from(payload),
        },
    )
}

proptest! {
    #[test]
    fn what_is_muxed_is_demuxed(
        messages in prop::collection::vec(any_message(), 0..20),
        chunk_size in 1u32..900,
        step in 1usize..2000,
    ) {
        let (mut muxer, mut wire) = (Muxer::new(), BytesMut::new());
        muxer.write(&Message::set_chunk_size(chunk_size), &mut wire);
        muxer.set_chunk_size(chunk_size);
        messages.iter().for_each(|m| muxer.write(m, &mut wire));
        let (mut demuxer, mut buffer, mut got) = (Demuxer::default(), BytesMut::new(), Vec::new());
        for piece in wire.chunks(step) {
            buffer.put_slice(piece);
            while let Some(message) = demuxer.next(&mut buffer).unwrap() {
                got.push(message);
            }
        }
        prop_assert_eq!(&got[1..], &messages[..]);
        prop_assert_eq!(demuxer.pending(), 0);
    }

    #[test]
    fn random_bytes_never_panic_and_keep_memory_bounded(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..40),
    ) {
        let limits = Limits { max_message: 2000, max_chunk_streams: 8, max_pending: 3000 };
        let (mut demuxer, mut buffer) = (Demuxer::new(limits), BytesMut::new());
        for piece in pieces {
            buffer.put_slice(&piece);
            while let Ok(Some(_)) = demuxer.next(&mut buffer) {}
            prop_assert!(demuxer.pending() <= limits.max_pending);
        }
    }
}
