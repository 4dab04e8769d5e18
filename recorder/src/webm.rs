//! WebM (a Matroska profile, RFC 9559): one VP8 track, one Opus track, cues for seeking, written in one go.
//!
//! Our own few lines instead of a muxer library, because the file is sealed as it is written: nothing but its first
//! 64 KiB can be changed afterwards, so each cluster is built in memory and only the header is filled in at the end.

use std::io::{self, Write};

use crate::object::SealWriter;

const VIDEO: u8 = 1;
const AUDIO: u8 = 2;
/// A cluster is closed at the next keyframe, or at this length, milliseconds (its blocks count in 16 bits).
const MAX_CLUSTER_MS: u64 = 10_000;
/// Decoding begins this long before a place that is sought, nanoseconds (RFC 7845, 4.6).
const SEEK_PRE_ROLL_NS: u64 = 80_000_000;

/// What the file is made of.
pub(crate) struct Shape {
    pub width: u32,
    pub height: u32,
    pub frame_ns: u64,
    /// Samples at 48 kHz that a decoder throws away at the begin.
    pub opus_pre_skip: u16,
}

pub(crate) struct WebmWriter {
    out: SealWriter,
    segment_start: u64,
    segment_size_at: usize,
    cues_position_at: usize,
    duration_at: usize,
    cluster: Vec<u8>,
    cluster_ms: Option<u64>,
    cues: Vec<(u64, u64)>,
    cue_here: bool,
}

impl WebmWriter {
    pub fn new(mut out: SealWriter, shape: &Shape) -> io::Result<Self> {
        let mut head = element(
            0x1A45_DFA3,
            &[
                uint(0x4286, 1),
                uint(0x42F7, 1),
                uint(0x42F2, 4),
                uint(0x42F3, 8),
                element(0x4282, &[b"webm".to_vec()]),
                uint(0x4287, 4),
                uint(0x4285, 2),
            ],
        );
        head.extend_from_slice(&[0x18, 0x53, 0x80, 0x67]);
        let segment_size_at = head.len();
        head.extend_from_slice(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        let segment_start = head.len();

        let info = element(
            0x1549_A966,
            &[
                uint(0x2A_D7B1, 1_000_000),
                element(0x4D80, &[b"bedside".to_vec()]),
                element(0x5741, &[b"bedside".to_vec()]),
                float(0x4489, 0.0),
            ],
        );
        let tracks = element(0x1654_AE6B, &[video_track(shape), audio_track(shape)]);
        let seek_head = |info_at: u64, tracks_at: u64| {
            element(0x114D_9B74, &[seek(0x1549_A966, info_at), seek(0x1654_AE6B, tracks_at), seek(0x1C53_BB6B, 0)])
        };
        let info_at = seek_head(0, 0).len() as u64;
        head.extend(seek_head(info_at, info_at + info.len() as u64));
        let cues_position_at = head.len() - 8;
        head.extend(info);
        let duration_at = head.len() - 8;
        head.extend(tracks);
        out.write_all(&head)?;
        Ok(Self {
            out,
            segment_start: segment_start as u64,
            segment_size_at,
            cues_position_at,
            duration_at,
            cluster: Vec::new(),
            cluster_ms: None,
            cues: Vec::new(),
            cue_here: false,
        })
    }

    /// Blocks come in order of time.
    pub fn video(&mut self, at_ms: u64, key: bool, data: &[u8]) -> io::Result<()> {
        if key {
            self.close_cluster()?;
        }
        self.block(VIDEO, at_ms, key, data)
    }

    pub fn audio(&mut self, at_ms: u64, data: &[u8]) -> io::Result<()> {
        self.block(AUDIO, at_ms, true, data)
    }

    fn block(&mut self, track: u8, at_ms: u64, key: bool, data: &[u8]) -> io::Result<()> {
        if self.cluster_ms.is_some_and(|start| at_ms >= start + MAX_CLUSTER_MS) {
            self.close_cluster()?;
        }
        let start = *self.cluster_ms.get_or_insert(at_ms);
        self.cue_here |= key && track == VIDEO;
        let relative = i16::try_from(at_ms as i64 - start as i64).map_err(io::Error::other)?;
        self.cluster.push(0xA3);
        self.cluster.extend(size(data.len() + 4));
        self.cluster.push(0x80 | track);
        self.cluster.extend_from_slice(&relative.to_be_bytes());
        self.cluster.push(if key { 0x80 } else { 0 });
        self.cluster.extend_from_slice(data);
        Ok(())
    }

    fn close_cluster(&mut self) -> io::Result<()> {
        let Some(start) = self.cluster_ms.take() else {
            return Ok(());
        };
        if std::mem::take(&mut self.cue_here) {
            self.cues.push((start, self.out.position() - self.segment_start));
        }
        let timestamp = uint(0xE7, start);
        self.out.write_all(&[0x1F, 0x43, 0xB6, 0x75])?;
        self.out.write_all(&size(timestamp.len() + self.cluster.len()))?;
        self.out.write_all(&timestamp)?;
        self.out.write_all(&self.cluster)?;
        self.cluster.clear();
        Ok(())
    }

    /// Writes the cues, fills in the header and closes the file.
    pub fn finish(mut self, duration_ms: f64) -> io::Result<()> {
        self.close_cluster()?;
        let cues_at = self.out.position() - self.segment_start;
        let points: Vec<Vec<u8>> = self
            .cues
            .iter()
            .map(|&(at_ms, position)| {
                let place = element(0xB7, &[uint(0xF7, u64::from(VIDEO)), uint(0xF1, position)]);
                element(0xBB, &[uint(0xB3, at_ms), place])
            })
            .collect();
        self.out.write_all(&element(0x1C53_BB6B, &points))?;
        let segment_size = self.out.position() - self.segment_start;
        self.out.patch(self.segment_size_at, &(segment_size | 0x01 << 56).to_be_bytes());
        self.out.patch(self.cues_position_at, &cues_at.to_be_bytes());
        self.out.patch(self.duration_at, &duration_ms.to_be_bytes());
        self.out.finish()
    }
}

fn video_track(shape: &Shape) -> Vec<u8> {
    element(
        0xAE,
        &[
            uint(0xD7, u64::from(VIDEO)),
            uint(0x73C5, u64::from(VIDEO)),
            uint(0x83, 1),
            uint(0x9C, 0),
            element(0x22_B59C, &[b"und".to_vec()]),
            element(0x86, &[b"V_VP8".to_vec()]),
            uint(0x23_E383, shape.frame_ns),
            element(0xE0, &[uint(0xB0, u64::from(shape.width)), uint(0xBA, u64::from(shape.height))]),
        ],
    )
}

fn audio_track(shape: &Shape) -> Vec<u8> {
    // RFC 7845, 5.1: version 1, one channel, pre-skip, input rate, gain 0, mapping family 0.
    let mut opus_head = b"OpusHead\x01\x01".to_vec();
    opus_head.extend_from_slice(&shape.opus_pre_skip.to_le_bytes());
    opus_head.extend_from_slice(&48_000_u32.to_le_bytes());
    opus_head.extend_from_slice(&[0, 0, 0]);
    element(
        0xAE,
        &[
            uint(0xD7, u64::from(AUDIO)),
            uint(0x73C5, u64::from(AUDIO)),
            uint(0x83, 2),
            uint(0x9C, 0),
            element(0x22_B59C, &[b"und".to_vec()]),
            element(0x86, &[b"A_OPUS".to_vec()]),
            element(0x63A2, &[opus_head]),
            uint(0x56AA, u64::from(shape.opus_pre_skip) * 1_000_000_000 / 48_000),
            uint(0x56BB, SEEK_PRE_ROLL_NS),
            element(0xE1, &[float(0xB5, 48_000.0), uint(0x9F, 1)]),
        ],
    )
}

fn seek(id: u32, position: u64) -> Vec<u8> {
    // Eight bytes for the position, whatever it is: it may be filled in later.
    element(0x4DBB, &[element(0x53AB, &[id_bytes(id)]), element(0x53AC, &[position.to_be_bytes().to_vec()])])
}

fn id_bytes(id: u32) -> Vec<u8> {
    let bytes = id.to_be_bytes();
    bytes[(id.leading_zeros() / 8) as usize..].to_vec()
}

/// An EBML data size (RFC 8794, 6) of eight bytes where needed, else of four.
fn size(len: usize) -> Vec<u8> {
    let len = len as u64;
    if len < (1 << 28) - 1 {
        ((len | 1 << 28) as u32).to_be_bytes().to_vec()
    } else {
        (len | 1 << 56).to_be_bytes().to_vec()
    }
}

fn element(id: u32, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut element = id_bytes(id);
    element.extend(size(parts.iter().map(Vec::len).sum()));
    parts.iter().for_each(|part| element.extend_from_slice(part));
    element
}

fn uint(id: u32, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let skip = (value.leading_zeros() / 8).min(7) as usize;
    element(id, &[bytes[skip..].to_vec()])
}

fn float(id: u32, value: f64) -> Vec<u8> {
    element(id, &[value.to_be_bytes().to_vec()])
}
