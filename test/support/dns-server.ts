import { createSocket } from 'node:dgram';
import type { Owner } from './owner.ts';

const A = 1;
const AAAA = 28;

export interface DnsServer {
  /** `127.0.0.1:port`, for `Resolver.setServers`. */
  readonly address: string;
  /** The names that were asked for, in order. */
  readonly asked: readonly string[];
}

/**
 * Starts a name server on loopback (UDP) that knows `records`: name → its addresses as bytes, by family. A name that it
 * does not know does not exist; `silent` answers nothing at all. It ends with the test.
 */
export async function startDns(
  t: Owner,
  records:
    | Readonly<Record<string, { readonly v4?: readonly number[][]; readonly v6?: readonly number[][] }>>
    | 'silent',
): Promise<DnsServer> {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const { name, end, type } = readQuestion(query);
    asked.push(name);
    if (records === 'silent') return;
    const known = records[name];
    const addresses = (type === A ? known?.v4 : type === AAAA ? known?.v6 : undefined) ?? [];
    socket.send(answer(query, end, known !== undefined, type, addresses), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  t.after(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return { address: `127.0.0.1:${socket.address().port}`, asked };
}

function readQuestion(query: Buffer): { name: string; end: number; type: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 5, type: query.readUInt16BE(at + 1) };
}

function answer(
  query: Buffer,
  end: number,
  exists: boolean,
  type: number,
  addresses: readonly number[][],
): Buffer {
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(exists ? 0x8180 : 0x8183, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((bytes) => {
    const fixed = Buffer.alloc(12);
    fixed.writeUInt16BE(0xc00c, 0);
    fixed.writeUInt16BE(type, 2);
    fixed.writeUInt16BE(1, 4);
    fixed.writeUInt32BE(60, 6);
    fixed.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([fixed, Buffer.from(bytes)]);
  });
  return Buffer.concat([header, query.subarray(12, end), ...records]);
}
