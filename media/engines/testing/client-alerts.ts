import type { RTCDtlsTransport } from 'werift';
import { readDtlsRecords, RecordType } from '../dtls-records.ts';
import { decryptRecord } from '../werift-dtls.ts';

const CLOSE_NOTIFY = 0;

/**
 * Has a client of werift's understand every goodbye. By itself it takes an encrypted alert for one in the clear where the second byte of its nonce is the
 * number of an alert, and then drops it: one in ten, as OpenSSL's nonces begin at random.
 */
export function readAlerts(transport: RTCDtlsTransport): void {
  transport.onStateChange.subscribe((state) => {
    // Its DTLS is made right after this is told.
    if (state === 'connecting') queueMicrotask(() => wrap(transport));
  });
}

function wrap({ dtls }: RTCDtlsTransport): void {
  if (!dtls) return;
  const { socket } = dtls.transport;
  const take = socket.onData;
  socket.onData = (data, from) => {
    const [record] = readDtlsRecords(data);
    if (record?.type !== RecordType.alert || record.epoch === 0) take(data, from);
    else if (decryptRecord(dtls, record)[1] === CLOSE_NOTIFY) dtls.onClose.execute();
  };
}
