// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeHtml, htmlToText, prefixSubject, quoteText, snippetRuns, speaksOfAttachment, textToHtml, type TextNode } from '../lib/text.ts';

type Child = string | TextNode;
function element(name: string, children: Child[] = [], attributes: Record<string, string> = {}): TextNode {
	return {
		nodeName: name,
		nodeValue: null,
		childNodes: children.map((child) => (typeof child === 'string' ? { nodeName: '#text', nodeValue: child, childNodes: [] } : child)),
		getAttribute: (key) => attributes[key] ?? null,
	};
}
const text = (...children: Child[]): string => htmlToText(element('DIV', children));

test('text: blocks, line breaks, white space', () => {
	assert.equal(text(element('DIV', ['a  b\n c']), element('DIV', [element('BR')]), element('DIV', ['d'])), 'a b c\n\nd\n');
	assert.equal(text(element('P', ['one']), element('P', ['two'])), 'one\n\ntwo\n');
	assert.equal(text('a', element('BR'), 'b'), 'a\nb\n');
	assert.equal(text(element('PRE', ['x\n  y'])), 'x\n  y\n');
	assert.equal(text(element('STYLE', ['p{}']), 'a', element('SCRIPT', ['x()'])), 'a\n');
});

test('text: lists, quotes, links, images', () => {
	assert.equal(text(element('UL', [element('LI', ['a']), element('LI', ['b'])])), '- a\n- b\n');
	assert.equal(text(element('OL', [element('LI', ['a']), element('LI', ['b', element('BR'), 'c'])])), '1. a\n2. b\n   c\n');
	assert.equal(text('x', element('BLOCKQUOTE', [element('DIV', ['a']), element('BLOCKQUOTE', ['b'])])), 'x\n\n> a\n>\n>> b\n');
	assert.equal(text(element('A', ['here'], { href: 'https://x.test/' })), 'here <https://x.test/>\n');
	assert.equal(text(element('A', ['x.test'], { href: 'https://x.test/' })), 'x.test\n');
	assert.equal(text('see ', element('IMG', [], { alt: 'chart' })), 'see [chart]\n');
});

test('text: quoting and escaping', () => {
	assert.equal(quoteText('a\n\n> b\n'), '> a\n>\n>> b');
	assert.equal(escapeHtml('<a href="x">&\''), '&#60;a href=&#34;x&#34;&#62;&#38;&#39;');
	assert.equal(textToHtml('a\n\n  <b>'), '<div>a</div><div><br></div><div>\u00a0\u00a0&#60;b&#62;</div>');
});

test('text: subjects get their prefix once', () => {
	assert.equal(prefixSubject('Re', 'Hello'), 'Re: Hello');
	assert.equal(prefixSubject('Re', 'RE: Re[2]: 回复：Hello'), 'Re: Hello');
	assert.equal(prefixSubject('Fwd', 'Fw: Hello'), 'Fwd: Hello');
	assert.equal(prefixSubject('Re', null), 'Re: ');
});

test('text: snippets are runs of text, never HTML', () => {
	assert.deepEqual(snippetRuns('a &lt;b&gt; <mark>c &amp; d</mark><i>'), [
		{ text: 'a <b> ', marked: false }, { text: 'c & d', marked: true }, { text: '<i>', marked: false },
	]);
});

test('text: a forgotten attachment', () => {
	assert.equal(speaksOfAttachment('See the attached file'), true);
	assert.equal(speaksOfAttachment('请查收附件'), true);
	assert.equal(speaksOfAttachment('> attached\nthanks'), false);
	assert.equal(speaksOfAttachment('detachment'), false);
});
