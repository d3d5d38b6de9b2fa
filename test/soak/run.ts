/** `npm run soak`: see `usage`. */
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createRandom } from '../chaos/random.ts';
import type { Peer } from '../support/peer-server.ts';
import { hasRealRedis } from '../support/redis-server.ts';
import { FAULTS, type Fault } from './faults.ts';
import { type Options, readOptions, usage } from './options.ts';
import { openWorld, run, type World } from './world.ts';

/** A fault lasts so long. */
const FAULT_MS = { least: 500, most: 8_000 };
/** The longest that anything waits for: a lease of 30 s that nobody released, the time of a command, a round. */
const RECOVERED_WITHIN_MS = 120_000;
/** Warnings and errors that a fault is worth. */
const MOST_LINES_A_FAULT = 15;
/** Faults over which memory settles, and how much more it may be in the end. */
const MEMORY_FAULTS = 20;
const MOST_GROWTH_KB = 16_000;

const names = FAULTS.map(({ name }) => name);
const options = readOptions(process.argv.slice(2), names);
if (options === undefined) {
  process.stderr.write(`${usage(names)}\n`);
  process.exit(2);
}
if (!hasRealRedis()) {
  process.stderr.write('NEEDS redis-server in PATH.\n');
  process.exit(2);
}
const inside = process.env.SOAK_NAMESPACE === '1' || enterNamespace();
if (!inside && process.env.CI) {
  process.stderr.write('CI needs the right to make network namespaces: faults must not be left out there.\n');
  process.exit(2);
}
process.exit((await soak(options, inside)) ? 0 : 1);

/** Runs all of this again in a network namespace, where there may be one. Answers false where there may be none. */
function enterNamespace(): boolean {
  if (spawnSync('unshare', ['--net', 'true'], { stdio: 'ignore' }).status !== 0) return false;
  const { status } = spawnSync(
    'unshare',
    ['--net', process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)],
    { stdio: 'inherit', env: { ...process.env, SOAK_NAMESPACE: '1' } },
  );
  process.exit(status ?? 1);
}

async function soak({ minutes, seed, only }: Options, namespace: boolean): Promise<boolean> {
  const say = (text: string) => void process.stdout.write(`${text}\n`);
  if (namespace) {
    run('ip', 'link', 'set', 'lo', 'up');
    run('ip', 'link', 'add', 'spare', 'type', 'veth', 'peer', 'name', 'other');
    for (const link of ['spare', 'other']) run('ip', 'link', 'set', link, 'up');
  } else {
    say('NEEDS root for network namespaces: the faults of the network are left out');
  }
  const faults = FAULTS.filter(
    ({ name, network }) => (network === undefined || namespace) && (only.length === 0 || only.includes(name)),
  );
  const random = createRandom(seed);
  const problems: string[] = [];
  const problem = (text: string) => {
    problems.push(text);
    say(`  ${text}`);
  };
  const memoryKb: number[] = [];
  say(`seed ${seed}, ${minutes} minutes, ${faults.length} kinds of faults`);
  const world = await openWorld();
  try {
    if (!(await recovered(world, world.renumber()))) throw new Error('the host does not work');
    const endMs = performance.now() + minutes * 60_000;
    let count = 0;
    while (performance.now() < endMs) {
      for (const fault of inRandomOrder(faults, () => random.next())) {
        if (performance.now() >= endMs) break;
        count += 1;
        const ms = random.between(FAULT_MS.least, FAULT_MS.most);
        const linesBefore = world.lines.length;
        await fault.happen(world, ms, random);
        const startMs = performance.now();
        const well = await recovered(world, world.renumber());
        const tookMs = Math.round(performance.now() - startMs);
        say(`${String(count).padStart(4)} ${fault.name} for ${ms} ms: well again after ${tookMs} ms`);
        const lines = world.lines.slice(linesBefore);
        if (!well) problem(`not well after ${fault.name}:\n${lines.slice(-20).join('\n')}`);
        judgeLines(lines, fault, problem);
        if (world.hasEnded()) throw new Error('the host ended');
        memoryKb.push(world.residentKb());
      }
    }
    judgeMemory(memoryKb, say, problem);
    const code = await world.endHost();
    if (code !== 0) problem(`the host ended with exit code ${code}`);
    const leases = (await world.admin.keys('{p2p}:lease:*')) ?? [];
    if (leases.length > 0) problem(`leases are left: ${leases.join(', ')}`);
    say(`${count} faults, ${world.lines.length} lines in the log, ${problems.length} problems`);
  } catch (error) {
    problem(`${error instanceof Error ? error.message : error}\n${world.lines.slice(-20).join('\n')}`);
  } finally {
    await world.close();
  }
  return problems.length === 0;
}

/** Whether all producers are told this address, and all consumers are called again, in time. */
async function recovered({ producers, consumers }: World, ip: string): Promise<boolean> {
  const over = new AbortController();
  const told = async (producer: Peer) => {
    for (let count = producer.requests.length + 1; !saysIp(producer, ip); count++)
      await producer.received(count);
  };
  const all = Promise.all([
    ...producers.map(told),
    ...consumers.map((consumer) => consumer.received(consumer.requests.length + 1)),
  ]).then(() => true);
  const late = delay(RECOVERED_WITHIN_MS, false, { signal: over.signal }).catch(() => false);
  const well = await Promise.race([all, late]);
  over.abort();
  return well;
}

function saysIp({ requests }: Peer, ip: string): boolean {
  const last = requests.at(-1)?.body;
  return last !== undefined && JSON.parse(last).ip === ip;
}

function judgeLines(lines: readonly string[], { name }: Fault, problem: (text: string) => void): void {
  const loud = lines.filter((line) => / (WARN|ERROR) /.test(line));
  if (loud.length > MOST_LINES_A_FAULT) {
    problem(`${loud.length} warnings and errors at ${name}:\n${loud.slice(0, 10).join('\n')}`);
  }
  const stack = lines.find((line) => /frames/.test(line) || /^\s+at /.test(line));
  if (stack !== undefined) problem(`a stack at ${name}: ${stack}`);
}

function judgeMemory(
  kb: readonly number[],
  say: (text: string) => void,
  problem: (text: string) => void,
): void {
  if (kb.length < 2 * MEMORY_FAULTS) return;
  const median = (part: readonly number[]) =>
    part.toSorted((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0;
  const [early, late] = [
    median(kb.slice(MEMORY_FAULTS, 2 * MEMORY_FAULTS)),
    median(kb.slice(-MEMORY_FAULTS)),
  ];
  say(`resident: ${Math.round(early / 1_024)} MB early, ${Math.round(late / 1_024)} MB late`);
  if (late - early > MOST_GROWTH_KB) problem(`memory grew from ${early} KB to ${late} KB`);
}

function inRandomOrder<Thing>(things: readonly Thing[], next: () => number): Thing[] {
  return things
    .map((thing) => [next(), thing] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, thing]) => thing);
}
