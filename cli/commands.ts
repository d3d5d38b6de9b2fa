import { visible } from '../report/text/escape.ts';
import { alert } from './alert.ts';
import type { OptionName } from './arguments.ts';
import type { Command } from './command.ts';
import { completion } from './completion.ts';
import { environmentOf } from './context.ts';
import { doctor } from './doctor/doctor.ts';
import { UsageError } from './errors.ts';
import { history } from './history.ts';
import { check } from './jobs/check.ts';
import { notify } from './jobs/notify.ts';
import { sync } from './jobs/sync.ts';
import { man } from './man.ts';
import { page } from './page.ts';
import { addPeer, removePeer } from './peers/change.ts';
import { CONSUMERS } from './peers/consumers.ts';
import { list } from './peers/list.ts';
import { PRODUCERS } from './peers/producers.ts';
import { status } from './status/status.ts';
import { verify } from './verify/verify.ts';
import { version } from './version.ts';

const PEER_OPTIONS: readonly OptionName[] = ['state', 'uuid', 'limit', 'wide', 'replace'];
const JOB_OPTIONS = ['stage', 'region', 'dry-run', 'limit', 'wide', 'yes', 'verbose'] as const;
const JOB_COMBINATIONS: Command['combinations'] = [
  ['region', 'with', 'stage'],
  ['dry-run', 'without', 'stage'],
  ['limit', 'with', 'dry-run'],
  ['wide', 'with', 'dry-run'],
];

export const COMMANDS: readonly Command[] = [
  {
    name: 'doctor',
    usage: ['[--reach ip[:port]]'],
    summary: 'is it set up right?',
    details: [
      'Looks at the configuration, Redis, the IP sources, where calls leave from, the own consumer API, clocks and schedules. Each line is ok, warning or failure, and says what to do.',
      'Run it where the scheduler runs: it sees this machine. With --reach it is told where consumers reach your consumer API, and holds that against what the sources see.',
      'It writes one thing to Redis, a lease of its own, and gives it back. Exit code 1 means a failure; warnings leave it 0.',
    ],
    options: ['reach'],
    run: alone(doctor),
  },
  {
    name: 'status',
    usage: ['[--all] [--watch]'],
    summary: 'what is going on?',
    details: [
      'The first line is the verdict: OK, ATTENTION or UNKNOWN. What was found out too long ago is unknown, never ok. Exit code 0 means OK, 1 one of the other two, 3 that Redis could not be asked.',
      'Reads Redis alone, 20 commands at most. Above 2,000 consumers their states are those of the last complete round; --all counts them, two commands for each 1,000.',
    ],
    options: ['all', 'watch'],
    run: alone(status),
  },
  {
    name: 'page',
    usage: ['[--port n]'],
    summary: 'serve the status as a web page on this machine',
    details: [
      'Serves the status page, /status.json, /metrics and /healthz until Ctrl-C: where PAGE_PORT says, or on 127.0.0.1:8090. It reads Redis alone, so it also shows a scheduler that runs on AWS.',
    ],
    options: ['port'],
    noJson: true,
    run: alone(page),
  },
  peers('consumers'),
  peers('producers'),
  {
    name: 'sync',
    usage: ['[--stage name [--region name]] [--yes]', '--dry-run [--limit n] [--wide]'],
    summary: 'run a round of synchronization now',
    details: [
      'Calls every consumer that is due, from this machine, or with --stage by the deployed function. If the address seen from here is not the one in the register, it asks first: every peer that is called records where the call came from.',
    ],
    options: JOB_OPTIONS,
    combinations: JOB_COMBINATIONS,
    run: alone(sync),
  },
  {
    name: 'check',
    usage: ['[--stage name [--region name]] [--yes]', '--dry-run [--limit n] [--wide]'],
    summary: 'look at the address now, and tell producers if it changed',
    details: [
      'Asks the IP sources, from this machine, or with --stage by the deployed function. If they see another address than the register has, it asks first: only on the host itself is that a change. Scripts on the host give --yes.',
    ],
    options: JOB_OPTIONS,
    combinations: JOB_COMBINATIONS,
    run: alone(check),
  },
  {
    name: 'notify',
    usage: [
      '--ip address [--stage name [--region name]] [--id id] [--yes]',
      '[--stage name [--region name]]',
      '[--ip address] --dry-run [--limit n] [--wide]',
    ],
    summary: "tell all producers an address: the operator's word",
    details: [
      'The word is always a new change, whatever the register has: every producer is told. The sources win again with the next check that sees otherwise. Without --ip it delivers what is due.',
      'It counts once per command. If it is not known how it ended, an id is printed with which it can be repeated safely.',
    ],
    options: ['ip', 'id', ...JOB_OPTIONS],
    combinations: [['id', 'with', 'ip'], ...JOB_COMBINATIONS],
    run: alone(notify),
  },
  {
    name: 'history',
    usage: ['[--limit n] [--all]'],
    summary: 'changes of the address, votes, and how long producers took',
    details: ['Shows 5 changes unless --limit says otherwise, and of each the producers that took longest.'],
    options: ['limit', 'all', 'wide'],
    run: alone(history),
  },
  {
    name: 'verify',
    usage: [
      'consumer address [--redis url] [--prefix text] [--port n]',
      'producer address',
      '(consumer | producer) address [--allow networks] [--as uuid]',
    ],
    summary: 'does a peer that you write keep the contract?',
    details: [
      'For the author of a consumer API or a producer. Each line is a rule of docs/PEERS.md: it holds, is wrong, is optional and not done, or could not be checked. Exit code 0: nothing is wrong; 1: something is; 3: the peer cannot be reached.',
      'It makes some hundred calls and introduces uuids that do not exist: for a test instance, never for a peer that others use. --redis names its test database: what was written there is removed afterwards.',
    ],
    options: ['allow', 'redis', 'prefix', 'port', 'as'],
    combinations: [['prefix', 'with', 'redis']],
    run: verify,
  },
  {
    name: 'alert',
    usage: ['--test'],
    summary: 'send a test message to ALERT_URL',
    details: [
      'The host sends alerts by itself when the verdict or the address changes. This shows that they arrive.',
    ],
    options: ['test'],
    run: alone(alert),
  },
  {
    name: 'host',
    usage: [''],
    summary: 'run the scheduler on this machine until it is stopped',
    details: [
      'The three jobs on their intervals, without AWS. Its exit codes are its own: 78 for a configuration that is not usable.',
    ],
    options: [],
    noJson: true,
    run: alone(async (context) => {
      const { runHost } = await import('../host/main.ts');
      return runHost(() => environmentOf(context));
    }),
  },
  {
    name: 'completion',
    usage: ['bash | zsh'],
    summary: 'print what completes commands in your shell',
    details: ['With bash: source <(p2p completion bash). With zsh: p2p completion zsh > "${fpath[1]}/_p2p".'],
    options: [],
    noJson: true,
    run: (context) => completion(context, COMMANDS),
  },
  {
    name: 'man',
    usage: [''],
    summary: 'print the manual page',
    details: ['It is made of the same words as this help: p2p man | man -l -'],
    options: [],
    noJson: true,
    run: alone((context) => man(context, COMMANDS)),
  },
  {
    name: 'version',
    usage: [''],
    summary: 'print versions',
    details: [],
    options: [],
    run: alone(version),
  },
];

function peers(name: 'consumers' | 'producers'): Command {
  const one = name.slice(0, -1);
  const states =
    name === 'consumers'
      ? 'alive, suspect, dead, new, unknown (found out too long ago), self, unusable'
      : 'told, again (told once more), telling, waiting, retrying, missing (not in producers), new, unusable';
  return {
    name,
    usage: [
      '[list] [--state a,b] [--uuid start] [--limit n] [--wide]',
      'add uuid address [--replace]',
      'remove uuid',
    ],
    summary: `list, add and remove ${name}`,
    details: [
      `A line for each ${one}. Its state is one of: ${states}.`,
      `At most 100 are shown; reading stops there. --wide shows whole UUIDs, which add and remove take.`,
    ],
    options: PEER_OPTIONS,
    async run(context) {
      const [, action, ...rest] = context.args.words;
      const own = (...options: readonly OptionName[]) => {
        const other = context.args.options.find(
          (each) => PEER_OPTIONS.includes(each) && !options.includes(each),
        );
        if (other === undefined) return true;
        throw new UsageError(`${name} ${action ?? 'list'} has no option --${other}.`, name);
      };
      if (action === undefined || (action === 'list' && rest.length === 0)) {
        own('state', 'uuid', 'limit', 'wide');
        return name === 'consumers' ? list(context, CONSUMERS) : list(context, PRODUCERS);
      }
      if (action === 'add' && rest.length === 2 && own('replace')) return addPeer(context, name);
      if (action === 'remove' && rest.length === 1 && own()) return removePeer(context, name);
      throw new UsageError(`${name} takes: nothing or "list", "add uuid address", or "remove uuid".`, name);
    },
  };
}

/** A command without words of its own. */
function alone(run: Command['run']): Command['run'] {
  return async (context) => {
    const [name, extra] = context.args.words;
    if (extra !== undefined) throw new UsageError(`${name} takes no "${visible(extra)}".`, name);
    return run(context);
  };
}
