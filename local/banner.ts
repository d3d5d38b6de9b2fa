import type { LocalPorts } from './env.ts';
import { DEMO_TOKEN, type Stack } from './env.ts';
import { FIRST_PUBLIC_IP, OTHERS, PRODUCERS, SOURCES, YOU } from './world/cast.ts';

/** What is about to run, before anything happens. Pure; no row is over 80 columns. */
export function opening(stack: Stack): string {
  const { kind, ports, config, logFile } = stack;
  const redis =
    kind === 'demo'
      ? [
          'embedded, in memory: empty now, and gone when this ends',
          `http://127.0.0.1:${ports.rest} speaks Upstash's REST API for it`,
        ]
      : [`yours, ${whereIs(config.redis.url)}, keys under "${config.redis.prefix}"`];
  return [
    'P2P consumer scheduler, local stack',
    '',
    ...block('Redis', redis),
    ...(kind === 'demo' ? world() : block('Peers', ['yours, as Redis has them'])),
    ...block('Functions', ['serverless offline, with the schedules of serverless.yml']),
    ...block('Status page', [`http://127.0.0.1:${ports.page}/`]),
    ...block('Log', [logFile, 'has all that the functions say; warnings are shown here too']),
    ...(kind === 'demo' ? block('Your own', ['copy .env.example to .env and start again']) : []),
    '',
  ].join('\n');
}

/** What the user can do now. Pure; no row is over 80 columns but where an own REDIS_PREFIX is long. */
export function handbook({ kind, ports, config }: Stack): string {
  const api = `http://127.0.0.1:${ports.lambda}`;
  const key = `${config.redis.prefix}ip`;
  return [
    '',
    ...(kind === 'demo'
      ? [
          'Change the simulated public IP (in another terminal), and watch it being told:',
          '',
          `  ${portPrefix(ports)}npm run demo:ip`,
          '',
        ]
      : []),
    `See what is going on: http://127.0.0.1:${ports.page}/, or`,
    '',
    '  npm run p2p -- status',
    '',
    'Invoke a function by hand (sync, ip-check or producer-notify):',
    '',
    `  api=${api}/2015-03-31/functions`,
    "  curl -d '{}' $api/p2p-consumer-scheduler-local-sync/invocations",
    '',
    '  aws lambda invoke --no-sign-request --region us-east-1 \\',
    `    --endpoint-url ${api} \\`,
    '    --function-name p2p-consumer-scheduler-local-ip-check /dev/stdout',
    '',
    ...(kind === 'demo'
      ? [
          'Look into Redis:',
          '',
          `  curl -g -H 'Authorization: Bearer ${DEMO_TOKEN}' \\`,
          `    'http://127.0.0.1:${ports.rest}/hgetall/${key}'`,
          `  redis-cli -p ${ports.redis} hgetall '${config.redis.prefix}consumers:health'`,
          '',
        ]
      : [`Look into Redis: hgetall '${key}', hgetall '${config.redis.prefix}consumers:health', …`, '']),
    'The schedules go on firing by themselves. Ctrl-C ends everything.',
    '',
  ].join('\n');
}

function world(): string[] {
  const cast = (members: readonly { name: string; description: string }[]) =>
    members.map(({ name, description }) => `${name.padEnd(8)} ${description}`);
  return [
    ...block('World', ['on 127.0.0.1 to 127.0.0.16; nothing leaves this machine']),
    ...block('  consumers', cast([YOU, ...OTHERS])),
    ...block('  producers', cast(PRODUCERS)),
    ...block('  IP sources', [`${SOURCES.length}, all tell the public IP ${FIRST_PUBLIC_IP}`]),
  ];
}

function block(title: string, rows: readonly string[]): string[] {
  return rows.map((row, index) => `${(index === 0 ? title : '').padEnd(14)}${row}`);
}

/** Host and port of a Redis URL: never its user or password. */
function whereIs(redisUrl: string): string {
  const { protocol, host } = new URL(redisUrl);
  return `${protocol}//${host}`;
}

function portPrefix({ world }: LocalPorts): string {
  return world === 8100 ? '' : `LOCAL_WORLD_PORT=${world} `;
}
