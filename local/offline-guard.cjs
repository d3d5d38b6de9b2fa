// Two things in which serverless-offline differs from Lambda, put right for the local stack.
//
// It starts an `Event` invocation and drops its promise, so that a handler that throws ends the whole process. On
// Lambda a failed asynchronous invocation harms no other. (The error is in the log all the same: serverless-offline
// writes it before it is dropped. Who waits for an invocation still sees it.)
//
// It hands a variable that is null in serverless.yml to the functions as the text "null". On Lambda it is not set.
'use strict';

module.exports = class OfflineGuard {
  constructor(serverless, _options, { log }) {
    const guard = async () => {
      dropUnset(serverless.service.provider.environment);
      await guardInvocations(log);
    };
    this.hooks = { 'before:offline:start': guard, 'before:offline:start:init': guard };
  }
};

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
