// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batcher, type Invocation, MethodError, ResultOf } from '../jmap/batch.ts';

function recorder(answer: (call: Invocation) => Invocation[] = ([name, , id]) => [[name, { done: id }, id]], max = 16) {
	const requests: Invocation[][] = [];
	const batcher = new Batcher((calls) => {
		requests.push(calls);
		return Promise.resolve(calls.flatMap(answer));
	}, () => max);
	return { requests, batcher };
}

test('batch: calls of one moment share a request', async () => {
	const { requests, batcher } = recorder();
	const both = await Promise.all([batcher.call<{ done: string }>('A/get', { x: 1 }), batcher.call<{ done: string }>('B/get', {})]);
	assert.equal(requests.length, 1);
	assert.deepEqual(requests[0]!.map(([name, args]) => [name, args]), [['A/get', { x: 1 }], ['B/get', {}]]);
	assert.notEqual(both[0].done, both[1].done);
	await batcher.call('C/get', {});
	assert.equal(requests.length, 2);
});

test('batch: a request holds no more calls than the server takes, and no group is torn', async () => {
	const { requests, batcher } = recorder(undefined, 3);
	await Promise.all([batcher.group([['A', {}], ['B', {}]]), batcher.group([['C', {}], ['D', {}]]), batcher.call('E', {})]);
	assert.deepEqual(requests.map((calls) => calls.map(([name]) => name)), [['A', 'B'], ['C', 'D', 'E']]);
});

test('batch: references name the call they mean', async () => {
	const { requests, batcher } = recorder();
	await Promise.all([batcher.call('X', {}), batcher.group([['Email/query', {}], ['Email/get', { '#ids': new ResultOf(0, '/ids') }]])]);
	const [, query, get] = requests[0]!;
	assert.deepEqual(get![1], { '#ids': { resultOf: query![2], name: 'Email/query', path: '/ids' } });
});

test('batch: an error concerns its own group only', async () => {
	const { batcher } = recorder(([name, , id]) => [name === 'Bad' ? ['error', { type: 'invalidArguments', description: 'no' }, id] : [name, {}, id]]);
	const [bad, good] = await Promise.allSettled([batcher.call('Bad', {}), batcher.call('Good', {})]);
	assert.equal(good.status, 'fulfilled');
	assert.ok(bad.status === 'rejected' && bad.reason instanceof MethodError && bad.reason.type === 'invalidArguments' && bad.reason.message === 'no');
});

test('batch: of several answers to a call the first counts', async () => {
	const { batcher } = recorder(([name, , id]) => [[name, { own: true }, id], ['Email/set', { implied: true }, id]]);
	assert.deepEqual(await batcher.group([['EmailSubmission/set', {}]]), [{ own: true }]);
});

test('batch: a lost request and a missing answer reject', async () => {
	const lost = new Batcher(() => Promise.reject(new Error('lost')));
	await assert.rejects(lost.call('A', {}), /lost/);
	const silent = new Batcher(() => Promise.resolve([]));
	await assert.rejects(silent.call('A', {}), MethodError);
});
