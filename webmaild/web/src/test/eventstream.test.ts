// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventParser } from '../jmap/eventstream.ts';

test('event stream: events in any pieces', () => {
	const whole = ': hello\r\n\r\nevent: state\r\ndata: {"a":\r\ndata: 1}\r\n\r\nevent: ping\ndata:{}\n\ndata: x\r\rid: 1\n\n';
	const expected = [{ type: 'state', data: '{"a":\n1}' }, { type: 'ping', data: '{}' }, { type: 'message', data: 'x' }];
	for (let size = 1; size <= whole.length; size++) {
		const parser = new EventParser();
		const events = [];
		for (let at = 0; at < whole.length; at += size) events.push(...parser.push(whole.slice(at, at + size)));
		assert.deepEqual(events, expected, `pieces of ${size}`);
	}
});
