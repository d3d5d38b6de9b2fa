import { testMessage } from '../host/alerts/message.ts';
import { sendMessage } from '../host/alerts/send.ts';
import { ConfigError } from '../lib/errors.ts';
import { type Context, configOf, environmentOf } from './context.ts';
import { UsageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-code.ts';

/** `p2p alert --test`: sends one message to ALERT_URL, so that the operator knows before it matters. */
export async function alert(context: Context): Promise<ExitCode> {
  const { args, screen } = context;
  if (!args.flag('test'))
    throw new UsageError('alert takes --test: alerts themselves are sent by the host.', 'alert');
  const { localUuid, host } = configOf(context);
  if (host.alertUrl === undefined) {
    throw new ConfigError(['ALERT_URL is not set: nobody would be told'], environmentOf(context).origin);
  }
  const sent = await sendMessage(host.alertUrl, testMessage(localUuid, Date.now()));
  if (args.flag('json')) screen.json(sent);
  else if (sent.ok) screen.text(`${host.alertUrl.host} has taken the test message.`);
  else screen.text(`${host.alertUrl.host} has not taken the test message: ${sent.reason}.`);
  return sent.ok ? EXIT.ok : EXIT.attention;
}
