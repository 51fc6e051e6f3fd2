import type { DtlsSocket, RTCDtlsTransport } from 'werift';
import { readDtlsRecords, RecordType } from '../dtls-records.ts';
import { decryptRecord } from '../werift-dtls.ts';

const CLOSE_NOTIFY = 0;
const HELLO_VERIFY_REQUEST = 3;
const COOKIE_FLIGHT = 3;

/** Mends what werift's DTLS client does and browsers do not. Before it connects. */
export function mendClient(transport: RTCDtlsTransport): void {
  transport.onStateChange.subscribe((state) => {
    // Its DTLS is made right after this is told.
    if (state === 'connecting') queueMicrotask(() => transport.dtls && mend(transport.dtls));
  });
}

function mend(dtls: DtlsSocket): void {
  readAlerts(dtls);
  passOverCookies(dtls);
}

/** It takes an encrypted alert for one in the clear where the second byte of its nonce is the number of an alert, and drops it: one in ten, as OpenSSL's nonces begin at random. */
function readAlerts(dtls: DtlsSocket): void {
  const { socket } = dtls.transport;
  const take = socket.onData;
  socket.onData = (data, from) => {
    const [record] = readDtlsRecords(data);
    if (record?.type !== RecordType.alert || record.epoch === 0) take(data, from);
    else if (decryptRecord(dtls, record)[1] === CLOSE_NOTIFY) dtls.onClose.execute();
  };
}

/** It fails at a second cookie, which a server sends that was too busy to answer before the client asked again. */
function passOverCookies(dtls: DtlsSocket): void {
  const handle = dtls.onHandleHandshakes;
  dtls.onHandleHandshakes = (messages) => handle(messages.filter((message) => message.msg_type !== HELLO_VERIFY_REQUEST || dtls.dtls.flight < COOKIE_FLIGHT));
}
