// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The messages that were seen so far: one signal each, so that a change draws one row and not the list.
import { batch, signal, type Signal } from '@preact/signals';
import { bodyProperties, fullProperties, summaryProperties, type ChangesResponse, type EmailFull, type EmailSummary, type GetResponse } from '../jmap/types.ts';
import { MethodError } from '../jmap/batch.ts';
import { call, chunks, maxInGet } from './jmap.ts';
import { HttpError, problemDetail, request } from './session.ts';

const known = new Map<string, Signal<EmailSummary | null>>();
const full = new Map<string, EmailFull>();
const fullKept = 60;
let state = '';

export function emailSignal(id: string): Signal<EmailSummary | null> {
	let found = known.get(id);
	if (!found) {
		found = signal<EmailSummary | null>(null);
		known.set(id, found);
	}
	return found;
}

export function email(id: string): EmailSummary | null {
	return known.get(id)?.peek() ?? null;
}

export function takeSummaries(response: GetResponse<EmailSummary>): void {
	state ||= response.state;
	batch(() => {
		for (const summary of response.list) emailSignal(summary.id).value = summary;
	});
}

export function updateEmail(id: string, change: (summary: EmailSummary) => EmailSummary): void {
	const found = known.get(id);
	if (found?.value) found.value = change(found.value);
}

export function forgetEmail(id: string): void {
	full.delete(id);
	const found = known.get(id);
	if (found) found.value = null;
}

export async function fetchFull(id: string): Promise<EmailFull | null> {
	const cached = full.get(id);
	if (cached) return { ...cached, ...email(id) };
	const response = await call<GetResponse<EmailFull>>('Email/get', { ids: [id], properties: fullProperties, bodyProperties });
	const found = response.list[0];
	if (!found) return null;
	full.set(id, found);
	if (full.size > fullKept) full.delete(full.keys().next().value!);
	takeSummaries({ ...response, list: [summaryOf(found)] });
	return found;
}

function summaryOf(message: EmailFull): EmailSummary {
	return Object.fromEntries(summaryProperties.map((name) => [name, message[name as keyof EmailSummary]])) as unknown as EmailSummary;
}

/** With its plain text, for quoting. */
export async function fetchBodies(id: string): Promise<EmailFull | null> {
	const response = await call<GetResponse<EmailFull>>('Email/get', {
		ids: [id],
		properties: [...fullProperties, 'bodyValues'],
		bodyProperties: [...bodyProperties, 'header:Content-Type'],
		fetchTextBodyValues: true,
		maxBodyValueBytes: 1_000_000,
	});
	return response.list[0] ?? null;
}

/** The HTML of a message as the server has made it harmless, to be quoted or gone on with: its own images by cid:, others by address. */
export async function fetchHtml(id: string): Promise<string> {
	const response = await request(`/render/${encodeURIComponent(id)}?images=1&quote=1`, {}, { retry: true });
	if (!response.ok) throw new HttpError(response.status, await problemDetail(response));
	const document = await response.text();
	return document.slice(document.indexOf('>', document.indexOf('<body')) + 1, document.lastIndexOf('</body>'));
}

export interface Changes {
	created: string[];
	destroyed: string[];
	/** More changed than the server can tell: look at everything again. */
	unknown: boolean;
	any: boolean;
}

/** What changed since the last look. Known messages are brought up to date; those that are gone are forgotten. */
export async function refreshEmails(newState?: string): Promise<Changes | null> {
	if (state === '' || newState === state) return null;
	const changes: Changes = { created: [], destroyed: [], unknown: false, any: false };
	const updated = new Set<string>();
	try {
		for (let more = true; more;) {
			const response = await call<ChangesResponse>('Email/changes', { sinceState: state, maxChanges: 500 });
			changes.created.push(...response.created);
			changes.destroyed.push(...response.destroyed);
			changes.any ||= response.newState !== state;
			for (const id of response.updated) if (known.get(id)?.peek()) updated.add(id);
			more = response.hasMoreChanges && response.newState !== state;
			state = response.newState;
		}
	} catch (error) {
		if (!(error instanceof MethodError) || error.type !== 'cannotCalculateChanges') throw error;
		changes.unknown = changes.any = true;
		state = newState ?? '';
		for (const [id, found] of known) if (found.peek()) updated.add(id);
	}
	for (const id of changes.destroyed) forgetEmail(id);
	for (const ids of chunks([...updated], maxInGet())) {
		const response = await call<GetResponse<Pick<EmailSummary, 'id' | 'keywords' | 'mailboxIds'>>>('Email/get', { ids, properties: ['id', 'keywords', 'mailboxIds'] });
		if (state === '') state = response.state;
		batch(() => {
			for (const { id, keywords, mailboxIds } of response.list) updateEmail(id, (summary) => ({ ...summary, keywords, mailboxIds }));
			for (const id of response.notFound) forgetEmail(id);
		});
	}
	return changes;
}
