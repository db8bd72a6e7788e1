// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EmailFull, Identity } from '../jmap/types.ts';
import { draftObject, isShownAsFile, referencesFor } from '../store/draft.ts';

const identity: Identity = { id: 'I', name: 'Ann', email: 'ann@x.test', replyTo: null, textSignature: '', htmlSignature: '' };
const draft = {
	identity, to: [{ name: null, email: 'bob@x.test' }], cc: [], bcc: [], subject: 'Hi', inReplyTo: ['a@x'], references: null, text: 'hi\n', html: null as string | null,
	attachments: [] as { blobId: string; name: string; type: string; size: number; cid: string | null }[],
};

test('draft: plain text', () => {
	assert.deepEqual(draftObject(draft, 'D'), {
		mailboxIds: { D: true }, keywords: { $draft: true, $seen: true }, from: [{ name: 'Ann', email: 'ann@x.test' }], to: [{ name: null, email: 'bob@x.test' }],
		subject: 'Hi', inReplyTo: ['a@x'], textBody: [{ partId: 'text', type: 'text/plain' }], bodyValues: { text: { value: 'hi\n' } },
	});
});

test('draft: images of the text are inline, other files are attached', () => {
	const file = { blobId: 'B1', name: 'a.pdf', type: 'application/pdf', size: 1, cid: null };
	const image = { blobId: 'B2', name: 'i.png', type: 'image/png', size: 1, cid: 'c1@x' };
	const removed = { ...image, blobId: 'B3', cid: 'gone@x' };
	const object = draftObject({ ...draft, html: '<img src="cid:c1@x">', attachments: [file, image, removed] }, 'D');
	const parts = object.attachments as { disposition: string }[];
	assert.deepEqual(parts.map(({ disposition }) => disposition), ['attachment', 'inline', 'attachment']);
	assert.deepEqual(object.htmlBody, [{ partId: 'html', type: 'text/html' }]);
});

test('draft: references of a reply', () => {
	const email = (fields: Partial<EmailFull>): EmailFull => ({ references: null, inReplyTo: null, messageId: null, ...fields }) as EmailFull;
	assert.deepEqual(referencesFor(email({ references: ['a', 'b'], messageId: ['c'] })), ['a', 'b', 'c']);
	assert.deepEqual(referencesFor(email({ inReplyTo: ['a'], messageId: ['b'] })), ['a', 'b']);
	assert.deepEqual(referencesFor(email({ inReplyTo: ['a', 'x'], messageId: ['b'] })), ['b']);
	assert.equal(referencesFor(email({})), null);
});

test('draft: which parts are files', () => {
	const part = { partId: '1', blobId: 'B', size: 1, name: 'x', type: 'image/png', charset: null, disposition: 'inline', cid: 'c' };
	assert.equal(isShownAsFile(part), false);
	assert.equal(isShownAsFile({ ...part, disposition: 'attachment' }), true);
	assert.equal(isShownAsFile({ ...part, cid: null }), true);
	assert.equal(isShownAsFile({ ...part, type: 'application/pdf' }), true);
});
