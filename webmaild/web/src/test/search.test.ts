// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDay, parseSearch, parseTerms } from '../lib/search.ts';

const context = { mailbox: (name: string) => (name === 'work' || name === 'My Folder' ? `id-${name}` : null), excluded: ['trash', 'junk'] };
const free = { ...context, excluded: [] };

test('search: words, phrases, operators', () => {
	assert.deepEqual(parseTerms('hello "two words" -from:ann subject:"a b" re:report'), [
		{ operator: '', value: 'hello', negated: false },
		{ operator: '', value: 'two words', negated: false },
		{ operator: 'from', value: 'ann', negated: true },
		{ operator: 'subject', value: 'a b', negated: false },
		{ operator: '', value: 're:report', negated: false },
	]);
	assert.deepEqual(parseTerms('from：王小明 “下周 会议”'), [
		{ operator: 'from', value: '王小明', negated: false },
		{ operator: '', value: '下周 会议', negated: false },
	]);
	assert.deepEqual(parseTerms('  '), []);
	assert.deepEqual(parseTerms('"unclosed phrase'), [{ operator: '', value: 'unclosed phrase', negated: false }]);
});

test('search: to a filter', () => {
	assert.deepEqual(parseSearch('from:ann is:unread has:attachment in:work', context).filter, {
		operator: 'AND', conditions: [{ from: 'ann' }, { notKeyword: '$seen' }, { hasAttachment: true }, { inMailbox: 'id-work' }],
	});
	assert.deepEqual(parseSearch('x', free), { filter: { text: 'x' }, problems: [], hasText: true });
	assert.deepEqual(parseSearch('-x', free).filter, { operator: 'NOT', conditions: [{ text: 'x' }] });
	assert.deepEqual(parseSearch('larger:2M smaller:10k', free).filter, { operator: 'AND', conditions: [{ minSize: 2097152 }, { maxSize: 10240 }] });
	assert.deepEqual(parseSearch('in:"My Folder"', free).filter, { inMailbox: 'id-My Folder' });
	assert.equal(parseSearch('', free).filter, null);
});

test('search: trash and junk are left out unless asked for', () => {
	assert.deepEqual(parseSearch('x', context).filter, { operator: 'AND', conditions: [{ text: 'x' }, { inMailboxOtherThan: ['trash', 'junk'] }] });
	assert.deepEqual(parseSearch('x in:any', context).filter, { text: 'x' });
});

test('search: what means nothing is told', () => {
	const { filter, problems } = parseSearch('x before:soon in:nowhere is:purple from:', free);
	assert.deepEqual(filter, { text: 'x' });
	assert.deepEqual(problems, ['before:soon', 'in:nowhere', 'is:purple', 'from:']);
});

test('search: days', () => {
	assert.equal(parseDay('2026-01-31')?.toISOString(), '2026-01-31T00:00:00.000Z');
	assert.equal(parseDay('2026/1/3')?.toISOString(), '2026-01-03T00:00:00.000Z');
	assert.equal(parseDay('20260228')?.toISOString(), '2026-02-28T00:00:00.000Z');
	assert.equal(parseDay('2026-03')?.toISOString(), '2026-03-01T00:00:00.000Z');
	assert.equal(parseDay('7d', new Date('2026-03-10T15:00:00Z'))?.toISOString(), '2026-03-03T00:00:00.000Z');
	for (const bad of ['2026-02-30', '2026-13-01', 'x', '1', '']) assert.equal(parseDay(bad), null, bad);
	assert.deepEqual(parseSearch('after:2026-01-31 before:2026-02-01', free).filter, {
		operator: 'AND', conditions: [{ after: '2026-01-31T00:00:00Z' }, { before: '2026-02-01T00:00:00Z' }],
	});
});
