// npm run demo:ip [-- <address>]: changes the public IP of the world that a running `npm start` simulates.
import { jsonObject } from '../kit/http.ts';
import { describeVariable } from '../lib/variables.ts';
import { SIMULATED_NETWORK } from './world/cast.ts';

const port = process.env.LOCAL_WORLD_PORT || describeVariable('LOCAL_WORLD_PORT').fallback;
const [ip] = process.argv.slice(2);
process.exitCode = await changeIp(ip);

async function changeIp(ip: string | undefined): Promise<number> {
  const answer = await post(ip === undefined ? {} : { ip });
  if (answer === undefined) {
    console.error(
      `No simulated world answers on 127.0.0.1:${port}. Run "npm start" in another terminal first.`,
    );
    return 1;
  }
  const { from, to } = jsonObject(answer.body) ?? {};
  if (answer.status !== 200) {
    console.error(`"${ip}" is not an address of ${SIMULATED_NETWORK}, the simulated network.`);
    return 1;
  }
  console.log(`The simulated public IP was ${from} and is now ${to}.`);
  console.log('An IP check is on its way: see the terminal in which "npm start" runs.');
  return 0;
}

async function post(body: object): Promise<{ status: number; body: string } | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/ip`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.text() };
  } catch {
    return undefined;
  }
}
