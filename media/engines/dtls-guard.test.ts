import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { DtlsGuard } from './dtls-guard.ts';
import { readClientHello, readDtlsRecords, readHandshakes } from './dtls-records.ts';
import { clientHelloRecord, dtlsRecord, handshakeMessage } from './testing/dtls-bytes.ts';

const CERTIFICATE = 11;
const FINISHED = 20;

class Server {
  connected = false;
  nowMs = 0;
  readonly handshakes: Buffer[] = [];
  readonly texts: string[] = [];
  closes = 0;
  readonly guard = new DtlsGuard({
    nowMs: () => this.nowMs,
    isConnected: () => this.connected,
    handshake: (datagram) => this.handshakes.push(datagram),
    // Stands for decryption: what begins with "ok" is authentic.
    decrypt: ({ fragment }) => {
      if (fragment.toString('latin1', 0, 2) !== 'ok') throw new Error('not authentic');
      return fragment.subarray(2);
    },
    data: (text) => this.texts.push(text.toString()),
    closed: () => (this.closes += 1),
  });
}

const sealed = (text: string | Uint8Array): Buffer => Buffer.concat([Buffer.from('ok'), Buffer.from(text)]);

test('a ClientHello of DTLS 1.2 with something to agree on is passed', () => {
  const server = new Server();
  server.guard.receive(clientHelloRecord());
  assert.equal(server.handshakes.length, 1);
});

test('a first ClientHello is passed again when its answer may have been lost, and not behind the second', () => {
  const server = new Server();
  for (const [atMs, passed] of [[0, 1], [20, 1], [99, 1], [150, 2], [160, 2]] as const) {
    server.nowMs = atMs;
    server.guard.receive(clientHelloRecord());
    assert.equal(server.handshakes.length, passed, `after ${String(atMs)} ms`);
  }
  server.nowMs = 1000;
  server.guard.receive(clientHelloRecord({ messageNumber: 1 }));
  server.guard.receive(clientHelloRecord({ messageNumber: 1 }));
  assert.equal(server.handshakes.length, 4);
  server.guard.receive(clientHelloRecord());
  assert.equal(server.handshakes.length, 4);
});

test('a ClientHello that cannot be answered is not passed', () => {
  for (const hello of [{ version: 0xfeff }, { version: 0x0303 }, { cipherSuites: [0xc02f] }, { groups: [24] }, { srtpProfiles: [2] }]) {
    const server = new Server();
    server.guard.receive(clientHelloRecord(hello));
    assert.deepEqual(server.handshakes, [], JSON.stringify(hello));
    assert.equal(server.guard.refused, 1);
  }
});

test('a ClientHello in pieces is passed, but not of an old version', () => {
  const server = new Server();
  const whole = clientHelloRecord().subarray(13 + 12);
  const piece = (offset: number, end: number): Buffer => dtlsRecord(22, 0, offset, handshakeMessage(1, whole.subarray(offset, end), { lengthBytes: whole.length, offsetBytes: offset }));
  server.guard.receive(piece(0, 30));
  server.guard.receive(piece(30, whole.length));
  assert.equal(server.handshakes.length, 2);
  const old = new Server();
  old.guard.receive(dtlsRecord(22, 0, 0, handshakeMessage(1, Buffer.of(0xfe, 0xff, 1), { lengthBytes: 90 })));
  assert.deepEqual(old.handshakes, []);
});

test('nothing in the clear is passed once the handshake is done; Finished may come again', () => {
  const server = new Server();
  server.connected = true;
  server.guard.receive(clientHelloRecord());
  server.guard.receive(dtlsRecord(21, 0, 1, Buffer.of(2, 0)));
  assert.deepEqual([server.handshakes.length, server.closes], [0, 0]);
  server.guard.receive(dtlsRecord(22, 1, 0, sealed(handshakeMessage(FINISHED, Buffer.alloc(12)))));
  assert.equal(server.handshakes.length, 1);
  server.guard.receive(dtlsRecord(22, 1, 1, sealed(handshakeMessage(1, Buffer.alloc(60)))));
  assert.equal(server.handshakes.length, 1, 'a handshake that begins anew');
});

test('encrypted records are taken when they are authentic, and once', () => {
  const server = new Server();
  server.guard.receive(dtlsRecord(23, 1, 1, sealed('early')));
  server.connected = true;
  const hello = dtlsRecord(23, 1, 7, sealed('hello'));
  server.guard.receive(hello);
  server.guard.receive(hello);
  server.guard.receive(dtlsRecord(23, 1, 8, Buffer.from('forged')));
  server.guard.receive(dtlsRecord(23, 2, 9, sealed('of an epoch that there is not')));
  server.guard.receive(dtlsRecord(23, 1, 6, sealed('late')));
  assert.deepEqual(server.texts, ['hello', 'late']);
});

test('only authentic alerts that end something end it', () => {
  const server = new Server();
  server.connected = true;
  server.guard.receive(dtlsRecord(21, 1, 1, Buffer.of(1, 0, 1, 0)));
  server.guard.receive(dtlsRecord(21, 1, 2, sealed(Buffer.of(1, 90))));
  assert.equal(server.closes, 0);
  server.guard.receive(dtlsRecord(21, 1, 3, sealed(Buffer.of(1, 0))));
  server.guard.receive(dtlsRecord(21, 1, 4, sealed(Buffer.of(2, 80))));
  assert.equal(server.closes, 2);
});

test("a client's messages are passed in their order, each once; pieces of one likewise", () => {
  const server = new Server();
  const certificate = Buffer.alloc(60);
  const piece = (start: number, end: number): Buffer => handshakeMessage(CERTIFICATE, certificate.subarray(start, end), { lengthBytes: 60, messageNumber: 2, offsetBytes: start });
  const keyExchange = handshakeMessage(16, Buffer.alloc(20), { messageNumber: 3 });
  const passed = (message: Buffer): boolean => {
    const before = server.handshakes.length;
    server.guard.receive(dtlsRecord(22, 0, 0, message));
    return server.handshakes.length > before;
  };
  assert.equal(passed(piece(0, 60)), false, 'before a ClientHello');
  server.guard.receive(clientHelloRecord({ messageNumber: 1 }));
  const order = [piece(40, 60), piece(0, 40), piece(0, 40), keyExchange, piece(40, 60), piece(0, 60), keyExchange, keyExchange];
  assert.deepEqual(order.map(passed), [false, true, false, false, true, false, true, false]);
});

test('a handshake may be long, but not without end', () => {
  const passed = (messages: readonly Buffer[]): number => {
    const server = new Server();
    server.guard.receive(clientHelloRecord({ messageNumber: 1 }));
    for (const message of messages) server.guard.receive(message);
    return server.handshakes.length;
  };
  const messages = (count: number, bytes: number): Buffer[] =>
    Array.from({ length: count }, (_, i) => dtlsRecord(22, 0, 0, handshakeMessage(CERTIFICATE, Buffer.alloc(bytes), { messageNumber: 2 + i })));
  assert.equal(passed(Array.from({ length: 40 }, () => clientHelloRecord({ messageNumber: 1 }))), 20, 'ClientHellos');
  assert.equal(passed(messages(400, 100)), 256, 'messages');
  assert.equal(passed(messages(10, 16_384 - 12)), 4, 'bytes');
});

test('any bytes are survived, and what is passed is made of whole records', () => {
  const seed = clientHelloRecord();
  const mutated = fc.tuple(fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 4 }), fc.nat(seed.length)).map(([changes, length]) => {
    const bytes = Buffer.from(seed);
    for (const [at, value] of changes) bytes[at] = value;
    return bytes.subarray(0, length);
  });
  const anything = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.array(fc.oneof(mutated, anything), { maxLength: 5 }), fc.boolean(), (parts, connected) => {
      const server = new Server();
      server.connected = connected;
      server.guard.receive(Buffer.concat(parts));
      for (const datagram of server.handshakes) {
        const records = readDtlsRecords(datagram);
        assert.equal(records.reduce((sum, { bytes }) => sum + bytes.length, 0), datagram.length);
      }
      for (const bytes of parts) {
        readHandshakes(bytes);
        readClientHello(bytes);
      }
    }),
  );
});
