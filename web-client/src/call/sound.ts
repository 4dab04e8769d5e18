// Sounds and levels: how loud the microphone is, a test tone for the speaker, a chime. All made here, no files.

/** Calls back about 15 times a second with a level from 0 to 1. Returns how to stop. */
export function watchLevel(track: MediaStreamTrack, onLevel: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  const source = context.createMediaStreamSource(new MediaStream([track]));
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let shown = 0;
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const rms = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
    // -60 dB is silence, -12 dB is loud speech. Falls slowly, as meters do.
    const level = rms > 0 ? Math.min(1, Math.max(0, (20 * Math.log10(rms) + 60) / 48)) : 0;
    shown = Math.max(level, shown * 0.8);
    onLevel(shown);
  }, 66);
  return () => {
    clearInterval(timer);
    source.disconnect();
    void context.close();
  };
}

/** Plays two notes on the chosen speaker; resolves when they are over. */
export async function chime(speakerId = ''): Promise<void> {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const element = new Audio();
  element.srcObject = out.stream;
  try {
    if (speakerId && 'setSinkId' in element) await element.setSinkId(speakerId);
    await element.play();
    const start = context.currentTime + 0.05;
    [523.25, 659.25, 783.99].forEach((frequency, n) => {
      const note = context.createOscillator();
      const gain = context.createGain();
      const at = start + n * 0.22;
      note.frequency.value = frequency;
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(0.22, at + 0.03);
      gain.gain.exponentialRampToValueAtTime(0.001, at + 0.6);
      note.connect(gain).connect(out);
      note.start(at);
      note.stop(at + 0.7);
    });
    await new Promise((done) => setTimeout(done, 1300));
  } catch {
    // A browser that wants a tap first stays silent; the title and the page say the same.
  } finally {
    element.pause();
    void context.close();
  }
}
