/** The modules that a row starts in processes of their own. */
export const BARE_CHECK = new URL('./baselines/bare-check.ts', import.meta.url);
export const COLD_START = new URL('./subjects/cold-start.ts', import.meta.url);
export const CONSTANT_PAGE = new URL('./baselines/constant-page.ts', import.meta.url);
export const FETCH_LOOP = new URL('./baselines/fetch-loop.ts', import.meta.url);
export const HTTP_LOOP = new URL('./baselines/http-loop.ts', import.meta.url);
export const IP_CHECK = new URL('./subjects/ip-check.ts', import.meta.url);
export const NOTIFY = new URL('./subjects/notify.ts', import.meta.url);
export const PAGE = new URL('./subjects/page.ts', import.meta.url);
export const POST = new URL('./subjects/post.ts', import.meta.url);
export const ROUND = new URL('./subjects/round.ts', import.meta.url);
