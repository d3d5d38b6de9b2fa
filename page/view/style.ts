import { createHash } from 'node:crypto';
import { html, textOfHtml } from '../html.ts';

/**
 * The page's one style sheet. Colours are chosen for a contrast of at least 4.5 in both schemes; what a colour says, a form
 * or a word says too.
 */
export const styleElement = html`<style>
:root{color-scheme:light dark;
--back:#f4f5f2;--card:#fff;--ink:#1d2421;--quiet:#56625c;--line:#dde2de;--link:#1c5f8f;
--ok:#17633f;--ok-back:#e2f0e7;--attention:#933a0c;--attention-back:#fcebdd;--unknown:#54478c;--unknown-back:#ebe9f6;
--alive:#3f9a68;--suspect:#c8861a;--suspect-2:#e9b765;--dead:#b04a32;--dead-2:#d78873;--new:#5c86b8;--void:#b9c0c4;--void-2:#d6dbdd;--unusable:#7a6a58;--unusable-2:#b7aa9b;--track:#e9ece9;--stroke:#2d4a63}
@media (prefers-color-scheme:dark){:root{
--back:#111518;--card:#191f23;--ink:#e5eae7;--quiet:#9daaa4;--line:#2b3338;--link:#8cc4ec;
--ok:#86d6a8;--ok-back:#15301f;--attention:#ffb184;--attention-back:#3b2112;--unknown:#bdb4ee;--unknown-back:#25213a;
--alive:#4aa876;--suspect:#b98228;--suspect-2:#7d5a1d;--dead:#c9604a;--dead-2:#7e3a2c;--new:#5e8fc4;--void:#566067;--void-2:#3a4348;--unusable:#9a8870;--unusable-2:#5b5041;--track:#262d31;--stroke:#b8d3e8}}
*,::before{box-sizing:border-box}
body{margin:0 auto;padding:1rem clamp(.75rem,3vw,2rem) 2rem;max-width:76rem;background:var(--back);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
h1,h2,h3,p,ul,ol,dl,dd,figure{margin:0;padding:0}ul,ol{list-style:none}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:4px}
code{font:.92em/1.4 ui-monospace,"SF Mono",Menlo,"DejaVu Sans Mono",monospace}
small{font-size:.85em}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.quiet,.age,.top,footer,.detail,.note,figcaption{color:var(--quiet);font-size:.9rem}
.top{display:flex;flex-wrap:wrap;justify-content:space-between;gap:.25rem 1.5rem;padding:.25rem .25rem .75rem}
.hero{display:grid;grid-template-columns:auto 1fr;gap:.5rem clamp(.75rem,2.5vw,1.25rem);align-items:center;padding:clamp(1rem,3vw,1.75rem);border-radius:18px;border:1px solid var(--line)}
.hero h1{font-size:clamp(1.6rem,8.2vw,5.25rem);line-height:1;letter-spacing:-.02em;font-weight:750;overflow-wrap:normal}
.hero .headline{font-size:clamp(1.05rem,2.6vw,1.5rem);line-height:1.3;margin-top:.35rem;color:var(--ink)}
.mark{width:clamp(3.25rem,11vw,6.5rem);height:auto;fill:currentColor}
.mark .sign{fill:none;stroke:var(--card);stroke-width:6;stroke-linecap:round;stroke-linejoin:round}
.mark .ring{fill:none;stroke:currentColor;stroke-width:6;stroke-dasharray:11 6.5}.mark .dark{stroke:currentColor}
.hero.v-ok{background:var(--ok-back);color:var(--ok)}.hero.v-attention{background:var(--attention-back);color:var(--attention)}.hero.v-unknown{background:var(--unknown-back);color:var(--unknown)}
.reasons{grid-column:1/-1;border-top:1px solid;border-color:color-mix(in srgb,currentColor 25%,transparent);padding-top:.75rem;margin-top:.25rem;display:grid;gap:.35rem}
.reasons li{color:var(--ink);padding-left:1.4rem;position:relative}
.reasons li::before{content:"";position:absolute;left:.1rem;top:.45em;width:.7em;height:.7em}
.reasons .v-attention::before{background:var(--attention);clip-path:polygon(50% 0,100% 100%,0 100%)}
.reasons .v-unknown::before{border:2px dashed var(--unknown);border-radius:50%}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(9.25rem,100%),1fr));gap:.75rem;margin:.75rem 0}
.tiles a{display:grid;gap:.1rem;padding:.8rem .85rem;background:var(--card);border:1px solid var(--line);border-radius:14px;color:inherit;text-decoration:none}
.tiles a:hover{border-color:var(--link)}
.tiles .label{font-size:.85rem;color:var(--quiet)}
.tiles .value{font-size:clamp(1.1rem,4.6vw,1.45rem);font-weight:650;line-height:1.25}.tiles .long{font-size:clamp(.8rem,3.5vw,1.2rem);letter-spacing:-.02em}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(24rem,100%),1fr));gap:.75rem}
.columns>div{display:grid;grid-template-rows:auto 1fr;gap:.75rem;min-width:0}
section{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1rem clamp(.9rem,2.5vw,1.25rem) 1.1rem;min-width:0}
main>section{margin-top:.75rem}
section>header{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:baseline;gap:0 1rem;margin-bottom:.6rem}
h2{font-size:1.1rem;font-weight:650}h3{font-size:.9rem;font-weight:600;color:var(--quiet);margin:1rem 0 .4rem}
.address b{font-size:1.6rem;font-weight:650}.was{color:var(--quiet)}
.facts{display:flex;flex-wrap:wrap;gap:.35rem 1.5rem;margin-top:.35rem;font-size:.92rem}.facts div{display:flex;gap:.4rem;flex-wrap:wrap}.facts dt{color:var(--quiet)}
.timeline{border-left:2px solid var(--line);margin-left:.35rem;display:grid;gap:.75rem}
.timeline li{padding-left:1.1rem;position:relative}
.timeline li::before{content:"";position:absolute;left:calc(-.375rem - 1px);top:.4em;width:.75rem;height:.75rem;border-radius:50%;background:var(--card);border:2px solid var(--quiet)}
.timeline li:first-child::before{background:var(--link);border-color:var(--link)}
.move .from{color:var(--quiet)}.tag{font-size:.8rem;border:1px solid var(--line);border-radius:99px;padding:.05rem .5rem}
.bar{display:block;width:100%;height:1.5rem;border-radius:6px;background:var(--track)}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.2rem;margin-top:.5rem;font-size:.92rem}
.legend li{display:flex;gap:.4rem;align-items:baseline}
.legend li::before{content:"";flex:none;width:.8rem;height:.8rem;border-radius:3px;background:var(--void);align-self:center}
.legend .k-alive::before,.legend .k-told::before{background:var(--alive)}
.legend .k-suspect::before,.legend .k-waiting::before,.legend .k-partial::before{background:repeating-linear-gradient(45deg,var(--suspect) 0 3px,var(--suspect-2) 3px 6px)}
.legend .k-dead::before,.legend .k-failed::before{background:radial-gradient(circle,var(--dead-2) 1.5px,transparent 2px) 0 0/5px 5px,var(--dead)}
.legend .k-new::before{background:repeating-linear-gradient(90deg,var(--new) 0 2px,var(--track) 2px 5px)}
.legend .k-unusable::before{background:repeating-linear-gradient(-45deg,var(--unusable) 0 1.5px,var(--unusable-2) 1.5px 5px)}
.legend .k-calls::before{background:var(--new)}
.legend .k-duration::before{height:.2rem;background:var(--stroke)}
.k-alive,.k-told,.k-day-well{fill:var(--alive)}.k-busy{fill:var(--new)}.k-suspect,.k-waiting,.k-partial{fill:url(#hatch)}.k-day-impaired{fill:var(--suspect)}
.k-dead{fill:url(#dots)}.k-failed,.k-day-bad{fill:var(--dead)}.k-new{fill:url(#lines)}
.k-unknown,.k-void,.k-day-unknown{fill:var(--void)}.k-none{fill:var(--void-2)}.k-unusable{fill:url(#thin)}.k-calls{fill:var(--new)}
.p-back{fill:var(--suspect)}.p-front{fill:var(--suspect-2)}.d-back{fill:var(--dead)}.d-front{fill:var(--dead-2)}.n-back{fill:var(--track)}.n-front{fill:var(--new)}.u-back{fill:var(--unusable-2)}.u-front{fill:var(--unusable)}
.spark{display:block;width:100%;height:4rem;border-bottom:1px solid var(--line)}.spark.low{height:1.6rem;margin-top:.4rem}.duration{fill:none;stroke:var(--stroke);stroke-width:2;stroke-linejoin:round}
.cells{display:block;width:100%;height:1rem}
.days{margin-top:.75rem}.days figcaption{margin-top:.25rem}
.rows{display:grid;margin-top:.6rem}
.rows li{display:grid;grid-template-columns:minmax(0,1.3fr) minmax(0,.9fr) minmax(0,1.2fr);gap:.1rem 1rem;align-items:center;padding:.55rem 0;border-top:1px solid var(--line);font-size:.92rem}
.rows .who code{color:var(--quiet)}
.rows .when,.rows .why{color:var(--quiet)}
.rows.consumers li{grid-template-columns:minmax(0,1.1fr) minmax(0,1fr) minmax(0,1.2fr) minmax(0,1fr) minmax(0,1.35fr)}
.rows .days{grid-column:3;margin:0}.rows .days .cells{height:.5rem}
.rows.producers .when{grid-column:1/-1}
.state{font-weight:600}.state small{font-weight:400;color:var(--quiet)}
.state::before{content:"";display:inline-block;width:.7em;height:.7em;margin-right:.45em;background:var(--void);border-radius:50%}
.s-alive::before,.s-told::before,.s-again::before{background:var(--alive)}
.s-suspect::before,.s-retrying::before,.s-waiting::before{background:var(--suspect);border-radius:0;clip-path:polygon(50% 0,100% 100%,0 100%)}
.s-dead::before,.s-unusable::before,.s-missing::before{background:var(--dead);border-radius:1px}
.s-new::before,.s-telling::before{background:none;border:2px solid var(--new)}
.s-unknown::before{background:none;border:2px dashed var(--quiet)}
.meter+.meter{margin-top:.75rem}.meter .bar{height:.8rem;margin-bottom:.3rem}
.warn{color:var(--attention);font-weight:600;margin:.4rem 0}
details{margin-top:.75rem}summary{cursor:pointer;color:var(--link)}.plain{margin-top:.5rem;display:grid;gap:.25rem;font-size:.92rem}
footer{padding:1rem .25rem 0}
.login{min-height:70vh;display:grid;place-items:center}.login form{display:grid;gap:.6rem;background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1.5rem;width:min(24rem,100%)}
.login h1{font-size:1.4rem}input,button{font:inherit;padding:.55rem .7rem;border-radius:8px;border:1px solid var(--quiet);background:var(--card);color:var(--ink);width:100%}button{background:var(--link);color:var(--card);border-color:var(--link);font-weight:600;cursor:pointer}
@media (max-width:52rem){.rows.consumers li,.rows li{grid-template-columns:minmax(0,1fr) auto}.rows .who{grid-column:1}.rows .state{grid-column:2;text-align:right}.rows .recent,.rows .why,.rows .when,.rows .days{grid-column:1/-1}.rows .why,.rows .when{order:1}}
@media (forced-colors:active){.state::before,.legend li::before,.hero,.bar,.cells,.spark{forced-color-adjust:none}}
@media print{body{max-width:none}.tiles a,section,.hero{break-inside:avoid}}
</style>`;

const text = textOfHtml(styleElement);
const sheet = text.slice(text.indexOf('>') + 1, text.lastIndexOf('<'));

/** What the Content-Security-Policy names the style sheet by: no other style is applied. */
export const STYLE_HASH = `'sha256-${createHash('sha256').update(sheet).digest('base64')}'`;
