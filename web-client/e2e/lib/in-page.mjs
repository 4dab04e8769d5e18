// What runs inside the page before its own scripts: it keeps hold of every peer connection and notes when
// each <video> showed its first frame. It changes nothing that the page does, unless a test forbids a way (`__bedsideConnection`).

/** Passed to `addInitScript`: must not use anything from outside. */
export function watchMedia() {
  const Native = window.RTCPeerConnection;
  if (!Native) return;
  const peers = [];
  window.__bedsidePeers = peers;
  window.RTCPeerConnection = class extends Native {
    constructor(configuration, ...more) {
      // A test may leave only some of the relays: those whose address contains `relays`.
      const { relays = '', ...wanted } = window.__bedsideConnection ?? {};
      const iceServers = configuration?.iceServers?.map((server) => ({ ...server, urls: [server.urls].flat().filter((url) => url.includes(relays)) }));
      super({ ...configuration, ...(iceServers && { iceServers }), ...wanted }, ...more);
      peers.push(this);
    }
  };

  // First painted frame of each video by accessible name, and the latest click on a button: wall clock, ms.
  const wall = () => performance.timeOrigin + performance.now();
  window.__bedsideFirstFrame = {};
  window.__bedsideClick = {};
  const seen = new WeakSet();
  const watch = (video) => {
    if (seen.has(video)) return;
    seen.add(video);
    const arm = () =>
      video.requestVideoFrameCallback(() => {
        const name = video.getAttribute('aria-label');
        if (name) window.__bedsideFirstFrame[name] ??= wall();
        else arm();
      });
    arm();
  };
  new MutationObserver(() => document.querySelectorAll('video').forEach(watch)).observe(document, { subtree: true, childList: true });
  // When the sign `Recording` came and went, to the frame: the test's own clock is slower than a page's.
  window.__bedsideRecording = [];
  const look = () => {
    const found = document.evaluate("//*[normalize-space(text())='Recording']", document, null, XPathResult.BOOLEAN_TYPE).booleanValue;
    if (found !== (window.__bedsideRecording.at(-1)?.shown ?? false)) window.__bedsideRecording.push({ shown: found, at: wall() });
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
  document.addEventListener(
    'click',
    (event) => {
      const button = event.target instanceof Element ? event.target.closest('button') : null;
      if (button) window.__bedsideClick[(button.getAttribute('aria-label') ?? button.textContent ?? '').trim()] = wall();
    },
    { capture: true },
  );
}

/** Sums over all peer connections of the page that are open. */
export async function mediaCounters() {
  const sum = { packetsIn: 0, framesDecoded: 0, audioEnergy: 0, packetsOut: 0, connected: 0, peers: 0, voices: {} };
  for (const peer of window.__bedsidePeers ?? []) {
    if (peer.connectionState === 'closed') continue;
    sum.peers += 1;
    if (peer.connectionState === 'connected') sum.connected += 1;
    for (const stat of (await peer.getStats()).values()) {
      if (stat.type === 'inbound-rtp') {
        sum.packetsIn += stat.packetsReceived ?? 0;
        sum.framesDecoded += stat.framesDecoded ?? 0;
        sum.audioEnergy += stat.totalAudioEnergy ?? 0;
        if (stat.kind === 'audio') sum.voices[stat.mid] = stat.totalAudioEnergy ?? 0;
      }
      if (stat.type === 'outbound-rtp') sum.packetsOut += stat.packetsSent ?? 0;
    }
  }
  return sum;
}

/** What carries the media of each open peer connection: `{protocol, local, relay}` of our end of the pair in use. */
export async function mediaPaths() {
  const paths = [];
  for (const peer of window.__bedsidePeers ?? []) {
    if (peer.connectionState === 'closed') continue;
    const stats = await peer.getStats();
    const transport = [...stats.values()].find((stat) => stat.type === 'transport' && stat.selectedCandidatePairId);
    const pair = transport && stats.get(transport.selectedCandidatePairId);
    const local = pair && stats.get(pair.localCandidateId);
    if (local) paths.push({ protocol: local.protocol, local: local.candidateType, relay: local.relayProtocol ?? null });
  }
  return paths;
}

/** A small grey picture of what a <video> shows now, or null while it shows nothing. */
export function thumbnail(video) {
  if (video.readyState < 2 || !video.videoWidth) return null;
  const canvas = document.createElement('canvas');
  canvas.width = 64;
  canvas.height = 48;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, 0, 0, 64, 48);
  const { data } = context.getImageData(0, 0, 64, 48);
  const grey = [];
  for (let n = 0; n < data.length; n += 4) grey.push((data[n] * 3 + data[n + 1] * 6 + data[n + 2]) / 10);
  return grey;
}

/** Opens a raw websocket from this page's origin and collects what it says until it closes or `stop` is heard. */
export function rawSignal({ messages, until, timeoutMs }) {
  return new Promise((resolve) => {
    const heard = [];
    let closed = null;
    const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/signal`, 'bedside.v1');
    const end = () => {
      clearTimeout(late);
      socket.close();
      resolve({ heard, closed });
    };
    const late = setTimeout(end, timeoutMs);
    socket.onopen = () => messages.forEach((message) => socket.send(JSON.stringify(message)));
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      heard.push(message);
      if (until && heard.filter((one) => one.type === until.type).length >= until.count) end();
    };
    socket.onclose = (event) => {
      closed = event.code;
      end();
    };
  });
}
