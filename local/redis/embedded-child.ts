import { flushCompileCache } from 'node:module';
import {
  createRedisCommandExecutor,
  RedisServerState,
  Resp2Server,
  resolveCompatibilityProfile,
} from 'js-redis-server/core';

/**
 * The process of the embedded Redis: `embedded-child.ts <port>`. Reports its port, or what went wrong, over the IPC
 * channel, and ends when that channel closes, which the death of the parent does too.
 */
const compatibility = resolveCompatibilityProfile('redis-7.0');
const resp = new Resp2Server({
  server: new RedisServerState({ databaseCount: 16, compatibility }),
  executor: createRedisCommandExecutor({ compatibility }),
});

process.on('disconnect', () => process.exit(0));
resp.server.on('error', (error) => process.send?.({ error: error.message }));
// It writes each reply of a pipeline by itself: with Nagle's algorithm the second one waits 40 ms for the first one's ACK.
resp.server.on('connection', (socket) => socket.setNoDelay(true));
// Not `resp.listen`, which binds to every interface.
resp.server.listen({ port: Number(process.argv[2] ?? 0), host: '127.0.0.1', exclusive: true }, () => {
  process.send?.({ port: resp.getPort() });
  // With NODE_COMPILE_CACHE, Node keeps compiled code when a process ends, and this one ends by SIGKILL.
  flushCompileCache();
});
