import assert from 'node:assert/strict';
import { EventError, RedisUnavailableError } from '../../../lib/errors.ts';
import { MAX_AHEAD_MS } from '../../../lib/redis/clock.ts';
import { LONGEST_WAIT_MS } from '../../../lib/store/delivery-record.ts';
import { DAY, HOUR, MINUTE } from '../../support/clock.ts';
import { countCommands } from '../../support/monitor.ts';
import { needsRealRedis } from '../../support/redis.ts';
import { uuidOf } from '../../support/uuids.ts';
import { BEFORE, NEW, OLD, OTHER } from '../../support/votes.ts';
import { inWorld, LOCAL_UUID, START } from './world.ts';

const SECOND_LOOK = 3_000;

inWorld('an IP check', ({ test, settled }) => {
  test('the first address ever observed is a change, from nothing, and every producer is due', async (w) => {
    await w.addProducers(uuidOf(1), uuidOf(2));
    w.answers = [OLD, OLD, '?'];

    const summary = await w.check();

    const at = START + SECOND_LOOK;
    assert.equal(summary.outcome, 'changed');
    assert.equal(summary.ip, OLD);
    assert.equal(summary.epoch, at);
    assert.deepEqual(summary.commit, { due: 2, leased: 0, skipped: 0, dropped: 0, removed: 0 });
    assert.deepEqual(await w.register(), {
      ticket: '1',
      recorded: '1',
      current: OLD,
      epoch: String(at),
      since: String(at),
      checkedAt: String(at),
      verifiedAt: String(at),
      unknownChecks: '0',
      answering: '2',
      told: '0',
      recent: '',
    });
    assert.deepEqual(Object.keys(await w.due()).sort(), [uuidOf(1), uuidOf(2)]);
    assert.deepEqual(await w.history(), [
      {
        from: '',
        to: OLD,
        epoch: String(at),
        at: String(at),
        source: 'sources',
        votes: `{"s0":"${OLD}","s1":"${OLD}","s2":"timeout"}`,
      },
    ]);
    assert.deepEqual(w.invoked, [{ functionName: 'notify', payload: { changed: { ip: OLD, epoch: at } } }]);
    assert.equal(await w.test.command('GET', w.keys.uuid), LOCAL_UUID);
  });

  test('the first address needs the quorum too', async (w) => {
    await w.addProducers(uuidOf(1));
    w.answers = [OLD, '?', '?'];
    const summary = await w.check();
    assert.equal(summary.outcome, 'unknown');
    assert.equal((await w.register()).current, undefined);
    assert.deepEqual(await w.due(), {});
    assert.deepEqual(w.invoked, []);
  });

  settled('a quiet check is one request to a source, two round trips and four commands', async (w) => {
    const summary = await w.check();
    assert.equal(summary.outcome, 'confirmed');
    assert.equal(summary.asked, 1);
    assert.equal(w.asked.length, 1);
    // TIME and the ticket, then the record: the contract allows six.
    assert.deepEqual(w.trips, [2, 1]);
  });

  settled(
    'of a quiet check Redis runs 9 commands, those inside scripts counted',
    async (w) => {
      const count = await countCommands(w.test.tcpUrl, (word) => w.test.command('ECHO', word));
      assert.equal((await w.check()).outcome, 'confirmed');
      assert.deepEqual(await count.take(), { sent: 3, run: 9 });
    },
    needsRealRedis(),
  );

  test('a quiet check invokes nothing, makes nobody due and writes no history', async (w) => {
    await w.settle(OLD, uuidOf(1), uuidOf(2));
    const before = await w.history();
    for (let i = 0; i < 4; i++) {
      const summary = await w.later(MINUTE, OLD, OLD, OLD);
      assert.equal(summary.notify, 'not-needed');
    }
    assert.deepEqual(w.invoked, []);
    assert.deepEqual(await w.due(), {});
    assert.deepEqual(await w.history(), before);
    const register = await w.register();
    assert.equal(register.verifiedAt, String(w.nowMs));
    assert.equal(register.checkedAt, String(w.nowMs));
    assert.equal(register.recorded, register.ticket);
  });

  settled('a producer that is added without a change is not due', async (w) => {
    await w.addProducers(uuidOf(2));
    await w.later(MINUTE, OLD, OLD, OLD);
    await w.later(MINUTE, '?', '?', '?');
    await w.later(MINUTE, NEW, NEW, OLD);
    assert.deepEqual(await w.due(), {});
    assert.deepEqual(w.invoked, []);
  });

  test('the sources take turns', async (w) => {
    await w.settle(OLD);
    const turns: string[] = [];
    for (let i = 0; i < 6; i++) {
      await w.later(MINUTE, OLD, OLD, OLD);
      turns.push(...w.asked);
    }
    assert.deepEqual(turns, ['s2', 's0', 's1', 's2', 's0', 's1']);
  });

  settled('a change that nobody contests is committed by one check, after a second look', async (w) => {
    const began = w.nowMs;
    const verifiedAt = (await w.register()).verifiedAt;
    const oldEpoch = Number((await w.register()).epoch);
    const summary = await w.later(0, NEW, NEW, '?');

    assert.equal(summary.outcome, 'changed');
    assert.equal(w.nowMs, began + SECOND_LOOK);
    assert.deepEqual(w.asked.toSorted(), ['s0', 's0', 's1', 's1', 's2', 's2'], 'all of them, twice');
    const register = await w.register();
    assert.equal(register.current, NEW);
    assert.equal(register.previous, OLD);
    assert.equal(register.since, String(w.nowMs));
    assert.ok(Number(register.epoch) > oldEpoch);
    const last = (await w.history()).at(-1);
    assert.equal(last?.from, OLD);
    assert.equal(last?.to, NEW);
    assert.equal(
      last?.verifiedAt,
      verifiedAt,
      'the change happened after the old address was last confirmed',
    );
  });

  settled('whoever becomes due is due since 3 s ago, for a drain whose clock is behind', async (w) => {
    await w.later(0, NEW, NEW, NEW);
    await w.assertDue({ [uuidOf(1)]: w.nowMs - 3_000 });
  });

  settled('an address that only the first look saw is not committed', async (w) => {
    w.answers = [NEW, NEW, NEW];
    const summary = await w.check({
      asleep: () => {
        w.answers = [OLD, OLD, OLD];
      },
    });
    assert.equal(summary.outcome, 'unknown');
    assert.equal((await w.register()).current, OLD);
    assert.equal((await w.register()).candidate, undefined, 'the first look is not stored');
    assert.deepEqual(await w.due(), {});
  });

  settled('a source that fails makes the check ask the others, each once', async (w) => {
    const asked: string[][] = [];
    for (let i = 0; i < 3; i++) {
      assert.equal((await w.later(MINUTE, '?', OLD, OLD)).outcome, 'confirmed');
      asked.push(w.asked.toSorted());
    }
    assert.deepEqual(asked, [['s2'], ['s0', 's1', 's2'], ['s1']]);
  });

  settled('a second look that is contested makes the check the first of three', async (w) => {
    w.answers = [NEW, NEW, NEW];
    const summary = await w.check({
      asleep: () => {
        w.answers = [NEW, NEW, OLD];
      },
    });
    assert.equal(summary.outcome, 'counted');
    assert.equal(summary.checks, 1);
    assert.equal((await w.register()).candidate, NEW);
  });

  settled('a liar changes nothing, whoever is asked first', async (w) => {
    for (let i = 0; i < 6; i++) {
      const summary = await w.later(MINUTE, NEW, OLD, OLD);
      assert.equal(summary.outcome, 'confirmed');
    }
    assert.equal((await w.register()).current, OLD);
    assert.equal((await w.register()).candidate, undefined);
  });

  settled('a contested change takes three checks', async (w) => {
    // The check whose turn falls on the one that is stale is quiet: only then does a candidate come up.
    const outcomes: string[] = [];
    for (let i = 0; i < 3; i++) {
      const { outcome, checks } = await w.later(MINUTE, NEW, OLD, NEW);
      outcomes.push(`${outcome} ${checks ?? ''}`.trim());
      assert.equal(w.asked.length, 3, 'there is no second look');
      if (i < 2) assert.deepEqual(await w.due(), {});
    }
    assert.deepEqual(outcomes, ['counted 1', 'counted 2', 'changed']);
    const register = await w.register();
    assert.equal(register.current, NEW);
    assert.equal(register.candidate, undefined);
    assert.equal(register.candidateChecks, undefined);
    assert.equal(register.candidateAt, undefined);
    assert.deepEqual(Object.keys(await w.due()), [uuidOf(1)]);
  });

  settled('one stale source that leads every third check does not hold a contested change up', async (w) => {
    for (let i = 0; i < 4; i++) await w.later(MINUTE, OLD, NEW, NEW);
    assert.equal((await w.register()).current, NEW);
  });

  settled('a single voice neither confirms nor resets while a candidate is set', async (w) => {
    await w.later(MINUTE, NEW, OLD, NEW);
    const before = await w.register();
    const summary = await w.later(MINUTE, OLD, '?', '?');
    assert.equal(summary.outcome, 'unknown');
    assert.equal(w.asked.length, 3, 'all are asked');
    const {
      ticket,
      recorded,
      checkedAt,
      unknownChecks,
      answering: _,
      answeringWarnedAt: __,
      ...rest
    } = await w.register();
    for (const [field, value] of Object.entries(rest)) assert.equal(value, before[field], field);
    assert.equal(unknownChecks, '1');
    assert.equal(recorded, ticket);
    assert.equal(checkedAt, String(w.nowMs));
  });

  settled(
    'a candidate that another check set meanwhile is not confirmed away by a single voice',
    async (w) => {
      w.answers = [OLD, OLD, OLD];
      const summary = await w.check({
        // Between the two trips of this check, which saw no candidate, an older ticket is recorded.
        before: async (trip) => {
          if (trip !== 2) return;
          await w.set({ candidate: NEW, candidateChecks: 2, candidateAt: w.nowMs });
        },
      });
      assert.equal(summary.outcome, 'unknown');
      assert.equal((await w.register()).candidate, NEW);
      assert.equal((await w.register()).candidateChecks, '2');
    },
  );

  settled('unknown checks neither count nor reset, and are counted themselves', async (w) => {
    await w.later(MINUTE, NEW, OLD, NEW);
    await w.later(MINUTE, '?', '?', '?');
    await w.later(MINUTE, NEW, OLD, '?');
    assert.equal((await w.register()).candidateChecks, '1');
    assert.equal((await w.register()).unknownChecks, '2');
    await w.later(MINUTE, NEW, OLD, NEW);
    assert.equal((await w.register()).candidateChecks, '2');
    assert.equal((await w.register()).unknownChecks, '0');
    assert.equal((await w.later(MINUTE, NEW, OLD, NEW)).outcome, 'changed');
  });

  settled('a failure of all sources is unknown and keeps the address, for ever if it has to', async (w) => {
    const { verifiedAt } = await w.register();
    for (let i = 1; i <= 70; i++) {
      const summary = await w.later(MINUTE, '?', '?', '?');
      assert.equal(summary.outcome, 'unknown');
      assert.equal(summary.unknownChecks, i);
    }
    const register = await w.register();
    assert.equal(register.current, OLD);
    assert.equal(register.verifiedAt, verifiedAt);
    assert.deepEqual(w.invoked, []);
    const warnings = w.logs.filter(
      ({ level, message }) => level === 'warn' && message.includes('do not settle'),
    );
    assert.equal(warnings.length, 2, 'the first, and one an hour');
  });

  settled('another contested address starts at one', async (w) => {
    await w.later(MINUTE, NEW, OLD, NEW);
    await w.later(MINUTE, NEW, OLD, NEW);
    const summary = await w.later(MINUTE, OTHER, OLD, OTHER);
    assert.equal(summary.checks, 1);
    assert.equal((await w.register()).candidate, OTHER);
    assert.equal((await w.register()).current, OLD);
  });

  settled('only a quorum with a strict majority for the current address clears the candidate', async (w) => {
    await w.later(MINUTE, NEW, OLD, NEW);
    w.quorum = 3;
    await w.later(MINUTE, OLD, OLD, '?');
    assert.equal((await w.register()).candidate, NEW, 'a majority without quorum');
    w.quorum = 2;
    await w.later(MINUTE, OLD, OLD, NEW, NEW);
    assert.equal((await w.register()).candidate, NEW, 'a quorum without majority');
    const summary = await w.later(MINUTE, OLD, OLD, NEW);
    assert.equal(summary.outcome, 'confirmed');
    for (const field of ['candidate', 'candidateChecks', 'candidateAt']) {
      assert.equal((await w.register())[field], undefined, field);
    }
    assert.equal((await w.register()).verifiedAt, String(w.nowMs));
  });

  settled(
    'while a candidate is set an address that nobody contests is committed after its second look',
    async (w) => {
      await w.later(MINUTE, NEW, OLD, NEW);
      const summary = await w.later(MINUTE, NEW, '?', NEW);
      assert.equal(summary.outcome, 'changed');
      assert.equal((await w.register()).candidate, undefined);
    },
  );

  settled('a check that began less than 20 s after the last that counted does not count', async (w) => {
    await w.later(MINUTE, NEW, OLD, NEW);
    const tooSoon = await w.later(19_999, NEW, OLD, NEW);
    assert.equal(tooSoon.outcome, 'waiting');
    assert.equal(tooSoon.checks, 1);
    const { candidateAt } = await w.register();
    assert.equal(candidateAt, String(w.nowMs - 19_999), 'nor does it put off the next one');
    const inTime = await w.later(1, NEW, OLD, NEW);
    assert.equal(inTime.outcome, 'counted');
    assert.equal(inTime.checks, 2);
  });

  settled('counting starts at one when the last check that counted is older than 10 minutes', async (w) => {
    await w.later(MINUTE, NEW, OLD, NEW);
    assert.equal((await w.later(10 * MINUTE, NEW, OLD, NEW)).checks, 2);
    assert.equal((await w.later(10 * MINUTE + 1, NEW, OLD, NEW)).checks, 1);
  });

  settled('with a long period counting starts at one only after three periods', async (w) => {
    w.periodMs = 10 * MINUTE;
    await w.later(MINUTE, NEW, OLD, NEW);
    assert.equal((await w.later(30 * MINUTE, NEW, OLD, NEW)).checks, 2);
    assert.equal((await w.later(30 * MINUTE + 1, NEW, OLD, NEW)).checks, 1);
  });

  settled(
    'a return to the previous address within 10 minutes takes three checks, though nobody contests it',
    async (w) => {
      await w.later(MINUTE, NEW, NEW, NEW);
      assert.equal((await w.register()).current, NEW);
      const outcomes: string[] = [];
      for (let i = 0; i < 3; i++) outcomes.push((await w.later(MINUTE, OLD, OLD, OLD)).outcome);
      assert.deepEqual(outcomes, ['counted', 'counted', 'changed']);
      assert.equal((await w.register()).current, OLD);
      assert.equal((await w.register()).previous, NEW);
    },
  );

  settled('a flip back after 10 minutes is a new change like any other: everyone is called', async (w) => {
    await w.later(MINUTE, NEW, NEW, NEW);
    await w.test.command('DEL', w.keys.due);
    const summary = await w.later(10 * MINUTE, OLD, OLD, OLD);
    assert.equal(summary.outcome, 'changed');
    assert.deepEqual(Object.keys(await w.due()), [uuidOf(1)]);
    assert.equal(w.invoked.length, 2);
  });

  settled('an address that flaps every minute is not announced every minute', async (w) => {
    for (let i = 0; i < 9; i++) {
      const now = i % 2 === 0 ? NEW : OLD;
      await w.later(MINUTE, now, now, now);
    }
    assert.equal(w.invoked.filter(({ payload }) => payload !== undefined).length, 9, 'as long as it is due');
    assert.equal((await w.history()).length, 2, 'the first address, and one change');
  });

  settled('an older check that finishes after a newer one changes nothing', async (w) => {
    w.answers = [NEW, NEW, NEW];
    const older = await w.check({
      before: async (trip) => {
        if (trip !== 2) return;
        w.answers = [OLD, OLD, OLD];
        assert.equal((await w.check()).outcome, 'confirmed');
      },
    });
    assert.equal(older.outcome, 'stale');
    assert.equal(older.reason, 'overtaken');
    assert.equal((await w.register()).current, OLD);
    assert.deepEqual(await w.due(), {});
  });

  settled(
    'a newer check that read the old epoch changes nothing after the commit of an older one',
    async (w) => {
      w.answers = [NEW, NEW, NEW];
      let inner: Promise<unknown> | undefined;
      const older = await w.check({
        // While the older one sleeps, a newer one begins, and sees the same change.
        asleep: () => {
          if (inner !== undefined) return;
          inner = w.check();
          return inner.then(() => undefined);
        },
      });
      assert.equal(older.reason, 'overtaken');
      assert.equal((await w.history()).length, 2, 'the first address and one change, not two');

      const register = await w.register();
      w.answers = [OTHER, OTHER, OTHER];
      const newer = await w.check({
        before: async (trip) => {
          if (trip === 2) await w.set({ epoch: Number(register.epoch) + 1 });
        },
      });
      assert.equal(newer.outcome, 'stale');
      assert.equal(newer.reason, 'epoch');
      assert.equal((await w.register()).current, NEW);
    },
  );

  settled('two checks that overlap count once', async (w) => {
    w.answers = [NEW, OLD, NEW];
    w.nowMs += MINUTE;
    const twice = await Promise.all([w.check(), w.check()]);
    const counted = twice.filter(({ outcome }) => outcome === 'counted');
    assert.equal(counted.length, 1);
    assert.equal((await w.register()).candidateChecks, '1');
  });

  test('an event that is delivered twice is two checks that find the same', async (w) => {
    await w.addProducers(uuidOf(1));
    w.answers = [OLD, OLD, OLD];
    const first = await w.check();
    const second = await w.check();
    assert.equal(first.outcome, 'changed');
    assert.equal(second.outcome, 'confirmed');
    assert.equal((await w.history()).length, 1);
  });

  settled('a ticket from before a loss of data changes nothing', async (w) => {
    w.answers = [NEW, NEW, NEW];
    const summary = await w.check({
      before: async (trip) => {
        if (trip === 2) await w.test.command('FLUSHALL');
      },
    });
    assert.equal(summary.outcome, 'stale');
    assert.equal(summary.reason, 'data-loss');
    assert.equal(await w.test.command('DBSIZE'), 0);
    assert.deepEqual(w.invoked, []);
  });

  settled(
    'a verdict about an address that a loss of data took changes nothing after others have drawn tickets',
    async (w) => {
      w.answers = [NEW, NEW, NEW];
      const summary = await w.check({
        before: async (trip) => {
          if (trip !== 2) return;
          await w.test.command('FLUSHALL');
          await w.set({ ticket: 9 });
        },
      });
      assert.equal(summary.reason, 'epoch');
    },
  );

  settled('after a loss of data the next check commits the address anew, with a higher epoch', async (w) => {
    const { epoch } = await w.register();
    await w.test.command('FLUSHALL');
    await w.addProducers(uuidOf(2));
    const summary = await w.later(MINUTE, OLD, OLD, OLD);
    assert.equal(summary.outcome, 'changed');
    assert.ok(Number(summary.epoch) > Number(epoch));
    assert.deepEqual(Object.keys(await w.due()), [uuidOf(2)], 'known is who is in producers now');
  });

  settled('the epoch grows although the clock went back', async (w) => {
    const { epoch } = await w.register();
    w.nowMs = START - DAY;
    await w.later(0, NEW, NEW, NEW);
    assert.equal((await w.register()).epoch, String(Number(epoch) + 1));
  });

  settled(
    'while the clock is behind candidateAt by hours, counting starts afresh instead of waiting for it',
    async (w) => {
      await w.later(MINUTE, NEW, OLD, NEW);
      w.nowMs -= 5 * 60 * MINUTE;
      assert.equal((await w.later(0, NEW, OLD, NEW)).checks, 1);
      await w.later(MINUTE, NEW, OLD, NEW);
      assert.equal((await w.later(MINUTE, NEW, OLD, NEW)).outcome, 'changed');
    },
  );

  test('whatever is due is delivered by the next check: a lost invocation costs a minute', async (w) => {
    await w.addProducers(uuidOf(1));
    w.invokeFails = true;
    w.answers = [OLD, OLD, OLD];
    const lost = await w.check();
    assert.equal(lost.outcome, 'changed');
    assert.equal(lost.notify, 'failed');
    assert.equal(w.logs.filter(({ level }) => level === 'error').length, 1);

    w.invokeFails = false;
    const next = await w.later(MINUTE, OLD, OLD, OLD);
    assert.equal(next.outcome, 'confirmed');
    assert.equal(next.notify, 'invoked');
    assert.deepEqual(w.invoked, [
      { functionName: 'notify', payload: { changed: { ip: OLD, epoch: next.epoch } } },
    ]);
  });

  settled(
    'nobody is invoked for what is due while lease:notify is held, nor for what is due later',
    async (w) => {
      await w.test.command('ZADD', w.keys.due, w.nowMs + 1, uuidOf(1));
      assert.equal((await w.later(0, OLD, OLD, OLD)).notify, 'not-needed');
      await w.test.command('SET', w.keys.lease('notify'), 'token', 'PX', 60_000);
      const running = await w.later(1, OLD, OLD, OLD);
      assert.equal(running.due, 1);
      assert.equal(running.notify, 'running');
      await w.test.command('DEL', w.keys.lease('notify'));
      assert.equal((await w.later(0, OLD, OLD, OLD)).notify, 'invoked');
    },
  );

  settled('an unknown and a stale check start what is due as well', async (w) => {
    await w.test.command('ZADD', w.keys.due, w.nowMs, uuidOf(1));
    assert.equal((await w.later(0, '?', '?', '?')).notify, 'invoked');
    const stale = await w.check({
      before: async (trip) => {
        if (trip === 2) await w.test.command('HINCRBY', w.keys.ip, 'recorded', 5);
      },
    });
    assert.equal(stale.outcome, 'stale');
    assert.equal(stale.notify, 'invoked');
  });

  settled('after a commit notify is invoked although a drain is running', async (w) => {
    await w.test.command('SET', w.keys.lease('notify'), 'token', 'PX', 60_000);
    assert.equal((await w.later(0, NEW, NEW, NEW)).notify, 'invoked');
  });

  settled(
    'after a commit notify is invoked although nothing is due yet, because all deliveries are under a lease',
    async (w) => {
      await w.test.command('HSET', w.keys.deliveries, uuidOf(1), '{"lease":"token"}');
      await w.test.command('ZADD', w.keys.due, w.nowMs + MINUTE, uuidOf(1));
      const summary = await w.later(0, NEW, NEW, NEW);
      assert.equal(summary.due, 0);
      assert.equal(summary.notify, 'invoked');
    },
  );

  test('while there is no address nobody is invoked for what is due: nothing could be claimed', async (w) => {
    await w.test.command('ZADD', w.keys.due, 1, uuidOf(1));
    const summary = await w.later(0, '?', '?', '?');
    assert.equal(summary.due, 1);
    assert.equal(summary.notify, 'not-needed');
  });

  settled(
    'a reply that never comes is an error, and the next check delivers what was committed',
    async (w) => {
      w.answers = [NEW, NEW, NEW];
      const lost = new RedisUnavailableError('no reply', { mayHaveRun: true });
      await assert.rejects(
        w.check({
          after: (trip) => {
            if (trip === 2) throw lost;
          },
        }),
        lost,
      );
      assert.deepEqual(w.invoked, []);
      assert.ok(w.logs.some(({ level, message }) => level === 'warn' && message.includes('recorded or not')));

      const next = await w.later(MINUTE, NEW, NEW, NEW);
      assert.equal(next.outcome, 'confirmed');
      assert.deepEqual(w.invoked, [
        { functionName: 'notify', payload: { changed: { ip: NEW, epoch: next.epoch } } },
      ]);
    },
  );

  settled('a reply of the first trip that is lost costs a ticket and nothing else', async (w) => {
    const lost = new RedisUnavailableError('no reply', { mayHaveRun: true });
    await assert.rejects(
      w.check({
        after: () => {
          throw lost;
        },
      }),
      lost,
    );
    assert.equal((await w.later(MINUTE, OLD, OLD, OLD)).outcome, 'confirmed');
  });

  settled('a check that is aborted before its second trip records nothing', async (w) => {
    const { recorded } = await w.register();
    const ending = new AbortController();
    w.answers = [NEW, NEW, NEW];
    const summary = await w.check({ signal: ending.signal, asleep: () => ending.abort() });
    assert.equal(summary.outcome, 'aborted');
    assert.equal((await w.register()).recorded, recorded);
    assert.deepEqual(await w.due(), {});
  });

  settled('votes from before a long pause of the machine count for nothing', async (w) => {
    w.answers = [NEW, NEW, NEW];
    const summary = await w.check({
      asleep: () => {
        w.nowMs += 8 * 60 * MINUTE;
        w.frozenMs += 8 * 60 * MINUTE;
      },
    });
    assert.equal(summary.outcome, 'unknown');
    assert.equal((await w.register()).current, OLD);
    assert.equal((await w.register()).checkedAt, String(w.nowMs), 'the time was read again after the pause');
  });

  settled('after a short pause the time is read again before the second trip', async (w) => {
    w.answers = [OLD, OLD, OLD];
    await w.check({
      asking: () => {
        w.nowMs += 5_000;
        w.frozenMs += 5_000;
      },
    });
    assert.deepEqual(w.trips, [2, 1, 1]);
    assert.equal((await w.register()).checkedAt, String(w.nowMs));
  });

  settled('a reply to TIME that took over 2 s is not trusted', async (w) => {
    w.answers = [OLD, OLD, OLD];
    await w.check({
      after: (trip) => {
        if (trip === 1) w.nowMs += 2_001;
      },
    });
    assert.deepEqual(w.trips, [2, 1, 1]);
    assert.equal((await w.register()).checkedAt, String(w.nowMs));
  });

  settled('nor does it make anybody due in the future', async (w) => {
    w.answers = [NEW, NEW, NEW];
    await w.check({
      after: (trip) => {
        if (trip === 1) w.nowMs += 2_001;
      },
    });
    await w.assertDue({ [uuidOf(1)]: w.nowMs - 3_000 });
  });

  settled('a dns: source that names another address is reported once a day', async (w) => {
    w.kinds = ['http', 'http', 'dns'];
    const warnings = () => w.logs.filter(({ message }) => message.includes('dns: source')).length;
    for (let i = 0; i < 6; i++) await w.later(MINUTE, OLD, OLD, BEFORE);
    assert.equal(warnings(), 1);
    assert.deepEqual(w.logs.find(({ message }) => message.includes('dns: source'))?.fields, {
      named: BEFORE,
      seen: OLD,
    });
    assert.equal((await w.register()).current, OLD);
    w.nowMs += DAY;
    for (let i = 0; i < 3; i++) await w.later(MINUTE, OLD, OLD, BEFORE);
    assert.equal(warnings(), 2);
  });

  test('an address sent to ip-check is refused before anything is asked', async (w) => {
    for (const event of [{ ip: '203.0.113.5' }, { epoch: 5 }, { changed: {} }, 'text', 5, [], true]) {
      await assert.rejects(w.check({}, event), EventError);
    }
    assert.equal(await w.test.command('DBSIZE'), 0);
    w.answers = [OLD, OLD, OLD];
    for (const event of [{}, undefined, null, { source: 'aws.events', detail: {} }]) {
      assert.notEqual((await w.check({}, event)).outcome, 'aborted');
    }
  });

  settled(
    'a history of the wrong type does not hold a change up: it is committed, and a warning says so',
    async (w) => {
      await w.test.command('DEL', w.keys.ipHistory);
      await w.test.command('RPUSH', w.keys.ipHistory, 'wrong');
      assert.equal((await w.later(MINUTE, NEW, NEW, NEW)).outcome, 'changed');
      assert.deepEqual(Object.keys(await w.due()), [uuidOf(1)]);
      assert.ok(w.logs.some(({ level, message }) => level === 'warn' && message.includes('ip:history')));
      assert.deepEqual(await w.test.command('LRANGE', w.keys.ipHistory, 0, -1), ['wrong']);
    },
  );

  settled(
    'a lease:notify of the wrong type, endless, or longer than a lease can be does not count as a drain',
    async (w) => {
      await w.test.command('ZADD', w.keys.due, w.nowMs, uuidOf(1));
      const lease = w.keys.lease('notify');
      for (const damage of [
        ['RPUSH', lease, 'wrong'],
        ['SET', lease, 'token'],
        ['SET', lease, 'token', 'PX', DAY],
      ] as const) {
        await w.test.command('DEL', lease);
        const [name, ...args] = damage;
        await w.test.command(name, ...args);
        assert.equal((await w.later(MINUTE, OLD, OLD, OLD)).notify, 'invoked', damage.join(' '));
      }
      await w.test.command('SET', lease, 'token', 'PX', 140_000);
      assert.equal((await w.later(MINUTE, OLD, OLD, OLD)).notify, 'running');
    },
  );

  settled(
    'a delivery farther ahead than any interval is damage by a clock that was set back, and counts as due',
    async (w) => {
      await w.test.command('ZADD', w.keys.due, w.nowMs + LONGEST_WAIT_MS, uuidOf(1));
      assert.equal((await w.later(0, OLD, OLD, OLD)).notify, 'not-needed');
      await w.test.command('ZADD', w.keys.due, w.nowMs + LONGEST_WAIT_MS + 1, uuidOf(1));
      const summary = await w.later(0, OLD, OLD, OLD);
      assert.equal(summary.due, 1);
      assert.equal(summary.notify, 'invoked');
    },
  );

  settled(
    "what waits for its next try does not wait longer because Redis's clock was set back",
    async (w) => {
      const waiting = { soon: 30_000, hourly: HOUR };
      for (const [uuid, ms] of Object.entries(waiting))
        await w.test.command('ZADD', w.keys.due, w.nowMs + ms, uuid);
      assert.equal((await w.later(0, OLD, OLD, OLD)).due, 0);

      const summary = await w.later(-10 * MINUTE, OLD, OLD, OLD);

      assert.equal(summary.due, 2);
      assert.equal(summary.notify, 'invoked');
      const atOnce = w.nowMs - MAX_AHEAD_MS;
      await w.assertDue({ hourly: atOnce, soon: atOnce });

      await w.test.command('ZADD', w.keys.due, w.nowMs + HOUR, 'soon', w.nowMs + HOUR, 'hourly');
      assert.equal((await w.later(MINUTE, OLD, OLD, OLD)).due, 0, 'the clock goes on as it should');
    },
  );

  const POISON: Readonly<Record<string, string>> = {
    current: 'poison',
    previous: 'poison',
    epoch: '99999999999999999999',
    since: 'poison',
    ticket: 'poison',
    recorded: 'poison',
    candidate: 'poison',
    candidateChecks: '99',
    candidateAt: '999999999999999',
    checkedAt: 'poison',
    verifiedAt: 'poison',
    unknownChecks: 'poison',
    manualIds: '{"not":',
    warnedAt: '999999999999999',
    answering: '999',
    answeringWarnedAt: 'poison',
    recent: '203.0.113.9 @ @@ poison@5 203.0.113.9@',
    returns: '99',
    returnsAt: '999999999999999',
    dampedAt: '999999999999999',
    told: 'poison',
    firstAck: 'poison',
    lastAck: '999999999999999',
  };
  for (const [field, value] of Object.entries(POISON)) {
    settled(`a poisoned ${field} stops neither quiet checks nor changes`, async (w) => {
      await w.set({ [field]: value });
      for (let i = 0; i < 3; i++) await w.later(MINUTE, OLD, OLD, OLD);
      const register = await w.register();
      assert.equal(register.current, OLD);
      assert.equal(register.recorded, register.ticket);
      assert.match(register.epoch ?? '', /^\d{13}$/);

      w.nowMs += 11 * MINUTE;
      await w.set({ [field]: value });
      await w.test.command('DEL', w.keys.due);
      for (let i = 0; i < 5; i++) await w.later(MINUTE, NEW, NEW, OLD);
      assert.equal((await w.register()).current, NEW);
      assert.deepEqual(Object.keys(await w.due()), [uuidOf(1)]);
    });
  }

  settled(
    'a poisoned candidate with every part beyond reason does not decide a contested change',
    async (w) => {
      await w.set({ candidate: NEW, candidateChecks: '99', candidateAt: w.nowMs - MINUTE });
      assert.equal((await w.later(0, NEW, OLD, NEW)).checks, 1);
      await w.set({ candidateChecks: '2', candidateAt: '999999999999999' });
      assert.equal((await w.later(MINUTE, NEW, OLD, NEW)).checks, 1);
    },
  );

  settled('a recorded ticket ahead of the tickets does not stop the checks for ever', async (w) => {
    await w.set({ recorded: '5000' });
    assert.equal((await w.later(MINUTE, OLD, OLD, OLD)).outcome, 'confirmed');
    assert.equal((await w.register()).recorded, '5001');
  });

  settled('tickets that have come to their last digit begin anew', async (w) => {
    for (const field of ['ticket', 'recorded']) {
      await w.set({ [field]: '999999999999998' });
      await w.later(MINUTE, OLD, OLD, OLD);
      assert.equal((await w.later(MINUTE, OLD, OLD, OLD)).outcome, 'confirmed', field);
      assert.equal((await w.register()).recorded, '1');
    }
  });
});
