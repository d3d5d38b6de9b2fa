// What differs from Lambda where the functions run on this machine, put right.
//
// serverless-offline starts an `Event` invocation and drops its promise, so that a handler that throws ends the whole process. On
// Lambda a failed asynchronous invocation harms no other. (The error is in the log all the same: serverless-offline
// writes it before it is dropped. Who waits for an invocation still sees it.)
//
// serverless-offline hands a variable that is null in serverless.yml to the functions as the text "null". On Lambda it is
// not set.
//
// `invoke local` without data hands the event '' to the function. Lambda hands it {}.
//
// Serverless reads a `.env` by rules of its own: it replaces what follows a $ in a value. A password that is cut without
// a word costs an hour, so such a value is refused by name.
'use strict';

const { existsSync, readFileSync } = require('node:fs');
const path = require('node:path');
const { parseEnv } = require('node:util');

module.exports = class OfflineGuard {
  constructor(serverless, options, { log }) {
    const readEnv = () => {
      const name = mangledBy(serverless.configurationInput.useDotenv, serverless.serviceDir);
      if (name === undefined) return;
      throw new serverless.classes.Error(
        `${name} in .env holds a $, and Serverless would replace what follows it. Write %24 for it in a URL, export the variable instead, or use "npm start", which takes a .env as it is.`,
        'P2P_REFUSED',
      );
    };
    const guard = async () => {
      readEnv();
      dropUnset(serverless.service.provider.environment);
      await guardInvocations(log);
    };
    this.hooks = {
      'before:offline:start': guard,
      'before:offline:start:init': guard,
      'before:invoke:local:loadEnvVars': readEnv,
      'before:invoke:local:invoke': () => {
        if (options.data === '') options.data = {};
      },
    };
  }
};

/** @returns the first variable whose value in `.env` is not what Serverless made of it, or undefined. */
function mangledBy(useDotenv, folder) {
  const file = path.join(folder, '.env');
  if (!useDotenv || !existsSync(file)) return undefined;
  const written = Object.entries(parseEnv(readFileSync(file, 'utf8')));
  return written.find(([, value]) => /\$[A-Za-z_{]/.test(value))?.[0];
}

function dropUnset(environment) {
  for (const [name, value] of Object.entries(environment)) {
    if (value === null) delete environment[name];
  }
}

async function guardInvocations(log) {
  const { default: Lambda } = await import('serverless-offline/lambda');
  const { get } = Lambda.prototype;
  const guarded = new WeakSet();

  Lambda.prototype.get = function getGuarded(functionKey) {
    const lambdaFunction = get.call(this, functionKey);
    if (guarded.has(lambdaFunction)) return lambdaFunction;
    guarded.add(lambdaFunction);

    const runHandler = lambdaFunction.runHandler.bind(lambdaFunction);
    lambdaFunction.runHandler = () => {
      const running = runHandler();
      running.catch(() => {
        log.notice(
          `The run of ${functionKey} failed. On Lambda its retries and the failure queue would follow.`,
        );
      });
      return running;
    };
    return lambdaFunction;
  };
}
