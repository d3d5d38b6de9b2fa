import ipaddr from 'ipaddr.js';
import { familyOf, type Ip, type IpFamily } from './ip-space.ts';

/**
 * The network that an address belongs to, as text that is equal for addresses of one network: its first `bits` bits, a
 * multiple of 8 for each family.
 *
 * @example networkOf(ip, { 4: 24, 6: 32 })
 */
export function networkOf(ip: Ip, bits: Readonly<Record<IpFamily, number>>): string {
  const family = familyOf(ip);
  const length = bits[family] / 8;
  if (family === 6) return ipaddr.IPv6.parse(ip).toByteArray().slice(0, length).join(':');
  let end = -1;
  for (let i = 0; i < length; i++) end = ip.indexOf('.', end + 1);
  return end < 0 ? ip : ip.slice(0, end);
}
