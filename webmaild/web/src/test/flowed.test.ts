// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flowedOf, unflow } from '../lib/flowed.ts';

test('flowed: told by the Content-Type', () => {
	assert.deepEqual(flowedOf(' text/plain; charset=utf-8; format=flowed'), { delSp: false });
	assert.deepEqual(flowedOf('text/plain;\r\n\tFormat="Flowed"; DelSp=yes'), { delSp: true });
	for (const fixed of [null, undefined, 'text/plain', 'text/plain; format=fixed', 'text/plain; name="x format=flowed"']) assert.equal(flowedOf(fixed), null);
});

test('flowed: soft line ends join, stuffing goes', () => {
	const plain = { delSp: false };
	assert.equal(unflow('one \ntwo \nthree\nfour\n', plain), 'one two three\nfour\n');
	assert.equal(unflow(' From me\r\n > no quote\r\n', plain), 'From me\n> no quote\n');
	assert.equal(unflow('\u4f60 \n\u597d', { delSp: true }), '\u4f60\u597d');
	assert.equal(unflow('', plain), '');
});

test('flowed: quotes and signatures end paragraphs', () => {
	const plain = { delSp: false };
	assert.equal(unflow('> a \n> b\n>> c \n> d \ne', plain), '> a b\n>> c\n> d\ne');
	assert.equal(unflow('>\n> a', plain), '>\n> a');
	assert.equal(unflow('text \n-- \nme \nyou', plain), 'text \n-- \nme you');
});
