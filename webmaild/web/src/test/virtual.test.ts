// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepPlace, pagesOf, scrollToShow, step, visibleRange } from '../lib/virtual.ts';

test('virtual list: the rows of a window', () => {
	assert.deepEqual(visibleRange(0, 100, 10, 1000), { from: 0, to: 10 });
	assert.deepEqual(visibleRange(5, 100, 10, 1000), { from: 0, to: 11 });
	assert.deepEqual(visibleRange(500, 100, 10, 1000, 3), { from: 47, to: 63 });
	assert.deepEqual(visibleRange(500, 100, 10, 12, 3), { from: 12, to: 12 });
	assert.deepEqual(visibleRange(0, 100, 10, 0, 3), { from: 0, to: 0 });
	assert.deepEqual(visibleRange(-40, 100, 10, 1000), { from: 0, to: 10 });
	assert.deepEqual(visibleRange(84 * 399_990, 840, 84, 400_000), { from: 399_990, to: 400_000 });
});

test('virtual list: pages', () => {
	assert.deepEqual(pagesOf({ from: 0, to: 10 }, 50), [0]);
	assert.deepEqual(pagesOf({ from: 49, to: 51 }, 50), [0, 1]);
	assert.deepEqual(pagesOf({ from: 50, to: 100 }, 50), [1]);
	assert.deepEqual(pagesOf({ from: 5, to: 5 }, 50), []);
});

test('virtual list: scrolling to a row and keeping a place', () => {
	assert.equal(scrollToShow(3, 0, 100, 10), 0);
	assert.equal(scrollToShow(3, 50, 100, 10), 30);
	assert.equal(scrollToShow(20, 50, 100, 10), 110);
	assert.equal(keepPlace(500, 10, 50, 52), 520);
	assert.equal(keepPlace(500, 10, 50, 48), 480);
	assert.equal(keepPlace(0, 10, 0, 3), 0);
});

test('virtual list: neighbours', () => {
	assert.equal(step(-1, 1, 5), 0);
	assert.equal(step(-1, -1, 5), 4);
	assert.equal(step(4, 1, 5), 4);
	assert.equal(step(0, -10, 5), 0);
	assert.equal(step(2, 1, 5), 3);
	assert.equal(step(0, 1, 0), -1);
});
