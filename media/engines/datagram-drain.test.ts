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
  const drain = datagramDrain(socket);
  if (!drain) {
    context.skip('NOT TESTED: this system has no recvmmsg, or this Node keeps its sockets elsewhere');
    return;
  }
  // By hand as well as by Node: whoever comes first has it.
  const taken: string[] = [];
  const note = (data: Buffer, ipv4: number, port: number): void => {
    taken.push(`${data.length === 3000 ? 'long' : data.toString('latin1')} ${ipv4Text(ipv4)} ${port}`);
  };
  socket.on('message', (data, { address, port }) => {
    note(data, ipv4Number(address) ?? 0, port);
    drain(note);
  });
  const sent = Array.from({ length: 100 }, (_, i) => `datagram ${i} ${'x'.repeat(i * 7)}`);
  for (const text of ['', ...sent]) sender.send(text, socket.address().port, '127.0.0.1');
  sender.send(Buffer.alloc(3000), socket.address().port, '127.0.0.1');
  sender.send('last', socket.address().port, '127.0.0.1');
  while (!taken.at(-1)?.startsWith('last')) await once(socket, 'message');
  const { port } = sender.address();
  assert.deepEqual(taken.filter((text) => !text.startsWith('long')), ['', ...sent, 'last'].map((text) => `${text} 127.0.0.1 ${port}`));
});

test('however many wait, others have their turn between them', async (context) => {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 }).bind(0, '127.0.0.1');
  const sender = createSocket('udp4').bind(0, '127.0.0.1');
  context.after(() => [socket, sender].map((each) => each.close()));
  await Promise.all([once(socket, 'listening'), once(sender, 'listening')]);
  const drain = datagramDrain(socket);
  if (!drain) {
    context.skip('NOT TESTED: this system has no recvmmsg, or this Node keeps its sockets elsewhere');
    return;
  }
  let [taken, inTurn, most] = [0, 0, 0];
  const note = (): void => {
    taken += 1;
    inTurn += 1;
  };
  socket.on('message', () => {
    note();
    drain(note);
  });
  // By default Linux keeps some 270 of them.
  for (let i = 0; i < 250; i += 1) sender.send('x', socket.address().port, '127.0.0.1');
  while (taken < 250) {
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, inTurn);
    inTurn = 0;
  }
  assert.ok(most <= 5 * 32, `${String(most)} in one turn`);
});

test('nothing is taken by the number of a socket that is closed, whose it may be by now', async (context) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const drain = datagramDrain(socket);
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
  let stolen = 0;
  // By then it lies in the kernel, and the loop has not looked yet.
  for (const heir of heirs) heir.send('mine', heir.address().port, '127.0.0.1', () => drain(() => (stolen += 1)));
  await Promise.race([Promise.all(heard), new Promise((resolve) => setTimeout(resolve, 1000))]);
  assert.equal(stolen, 0);
});

test('addresses are numbers and back', () => {
  for (const address of ['0.0.0.0', '127.0.0.1', '192.168.1.254', '255.255.255.255']) assert.equal(ipv4Text(ipv4Number(address) ?? -1), address);
  for (const address of ['::1', 'fe80::1%eth0', '1.2.3', '1.2.3.256', 'a.b.c.d', '']) assert.equal(ipv4Number(address), undefined);
});
