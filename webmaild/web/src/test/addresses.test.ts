// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, initials, isEmail, parseAddresses, uniqueAddresses } from '../lib/addresses.ts';

test('addresses: what is one and what is not', () => {
	for (const good of ['a@b', 'bob@example.test', 'first.last+tag@sub.example.org', '"odd name"@example.org', '用户@例子.公司', 'a@[127.0.0.1]'])
		assert.equal(isEmail(good), true, good);
	for (const bad of ['', 'a', 'a@', '@b', 'a b@c', 'a@b@c', '.a@b.c', 'a..b@c.d', 'a@b..c', 'a@-b.c', 'a@b.c-', 'a@b.', '<a@b>', `${'x'.repeat(320)}@b`])
		assert.equal(isEmail(bad), false, bad);
});

test('addresses: lists as people type them', () => {
	const cases: [string, (string | null)[][], string[]][] = [
		['bob@example.test', [[null, 'bob@example.test']], []],
		['Bob <bob@x.test>, "Carter, Ann" <ann@x.test>', [['Bob', 'bob@x.test'], ['Carter, Ann', 'ann@x.test']], []],
		['a@x.test; b@x.test\nc@x.test', [[null, 'a@x.test'], [null, 'b@x.test'], [null, 'c@x.test']], []],
		['a@x.test b@x.test', [[null, 'a@x.test'], [null, 'b@x.test']], []],
		['王小明 <ming@x.test>，李娜 <na@x.test>', [['王小明', 'ming@x.test'], ['李娜', 'na@x.test']], []],
		['mailto:bob@x.test', [[null, 'bob@x.test']], []],
		['bob@x.test (Bob)', [['Bob', 'bob@x.test']], []],
		['Team: a@x.test, b@x.test;', [[null, 'a@x.test'], [null, 'b@x.test']], []],
		['"a \\"b\\" c" <q@x.test>', [['a "b" c', 'q@x.test']], []],
		['bob, ann@x.test, <nobody>', [[null, 'ann@x.test']], ['bob', '<nobody>']],
		['"open quote <a@x.test>', [['open quote', 'a@x.test']], []],
		[' , ;; ', [], []],
	];
	for (const [text, addresses, invalid] of cases)
		assert.deepEqual(parseAddresses(text), { addresses: addresses.map(([name, email]) => ({ name, email })), invalid }, text);
});

test('addresses: what is written is read again', () => {
	for (const address of [{ name: null, email: 'a@b.c' }, { name: 'Ann', email: 'a@b.c' }, { name: 'Carter, "Ann" <x>', email: 'a@b.c' }, { name: 'back\\slash', email: 'a@b.c' }])
		assert.deepEqual(parseAddresses(formatAddress(address)).addresses, [address]);
});

test('addresses: doubles go, the first stays', () => {
	const list = [{ name: 'A', email: 'a@x' }, { name: null, email: 'A@X' }, { name: null, email: 'me@x' }];
	assert.deepEqual(uniqueAddresses(list, ['ME@x']), [list[0]]);
});

test('addresses: initials', () => {
	assert.equal(initials({ name: 'Bob Carter', email: 'b@x' }), 'BC');
	assert.equal(initials({ name: '王小明', email: 'b@x' }), '王');
	assert.equal(initials({ name: null, email: 'bob@x' }), 'B');
	assert.equal(initials({ name: '', email: '' }), '?');
});
