import type { Prepare } from '../contestant.ts';
import { watchHeavyModules } from '../loaded.ts';
import type { AppParams } from './app.ts';

/** One look at the public IP, after the first ones have settled what it is. */
export const prepare: Prepare<AppParams> = async (params) => {
  const heavyModules = watchHeavyModules();
  const { invocation, openSubject } = await import('./app.ts');
  const { app } = openSubject(params);
  const check = () => app.ipCheck({ source: 'schedule' }, invocation());
  const first = await check();
  if (first.outcome !== 'changed') throw new Error(`the first check ended ${first.outcome}, not changed`);
  return {
    async run() {
      const { outcome } = await check();
      if (outcome !== 'confirmed') throw new Error(`a quiet check ended ${outcome}, not confirmed`);
      return { heavyModules: heavyModules() };
    },
  };
};
