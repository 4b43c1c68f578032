// Listens to one answer with werift and says what arrives, a JSON object a line:
//   {"offer": sdp}, {"state": of the connection}, {"profile": SRTP's, its number in RFC 7714 or 5764},
//   {"alert": bytes of a DTLS alert that came}, for each sender report {"report": its RTP timestamp, "unix": its
//   time in seconds, "sent": packets}, and for each RTP packet {"sequence", "timestamp", "ssrc", "payload": base64}.
// Takes one line, {"answer": sdp}. Ends when its input ends.
import { createInterface } from "node:readline";
import { RTCPeerConnection, RTCRtpCodecParameters } from "werift";

const PAYLOAD_TYPE = 107; // neither Chromium's (111) nor Firefox's (109)
const ALERT = 21; // RFC 5246 §6.2.1
const NTP_TO_UNIX = 2_208_988_800; // seconds from 1900 to 1970
const say = (message) => process.stdout.write(JSON.stringify(message) + "\n");

const opus = new RTCRtpCodecParameters({
  mimeType: "audio/opus",
  clockRate: 48000,
  channels: 2,
  payloadType: PAYLOAD_TYPE,
});
const connection = new RTCPeerConnection({
  iceServers: [],
  iceAdditionalHostAddresses: ["127.0.0.1"], // left out otherwise; a machine without a network card has no other
  codecs: { audio: [opus], video: [] },
});

connection.connectionStateChange.subscribe((state) => say({ state }));
connection.onTrack.subscribe((track) => {
  track.onReceiveRtp.subscribe(({ header, payload }) => {
    const { sequenceNumber: sequence, timestamp, ssrc } = header;
    say({ sequence, timestamp, ssrc, payload: payload.toString("base64") });
  });
  track.onReceiveRtcp.subscribe(({ senderInfo }) => {
    if (!senderInfo) return;
    const unix = Number(senderInfo.ntpTimestamp) / 2 ** 32 - NTP_TO_UNIX;
    say({ report: senderInfo.rtpTimestamp, unix, sent: senderInfo.packetCount });
  });
});

connection.addTransceiver("audio", { direction: "recvonly" });
const [dtls] = connection.dtlsTransports;
dtls.onStateChange.subscribe((state) => {
  if (state === "connected") say({ profile: dtls.dtls.srtp.srtpProfile });
});
// werift itself takes one alert in ten for another one: it looks for the number in what is still encrypted.
dtls.iceTransport.connection.onData.subscribe((datagram) => {
  if (datagram[0] === ALERT) say({ alert: datagram.length });
});
for (const { connection: ice } of connection.iceTransports) {
  if (!("stunServer" in ice)) throw new Error("werift keeps its STUN server elsewhere now");
  ice.stunServer = undefined; // told of no server at all, werift asks Google's
}
await connection.setLocalDescription(await connection.createOffer());
say({ offer: connection.localDescription.sdp });

for await (const line of createInterface({ input: process.stdin })) {
  await connection.setRemoteDescription({ type: "answer", sdp: JSON.parse(line).answer });
}
await connection.close();
process.exit();
