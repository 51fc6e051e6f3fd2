import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { LocalCandidate } from './mediasoup-answer.ts';

/** A port on which all addresses of one family are listened to. */
export interface ListeningPort {
  readonly protocol: 'udp' | 'tcp';
  readonly family: 4 | 6;
  readonly port: number;
}

/**
 * Where clients reach these ports: at the announced addresses, and at those that this machine's interfaces have now, the
 * loopback last. UDP comes before TCP. Names among the announced addresses are left out: browsers do not look them up.
 */
export function localCandidates(ports: readonly ListeningPort[], announcedAddresses: readonly string[]): LocalCandidate[] {
  const addresses = [...new Set([...announcedAddresses.filter((address) => isIP(address) !== 0), ...interfaceAddresses()])];
  return (['udp', 'tcp'] as const).flatMap((protocol) =>
    addresses.flatMap((address) =>
      ports.filter((each) => each.protocol === protocol && each.family === isIP(address)).map(({ port }) => ({ protocol, address, port })),
    ),
  );
}

/** Link-local addresses of IPv6 are of no use without the name of an interface. */
function interfaceAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const usable = all.filter(({ address }) => !/^fe[89ab]/i.test(address));
  return [...usable.filter(({ internal }) => !internal), ...usable.filter(({ internal }) => internal)].map(({ address }) => address);
}
