import type { Command, Redis, ScriptCall } from '../../lib/redis/redis.ts';

/** A Redis that notes what is sent through it. */
export interface CountingRedis extends Redis {
  /** The name of each command sent so far, in order; of a script call its script's name. */
  readonly sent: readonly string[];
  /** Requests, each a round trip with one or more commands. */
  readonly trips: number;
  /** Starts counting anew. */
  reset(): void;
}

/** Counts what is sent to `redis`, a script call as one command. What the client itself repeats is not seen. */
export function countingRedis(redis: Redis): CountingRedis {
  let sent: string[] = [];
  let trips = 0;
  return {
    get sent() {
      return sent;
    },
    get trips() {
      return trips;
    },
    reset() {
      sent = [];
      trips = 0;
    },
    send(requests, options) {
      trips += 1;
      sent.push(...requests.map(nameOf));
      return redis.send(requests, options);
    },
    close: () => redis.close(),
  };
}

function nameOf(request: Command | ScriptCall): string {
  return 'script' in request ? request.script.name : request[0];
}
