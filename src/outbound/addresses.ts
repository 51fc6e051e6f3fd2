import { BlockList, isIP } from 'node:net';

/** Ranges that are nobody's public service: IANA's special-purpose registry for IPv4 (RFC 6890 and its updates), and multicast. */
const SPECIAL_V4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const;

/**
 * Of IPv6 only global unicast (2000::/3) is public at all, which leaves out loopback, link-local, unique local, multicast and IPv4 in any of
 * its IPv6 forms outside that range; within it these are special, among them the tunnels that carry an IPv4 address.
 */
const GLOBAL_V6 = ['2000::', 3] as const;
const SPECIAL_V6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['2620:4f:8000::', 48],
  ['3fff::', 20],
] as const;

const specialV4 = new BlockList();
for (const [net, bits] of SPECIAL_V4) specialV4.addSubnet(net, bits, 'ipv4');
const globalV6 = new BlockList();
globalV6.addSubnet(...GLOBAL_V6, 'ipv6');
const specialV6 = new BlockList();
for (const [net, bits] of SPECIAL_V6) specialV6.addSubnet(net, bits, 'ipv6');

/** Is this IP address one of the public internet? False for anything that is not an IP address. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !specialV4.check(address, 'ipv4');
    case 6:
      // A zone index names an interface of this machine.
      return !address.includes('%') && globalV6.check(address, 'ipv6') && !specialV6.check(address, 'ipv6');
    default:
      return false;
  }
}

/** Networks as `10.0.0.0/8`, `fd00::/8` or single addresses. Throws a `TypeError` that names the one at fault. */
export function networks(list: readonly string[]): BlockList {
  const found = new BlockList();
  for (const text of list) {
    const [net = '', bits] = text.split('/');
    const family = isIP(net);
    const length = bits === undefined ? (family === 6 ? 128 : 32) : Number(bits);
    if (family === 0 || !/^\d+$/.test(bits ?? '0') || length > (family === 6 ? 128 : 32)) throw new TypeError(`"${text}" is not a network`);
    found.addSubnet(net, length, family === 6 ? 'ipv6' : 'ipv4');
  }
  return found;
}
