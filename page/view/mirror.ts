import type { Facts } from '../../report/facts.ts';
import { mirrorWords, outdatedMirrorWords, silenceWords } from '../../report/words.ts';
import { type Html, html } from '../html.ts';
import { bar } from './charts.ts';
import { ago, section } from './parts.ts';

/** What peers say about us: where our calls come from, and whether they reach our consumer API. */
export function mirrorSection(facts: Facts): Html {
  const { nowMs, mirror, register, rounds } = facts;
  const age =
    mirror === undefined ? 'nobody said anything yet' : html`as of the round ${ago(mirror.at, nowMs)}`;
  const silence = silenceWords(rounds);
  return section(
    { id: 'mirror', title: 'What peers say', age },
    html`${said()}${silence !== undefined && html`<p class="quiet">Of the consumers, ${silence}.</p>`}`,
  );

  function said() {
    if (mirror === undefined) {
      return html`<p class="quiet">A peer may say where our call came from, and whether its own call reached us. None of them does, or no round has asked yet.</p>`;
    }
    const outdated = outdatedMirrorWords(facts);
    if (outdated !== undefined) return html`<p class="quiet">Unknown by now: ${outdated}.</p>`;
    const { here, elsewhere, reached, unreached } = mirror;
    const [seen, reach] = mirrorWords(mirror, register.current ?? 'the address of the register');
    return html`${
      here + elsewhere > 0 &&
      html`<p class="meter">${bar([
        { kind: 'told', count: here },
        { kind: 'dead', count: elsewhere },
      ])}${seen}</p>`
    }${
      reached + unreached > 0 &&
      html`<p class="meter">${bar([
        { kind: 'told', count: reached },
        { kind: 'dead', count: unreached },
      ])}${here + elsewhere > 0 ? reach : seen}</p>`
    }<p class="quiet">One voice for each network. Peers may lie: it changes nothing by itself.</p>`;
  }
}
