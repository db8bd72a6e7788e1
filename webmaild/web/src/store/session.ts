// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Who is signed in, and requests on their behalf: an expired session or a lost connection holds them until they can go on.
import { signal } from '@preact/signals';
import { MAIL, type Session } from '../jmap/types.ts';

export type Phase = 'starting' | 'signedOut' | 'ready' | 'failed';

export const phase = signal<Phase>('starting');
/** The session ended while the page was in use: requests wait for a new sign-in. */
export const expired = signal(false);
/** The server did not answer: requests wait and are tried again. */
export const offline = signal(false);
export const username = signal('');
export const jmapSession = signal<Session | null>(null);

let csrf = '';
let waitingForLogin: (() => void)[] = [];
let leaving = false;

export class HttpError extends Error {
	constructor(readonly status: number, readonly detail: string) {
		super(detail || `HTTP ${status}`);
		this.name = 'HttpError';
	}
}

/** The request was not, or may not have been, done: nothing is tried again by itself. */
export class ConnectionError extends Error {}

export interface Options {
	/** Send again after a lost connection: only for what does no harm when done twice. */
	retry?: boolean;
}

function sleep(milliseconds: number): Promise<void> {
	return new Promise((resolve) => {
		const timer = setTimeout(done, milliseconds);
		function done(): void {
			clearTimeout(timer);
			window.removeEventListener('online', done);
			resolve();
		}
		window.addEventListener('online', done);
	});
}

export async function problemDetail(response: Response): Promise<string> {
	try {
		const body: unknown = await response.json();
		return body && typeof body === 'object' && 'detail' in body ? String(body.detail) : '';
	} catch {
		return '';
	}
}

/** Resolves once somebody is signed in again. */
export function signInAgain(): Promise<void> {
	expired.value = true;
	return new Promise((resolve) => waitingForLogin.push(resolve));
}

/** Another tab may have signed in anew: take its token. */
async function takeSession(): Promise<boolean> {
	const response = await fetch('/auth/session', { cache: 'no-store' });
	if (!response.ok) return false;
	const body = await response.json() as { csrf: string; username: string };
	if (username.value && body.username !== username.value) {
		leave();
		return false;
	}
	csrf = body.csrf;
	username.value = body.username;
	return true;
}

function leave(): void {
	leaving = true;
	location.reload();
}

export function isLeaving(): boolean {
	return leaving;
}

/** fetch() with the session's token. Waits for a sign-in when the session has ended; with retry also for the connection. */
export async function request(url: string, init: RequestInit = {}, options: Options = {}): Promise<Response> {
	let wait = 1000;
	let refreshed = false;
	for (;;) {
		let response: Response;
		try {
			response = await fetch(url, { ...init, headers: { ...init.headers as Record<string, string>, 'X-CSRF': csrf } });
		} catch (error) {
			if (init.signal?.aborted) throw error;
			offline.value = true;
			if (!options.retry) throw new ConnectionError();
			await sleep(wait);
			wait = Math.min(wait * 2, 15000);
			continue;
		}
		if (response.status === 401) {
			await signInAgain();
			continue;
		}
		if (response.status === 403 && !refreshed) {
			refreshed = true;
			if (await takeSession()) continue;
		}
		if ([502, 503, 504].includes(response.status)) {
			offline.value = true;
			if (!options.retry) throw new ConnectionError();
			await sleep(wait);
			wait = Math.min(wait * 2, 15000);
			continue;
		}
		offline.value = false;
		return response;
	}
}

export async function requestJson<T>(url: string, init: RequestInit = {}, options: Options = {}): Promise<T> {
	const response = await request(url, init, options);
	if (!response.ok) throw new HttpError(response.status, await problemDetail(response));
	return await response.json() as T;
}

export function csrfToken(): string {
	return csrf;
}

/** At start: goes on with a session the browser still has. Both requests go out at once. */
export async function start(): Promise<void> {
	phase.value = 'starting';
	try {
		const [known, session] = await Promise.all([takeSession(), fetch('/jmap/session', { cache: 'no-store' })]);
		if (!known || !session.ok) {
			phase.value = session.status >= 500 ? 'failed' : 'signedOut';
			return;
		}
		jmapSession.value = await session.json() as Session;
		phase.value = 'ready';
	} catch {
		phase.value = 'failed';
	}
}

export type SignInResult = { ok: true } | { ok: false; status: number; retryAfter: number };

/** status 0: no connection. */
export async function signIn(user: string, password: string): Promise<SignInResult> {
	try {
		const response = await fetch('/auth/login', {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify({ username: user, password }),
		});
		if (!response.ok) return { ok: false, status: response.status, retryAfter: Number(response.headers.get('Retry-After')) || 0 };
		csrf = (await response.json() as { csrf: string }).csrf;
		const before = username.value;
		const session = await requestJson<Session>('/jmap/session', { cache: 'no-store' });
		if (expired.value && before && !(await takeSession())) return { ok: false, status: 0, retryAfter: 0 };
		jmapSession.value = session;
		username.value ||= session.username;
	} catch {
		return { ok: false, status: 0, retryAfter: 0 };
	}
	offline.value = false;
	expired.value = false;
	phase.value = 'ready';
	const waiting = waitingForLogin;
	waitingForLogin = [];
	for (const go of waiting) go();
	return { ok: true };
}

export async function signOut(): Promise<void> {
	const response = await fetch('/auth/logout', { method: 'POST', headers: { 'X-CSRF': csrf } });
	if (!response.ok && response.status !== 401) throw new HttpError(response.status, await problemDetail(response));
	leave();
}

export function accountId(): string {
	return jmapSession.value?.primaryAccounts[MAIL] ?? '';
}

/** A template of RFC 8620 section 2 with its variables put in. */
export function fillTemplate(template: string, values: Record<string, string>): string {
	return template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));
}

export function downloadUrl(blobId: string, name: string, type: string): string {
	return fillTemplate(jmapSession.value!.downloadUrl, { accountId: accountId(), blobId, name: name || 'attachment', type });
}
