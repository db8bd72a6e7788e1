// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Keeps the page as the server is: the state changes of its event stream (RFC 8620 7.3), and a look at everything after each gap.
import { t } from '../i18n.ts';
import { EventParser } from '../jmap/eventstream.ts';
import type { GetResponse, Identity, Mailbox } from '../jmap/types.ts';
import { shortName } from '../lib/addresses.ts';
import { email, refreshEmails } from './emails.ts';
import { identities } from './identities.ts';
import { group } from './jmap.ts';
import { fetchUnknown, refreshList } from './list.ts';
import { applyMailboxes, byRole, refreshMailboxes } from './mailboxes.ts';
import { announce } from './notices.ts';
import { accountId, fillTemplate, jmapSession, request } from './session.ts';
import { followAddress } from './view.ts';

const pingSeconds = 30;

/** The first look. */
export async function load(): Promise<void> {
	const [boxes, senders] = await group([
		['Mailbox/get', { ids: null }],
		['Identity/get', { ids: null }],
	]) as unknown as [GetResponse<Mailbox>, GetResponse<Identity>];
	identities.value = senders.list;
	applyMailboxes(boxes);
	followAddress();
	void listen();
}

let running = false;
let waiting: Record<string, string> | null = null;

/** Takes in one change after the other. states: the new state of each type; empty: look at all. */
async function synchronise(states: Record<string, string>): Promise<void> {
	if (running) {
		waiting = { ...waiting, ...states };
		return;
	}
	running = true;
	try {
		for (let next: Record<string, string> | null = states; next; next = waiting) {
			waiting = null;
			const all = Object.keys(next).length === 0;
			if (all || next.Mailbox !== undefined) await refreshMailboxes(next.Mailbox);
			if (all || next.Email !== undefined) await refreshMessages(next.Email);
		}
	} catch {
		// The next event, or the next connection, looks again.
	} finally {
		running = false;
	}
}

async function refreshMessages(state?: string): Promise<void> {
	const changes = await refreshEmails(state);
	// After a gap the list may be older than the messages that were seen last.
	if (changes && !changes.any && state !== undefined) return;
	await refreshList();
	if (!changes || changes.unknown || changes.created.length === 0) return;
	const inbox = byRole.value.get('inbox')?.id ?? '';
	const latest = changes.created.slice(-10);
	await fetchUnknown(latest);
	for (const id of latest) {
		const summary = email(id);
		if (!summary || summary.keywords.$seen || !summary.mailboxIds[inbox]) continue;
		const from = summary.from?.[0];
		announce(t('announce.new', { from: from ? shortName(from) : t('noSender'), subject: summary.subject || t('noSubject') }));
	}
}

async function listen(): Promise<void> {
	const template = jmapSession.value!.eventSourceUrl;
	const url = fillTemplate(template, { types: 'Mailbox,Email', closeafter: 'no', ping: String(pingSeconds) });
	for (let wait = 1000; ;) {
		const started = Date.now();
		try {
			// What happened before the stream began is in none of its events.
			await readStream(url, () => void synchronise({}));
		} catch {
			// Told by the bar of the connection; tried again below.
		}
		wait = Date.now() - started > 60_000 ? 1000 : Math.min(wait * 2, 30_000);
		await new Promise((resolve) => setTimeout(resolve, wait));
	}
}

async function readStream(url: string, opened: () => void): Promise<void> {
	const abort = new AbortController();
	let watchdog = setTimeout(() => abort.abort(), 30_000);
	const alive = (): void => {
		clearTimeout(watchdog);
		watchdog = setTimeout(() => abort.abort(), pingSeconds * 2500);
	};
	try {
		const response = await request(url, { headers: { Accept: 'text/event-stream' }, cache: 'no-store', signal: abort.signal }, { retry: true });
		if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
		opened();
		alive();
		const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
		const parser = new EventParser();
		for (;;) {
			const { done, value } = await reader.read();
			if (done) return;
			alive();
			for (const event of parser.push(value)) if (event.type === 'state') take(event.data);
		}
	} finally {
		clearTimeout(watchdog);
		abort.abort();
	}
}

function take(data: string): void {
	const { changed } = JSON.parse(data) as { changed?: Record<string, Record<string, string>> };
	const states = changed?.[accountId()];
	if (states && Object.keys(states).length > 0) void synchronise(states);
}
