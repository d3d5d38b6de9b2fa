// Loaded with --require into a child that knows nothing of us (serverless): it ends with the process that started it,
// even if that one is killed. The IPC channel closes when its other end dies.
'use strict';

const { isMainThread } = require('node:worker_threads');

if (isMainThread && process.channel) {
  process.on('disconnect', () => process.exit(1));
  process.channel.unref();
}
