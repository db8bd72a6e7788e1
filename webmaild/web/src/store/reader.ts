// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The open message: its headers and parts, and what of it is shown.
import { batch, effect, signal } from '@preact/signals';
import { summaryProperties, type EmailFull, type EmailSummary, type GetResponse } from '../jmap/types.ts';
import { setKeyword } from './actions.ts';
import { learn } from './contacts.ts';
import { email, fetchFull, takeSummaries } from './emails.ts';
import { group, resultOf } from './jmap.ts';
import { reportError } from './notices.ts';
import { requestJson } from './session.ts';
import { isDark, settings } from './settings.ts';
import { openId } from './view.ts';

export interface Rendering {
	remoteImages: number;
	hasHtml: boolean;
	hasText: boolean;
}

export const message = signal<EmailFull | null>(null);
export const rendering = signal<Rendering | null>(null);
export const gone = signal(false);
/** Ids of the conversation, in order, when there is more than the open message. */
export const thread = signal<string[]>([]);
export const asText = signal(false);
export const withImages = signal(false);
const readAfter = 700;

export function frameUrl(id: string): string {
	return `/render/${encodeURIComponent(id)}?images=${withImages.value ? 1 : 0}&text=${asText.value ? 1 : 0}`;
}

/** The frame cannot know the colours of this page. Plain text takes dark ones when asked by the fragment; HTML keeps its own. */
export function frameFragment(): string {
	const plain = asText.value || !(rendering.value?.hasHtml ?? true);
	return plain && isDark.value ? '#dark' : '';
}

async function loadThread({ id, threadId }: EmailFull): Promise<void> {
	const [threads, emails] = await group([
		['Thread/get', { ids: [threadId] }],
		['Email/get', { '#ids': resultOf(0, '/list/*/emailIds'), properties: summaryProperties }],
	]) as unknown as [GetResponse<{ emailIds: string[] }>, GetResponse<EmailSummary>];
	if (openId.peek() !== id) return;
	takeSummaries(emails);
	// Drafts of answers are no part of what was said.
	const drafts = new Set(emails.list.filter(({ keywords }) => keywords.$draft).map((summary) => summary.id));
	const ids = (threads.list[0]?.emailIds ?? []).filter((other) => other === id || !drafts.has(other));
	if (ids.length > 1) thread.value = ids;
}

async function load(id: string): Promise<void> {
	try {
		const [found, info] = await Promise.all([
			fetchFull(id),
			requestJson<Rendering>(`/render/${encodeURIComponent(id)}/info`, {}, { retry: true }).catch(() => null),
		]);
		if (openId.peek() !== id) return;
		batch(() => {
			message.value = found;
			gone.value = found === null;
			rendering.value = info ?? { remoteImages: 0, hasHtml: true, hasText: true };
		});
		learn(found?.from, 1);
		if (found) await loadThread(found);
	} catch (error) {
		if (openId.peek() === id) reportError(error, 'error.open');
	}
}

effect(() => {
	const id = openId.value;
	batch(() => {
		message.value = null;
		rendering.value = null;
		gone.value = false;
		if (!id || !thread.peek().includes(id)) thread.value = [];
		asText.value = false;
		withImages.value = settings.peek().showImages;
	});
	if (!id) return;
	void load(id);
	const timer = setTimeout(() => {
		const summary = email(id);
		if (summary && !summary.keywords.$seen) void setKeyword([id], '$seen', true);
	}, readAfter);
	return () => clearTimeout(timer);
});
