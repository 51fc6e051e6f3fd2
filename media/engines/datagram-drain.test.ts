import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import test from 'node:test';
import { datagramDrain, ipv4Number, ipv4Text } from './datagram-drain.ts';

test('all that waits is taken, whole, in order, with where it came from; what is too long is passed over', async (context) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  const sender = createSocket('udp4').bind(0, '127.0.0.1');
  context.after(() => [socket, sender].map((each) => each.close()));
  await Promise.all([once(socket, 'listening'), once(sender, 'listening')]);
  // By hand as well as by Node: whoever comes first has it.
  const taken: string[] = [];
  const note = (data: Buffer, ipv4: number, port: number): void => {
    taken.push(`${data.length === 3000 ? 'long' : data.toString('latin1')} ${ipv4Text(ipv4)} ${port}`);
  };
  const drain = datagramDrain(socket, note);
  if (!drain) {
    context.skip('NOT TESTED: this system has no recvmmsg, or this Node keeps its sockets elsewhere');
    return;
  }
  socket.on('message', (data, { address, port }) => {
    note(data, ipv4Number(address) ?? 0, port);
    drain();
  });
  const sent = Array.from({ length: 100 }, (_, i) => `datagram ${i} ${'x'.repeat(i * 7)}`);
  for (const text of ['', ...sent]) sender.send(text, socket.address().port, '127.0.0.1');
  sender.send(Buffer.alloc(3000), socket.address().port, '127.0.0.1');
  sender.send('last', socket.address().port, '127.0.0.1');
  while (!taken.at(-1)?.startsWith('last')) await new Promise((resolve) => setImmediate(resolve));
  const { port } = sender.address();
  assert.deepEqual(taken.filter((text) => !text.startsWith('long')), ['', ...sent, 'last'].map((text) => `${text} 127.0.0.1 ${port}`));
});

test('however many wait, others have their turn between them', async (context) => {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 }).bind(0, '127.0.0.1');
  const sender = createSocket('udp4').bind(0, '127.0.0.1');
  context.after(() => [socket, sender].map((each) => each.close()));
  await Promise.all([once(socket, 'listening'), once(sender, 'listening')]);
  let [taken, inTurn, most] = [0, 0, 0];
  const note = (): void => {
    taken += 1;
    inTurn += 1;
  };
  const drain = datagramDrain(socket, note);
  if (!drain) {
    context.skip('NOT TESTED: this system has no recvmmsg, or this Node keeps its sockets elsewhere');
    return;
  }
  socket.on('message', () => {
    note();
    drain();
  });
  // By default Linux keeps some 270 of them.
  for (let i = 0; i < 250; i += 1) sender.send('x', socket.address().port, '127.0.0.1');
  while (taken < 250) {
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, inTurn);
    inTurn = 0;
  }
  assert.ok(most <= 3 * 64, `${String(most)} in one turn`);
});

test('a busy socket wakes nobody for each datagram, and is listened to again when it has become quiet', async (context) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  const sender = createSocket('udp4').bind(0, '127.0.0.1');
  context.after(() => [socket, sender].map((each) => each.close()));
  await Promise.all([once(socket, 'listening'), once(sender, 'listening')]);
  let [taken, told] = [0, 0];
  const drain = datagramDrain(socket, () => (taken += 1));
  if (!drain) {
    context.skip('NOT TESTED: this system has no recvmmsg, or this Node keeps its sockets elsewhere');
    return;
  }
  socket.on('message', () => {
    taken += 1;
    told += 1;
    drain();
  });
  const rounds = 3;
  const each = 200;
  for (let round = 1; round <= rounds; round += 1) {
    // One in each turn of the loop: Node would tell of each by itself.
    for (let i = 0; i < each; i += 1) {
      sender.send('x', socket.address().port, '127.0.0.1');
      await new Promise((resolve) => setImmediate(resolve));
    }
    while (taken < round * each) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(taken, rounds * each);
  assert.ok(told < taken / 2, `told of ${String(told)} of ${String(taken)}`);
  assert.ok(told >= rounds, 'it is listened to again');
});

test('nothing is taken by the number of a socket that is closed, whose it may be by now', async (context) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  let stolen = 0;
  const drain = datagramDrain(socket, () => (stolen += 1));
  socket.close();
  await once(socket, 'close');
  if (!drain) {
    context.skip('NOT TESTED: this system has no recvmmsg, or this Node keeps its sockets elsewhere');
    return;
  }
  // The lowest number that is free: as a rule the one that has just become so.
  const heirs = Array.from({ length: 20 }, () => createSocket('udp4').bind(0, '127.0.0.1'));
  context.after(() => heirs.map((heir) => heir.close()));
  await Promise.all(heirs.map((heir) => once(heir, 'listening')));
  const heard = heirs.map((heir) => once(heir, 'message'));
  // By then it lies in the kernel, and the loop has not looked yet.
  for (const heir of heirs) heir.send('mine', heir.address().port, '127.0.0.1', () => drain());
  await Promise.race([Promise.all(heard), new Promise((resolve) => setTimeout(resolve, 1000))]);
  assert.equal(stolen, 0);
});

test('addresses are numbers and back', () => {
  for (const address of ['0.0.0.0', '127.0.0.1', '192.168.1.254', '255.255.255.255']) assert.equal(ipv4Text(ipv4Number(address) ?? -1), address);
  for (const address of ['::1', 'fe80::1%eth0', '1.2.3', '1.2.3.256', 'a.b.c.d', '']) assert.equal(ipv4Number(address), undefined);
});
