import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { html, textOfHtml } from '../../../page/html.ts';

describe('a template of HTML', () => {
  test('takes text for text, in elements and in attributes', () => {
    const hostile = `<b onclick="x('y')">&`;
    assert.equal(
      textOfHtml(html`<p title="${hostile}">${hostile}</p>`),
      '<p title="&lt;b onclick=&quot;x(&#39;y&#39;)&quot;&gt;&amp;">&lt;b onclick=&quot;x(&#39;y&#39;)&quot;&gt;&amp;</p>',
    );
  });

  test('takes HTML for HTML, lists for their items, and what is not there for nothing', () => {
    assert.equal(textOfHtml(html`${[html`<i>1</i>`, 2, false, undefined, null]}`), '<i>1</i>2');
  });

  test('lets nothing through that could begin markup or hide, whatever a value holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const made = textOfHtml(html`<p title="${text}">`).slice('<p title="'.length, -2);
        assert.doesNotMatch(made, /[<>"'\p{C}\p{Zl}\p{Zp}]|&(?!(?:amp|lt|gt|quot|#39);)/u);
      }),
    );
  });
});
