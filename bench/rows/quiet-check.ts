import { startCountingProxy, startIpSource } from '../http-servers.ts';
import { comparison, interleave, reading } from '../measure.ts';
import { BARE_CHECK, IP_CHECK } from '../modules.ts';
import type { Row } from '../row.ts';
import { valuesOf, worldOf } from './setup.ts';

const OUR_IP = '203.0.113.7';
const SOURCES = 3;
const REPETITIONS = 50;

export const quietCheck: Row = {
  name: 'quiet-check',
  title: 'an IP check that finds nothing new, over REST, against the same three requests made bare by fetch',
  targets:
    'at most 6 Redis commands sent and 12 run, 2 round trips to Redis, 1 HTTP request to a source; neither SDK nor ioredis loaded',
  long: false,
  limitMs: 60_000,
  async run(lab) {
    const peers = await lab.peers();
    const redis = await lab.redis();
    const proxy = await startCountingProxy(redis.rest.url);
    lab.defer(proxy.end);
    const sources = await Promise.all(Array.from({ length: SOURCES }, () => startIpSource(OUR_IP)));
    for (const source of sources) lab.defer(source.end);
    const takeAsked = () => sources.reduce((sum, source) => sum + source.take(), 0);

    lab.say('settling what the IP is');
    const world = worldOf('quiet-check', redis, peers);
    const check = await lab.contestant(
      IP_CHECK,
      world.params({
        REDIS_URL: proxy.url,
        REDIS_TOKEN: redis.rest.token,
        IP_SOURCES: sources.map(({ url }) => url).join(','),
      }),
    );
    const bare = await lab.contestant(BARE_CHECK, {
      restUrl: proxy.url,
      token: redis.rest.token,
      source: sources[0]?.url ?? '',
    });

    const commands: number[] = [];
    const roundTrips: number[] = [];
    const asked: number[] = [];
    const counted = async () => {
      proxy.take();
      takeAsked();
      const result = await check.run();
      const counts = proxy.take();
      commands.push(counts.commands);
      roundTrips.push(counts.requests);
      asked.push(takeAsked());
      return result;
    };
    const count = await redis.countCommands();
    await check.run();
    const run = (await count?.take())?.run;
    const runs = await interleave({ check: counted, bare: bare.run }, REPETITIONS);
    const most = (values: readonly number[]) => [Math.max(...values)];
    return {
      kind: 'measured',
      figures: [
        reading('Redis commands sent', '', most(commands), { atMost: 6 }),
        ...(run === undefined
          ? []
          : [reading('Redis commands run, those inside scripts counted', '', [run], { atMost: 12 })]),
        reading('round trips to Redis', '', most(roundTrips), { atMost: 2 }),
        reading('HTTP requests to sources', '', most(asked), { atMost: 1 }),
        reading(
          'modules of the SDK or ioredis loaded',
          '',
          most(runs.check.map(({ facts }) => facts.heavyModules ?? 1)),
          {
            atMost: 0,
          },
        ),
        comparison(
          'time of a check / the bare requests',
          'share',
          valuesOf('ms', runs.check),
          valuesOf('ms', runs.bare),
        ),
        reading('time of a check', 'ms', valuesOf('ms', runs.check)),
      ],
      notes: [
        `counts: the most of ${commands.length} checks, over the wire; times: median of ${REPETITIONS} interleaved passes on loopback`,
        `Redis: ${redis.engine}, behind the development server of the REST API`,
      ],
    };
  },
};
