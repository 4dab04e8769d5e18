//! One run of composing: decoders, mixer and encoder side by side, watched, with everything that they miss as a gap.

use super::*;

enum Block {
    Video { at_ms: u64, data: Vec<u8> },
    Audio { at_ms: u64, data: Vec<u8> },
    VideoEnded,
    AudioEnded,
}

/// What one run of [`compose`] works with.
pub(super) struct Studio<'a> {
    pub(super) dir: &'a Path,
    pub(super) key: &'a ObjectKey,
    pub(super) options: &'a ComposeOptions,
    pub(super) scan: &'a Scan,
    pub(super) places: Vec<Place>,
}

/// A decoder with its tile.
struct Channel {
    place: usize,
    ffmpeg: Ffmpeg,
    tile: Tile,
}

impl Studio<'_> {
    pub(super) fn run(&self, out: &Path, gaps: &mut Vec<Gap>) -> Result<(), ComposeError> {
        let (tile_width, tile_height) = self.options.tile;
        let grid = Grid::new(self.places.len(), tile_width, tile_height);
        let mut mixer = Mixer::new()?;
        let sealed = SealWriter::create(out, self.key, self.scan.identity.recording)?;
        let rate = self.options.frames_per_second.max(1);
        let webm = WebmWriter::new(
            sealed,
            &Shape {
                width: grid.width() as u32,
                height: grid.height() as u32,
                frame_ns: 1_000_000_000 / u64::from(rate),
                opus_pre_skip: mixer.pre_skip()?,
            },
        )?;
        let mut encoder = self.start(&self.encoder_args(&grid))?;
        let mut channels = Vec::new();
        let mut feeds = Vec::new();
        for (index, place) in self.places.iter().enumerate() {
            if let Some(track) = place.track {
                let (channel, feed) = self.channel(index, track, &grid)?;
                channels.push(channel);
                feeds.push((index, feed));
            }
        }
        let mut voices = self.voices()?;

        let children: Vec<Killable> =
            channels.iter().map(|channel| channel.ffmpeg.killable()).chain([encoder.killable()]).collect();
        let pictures_in = encoder.input.take().expect("its input is a pipe");
        let pictures_out = encoder.output.take().expect("its output is a pipe");
        let (blocks, blocks_in) = sync_channel(64);
        let pictures = AtomicU64::new(0);
        let (done, watched) = channel::<()>();

        let (stopped_by, shown, muxed, fed) = thread::scope(|scope| {
            let watch = scope.spawn({
                let (children, pictures) = (&children, &pictures);
                move || self.watch(children, pictures, &watched)
            });
            let mux = scope.spawn(move || mux(webm, blocks_in, self.scan.timeline.duration_us()));
            let coded = blocks.clone();
            scope.spawn(move || read_coded(pictures_out, rate, &coded));
            let feeding: Vec<_> =
                feeds.into_iter().map(|(place, feed)| (place, scope.spawn(move || feed.run()))).collect();

            let shown = self.show(&grid, &mut channels, &mut voices, &mut mixer, pictures_in, &blocks, &pictures);
            drop(blocks);
            // What a decoder still has to give is beyond the end: closing its pipe ends it, and its feed.
            let cut: Vec<(usize, Option<i64>)> = channels
                .drain(..)
                .map(|channel| {
                    let Channel { place, ffmpeg, tile } = channel;
                    let ended_us = tile.ended_us;
                    drop((tile, ffmpeg));
                    (place, ended_us)
                })
                .collect();
            let fed: Vec<(usize, Option<i64>, io::Result<Fed>)> = feeding
                .into_iter()
                .zip(cut)
                .map(|((place, feeding), (_, ended_us))| {
                    let panicked = || Err(io::Error::other("a decoder's feed broke"));
                    (place, ended_us, feeding.join().unwrap_or_else(|_| panicked()))
                })
                .collect();
            let muxed = mux.join().unwrap_or_else(|_| Err(io::Error::other("the muxer broke")));
            drop(done);
            (watch.join().unwrap_or(None), shown, muxed, fed)
        });
        if let Some(error) = stopped_by {
            return Err(error);
        }
        // Whoever fails closes its pipes, so that the others fail after it: the cause is asked for first.
        let encoded = encoder.finish();
        let webm = match muxed {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
            webm => webm,
        };
        encoded.map_err(ComposeError::Encoder)?;
        shown?;
        let webm = webm?;
        for (place, ended_us, fed) in fed {
            self.note(&self.places[place], ended_us, fed?, gaps);
        }
        for (participant, spans) in voices {
            gaps.extend(spans.gaps.iter().map(|&span| gap(participant, Source::Microphone, span)));
        }
        self.note_unsupported(gaps);
        Ok(webm.finish(self.scan.timeline.duration_us() as f64 / 1_000.0)?)
    }

    fn start(&self, args: &[String]) -> Result<Ffmpeg, ComposeError> {
        let cpu_s = 120 + 4 * self.scan.timeline.duration_us() as u64 / 1_000_000;
        Ffmpeg::start(&self.options.ffmpeg, args, cpu_s)
            .map_err(|source| ComposeError::NoFfmpeg { path: self.options.ffmpeg.clone(), source })
    }

    fn encoder_args(&self, grid: &Grid) -> Vec<String> {
        let rate = self.options.frames_per_second.max(1);
        let keyframes = (rate * KEYFRAME_S).to_string();
        let size = format!("{}x{}", grid.width(), grid.height());
        let bits = u64::from(self.options.bits_per_second) * self.places.len().max(1) as u64;
        let (rate, bits, threads) = (rate.to_string(), bits.to_string(), self.options.threads.to_string());
        let input =
            ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", &size, "-framerate", &rate, "-i", "pipe:0"];
        let coding = ["-an", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "16", "-static-thresh", "100"];
        let flow = ["-auto-alt-ref", "0", "-lag-in-frames", "0", "-b:v", &bits, "-threads", &threads];
        let output = ["-g", &keyframes, "-keyint_min", &keyframes, "-f", "ivf", "pipe:1"];
        [&input[..], &coding, &flow, &output].concat().into_iter().map(str::to_owned).collect()
    }

    fn decoder_args(&self) -> Vec<String> {
        let (width, height) = self.options.tile;
        let fit = format!(
            "scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=bilinear,\
             pad={width}:{height}:(ow-iw)/2:(oh-ih)/2:{BACKGROUND},format=yuv420p"
        );
        let rate = self.options.frames_per_second.max(1).to_string();
        let input =
            ["-f", "ivf", "-probesize", "32", "-analyzeduration", "0", "-c:v", "vp8", "-threads", "1", "-i", "pipe:0"];
        let output = ["-an", "-vf", &fit, "-r", &rate, "-fps_mode", "cfr", "-f", "rawvideo", "pipe:1"];
        [&input[..], &output].concat().into_iter().map(str::to_owned).collect()
    }

    fn channel(&self, place: usize, track: TrackKey, grid: &Grid) -> Result<(Channel, Feed<'_>), ComposeError> {
        let mut ffmpeg = self.start(&self.decoder_args())?;
        let decoder = ffmpeg.input.take().expect("its input is a pipe");
        let pictures = ffmpeg.output.take().expect("its output is a pipe");
        let shown = Arc::new(Mutex::new(Shown::default()));
        let (first, first_in) = channel();
        let tile = Tile::new(pictures, first_in, shown.clone(), grid.tile_len());
        let feed = Feed {
            packets: TrackPackets::open(self.dir, self.key, track)?,
            track: &self.scan.tracks[&track],
            timeline: &self.scan.timeline,
            decoder,
            first,
            shown,
        };
        Ok((Channel { place, ffmpeg, tile }, feed))
    }

    fn voices(&self) -> Result<Vec<(ParticipantId, Voice<'_>)>, ComposeError> {
        let mut voices = Vec::new();
        for (&key, track) in &self.scan.tracks {
            if key.source == Source::Microphone && key.codec == Codec::Opus {
                let packets = TrackPackets::open(self.dir, self.key, key)?;
                let participant = ParticipantId(uuid::Uuid::from_u128(key.peer.0));
                voices.push((participant, Voice::new(packets, track, &self.scan.timeline)?));
            }
        }
        Ok(voices)
    }

    /// Shows every picture of the file to the encoder, and hands the mix out beside it.
    #[expect(clippy::too_many_arguments, reason = "the ends of all pipes meet here, once")]
    fn show(
        &self,
        grid: &Grid,
        channels: &mut [Channel],
        voices: &mut [(ParticipantId, Voice<'_>)],
        mixer: &mut Mixer,
        mut encoder: impl Write,
        blocks: &SyncSender<Block>,
        pictures: &AtomicU64,
    ) -> io::Result<()> {
        let duration_us = self.scan.timeline.duration_us();
        let rate = i64::from(self.options.frames_per_second.max(1));
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        let mut canvas = grid.canvas();
        let dark = grid.dark_tile();
        let mut was_dark = vec![true; self.places.len()];
        for number in 0.. {
            let at_us = number * 1_000_000 / rate;
            if at_us >= duration_us {
                break;
            }
            for channel in &mut *channels {
                let place = channel.place;
                match channel.tile.picture(at_us, 1_000_000 / rate) {
                    Some(picture) => {
                        grid.put(&mut canvas, place, picture);
                        was_dark[place] = false;
                    }
                    None if was_dark[place] => {}
                    None => {
                        grid.put(&mut canvas, place, &dark);
                        was_dark[place] = true;
                    }
                }
            }
            encoder.write_all(&canvas)?;
            let until_us = ((number + 1) * 1_000_000 / rate).min(duration_us);
            while mixer.at_us() < until_us {
                let at_ms = mixer.at_us() as u64 / 1_000;
                let data = mixer.packet(voices)?;
                blocks.send(Block::Audio { at_ms, data }).map_err(gone)?;
            }
            pictures.fetch_add(1, Ordering::Relaxed);
        }
        blocks.send(Block::AudioEnded).map_err(gone)
    }

    /// Until composing ends: ends it if it was cancelled or hangs.
    fn watch(&self, children: &[Killable], pictures: &AtomicU64, done: &Receiver<()>) -> Option<ComposeError> {
        let (mut seen, mut since) = (0, Instant::now());
        while done.recv_timeout(WATCH) == Err(RecvTimeoutError::Timeout) {
            let now = pictures.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            let cancelled = self.options.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed));
            if cancelled || since.elapsed() > STALL {
                children.iter().for_each(Killable::kill);
                return Some(if cancelled { ComposeError::Cancelled } else { ComposeError::Stalled });
            }
        }
        None
    }

    fn note(&self, place: &Place, ended_us: Option<i64>, fed: Fed, gaps: &mut Vec<Gap>) {
        gaps.extend(fed.gaps.iter().map(|&span| gap(place.participant, place.source, span)));
        if fed.cut_short
            && let Some(from_us) = ended_us
        {
            let to_us = self.scan.timeline.duration_us();
            gaps.push(gap(place.participant, place.source, Span { from_us, to_us, why: GapReason::DecoderFailed }));
        }
    }

    fn note_unsupported(&self, gaps: &mut Vec<Gap>) {
        let to_us = self.scan.timeline.duration_us();
        for key in self.scan.tracks.keys() {
            let supported = matches!((key.source, key.codec), (Source::Microphone, Codec::Opus) | (_, Codec::Vp8));
            if !supported {
                let participant = ParticipantId(uuid::Uuid::from_u128(key.peer.0));
                let span = Span { from_us: 0, to_us, why: GapReason::UnsupportedCodec };
                gaps.push(gap(participant, key.source, span));
            }
        }
    }
}

fn gap(participant: ParticipantId, source: Source, span: Span) -> Gap {
    Gap {
        participant,
        source: source_name(source).into(),
        from_ms: span.from_us.max(0) as u64 / 1_000,
        to_ms: span.to_us.max(0) as u64 / 1_000,
        why: span.why,
    }
}

/// Passes the encoder's frames on. When it fails, it ends; the encoder's own end says why.
fn read_coded(from: ChildStdout, rate: u32, blocks: &SyncSender<Block>) {
    let mut from = BufReader::with_capacity(1 << 16, from);
    if ivf::read_header(&mut from).is_ok() {
        while let Ok(Some((number, data))) = ivf::read_frame(&mut from) {
            let at_ms = number * 1_000 / u64::from(rate);
            if blocks.send(Block::Video { at_ms, data }).is_err() {
                return;
            }
        }
    }
    let _ = blocks.send(Block::VideoEnded);
}

/// Puts video and audio in one order of time.
fn mux(mut webm: WebmWriter, blocks: Receiver<Block>, duration_us: i64) -> io::Result<WebmWriter> {
    let (mut video, mut audio) = (VecDeque::new(), VecDeque::new());
    let (mut video_ended, mut audio_ended) = (false, false);
    let duration_ms = duration_us as u64 / 1_000;
    for block in blocks {
        match block {
            Block::Video { at_ms, data } => video.push_back((at_ms, data)),
            Block::Audio { at_ms, data } => audio.push_back((at_ms, data)),
            Block::VideoEnded => video_ended = true,
            Block::AudioEnded => audio_ended = true,
        }
        loop {
            let video_first = match (video.front(), audio.front()) {
                (Some((video_ms, _)), Some((audio_ms, _))) => video_ms <= audio_ms,
                (Some(_), None) if audio_ended => true,
                (None, Some(_)) if video_ended => false,
                _ => break,
            };
            let next = if video_first { video.pop_front() } else { audio.pop_front() };
            let Some((at_ms, data)) = next else { break };
            if at_ms > duration_ms {
                continue;
            }
            if video_first {
                // RFC 6386, 9.1: the lowest bit of a keyframe's first byte is 0.
                let key = data.first().is_some_and(|first| first & 1 == 0);
                webm.video(at_ms, key, &data)?;
            } else {
                webm.audio(at_ms, &data)?;
            }
        }
    }
    if video_ended && audio_ended { Ok(webm) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) }
}
