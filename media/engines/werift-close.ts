import type { RTCDtlsTransport } from 'werift';

/** TLS record and alert numbers (RFC 5246, section 7.2, and RFC 6347, section 4.1). */
const ALERT = 21;
const CLOSE_NOTIFY = Uint8Array.of(1, 0);
const RECORD_HEADER_BYTES = 13;
/** Beyond the last flight of the handshake. */
const NO_FLIGHT = 99;

/**
 * What werift 0.25 leaves out when it stops a DTLS transport: tells the other side by a close_notify alert (a browser
 * then knows at once, instead of after 30 s without consent), and ends the timers of a handshake that is under way.
 * Call before the connection is closed. Never rejects.
 */
export async function sayGoodbye(transport: RTCDtlsTransport): Promise<void> {
  const { dtls } = transport;
  if (!dtls) return;
  dtls.dtls.flight = NO_FLIGHT;
  if (transport.state !== 'connected') return;
  try {
    const { version, epoch } = dtls.dtls;
    const sequenceNumber = (dtls.dtls.recordSequenceNumber += 1);
    const fragment = dtls.cipher.cipher.encrypt(dtls.sessionType, Buffer.from(CLOSE_NOTIFY), {
      type: ALERT,
      version: (version.major << 8) | version.minor,
      epoch,
      sequenceNumber,
    });
    const header = Buffer.alloc(RECORD_HEADER_BYTES);
    header.writeUInt8(ALERT, 0);
    header.writeUInt8(version.major, 1);
    header.writeUInt8(version.minor, 2);
    header.writeUInt16BE(epoch, 3);
    header.writeUIntBE(sequenceNumber, 5, 6);
    header.writeUInt16BE(fragment.length, 11);
    await dtls.transport.send(Buffer.concat([header, fragment]));
    // A socket that is closed in the same turn drops what it was given to send.
    await new Promise((resolve) => setImmediate(resolve));
  } catch {
    // The way to the other side is gone already; it finds out by itself.
  }
}
