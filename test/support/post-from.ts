import { type OutgoingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';

/** A reply of a peer. `fields` are those of its JSON object, none where it sent no object. */
export interface Posted {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Calls `http://<address><path>` from a local address of this machine. A body that is no string is sent as JSON. */
export async function postFrom(
  from: string,
  address: string,
  path: string,
  body: unknown,
  { method = 'POST', headers = {} }: { method?: string; headers?: OutgoingHttpHeaders } = {},
): Promise<Posted> {
  const url = new URL(path, `http://${address}`);
  const reply = await new Promise<Posted>((resolve, reject) => {
    const call = request(
      url,
      {
        method,
        agent: false,
        localAddress: from,
        headers: { 'content-type': 'application/json', ...headers },
      },
      async (response) => {
        const received = await text(response);
        const { statusCode = 0, headers: got } = response;
        resolve({ status: statusCode, headers: got, body: received, fields: fieldsOf(received) });
      },
    );
    call.on('error', reject);
    call.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  return reply;
}

function fieldsOf(body: string): Readonly<Record<string, unknown>> {
  try {
    return { ...JSON.parse(body) };
  } catch {
    return {};
  }
}
