import type { ServerResponse } from 'node:http';

/**
 * Breaks a connection off by RST. Where its end has been sent already, because the caller left, it is only closed: libuv
 * refuses to reset a socket that is shutting down, and then Node (24) never counts it as closed and spins at its exit.
 */
export function reset({ socket }: ServerResponse): void {
  if (socket?.writableEnded) socket.destroy();
  else socket?.resetAndDestroy();
}
